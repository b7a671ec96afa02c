#include "stack/socket/eventpoll.h"

#include <algorithm>
#include <cerrno>

namespace tapedeck {
namespace {

constexpr uint32_t kPrivateBits = EPOLLEXCLUSIVE | EPOLLWAKEUP | EPOLLONESHOT | EPOLLET;
constexpr uint32_t kInOut = EPOLLIN | EPOLLOUT;
constexpr uint32_t kExclusiveOk =
    kInOut | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET | EPOLLEXCLUSIVE;
constexpr uint32_t kAlwaysWatched = EPOLLERR | EPOLLHUP;
constexpr int kNestsMax = 4;  // EP_MAX_NESTS

uint32_t EventpollPoll(file* file);
WaitQueue* EventpollQueue(file* file) { return &eventpoll_of_file(file)->poll_wait; }
void EventpollRelease(file* file);

// It has commands of its own kind only.
int EventpollIoctl(file* /*file*/, uint32_t /*command*/, int* /*argument*/) { return -EINVAL; }

constexpr file_operations kEventpollFops = {.poll = EventpollPoll,
                                            .wait_queue = EventpollQueue,
                                            .release = EventpollRelease,
                                            .read_iter = nullptr,
                                            .write_iter = nullptr,
                                            .ioctl = EventpollIoctl};

uint32_t ep_item_poll(const epitem* epi) {
  return epi->file->f_op->poll(epi->file) & epi->event.events;
}

// Tells threads in epoll_wait, and whoever watches this eventpoll.
void WakeWatchers(eventpoll* ep) {
  ep->wq.WakeUp();
  ep->poll_wait.WakeUp(EPOLLIN);
}

void PutOnReadyList(epitem* epi) {
  if (!epi->ready()) epi->ep->rdllist.PushBack(epi);
}

// Whether an exclusive item counts as woken by an event: where somebody waits for just this kind.
bool ExclusiveWoken(const epitem* epi, uint32_t events) {
  switch (events == kAnyEvent ? 0 : events & kInOut) {
    case 0:
      return true;
    case EPOLLIN:
      return (epi->event.events & EPOLLIN) != 0;
    case EPOLLOUT:
      return (epi->event.events & EPOLLOUT) != 0;
    default:
      return false;
  }
}

// Something happened to a watched file.
bool ep_poll_callback(WaitEntry* entry, uint32_t events) {
  auto* const epi = static_cast<epitem*>(entry);
  const bool exclusive = (epi->event.events & EPOLLEXCLUSIVE) != 0;
  // A one-shot item that has fired hears nothing.
  const bool deaf = (epi->event.events & ~kPrivateBits) == 0;
  if (deaf || (events & epi->event.events & ~kPrivateBits) == 0) return !exclusive;
  PutOnReadyList(epi);
  const bool waited_for = !epi->ep->wq.empty();
  const bool woken = !exclusive || (waited_for && ExclusiveWoken(epi, events));
  WakeWatchers(epi->ep);
  return woken;
}

void ep_remove(epitem* epi) {
  epi->WaitEntry::Unlink();
  epi->LeaveReadyList();
  epi->ListNode<EpitemOfEpTag>::Unlink();
  epi->ListNode<EpitemOfFileTag>::Unlink();
  epi->ep->caches.items.Delete(epi);
}

epitem* ep_find(const eventpoll* ep, const file* target, int fd) {
  for (epitem* epi = target->f_ep.front(); epi != nullptr; epi = target->f_ep.Next(epi)) {
    if (epi->ep == ep && epi->fd == fd) return epi;
  }
  return nullptr;
}

// What is ready now joins the ready list, as if it had just happened.
void QueueIfReady(epitem* epi) {
  if (ep_item_poll(epi) == 0 || epi->ready()) return;
  PutOnReadyList(epi);
  WakeWatchers(epi->ep);
}

// How many eventpolls lie below each other from `ep` down; more than kNestsMax also where `into` is
// among them.
int DepthBelow(const eventpoll* ep, const eventpoll* into, int depth) {
  int deepest = 0;
  for (const epitem* epi = ep->items.front(); epi != nullptr; epi = ep->items.Next(epi)) {
    const eventpoll* const below = eventpoll_of_file(epi->file);
    if (below == nullptr) continue;
    if (below == into || depth > kNestsMax) return kNestsMax + 1;
    deepest = std::max(deepest, DepthBelow(below, into, depth + 1) + 1);
    if (deepest > kNestsMax) return deepest;
  }
  return deepest;
}

// ... and from `ep` up.
int DepthAbove(const eventpoll* ep) {
  int highest = 0;
  const List<epitem, EpitemOfFileTag>& watchers = ep->file->f_ep;
  for (const epitem* epi = watchers.front(); epi != nullptr; epi = watchers.Next(epi)) {
    highest = std::max(highest, DepthAbove(epi->ep) + 1);
  }
  return highest;
}

// ep_loop_check: whether `to` may be watched by `ep`: no loops, and not too deep.
bool NestingAllowed(const eventpoll* ep, const eventpoll* to) {
  const int below = DepthBelow(to, ep, 0);
  return below <= kNestsMax && below + 1 + DepthAbove(ep) <= kNestsMax;
}

int ep_insert(eventpoll* ep, file* target, int fd, epoll_event event) {
  const eventpoll* const nested = eventpoll_of_file(target);
  if (nested != nullptr && !NestingAllowed(ep, nested)) return -ELOOP;
  event.events |= kAlwaysWatched;
  epitem* const epi = ep->caches.items.New(ep, target, fd, event);
  if (epi == nullptr) return -ENOMEM;
  ep->items.PushBack(epi);
  target->f_ep.PushBack(epi);
  if (WaitQueue* const queue = target->f_op->wait_queue(target)) queue->Add(epi);
  QueueIfReady(epi);
  return 0;
}

int ep_modify(epitem* epi, epoll_event event) {
  if ((epi->event.events & EPOLLEXCLUSIVE) != 0) return -EINVAL;
  event.events |= kAlwaysWatched;
  epi->event = event;
  QueueIfReady(epi);
  return 0;
}

// EPOLLEXCLUSIVE is for files that are no eventpolls, and from the beginning.
bool ExclusiveAllowed(int op, const file* target, uint32_t events) {
  if ((events & EPOLLEXCLUSIVE) == 0) return true;
  if (op == kEpollCtlMod) return false;
  return eventpoll_of_file(target) == nullptr && (events & ~kExclusiveOk) == 0;
}

// Whether anything on the ready list is really ready; what is not leaves it.
uint32_t EventpollPoll(file* file) {
  eventpoll* const ep = eventpoll_of_file(file);
  while (epitem* const epi = ep->rdllist.front()) {
    if (ep_item_poll(epi) != 0) return EPOLLIN | EPOLLRDNORM;
    epi->LeaveReadyList();
  }
  return 0;
}

void EventpollRelease(file* file) {
  eventpoll* const ep = eventpoll_of_file(file);
  while (epitem* const epi = ep->items.front()) ep_remove(epi);
  ep->caches.eps.Delete(ep);
}

// Takes an item off the ready list and says what is true of it; 0 where nothing that was asked for.
uint32_t ep_deliver_event(epitem* epi) {
  epi->LeaveReadyList();
  const uint32_t revents = ep_item_poll(epi);
  if (revents == 0) return 0;
  if ((epi->event.events & EPOLLONESHOT) != 0) {
    epi->event.events &= kPrivateBits;
  } else if ((epi->event.events & EPOLLET) == 0) {
    epi->ep->rdllist.PushBack(epi);
  }
  return revents;
}

}  // namespace

epitem::epitem(eventpoll* its_ep, struct file* its_file, int its_fd, const epoll_event& its_event)
    : WaitEntry(ep_poll_callback, kAnyEvent, (its_event.events & EPOLLEXCLUSIVE) != 0),
      ep(its_ep),
      file(its_file),
      fd(its_fd),
      event(its_event) {}

file* eventpoll_file(files_struct& files, EpollCaches& caches) {
  eventpoll* const ep = caches.eps.New(caches);
  if (ep == nullptr) return nullptr;
  ep->file = files.alloc_file(&kEventpollFops, ep, kORdwr);
  if (ep->file != nullptr) return ep->file;
  caches.eps.Delete(ep);
  return nullptr;
}

eventpoll* eventpoll_of_file(const file* file) {
  return file->f_op == &kEventpollFops ? static_cast<eventpoll*>(file->private_data) : nullptr;
}

int do_epoll_ctl(file* ep_file, int op, file* target, int fd, const epoll_event* event) {
  const bool has_event = op != kEpollCtlDel;
  if (has_event && event == nullptr) return -EFAULT;
  if (target->f_op->poll == nullptr) return -EPERM;
  eventpoll* const ep = eventpoll_of_file(ep_file);
  if (ep_file == target || ep == nullptr) return -EINVAL;
  if (has_event && !ExclusiveAllowed(op, target, event->events)) return -EINVAL;
  epitem* const epi = ep_find(ep, target, fd);
  switch (op) {
    case kEpollCtlAdd:
      return epi != nullptr ? -EEXIST : ep_insert(ep, target, fd, *event);
    case kEpollCtlMod:
      return epi == nullptr ? -ENOENT : ep_modify(epi, *event);
    case kEpollCtlDel:
      if (epi == nullptr) return -ENOENT;
      ep_remove(epi);
      return 0;
    default:
      return -EINVAL;
  }
}

int ep_send_events(eventpoll* ep, std::span<epoll_event> events) {
  // What goes back to the end of the list is not looked at again.
  const epitem* const last = ep->rdllist.back();
  size_t sent = 0;
  while (sent < events.size()) {
    epitem* const epi = ep->rdllist.front();
    if (epi == nullptr) break;
    const uint32_t revents = ep_deliver_event(epi);
    if (revents != 0) events[sent++] = {revents, epi->event.data};
    if (epi == last) break;
  }
  return static_cast<int>(sent);
}

void eventpoll_release_file(file* file) {
  while (epitem* const epi = file->f_ep.front()) ep_remove(epi);
}

}  // namespace tapedeck
