// TCP: one host with its applications and the far end's TcpPeer, with the stack alone between them
// and with the NIC in front.
#include <algorithm>
#include <cerrno>

#include "replay/lab/lab.h"
#include "stack/core/dev.h"
#include "stack/core/eth.h"
#include "stack/core/gro.h"
#include "stack/core/skb_data.h"
#include "stack/wire/arp.h"
#include "tests/bench/cases.h"
#include "tests/bench/tcp_peer.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

constexpr int kBacklog = 128;
constexpr size_t kWriteBytes = 16'384;
constexpr size_t kReadBytes = 65'536;

using Offer = TcpPeer::Offer;
using Plan = TcpPeer::Plan;

// Reads all, and closes when the peer has.
Task<> Sink(Thread& thread, Host& host, int fd) {
  // What comes is of no interest: all connections share the room.
  static uint8_t buffer[kReadBytes];
  while (co_await host.syscalls().Read(thread, fd, buffer) > 0) continue;
  co_await host.syscalls().Close(thread, fd);
}

// Writes for ever once a byte has come.
Task<> Source(Thread& thread, Host& host, int fd) {
  uint8_t request[1];
  CHECK_EQ(co_await host.syscalls().Read(thread, fd, request), 1);
  static constexpr uint8_t kData[kWriteBytes] = {};
  while (true) {
    const int64_t bytes = co_await host.syscalls().Write(thread, fd, kData);
    if (bytes <= 0) co_return;
  }
}

Task<> Reply(Thread& thread, Host& host, int fd) {
  uint8_t buffer[kRequestBytes];
  while (true) {
    const int64_t bytes = co_await host.syscalls().Read(thread, fd, buffer);
    if (bytes <= 0) co_return;
    CHECK_EQ(bytes, int64_t{kRequestBytes});
    CHECK_EQ(co_await host.syscalls().Write(thread, fd, buffer), bytes);
  }
}

// Whether segments that one poll finds go up as one packet (`ethtool -K eth0 gro on`).
enum class Merging : uint8_t { kOff, kOn };

using Application = Task<> (*)(Thread& thread, Host& host, int fd);

Task<> Serve(Thread& thread, Host& host, uint16_t port, Application application) {
  Syscalls& sys = host.syscalls();
  const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet, SOCK_STREAM, 0));
  CHECK_GE(fd, 0);
  CHECK_EQ(co_await sys.Bind(thread, fd, Endpoint{IpAddress(kIpv4Any), port}), 0);
  CHECK_EQ(co_await sys.Listen(thread, fd, kBacklog), 0);
  while (true) {
    const auto child = static_cast<int>(co_await sys.Accept4(thread, fd, nullptr, 0));
    if (child < 0) co_return;
    host.kernel().Spawn(
        0, [&host, child, application](Thread& its) { return application(its, host, child); });
  }
}

// The applications of tcp_peer.h.
void StartApplications(Host& host) {
  struct Service {
    uint16_t port;
    Application application;
  };
  for (const Service service : {Service{kTcpSinkPort, &Sink}, Service{kTcpSourcePort, &Source},
                                Service{kTcpReplyPort, &Reply}}) {
    host.kernel().Spawn(/*cpu=*/0, [&host, service](Thread& thread) {
      return Serve(thread, host, service.port, service.application);
    });
  }
}

// Of an ARP frame.
bool IsArpRequest(const uint8_t* frame) {
  constexpr size_t kOperationOffset = 20;
  return LoadBe16(frame + kOperationOffset) == wire::kArpRequest;
}

// The stack alone: frames are copied once into sk_buffs and once out of them, as a device would;
// every checksum is computed and verified by the stack. No trace.
class TcpStack : public Case {
 public:
  TcpStack(Plan plan, Offer offer, Merging merging)
      : plan_(plan),
        peer_(plan, offer, TcpConnections(plan),
              [this](std::span<const uint8_t> frame) { Receive(frame); }) {
    ops_.ndo_start_xmit = &TcpStack::Transmit;
    AddDevice();
    if (merging == Merging::kOn) device_->features |= NETIF_F_GRO;
    napi_.dev = device_;
    napi_.cpu = &host_.kernel().cpu(0);
    StartApplications(host_);
    world_.RunUntil(world_.now());  // the applications listen
    Receive(ArpRequest());
    Flush();
    Run();
  }

  uint64_t Run() override {
    const uint64_t before = peer_.operations();
    while (peer_.operations() - before < TcpOperationsPerPortion(plan_)) {
      peer_.Respond();
      Flush();
    }
    CHECK_EQ(peer_.surprises(), 0U);
    return peer_.operations() - before;
  }

 private:
  // From one burst to the next.
  static constexpr Duration kGap = Duration::Microseconds(20);

  static netdev_tx_t Transmit(sk_buff* skb, net_device* dev) {
    TcpStack* const self = *netdev_priv<TcpStack*>(dev);
    CHECK_LE(skb->len, sizeof(self->sent_));
    CHECK_EQ(skb_copy_bits(skb, 0, self->sent_, skb->len), 0);
    // The neighbour is asked now and then whether it is still there.
    if (skb->protocol == wire::kEtherTypeArp && IsArpRequest(self->sent_)) {
      self->Receive(ArpRequest());
    }
    self->peer_.OnFrame({self->sent_, skb->len});
    consume_skb(skb);
    return NETDEV_TX_OK;
  }

  void AddDevice() {
    device_ = alloc_netdev_mqs(host_.network(), sizeof(TcpStack*), "eth%d", &ether_setup, 1, 1);
    CHECK(device_ != nullptr);
    *netdev_priv<TcpStack*>(device_) = this;
    device_->netdev_ops = &ops_;
    device_->dev_addr = kHostMac;
    CHECK_EQ(register_netdev(device_), 0);
    CHECK_EQ(dev_open(device_), 0);
    CHECK_EQ(host_.AddAddress(device_, kHostAddress, 24), 0);
  }

