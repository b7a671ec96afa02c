// The functions that packets pass, as the trace points tell of them: on every path those that the
// design names, in their order; and a run that is listened to is the same run.
#include "replay/trace/function_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "replay/lab/lab.h"
#include "replay/trace/function_graph_text.h"
#include "replay/trace/packet_list.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/ip_protocol.h"
#include "two_hosts.h"

namespace tapedeck {
namespace {

using ::testing::HasSubstr;
using Names = std::vector<std::string>;

// Two messages there and back: the second pair finds neighbours and connection established.
Task<> Serve(Thread& thread, Host& host, IpAddress address, int type) {
  Syscalls& sys = host.syscalls();
  auto fd =
      static_cast<int>(co_await sys.Socket(thread, address.is_v4() ? kAfInet : kAfInet6, type, 0));
  co_await sys.Bind(thread, fd, Endpoint{address, kEchoPort});
  if (type == SOCK_STREAM) {
    co_await sys.Listen(thread, fd, 1);
    fd = static_cast<int>(co_await sys.Accept(thread, fd, nullptr));
  }
  uint8_t buffer[100];
  for (;;) {
    SockAddr from;
    const int64_t bytes = co_await sys.Recvfrom(thread, fd, buffer, 0, &from);
    if (bytes <= 0) co_return;
    const auto data = std::span<const uint8_t>(buffer).first(static_cast<size_t>(bytes));
    if (type == SOCK_STREAM) {
      co_await sys.Sendto(thread, fd, data, 0);
    } else {
      co_await sys.Sendto(thread, fd, data, 0, from);
    }
  }
}

Task<> Ask(Thread& thread, Host& host, IpAddress server, int type) {
  Syscalls& sys = host.syscalls();
  const auto fd =
      static_cast<int>(co_await sys.Socket(thread, server.is_v4() ? kAfInet : kAfInet6, type, 0));
  co_await sys.Connect(thread, fd, Endpoint{server, kEchoPort});
  uint8_t bytes[40] = {};
  for (int round = 0; round < 2; ++round) {
    co_await sys.Sendto(thread, fd, bytes, 0);
    co_await sys.Recvfrom(thread, fd, bytes, 0);
  }
}

// A run with everything that happened in it kept.
class TracedLab : private TraceObserver {
 public:
  explicit TracedLab(const LabOptions& options, bool listen = true)
      : lab_(options), graph_([this](const GraphTree& tree) { trees_.push_back(tree); }) {
    lab_.recorder().AddObserver(this);
    for (int i = 0; listen && i < lab_.hosts(); ++i) {
      lab_.host(i).network().function_tracer = &graph_;
    }
  }
  ~TracedLab() override {
    for (int i = 0; i < lab_.hosts(); ++i) lab_.host(i).network().function_tracer = nullptr;
  }

  Lab& lab() { return lab_; }
  void Talk(IpAddress server, int type) {
    Host& host = lab_.host(1);
    host.kernel().Spawn(
        0, [&host, server, type](Thread& thread) { return Serve(thread, host, server, type); });
    Host& client = lab_.host(0);
    client.kernel().Spawn(
        0, [&client, server, type](Thread& thread) { return Ask(thread, client, server, type); });
    Run();
  }
  void Run() { lab_.world().RunUntil(lab_.world().now() + Duration::Milliseconds(500)); }

  // The id of the `n`-th packet (from 0) that host `host` received whose text has all of `parts`.
  uint32_t Received(uint8_t host, const Names& parts, int n = 0) const {
    for (const PacketList::Packet& packet : packets_.packets()) {
      const bool has = std::all_of(parts.begin(), parts.end(), [&](const std::string& part) {
        return packet.text.find(part) != std::string::npos;
      });
      if (packet.host == host && packet.text[0] == '<' && has && n-- == 0) return packet.id;
    }
    ADD_FAILURE() << packets_.ToText();
    return 0;
  }

  // What the packet passed, function by function, and its text.
  Names PathOf(uint32_t id) {
    Names names;
    text_.clear();
    PacketGraph packet([&](const GraphTree& tree) {
      for (const GraphLine& line : tree.lines) {
        if (line.is_call) names.emplace_back(PathFunctionName(line.function));
      }
      text_ += FunctionGraphText(tree);
    });
    packet.set_frame_id(id);
    for (const GraphTree& tree : trees_) packet.Add(tree);
    fate_ = packet.fate();
    return names;
  }
  const std::string& text() const { return text_; }
  const std::string& fate() const { return fate_; }
  const std::vector<GraphTree>& trees() const { return trees_; }

