// Super-frames: TSO, GRO, BIG TCP and UDP GRO, cut into what was on the wire.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "normalise_fixture.h"  // beside this file
#include "replay/normalise/normalise.h"
#include "stack/wire/repair_checksums.h"
#include "traffic.h"  // beside this file

namespace tapedeck::normalise {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using traffic::Capture;
using traffic::Connection;
using traffic::Datagram;
using traffic::FrameBytes;
using traffic::kClient;
using traffic::kMs;
using traffic::kServer;
using traffic::Segment;
using traffic::Text;

class NormaliseSuperFrames : public NormaliseTest {
 protected:
  // SYN, SYN-ACK and ACK of `tcp_`.
  void AddHandshake() { capture_file_.Add(tcp_.Syn()).Add(tcp_.SynAck()).Add(tcp_.Ack(kClient)); }
  // Normalises what was added, and leaves the frames of record `record`, whose checksums must all
  // be right.
  void RunFor(uint64_t record) {
    Run(capture_file_);
    pieces_.clear();
    for (const Frame& frame : frames()) {
      if (frame.record != record) continue;
      pieces_.push_back(frame);
      std::vector<uint8_t> whole = frame.Whole();
      const std::vector<uint8_t> before = whole;
      wire::RepairChecksums(whole);
      EXPECT_EQ(whole, before) << frame.Provenance();
    }
  }
  std::vector<size_t> PayloadSizes() const {
    std::vector<size_t> sizes;
    for (const Frame& frame : pieces_) sizes.push_back(Payload(frame).size());
    return sizes;
  }
  std::string AllPayload() const {
    std::string all;
    for (const Frame& frame : pieces_) all += Payload(frame);
    return all;
  }
  std::vector<uint16_t> IpIds() const {
    std::vector<uint16_t> ids;
    for (const Frame& frame : pieces_) ids.push_back(Ipv4(frame).id.host());
    return ids;
  }

