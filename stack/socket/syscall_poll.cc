// poll(2) and select(2): a wait on the queues of all descriptors at once (fs/select.c).
#include <algorithm>
#include <cerrno>
#include <new>

#include "stack/socket/syscall_body.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {

// One descriptor of a poll that sleeps.
struct PollWait : WaitEntry {
  PollWait(Thread& its_thread, struct file* its_file, uint32_t wanted)
      : WaitEntry(Woken, wanted), thread(its_thread), file(its_file) {}
  static bool Woken(WaitEntry* entry, uint32_t /*events*/) {
    static_cast<PollWait*>(entry)->thread.Wake(WakeReason::kDone);
    return true;
  }
  Thread& thread;
  struct file* file;  // a reference; nullptr where the descriptor is not open
};

namespace {

constexpr uint32_t kAlwaysReported = EPOLLERR | EPOLLHUP;
// What is true of files that are always ready (DEFAULT_POLLMASK).
constexpr uint32_t kDefaultMask = EPOLLIN | EPOLLOUT | EPOLLRDNORM | EPOLLWRNORM;

uint32_t WantedEvents(const pollfd& entry) {
  return static_cast<uint16_t>(entry.events) | kAlwaysReported;
}

uint32_t FileEvents(file* file) {
  return file->f_op->poll == nullptr ? kDefaultMask : file->f_op->poll(file);
}

// do_pollfd: what is true of a descriptor now, of what was asked for.
int16_t PollFile(file* file, const pollfd& entry) {
  if (entry.fd < 0) return 0;
  if (file == nullptr) return EPOLLNVAL;
  return static_cast<int16_t>(FileEvents(file) & WantedEvents(entry));
}

// The sets of select: what each is asked as, and when it is true.
constexpr uint32_t kSetEvents[3] = {
    EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLHUP | EPOLLERR | EPOLLNVAL,
    EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLERR | EPOLLNVAL,
    EPOLLPRI | EPOLLNVAL,
};

bool InSet(const fd_set_bits* set, int fd) { return set != nullptr && set->IsSet(fd); }

}  // namespace

int64_t SyscallBody::Poll() {
  const uint32_t count = args_.length;
  if (count > static_cast<uint32_t>(sys_.files_.rlimit_nofile)) return -EINVAL;
  auto* const fds = static_cast<pollfd*>(args_.memory);
  if (fds == nullptr && count != 0) return -EFAULT;
  int64_t ready = 0;
  for (uint32_t i = 0; i < count; ++i) {
    // A descriptor keeps meaning the file that it meant when the call slept first.
    file* const file =
        call_.poll_waits_ != nullptr ? call_.poll_waits_[i].file : sys_.files_.fcheck(fds[i].fd);
    fds[i].revents = PollFile(file, fds[i]);
    if (fds[i].revents != 0) ++ready;
  }
  if (ready != 0 || last_ || args_.timeout == Duration{}) return ready;
  if (call_.poll_waits_ == nullptr && count != 0) {
    if (const int64_t err = RegisterPoll(fds, count); err != 0) return err;
  }
  return WaitExactly(nullptr, 0, false);
}

int64_t SyscallBody::Select() {
  if (args_.a < 0) return -EINVAL;
  // Descriptors beyond the table are not looked at, however many bits there are.
  const int limit = std::min({args_.a, sys_.files_.max_fds, fd_set_bits::kSize});
  pollfd fds[fd_set_bits::kSize];
  uint32_t count = 0;
  fd_set_bits result[3];
  int64_t ready = 0;
  for (int fd = 0; fd < limit; ++fd) {
    uint32_t wanted = 0;
    for (int set = 0; set < 3; ++set) {
      if (InSet(args_.sets[set], fd)) wanted |= kSetEvents[set];
    }
    if (wanted == 0) continue;
    file* const file =
        call_.poll_waits_ != nullptr ? call_.poll_waits_[count].file : sys_.files_.fcheck(fd);
    if (file == nullptr) return -EBADF;
    const uint32_t events = FileEvents(file);
    for (int set = 0; set < 3; ++set) {
      if (!InSet(args_.sets[set], fd) || (events & kSetEvents[set]) == 0) continue;
      result[set].Set(fd);
      ++ready;
    }
    fds[count].fd = fd;
    fds[count++].events = static_cast<int16_t>(wanted);
  }
  if (ready == 0 && !last_ && args_.timeout != Duration{}) {
    if (call_.poll_waits_ == nullptr && count != 0) {
      if (const int64_t err = RegisterPoll(fds, count); err != 0) return err;
    }
    return WaitExactly(nullptr, 0, false);
  }
  for (int set = 0; set < 3; ++set) {
    if (args_.sets[set] != nullptr) *args_.sets[set] = result[set];
  }
  return ready;
}

int64_t SyscallBody::RegisterPoll(const pollfd* fds, uint32_t count) {
  void* const memory = sys_.net_.kernel.kmalloc().Alloc(count * sizeof(PollWait));
  if (memory == nullptr) return -ENOMEM;
  auto* const waits = static_cast<PollWait*>(memory);
  for (uint32_t i = 0; i < count; ++i) {
    file* const file = sys_.files_.fcheck(fds[i].fd);
    auto* const wait = new (&waits[i]) PollWait(call_.thread_, file, WantedEvents(fds[i]));
    if (file == nullptr) continue;
    get_file(file);
    if (WaitQueue* const queue = file->f_op->wait_queue(file)) queue->Add(wait);
  }
  call_.poll_waits_ = waits;
  call_.poll_wait_count_ = count;
  return 0;
}

void SyscallBody::EndPoll(SystemCall& call) {
  PollWait* const waits = call.poll_waits_;
  const uint32_t count = call.poll_wait_count_;
  call.poll_waits_ = nullptr;
  // All of them first: a file that goes wakes who polls it, or the other end of its pipe, and the
  // thread may be gone.
  for (uint32_t i = 0; i < count; ++i) waits[i].Unlink();
  for (uint32_t i = 0; i < count; ++i) {
    if (waits[i].file != nullptr) fput(waits[i].file);
    waits[i].~PollWait();
  }
  call.sys_.net_.kernel.kmalloc().Free(waits, count * sizeof(PollWait));
}

}  // namespace tapedeck
