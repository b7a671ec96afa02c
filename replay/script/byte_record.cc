#include "replay/script/byte_record.h"

#include <algorithm>

#include "stack/base/check.h"

namespace tapedeck {
namespace {

// A delay byte below kExact is its low four bits times 10 to the power of its high four bits, in
// nanoseconds: 0 to 15 * 10^14 ns, which is 17 days.
constexpr unsigned kPowersOfTen = kExact >> 4;
constexpr uint64_t kMantissaMax = 15;

Duration DelayOf(uint8_t byte) {
  uint64_t ns = byte & kMantissaMax;
  for (unsigned i = 0; i < static_cast<unsigned>(byte >> 4); ++i) ns *= 10;
  return Duration::Nanoseconds(ns);
}

// The byte with the highest power of ten that stands for `delay`, or kExact if none does.
uint8_t ByteOf(Duration delay) {
  uint64_t mantissa = delay.ps / 1'000;
  if (mantissa == 0 || mantissa * 1'000 != delay.ps) return delay.ps == 0 ? uint8_t{0} : kExact;
  unsigned power = 0;
  for (; mantissa % 10 == 0 && power + 1 < kPowersOfTen; ++power) mantissa /= 10;
  return mantissa <= kMantissaMax ? static_cast<uint8_t>(power << 4 | mantissa) : kExact;
}

}  // namespace

bool RecordReader::NextRecord() {
  if (in_record_) next_ = std::find(next_, end_, kRecordEnd);
  next_ = std::find_if(next_, end_, [](uint8_t byte) { return byte != kRecordEnd; });
  in_record_ = true;
  return next_ != end_;
}

uint8_t RecordReader::U8() {
  if (AtEnd()) return 0;
  const uint8_t byte = *next_++;
  if (byte != kRecordEscape) return byte;
  // An escape with nothing behind it stands for nothing.
  return AtEnd() ? uint8_t{0} : static_cast<uint8_t>(*next_++ ^ kEscapeFlip);
}

uint64_t RecordReader::Little(unsigned bytes) {
  uint64_t value = 0;
  for (unsigned i = 0; i < bytes; ++i) value |= uint64_t{U8()} << (8 * i);
  return value;
}

int32_t RecordReader::Choice(Choices choices) {
  const uint8_t byte = U8();
  return byte < kExact ? choices[byte % choices.size()] : static_cast<int32_t>(U32());
}

Duration RecordReader::Delay() {
  const uint8_t byte = U8();
  return byte < kExact ? DelayOf(byte) : Duration::Picoseconds(U64());
}

void RecordReader::Rest(size_t bytes_max, std::vector<uint8_t>& out) {
  while (!AtEnd() && bytes_max-- != 0) {
    if (*next_ == kRecordEscape && (next_ + 1 == end_ || next_[1] == kRecordEnd)) return;
    out.push_back(U8());
  }
}

void RecordWriter::Little(uint64_t value, unsigned bytes) {
  for (unsigned i = 0; i < bytes; ++i) U8(static_cast<uint8_t>(value >> (8 * i)));
}

void RecordWriter::Choice(int32_t value, Choices choices) {
  CHECK_LE(choices.size(), size_t{kExact});
  const auto found = std::find(choices.begin(), choices.end(), value);
  if (found != choices.end()) {
    U8(static_cast<uint8_t>(found - choices.begin()));
  } else {
    U8(kExact);
    U32(static_cast<uint32_t>(value));
  }
}

void RecordWriter::Delay(Duration delay) {
  const uint8_t byte = ByteOf(delay);
  U8(byte);
  if (byte == kExact) U64(delay.ps);
}

void RecordWriter::EndRecord() {
  // The first byte stays: a record without bytes is none.
  while (record_.size() > 1 && record_.back() == 0) record_.pop_back();
  EndRecordAsIs();
}

void RecordWriter::EndRecordAsIs() {
  for (const uint8_t byte : record_) {
    if (byte == kRecordEnd || byte == kRecordEscape) {
      out_.push_back(kRecordEscape);
      out_.push_back(byte ^ kEscapeFlip);
    } else {
      out_.push_back(byte);
    }
  }
  out_.push_back(kRecordEnd);
  record_.clear();
}

}  // namespace tapedeck
