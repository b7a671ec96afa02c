// A datagram's whole way through one host: from the wire through NIC, DMA, interrupt, poll, IP and
// UDP to a coroutine that reads it or sends it back; and the stack's part of that way alone.
#include <algorithm>
#include <cerrno>
#include <iterator>

#include "replay/lab/frame_player.h"
#include "replay/lab/lab.h"
#include "replay/lab/udp_sink.h"
#include "stack/core/dev.h"
#include "stack/core/eth.h"
#include "tests/bench/cases.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

constexpr uint64_t kFramesPerPortion = 10'000;
// Of them, those on the wire or waiting for an interrupt at its end.
constexpr uint64_t kUnderWayMax = 2000;
constexpr Ipv4Address kGatewayAddress{10, 0, 0, 3};
constexpr Ipv4Address kFarAddress{192, 0, 2, 9};

// One frame again and again, for ever.
class RepeatedFrame : public FrameSource {
 public:
  explicit RepeatedFrame(std::vector<uint8_t> frame) : bytes_(std::move(frame)) {}

  bool Next(TimedFrame* frame) override {
    frame->time = SimTime::Zero() + kGap * number_;
    frame->bytes = bytes_;
    frame->stable = true;
    frame->file_index = ++number_;
    return true;
  }

 private:
  static constexpr Duration kGap = Duration::Microseconds(2);  // all sizes fit on a 10G wire
  std::vector<uint8_t> bytes_;
  uint64_t number_ = 0;
};

// Plays a portion of frames, each of which makes the host send one; returns how many it sent.
uint64_t PlayPortion(Lab& lab, FramePlayer& player) {
  const uint64_t before = lab.port(0).frames_out();
  const uint64_t until = player.frames() + kFramesPerPortion;
  while (player.frames() < until) lab.world().Step(SimTime::Never());
  CHECK_LE(player.frames() - lab.port(0).frames_out(), kUnderWayMax);
  return lab.port(0).frames_out() - before;
}

LabOptions OneHost(bool trace) {
  LabOptions options;
  options.trace = trace;
  options.hosts.emplace_back();
  options.hosts[0].mac = kHostMac;
  options.hosts[0].address = kHostAddress;
  return options;
}

// Every event as it is, without its bytes, in a piece of memory that begins anew when it is full.
class EventLog : public TraceObserver {
 public:
  void Observe(uint64_t, const TraceEvent& event, const FrameLedger&) override {
    Entry& entry = entries_[next_++ % entries_.size()];
    entry.time = event.time;
    entry.kind = event.kind;
    entry.host = event.host;
    entry.cpu = event.cpu;
    std::copy(std::begin(event.args), std::end(event.args), entry.args);
  }

 private:
  struct Entry {
    SimTime time;
    uint64_t args[4] = {};
    TraceKind kind = TraceKind::kCount;
    uint8_t host = 0;
    uint8_t cpu = 0;
  };
  std::vector<Entry> entries_ = std::vector<Entry>(1 << 20);
  uint64_t next_ = 0;
};

// Datagrams to an application that reads them.
class ReceivePath : public Case {
 public:
  // With `log` (may be null), which must outlive the case, all events go there too.
  ReceivePath(size_t frame_bytes, bool trace, TraceObserver* log = nullptr)
      : lab_(OneHost(trace)),
        sinks_(lab_.host(0), std::array{kSinkPort}),
        source_(UdpFrame(frame_bytes, kSinkPort)),
        player_(lab_.world(), lab_.port(0), source_, lab_.world().now(), UINT64_MAX) {
    if (log != nullptr) lab_.recorder().AddObserver(log);
    Run();
  }

  // Counts datagrams that were read.
  uint64_t Run() override {
    const uint64_t before = sinks_.datagrams();
    const uint64_t until = player_.frames() + kFramesPerPortion;
    while (player_.frames() < until) lab_.world().Step(SimTime::Never());
    CHECK_LE(player_.frames() - sinks_.datagrams(), kUnderWayMax);
    return sinks_.datagrams() - before;
  }

