// epoll (fs/eventpoll.c): an eventpoll watches files; those that had an event lie on its ready list
// until epoll_wait has looked at them.
//
// An epitem is one watched descriptor. It sleeps on its file's wait queue; an event puts it on the
// ready list and wakes one thread in epoll_wait, and those who watch the eventpoll itself. Whether
// the event still holds is asked when it is fetched: level-triggered items go back to the end of
// the ready list, edge-triggered and one-shot ones do not.
#ifndef TAPEDECK_STACK_SOCKET_EVENTPOLL_H_
#define TAPEDECK_STACK_SOCKET_EVENTPOLL_H_

#include <cstdint>
#include <span>

#include "stack/base/list.h"
#include "stack/core/uapi.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/wait.h"
#include "stack/socket/file.h"
#include "stack/socket/system_call.h"

namespace tapedeck {

// epoll_ctl's operations, and the bits of epoll_event::events that are no events.
inline constexpr int kEpollCtlAdd = 1;
inline constexpr int kEpollCtlDel = 2;
inline constexpr int kEpollCtlMod = 3;
inline constexpr uint32_t EPOLLEXCLUSIVE = 1U << 28;
inline constexpr uint32_t EPOLLWAKEUP = 1U << 29;
inline constexpr uint32_t EPOLLONESHOT = 1U << 30;
inline constexpr uint32_t EPOLLET = 1U << 31;

struct eventpoll;
struct EpitemReadyTag;
struct EpitemOfEpTag;

struct epitem : WaitEntry,
                ListNode<EpitemReadyTag>,
                ListNode<EpitemOfEpTag>,
                ListNode<EpitemOfFileTag> {
  epitem(eventpoll* its_ep, struct file* its_file, int its_fd, const epoll_event& its_event);
  bool ready() const { return ListNode<EpitemReadyTag>::linked(); }
  void LeaveReadyList() { ListNode<EpitemReadyTag>::Unlink(); }

  eventpoll* ep;
  struct file* file;  // no reference: its end takes the item away
  int fd;
  epoll_event event;
};

struct EpollCaches;

struct eventpoll {
  explicit eventpoll(EpollCaches& its_caches) : caches(its_caches) {}

  EpollCaches& caches;
  WaitQueue wq;         // threads in epoll_wait
  WaitQueue poll_wait;  // those who watch this eventpoll
  List<epitem, EpitemReadyTag> rdllist;
  List<epitem, EpitemOfEpTag> items;
  struct file* file = nullptr;
};

struct EpollCaches {
  explicit EpollCaches(Arena& arena) : eps(arena, "eventpoll"), items(arena, "eventpoll_epi") {}
  SlabCache<eventpoll> eps;
  SlabCache<epitem> items;
};

// A file for a new eventpoll; nullptr where memory failed.
file* eventpoll_file(files_struct& files, EpollCaches& caches);
// The eventpoll of a file; nullptr where it is none.
eventpoll* eventpoll_of_file(const file* file);

// epoll_ctl on open files. 0, -EPERM (no such file can be watched), -EINVAL, -EEXIST, -ENOENT,
// -ELOOP, -ENOMEM, -EFAULT (`event` is null).
int do_epoll_ctl(file* ep_file, int op, file* target, int fd, const epoll_event* event);

// Fetches ready events, the oldest first, as many as there is room for; their number.
int ep_send_events(eventpoll* ep, std::span<epoll_event> events);

// The file ends: nobody watches it any more.
void eventpoll_release_file(file* file);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_EVENTPOLL_H_
