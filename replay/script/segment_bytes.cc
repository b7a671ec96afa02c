#include "replay/script/segment_bytes.h"

#include <algorithm>
#include <climits>

#include "stack/wire/tcp.h"

namespace tapedeck {
namespace {

// As with the tables of frame_bytes.cc: append only. The first of each is what a left out operand
// means.

constexpr int32_t kFlagList[] = {wire::kTcpAck,
                                 wire::kTcpPsh | wire::kTcpAck,
                                 wire::kTcpSyn,
                                 wire::kTcpSyn | wire::kTcpAck,
                                 wire::kTcpFin | wire::kTcpAck,
                                 wire::kTcpRst,
                                 wire::kTcpRst | wire::kTcpAck,
                                 wire::kTcpFin,
                                 0,
                                 wire::kTcpUrg | wire::kTcpAck,
                                 wire::kTcpSyn | wire::kTcpEce | wire::kTcpCwr,
                                 wire::kTcpSyn | wire::kTcpEce | wire::kTcpCwr | wire::kTcpAe,
                                 wire::kTcpAck | wire::kTcpEce,
                                 wire::kTcpAck | wire::kTcpCwr,
                                 wire::kTcpSyn | wire::kTcpFin,
                                 wire::kTcpSyn | wire::kTcpRst,
                                 wire::kTcpFin | wire::kTcpPsh | wire::kTcpUrg,
                                 wire::kTcpFlagsMask};
constexpr int32_t kSegmentLengthList[] = {0,    1,    2,    100,  536,  1000, 1448,
                                          1460, 1461, 4096, 8948, 8960, 7};
// In bytes of sequence space.
constexpr int32_t kDistanceList[] = {
    0,    1,     -1,     100,   -100,   1000,    -1000,   1448,      -1448,     2896,
    1460, 65535, -65535, 65536, 131072, 1 << 20, 1 << 30, INT32_MAX, INT32_MIN, -(1 << 30)};
// In ticks of a clock of milliseconds.
constexpr int32_t kStampList[] = {0,     1,       -1,       10,        -10,       1000,
                                  -1000, 100'000, -100'000, INT32_MAX, INT32_MIN, 1 << 30};
constexpr int32_t kWindowList[] = {65535, 0, 1, 64, 100, 536, 1000, 1460, 2920, 8192, 32768};
constexpr int32_t kMssList[] = {1460, 536, 0, 1, 48, 64, 88, 216, 1220, 1461, 8960, 65535};
constexpr int32_t kShiftList[] = {7, 0, 1, 10, 14, 15, 255};
constexpr int32_t kUrgentList[] = {1, 0, 2, 100, 65535};

// Which optional operands follow.
constexpr uint8_t kHasTimestamps = 0x01;
constexpr uint8_t kHasMss = 0x02;
constexpr uint8_t kHasShift = 0x04;
constexpr uint8_t kHasSackPermitted = 0x08;
constexpr uint8_t kHasSack = 0x10;
constexpr uint8_t kHasRaw = 0x20;
constexpr uint8_t kHasUrgent = 0x40;

constexpr uint8_t kFlowIpv6 = 0x80;

uint8_t PresenceOf(const SegmentStep& segment) {
  uint8_t has = 0;
  if (segment.timestamps.has_value()) has |= kHasTimestamps;
  if (segment.mss_bytes.has_value()) has |= kHasMss;
  if (segment.window_shift.has_value()) has |= kHasShift;
  if (segment.sack_permitted) has |= kHasSackPermitted;
  if (!segment.sack.empty()) has |= kHasSack;
  if (!segment.raw_options.empty()) has |= kHasRaw;
  if (segment.urgent != 0) has |= kHasUrgent;
  return has;
}

// One byte: how many, of 1 to `most`.
size_t ReadCount(RecordReader& reader, size_t most) { return 1 + reader.U8() % most; }

void ReadOptions(RecordReader& reader, uint8_t has, SegmentStep& segment) {
  if ((has & kHasTimestamps) != 0) {
    segment.timestamps.emplace();
    segment.timestamps->val = reader.Choice(kStampList);
    segment.timestamps->ecr = reader.Choice(kStampList);
  }
  if ((has & kHasMss) != 0) segment.mss_bytes = static_cast<uint16_t>(reader.Choice(kMssList));
  if ((has & kHasShift) != 0) {
    segment.window_shift = static_cast<uint8_t>(reader.Choice(kShiftList));
  }
  segment.sack_permitted = (has & kHasSackPermitted) != 0;
  if ((has & kHasSack) != 0) {
    segment.sack.resize(ReadCount(reader, wire::kTcpSackBlocksMax));
    for (SegmentSackBlock& block : segment.sack) {
      block.left = reader.Choice(kDistanceList);
      block.right = reader.Choice(kDistanceList);
    }
  }
  if ((has & kHasRaw) != 0) {
    segment.raw_options.resize(ReadCount(reader, wire::kTcpOptionsMax));
    for (uint8_t& byte : segment.raw_options) byte = reader.U8();
  }
  if ((has & kHasUrgent) != 0) segment.urgent = static_cast<uint16_t>(reader.Choice(kUrgentList));
}

void WriteOptions(RecordWriter& writer, const SegmentStep& segment) {
  if (segment.timestamps.has_value()) {
    writer.Choice(segment.timestamps->val, kStampList);
    writer.Choice(segment.timestamps->ecr, kStampList);
  }
  if (segment.mss_bytes.has_value()) writer.Choice(*segment.mss_bytes, kMssList);
  if (segment.window_shift.has_value()) writer.Choice(*segment.window_shift, kShiftList);
  if (!segment.sack.empty()) {
    writer.U8(static_cast<uint8_t>(segment.sack.size() - 1));
    for (const SegmentSackBlock& block : segment.sack) {
      writer.Choice(block.left, kDistanceList);
      writer.Choice(block.right, kDistanceList);
    }
  }
  if (!segment.raw_options.empty()) {
    writer.U8(static_cast<uint8_t>(segment.raw_options.size() - 1));
    writer.Bytes(segment.raw_options);
  }
  if (segment.urgent != 0) writer.Choice(segment.urgent, kUrgentList);
}

}  // namespace

constinit const Choices kSegmentFlagChoices = kFlagList;
constinit const Choices kSegmentLengthChoices = kSegmentLengthList;
constinit const Choices kDistanceChoices = kDistanceList;
constinit const Choices kStampChoices = kStampList;
constinit const Choices kWindowChoices = kWindowList;
constinit const Choices kMssChoices = kMssList;
constinit const Choices kShiftChoices = kShiftList;
constinit const Choices kUrgentChoices = kUrgentList;

void ReadSegment(RecordReader& reader, SegmentStep& segment) {
  const uint8_t flow = reader.U8();
  segment.flow = flow % kSegmentFlowsMax;
  segment.ipv6 = (flow & kFlowIpv6) != 0;
  segment.flags = static_cast<uint16_t>(reader.Choice(kFlagList)) & wire::kTcpFlagsMask;
  segment.payload_bytes =
      std::min(static_cast<uint32_t>(reader.Choice(kSegmentLengthList)), kSegmentPayloadMax);
  segment.seq = reader.Choice(kDistanceList);
  segment.ack = reader.Choice(kDistanceList);
  segment.window = static_cast<uint16_t>(reader.Choice(kWindowList));
  ReadOptions(reader, reader.U8(), segment);
  segment.wrong = reader.U8() & SegmentStep::kWrongMask;
}

void WriteSegment(RecordWriter& writer, const SegmentStep& segment) {
  writer.U8(segment.flow | (segment.ipv6 ? kFlowIpv6 : uint8_t{0}));
  writer.Choice(segment.flags, kFlagList);
  writer.Choice(static_cast<int32_t>(segment.payload_bytes), kSegmentLengthList);
  writer.Choice(segment.seq, kDistanceList);
  writer.Choice(segment.ack, kDistanceList);
  writer.Choice(segment.window, kWindowList);
  writer.U8(PresenceOf(segment));
  WriteOptions(writer, segment);
  writer.U8(segment.wrong);
  writer.EndRecord();
}

}  // namespace tapedeck