 private:
  Lab lab_;
  UdpSinks sinks_;
  RepeatedFrame source_;
  FramePlayer player_;
};

class LoggedReceivePath : public Case {
 public:
  uint64_t Run() override { return path_.Run(); }

 private:
  EventLog log_;
  ReceivePath path_{kSmallFrameBytes, /*trace=*/true, &log_};
};

// Sends back what comes to kEchoPort.
Task<> Echo(Thread& thread, Host& host) {
  Syscalls& sys = host.syscalls();
  const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet, SOCK_DGRAM, 0));
  CHECK_GE(fd, 0);
  CHECK_EQ(co_await sys.Bind(thread, fd, Endpoint{IpAddress(kIpv4Any), kEchoPort}), 0);
  uint8_t buffer[2048];
  SockAddr peer;
  while (true) {
    const int64_t bytes = co_await sys.Recvfrom(thread, fd, buffer, 0, &peer);
    if (bytes == -EINTR) co_return;
    CHECK_GE(bytes, 0);
    const std::span<const uint8_t> datagram(buffer, static_cast<size_t>(bytes));
    CHECK_EQ(co_await sys.Sendto(thread, fd, datagram, 0, peer), bytes);
  }
}

// The far end: the peer's addresses, and the gateway's.
class FarEnd : public Neighbours {
 public:
  bool Find(const IpAddress& address, MacAddress* mac) const override {
    *mac = kPeerMac;
    return address == IpAddress(kPeerAddress) || address == IpAddress(kGatewayAddress);
  }
};

// Datagrams that are sent back.
class EchoPath : public Case {
 public:
  explicit EchoPath(size_t frame_bytes)
      : lab_(OneHost(/*trace=*/true)),
        source_(UdpFrame(frame_bytes, kEchoPort)),
        player_(lab_.world(), lab_.port(0), source_, lab_.world().now(), UINT64_MAX) {
    lab_.port(0).AnswerArp(&far_end_, Duration::Microseconds(1));
    Host& host = lab_.host(0);
    host.kernel().Spawn(/*cpu=*/0, [&host](Thread& thread) { return Echo(thread, host); });
    Run();
  }

  // Counts datagrams in and out.
  uint64_t Run() override { return 2 * PlayPortion(lab_, player_); }

 private:
  FarEnd far_end_;
  Lab lab_;
  RepeatedFrame source_;
  FramePlayer player_;
};

// Datagrams that a router sends on by the device they came by.
class ForwardPath : public Case {
 public:
  explicit ForwardPath(size_t frame_bytes)
      : lab_(OneHost(/*trace=*/true)),
        source_(UdpFrame(frame_bytes, kSinkPort, kFarAddress)),
        player_(lab_.world(), lab_.port(0), source_, lab_.world().now(), UINT64_MAX) {
    lab_.port(0).AnswerArp(&far_end_, Duration::Microseconds(1));
    SysctlTree& sysctl = lab_.host(0).kernel().sysctl();
    for (const auto& [path, value] :
         {std::pair("net/ipv4/ip_forward", "1"), std::pair("net/ipv4/conf/all/send_redirects", "0"),
          std::pair("net/ipv4/conf/eth0/send_redirects", "0")}) {
      CHECK_EQ(sysctl.Write(path, value), 0);
    }
    const Ipv4Prefix far(Ipv4Address(192, 0, 2, 0), 24);
    CHECK_EQ(lab_.host(0).AddRoute(lab_.device(0), far, kGatewayAddress), 0);
    Run();
  }

  // Counts datagrams.
  uint64_t Run() override { return PlayPortion(lab_, player_); }

 private:
  FarEnd far_end_;
  Lab lab_;
  RepeatedFrame source_;
  FramePlayer player_;
};

// A device that sends nothing, for frames that come from nowhere.
netdev_tx_t DropSent(sk_buff* skb, net_device*) {
  consume_skb(skb);
  return NETDEV_TX_OK;
}

