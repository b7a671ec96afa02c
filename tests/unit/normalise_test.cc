// What capturing does to traffic, each kind in a small capture, and that it is undone.
#include "replay/normalise/normalise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "normalise_fixture.h"  // beside this file
#include "replay/capture/capture_reader.h"
#include "stack/wire/repair_checksums.h"
#include "traffic.h"  // beside this file

namespace tapedeck::normalise {
namespace {

using ::testing::Contains;
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
using traffic::kUs;
using traffic::Segment;
using traffic::Sum;
using traffic::TcpFrame;
using traffic::Text;
using traffic::UdpFrame;

using NormaliseFile = NormaliseTest;

TEST_F(NormaliseFile, WholeFramesStayAsTheyAre) {
  Connection tcp;
  Capture capture;
  const Segment syn = tcp.Syn();
  capture.Add(syn).Add(tcp.SynAck()).Add(tcp.Ack(kClient));
  Run(capture);
  ASSERT_EQ(frames().size(), 3U);
  EXPECT_EQ(Bytes(frames()[0]), TcpFrame(syn));
  EXPECT_EQ(frames()[0].kind, FrameKind::kIpv4);
  EXPECT_EQ(frames()[0].network_offset, 14);
  EXPECT_EQ(frames()[0].transport_offset, 34);
  EXPECT_EQ(frames()[0].protocol, wire::kIpProtoTcp);
  EXPECT_EQ(frames()[0].checksum, ChecksumState::kRight);
  EXPECT_EQ(frames()[2].Provenance(), "cap#3");
  EXPECT_EQ(frames()[1].time_ns - frames()[0].time_ns, kMs);
  EXPECT_THAT(capture_->warnings, IsEmpty());
}

TEST_F(NormaliseFile, ATruncatedLastRecordKeepsTheRest) {
  Connection tcp;
  Capture capture;
  capture.Add(tcp.Syn()).Add(tcp.SynAck());
  bytes_ = capture.bytes();
  bytes_.resize(bytes_.size() - 3);
  RunBytes();
  EXPECT_EQ(frames().size(), 1U);
  EXPECT_THAT(capture_->warnings, Contains(HasSubstr("cut short")));
}

TEST_F(NormaliseFile, AZeroLengthRecordIsUnusedWithItsReason) {
  Capture capture;
  capture.Add(FrameBytes()).Add(Segment());
  Run(capture);
  EXPECT_EQ(frames().size(), 1U);
  EXPECT_THAT(Unused(), ElementsAre("cap#1 holds no captured byte"));
}

TEST_F(NormaliseFile, WhatTheCaptureLostIsTold) {
  capture::PcapngBytes file;
  const FrameBytes frame = TcpFrame(Segment());
  const std::string_view text(reinterpret_cast<const char*>(frame.data()), frame.size());
  file.Section().Interface().Packet(0, 1, text).Statistics(0, 5, 2);
  Run(file.get());
  EXPECT_EQ(frames().size(), 1U);
  EXPECT_THAT(capture_->warnings, Contains(HasSubstr("7")));
}

using NormaliseLink = NormaliseTest;

// The IP packet of a frame without VLAN tags.
FrameBytes PacketOf(const Segment& segment) {
  const FrameBytes frame = TcpFrame(segment);
  return {frame.begin() + 14, frame.end()};
}

TEST_F(NormaliseLink, StackedVlanTagsStayInFrontOfTheIpHeader) {
  FrameBytes frame = TcpFrame(Segment());
  const std::vector<uint8_t> tags = {0x88, 0xa8, 0x00, 0x64, 0x81, 0x00, 0x00, 0xc8};
  frame.insert(frame.begin() + 12, tags.begin(), tags.end());
  Capture capture;
  capture.Add(std::span<const uint8_t>(frame));
  Run(capture);
  EXPECT_EQ(Bytes(frames()[0]), frame);
  EXPECT_EQ(frames()[0].network_offset, 22);
  EXPECT_EQ(frames()[0].checksum, ChecksumState::kRight);
}

TEST_F(NormaliseLink, FramesWithoutEthernetHeaderGetOneAndSaySo) {
  Capture capture(101);
  capture.Add(std::span<const uint8_t>(PacketOf(Segment())));
  Run(capture);
  ASSERT_EQ(frames().size(), 1U);
  EXPECT_TRUE(frames()[0].link_synthesised);
  EXPECT_EQ(counts().links_synthesised, 1U);
  EXPECT_EQ(FrameBytes(frames()[0].network().begin(), frames()[0].network().end()),
            PacketOf(Segment()));
}

TEST_F(NormaliseLink, PppoeWithinEthernetIsTakenOut) {
  const FrameBytes packet = PacketOf(Segment());
  FrameBytes frame = TcpFrame(Segment());
  frame[12] = 0x88;
  frame[13] = 0x64;
  const auto length = static_cast<uint8_t>(packet.size() + 2);
  const std::vector<uint8_t> session = {0x11, 0, 0, 7, 0, length, 0, 0x21};
  frame.insert(frame.begin() + 14, session.begin(), session.end());
  Capture capture;
  capture.Add(std::span<const uint8_t>(frame));
  Run(capture);
  EXPECT_EQ(Bytes(frames()[0]), TcpFrame(Segment()));
  EXPECT_EQ(counts().pppoe_stripped, 1U);
}

TEST_F(NormaliseLink, WirelessFramesAreRefusedWithTheReason) {
  Capture capture(105);
  capture.Add(std::span<const uint8_t>(PacketOf(Segment())));
  Run(capture);
  EXPECT_THAT(frames(), IsEmpty());
  EXPECT_THAT(Unused(), ElementsAre(HasSubstr("802.11")));
}

TEST_F(NormaliseLink, ArpAndOtherFramesStay) {
  Capture capture;
  FrameBytes lldp(60, 1);
  lldp[12] = 0x88;
  lldp[13] = 0xcc;
  FrameBytes arp(60);
  arp[12] = 0x08;
  arp[13] = 0x06;
  capture.Add(std::span<const uint8_t>(lldp)).Add(std::span<const uint8_t>(arp));
  Run(capture);
  ASSERT_EQ(frames().size(), 2U);
  EXPECT_EQ(frames()[0].kind, FrameKind::kOther);
  EXPECT_EQ(frames()[1].kind, FrameKind::kArp);
  EXPECT_EQ(frames()[1].checksum, ChecksumState::kAbsent);
}

// A cooked frame: seen on `system_interface`, going `packet_type`.
FrameBytes Sll2(const Segment& segment, uint8_t system_interface, uint8_t packet_type) {
  FrameBytes frame = {8, 0, 0, 0, 0, 0, 0, system_interface, 0, 1, packet_type, 6, 2,
                      0, 0, 0, 0, 1, 0, 0};
  const FrameBytes packet = PacketOf(segment);
  frame.insert(frame.end(), packet.begin(), packet.end());
  return frame;
}

TEST_F(NormaliseLink, TheSameFrameOnSeveralInterfacesIsOne) {
  Connection tcp;
  const Segment data = tcp.Data(kClient, "once");
  Capture capture(276);
  capture.Add(std::span<const uint8_t>(Sll2(data, 2, 0)))
      .Add(std::span<const uint8_t>(Sll2(data, 3, 4)), 900 * kUs);
  Run(capture);
  EXPECT_THAT(Provenances(), ElementsAre("cap#1"));
  EXPECT_EQ(frames()[0].direction, capture::Direction::kInbound);
  EXPECT_THAT(Unused(), ElementsAre("cap#2 is a copy of cap#1 on another interface"));
}

TEST_F(NormaliseLink, AFrameSentTwiceIsTwiceOnEveryInterface) {
  const Segment ack = Connection().Ack(kClient);
  Capture capture(276);
  for (int i = 0; i < 2; ++i) {
    capture.Add(std::span<const uint8_t>(Sll2(ack, 2, 0)), 100 * kUs)
        .Add(std::span<const uint8_t>(Sll2(ack, 3, 4)), 10 * kUs);
  }
  Run(capture);
  EXPECT_THAT(Provenances(), ElementsAre("cap#1", "cap#3"));
  EXPECT_EQ(capture_->unused[1].duplicate_of, 3U);
}

TEST_F(NormaliseLink, EqualFramesOfOneInterfaceOrFarApartAreNoCopies) {
  const Segment ack = Connection().Ack(kClient);
  Capture capture(276);
  capture.Add(std::span<const uint8_t>(Sll2(ack, 2, 0)))
      .Add(std::span<const uint8_t>(Sll2(ack, 2, 0)), 10 * kUs)
      .Add(std::span<const uint8_t>(Sll2(ack, 3, 4)), 1'100 * kUs);
  Run(capture);
  EXPECT_THAT(Provenances(), ElementsAre("cap#1", "cap#2", "cap#3"));
}

// A mirror port that sends both ways: everything of a host twice, 100 us apart.
TEST_F(NormaliseLink, APacketThatAMirrorPortSentTwiceIsOne) {
  Connection tcp;
  Capture capture;
  for (int i = 0; i < 5; ++i) {
    const Segment ours = tcp.Data(kServer, "abc");
    const Segment theirs = tcp.Data(kClient, "de");
    capture.Add(ours, 10 * kMs).Add(ours, 100 * kUs).Add(theirs, 10 * kMs);
  }
  Run(capture);
  EXPECT_THAT(Provenances(), ElementsAre("cap#1", "cap#3", "cap#4", "cap#6", "cap#7", "cap#9",
                                         "cap#10", "cap#12", "cap#13", "cap#15"));
  EXPECT_EQ(capture_->unused[0].record, 2U);
  EXPECT_EQ(capture_->unused[0].duplicate_of, 1U);
}

// Three equal ACKs in a row, of a source that otherwise says nothing twice, are three.
TEST_F(NormaliseLink, DuplicateAcksAreNoCopies) {
  Connection tcp;
  Capture capture;
  for (int i = 0; i < 5; ++i) capture.Add(tcp.Data(kClient, "abc"), 10 * kMs);
  const Segment ack = tcp.Ack(kClient);
  capture.Add(ack).Add(ack, 10 * kUs).Add(ack, 10 * kUs);
  Run(capture);
  EXPECT_THAT(capture_->unused, IsEmpty());
}

using NormaliseOrder = NormaliseTest;

TEST_F(NormaliseOrder, EqualTimesStayInFileOrder) {
  Connection tcp;
  Capture capture;
  capture.Add(tcp.Data(kClient, "one")).Add(tcp.Data(kClient, "two"), 0);
  Run(capture);
  EXPECT_THAT(Provenances(), ElementsAre("cap#1", "cap#2"));
}

TEST_F(NormaliseOrder, TimeGoingBackwardsIsSortedCountedAndToldAboveAMillisecond) {
  Connection tcp;
  Capture capture;
  capture.Add(tcp.Data(kClient, "one"))
      .Add(tcp.Data(kClient, "two"), 5 * kMs)
      .Add(tcp.Data(kServer, "early"), -3 * kMs);
  Run(capture);
  EXPECT_THAT(Provenances(), ElementsAre("cap#1", "cap#3", "cap#2"));
  EXPECT_EQ(counts().backwards, 1U);
  EXPECT_EQ(counts().backwards_max.ms(), 3U);
  EXPECT_THAT(capture_->warnings, ElementsAre(HasSubstr("backwards 1 times, by up to 3.000 ms")));
}

TEST_F(NormaliseOrder, SmallDisorderIsSortedInSilence) {
  Connection tcp;
  Capture capture;
  capture.Add(tcp.Data(kClient, "one"), kMs).Add(tcp.Data(kServer, "two"), -200 * kUs);
  Run(capture);
  EXPECT_THAT(Provenances(), ElementsAre("cap#2", "cap#1"));
  EXPECT_THAT(capture_->warnings, IsEmpty());
}

using NormaliseChecksum = NormaliseTest;

TEST_F(NormaliseChecksum, OffloadedOnesAreRepaired) {
  for (const Sum shape : {Sum::kPartial, Sum::kZero}) {
    Connection tcp;
    Capture capture;
    std::vector<FrameBytes> right;
    for (int i = 0; i < 3; ++i) {
      Segment data = tcp.Data(kClient, Text(100));
      right.push_back(TcpFrame(data));
      data.sum = shape;
      capture.Add(data);
    }
    Run(capture);
    for (size_t i = 0; i < right.size(); ++i) {
      EXPECT_EQ(frames()[i].checksum, ChecksumState::kRepaired);
      EXPECT_EQ(Bytes(frames()[i]), right[i]);
    }
    EXPECT_THAT(capture_->warnings, IsEmpty());
  }
}

TEST_F(NormaliseChecksum, OffloadIsJudgedPerSender) {
  Connection tcp;
  Capture capture;
  Segment offloaded = tcp.Data(kClient, "mine");
  offloaded.sum = Sum::kPartial;
  Segment damaged = tcp.Data(kServer, "theirs");
  damaged.sum = Sum::kPartial;
  capture.Add(offloaded).Add(damaged).Add(tcp.Ack(kServer));
  Run(capture);
  EXPECT_EQ(frames()[0].checksum, ChecksumState::kRepaired);
  EXPECT_EQ(frames()[1].checksum, ChecksumState::kWrong) << "half of its frames are no habit";
  EXPECT_EQ(Bytes(frames()[1]), TcpFrame(damaged));
  EXPECT_EQ(frames()[2].checksum, ChecksumState::kRight);
}

TEST_F(NormaliseChecksum, ReallyWrongOnesAreKeptAndTold) {
  Connection tcp;
  Segment damaged = tcp.Data(kClient, "bit rot");
  damaged.sum = Sum::kBad;
  Capture capture;
  capture.Add(damaged);
  Run(capture);
  EXPECT_EQ(frames()[0].checksum, ChecksumState::kWrong);
  EXPECT_EQ(Bytes(frames()[0]), TcpFrame(damaged));
  EXPECT_THAT(capture_->warnings, ElementsAre(HasSubstr("wrong checksum")));
}

TEST_F(NormaliseChecksum, UdpWithoutOneIsLegalOverIpv4Only) {
  Datagram v4;
  v4.sum = Sum::kZero;
  Datagram v6;
  v6.ip.source = *IpAddress::Parse("2001:db8::1");
  v6.ip.destination = *IpAddress::Parse("2001:db8::2");
  Capture capture;
  capture.Add(v4).Add(v6);
  v6.sum = Sum::kZero;
  capture.Add(v6);
  Run(capture);
  EXPECT_EQ(frames()[0].checksum, ChecksumState::kRight) << "of the IPv4 header";
  EXPECT_EQ(Bytes(frames()[0]), UdpFrame(v4));
  EXPECT_EQ(frames()[1].checksum, ChecksumState::kRight);
  EXPECT_EQ(frames()[2].checksum, ChecksumState::kWrong);
}

TEST_F(NormaliseChecksum, IpHeaderChecksumsLeftToTheNicAreRepaired) {
  FrameBytes frame = TcpFrame(Segment());
  const FrameBytes right = frame;
  frame[24] = frame[25] = 0;
  Capture capture;
  capture.Add(std::span<const uint8_t>(frame));
  Run(capture);
  EXPECT_EQ(frames()[0].checksum, ChecksumState::kRepaired);
  EXPECT_EQ(Bytes(frames()[0]), right);
}

using NormaliseSnaplen = NormaliseTest;

TEST_F(NormaliseSnaplen, PayloadThatWasCutIsFilledWithAPatternAndCheckedAgain) {
  Connection tcp;
  Capture capture;
  capture.AddCut(tcp.Data(kClient, Text(333)), 96);
  Run(capture);
  ASSERT_EQ(frames().size(), 1U);
  EXPECT_EQ(frames()[0].bytes.size(), 96U);
  EXPECT_EQ(frames()[0].filler_bytes, 54 + 333U - 96);
  EXPECT_EQ(frames()[0].checksum, ChecksumState::kUnknowable);
  std::vector<uint8_t> whole = frames()[0].Whole();
  EXPECT_EQ(whole.back(), kFillerByte);
  const std::vector<uint8_t> before = whole;
  wire::RepairChecksums(whole);
  EXPECT_EQ(whole, before) << "its checksums are right for the filler";
  EXPECT_THAT(capture_->warnings, ElementsAre(HasSubstr("not captured")));
}

TEST_F(NormaliseSnaplen, ACutAtAnOddByteIsFilledRightly) {
  for (const size_t snaplen : {55U, 56U, 97U, 98U}) {
    for (const size_t payload : {60U, 61U}) {
      Connection tcp;
      Capture capture;
      capture.AddCut(tcp.Data(kClient, Text(payload)), snaplen);
      Run(capture);
      std::vector<uint8_t> whole = frames()[0].Whole();
      const std::vector<uint8_t> before = whole;
      wire::RepairChecksums(whole);
      EXPECT_EQ(whole, before) << snaplen << " of " << payload;
    }
  }
}

TEST_F(NormaliseSnaplen, CutHeadersMakeARecordUseless) {
  Connection tcp;
  Capture capture;
  capture.AddCut(tcp.Syn(), 57)
      .AddCut(tcp.Data(kClient, Text(10)), 40)
      .AddCut(tcp.Data(kClient, Text(10)), 30);
  Run(capture);
  EXPECT_THAT(Unused(), ElementsAre(HasSubstr("cap#1 is cut (snaplen) within the header behind IP"),
                                    HasSubstr("cap#2 is cut (snaplen) within the header behind IP"),
                                    HasSubstr("cap#3 is cut (snaplen) within its IP")));
}

TEST_F(NormaliseSnaplen, ACutWithinThePaddingCutsNothing) {
  FrameBytes frame = TcpFrame(Segment());
  const FrameBytes whole = frame;
  frame.resize(57);
  Capture capture;
  capture.Add(std::span<const uint8_t>(frame), kMs, 60);
  Run(capture);
  EXPECT_EQ(Bytes(frames()[0]), whole);
  EXPECT_EQ(frames()[0].checksum, ChecksumState::kRight);
}

using NormalisePadding = NormaliseTest;

TEST_F(NormalisePadding, PaddingAndTrailersAreNoData) {
  const FrameBytes whole = TcpFrame(Segment());
  FrameBytes padded = whole;
  padded.resize(60);
  FrameBytes with_fcs = whole;
  with_fcs.insert(with_fcs.end(), {0xde, 0xad, 0xbe, 0xef});
  Capture capture;
  capture.Add(std::span<const uint8_t>(padded)).Add(std::span<const uint8_t>(with_fcs));
  Run(capture);
  EXPECT_EQ(Bytes(frames()[0]), whole);
  EXPECT_EQ(Bytes(frames()[1]), whole);
  EXPECT_EQ(counts().padded, 2U);
}

TEST_F(NormalisePadding, AnIpLengthBeyondTheFrameIsKeptToBeDropped) {
  FrameBytes frame = TcpFrame(Connection().Data(kClient, Text(20)));
  frame.resize(frame.size() - 5);
  Capture capture;
  capture.Add(std::span<const uint8_t>(frame));
  Run(capture);
  EXPECT_TRUE(frames()[0].length_lies);
  EXPECT_EQ(frames()[0].filler_bytes, 0U);
  EXPECT_EQ(Bytes(frames()[0]), frame);
}

}  // namespace
}  // namespace tapedeck::normalise
