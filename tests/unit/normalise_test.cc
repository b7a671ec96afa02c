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

}  // namespace
}  // namespace tapedeck::normalise
