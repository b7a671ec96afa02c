// Capture files made byte by byte, for tests of the capture readers. Nothing here knows what is
// valid.
#ifndef TAPEDECK_TESTS_UNIT_CAPTURE_BYTES_H_
#define TAPEDECK_TESTS_UNIT_CAPTURE_BYTES_H_

#include <bit>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "stack/base/byteorder.h"

namespace tapedeck::capture {

// Bytes appended in one byte order, which may change on the way.
class Bytes {
 public:
  explicit Bytes(std::endian order = std::endian::little) : order_(order) {}

  Bytes& Order(std::endian order) {
    order_ = order;
    return *this;
  }
  Bytes& U8(uint8_t value) {
    bytes_.push_back(value);
    return *this;
  }
  Bytes& U16(uint16_t value) { return Integer(value); }
  Bytes& U32(uint32_t value) { return Integer(value); }
  Bytes& U64(uint64_t value) { return Integer(value); }
  Bytes& Raw(std::string_view text) {
    bytes_.insert(bytes_.end(), text.begin(), text.end());
    return *this;
  }
  Bytes& Raw(std::span<const uint8_t> raw) {
    bytes_.insert(bytes_.end(), raw.begin(), raw.end());
    return *this;
  }
  Bytes& Pad() {
    bytes_.resize((bytes_.size() + 3) & ~size_t{3});
    return *this;
  }

  // A pcapng option.
  Bytes& Option(uint16_t code, std::span<const uint8_t> value) {
    return U16(code).U16(static_cast<uint16_t>(value.size())).Raw(value).Pad();
  }
  Bytes& Option(uint16_t code, std::string_view text) {
    return U16(code).U16(static_cast<uint16_t>(text.size())).Raw(text).Pad();
  }

  std::endian order() const { return order_; }
  size_t size() const { return bytes_.size(); }
  const std::vector<uint8_t>& get() const { return bytes_; }
  std::vector<uint8_t>& mutable_bytes() { return bytes_; }

 private:
  template <typename T>
  Bytes& Integer(T value) {
    const T stored = order_ == std::endian::native ? value : ByteSwap(value);
    const auto* const first = reinterpret_cast<const uint8_t*>(&stored);
    bytes_.insert(bytes_.end(), first, first + sizeof(T));
    return *this;
  }

  std::endian order_;
  std::vector<uint8_t> bytes_;
};

// A classic pcap file.
class PcapBytes : public Bytes {
 public:
  using Bytes::Bytes;

  PcapBytes& Header(uint32_t magic = 0xa1b2c3d4, uint32_t link_word = 1, uint32_t snaplen = 65535,
                    uint16_t major = 2, uint16_t minor = 4) {
    U32(magic).U16(major).U16(minor).U32(0).U32(0).U32(snaplen).U32(link_word);
    return *this;
  }
  // `original_bytes` 0 means all of `data`.
  PcapBytes& Record(uint32_t seconds, uint32_t fraction, std::string_view data,
                    uint32_t original_bytes = 0) {
    const auto captured_bytes = static_cast<uint32_t>(data.size());
    U32(seconds).U32(fraction).U32(captured_bytes);
    U32(original_bytes == 0 ? captured_bytes : original_bytes).Raw(data);
    return *this;
  }
};

// A pcapng file.
class PcapngBytes : public Bytes {
 public:
  using Bytes::Bytes;

  PcapngBytes& Block(uint32_t type, const Bytes& body) {
    const auto length = static_cast<uint32_t>(body.size() + 12);
    U32(type).U32(length).Raw(body.get()).U32(length);
    return *this;
  }
  PcapngBytes& Section(std::string_view options = {}, uint16_t major = 1) {
    Bytes body(order());
    body.U32(0x1a2b3c4d).U16(major).U16(0).U64(~uint64_t{0}).Raw(options);
    return Block(0x0a0d0d0a, body);
  }
  PcapngBytes& Interface(uint16_t link_type = 1, uint32_t snaplen = 0,
                         const Bytes& options = Bytes()) {
    Bytes body(order());
    body.U16(link_type).U16(0).U32(snaplen).Raw(options.get());
    return Block(1, body);
  }
  PcapngBytes& Packet(uint32_t interface, uint64_t ticks, std::string_view data,
                      const Bytes& options = Bytes(), uint32_t original_bytes = 0) {
    const auto captured_bytes = static_cast<uint32_t>(data.size());
    Bytes body(order());
    body.U32(interface).U32(static_cast<uint32_t>(ticks >> 32)).U32(static_cast<uint32_t>(ticks));
    body.U32(captured_bytes).U32(original_bytes == 0 ? captured_bytes : original_bytes);
    body.Raw(data).Pad().Raw(options.get());
    return Block(6, body);
  }
  PcapngBytes& ObsoletePacket(uint16_t interface, uint16_t drops, uint64_t ticks,
                              std::string_view data) {
    const auto captured_bytes = static_cast<uint32_t>(data.size());
    Bytes body(order());
    body.U16(interface).U16(drops);
    body.U32(static_cast<uint32_t>(ticks >> 32)).U32(static_cast<uint32_t>(ticks));
    body.U32(captured_bytes).U32(captured_bytes).Raw(data).Pad();
    return Block(2, body);
  }
  PcapngBytes& SimplePacket(uint32_t original_bytes, std::string_view data) {
    Bytes body(order());
    body.U32(original_bytes).Raw(data).Pad();
    return Block(3, body);
  }
  PcapngBytes& Statistics(uint32_t interface, uint64_t interface_drops, uint64_t os_drops) {
    Bytes body(order());
    body.U32(interface).U32(0).U32(0);
    body.U16(5).U16(8).U64(interface_drops).U16(7).U16(8).U64(os_drops);
    return Block(5, body);
  }
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_TESTS_UNIT_CAPTURE_BYTES_H_
