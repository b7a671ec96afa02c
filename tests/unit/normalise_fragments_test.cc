// Fragments: what normalising says of them, and changing a header that they carry.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

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

// Bytes `from` to `to` of what the IPv4 packet of `whole` carries, as a fragment.
FrameBytes Ipv4Fragment(const FrameBytes& whole, size_t from, size_t to, bool more) {
  FrameBytes frame(whole.begin(), whole.begin() + 34);
  frame.insert(frame.end(), whole.begin() + 34 + static_cast<std::ptrdiff_t>(from),
               whole.begin() + 34 + static_cast<std::ptrdiff_t>(to));
  auto* const ip = wire::OverlayMutable<wire::Ipv4Header>(std::span(frame).subspan(14));
  ip->tot_len = static_cast<uint16_t>(frame.size() - 14);
  ip->frag_off = static_cast<uint16_t>(from / 8 | (more ? wire::kIpv4MoreFragments : 0));
  wire::FillIpv4Checksum(ip);
  return frame;
}

class NormaliseFragments : public NormaliseTest {
 protected:
  NormaliseFragments() : whole_(TcpFrame(Connection().Data(kClient, Text(100)))) {}

  void Add(size_t from, size_t to, bool more, int64_t after_ns = traffic::kMs) {
    const FrameBytes frame = Ipv4Fragment(whole_, from, to, more);
    capture_file_.Add(std::span<const uint8_t>(frame), after_ns);
  }
  void RunAll() {
    Run(capture_file_);
    packets_ = FindFragmentedPackets(frames());
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

TEST_F(NormaliseFragments, AHeaderSplitOverFragmentsIsRewrittenInPlace) {
  Add(0, 8, true);
  Add(8, 120, false);
  RunAll();
  EXPECT_FALSE(frames()[0].has_transport());
  std::vector<uint8_t> header = *LeadingBytes(frames(), packets_[0], 20);
  EXPECT_TRUE(std::equal(header.begin(), header.end(), whole_.begin() + 34));
  StoreBe32(header.data() + 4, 0x11223344);
  StoreBe32(header.data() + 8, 0x55667788);
  const std::vector<RewrittenFragment> rewritten =
      RewriteLeadingBytes(frames(), packets_[0], header);
  ASSERT_EQ(rewritten.size(), 2U);
  EXPECT_EQ(LoadBe32(rewritten[0].bytes.data() + 34 + 4), 0x11223344U);
  EXPECT_EQ(LoadBe32(rewritten[1].bytes.data() + 34), 0x55667788U);
  EXPECT_EQ(rewritten[1].bytes.size(), frames()[1].bytes.size()) << "cut where it was";
}

TEST_F(NormaliseFragments, OverlapsStayWhatTheyWere) {
  Add(0, 64, true);
  Add(8, 24, true);
  Add(64, 120, false);
  RunAll();
  EXPECT_TRUE(packets_[0].has_overlaps);
  std::vector<uint8_t> header = *LeadingBytes(frames(), packets_[0], 20);
  StoreBe32(header.data() + 8, 0x55667788);
  const std::vector<RewrittenFragment> rewritten =
      RewriteLeadingBytes(frames(), packets_[0], header);
  ASSERT_EQ(rewritten.size(), 2U) << "both copies";
  EXPECT_EQ(LoadBe32(rewritten[1].bytes.data() + 34), 0x55667788U);
}

TEST_F(NormaliseFragments, HolesAndLatePartsAreSeen) {
  Add(0, 64, true);
  Add(72, 120, false);
  Add(64, 72, true, 31 * kSecond);
  RunAll();
  ASSERT_EQ(packets_.size(), 2U);
  EXPECT_FALSE(packets_[0].is_complete);
  EXPECT_EQ(packets_[1].frames, std::vector<uint32_t>{2});
  EXPECT_EQ(LeadingBytes(frames(), packets_[0], 70), std::nullopt);
}

TEST_F(NormaliseFragments, OfIpv6HaveTheirHeaderBehindOthers) {
  const FrameBytes udp = traffic::UdpFrame({.ip = {.source = *IpAddress::Parse("2001:db8::1"),
                                                   .destination = *IpAddress::Parse("2001:db8::2")},
                                            .payload = Text(16)});
  for (const bool first : {true, false}) {
    FrameBytes frame(udp.begin(), udp.begin() + 54);
    frame[20] = wire::kIpProtoFragment;
    const uint8_t offset_and_more = first ? 1 : 16;
    frame.insert(frame.end(), {wire::kIpProtoUdp, 0, 0, offset_and_more, 0, 0, 0, 9});
    frame.insert(frame.end(), udp.begin() + (first ? 54 : 70),
                 first ? udp.begin() + 70 : udp.end());
    StoreBe16(frame.data() + 18, static_cast<uint16_t>(frame.size() - 54));
    capture_file_.Add(std::span<const uint8_t>(frame));
  }
  RunAll();
  ASSERT_EQ(packets_.size(), 1U);
  EXPECT_TRUE(packets_[0].is_complete);
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
