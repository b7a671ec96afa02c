// Stories of TCP connections that are whole, cut short, or told twice.
#include "standin_fixture.h"

namespace tapedeck::standin {
namespace {

TEST_F(StandInCases, AWholeConnection) {
  Handshake();
  Request();
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(plan_.flows[0].role, Role::kPassive);
  EXPECT_EQ(plan_.flows[0].read_bytes, 100U);
  ExpectGrade(0, Grade::kB);
}

TEST_F(StandInCases, ASynAckThatWasLostIsAskedForAgain) {
  const Segment syn = tcp_.Syn();
  const Segment syn_ack = tcp_.SynAck();
  capture_.Add(syn).Add(syn_ack, kAtOnce).Add(syn, kSecond).Add(syn_ack, kAtOnce);
  capture_.Add(tcp_.Ack(kClient), kPath);
  Request();
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  ExpectGrade(0, Grade::kC);
}

TEST_F(StandInCases, AHalfOpenConnectionStaysOne) {
  capture_.Add(tcp_.Syn()).Add(tcp_.SynAck(), kAtOnce);
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  ExpectGrade(0, Grade::kC);
}

TEST_F(StandInCases, ASynWithAnotherIsnIsAnotherConnection) {
  Connection first;
  first.next(kClient) = 77;
  capture_.Add(first.Syn()).Add(first.SynAck(), kAtOnce).Add(first.Ack(kClient), kPath);
  capture_.Add(first.Rst(kClient), kPath);
  tcp_.next(kClient) = 700'000;
  tcp_.next(kServer) = 900'000;
  capture_.Add(tcp_.Syn(), kSecond).Add(tcp_.SynAck(), kAtOnce).Add(tcp_.Ack(kClient), kPath);
  Request();
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 2U);
  ExpectGrade(1, Grade::kB);
}

TEST_F(StandInCases, KeepalivesAreAnswered) {
  Handshake();
  Request();
  for (int i = 0; i < 3; ++i) {
    Segment probe = tcp_.Ack(kClient);
    --probe.sequence;
    if (i == 1) probe.payload = "d";  // of some systems: the last byte again
    capture_.Add(probe, 10 * kSecond).Add(tcp_.Ack(kServer), kAtOnce);
  }
  Close();
  Replay();
  ExpectGrade(0, Grade::kB);
}

TEST_F(StandInCases, SequenceNumbersWrapWithinAFlow) {
  tcp_.next(kClient) = 0xffffffff - 40;
  tcp_.next(kServer) = 0xffffffff - 100;
  Handshake();
  Request();
  Request();
  Close();
  Replay();
  EXPECT_EQ(plan_.flows[0].read_bytes, 200U);
  ExpectGrade(0, Grade::kB);
}

TEST_F(StandInCases, AResetOutsideOfTheWindowChangesNothing) {
  Handshake();
  Segment reset = tcp_.Make(kClient, wire::kTcpRst);
  reset.sequence += 10'000'000;
  reset.ack = 0;
  capture_.Add(reset, kPath);
  Request();
  Close();
  Replay();
  ExpectGrade(0, Grade::kB);
}

TEST_F(StandInCases, ARetransmissionWithOtherBytesCountsAsItCameFirst) {
  Handshake();
  const uint32_t start = tcp_.next(kClient);
  capture_.Add(tcp_.Data(kClient, Text(100)), kPath).Add(tcp_.Ack(kServer), 40 * kMs);
  tcp_.next(kClient) = start + 50;
  capture_.Add(tcp_.Data(kClient, std::string(100, '!')), kPath);
  capture_.Add(tcp_.Data(kServer, Text(10)), kAtOnce).Add(tcp_.Ack(kClient), kPath);
  Close();
  Replay();
  EXPECT_EQ(plan_.flows[0].read_bytes, 150U);
  EXPECT_THAT(plan_.guesses, testing::Contains(testing::HasSubstr("P sent other bytes")));
  ExpectGrade(0, Grade::kC);
}

TEST_F(StandInCases, UrgentDataAreReadWithTheRest) {
  Handshake();
  Segment urgent = tcp_.Data(kClient, Text(20));
  urgent.flags |= wire::kTcpUrg;
  urgent.urgent = 20;
  capture_.Add(urgent, kPath).Add(tcp_.Ack(kServer), 40 * kMs);
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_THAT(run_.violations, testing::IsEmpty());
}

TEST_F(StandInCases, WindowsOfAPeerThatDoesNotScaleAreNotScaled) {
  tcp_.options(kClient).window_scale.reset();
  tcp_.options(kServer).window_scale.reset();
  Handshake();
  Request();
  Close();
  Replay();
  ExpectGrade(0, Grade::kB);
}

TEST_F(StandInCases, AnMssOfZeroIsNone) {
  tcp_.options(kClient).mss = 0;
  Handshake();
  Request();
  Close();
  Replay();
  ExpectGrade(0, Grade::kB);
}

TEST_F(StandInCases, AConnectionWithoutItsSynIsTriedAndTheGuessesAreNamed) {
  tcp_.Syn();
  tcp_.SynAck();
  Request();
  Request();
  Close();
  Replay();
  EXPECT_THAT(plan_.guesses, testing::Not(testing::IsEmpty()));
}

TEST_F(StandInCases, PortsAreUsedAgainAfterAClose) {
  Handshake();
  Request();
  Close();
  tcp_.next(kClient) = 50'000'000;
  tcp_.next(kServer) = 90'000'000;
  capture_.Add(tcp_.Syn(), 2 * kSecond).Add(tcp_.SynAck(), kAtOnce).Add(tcp_.Ack(kClient), kPath);
  Request();
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 2U);
  ExpectGrade(0, Grade::kB);
  ExpectGrade(1, Grade::kB);
}

TEST_F(StandInCases, OffloadedRepliesAreCutBeforeTheyAreExpected) {
  Handshake();
  Request(100, 2'920);
  Close();
  Replay();
  ExpectGrade(0, Grade::kB);
}

// What a snapshot length left out is made up, and the application reads that.
TEST_F(StandInCases, PayloadThatWasNotCapturedIsFilled) {
  constexpr size_t kSnaplen = 96;
  Handshake();
  capture_.AddCut(tcp_.Data(kClient, Text(700)), kSnaplen, kPath);
  capture_.AddCut(tcp_.Data(kServer, Text(1'000)), kSnaplen, kAtOnce);
  capture_.AddCut(tcp_.Ack(kClient), kSnaplen, kPath);
  Close();
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  EXPECT_EQ(plan_.flows[0].read_bytes, 700U);
  EXPECT_THAT(plan_.guesses,
              testing::Contains("2 frames got filler for the payload that was not captured"));
  EXPECT_THAT(run_.dropped, testing::IsEmpty()) << "its checksums are right";
  ExpectGrade(0, Grade::kB);
}

TEST_F(StandInCases, DatagramsAreAnswered) {
  for (int i = 0; i < 3; ++i) {
    Datagram question;
    question.payload = Text(30, static_cast<size_t>(i));
    Datagram answer;
    std::swap(answer.ip.source, answer.ip.destination);
    std::swap(answer.ip.source_mac, answer.ip.destination_mac);
    std::swap(answer.source_port, answer.destination_port);
    answer.payload = Text(60, static_cast<size_t>(i));
    capture_.Add(question, kPath).Add(answer, kAtOnce);
  }
  Replay();
  ASSERT_EQ(plan_.flows.size(), 1U);
  ExpectGrade(0, Grade::kB);
}

}  // namespace
}  // namespace tapedeck::standin
