// Stories of TCP connections with odd options, windows and answers (RFC 9293, 7323, 7413, 5961).
#include "stack/wire/tcp_options.h"
#include "standin_fixture.h"

namespace tapedeck::standin {
namespace {

std::vector<uint8_t> Padded(wire::TcpOptionWriter writer) {
  while (writer.bytes().size() % 4 != 0) writer.Nop();
  return {writer.bytes().begin(), writer.bytes().end()};
}

std::vector<uint8_t> Stamps(uint32_t value, uint32_t echo) {
  wire::TcpOptionWriter writer;
  writer.Nop();
  writer.Nop();
  writer.Timestamps({value, echo});
  return {writer.bytes().begin(), writer.bytes().end()};
}

// RFC 7413: data in the SYN, which the server takes at once, without a cookie that anybody checks.
TEST_F(StandInCases, DataInASynAreTaken) {
  Segment syn = tcp_.Syn();
  syn.payload = Text(60);
  wire::TcpOptionWriter options;
  options.Mss(1460);
  const uint8_t cookie[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  options.FastOpen(cookie);
  syn.options = Padded(options);
  tcp_.next(kClient) += 60;
  tcp_.options(kServer).sack = false;
  tcp_.options(kServer).window_scale.reset();
  capture_.Add(syn).Add(tcp_.SynAck(), kAtOnce);
  capture_.Add(tcp_.Data(kServer, Text(100)), kAtOnce);
  capture_.Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(plan_.flows[0].settings.fast_open, FastOpen::kData);
  EXPECT_EQ(plan_.flows[0].read_bytes, 60U);
  ExpectGrade(0, Grade::kB);
}

// RFC 9293 figure 7: both ends connect, and each answers the other's SYN.
TEST_F(StandInCases, BothEndsMayConnect) {
  const Segment ours = tcp_.Syn(kServer);
  Segment theirs = tcp_.Syn(kClient);
  capture_.Add(ours).Add(theirs, 2 * kMs);
  Segment our_answer = ours;
  our_answer.flags |= wire::kTcpAck;
  our_answer.ack = tcp_.next(kClient);
  Segment their_answer = theirs;
  their_answer.flags |= wire::kTcpAck;
  their_answer.ack = tcp_.next(kServer);
  capture_.Add(our_answer, kAtOnce).Add(their_answer, kPath);
  capture_.Add(tcp_.Ack(kServer), kAtOnce);
  Request();
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(plan_.flows[0].role, Role::kActive);
  ExpectGrade(0, Grade::kC);
}

// P's window is shut while L has more to say: L asks again and again.
TEST_F(StandInCases, AShutWindowIsProbed) {
  tcp_.options(kClient).window_scale.reset();
  tcp_.options(kServer).window_scale.reset();
  Handshake();
  Segment request = tcp_.Data(kClient, Text(10));
  request.window = 1000;
  capture_.Add(request, kPath);
  capture_.Add(tcp_.Data(kServer, Text(1000), false), kAtOnce);
  Segment shut = tcp_.Ack(kClient);
  shut.window = 0;
  capture_.Add(shut, kPath);
  for (const int64_t wait : {205 * kMs, 410 * kMs}) {
    Segment probe = tcp_.Ack(kServer);
    --probe.sequence;
    capture_.Add(probe, wait).Add(shut, kPath);
  }
  capture_.Add(tcp_.Ack(kClient), 50 * kMs);
  capture_.Add(tcp_.Data(kServer, Text(500, 1000)), kAtOnce);
  capture_.Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  ExpectGrade(0, Grade::kB);
}

// RFC 5961 4: a SYN within a connection is answered with an ACK, and changes nothing.
TEST_F(StandInCases, ASynWithinAConnectionIsChallenged) {
  Handshake();
  Request();
  Segment syn = tcp_.Make(kClient, wire::kTcpSyn);
  syn.sequence += 100;
  syn.ack = 0;
  capture_.Add(syn, kPath).Add(tcp_.Ack(kServer), kAtOnce);
  Request();
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(run_.comparisons[0].challenge_acks_more, 0U);
  ExpectGrade(0, Grade::kB);
}

// RFC 7323 5.3: a segment with an old timestamp is acknowledged, and not taken.
TEST_F(StandInCases, AnOldTimestampIsRefused) {
  tcp_.options(kClient).timestamps = tcp_.options(kServer).timestamps = true;
  Handshake();
  Request();
  tcp_.now_ms() = 100;
  Segment old = tcp_.Data(kClient, Text(50, 7));
  tcp_.next(kClient) -= 50;
  old.options = Stamps(10, 9000);
  capture_.Add(old, kPath).Add(tcp_.Ack(kServer), kAtOnce);
  Request();
  Close();
  Replay();
  EXPECT_EQ(plan_.flows[0].read_bytes, 200U);
  ExpectGrade(0, Grade::kB);
}

// Timestamps were agreed on, and some of P's segments have none: old stacks' resets and keepalives.
TEST_F(StandInCases, TimestampsMayBeMissingOnSomeSegments) {
  tcp_.options(kClient).timestamps = tcp_.options(kServer).timestamps = true;
  Handshake();
  Request();
  Segment bare = tcp_.Data(kClient, Text(40));
  bare.options.clear();
  capture_.Add(bare, kPath);
  capture_.Add(tcp_.Data(kServer, Text(10)), kAtOnce).Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  EXPECT_EQ(plan_.flows[0].read_bytes, 140U);
  ExpectGrade(0, Grade::kB);
}

// RFC 7323 2.2: a scale that only one side offers is none.
TEST_F(StandInCases, AScaleOfOneSideIsNone) {
  tcp_.options(kServer).window_scale.reset();
  Handshake();
  Segment request = tcp_.Data(kClient, Text(100));
  request.window = 400;  // bytes, not 400 * 128
  capture_.Add(request, kPath);
  capture_.Add(tcp_.Data(kServer, Text(400), false), kAtOnce);
  Segment more = tcp_.Ack(kClient);
  more.window = 400;
  capture_.Add(more, kPath);
  capture_.Add(tcp_.Data(kServer, Text(200, 400)), kAtOnce);
  capture_.Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  EXPECT_FALSE(plan_.flows[0].settings.window_scale.has_value());
  ExpectGrade(0, Grade::kB);
}

// RFC 9293 3.8.6: P takes back window that it had given.
TEST_F(StandInCases, AWindowMayShrink) {
  tcp_.options(kClient).window_scale.reset();
  tcp_.options(kServer).window_scale.reset();
  Handshake();
  Request();
  Segment less = tcp_.Ack(kClient);
  less.window = 100;
  capture_.Add(less, kPath);
  Segment request = tcp_.Data(kClient, Text(10));
  request.window = 100;
  capture_.Add(request, kPath);
  capture_.Add(tcp_.Data(kServer, Text(100), false), kAtOnce);
  Segment more = tcp_.Ack(kClient);
  capture_.Add(more, kPath);
  capture_.Add(tcp_.Data(kServer, Text(80, 100)), kAtOnce).Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  ExpectGrade(0, Grade::kB);
}

TEST_F(StandInCases, AnMssBeyondAnyWireIsWhatTheWireCarries) {
  tcp_.options(kClient).mss = 65535;
  Handshake();
  Request(100, 1460);
  Close();
  Replay();
  ExpectGrade(0, Grade::kB);
}

// RFC 2385: without the key there is nothing to stand in for; the packets enter as they are.
TEST_F(StandInCases, SignedSegmentsAreNotStoodInFor) {
  Handshake();
  Segment data = tcp_.Data(kClient, Text(100));
  data.options = {1, 1, wire::kTcpOptMd5, 18, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  capture_.Add(data, kPath);
  capture_.Add(tcp_.Ack(kServer), 40 * kMs);
  Replay();
  EXPECT_THAT(plan_.flows, testing::IsEmpty());
  EXPECT_FALSE(HasUsableFlows(plan_));
  EXPECT_EQ(run_.frames_in, 3U);
  EXPECT_THAT(plan_.guesses, testing::Contains(testing::HasSubstr("key")));
}

// RFC 8684: our host answers no MP_CAPABLE, so P is what it is after a fallback: plain TCP.
TEST_F(StandInCases, MultipathFallsBackToPlainTcp) {
  Segment syn = tcp_.Syn();
  const std::vector<uint8_t> capable = {wire::kTcpOptMptcp, 4, 0x01, 0x81};
  syn.options.insert(syn.options.end(), capable.begin(), capable.end());
  capture_.Add(syn).Add(tcp_.SynAck(), kAtOnce).Add(tcp_.Ack(kClient), kPath);
  Request();
  Close();
  Replay();
  ExpectGrade(0, Grade::kB);
  EXPECT_THAT(plan_.guesses, testing::Contains(testing::HasSubstr("Multipath")));
}

// Both ends offered it, and no segment behind the handshake has it: something on the path took the
// option out, and both ends went on as plain TCP (RFC 8684 3.7).
TEST_F(StandInCases, MultipathFallsBackBehindTheHandshake) {
  const std::vector<uint8_t> capable = {wire::kTcpOptMptcp, 4, 0x01, 0x81};
  Segment syn = tcp_.Syn();
  Segment syn_ack = tcp_.SynAck();
  for (Segment* const segment : {&syn, &syn_ack}) {
    segment->options.insert(segment->options.end(), capable.begin(), capable.end());
  }
  capture_.Add(syn).Add(syn_ack, kAtOnce).Add(tcp_.Ack(kClient), kPath);
  Request();
  Close();
  Replay();
  EXPECT_EQ(plan_.flows[0].read_bytes, 100U);
  ExpectGrade(0, Grade::kB);
  EXPECT_THAT(plan_.guesses, testing::Contains(testing::HasSubstr("fell back")));
}

// Without a fallback a subflow is a part of something that our host does not know: it is played
// raw.
TEST_F(StandInCases, MultipathWithoutFallbackIsPlayedRaw) {
  const std::vector<uint8_t> capable = {wire::kTcpOptMptcp, 4, 0x01, 0x81};
  const std::vector<uint8_t> mapping = {wire::kTcpOptMptcp, 4, 0x20, 0x00};  // DSS
  const auto with = [](Segment segment, const std::vector<uint8_t>& option) {
    segment.options.insert(segment.options.end(), option.begin(), option.end());
    return segment;
  };
  capture_.Add(with(tcp_.Syn(), capable)).Add(with(tcp_.SynAck(), capable), kAtOnce);
  capture_.Add(with(tcp_.Ack(kClient), mapping), kPath);
  capture_.Add(with(tcp_.Data(kClient, Text(100)), mapping), kPath);
  capture_.Add(with(tcp_.Ack(kServer), mapping), kAtOnce);
  Replay();
  EXPECT_THAT(plan_.flows, testing::IsEmpty());
  EXPECT_FALSE(HasUsableFlows(plan_));
  EXPECT_EQ(run_.frames_in, 3U);
  EXPECT_THAT(plan_.guesses, testing::Contains(testing::HasSubstr("without a fallback")));
}

// Addresses were made anonymous and nobody mended the sums: L took the segments all the same.
TEST_F(StandInCases, WhatLTookHadARightChecksum) {
  const auto spoilt = [](Segment segment) {
    segment.sum = traffic::Sum::kBad;
    return segment;
  };
  capture_.Add(spoilt(tcp_.Syn())).Add(tcp_.SynAck(), kAtOnce);
  capture_.Add(spoilt(tcp_.Ack(kClient)), kPath);
  capture_.Add(spoilt(tcp_.Data(kClient, Text(100))), kPath);
  capture_.Add(tcp_.Data(kServer, Text(300)), kAtOnce);
  capture_.Add(spoilt(tcp_.Ack(kClient)), kPath);
  Replay();
  EXPECT_EQ(plan_.flows[0].read_bytes, 100U);
  ExpectGrade(0, Grade::kB);
  EXPECT_THAT(run_.dropped, testing::IsEmpty());
}

// A segment that was damaged on its way stays so: L did not take it, P sent it again.
TEST_F(StandInCases, WhatLDidNotTakeKeepsItsWrongChecksum) {
  Handshake();
  Segment data = tcp_.Data(kClient, Text(100));
  Segment damaged = data;
  damaged.sum = traffic::Sum::kBad;
  capture_.Add(damaged, kPath).Add(data, 250 * kMs);
  capture_.Add(tcp_.Data(kServer, Text(300)), kAtOnce).Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  ExpectGrade(0, Grade::kB);
  EXPECT_EQ(run_.dropped.size(), 1U);
}

// Full segments of 1000 bytes, though both SYNs allow 1460.
TEST_F(StandInCases, SmallFullSegmentsArePrescribedByTheSyn) {
  Handshake();
  capture_.Add(tcp_.Data(kClient, Text(100)), kPath);
  for (int i = 0; i < 3; ++i) {
    capture_.Add(tcp_.Data(kServer, Text(1000, static_cast<size_t>(i) * 1000), false),
                 i == 0 ? kAtOnce : kUs);
  }
  capture_.Add(tcp_.Data(kServer, Text(10, 3000)), kUs).Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  EXPECT_EQ(run_.comparisons[0].segments_same, 4U);
  ExpectGrade(0, Grade::kB);
}

// 100 segments behind a missing one: more than the usual window takes.
TEST_F(StandInCases, WhatLKeptBehindAHoleNeedsItsBuffer) {
  Handshake();
  size_t at = 0;
  const auto data = [&] {
    Segment segment = tcp_.Data(kClient, Text(1460, at), false);
    at += 1460;
    return segment;
  };
  for (int i = 0; i < 100; ++i) capture_.Add(data(), 100 * kUs).Add(tcp_.Ack(kServer), kUs);
  const Segment hole = data();
  const Segment stuck = tcp_.Ack(kServer);
  Segment last_ack = stuck;
  last_ack.ack = hole.sequence;
  for (int i = 0; i < 100; ++i) capture_.Add(data(), 100 * kUs).Add(last_ack, kUs);
  capture_.Add(hole, 300 * kMs).Add(tcp_.Ack(kServer), kAtOnce);
  Close();
  Replay();
  EXPECT_GT(plan_.flows[0].settings.receive_buffer_bytes, 131'072U);
  EXPECT_EQ(plan_.flows[0].read_bytes, at);
  ExpectGrade(0, Grade::kB);
}

}  // namespace
}  // namespace tapedeck::standin
