// Records and operands of the bytes spelling (bytes.h), read from any bytes and written
// canonically.
#ifndef TAPEDECK_REPLAY_SCRIPT_BYTE_RECORD_H_
#define TAPEDECK_REPLAY_SCRIPT_BYTE_RECORD_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "stack/base/time.h"

namespace tapedeck {

// Ends a record; and what precedes a byte of a record that would be taken for either, with bit 5
// turned. The values and the rule are those of HDLC (RFC 1662 4.2).
inline constexpr uint8_t kRecordEnd = 0x7e;
inline constexpr uint8_t kRecordEscape = 0x7d;
inline constexpr uint8_t kEscapeFlip = 0x20;
// Operand bytes from here on announce a value that is spelled out.
inline constexpr uint8_t kExact = 0xf0;

// The values that one operand byte can stand for, likely and nasty ones: byte b below kExact is
// values[b % size]. Any other value is spelled out.
using Choices = std::span<const int32_t>;

// Reads records from any bytes whatever. Past the end of its record every operand is zero.
class RecordReader {
 public:
  explicit RecordReader(std::span<const uint8_t> bytes)
      : next_(bytes.data()), end_(bytes.data() + bytes.size()) {}

  // Moves to the next record that is not empty, over what is left of the present one. False at the
  // end.
  bool NextRecord();

  uint8_t U8();
  uint16_t U16() { return static_cast<uint16_t>(Little(2)); }
  uint32_t U32() { return static_cast<uint32_t>(Little(4)); }
  uint64_t U64() { return Little(8); }
  int32_t Choice(Choices choices);
  Duration Delay();
  // Appends what is left of the record, but no more than `bytes_max`.
  void Rest(size_t bytes_max, std::vector<uint8_t>& out);

 private:
  bool AtEnd() const { return next_ == end_ || *next_ == kRecordEnd; }
  uint64_t Little(unsigned bytes);

  const uint8_t* next_;
  const uint8_t* end_;
  bool in_record_ = false;
};

// Writes what RecordReader reads back: of all bytes that mean the same always the same ones.
class RecordWriter {
 public:
  void U8(uint8_t value) { record_.push_back(value); }
  void U16(uint16_t value) { Little(value, 2); }
  void U32(uint32_t value) { Little(value, 4); }
  void U64(uint64_t value) { Little(value, 8); }
  void Choice(int32_t value, Choices choices);
  void Delay(Duration delay);
  void Bytes(std::span<const uint8_t> bytes) {
    record_.insert(record_.end(), bytes.begin(), bytes.end());
  }

  // Ends a record whose last operands are left out where they are zero.
  void EndRecord();
  // Forgets what has been written of the present record.
  void DropRecord() { record_.clear(); }
  // Ends a record that ends in Bytes(), of which zeros count.
  void EndRecordAsIs();

  std::vector<uint8_t> Take() { return std::move(out_); }

 private:
  void Little(uint64_t value, unsigned bytes);

  std::vector<uint8_t> record_;
  std::vector<uint8_t> out_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_BYTE_RECORD_H_
