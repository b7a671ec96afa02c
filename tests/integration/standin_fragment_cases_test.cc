// Stories of packets that came in fragments: whole they drive their flows, and our host gets them
// in fragments again.
#include <algorithm>

#include "../unit/fragment_frames.h"
#include "standin_fixture.h"

namespace tapedeck::standin {
namespace {

using traffic::Fragments;
using traffic::FrameBytes;
using traffic::TcpFrame;
using traffic::UdpFrame;

constexpr size_t kFullFragment = 1'480;  // of an MTU of 1500, over IPv4
constexpr size_t kFullFragment6 = 1'448;

class FragmentCases : public StandInCases {
 protected:
  // All of them at once but for the time on the wire.
  void AddFragments(const std::vector<FrameBytes>& fragments, int64_t after_ns) {
    for (const FrameBytes& fragment : fragments) {
      capture_.Add(std::span<const uint8_t>(fragment), after_ns);
      after_ns = 2 * kUs;
    }
  }
  // The datagram of P, or L's answer.
  static Datagram Message(bool answer, const IpAddress& client, const IpAddress& server,
                          size_t bytes) {
    Datagram datagram;
    datagram.ip.source = answer ? server : client;
    datagram.ip.destination = answer ? client : server;
    datagram.source_port = answer ? 7 : 4000;
    datagram.destination_port = answer ? 4000 : 7;
    datagram.payload = Text(bytes);
    return datagram;
  }
  void EchoInFragments(const IpAddress& client, const IpAddress& server, size_t full) {
    host_ = server;
    for (int i = 0; i < 3; ++i) {
      AddFragments(Fragments(UdpFrame(Message(false, client, server, 4'000)), full), kPath);
      AddFragments(Fragments(UdpFrame(Message(true, client, server, 4'000)), full), kMs);
    }
    Replay();
    ASSERT_EQ(plan_.flows.size(), 1U);
    EXPECT_EQ(plan_.flows[0].read_bytes, 12'000U);
    EXPECT_EQ(plan_.flows[0].expected[0].from.record, 4U) << "L's first fragment";
    EXPECT_EQ(run_.flows[0].sent.size(), 3U) << "datagrams, not frames";
    EXPECT_EQ(run_.frames_in, 9U);
    EXPECT_GE(run_.frames_out, 9U);
    ExpectGrade(0, Grade::kAMinus);
  }

  const Ipv4Address client_{10, 0, 0, 1};
  const Ipv4Address server_{10, 0, 0, 2};
};

TEST_F(FragmentCases, DatagramsAreEchoed) { EchoInFragments(client_, server_, kFullFragment); }

TEST_F(FragmentCases, DatagramsAreEchoedOverIpv6) {
  EchoInFragments(*IpAddress::Parse("2001:db8::1"), *IpAddress::Parse("2001:db8::2"),
                  kFullFragment6);
}

// The last first, and one of them twice.
TEST_F(FragmentCases, TheyEnterInTheOrderOfTheCapture) {
  std::vector<FrameBytes> fragments =
      Fragments(UdpFrame(Message(false, client_, server_, 4'000)), kFullFragment);
  std::reverse(fragments.begin(), fragments.end());
  fragments.insert(fragments.begin(), fragments[0]);
  AddFragments(fragments, kPath);
  AddFragments(Fragments(UdpFrame(Message(true, client_, server_, 4'000)), kFullFragment), kMs);
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  ASSERT_EQ(plan_.stimuli.size(), 1U);
  std::vector<uint32_t> offsets;
  for (const Cut& cut : plan_.stimuli[0].cuts.all()) offsets.push_back(cut.offset);
  EXPECT_THAT(offsets, testing::ElementsAre(2'960, 2'960, 1'480, 0));
  EXPECT_EQ(run_.frames_in, 4U);
  ExpectGrade(0, Grade::kAMinus);
}

// Two datagrams, of which the one that began last was whole first.
TEST_F(FragmentCases, DatagramsMayBeInterleaved) {
  const FrameBytes other = UdpFrame(Message(false, client_, server_, 100));
  const auto fragments =
      Fragments(UdpFrame(Message(false, client_, server_, 2'000)), kFullFragment);
  capture_.Add(std::span<const uint8_t>(fragments[0]), kPath);
  capture_.Add(std::span<const uint8_t>(other), kUs);
  capture_.Add(std::span<const uint8_t>(fragments[1]), kUs);
  AddFragments(Fragments(UdpFrame(Message(true, client_, server_, 500)), kFullFragment), kMs);
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  ASSERT_EQ(plan_.stimuli.size(), 2U);
  EXPECT_EQ(plan_.stimuli[0].from.record, 2U);
  EXPECT_EQ(plan_.flows[0].actions[0].after, 2);
  ExpectGrade(0, Grade::kAMinus);
}

// A router cuts P's segment through its TCP header: what it acknowledges is in the second fragment,
// and is mapped to our host's numbers there.
TEST_F(FragmentCases, ASegmentCutWithinItsHeaderDrivesItsConnection) {
  Handshake();
  Request();
  for (const auto& fragment : Fragments(TcpFrame(tcp_.Data(kClient, Text(600))), 8)) {
    capture_.Add(std::span<const uint8_t>(fragment), kUs);
  }
  capture_.Add(tcp_.Data(kServer, Text(200)), kMs).Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(plan_.flows[0].read_bytes, 700U);
  EXPECT_THAT(run_.dropped, testing::IsEmpty());
  ExpectGrade(0, Grade::kB);
}

// The sum of the pseudo-header stands where the NIC was to write the checksum.
TEST_F(FragmentCases, AChecksumLeftToTheNicIsSetRight) {
  FrameBytes whole = UdpFrame(Message(false, client_, server_, 2'000));
  const wire::PseudoHeader pseudo(client_, server_);
  StoreBe16(whole.data() + 14 + 20 + 6, pseudo.PartialChecksum(wire::kIpProtoUdp, 2'008));
  AddFragments(Fragments(whole, kFullFragment), kPath);
  AddFragments(Fragments(UdpFrame(Message(true, client_, server_, 100)), kFullFragment), kMs);
  Replay();
  EXPECT_THAT(run_.dropped, testing::IsEmpty());
  EXPECT_THAT(plan_.guesses,
              testing::Contains("1 checksums that were left to a NIC were set right"));
  ExpectGrade(0, Grade::kAMinus);
}

// A checkpoint between two fragments of a datagram holds what has entered of it.
TEST_F(FragmentCases, ARunIsRestoredBetweenFragments) {
  AddFragments(Fragments(UdpFrame(Message(false, client_, server_, 4'000)), kFullFragment), kPath);
  AddFragments(Fragments(UdpFrame(Message(true, client_, server_, 4'000)), kFullFragment), kMs);
  Replay();
  StandInOptions options;
  LabHostOptions host;
  host.driver.eitr = 0;
  options.lab.hosts = {host};
  for (const uint64_t frames : {1U, 2U}) {
    options.restore_after_frames = frames;
    const auto again = RunPlan(plan_, options, {});
    ASSERT_TRUE(again.ok());
    EXPECT_EQ(again->digest, run_.digest) << frames;
  }
}

// RFC 5722: nothing is made of them, and they enter as they are.
TEST_F(FragmentCases, OverlapsEnterAsTheyAre) {
  const FrameBytes whole = UdpFrame(Message(false, client_, server_, 2'000));
  for (const auto& [from, to] : {std::pair<size_t, size_t>{0, 1'480}, {1'472, 2'008}}) {
    const FrameBytes fragment = traffic::Fragment(whole, from, to, to < 2'008);
    capture_.Add(std::span<const uint8_t>(fragment), kMs);
  }
  capture_.Add(Message(false, client_, server_, 10), kMs);
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(plan_.flows[0].read_bytes, 10U);
  EXPECT_EQ(plan_.stimuli.size(), 3U);
  EXPECT_EQ(run_.frames_in, 3U);
}

// A plan's cuts are within its packets.
TEST_F(FragmentCases, ACutBeyondThePacketIsAnError) {
  AddFragments(Fragments(UdpFrame(Message(false, client_, server_, 2'000)), kFullFragment), kMs);
  Replay();
  std::string text = PrintPlan(plan_);
  const size_t at = text.find(" 1480 528 before");
  ASSERT_NE(at, std::string::npos) << text;
  text.replace(at, 9, " 1480 9999");
  const auto parsed = ParsePlan(text, "x.plan");
  ASSERT_FALSE(parsed.ok());
  EXPECT_THAT(std::string(parsed.status().message()),
              testing::HasSubstr("expected cuts within the packet"));
}

}  // namespace
}  // namespace tapedeck::standin
