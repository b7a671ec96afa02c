// Fragments: what normalising says of them, and the packets that they were cut from.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "fragment_frames.h"    // beside this file
#include "normalise_fixture.h"  // beside this file
#include "replay/normalise/fragments.h"
#include "traffic.h"  // beside this file

namespace tapedeck::normalise {
namespace {

using ::testing::ElementsAre;
using traffic::Capture;
using traffic::Connection;
using traffic::FrameBytes;
using traffic::kClient;
using traffic::kSecond;
using traffic::Text;

class NormaliseFragments : public NormaliseTest {
 protected:
  NormaliseFragments() : whole_(TcpFrame(Connection().Data(kClient, Text(100)))) {}

  void Add(size_t from, size_t to, bool more, int64_t after_ns = traffic::kMs) {
    const FrameBytes frame = traffic::Fragment(whole_, from, to, more);
    capture_file_.Add(std::span<const uint8_t>(frame), after_ns);
  }
  void RunAll() {
    Run(capture_file_);
    packets_ = FindFragmentedPackets(frames());
  }

  // From the IP header on.
  static std::vector<uint8_t> Bytes(const FrameBytes& frame) {
    return {frame.begin() + 14, frame.end()};
  }

  FrameBytes whole_;
  Capture capture_file_;
  std::vector<FragmentedPacket> packets_;
};

TEST_F(NormaliseFragments, AreMarkedAndTheirChecksumLiesElsewhere) {
  Add(0, 64, true);
  Add(64, 120, false);
  RunAll();
  EXPECT_TRUE(frames()[0].is_fragment);
  EXPECT_FALSE(frames()[0].is_later_fragment);
  EXPECT_TRUE(frames()[0].has_transport());
  EXPECT_TRUE(frames()[1].is_later_fragment);
  EXPECT_FALSE(frames()[1].has_transport());
  EXPECT_EQ(frames()[1].protocol, wire::kIpProtoTcp);
  EXPECT_EQ(frames()[0].checksum, ChecksumState::kElsewhere);
  EXPECT_EQ(counts().fragments, 2U);
  ASSERT_EQ(packets_.size(), 1U);
  EXPECT_TRUE(packets_[0].is_complete);
  EXPECT_FALSE(packets_[0].has_overlaps);
}

TEST_F(NormaliseFragments, AHeaderSplitOverThemIsPutTogether) {
  Add(8, 120, false);
  Add(0, 8, true);
  RunAll();
  EXPECT_FALSE(frames()[1].has_transport());
  ASSERT_TRUE(packets_[0].is_complete);
  std::vector<uint8_t> expected = Bytes(whole_);
  auto* const ip = wire::OverlayMutable<wire::Ipv4Header>(expected);
  ip->frag_off = uint16_t{0};  // who cuts packets does not forbid it
  wire::FillIpv4Checksum(ip);
  EXPECT_EQ(WholePacket(frames(), packets_[0]), expected);
}

TEST_F(NormaliseFragments, CopiesChangeNothing) {
  Add(0, 64, true);
  Add(0, 64, true);
  Add(64, 120, false);
  Add(64, 120, false);
  RunAll();
  ASSERT_EQ(packets_.size(), 2U) << "what comes behind a whole packet is another's";
  EXPECT_THAT(packets_[0].frames, ElementsAre(0, 1, 2));
  EXPECT_TRUE(packets_[0].is_complete);
  EXPECT_FALSE(packets_[0].has_overlaps);
  EXPECT_FALSE(packets_[1].is_complete);
}

// RFC 5722: what overlaps ends the packet; the rest waits in vain.
TEST_F(NormaliseFragments, OfWhatOverlapsNothingIsMade) {
  Add(0, 64, true);
  Add(8, 24, true);
  Add(64, 120, false);
  RunAll();
  ASSERT_EQ(packets_.size(), 2U);
  EXPECT_TRUE(packets_[0].has_overlaps);
  EXPECT_FALSE(packets_[0].is_complete);
  EXPECT_FALSE(packets_[1].is_complete);
}

TEST_F(NormaliseFragments, BeyondTheLastOneIsNothing) {
  Add(64, 72, false);
  Add(72, 120, true);
  RunAll();
  EXPECT_TRUE(packets_[0].has_overlaps);
}

TEST_F(NormaliseFragments, HolesAndLatePartsAreSeen) {
  Add(0, 64, true);
  Add(72, 120, false);
  Add(64, 72, true, 31 * kSecond);
  RunAll();
  ASSERT_EQ(packets_.size(), 2U);
  EXPECT_FALSE(packets_[0].is_complete);
  EXPECT_EQ(packets_[1].frames, std::vector<uint32_t>{2});
}

TEST_F(NormaliseFragments, OfIpv6HaveTheirHeaderBehindOthers) {
  const FrameBytes udp = traffic::UdpFrame({.ip = {.source = *IpAddress::Parse("2001:db8::1"),
                                                   .destination = *IpAddress::Parse("2001:db8::2")},
                                            .payload = Text(16)});
  for (const FrameBytes& frame : traffic::Fragments(udp, 16)) {
    capture_file_.Add(std::span<const uint8_t>(frame));
  }
  RunAll();
  ASSERT_EQ(packets_.size(), 1U);
  ASSERT_TRUE(packets_[0].is_complete);
  EXPECT_EQ(WholePacket(frames(), packets_[0]), Bytes(udp)) << "without the fragment header";
  EXPECT_EQ(frames()[0].transport_offset, 62);
  EXPECT_TRUE(frames()[1].is_later_fragment);
  EXPECT_EQ(RangeOf(frames()[1]).offset_bytes, 16U);
}

TEST_F(NormaliseFragments, AtomicFragmentsAreWholePackets) {
  FrameBytes frame = traffic::UdpFrame({.ip = {.source = *IpAddress::Parse("2001:db8::1"),
                                               .destination = *IpAddress::Parse("2001:db8::2")},
                                        .payload = Text(16)});
  frame[20] = wire::kIpProtoFragment;
  const std::vector<uint8_t> atomic = {wire::kIpProtoUdp, 0, 0, 0, 0, 0, 0, 9};
  frame.insert(frame.begin() + 54, atomic.begin(), atomic.end());
  StoreBe16(frame.data() + 18, static_cast<uint16_t>(frame.size() - 54));
  capture_file_.Add(std::span<const uint8_t>(frame));
  RunAll();
  EXPECT_FALSE(frames()[0].is_fragment);
  EXPECT_EQ(frames()[0].checksum, ChecksumState::kRight);
}

}  // namespace
}  // namespace tapedeck::normalise
