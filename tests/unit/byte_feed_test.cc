// Captures that come piece by piece: whatever the pieces, the reader hands out and says the same.
#include "replay/capture/byte_feed.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zstd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>

#include "capture_bytes.h"           // beside this file
#include "capture_reader_fixture.h"  // beside this file
#include "replay/capture/unpack.h"

namespace tapedeck::capture {
namespace {

using ::testing::HasSubstr;

// Gives `bytes`, at most `step_bytes` at a time.
class Pieces final : public ByteStream {
 public:
  Pieces(std::span<const uint8_t> bytes, size_t step_bytes)
      : bytes_(bytes), step_bytes_(step_bytes) {}
  size_t Read(std::span<uint8_t> out) override {
    const size_t n = std::min({out.size(), step_bytes_, bytes_.size()});
    std::copy_n(bytes_.begin(), n, out.begin());
    bytes_ = bytes_.subspan(n);
    return n;
  }
  absl::Status damage() const override { return absl::OkStatus(); }

 private:
  std::span<const uint8_t> bytes_;
  size_t step_bytes_;
};

// Zeros without an end.
class Zeros final : public ByteStream {
 public:
  size_t Read(std::span<uint8_t> out) override {
    std::fill(out.begin(), out.end(), uint8_t{0});
    return out.size();
  }
  absl::Status damage() const override { return absl::OkStatus(); }
};

std::unique_ptr<ByteFeed> FeedOf(std::span<const uint8_t> bytes, size_t step_bytes) {
  return std::make_unique<StreamFeed>(std::make_unique<Pieces>(bytes, step_bytes));
}

// All that a reader has to tell, in lines.
std::vector<std::string> Told(absl::StatusOr<CaptureReader> reader) {
  if (!reader.ok()) return {std::string(reader.status().message())};
  std::vector<std::string> lines;
  Record record;
  while (reader->Next(record) == ReadResult::kRecord) {
    lines.push_back(std::to_string(record.offset_bytes) + " " + std::to_string(record.time_ns) +
                    " " + Text(record.data));
  }
  lines.insert(lines.end(), reader->warnings().begin(), reader->warnings().end());
  lines.emplace_back(reader->damage().message());
  lines.push_back(std::to_string(reader->offset_bytes()));
  return lines;
}

void ExpectTheSameInPieces(const std::vector<uint8_t>& file) {
  for (size_t length = 1; length <= file.size(); ++length) {
    const std::span<const uint8_t> bytes = std::span(file).first(length);
    const std::vector<std::string> whole = Told(CaptureReader::FromBytes(bytes, "made"));
    for (const size_t step : {size_t{1}, size_t{7}, size_t{64}}) {
      EXPECT_EQ(Told(CaptureReader::FromFeed(FeedOf(bytes, step), "made")), whole)
          << length << " bytes by " << step;
    }
  }
}

TEST(ByteFeed, APcapInPiecesIsTheSame) {
  ExpectTheSameInPieces(PcapBytes()
                            .Header()
                            .Record(7, 1, "abc")
                            .Record(8, 2, "")
                            .Record(6, 3, std::string(200, 'x'))
                            .get());
}

TEST(ByteFeed, APcapngInPiecesIsTheSame) {
  ExpectTheSameInPieces(PcapngBytes()
                            .Section()
                            .Interface()
                            .Packet(0, 5, "abc")
                            .Packet(0, 6, std::string(200, 'x'))
                            .Section()
                            .Interface()
                            .Packet(0, 7, "de")
                            .get());
}

// A capture that is packed, and comes in pieces: unpacked on the way, to the end or to the damage.
TEST(ByteFeed, APackedCaptureIsUnpackedOnTheWay) {
  PcapBytes file;
  file.Header();
  for (uint32_t i = 0; i < 1'000; ++i) file.Record(i, 0, std::string(i, 'x'));
  const std::vector<std::string> whole = Told(CaptureReader::FromBytes(file.get(), "made"));
  std::vector<uint8_t> packed(ZSTD_compressBound(file.size()));
  packed.resize(ZSTD_compress(packed.data(), packed.size(), file.get().data(), file.size(), 1));
  ASSERT_EQ(PackingOf(packed), Packing::kZstd);
  const auto read = [&](size_t bytes, size_t step) {
    return Told(CaptureReader::FromFeed(
        std::make_unique<StreamFeed>(
            MakeUnpackStream(PackingOf(packed), FeedOf(std::span(packed).first(bytes), step))),
        "made"));
  };
  EXPECT_EQ(read(packed.size(), 1), whole);
  EXPECT_EQ(read(packed.size(), 1'000), whole);
  EXPECT_THAT(read(packed.size() / 2, 7), testing::Contains(HasSubstr("cut short")));
}

TEST(ByteFeed, NothingIsKeptOfWhatWasPassed) {
  StreamFeed feed(std::make_unique<Zeros>());
  uint64_t offset = 0;
  for (int i = 0; i < 100'000; ++i) {
    ASSERT_LE(feed.From(offset, 1'000).size(), size_t{1} << 20);
    offset += 1'000;
  }
}

// A block that claims gigabytes does not get them.
TEST(ByteFeed, AStreamKeepsNoMoreThanItsWindow) {
  PcapngBytes file;
  file.Section();
  file.U32(6).U32(0xfffffff0).U32(0);
  EXPECT_THAT(Told(CaptureReader::FromFeed(FeedOf(file.get(), 100), "made")),
              testing::Contains(HasSubstr("in a stream the most is 268435456")));
  StreamFeed feed(std::make_unique<Pieces>(file.get(), 100));
  EXPECT_EQ(feed.From(0, ByteFeed::kWindowBytesMax).size(), file.size());
}

// What lies behind leaves memory, and is there when it is looked at again.
TEST(ByteFeed, WhatAMappedFileHadStaysReadable) {
  const std::string path = ::testing::TempDir() + "byte_feed_test." + std::to_string(getpid());
  {
    std::ofstream file(path, std::ios::binary);
    const std::string piece(1 << 20, 'x');
    for (int i = 0; i < 100; ++i) file << piece;
  }
  auto feed = OpenByteFeed(path);
  ASSERT_TRUE(feed.ok());
  std::filesystem::remove(path);
  const std::span<const uint8_t> first = (*feed)->From(0, 1);
  uint64_t offset = 0;
  while (offset < (*feed)->size_bytes()) offset += (*feed)->From(offset, 1).size();
  EXPECT_EQ(offset, uint64_t{100} << 20);
  EXPECT_TRUE((*feed)->stable());
  EXPECT_EQ(std::count(first.begin(), first.end(), 'x'), static_cast<std::ptrdiff_t>(first.size()));
}

}  // namespace
}  // namespace tapedeck::capture
