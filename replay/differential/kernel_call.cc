#include "replay/differential/kernel_call.h"

#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

namespace tapedeck::differential {

namespace {

// What an address argument lies in: any length that the kernel reads is there.
using Storage = std::array<uint8_t, 256>;
constexpr uint32_t kStorageBytes = 256;
constexpr uint32_t kOurAddressBytes = 28;  // what our stack keeps of one: struct sockaddr_in6

int64_t ResultOf(int64_t value) { return value < 0 ? -errno : value; }

class Caller {
 public:
  Caller(std::span<int, CallStep::kSlots> slots, const CallStep& call, CallResult* result)
      : slots_(slots), call_(call), result_(*result) {
    std::copy(call.address.begin(), call.address.end(), storage_.begin());
  }

  int64_t Make() {
    const int fd = Slot();
    switch (call_.name) {
      case CallName::kSocket:
        return Take(&Slot(), socket(call_.a, call_.b | SOCK_NONBLOCK | SOCK_CLOEXEC, call_.c));
      case CallName::kBind:
        return ResultOf(bind(fd, Address(), call_.address_length));
      case CallName::kConnect:
        return ResultOf(connect(fd, Address(), call_.address_length));
      case CallName::kListen:
        return ResultOf(listen(fd, call_.a));
      case CallName::kAccept:
        return Accept(fd);
      case CallName::kSendto:
        return Send(fd);
      case CallName::kRecvfrom:
        return Receive(fd);
      case CallName::kRecvError:
        return ReceiveError(fd);
      case CallName::kShutdown:
        return ResultOf(shutdown(fd, call_.a));
      case CallName::kClose:
        Slot() = -1;
        return ResultOf(close(fd));
      case CallName::kGetsockname:
      case CallName::kGetpeername:
        return Name(fd);
      case CallName::kSetsockopt:
        return ResultOf(setsockopt(fd, call_.a, call_.b, call_.data.data(), call_.room));
      case CallName::kGetsockopt:
        return Option(fd);
      case CallName::kPoll:
        return Poll(fd);
      case CallName::kIoctl:
        return Ioctl(fd);
    }
    return 0;
  }

 private:
  int& Slot() const { return slots_[static_cast<size_t>(call_.slot)]; }
  static int64_t Take(int* slot, int fd) {
    const int error = errno;
    *slot = fd;
    return fd >= 0 ? 0 : -error;
  }
  struct sockaddr* Address() { return reinterpret_cast<struct sockaddr*>(storage_.data()); }
  // The address that the kernel has left in storage_, of which it says that it has `length` bytes.
  void Keep(uint32_t length, uint32_t room) {
    const uint32_t bytes = std::min({length, room, kOurAddressBytes});
    result_.address.assign(storage_.begin(), storage_.begin() + bytes);
    result_.length = length;
  }

  int64_t Accept(int fd) {
    socklen_t length = kStorageBytes;
    const int accepted = accept4(fd, Address(), &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
    const int64_t value = Take(&slots_[static_cast<size_t>(call_.a)], accepted);
    if (value == 0) Keep(length, kStorageBytes);
    return value;
  }

  int64_t Send(int fd) {
    const int flags = call_.a | MSG_NOSIGNAL;
    return ResultOf(sendto(fd, call_.data.data(), call_.data.size(), flags,
                           call_.address.empty() ? nullptr : Address(),
                           call_.address.empty() ? 0 : call_.address_length));
  }

  int64_t Receive(int fd) {
    result_.data.assign(call_.room, 0);
    socklen_t length = kStorageBytes;
    const int64_t received = ResultOf(
        recvfrom(fd, result_.data.data(), result_.data.size(), call_.a, Address(), &length));
    const auto bytes = static_cast<size_t>(std::max<int64_t>(received, 0));
    result_.data.resize(std::min(bytes, result_.data.size()));
    if (received >= 0) Keep(length, kStorageBytes);
    return received;
  }

  int64_t ReceiveError(int fd) {
    std::array<uint8_t, 256> control{};
    std::vector<uint8_t> payload(call_.room);
    struct iovec piece = {payload.data(), payload.size()};
    struct msghdr message = {};
    message.msg_name = storage_.data();
    message.msg_namelen = kStorageBytes;
    message.msg_iov = &piece;
    message.msg_iovlen = 1;
    message.msg_control = control.data();
    message.msg_controllen = control.size();
    const int64_t received = ResultOf(recvmsg(fd, &message, MSG_ERRQUEUE));
    if (received < 0) return received;
    result_.data.assign(control.begin(),
                        control.begin() + static_cast<ptrdiff_t>(message.msg_controllen));
    result_.data.insert(result_.data.end(), payload.begin(),
                        payload.begin() + std::min<int64_t>(received, call_.room));
    Keep(message.msg_namelen, kStorageBytes);
    result_.length = static_cast<uint32_t>(message.msg_flags & ~MSG_CMSG_CLOEXEC);
    return received;
  }

  int64_t Name(int fd) {
    socklen_t length = call_.room;
    const int64_t value =
        ResultOf(call_.name == CallName::kGetsockname ? getsockname(fd, Address(), &length)
                                                      : getpeername(fd, Address(), &length));
    if (value == 0) Keep(length, call_.room);
    return value;
  }

  int64_t Option(int fd) {
    result_.data.assign(call_.room, 0);
    socklen_t length = call_.room;
    const int64_t value = ResultOf(getsockopt(fd, call_.a, call_.b, result_.data.data(), &length));
    if (value == 0) result_.length = length;
    return value;
  }

  int64_t Poll(int fd) {
    struct pollfd entry = {fd, static_cast<short>(call_.a), 0};
    const int64_t value = ResultOf(poll(&entry, 1, 0));
    result_.length = static_cast<uint16_t>(entry.revents);
    return value;
  }

  int64_t Ioctl(int fd) {
    int number = 0;
    const int64_t value = ResultOf(ioctl(fd, static_cast<unsigned long>(call_.a), &number));
    result_.length = static_cast<uint32_t>(number);
    return value;
  }

  std::span<int, CallStep::kSlots> slots_;
  const CallStep& call_;
  CallResult& result_;
  alignas(8) Storage storage_{};
};

}  // namespace

void KernelCall(std::span<int, CallStep::kSlots> slots, const CallStep& call, CallResult* result) {
  result->value = Caller(slots, call, result).Make();
}

void KernelAbort(int fd) {
  const struct linger now = {1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close(fd);
}

}  // namespace tapedeck::differential
