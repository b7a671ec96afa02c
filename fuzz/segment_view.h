// A TCP segment in a frame, for oracles: read from the RFCs, apart from the stack's parsers.
#ifndef TAPEDECK_FUZZ_SEGMENT_VIEW_H_
#define TAPEDECK_FUZZ_SEGMENT_VIEW_H_

#include <cstdint>
#include <optional>
#include <span>

namespace tapedeck::fuzz {

// Sequence arithmetic, apart from the stack's: a is behind b.
constexpr bool IsBehind(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) > 0; }

struct SegmentView {
  static constexpr uint8_t kFin = 1;
  static constexpr uint8_t kSyn = 2;
  static constexpr uint8_t kRst = 4;
  static constexpr uint8_t kAck = 16;

  bool v6 = false;
  std::span<const uint8_t> source;  // addresses, 4 or 16 bytes
  std::span<const uint8_t> destination;
  uint16_t source_port = 0;
  uint16_t destination_port = 0;
  uint32_t seq = 0;
  uint32_t ack = 0;
  uint8_t flags = 0;
  uint16_t window = 0;  // as the field has it
  std::optional<uint8_t> shift;
  bool has_sack = false;
  std::span<const uint8_t> data;

  bool Has(uint8_t flag) const { return (flags & flag) != 0; }
  // The number behind it: data, SYN and FIN count.
  uint32_t end() const {
    return seq + static_cast<uint32_t>(data.size()) + (Has(kSyn) ? 1 : 0) + (Has(kFin) ? 1 : 0);
  }
};

// What a frame is to somebody who looks for TCP in it.
enum class Carries : uint8_t {
  kSegment,  // a segment of TCP, whole
  kOther,    // no TCP
  kHidden,   // may hide TCP: a fragment, a tag, extension headers, what is malformed
};
// `segment` is set where the result is kSegment, and refers to `frame`. Checksums are not looked
// at.
Carries FindSegment(std::span<const uint8_t> frame, SegmentView* segment);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_SEGMENT_VIEW_H_