 private:
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override {
    packets_.Observe(number, event, ledger);
    graph_.Observe(number, event, ledger);
  }

  Lab lab_;
  FunctionGraph graph_;
  PacketList packets_;
  std::vector<GraphTree> trees_;
  std::string text_;
  std::string fate_;
};

// The first of `wanted` that `names` does not have behind those ahead of it; "" where it has all.
std::string MissingInOrder(const Names& names, const Names& wanted) {
  auto at = names.begin();
  for (const std::string& name : wanted) {
    at = std::find(at, names.end(), name);
    if (at == names.end()) return name;
    ++at;
  }
  return "";
}

const Names kDeviceIn = {"ixgbe_msix_clean_rings",  "napi_schedule",
                         "net_rx_action",           "ixgbe_poll",
                         "napi_gro_receive",        "netif_receive_skb_list_internal",
                         "__netif_receive_skb_core"};
const Names kDeviceOut = {"neigh_output",    "neigh_hh_output",     "dev_queue_xmit",
                          "sch_direct_xmit", "dev_hard_start_xmit", "ixgbe_xmit_frame"};

Names operator+(Names a, const Names& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

TEST(FunctionGraphTest, ADatagramPassesWhatTheDesignNames) {
  TracedLab traced(TwoHosts());
  traced.Talk(IpAddress(kServer), SOCK_DGRAM);
  const Names names = traced.PathOf(traced.Received(1, {"UDP"}, 1));
  const Names out = {"sock_sendmsg", "inet_sendmsg", "udp_sendmsg",
                     "ip_make_skb",  "udp_send_skb", "ip_local_out",
                     "dst_output",   "ip_output",    "ip_finish_output2"};
  const Names in = {"ip_rcv",  "ip_rcv_finish",     "ip_local_deliver", "ip_protocol_deliver_rcu",
                    "udp_rcv", "sock_def_readable", "sock_recvmsg",     "udp_recvmsg"};
  EXPECT_EQ(MissingInOrder(names, out + kDeviceOut + kDeviceIn + in), "") << traced.text();
  EXPECT_THAT(traced.fate(), HasSubstr("40 B of UDP to port 7"));
  EXPECT_THAT(traced.text(), HasSubstr("recvfrom"));
}

TEST(FunctionGraphTest, ADatagramOfIpv6) {
  TracedLab traced(TwoHosts());
  traced.Talk(IpAddress(kServer6), SOCK_DGRAM);
  const Names names = traced.PathOf(traced.Received(1, {"UDP"}, 1));
  const Names out = {"sock_sendmsg",  "udpv6_sendmsg", "ip6_make_skb", "udp_v6_send_skb",
                     "ip6_local_out", "dst_output",    "ip6_output",   "ip6_finish_output2"};
  const Names in = {"ipv6_rcv",  "ip6_rcv_finish", "ip6_input",    "ip6_protocol_deliver_rcu",
                    "udpv6_rcv", "sock_recvmsg",   "udpv6_recvmsg"};
  EXPECT_EQ(MissingInOrder(names, out + kDeviceOut + kDeviceIn + in), "") << traced.text();
}

TEST(FunctionGraphTest, ASegmentOfAnEstablishedConnection) {
  TracedLab traced(TwoHosts());
  traced.Talk(IpAddress(kServer), SOCK_STREAM);
  const Names names = traced.PathOf(traced.Received(1, {"Flags [P.]", "length 40"}, 1));
  const Names out = {"sock_sendmsg",     "inet_sendmsg",     "tcp_sendmsg",  "tcp_write_xmit",
                     "tcp_transmit_skb", "ip_queue_xmit",    "ip_local_out", "dst_output",
                     "ip_output",        "ip_finish_output2"};
  const Names in = {"ip_rcv",
                    "ip_rcv_finish",
                    "tcp_v4_early_demux",
                    "ip_local_deliver",
                    "ip_protocol_deliver_rcu",
                    "tcp_v4_rcv",
                    "tcp_rcv_established",
                    "sock_recvmsg",

                    "tcp_recvmsg"};
  EXPECT_EQ(MissingInOrder(names, out + kDeviceOut + kDeviceIn + in), "") << traced.text();
}

TEST(FunctionGraphTest, ASegmentOfIpv6) {
  TracedLab traced(TwoHosts());
  traced.Talk(IpAddress(kServer6), SOCK_STREAM);
  const Names names = traced.PathOf(traced.Received(1, {"Flags [P.]", "length 40"}, 1));
  const Names out = {"tcp_sendmsg", "tcp_write_xmit", "tcp_transmit_skb",  "ip6_xmit",
                     "dst_output",  "ip6_output",     "ip6_finish_output2"};
  const Names in = {"ipv6_rcv",
                    "ip6_rcv_finish",
                    "tcp_v6_early_demux",
                    "ip6_input",
                    "ip6_protocol_deliver_rcu",
                    "tcp_v6_rcv",
                    "tcp_rcv_established",
                    "tcp_recvmsg"};
  EXPECT_EQ(MissingInOrder(names, out + kDeviceOut + kDeviceIn + in), "") << traced.text();
}

TEST(FunctionGraphTest, TheFirstDatagramWaitsForItsNeighbour) {
  TracedLab traced(TwoHosts());
  traced.Talk(IpAddress(kServer), SOCK_DGRAM);
  const Names names = traced.PathOf(traced.Received(1, {"UDP"}));
  // It leaves when the answer comes.
  EXPECT_EQ(MissingInOrder(names, {"udp_send_skb", "neigh_resolve_output", "net_rx_action",
                                   "arp_rcv", "ixgbe_xmit_frame", "udp_rcv"}),
            "")
      << traced.text();
}

TEST(FunctionGraphTest, AForwardedPacket) {
  LabOptions options;
  LabHostOptions router;
  router.address = kServer;
  router.everything_on_link = true;
  options.hosts = {router};
  TracedLab traced(options);
  Lab& lab = traced.lab();
  ASSERT_EQ(lab.host(0).kernel().sysctl().Write("net/ipv4/ip_forward", "1"), 0);
  uint8_t room[200];
  const auto send = [&](uint8_t ttl) {
    wire::Ipv4Header ip;
    ip.saddr = kClient;
    ip.daddr = Ipv4Address(192, 0, 2, 9);
    ip.ttl = ttl;
    ip.protocol = wire::kIpProtoUdp;
    wire::UdpHeader udp;
    udp.source = 1000;
    udp.dest = 2000;
    const std::span<const uint8_t> frame =
        wire::FrameBuilder(room)
            .Ethernet(router.mac, MacAddress(std::array<uint8_t, 6>{0x02, 0, 0, 0, 0, 9}))
            .Ipv4(ip)
            .Udp(udp)
            .CountingPayload(40)
            .Build();
    lab.port(0).Inject(lab.world().now(), frame, false, 0);
    traced.Run();
  };
  send(64);
  const Names names = traced.PathOf(traced.Received(0, {"192.0.2.9"}));
  EXPECT_EQ(
      MissingInOrder(names, kDeviceIn + Names{"ip_rcv", "ip_rcv_finish", "ip_forward", "dst_output",
                                              "ip_output", "ip_finish_output2", "neigh_output"}),
      "")
      << traced.text();
  EXPECT_THAT(traced.fate(), HasSubstr("forwarded: "));
  // One that has come too far: dropped within ip_forward, and the sender is told.
  send(1);
  const Names dropped = traced.PathOf(traced.Received(0, {"192.0.2.9"}, 1));
  EXPECT_EQ(MissingInOrder(dropped, {"ip_rcv", "ip_forward", "__icmp_send"}), "") << traced.text();
  EXPECT_THAT(traced.fate(), HasSubstr("IP_INHDR"));
}

TEST(FunctionGraphTest, SocketsAreCreatedByTheirFamily) {
  TracedLab traced(TwoHosts());
  traced.Talk(IpAddress(kServer), SOCK_STREAM);
  Names roots;
  for (const GraphTree& tree : traced.trees()) {
    if (tree.lines[0].is_call) roots.emplace_back(PathFunctionName(tree.lines[0].function));
  }
  EXPECT_EQ(MissingInOrder(roots, {"inet_create", "tcp_v4_connect"}), "");
}

TEST(FunctionGraphTest, CallsNestAndTheirTimesToo) {
  LabOptions options = TwoHosts();
  std::string error;
  ASSERT_TRUE(ParseCostTable("ten", "cpu_hz = 1_000_000_000\nip_rcv = 10\nnapi_poll = 3\n",
                             &options.costs, &error))
      << error;
  TracedLab traced(options);
  traced.Talk(IpAddress(kServer), SOCK_DGRAM);
  int packets = 0;
  for (const GraphTree& tree : traced.trees()) {
    for (uint32_t i = 0; i < tree.lines.size(); ++i) {
      const GraphLine& line = tree.lines[i];
      if (!line.is_call) continue;
      for (uint32_t inner = i + 1; inner < line.end_line; ++inner) {
        EXPECT_GT(tree.lines[inner].depth, line.depth);
        EXPECT_GE(tree.lines[inner].begin, line.begin);
        EXPECT_LE(tree.lines[inner].end, line.end);
      }
      if (line.function != PathFunction::k_ip_rcv) continue;
      ++packets;
      EXPECT_EQ(CyclesIn(line.end - line.begin, tree.cpu_hz), 10U);
      EXPECT_EQ(line.context, Context::kSoftirq);
    }
  }
  EXPECT_EQ(packets, 4);
}

TEST(FunctionGraphTest, ListeningChangesNothing) {
  for (const int type : {int{SOCK_DGRAM}, int{SOCK_STREAM}}) {
    TracedLab heard(TwoHosts());
    heard.Talk(IpAddress(kServer6), type);
    TracedLab unheard(TwoHosts(), /*listen=*/false);
    unheard.Talk(IpAddress(kServer6), type);
    EXPECT_FALSE(heard.trees().empty());
    EXPECT_EQ(heard.lab().recorder().digest().ToString(),
              unheard.lab().recorder().digest().ToString());
  }
}

// --- Which lines are a packet's. ---

GraphLine Call(PathFunction function, uint16_t depth, uint32_t frame_id, uint32_t end_line) {
  GraphLine line;
  line.is_call = true;
  line.context = Context::kSoftirq;
  line.depth = depth;
  line.frame_id = frame_id;
  line.end_line = end_line;
  line.function = function;
  return line;
}

// A poll that receives packets 5 and 6, of which 6 makes packet 7.
GraphTree Poll() {
  GraphTree tree;
  tree.cpu_hz = 1'000'000'000;
  tree.lines = {
      Call(PathFunction::k_ixgbe_poll, 0, 0, 6), Call(PathFunction::k_ixgbe_clean_tx_irq, 1, 0, 2),
      Call(PathFunction::k_ip_rcv, 1, 5, 3),     Call(PathFunction::k_ip_rcv, 1, 6, 6),
      Call(PathFunction::k_icmp_reply, 2, 6, 6), Call(PathFunction::k_ip_output, 3, 7, 6)};
  return tree;
}

TEST(FunctionGraphTest, APacketsLinesAreItsOwnTheirCallersAndWhatIsNobodys) {
  EXPECT_EQ(LinesOfPacket(Poll(), 5), (std::vector<bool>{true, true, true, false, false, false}));
  EXPECT_EQ(LinesOfPacket(Poll(), 6), (std::vector<bool>{true, true, false, true, true, true}));
  EXPECT_EQ(LinesOfPacket(Poll(), 7), (std::vector<bool>{true, true, false, true, true, true}));
  EXPECT_EQ(LinesOfPacket(Poll(), 8), std::vector<bool>(6, false));
}

TEST(FunctionGraphTest, TextAndJson) {
  GraphTree tree;
  tree.cpu_hz = 1'000'000'000;
  tree.lines = {Call(PathFunction::k_ip_rcv, 0, 5, 2), Call(PathFunction::k_udp_rcv, 1, 5, 2)};
  tree.lines[0].end = SimTime::At(Duration::Nanoseconds(2500));
  EXPECT_EQ(FunctionGraphText(tree),
            "     0.000000000   0) softirq             |         |  ip_rcv() {\n"
            "     0.000000000   0) softirq    0.000 us |       0 |    udp_rcv();\n"
            "     0.000002500   0) softirq    2.500 us |    2500 |  }\n");
  EXPECT_EQ(FunctionGraphJson(tree),
            "{\"begin_ps\":0,\"context\":\"softirq\",\"cpu\":0,\"cycles\":2500,\"depth\":0,"
            "\"duration_ps\":2500000,\"frame\":5,\"function\":\"ip_rcv\"},\n"
            "{\"begin_ps\":0,\"context\":\"softirq\",\"cpu\":0,\"cycles\":0,\"depth\":1,"
            "\"duration_ps\":0,\"frame\":5,\"function\":\"udp_rcv\"}");
}

}  // namespace
}  // namespace tapedeck
