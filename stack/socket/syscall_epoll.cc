// epoll_create, epoll_ctl, epoll_wait.
#include <cerrno>
#include <limits>

#include "stack/socket/eventpoll.h"
#include "stack/socket/syscall_body.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {

int64_t SyscallBody::EpollCreate(uint32_t flags) {
  if ((flags & ~kOCloexec) != 0) return -EINVAL;
  file* const file = eventpoll_file(sys_.files_, sys_.epolls_);
  if (file == nullptr) return -ENFILE;
  return Install(file, (flags & kOCloexec) != 0, files_struct::kFirstFd);
}

int64_t SyscallBody::EpollCtl() {
  const auto* const event = static_cast<const epoll_event*>(args_.memory);
  if (args_.a != kEpollCtlDel && event == nullptr) return -EFAULT;
  int64_t err = 0;
  file* const ep_file = File(&err);
  if (ep_file == nullptr) return err;
  file* const target = OtherFile(args_.c, &err);
  if (target == nullptr) return err;
  return do_epoll_ctl(ep_file, args_.a, target, args_.c, event);
}

int64_t SyscallBody::EpollWait() {
  // EP_MAX_EVENTS: what an int can say of the kernel's packed event, 12 bytes.
  constexpr int kEventsMax = std::numeric_limits<int>::max() / 12;
  const auto count = static_cast<int>(args_.length);
  int64_t err = 0;
  file* const file = File(&err);
  if (file == nullptr) return err;
  if (count <= 0 || count > kEventsMax) return -EINVAL;
  auto* const events = static_cast<epoll_event*>(args_.memory);
  if (events == nullptr) return -EFAULT;
  eventpoll* const ep = eventpoll_of_file(file);
  if (ep == nullptr) return -EINVAL;
  const int sent = ep_send_events(ep, {events, static_cast<size_t>(count)});
  if (sent != 0 || last_ || args_.timeout == Duration{}) return sent;
  return WaitExactly(&ep->wq, ~uint32_t{0}, true);
}

}  // namespace tapedeck
