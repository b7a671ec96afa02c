// Calls with arguments that make little sense, frames and passing time, in random order: nothing of
// it may break a promise of our own code, and at the end nothing may be left. (SocketHost looks at
// the ledgers.)
#include <gtest/gtest.h>

#include <array>
#include <memory>
#include <vector>

#include "socket_host.h"  // beside this file

namespace tapedeck {
namespace {

class Chaos {
 public:
  explicit Chaos(uint64_t seed) : random_(seed, 0) {
    host_.Sysctl("net/ipv4/ping_group_range", "0 0");
    host_.Sysctl("net/ipv4/ip_local_port_range", "7000 7015");
    for (Slot& slot : slots_) slot.thread = host_.kernel.NewThread(0);
  }

  // Calls that still wait let go of their files before their memory goes.
  ~Chaos() {
    host_.sys().CloseAll();
    host_.kernel.EndThreads();
  }
  Chaos(const Chaos&) = delete;
  Chaos& operator=(const Chaos&) = delete;

  void Step() {
    switch (Below(8)) {
      case 0:
        return host_.Receive(UdpFrame());
      case 1:
        return host_.Receive(IcmpFrame());
      case 2:
        host_.RunFor(Duration::Microseconds(Below(100'000)));
        return;
      case 3:
        slots_[Below(kSlots)].thread->Interrupt();
        return;
      case 4:
        last_sent_ = host_.TakeSent();
        return;
      default:
        StartCall(slots_[Below(kSlots)]);
        if (Below(2) == 0) host_.RunFor(Duration::Microseconds(1));
    }
  }

 private:
  static constexpr uint32_t kSlots = 6;
  // A thread, the call it is in, and the memory that was given to it.
  struct Slot {
    Thread* thread = nullptr;
    std::unique_ptr<SystemCall> call;
    Bytes buffer;
    std::array<uint8_t, 128> control;
    std::array<pollfd, 4> fds;
    iovec piece;
    user_msghdr msg;
    SockAddr address;
    uint32_t length;
    int value;
  };

  uint32_t Below(uint32_t bound) { return random_.Below(bound); }
  template <typename T>
  T OneOf(std::initializer_list<T> values) {
    return values.begin()[Below(static_cast<uint32_t>(values.size()))];
  }

  int Fd() { return static_cast<int>(Below(12)); }
  uint16_t Port() { return static_cast<uint16_t>(Below(4) == 0 ? 0 : 7000 + Below(4)); }
  uint32_t Flags() {
    return OneOf<uint32_t>({0, 0, 0, MSG_MORE, MSG_DONTWAIT, MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE,
                            MSG_PROBE, MSG_CONFIRM | MSG_PROBE, MSG_OOB, MSG_DONTROUTE});
  }
  SockAddr Address() {
    SockAddr address =
        At(OneOf({kPeer, kUs, kIpv4Any, kIpv4Loopback, kIpv4Broadcast, Ipv4Address(10, 0, 0, 255),
                  Ipv4Address(224, 1, 1, 1), Ipv4Address(192, 0, 2, 1)}),
           Port());
    if (Below(8) == 0) address.bytes[0] = static_cast<uint8_t>(Below(3));
    if (Below(16) == 0) address.length = Below(140);
    return address;
  }

  void StartCall(Slot& slot) {
    if (slot.call != nullptr && !slot.call->ended()) return;
    slot.call.reset();
    slot.buffer.assign(OneOf<size_t>({0, 1, 8, 100, 1480, 3000, 65507}), 0x08);
    if (!slot.buffer.empty()) slot.buffer[0] = OneOf<uint8_t>({0, 8, 0x83});
    slot.control.fill(static_cast<uint8_t>(Below(24)));
    slot.address = Address();
    slot.length = OneOf<uint32_t>({0, 1, 4, 8, 12, 16, 40, 128});
    slot.value = static_cast<int>(OneOf<uint32_t>({0, 1, 2, 255, 1 << 20, ~0U}));
    std::memcpy(slot.control.data(), &slot.value, sizeof(slot.value));
    slot.piece = {slot.buffer.data(), slot.buffer.size()};
    slot.msg = {.msg_name = Below(2) == 0 ? &slot.address : nullptr,
                .msg_iov = {&slot.piece, Below(2)},
                .msg_control = slot.control.data(),
                .msg_controllen = Below(3) == 0 ? slot.length : 0};
    for (pollfd& entry : slot.fds) entry = {.fd = Fd(), .events = static_cast<int16_t>(Below(8))};
    slot.call.reset(new SystemCall(Make(slot)));
    slot.call->Start([](SystemCall*, void*) {}, nullptr);
  }

  SystemCall Make(Slot& slot) {
    Syscalls& sys = host_.sys();
    Thread& thread = *slot.thread;
    switch (Below(20)) {
      case 0:
      case 1:
        return sys.Socket(thread, kAfInet, SOCK_DGRAM, OneOf({0, 0, 1, 6}));
      case 2:
        return sys.Close(thread, Fd());
      case 3:
        return sys.Bind(thread, Fd(), slot.address);
      case 4:
        return sys.Connect(thread, Fd(), slot.address);
      case 5:
        return Below(4) == 0 ? sys.Shutdown(thread, Fd(), static_cast<int>(Below(4)))
                             : sys.Listen(thread, Fd(), 1);
      case 6:
        return sys.Getsockname(thread, Fd(), &slot.address);
      case 7:
        return sys.Getpeername(thread, Fd(), &slot.address);
      case 8:
        return sys.Sendto(thread, Fd(), slot.buffer, Flags());
      case 9:
      case 10:
        return sys.Sendto(thread, Fd(), slot.buffer, Flags(), slot.address);
      case 11:
        return sys.Sendmsg(thread, Fd(), &slot.msg, Flags());
      case 12:
      case 13:
        return sys.Recvfrom(thread, Fd(), slot.buffer, Flags(), &slot.address);
      case 14:
        return sys.Recvmsg(thread, Fd(), &slot.msg, Flags());
      case 15:
      case 16:
        return sys.Setsockopt(thread, Fd(), OneOf({0, 0, 1, 1, 17}), Option(), slot.control.data(),
                              slot.length);
      case 17:
        return sys.Getsockopt(thread, Fd(), OneOf({0, 1, 17}), Option(), slot.control.data(),
                              &slot.length);
      case 18:
        return sys.Poll(thread, slot.fds,
                        OneOf({Duration{}, Duration::Milliseconds(3), Duration::Max()}));
      default:
        return Below(2) == 0 ? sys.Dup2(thread, Fd(), Fd())
                             : sys.Fcntl(thread, Fd(), static_cast<int>(Below(5)), slot.value);
    }
  }
  // SO_RCVTIMEO and buffer sizes among them.
  int Option() { return static_cast<int>(Below(64)); }

  Bytes UdpFrame() {
    const Ipv4Address to = OneOf(
        {kUs, kUs, kUs, Ipv4Address(10, 0, 0, 255), kIpv4Broadcast, Ipv4Address(224, 1, 1, 1)});
    const MacAddress mac = to == kUs ? kOurMac : kMacBroadcast;
    Bytes frame = SocketHost::UdpFrame(At(kPeer, Port()), At(to, Port()), Pattern(Below(600)), mac);
    if (Below(4) == 0) frame[14 + Below(static_cast<uint32_t>(frame.size()) - 14)] ^= 1;
    return frame;
  }
  // An echo reply, or an error about something that has been sent.
  Bytes IcmpFrame() {
    wire::IcmpHeader icmp;
    Bytes body;
    if (last_sent_.empty() || Below(3) == 0) {
      icmp.type = wire::kIcmpEchoReply;
      icmp.set_id(static_cast<uint16_t>(Below(8)));
    } else {
      const Bytes& sent = last_sent_[Below(static_cast<uint32_t>(last_sent_.size()))];
      body.assign(sent.begin() + 14,
                  sent.begin() + std::min<ptrdiff_t>(static_cast<ptrdiff_t>(sent.size()), 600));
      icmp.type = OneOf<uint8_t>({3, 3, 3, 4, 5, 11, 12});
      icmp.code = static_cast<uint8_t>(Below(5));
      icmp.set_next_hop_mtu(static_cast<uint16_t>(500 + Below(1000)));
    }
    wire::Ipv4Header ip;
    ip.saddr = kPeer;
    ip.daddr = kUs;
    return SocketHost::Frame(ip, [&](wire::FrameBuilder& b) { b.Icmp(icmp).Payload(body); });
  }

  SocketHost host_;
  Prng random_;
  std::array<Slot, kSlots> slots_;
  std::vector<Bytes> last_sent_;
};

TEST(SocketRandomTest, NothingBreaksAndNothingIsLeft) {
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    Chaos chaos(seed);
    for (int step = 0; step < 3000; ++step) chaos.Step();
  }
}

}  // namespace
}  // namespace tapedeck