  Connection tcp_;
  Capture capture_file_;
  std::vector<Frame> pieces_;
};

TEST_F(NormaliseSuperFrames, AreCutByTheMssAndSayWhereTheyComeFrom) {
  AddHandshake();
  const std::string data = Text(3'000);
  const uint32_t sequence = tcp_.next(kServer);
  capture_file_.Add(tcp_.Data(kServer, data)).Add(tcp_.Ack(kClient));
  RunFor(4);
  EXPECT_THAT(PayloadSizes(), ElementsAre(1460, 1460, 80));
  EXPECT_EQ(AllPayload(), data);
  EXPECT_EQ(pieces_[1].Provenance(), "split 2/3 of cap#4");
  EXPECT_EQ(Tcp(pieces_[2]).seq.host(), sequence + 2'920);
  EXPECT_EQ(pieces_[0].time_ns, pieces_[2].time_ns);
  EXPECT_EQ(frames().size(), 7U);
  EXPECT_EQ(frames().back().record, 5U);
  EXPECT_EQ(counts().super_frames, 1U);
  EXPECT_EQ(counts().split_by_guess, 0U);
  EXPECT_THAT(capture_->warnings, IsEmpty());
}

TEST_F(NormaliseSuperFrames, TimestampsTakeTwelveBytesOfTheMss) {
  tcp_.options(kClient).timestamps = tcp_.options(kServer).timestamps = true;
  AddHandshake();
  capture_file_.Add(tcp_.Data(kServer, Text(2'896)));
  RunFor(4);
  EXPECT_THAT(PayloadSizes(), ElementsAre(1448, 1448));
}

TEST_F(NormaliseSuperFrames, TheSmallerMssOfBothCounts) {
  tcp_.options(kServer).mss = 1'000;
  AddHandshake();
  capture_file_.Add(tcp_.Data(kServer, Text(1'400)));
  RunFor(4);
  EXPECT_THAT(PayloadSizes(), ElementsAre(1'000, 400));
}

TEST_F(NormaliseSuperFrames, AJumboMssIsNoSuperFrame) {
  tcp_.options(kClient).mss = tcp_.options(kServer).mss = 8'960;
  AddHandshake();
  capture_file_.Add(tcp_.Data(kServer, Text(8'960)));
  RunFor(4);
  EXPECT_EQ(pieces_.size(), 1U);
  EXPECT_EQ(pieces_[0].Provenance(), "cap#4");
  EXPECT_EQ(capture_->mtu_bytes, 9'000U);
}

TEST_F(NormaliseSuperFrames, MssZeroAndAbsurdMss) {
  tcp_.options(kClient).mss = 0;
  tcp_.options(kServer).mss = 1;
  AddHandshake();
  capture_file_.Add(tcp_.Data(kServer, Text(100)));
  RunFor(4);
  EXPECT_THAT(PayloadSizes(), ElementsAre(88, 12)) << "TCP_MIN_MSS";
}

TEST_F(NormaliseSuperFrames, FinAndPushGoToTheLastAndCwrToTheFirst) {
  AddHandshake();
  Segment data = tcp_.Data(kServer, Text(4'000));
  data.flags |= wire::kTcpFin | wire::kTcpCwr | wire::kTcpEce;
  capture_file_.Add(data);
  RunFor(4);
  ASSERT_EQ(pieces_.size(), 3U);
  EXPECT_EQ(Tcp(pieces_[0]).flags(), wire::kTcpAck | wire::kTcpCwr | wire::kTcpEce);
  EXPECT_EQ(Tcp(pieces_[1]).flags(), wire::kTcpAck | wire::kTcpEce);
  EXPECT_EQ(Tcp(pieces_[2]).flags(), wire::kTcpAck | wire::kTcpEce | wire::kTcpPsh | wire::kTcpFin);
}

TEST_F(NormaliseSuperFrames, UrgentDataStaysWhereItWas) {
  AddHandshake();
  Segment data = tcp_.Data(kServer, Text(3'000));
  data.flags |= wire::kTcpUrg;
  data.urgent = 1'500;
  capture_file_.Add(data);
  RunFor(4);
  EXPECT_EQ(Tcp(pieces_[0]).urg_ptr.host(), 1'500);
  EXPECT_EQ(Tcp(pieces_[1]).urg_ptr.host(), 40);
  EXPECT_TRUE(Tcp(pieces_[1]).urg());
  EXPECT_FALSE(Tcp(pieces_[2]).urg());
  EXPECT_EQ(Tcp(pieces_[2]).urg_ptr.host(), 0);
}

TEST_F(NormaliseSuperFrames, IpIdsCountOn) {
  AddHandshake();
  capture_file_.Add(tcp_.Data(kServer, "x")).Add(tcp_.Data(kServer, Text(3'000)));
  RunFor(5);
  EXPECT_THAT(IpIds(), ElementsAre(2, 3, 4));
}

TEST_F(NormaliseSuperFrames, IpIdsThatNeverChangeStay) {
  AddHandshake();
  for (int i = 0; i < 3; ++i) {
    tcp_.ip(kServer).id = 0;
    capture_file_.Add(tcp_.Data(kServer, "x"));
  }
  tcp_.ip(kServer).id = 0;
  capture_file_.Add(tcp_.Data(kServer, Text(3'000)));
  RunFor(7);
  EXPECT_THAT(IpIds(), Each(0));
}

TEST_F(NormaliseSuperFrames, WithoutASynTheLargestNormalSegmentTellsAndIsToldAsAGuess) {
  capture_file_.Add(tcp_.Data(kServer, Text(1'300)))
      .Add(tcp_.Data(kServer, Text(700)))
      .Add(tcp_.Data(kServer, Text(2'600)));
  RunFor(3);
  EXPECT_THAT(PayloadSizes(), ElementsAre(1'300, 1'300));
  EXPECT_EQ(counts().split_by_guess, 1U);
  EXPECT_THAT(capture_->warnings, ElementsAre(HasSubstr("cut by guess")));
}

TEST_F(NormaliseSuperFrames, AnMtuThatIsGivenCounts) {
  options_.mtu_bytes = 9'000;
  capture_file_.Add(tcp_.Data(kServer, Text(8'000)));
  RunFor(1);
  EXPECT_EQ(pieces_.size(), 1U);
}

TEST_F(NormaliseSuperFrames, OfIpv6AreCutToo) {
  tcp_ = Connection({*IpAddress::Parse("2001:db8::1"), uint16_t{40000}},
                    {*IpAddress::Parse("2001:db8::2"), uint16_t{80}});
  tcp_.options(kClient).mss = tcp_.options(kServer).mss = 1'440;
  AddHandshake();
  capture_file_.Add(tcp_.Data(kServer, Text(2'000)));
  RunFor(4);
  EXPECT_THAT(PayloadSizes(), ElementsAre(1'440, 560));
}

TEST_F(NormaliseSuperFrames, BigTcpWithoutALengthIsMeasuredByTheRecord) {
  AddHandshake();
  FrameBytes frame = traffic::TcpFrame(tcp_.Data(kServer, Text(100'000)));
  frame[16] = frame[17] = 0;
  capture_file_.Add(std::span<const uint8_t>(frame));
  RunFor(4);
  EXPECT_EQ(pieces_.size(), 69U);
  EXPECT_EQ(AllPayload(), Text(100'000));
  EXPECT_EQ(Ipv4(pieces_[0]).tot_len.host(), 1'500);
  EXPECT_EQ(counts().lengths_filled, 1U);
}

TEST_F(NormaliseSuperFrames, AJumboPayloadHeaderIsTakenOut) {
  tcp_ = Connection({*IpAddress::Parse("2001:db8::1"), uint16_t{40000}},
                    {*IpAddress::Parse("2001:db8::2"), uint16_t{80}});
  tcp_.options(kClient).mss = tcp_.options(kServer).mss = 1'440;
  AddHandshake();
  FrameBytes frame = traffic::TcpFrame(tcp_.Data(kServer, Text(80'000)));
  frame[18] = frame[19] = 0;
  frame[20] = wire::kIpProtoHopByHop;
  const std::vector<uint8_t> jumbo = {wire::kIpProtoTcp, 0, 0xc2, 4, 0, 1, 0x38, 0x9c};
  frame.insert(frame.begin() + 54, jumbo.begin(), jumbo.end());  // 80,028 bytes behind the header
  frame[54 + 7] = 0x9c;
  StoreBe32(frame.data() + 58, static_cast<uint32_t>(frame.size() - 54));
  capture_file_.Add(std::span<const uint8_t>(frame));
  RunFor(4);
  ASSERT_EQ(pieces_.size(), 56U);
  EXPECT_EQ(pieces_[0].network()[6], wire::kIpProtoTcp);
  EXPECT_EQ(pieces_[0].transport_offset, 54);
  EXPECT_EQ(AllPayload(), Text(80'000));
}

TEST_F(NormaliseSuperFrames, CutBySnaplenTheyAreFilledPieceByPiece) {
  AddHandshake();
  capture_file_.AddCut(tcp_.Data(kServer, Text(3'000)), 54 + 1'470);
  RunFor(4);
  ASSERT_EQ(pieces_.size(), 3U);
  EXPECT_EQ(pieces_[0].filler_bytes, 0U);
  EXPECT_EQ(pieces_[1].filler_bytes, 1'450U);
  EXPECT_EQ(pieces_[2].filler_bytes, 80U);
  EXPECT_THAT(PayloadSizes(), ElementsAre(1460, 1460, 80));
}

// UDP payload sizes of the frames.
std::vector<size_t> DatagramSizes(const std::vector<Frame>& frames) {
  std::vector<size_t> sizes;
  for (const Frame& frame : frames)
    sizes.push_back(frame.wire_bytes() - frame.transport_offset - 8);
  return sizes;
}

TEST_F(NormaliseSuperFrames, UdpIsCutWhereEqualPiecesAreProved) {
  Datagram datagram;
  datagram.payload = Text(1'200);
  capture_file_.Add(datagram).Add(datagram);
  datagram.payload = Text(3'000);
  capture_file_.Add(datagram);
  RunFor(3);
  EXPECT_THAT(DatagramSizes(pieces_), ElementsAre(1'200, 1'200, 600));
  EXPECT_EQ(pieces_[2].Provenance(), "split 3/3 of cap#3");
}

TEST_F(NormaliseSuperFrames, UdpIsDroppedWithTheReasonWhereNothingProvesThem) {
  Datagram datagram;
  datagram.payload = Text(1'200);
  capture_file_.Add(datagram);
  datagram.payload = Text(3'000);
  capture_file_.Add(datagram);
  RunFor(2);
  EXPECT_THAT(pieces_, IsEmpty());
  EXPECT_THAT(Unused(), ElementsAre(HasSubstr("cap#2 is longer than the MTU")));
}

TEST_F(NormaliseSuperFrames, MemoryIsBoundedAndWhatDoesNotFitHasThatReason) {
  tcp_.options(kClient).mss = tcp_.options(kServer).mss = 88;
  AddHandshake();
  for (int i = 0; i < 20; ++i) capture_file_.AddCut(tcp_.Data(kServer, Text(60'000)), 64);
  options_.memory_bytes_max = 1 << 20;
  Run(capture_file_);
  EXPECT_GT(counts().super_frames, 2U);
  EXPECT_GT(counts().unused[static_cast<size_t>(UnusedReason::kTooMuchMemory)], 5U);
  EXPECT_LE(capture_->pool.allocated_bytes() + frames().size() * sizeof(Frame), 1U << 20);
}

}  // namespace
}  // namespace tapedeck::normalise