  void Receive(std::span<const uint8_t> frame) {
    const auto bytes = static_cast<uint32_t>(frame.size());
    sk_buff* const skb = netdev_alloc_skb(device_, bytes);
    CHECK(skb != nullptr);
    skb_put_data(skb, frame.data(), bytes);
    skb->protocol = eth_type_trans(skb, device_);
    __skb_queue_tail(&received_, skb);
  }

  // Hands the burst to the stack and lets everything that follows from it happen.
  void Flush() {
    if ((device_->features & NETIF_F_GRO) != 0) {
      while (sk_buff* const skb = __skb_dequeue(&received_)) napi_gro_receive(&napi_, skb);
      napi_gro_flush(&napi_, /*flush_old=*/false);
      gro_normal_list(&napi_);
    } else {
      netif_receive_skb_list_internal(host_.network(), &received_);
    }
    world_.RunUntil(world_.now() + kGap);
  }

  Plan plan_;
  net_device_ops ops_ = {};
  Arena arena_;
  World& world_ = *arena_.New<World>(arena_, /*seed=*/uint64_t{1}, nullptr);
  Host& host_ = *arena_.New<Host>(world_, KernelOptions{}, FreeCostTable());
  net_device* device_ = nullptr;
  sk_buff_head received_;
  napi_struct napi_;
  uint8_t sent_[2048];
  TcpPeer peer_;
};

// Wire, NIC, DMA, interrupts and digest as well. The peer is 10 us away and answers in bursts, as
// frames come in.
class TcpPath : public Case, private nic::WireSink {
 public:
  TcpPath(Plan plan, Offer offer, Merging merging)
      : plan_(plan),
        lab_(OneHost()),
        peer_(plan, offer, TcpConnections(plan),
              [this](std::span<const uint8_t> frame) {
                lab_.port(0).Inject(now_, frame, /*stable=*/false, 0);
              }),
        turn_(lab_.world().NewEventSource(), this) {
    if (merging == Merging::kOn) {
      net_device* const dev = dev_get_by_name(lab_.host(0).network(), "eth0");
      netdev_set_features(dev, dev->features | NETIF_F_GRO);
    }
    StartApplications(lab_.host(0));
    lab_.nic(0).set_sink(this);
    lab_.port(0).Inject(lab_.world().now(), ArpRequest(), /*stable=*/false, 0);
    lab_.world().RunUntil(lab_.world().now() + Duration::Milliseconds(1));
    lab_.world().device_events().Schedule(&turn_, lab_.world().now());
    Run();
  }
  ~TcpPath() override { lab_.world().device_events().Cancel(&turn_); }

  uint64_t Run() override {
    const uint64_t before = peer_.operations();
    while (peer_.operations() - before < TcpOperationsPerPortion(plan_)) {
      CHECK(lab_.world().Step(SimTime::Never()));
    }
    CHECK_EQ(peer_.surprises(), 0U);
    return peer_.operations() - before;
  }

 private:
  static constexpr Duration kDelay = Duration::Microseconds(10);

  // The peer's turn to answer.
  struct Turn : Event {
    Turn(uint16_t source_in, TcpPath* path_in)
        : Event(EventKind::kWire, source_in, &TcpPath::OnTurn), path(path_in) {}
    TcpPath* path;
  };

  static LabOptions OneHost() {
    LabOptions options;
    options.hosts.emplace_back();
    options.hosts[0].mac = kHostMac;
    options.hosts[0].address = kHostAddress;
    return options;
  }

  void Transmit(SimTime, SimTime last_bit, const nic::WireFrame& frame) override {
    peer_.OnFrame(frame.bytes);
    if (frame.buffer.data != nullptr) lab_.world().packets().Free(frame.buffer);
    if (!turn_.queued()) lab_.world().device_events().Schedule(&turn_, last_bit + kDelay);
  }

  static void OnTurn(Event* event, SimTime now) {
    TcpPath* const path = static_cast<Turn*>(event)->path;
    path->now_ = now;
    path->peer_.Respond();
  }

  Plan plan_;
  Lab lab_;
  SimTime now_;
  TcpPeer peer_;
  Turn turn_;
};

template <typename TcpCase>
void AddAll(Suite& suite, const std::string& where) {
  struct Row {
    const char* name;
    const char* unit;
    Plan plan;
  };
  for (const Row& row :
       {Row{"tcp_receive", "frames", Plan::kSend}, Row{"tcp_send", "frames", Plan::kFetch},
        Row{"tcp_request", "transactions", Plan::kRequest},
        Row{"tcp_connect", "connections", Plan::kConnect}}) {
    const Plan plan = row.plan;
    suite.Add(where + row.name, row.unit,
              [plan] { return std::make_unique<TcpCase>(plan, Offer::kPlain, Merging::kOff); });
    suite.Add(where + row.name + "_ts_sack", row.unit, [plan] {
      return std::make_unique<TcpCase>(plan, Offer::kTimestampsAndSack, Merging::kOff);
    });
  }
  for (const Merging merging : {Merging::kOff, Merging::kOn}) {
    suite.Add(
        where + (merging == Merging::kOn ? "tcp_receive_gro" : "tcp_receive_data"), "segments",
        [merging] { return std::make_unique<TcpCase>(Plan::kSendData, Offer::kPlain, merging); });
  }
}

}  // namespace

void AddTcpCases(Suite& suite) {
  AddAll<TcpStack>(suite, "stack/");
  AddAll<TcpPath>(suite, "path/");
}

}  // namespace tapedeck::bench
