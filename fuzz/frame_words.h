// Words of frames, for oracles that read them apart from the stack's codecs.
#ifndef TAPEDECK_FUZZ_FRAME_WORDS_H_
#define TAPEDECK_FUZZ_FRAME_WORDS_H_

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tapedeck::fuzz {

using FrameBytes = std::span<const uint8_t>;

inline constexpr size_t kEthernetBytes = 14;  // without a tag
inline constexpr size_t kIpv4Bytes = 20;      // without options
inline constexpr uint16_t kTypeIpv4 = 0x0800;
inline constexpr uint8_t kProtocolIcmp = 1;
inline constexpr uint8_t kProtocolTcp = 6;
inline constexpr uint8_t kProtocolUdp = 17;
inline constexpr uint8_t kProtocolIcmpv6 = 58;

// Big-endian, as networks are. REQUIRES: they are there.
inline uint32_t Word16(FrameBytes bytes, size_t at) {
  return static_cast<uint32_t>(bytes[at]) << 8 | bytes[at + 1];
}
inline uint32_t Word32(FrameBytes bytes, size_t at) {
  return Word16(bytes, at) << 16 | Word16(bytes, at + 2);
}
// Whether an IPv4 packet is a part of one: more follow, or it does not begin it. REQUIRES: a whole
// header.
inline bool IsFragment(FrameBytes ip) { return (Word16(ip, 6) & 0x3fff) != 0; }

// A frame as a host gets it: the shortest are padded with zeros on the wire (nic::kWirePad), and a
// packet whose length says so has some of them. Traces have frames as their senders made them.
class PaddedFrame {
 public:
  // `frame` must outlive it.
  explicit PaddedFrame(FrameBytes frame) : bytes_(frame) {
    if (frame.size() >= padded_.size()) return;
    std::copy(frame.begin(), frame.end(), padded_.begin());
    bytes_ = padded_;
  }
  PaddedFrame(const PaddedFrame&) = delete;
  PaddedFrame& operator=(const PaddedFrame&) = delete;

  FrameBytes bytes() const { return bytes_; }

 private:
  std::array<uint8_t, 60> padded_ = {};
  FrameBytes bytes_;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_FRAME_WORDS_H_
