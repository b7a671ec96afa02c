#include "replay/differential/host_call.h"

#include <algorithm>

#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/core/uapi.h"
#include "stack/socket/sock_options.h"

namespace tapedeck::differential {

namespace {

class Caller {
 public:
  Caller(Syscalls& sys, Thread& thread, std::span<int, CallStep::kSlots> slots,
         const CallStep& call, CallResult* result)
      : sys_(sys), thread_(thread), slots_(slots), call_(call), result_(*result) {}

  int64_t Make() {
    const int fd = Slot();
    switch (call_.name) {
      case CallName::kSocket:
        return Take(&Slot(), sys_.Socket(thread_, call_.a,
                                         call_.b | static_cast<int>(SOCK_NONBLOCK), call_.c)
                                 .RunNow());
      case CallName::kBind:
        return sys_.Bind(thread_, fd, Address()).RunNow();
      case CallName::kConnect:
        return sys_.Connect(thread_, fd, Address()).RunNow();
      case CallName::kListen:
        return sys_.Listen(thread_, fd, call_.a).RunNow();
      case CallName::kAccept:
        return Accept(fd);
      case CallName::kSendto:
        return Send(fd);
      case CallName::kRecvfrom:
        return Receive(fd);
      case CallName::kRecvError:
        return ReceiveError(fd);
      case CallName::kShutdown:
        return sys_.Shutdown(thread_, fd, call_.a).RunNow();
      case CallName::kClose:
        Slot() = -1;
        return sys_.Close(thread_, fd).RunNow();
      case CallName::kGetsockname:
      case CallName::kGetpeername:
        return Name(fd);
      case CallName::kSetsockopt:
        return sys_.Setsockopt(thread_, fd, call_.a, call_.b, call_.data.data(), call_.room)
            .RunNow();
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
  static int64_t Take(int* slot, int64_t fd) {
    *slot = fd >= 0 ? static_cast<int>(fd) : -1;
    return std::min<int64_t>(fd, 0);
  }
  SockAddr Address() const {
    SockAddr address;
    address.Set(call_.address.data(), static_cast<uint32_t>(call_.address.size()));
    address.length = call_.address_length;
    return address;
  }
  void Keep(const SockAddr& address) const {
    const uint32_t bytes = std::min({address.length, call_.room, SockAddr::kBytes});
    result_.address.assign(address.bytes, address.bytes + bytes);
    result_.length = address.length;
  }

  int64_t Accept(int fd) const {
    SockAddr peer;
    const int64_t accepted = sys_.Accept4(thread_, fd, &peer, SOCK_NONBLOCK).RunNow();
    if (accepted >= 0) {
      result_.address.assign(peer.bytes, peer.bytes + std::min(peer.length, SockAddr::kBytes));
      result_.length = peer.length;
    }
    return Take(&slots_[static_cast<size_t>(call_.a)], accepted);
  }

  int64_t Send(int fd) const {
    const auto flags = static_cast<uint32_t>(call_.a);
    if (call_.address.empty()) return sys_.Sendto(thread_, fd, call_.data, flags).RunNow();
    return sys_.Sendto(thread_, fd, call_.data, flags, Address()).RunNow();
  }

  int64_t Receive(int fd) const {
    result_.data.assign(call_.room, 0);
    SockAddr from;
    const int64_t received =
        sys_.Recvfrom(thread_, fd, result_.data, static_cast<uint32_t>(call_.a), &from).RunNow();
    KeepReceived(received);
    if (received >= 0) {
      result_.address.assign(from.bytes, from.bytes + std::min(from.length, SockAddr::kBytes));
      result_.length = from.length;
    }
    return received;
  }
  void KeepReceived(int64_t received) const {
    const auto bytes = static_cast<size_t>(std::max<int64_t>(received, 0));
    result_.data.resize(std::min(bytes, result_.data.size()));
  }

  int64_t ReceiveError(int fd) const {
    SockAddr from;
    std::vector<uint8_t> payload(call_.room);
    const iovec piece{payload.data(), payload.size()};
    uint8_t control[256] = {};
    user_msghdr message;
    message.msg_name = &from;
    message.msg_iov = {&piece, 1};
    message.msg_control = control;
    message.msg_controllen = sizeof(control);
    const int64_t received = sys_.Recvmsg(thread_, fd, &message, MSG_ERRQUEUE).RunNow();
    if (received < 0) return received;
    result_.data.assign(control, control + message.msg_controllen);
    result_.data.insert(result_.data.end(), payload.begin(),
                        payload.begin() + std::min<int64_t>(received, call_.room));
    result_.address.assign(from.bytes, from.bytes + std::min(from.length, SockAddr::kBytes));
    result_.length = message.msg_flags;
    return received;
  }

  int64_t Name(int fd) const {
    SockAddr address;
    address.length = call_.room;
    const int64_t value = call_.name == CallName::kGetsockname
                              ? sys_.Getsockname(thread_, fd, &address).RunNow()
                              : sys_.Getpeername(thread_, fd, &address).RunNow();
    if (value == 0) Keep(address);
    return value;
  }

  int64_t Option(int fd) const {
    result_.data.assign(call_.room, 0);
    uint32_t length = call_.room;
    const int64_t value =
        sys_.Getsockopt(thread_, fd, call_.a, call_.b, result_.data.data(), &length).RunNow();
    if (value == 0) result_.length = length;
    return value;
  }

  int64_t Poll(int fd) const {
    pollfd entry{fd, static_cast<int16_t>(call_.a), 0};
    const int64_t value = sys_.Poll(thread_, {&entry, 1}, Duration{}).RunNow();
    result_.length = static_cast<uint16_t>(entry.revents);
    return value;
  }

  int64_t Ioctl(int fd) const {
    int number = 0;
    const int64_t value = sys_.Ioctl(thread_, fd, static_cast<uint32_t>(call_.a), &number).RunNow();
    result_.length = static_cast<uint32_t>(number);
    return value;
  }

  Syscalls& sys_;
  Thread& thread_;
  std::span<int, CallStep::kSlots> slots_;
  const CallStep& call_;
  CallResult& result_;
};

}  // namespace

void HostCall(Syscalls& sys, Thread& thread, std::span<int, CallStep::kSlots> slots,
              const CallStep& call, CallResult* result) {
  result->value = Caller(sys, thread, slots, call, result).Make();
}

void HostAbort(Syscalls& sys, Thread& thread, int fd) {
  constexpr int32_t kLinger[2] = {1, 0};  // struct linger: on, no seconds
  sys.Setsockopt(thread, fd, kSolSocket, kSoLinger, kLinger, sizeof(kLinger)).RunNow();
  sys.Close(thread, fd).RunNow();
}

}  // namespace tapedeck::differential
