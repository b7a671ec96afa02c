// Captures made by bytes, read back: where the bytes come from, and what holds for any
// bytes: every truncation and thousands of damaged copies of a file with everything in it.
#include "replay/capture/capture_reader.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include <filesystem>
#include <fstream>

#include "capture_bytes.h"           // beside this file
#include "capture_reader_fixture.h"  // beside this file
#include "replay/capture/options.h"

namespace tapedeck::capture {
namespace {

using std::endian;
using ::testing::HasSubstr;

class CaptureFile : public CaptureReaderTest {
 protected:
  CaptureFile()
      : directory_(::testing::TempDir() + "capture_reader_test." + std::to_string(getpid())) {
    std::filesystem::create_directories(directory_);
  }
  ~CaptureFile() override { std::filesystem::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::string Save(const std::string& name, std::span<const uint8_t> bytes) {
    std::ofstream(Path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return Path(name);
  }
  std::string OpenError(const std::string& path, const CaptureReaderOptions& options = {}) {
    const absl::StatusOr<CaptureReader> reader = CaptureReader::Open(path, options);
    EXPECT_FALSE(reader.ok());
    return std::string(reader.status().message());
  }
  // Reads `path` to its end and returns the number of records.
  size_t CountRecords(const std::string& path) {
    reader_ = CaptureReader::Open(path);
    EXPECT_TRUE(reader_.ok()) << reader_.status();
    Record record;
    size_t count = 0;
    while (reader_.ok() && (end_ = reader_->Next(record)) == ReadResult::kRecord) ++count;
    return count;
  }

  const Bytes two_records_ = PcapBytes().Header().Record(0, 0, "abc").Record(0, 0, "defg");

 private:
  std::string directory_;
};

std::vector<uint8_t> Gzipped(std::span<const uint8_t> bytes) {
  z_stream stream = {};
  EXPECT_EQ(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
  std::vector<uint8_t> out(deflateBound(&stream, bytes.size()));
  stream.next_in = const_cast<Bytef*>(bytes.data());
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = out.data();
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return out;
}

TEST_F(CaptureFile, IsMapped) {
  EXPECT_EQ(CountRecords(Save("a.pcap", two_records_.get())), 2u);
  EXPECT_EQ(end_, ReadResult::kEnd);
}

TEST_F(CaptureFile, PipeIsReadToItsEnd) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], two_records_.get().data(), two_records_.size()),
            static_cast<ssize_t>(two_records_.size()));
  close(ends[1]);
  EXPECT_EQ(CountRecords("/dev/fd/" + std::to_string(ends[0])), 2u);
  close(ends[0]);
}

TEST_F(CaptureFile, GzipIsUnpackedUnderAnyName) {
  EXPECT_EQ(CountRecords(Save("a.pcap", Gzipped(two_records_.get()))), 2u);
  EXPECT_EQ(end_, ReadResult::kEnd);
  EXPECT_THAT(reader_->name(), ::testing::EndsWith("a.pcap (unpacked)"));
}

TEST_F(CaptureFile, GzipMembersFollowEachOther) {
  const std::span<const uint8_t> all = two_records_.get();
  std::vector<uint8_t> packed = Gzipped(all.first(30));
  const std::vector<uint8_t> second = Gzipped(all.subspan(30));
  packed.insert(packed.end(), second.begin(), second.end());
  EXPECT_EQ(CountRecords(Save("a.pcap.gz", packed)), 2u);
}

TEST_F(CaptureFile, GzipCutShortKeepsWhatCameBefore) {
  std::vector<uint8_t> packed = Gzipped(two_records_.get());
  packed.resize(packed.size() - 4);  // within the trailer: all data is there, its length is not
  EXPECT_EQ(CountRecords(Save("a.pcap.gz", packed)), 2u);
  EXPECT_EQ(end_, ReadResult::kDamaged);
  EXPECT_THAT(damage(), HasSubstr("(unpacked):63: gzip stream is cut short"));
}

TEST_F(CaptureFile, GzipThatIsDamagedFromTheStartIsRefused) {
  EXPECT_THAT(OpenError(Save("a.gz", std::vector<uint8_t>{0x1f, 0x8b, 9, 9, 9, 9})),
              HasSubstr(":0: gzip stream is damaged"));
}

TEST_F(CaptureFile, GzipBombIsStopped) {
  Bytes file = PcapBytes().Header().Record(0, 0, "abc");
  file.Raw(std::string(1 << 20, '\0'));
  CaptureReaderOptions options;
  options.unpacked_bytes_max = 100'000;
  absl::StatusOr<CaptureReader> reader =
      CaptureReader::Open(Save("a.gz", Gzipped(file.get())), options);
  ASSERT_TRUE(reader.ok());
  EXPECT_LT(reader->size_bytes(), 200'000u);
  Record record;
  ReadResult result;
  while ((result = reader->Next(record)) == ReadResult::kRecord) continue;
  EXPECT_EQ(result, ReadResult::kDamaged);
}

std::vector<uint8_t> Zstd(std::span<const uint8_t> bytes) {
  std::vector<uint8_t> out(ZSTD_compressBound(bytes.size()));
  const size_t size = ZSTD_compress(out.data(), out.size(), bytes.data(), bytes.size(), 3);
  EXPECT_EQ(ZSTD_isError(size), 0U);
  out.resize(size);
  return out;
}

TEST_F(CaptureFile, ZstdIsUnpackedFrameAfterFrame) {
  const std::span<const uint8_t> all = two_records_.get();
  std::vector<uint8_t> packed = Zstd(all.first(30));
  const std::vector<uint8_t> second = Zstd(all.subspan(30));
  packed.insert(packed.end(), second.begin(), second.end());
  EXPECT_EQ(CountRecords(Save("a.pcap.zst", packed)), 2u);
  EXPECT_EQ(end_, ReadResult::kEnd);
}

TEST_F(CaptureFile, ZstdThatUnpacksToMoreThanOneStepIsWhole) {
  Bytes file = PcapBytes().Header().Record(0, 0, std::string(300'000, 'x'));
  EXPECT_EQ(CountRecords(Save("a.zst", Zstd(file.get()))), 1u);
  EXPECT_EQ(end_, ReadResult::kEnd);
}

TEST_F(CaptureFile, ZstdCutShortOrDamagedIsTold) {
  std::vector<uint8_t> packed = Zstd(two_records_.get());
  packed.resize(packed.size() - 3);
  EXPECT_THAT(OpenError(Save("cut", packed)), HasSubstr("zstd stream is cut short"));
  EXPECT_THAT(OpenError(Save("magic", Bytes().U32(0xfd2fb528).U32(0x00070a20).U64(0).get())),
              HasSubstr("zstd stream is damaged: "));
  Bytes bomb = PcapBytes().Header().Record(0, 0, "abc");
  bomb.Raw(std::string(1 << 20, '\0'));
  CaptureReaderOptions options;
  options.unpacked_bytes_max = 100'000;
  absl::StatusOr<CaptureReader> reader =
      CaptureReader::Open(Save("bomb", Zstd(bomb.get())), options);
  ASSERT_TRUE(reader.ok());
  EXPECT_LT(reader->size_bytes(), 200'000u);
}

TEST_F(CaptureFile, StreamWithoutEndIsStopped) {
  CaptureReaderOptions options;
  options.unpacked_bytes_max = 100'000;
  EXPECT_THAT(OpenError("/dev/zero", options), HasSubstr("more than 100000 bytes in a stream"));
}

TEST_F(CaptureFile, WhatIsNoCaptureIsRefusedInOneLine) {
  EXPECT_THAT(OpenError(Path("missing")), HasSubstr("/missing: cannot open: No such file"));
  EXPECT_THAT(OpenError(Path("")), HasSubstr("is a directory, expected a capture file"));
  EXPECT_THAT(OpenError(Save("empty", {})), HasSubstr("empty:0: empty file, expected a pcap"));
  EXPECT_THAT(OpenError("/dev/null"), HasSubstr("empty file"));
  EXPECT_THAT(OpenError(Save("one", std::vector<uint8_t>{0xd4})),
              HasSubstr("begins with d4, which is neither"));
  EXPECT_THAT(
      OpenError(Save("magic", Bytes().U32(0xa1b2c3d5).get())),
      HasSubstr(
          "magic:0: begins with d5 c3 b2 a1, which is neither pcap nor pcapng, gzip or zstd"));
  EXPECT_THAT(OpenError(Save("snoop", Bytes().Raw(std::string("snoop\0\0\0", 8)).get())),
              HasSubstr("this is a Solaris snoop capture"));
}

PcapngBytes Everything() {
  PcapngBytes file(endian::big);
  file.Section().Interface(1, 0, Bytes(endian::big).Option(2, "eth0").Option(9, Value<uint8_t>(9)));
  file.Packet(0, 1, "abcde",
              Bytes(endian::big).Option(1, "note").Option(4, Value<uint64_t>(1, endian::big)));
  file.ObsoletePacket(0, 1, 2, "fghij").SimplePacket(3, "klm").Statistics(0, 1, 2);
  file.Order(endian::little);
  file.Section().Interface(113, 4).Block(0xbad, Bytes().U32(1)).Packet(0, 9, "nop");
  return file;
}

PcapBytes PlainFile() {
  return PcapBytes().Header().Record(1, 2, "abc").Record(3, 4, "").Record(5, 6, "defgh", 60);
}

// Reads `bytes` to the end and checks what holds for any bytes: every record lies within them, in
// order; the reading ends; damage names an offset within the file.
void CheckAnyBytes(std::span<const uint8_t> bytes) {
  // A copy of exactly this size, so that AddressSanitizer sees a read behind its end.
  const std::vector<uint8_t> exact(bytes.begin(), bytes.end());
  absl::StatusOr<CaptureReader> reader = CaptureReader::FromBytes(exact, "made");
  if (!reader.ok()) {
    EXPECT_THAT(std::string(reader.status().message()),
                ::testing::MatchesRegex("made( .unpacked.)?:[0-9]+: .*"));
    return;
  }
  Record record;
  uint64_t last_offset = 0;
  for (size_t count = 0; reader->Next(record) == ReadResult::kRecord; ++count) {
    ASSERT_LE(count, exact.size());
    ASSERT_GT(record.offset_bytes, last_offset);
    ASSERT_GE(record.data.data(), exact.data());
    ASSERT_LE(record.data.data() + record.data.size(), exact.data() + exact.size());
    ASSERT_GE(record.original_length_bytes, record.data.size());
    ASSERT_LT(record.interface_index, reader->interfaces().size());
    MetadataOf(record);
    last_offset = record.offset_bytes;
  }
  if (!reader->damage().ok()) {
    EXPECT_THAT(std::string(reader->damage().message()),
                ::testing::MatchesRegex("made:[0-9]+: .*"));
  }
}

TEST_F(CaptureReaderTest, EveryTruncationIsToldUnlessBetweenRecords) {
  const PcapngBytes everything = Everything();
  const PcapBytes plain = PlainFile();
  for (const Bytes* const file :
       {static_cast<const Bytes*>(&everything), static_cast<const Bytes*>(&plain)}) {
    size_t clean_ends = 0;
    size_t records_before = 0;
    for (size_t size = 40; size <= file->size(); ++size) {
      CheckAnyBytes(std::span(file->get()).first(size));
      ReadShortened(*file, size);
      clean_ends += end_ == ReadResult::kEnd;
      EXPECT_GE(records_.size(), records_before) << size;
      records_before = records_.size();
    }
    // At the end of each block behind the first 40 bytes, or of each record, the end being one of
    // them.
    EXPECT_EQ(clean_ends, file == &plain ? 3u : 9u);
  }
}

TEST_F(CaptureReaderTest, DamagedCopiesNeverLeaveTheirBytes) {
  uint64_t random = 1;
  const auto draw = [&random](size_t below) {
    random = random * 6364136223846793005u + 1442695040888963407u;
    return static_cast<size_t>((random >> 33) % below);
  };
  constexpr uint8_t kNasty[] = {0, 1, 4, 0x7f, 0x80, 0xff};
  const PcapngBytes everything = Everything();
  const PcapBytes plain = PlainFile();
  for (int round = 0; round < 20'000; ++round) {
    std::vector<uint8_t> bytes =
        (round % 3 == 0 ? static_cast<const Bytes&>(plain) : everything).get();
    for (size_t i = draw(4) + 1; i > 0; --i) {
      bytes[draw(bytes.size())] = kNasty[draw(std::size(kNasty))];
    }
    CheckAnyBytes(bytes);
  }
}

}  // namespace
}  // namespace tapedeck::capture
