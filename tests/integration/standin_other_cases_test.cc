// Stories of what comes beside TCP's own segments: ICMP, datagrams, groups, extension headers,
// tunnels, translated addresses, captures made anonymous.
#include <array>

#include "replay/convert/anonymise.h"
#include "replay/standin/captured_packets.h"
#include "replay/standin/infer.h"
#include "stack/wire/icmp.h"
#include "standin_fixture.h"

namespace tapedeck::standin {
namespace {

using traffic::FrameBytes;
using traffic::TcpFrame;
using traffic::UdpFrame;

// An ICMP error about `quoted` (a frame), from a router to the quoted packet's source.
FrameBytes IcmpError(const FrameBytes& quoted, uint8_t type, uint8_t code, uint32_t rest) {
  const auto* const quote = wire::Overlay<wire::Ipv4Header>(std::span(quoted).subspan(14));
  FrameBytes buffer(256);
  wire::FrameBuilder builder(buffer);
  builder.Ethernet(MacAddress{0x02, 0xaa, 0, 0, 0, 2}, MacAddress{0x02, 0xaa, 0, 0, 0, 1});
  wire::Ipv4Header ip;
  ip.ttl = 64;
  ip.saddr = Ipv4Address(10, 0, 0, 254);
  ip.daddr = quote->saddr;
  builder.Ipv4(ip);
  wire::IcmpHeader icmp;
  icmp.type = type;
  icmp.code = code;
  StoreBe32(icmp.rest.data(), rest);
  builder.Icmp(icmp).Payload(std::span(quoted).subspan(14, 28));
  const std::span<uint8_t> built = builder.Build();
  return {built.begin(), built.end()};
}

Datagram Between(const IpAddress& source, uint16_t source_port, const IpAddress& destination,
                 uint16_t destination_port, std::string payload) {
  Datagram datagram;
  datagram.ip.source = source;
  datagram.ip.destination = destination;
  datagram.source_port = source_port;
  datagram.destination_port = destination_port;
  datagram.payload = std::move(payload);
  return datagram;
}

const Ipv4Address kThem(10, 0, 0, 1);
const Ipv4Address kUsHost(10, 0, 0, 2);

// A router has no way to P for a moment; L's stream goes on.
TEST_F(StandInCases, AnIcmpErrorNamesOurSequenceNumbers) {
  Handshake();
  capture_.Add(tcp_.Data(kClient, Text(100)), kPath);
  const Segment reply = tcp_.Data(kServer, Text(300));
  capture_.Add(reply, kAtOnce);
  capture_.Add(std::span<const uint8_t>(IcmpError(TcpFrame(reply), 3, 1, 0)), kMs);
  capture_.Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  ExpectGrade(0, Grade::kB);
  EXPECT_THAT(run_.dropped, testing::IsEmpty())
      << "an error that quotes what we have sent is taken";
}

// RFC 1191: behind the error L's segments are as long as the path takes.
TEST_F(StandInCases, APathMtuThatShrinksIsObeyed) {
  Handshake();
  capture_.Add(tcp_.Data(kClient, Text(100)), kPath);
  const uint32_t start = tcp_.next(kServer);
  const Segment large = tcp_.Data(kServer, Text(1460));
  capture_.Add(large, kAtOnce);
  capture_.Add(std::span<const uint8_t>(IcmpError(TcpFrame(large), 3, 4, 1000)), kMs);
  tcp_.next(kServer) = start;
  capture_.Add(tcp_.Data(kServer, Text(960), false), kAtOnce);
  capture_.Add(tcp_.Data(kServer, Text(500, 960)), kUs).Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(run_.comparisons[0].segments_same, 3U) << run_.comparisons[0].divergence;
  ExpectGrade(0, Grade::kB);
}

// The name is asked for, then the connection opened: both as far apart as captured.
TEST_F(StandInCases, AConnectionFollowsItsNameLookup) {
  host_ = kThem;
  capture_.Add(Between(kThem, 5353, kUsHost, 53, Text(30)));
  capture_.Add(Between(kUsHost, 53, kThem, 5353, Text(60)), 20 * kMs);
  capture_.Add(tcp_.Syn(), kMs).Add(tcp_.SynAck(), kPath).Add(tcp_.Ack(kClient), kAtOnce);
  capture_.Add(tcp_.Data(kClient, Text(100)), kAtOnce);
  capture_.Add(tcp_.Ack(kServer), kPath);
  Replay();
  ASSERT_EQ(plan_.flows.size(), 2U);
  ExpectGrade(0, Grade::kB);
  ExpectGrade(1, Grade::kB);
  ASSERT_FALSE(run_.flows[0].sent.empty());
  ASSERT_FALSE(run_.flows[1].sent.empty());
  const int64_t apart_ns = run_.flows[0].sent[0].time_ns - run_.flows[1].sent[0].time_ns;
  EXPECT_NEAR(static_cast<double>(apart_ns), 21.0 * kMs, 1.0 * kMs);
}

// L answers in the group's name: it is a member, and ours joins.
TEST_F(StandInCases, AGroupThatLSpeaksToIsJoined) {
  const Ipv4Address group(224, 0, 0, 251);
  Datagram question = Between(kThem, 5353, group, 5353, Text(40));
  question.ip.destination_mac = MacAddress::ForMulticast(group);
  Datagram answer = Between(kUsHost, 5353, group, 5353, Text(80));
  answer.ip.destination_mac = MacAddress::ForMulticast(group);
  for (int i = 0; i < 3; ++i) capture_.Add(question, kSecond).Add(answer, 20 * kMs);
  Replay();
  uint64_t read = 0;
  for (const FlowResult& flow : run_.flows) read += flow.read_bytes;
  EXPECT_EQ(read, 120U);
  for (size_t i = 0; i < run_.flows.size(); ++i) ExpectGrade(i, Grade::kB);
}

// Nothing says that L is a member: its NIC lets nothing through, nor does ours.
TEST_F(StandInCases, AnotherGroupIsNotHeard) {
  const Ipv4Address group(239, 255, 255, 250);
  Datagram call = Between(kThem, 1900, group, 1900, Text(40));
  call.ip.destination_mac = MacAddress::ForMulticast(group);
  capture_.Add(call, kSecond).Add(call, kSecond);
  Handshake();
  Request();
  Close();
  Replay();
  for (size_t i = 0; i < run_.flows.size(); ++i) ExpectGrade(i, Grade::kB);
  EXPECT_EQ(run_.dropped.size(), 1U);
}

// It reaches our host, where no socket is bound to that address.
TEST_F(StandInCases, ABroadcastEntersAsItIs) {
  const Ipv4Address everybody(255, 255, 255, 255);
  Datagram call = Between(kThem, 68, everybody, 67, Text(300));
  call.ip.destination_mac = kMacBroadcast;
  capture_.Add(call, kSecond);
  Handshake();
  Request();
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  ExpectGrade(0, Grade::kB);
  EXPECT_THAT(run_.dropped, testing::ElementsAre(testing::Pair("NO_SOCKET", 1U)));
}

// A capture of nothing but beginnings has no more flows than its size pays for.
TEST_F(StandInCases, FlowsBeyondWhatTheSizePaysForEnterAsTheyAre) {
  constexpr uint32_t kFlows = 30'000;
  for (uint32_t i = 0; i < kFlows; ++i) {
    capture_.Add(Between(Ipv4Address(0x0b000000 + i), 4000, kUsHost, 53, "x"), kUs);
  }
  auto reader = capture::CaptureReader::FromBytes(capture_.bytes(), "made").value();
  InferOptions options;
  options.host = host_;
  options.fit = false;
  const Plan plan = InferPlan(ReadPackets(reader), "made", options);
  EXPECT_LT(plan.flows.size(), kFlows);
  EXPECT_GE(plan.flows.size(), 16'384U);
  EXPECT_EQ(plan.stimuli.size(), kFlows);
  EXPECT_THAT(plan.guesses, testing::Contains(testing::HasSubstr("are not stood in for")));
}

// Nobody had the port: L's ICMP error says so, and nothing is read.
TEST_F(StandInCases, APortThatNobodyHadIsNotRead) {
  const Datagram call = Between(kThem, 4000, kUsHost, 9, Text(40));
  FrameBytes error = IcmpError(UdpFrame(call), 3, 3, 0);
  // From L, to P.
  auto* const ip = wire::OverlayMutable<wire::Ipv4Header>(std::span(error).subspan(14));
  ip->saddr = kUsHost;
  wire::FillIpv4Checksum(ip);
  capture_.Add(call, kSecond).Add(std::span<const uint8_t>(error), kAtOnce);
  Replay();
  ASSERT_EQ(run_.flows.size(), 1U);
  EXPECT_THAT(plan_.listeners, testing::IsEmpty());
  EXPECT_EQ(run_.frames_out, 1U) << "the error";
  ExpectGrade(0, Grade::kB);
}

// A connection over IPv6 whose request comes behind the extension header `header` of type `type`:
// it is read as if there were none.
class ExtensionCases : public StandInCases {
 protected:
  void ExpectSteppedOver(uint8_t type, const std::array<uint8_t, 8>& header) {
    const auto client = *IpAddress::Parse("2001:db8::1");
    const auto server = *IpAddress::Parse("2001:db8::2");
    host_ = server;
    tcp_ = Connection({client, uint16_t{40000}}, {server, uint16_t{80}});
    Handshake();
    FrameBytes frame = TcpFrame(tcp_.Data(kClient, Text(100)));
    frame.insert(frame.begin() + 54, header.begin(), header.end());
    auto* const ip = wire::OverlayMutable<wire::Ipv6Header>(std::span(frame).subspan(14));
    ip->payload_len = static_cast<uint16_t>(ip->payload_len.host() + header.size());
    ip->nexthdr = type;
    capture_.Add(std::span<const uint8_t>(frame), kPath);
    capture_.Add(tcp_.Data(kServer, Text(300)), kAtOnce).Add(tcp_.Ack(kClient), kPath);
    Close();
    Replay();
    ASSERT_EQ(plan_.flows.size(), 1U);
    EXPECT_EQ(plan_.flows[0].read_bytes, 100U);
    ExpectGrade(0, Grade::kB);
  }
};

TEST_F(ExtensionCases, DestinationOptionsAreSteppedOver) {
  ExpectSteppedOver(wire::kIpProtoDestOptions, {wire::kIpProtoTcp, 0, 1, 4, 0, 0, 0, 0});  // PadN
}

// RFC 6946: a fragment that is all there is.
TEST_F(ExtensionCases, AnAtomicFragmentIsWhole) {
  ExpectSteppedOver(wire::kIpProtoFragment, {wire::kIpProtoTcp, 0, 0, 0, 0, 0, 0, 7});
}

// GRE: the outer packets enter; what they carry is nobody's flow.
TEST_F(StandInCases, ATunnelIsItsOuterPackets) {
  Handshake();
  Request();
  FrameBytes buffer(256);
  wire::FrameBuilder builder(buffer);
  builder.Ethernet(MacAddress{0x02, 0xaa, 0, 0, 0, 2}, MacAddress{0x02, 0xaa, 0, 0, 0, 1});
  wire::Ipv4Header outer;
  outer.ttl = 64;
  outer.protocol = 47;
  outer.saddr = kThem;
  outer.daddr = kUsHost;
  const FrameBytes inner = TcpFrame(tcp_.Ack(kClient));
  FrameBytes gre = {0, 0, 0x08, 0};
  gre.insert(gre.end(), inner.begin() + 14, inner.end());
  builder.Ipv4(outer).Payload(gre);
  const std::span<uint8_t> built = builder.Build();
  capture_.Add(std::span<const uint8_t>(built), kPath);
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(run_.frames_in, 7U);
  ExpectGrade(0, Grade::kB);
}

// VXLAN: the outer datagrams are a flow, as any others.
TEST_F(StandInCases, ATunnelInDatagramsIsTheirFlow) {
  constexpr uint16_t kVxlan = 4789;
  const FrameBytes inner = TcpFrame(tcp_.Data(kClient, Text(50)));
  std::string payload("\x08\0\0\0\0\0\x2a\0", 8);
  payload.append(inner.begin(), inner.end());
  for (int i = 0; i < 2; ++i) {
    capture_.Add(Between(kThem, 50'000, kUsHost, kVxlan, payload), kMs);
    capture_.Add(Between(kUsHost, kVxlan, kThem, 50'000, payload), kMs);
  }
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(plan_.flows[0].protocol, wire::kIpProtoUdp);
  EXPECT_EQ(plan_.flows[0].read_bytes, 2 * payload.size());
  ExpectGrade(0, Grade::kAMinus);
}

// A router's capture: each packet before and behind its translation. L is one of the two.
TEST_F(StandInCases, TranslatedPacketsAreSeenTwiceAndPlayedOnce) {
  const Ipv4Address outside(198, 51, 100, 7);
  Connection seen_outside({outside, uint16_t{50000}}, {kUsHost, uint16_t{80}});
  const auto both = [&](End end, auto make, int64_t after) {
    const Segment inside = make(tcp_);
    const Segment translated = make(seen_outside);
    capture_.Add(end == kClient ? inside : translated, after);
    capture_.Add(end == kClient ? translated : inside, 10 * kUs);
  };
  // The inside connection is with the server's own address, too: the same L, another P.
  both(kClient, [](Connection& tcp) { return tcp.Syn(); }, kMs);
  both(kServer, [](Connection& tcp) { return tcp.SynAck(); }, kAtOnce);
  both(kClient, [](Connection& tcp) { return tcp.Ack(kClient); }, kPath);
  both(kClient, [](Connection& tcp) { return tcp.Data(kClient, Text(100)); }, kPath);
  both(kServer, [](Connection& tcp) { return tcp.Data(kServer, Text(300)); }, kAtOnce);
  both(kClient, [](Connection& tcp) { return tcp.Ack(kClient); }, kPath);
  Replay();
  ASSERT_EQ(plan_.flows.size(), 2U);
  ExpectGrade(0, Grade::kB);
  ExpectGrade(1, Grade::kB);
}

// Other addresses, other bytes, and the same connection.
TEST_F(StandInCases, AnAnonymousCaptureIsAsGood) {
  host_.reset();
  const Anonymiser anonymiser(4711);
  const auto add = [&](const Segment& segment, int64_t after) {
    FrameBytes frame = TcpFrame(segment);
    anonymiser.RewriteFrame(frame, frame.size());
    capture_.Add(std::span<const uint8_t>(frame), after);
  };
  add(tcp_.Syn(), kMs);
  add(tcp_.SynAck(), kAtOnce);
  add(tcp_.Ack(kClient), kPath);
  add(tcp_.Data(kClient, Text(100)), kPath);
  add(tcp_.Data(kServer, Text(300)), kAtOnce);
  add(tcp_.Ack(kClient), kPath);
  add(tcp_.Fin(kClient), kPath);
  add(tcp_.Fin(kServer), kAtOnce);
  add(tcp_.Ack(kClient), kPath);
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(plan_.flows[0].role, Role::kPassive);
  EXPECT_NE(plan_.flows[0].local.address, IpAddress(kUsHost));
  EXPECT_EQ(plan_.flows[0].read_bytes, 100U);
  ExpectGrade(0, Grade::kB);
}

}  // namespace
}  // namespace tapedeck::standin