net_device* AddDevice(Host& host, const net_device_ops& ops) {
  net_device* const dev = alloc_netdev_mqs(host.network(), 0, "eth%d", &ether_setup, 1, 1);
  CHECK(dev != nullptr);
  dev->netdev_ops = &ops;
  dev->dev_addr = kHostMac;
  CHECK_EQ(register_netdev(dev), 0);
  CHECK_EQ(dev_open(dev), 0);
  CHECK_EQ(host.AddAddress(dev, kHostAddress, 24), 0);
  return dev;
}

// Datagrams from netif_receive_skb to an application that reads them; no NIC, no trace. The frame
// is copied once, as a device would, and every checksum is verified by the stack.
class StackReceive : public Case {
 public:
  explicit StackReceive(size_t frame_bytes) : frame_(UdpFrame(frame_bytes, kSinkPort)) {
    ops_.ndo_start_xmit = &DropSent;
    device_ = AddDevice(host_, ops_);
    sinks_ = std::make_unique<UdpSinks>(host_, std::array{kSinkPort});
    world_.RunUntil(world_.now());  // its thread binds the port
    Run();
  }

  uint64_t Run() override {
    const uint64_t before = sinks_->datagrams();
    for (uint64_t i = 0; i < kFramesPerPortion; i += kBatch) {
      ReceiveBatch();
      world_.RunUntil(world_.now());
    }
    CHECK_EQ(sinks_->datagrams() - before, kFramesPerPortion);
    return kFramesPerPortion;
  }

 private:
  // As many as a poll with some load brings.
  static constexpr uint64_t kBatch = 20;
  static_assert(kFramesPerPortion % kBatch == 0);

  void ReceiveBatch() {
    const auto bytes = static_cast<uint32_t>(frame_.size());
    sk_buff_head list;
    for (uint64_t i = 0; i < kBatch; ++i) {
      sk_buff* const skb = netdev_alloc_skb(device_, bytes);
      CHECK(skb != nullptr);
      skb_put_data(skb, frame_.data(), bytes);
      skb->protocol = eth_type_trans(skb, device_);
      __skb_queue_tail(&list, skb);
    }
    netif_receive_skb_list_internal(host_.network(), &list);
  }

  std::vector<uint8_t> frame_;
  net_device_ops ops_ = {};
  Arena arena_;
  World& world_ = *arena_.New<World>(arena_, /*seed=*/uint64_t{1}, nullptr);
  Host& host_ = *arena_.New<Host>(world_, KernelOptions{}, FreeCostTable());
  net_device* device_ = nullptr;
  std::unique_ptr<UdpSinks> sinks_;
};

}  // namespace

void AddPathCases(Suite& suite) {
  suite.Add("path/udp_receive_64", "datagrams",
            [] { return std::make_unique<ReceivePath>(kSmallFrameBytes, /*trace=*/true); });
  suite.Add("path/udp_receive_64_untraced", "datagrams",
            [] { return std::make_unique<ReceivePath>(kSmallFrameBytes, /*trace=*/false); });
  suite.Add("path/udp_receive_64_event_log", "datagrams",
            [] { return std::make_unique<LoggedReceivePath>(); });
  suite.Add("path/udp_receive_1514", "datagrams",
            [] { return std::make_unique<ReceivePath>(kLargeFrameBytes, /*trace=*/true); });
  suite.Add("path/udp_echo_64", "frames",
            [] { return std::make_unique<EchoPath>(kSmallFrameBytes); });
  suite.Add("path/forward_64", "frames",
            [] { return std::make_unique<ForwardPath>(kSmallFrameBytes); });
  suite.Add("path/forward_1514", "frames",
            [] { return std::make_unique<ForwardPath>(kLargeFrameBytes); });
  suite.Add("stack/udp_receive_64", "datagrams",
            [] { return std::make_unique<StackReceive>(kSmallFrameBytes); });
  suite.Add("stack/udp_receive_1514", "datagrams",
            [] { return std::make_unique<StackReceive>(kLargeFrameBytes); });
}

}  // namespace tapedeck::bench
