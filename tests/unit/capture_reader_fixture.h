// The fixture of the capture reader tests: reads files that a test makes by bytes, and keeps all
// that the reader said.
#ifndef TAPEDECK_TESTS_UNIT_CAPTURE_READER_FIXTURE_H_
#define TAPEDECK_TESTS_UNIT_CAPTURE_READER_FIXTURE_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "capture_bytes.h"  // beside this file
#include "replay/capture/capture_reader.h"

namespace tapedeck::capture {

inline constexpr int64_t kSecond = 1'000'000'000;

// The option value of a `T` in the order of `order`.
template <typename T>
std::vector<uint8_t> Value(T value, std::endian order = std::endian::little) {
  if constexpr (sizeof(T) > 1) {
    if (order != std::endian::native) value = ByteSwap(value);
  }
  const auto* const first = reinterpret_cast<const uint8_t*>(&value);
  return {first, first + sizeof(T)};
}

inline std::string Text(std::span<const uint8_t> data) { return {data.begin(), data.end()}; }

// Reads files that a test makes, and keeps all that the reader said.
class CaptureReaderTest : public ::testing::Test {
 protected:
  // Opens `file` as "made" and reads it to its end.
  void Read(const Bytes& file) {
    bytes_ = file.get();
    ReadBytes();
  }
  // The same with the first `bytes` bytes only.
  void ReadShortened(const Bytes& file, size_t bytes) {
    bytes_ = file.get();
    bytes_.resize(bytes);
    ReadBytes();
  }
  // The same with `value` written over the 32 bits at `offset`, little-endian.
  void ReadPatched(const Bytes& file, size_t offset, uint32_t value) {
    bytes_ = file.get();
    StoreLe32(bytes_.data() + offset, value);
    ReadBytes();
  }
  // What opening `file` says, which must be an error.
  std::string Refusal(const Bytes& file) {
    const absl::StatusOr<CaptureReader> reader = CaptureReader::FromBytes(file.get(), "made");
    EXPECT_FALSE(reader.ok());
    return std::string(reader.status().message());
  }

  std::string damage() const { return std::string(reader_->damage().message()); }
  std::vector<std::string> Data() const {
    std::vector<std::string> data;
    for (const Record& record : records_) data.push_back(Text(record.data));
    return data;
  }
  std::vector<int64_t> Times() const {
    std::vector<int64_t> times;
    for (const Record& record : records_) times.push_back(record.time_ns);
    return times;
  }

  std::vector<uint8_t> bytes_;
  absl::StatusOr<CaptureReader> reader_ = absl::UnknownError("nothing read yet");
  std::vector<Record> records_;
  ReadResult end_ = ReadResult::kRecord;

 private:
  void ReadBytes() {
    records_.clear();
    reader_ = CaptureReader::FromBytes(bytes_, "made");
    ASSERT_TRUE(reader_.ok()) << reader_.status();
    Record record;
    while ((end_ = reader_->Next(record)) == ReadResult::kRecord) records_.push_back(record);
  }
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_TESTS_UNIT_CAPTURE_READER_FIXTURE_H_
