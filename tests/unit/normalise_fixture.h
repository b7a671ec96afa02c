// Normalises captures that a test makes, and checks what must hold of any: nothing is lost, order,
// and that frames lie within the bytes they came from.
#ifndef TAPEDECK_TESTS_UNIT_NORMALISE_FIXTURE_H_
#define TAPEDECK_TESTS_UNIT_NORMALISE_FIXTURE_H_

#include <gtest/gtest.h>

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "replay/capture/capture_reader.h"
#include "replay/normalise/normalise.h"
#include "traffic.h"  // beside this file

namespace tapedeck::normalise {

class NormaliseTest : public ::testing::Test {
 protected:
  void Run(const traffic::Capture& capture) { Run(capture.bytes()); }
  void Run(const std::vector<uint8_t>& bytes) {
    bytes_ = bytes;
    RunBytes();
  }
  // Normalises bytes_.
  void RunBytes() {
    reader_.emplace(*capture::CaptureReader::FromBytes(bytes_, "made"));
    capture_.emplace(Normalise(*reader_, options_));
    CheckNothingLost();
  }

  const std::vector<Frame>& frames() const { return capture_->frames; }
  const NormaliseCounts& counts() const { return capture_->counts; }
  static std::vector<uint8_t> Bytes(const Frame& frame) {
    return {frame.bytes.begin(), frame.bytes.end()};
  }
  std::vector<std::string> Unused() const {
    std::vector<std::string> lines;
    for (const UnusedRecord& unused : capture_->unused) lines.push_back(unused.ToString());
    return lines;
  }
  std::vector<std::string> Provenances() const {
    std::vector<std::string> lines;
    for (const Frame& frame : frames()) lines.push_back(frame.Provenance());
    return lines;
  }
  // Bytes behind the TCP header, filler included.
  static std::string Payload(const Frame& frame) {
    const std::vector<uint8_t> whole = frame.Whole();
    const size_t header = size_t{4} * (whole[frame.transport_offset + size_t{12}] >> 4);
    return {whole.begin() + static_cast<std::ptrdiff_t>(frame.transport_offset + header),
            whole.end()};
  }
  static const wire::TcpHeader& Tcp(const Frame& frame) {
    return *wire::Overlay<wire::TcpHeader>(frame.transport());
  }
  static const wire::Ipv4Header& Ipv4(const Frame& frame) {
    return *wire::Overlay<wire::Ipv4Header>(frame.network());
  }

  NormaliseOptions options_;
  std::vector<uint8_t> bytes_;
  std::optional<capture::CaptureReader> reader_;
  std::optional<NormalisedCapture> capture_;

 private:
  void CheckNothingLost() {
    std::set<uint64_t> records;
    int64_t last_ns = INT64_MIN;
    for (const Frame& frame : frames()) {
      records.insert(frame.record);
      EXPECT_GE(frame.time_ns, last_ns);
      last_ns = frame.time_ns;
      EXPECT_LE(frame.network_offset, frame.bytes.size());
      EXPECT_LE(frame.transport_offset, frame.bytes.size());
    }
    for (const UnusedRecord& unused : capture_->unused) {
      EXPECT_TRUE(records.insert(unused.record).second) << unused.ToString();
    }
    EXPECT_EQ(records.size(), counts().records);
  }
};

}  // namespace tapedeck::normalise

#endif  // TAPEDECK_TESTS_UNIT_NORMALISE_FIXTURE_H_
