// What the writers write, read back by our reader and, where they are installed, by capinfos and
// tshark.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "replay/capture/capture_reader.h"
#include "replay/capture/format.h"
#include "replay/capture/options.h"
#include "replay/capture/output_file.h"
#include "replay/capture/pcap_writer.h"
#include "replay/capture/pcapng_writer.h"

namespace tapedeck::capture {
namespace {

namespace fs = std::filesystem;
using namespace std::string_view_literals;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

std::span<const uint8_t> BytesOf(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

std::string Text(std::span<const uint8_t> data) { return {data.begin(), data.end()}; }

constexpr int64_t kTimeNs = 1'700'000'000'123'456'789;
constexpr std::string_view kFrame =
    "\xff\xff\xff\xff\xff\xff\x02\x00\x0a\x00\x00\x01\x88\xb5 payload"sv;

// Everything that an output packet can carry.
absl::Status WriteRichPacket(PcapngWriter& writer, uint32_t interface) {
  const std::array<std::string_view, 2> comments = {"dropped: NO_SOCKET", "event 42"};
  const std::array<CustomValue, 2> custom = {
      {{true, BytesOf("tapedeck:event=42")}, {false, BytesOf("\x01\x02\x03")}}};
  OutputPacket packet;
  packet.interface_index = interface;
  packet.time_ns = kTimeNs;
  packet.data = BytesOf(kFrame);
  packet.original_length_bytes = 1514;
  packet.direction = Direction::kInbound;
  packet.link_errors = 0x0100;
  packet.drop_count = 3;
  packet.packet_id = 42;
  packet.queue = 1;
  packet.xdp_verdict = kXdpDrop;
  packet.comments = comments;
  packet.custom = custom;
  return writer.Write(packet);
}

absl::Status WritePlainPacket(PcapngWriter& writer, int64_t time_ns, std::string_view data) {
  OutputPacket packet;
  packet.time_ns = time_ns;
  packet.data = BytesOf(data);
  packet.original_length_bytes = static_cast<uint32_t>(data.size());
  return writer.Write(packet);
}

// A file with all that the pcapng writer can write.
absl::Status WriteEverything(OutputFile file) {
  SectionHeader section;
  section.hardware = "82599";
  section.operating_system = "Tapedeck";
  section.application = "tapedeck replay";
  section.comments = {"seed 5eed0001", "digest 6f1c09aa"};
  absl::StatusOr<PcapngWriter> writer = PcapngWriter::Create(std::move(file), section);
  if (!writer.ok()) return writer.status();
  absl::Status status = writer->AddInterface({LinkType::kEthernet, 0, "rx0", "queue 0"}).status();
  status.Update(writer->AddInterface({LinkType::kEthernet, 262144, "tx0", ""}).status());
  status.Update(WriteRichPacket(*writer, 0));
  status.Update(WritePlainPacket(*writer, kTimeNs + 1, kFrame));
  status.Update(WriteRichPacket(*writer, 1));
  status.Update(writer->Write(InterfaceStatistics{0, kTimeNs + 2, 3, 1, {}}));
  status.Update(writer->Close());
  return status;
}

class Writer : public ::testing::Test {
 protected:
  Writer() : directory_(::testing::TempDir() + "capture_writer_test." + std::to_string(getpid())) {
    fs::create_directories(directory_);
  }
  ~Writer() override { fs::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ + "/" + name; }
  std::vector<std::string> Files() const {
    std::vector<std::string> names;
    for (const auto& entry : fs::directory_iterator(directory_)) {
      names.push_back(entry.path().filename());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  static std::string Contents(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
  }
  // Reads back what is in `bytes_`.
  std::vector<Record> ReadBack() {
    reader_ = CaptureReader::FromBytes(bytes_, "written");
    EXPECT_TRUE(reader_.ok()) << reader_.status();
    std::vector<Record> records;
    Record record;
    ReadResult result;
    while ((result = reader_->Next(record)) == ReadResult::kRecord) records.push_back(record);
    EXPECT_EQ(result, ReadResult::kEnd) << reader_->damage();
    return records;
  }
  OutputFile Memory() {
    bytes_.clear();
    return OutputFile::InMemory(bytes_);
  }

  std::vector<uint8_t> bytes_;
  absl::StatusOr<CaptureReader> reader_ = absl::UnknownError("nothing read yet");

 private:
  std::string directory_;
};

using PcapWriterTest = Writer;
using PcapngWriterTest = Writer;
using OutputFileTest = Writer;

// pcap.

TEST_F(PcapWriterTest, RoundTripInBothResolutions) {
  for (const PcapResolution resolution :
       {PcapResolution::kMicroseconds, PcapResolution::kNanoseconds}) {
    absl::StatusOr<PcapWriter> writer =
        PcapWriter::Create(Memory(), {LinkType::kRaw, resolution, 1000});
    ASSERT_TRUE(writer.ok());
    ASSERT_TRUE(writer->Write(kTimeNs, BytesOf("abc"), 3).ok());
    ASSERT_TRUE(writer->Write(0, BytesOf(""), 1514).ok());
    ASSERT_TRUE(writer->Close().ok());
    const std::vector<Record> records = ReadBack();
    ASSERT_THAT(records, SizeIs(2));
    EXPECT_EQ(Text(records[0].data), "abc");
    EXPECT_EQ(records[0].time_ns,
              resolution == PcapResolution::kNanoseconds ? kTimeNs : kTimeNs - kTimeNs % 1000);
    EXPECT_EQ(records[0].link_type, LinkType::kRaw);
    EXPECT_EQ(records[1].original_length_bytes, 1514u);
    EXPECT_EQ(reader_->interfaces()[0].snaplen_bytes, 1000u);
  }
}

TEST_F(PcapWriterTest, TimesThatDoNotFitAreRefused) {
  absl::StatusOr<PcapWriter> writer = PcapWriter::Create(Memory(), {});
  constexpr int64_t kLastSecond = 0xffffffff;
  EXPECT_TRUE(writer->Write(kLastSecond * 1'000'000'000, BytesOf("abc"), 3).ok());
  EXPECT_THAT(
      std::string(writer->Write((kLastSecond + 1) * 1'000'000'000, BytesOf("abc"), 3).message()),
      HasSubstr("write pcapng instead"));
  EXPECT_FALSE(writer->Write(-1, BytesOf("abc"), 3).ok());
  EXPECT_THAT(ReadBack(), SizeIs(1)) << "what was refused left no trace";
}

// pcapng.

TEST_F(PcapngWriterTest, RoundTripOfEverything) {
  ASSERT_TRUE(WriteEverything(Memory()).ok());
  const std::vector<Record> records = ReadBack();
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_EQ(records[0].time_ns, kTimeNs);
  EXPECT_EQ(Text(records[0].data), kFrame);
  EXPECT_EQ(records[0].original_length_bytes, 1514u);
  EXPECT_EQ(records[0].direction, Direction::kInbound);
  EXPECT_EQ(records[1].direction, Direction::kUnknown);
  EXPECT_THAT(records[1].options, IsEmpty()) << "a plain frame carries no empty options";
  EXPECT_EQ(records[2].interface_index, 1u);

  const PacketMetadata metadata = MetadataOf(records[0]);
  EXPECT_THAT(metadata.comments, ElementsAre("dropped: NO_SOCKET", "event 42"));
  EXPECT_EQ(metadata.link_errors, 0x0100u);
  EXPECT_EQ(metadata.drop_count, 3u);
  EXPECT_EQ(metadata.packet_id, 42u);
  EXPECT_EQ(metadata.queue, 1u);
  EXPECT_EQ(metadata.xdp_verdict, kXdpDrop);
  ASSERT_THAT(metadata.custom, SizeIs(2));
  EXPECT_EQ(metadata.custom[0].pen, kCustomPen);
  EXPECT_EQ(Text(metadata.custom[0].value), "tapedeck:event=42");
  EXPECT_EQ(Text(metadata.custom[1].value), "\x01\x02\x03");

  const CaptureSection& section = reader_->sections()[0];
  EXPECT_EQ(section.hardware, "82599");
  EXPECT_EQ(section.operating_system, "Tapedeck");
  EXPECT_EQ(section.application, "tapedeck replay");
  EXPECT_THAT(section.comments, ElementsAre("seed 5eed0001", "digest 6f1c09aa"));
  const std::span<const CaptureInterface> interfaces = reader_->interfaces();
  EXPECT_EQ(interfaces[0].name, "rx0");
  EXPECT_EQ(interfaces[0].description, "queue 0");
  EXPECT_EQ(interfaces[0].received, 3u);
  EXPECT_EQ(interfaces[0].dropped, 1u);
  EXPECT_EQ(interfaces[1].snaplen_bytes, 262144u);
}

TEST_F(PcapngWriterTest, EqualCallsWriteEqualBytes) {
  ASSERT_TRUE(WriteEverything(Memory()).ok());
  const std::vector<uint8_t> first = bytes_;
  ASSERT_TRUE(WriteEverything(Memory()).ok());
  EXPECT_EQ(bytes_, first);
  absl::StatusOr<OutputFile> file = OutputFile::Create(Path("a.pcapng"));
  ASSERT_TRUE(WriteEverything(*std::move(file)).ok());
  EXPECT_EQ(Contents(Path("a.pcapng")), Text(first));
}

TEST_F(PcapngWriterTest, EveryLengthIsPadded) {
  absl::StatusOr<PcapngWriter> writer = PcapngWriter::Create(Memory(), {});
  ASSERT_TRUE(writer->AddInterface({}).ok());
  for (const std::string_view data : {"", "a", "ab", "abc", "abcd"}) {
    ASSERT_TRUE(WritePlainPacket(*writer, 1, data).ok());
    EXPECT_EQ(bytes_.size() % 4, 0u);
  }
  EXPECT_THAT(ReadBack(), SizeIs(5));
  EXPECT_THAT(reader_->warnings(), IsEmpty());
}

TEST_F(PcapngWriterTest, WhatDoesNotFitIsRefusedWhole) {
  absl::StatusOr<PcapngWriter> writer = PcapngWriter::Create(Memory(), {});
  ASSERT_TRUE(writer->AddInterface({}).ok());
  const size_t size = bytes_.size();
  const std::string longest(65535, 'x');
  const std::string too_long(65536, 'x');
  std::array<std::string_view, 1> comments = {too_long};
  OutputPacket packet;
  packet.comments = comments;
  EXPECT_THAT(std::string(writer->Write(packet).message()),
              HasSubstr("longer than the 65535 bytes"));
  EXPECT_FALSE(WritePlainPacket(*writer, -1, "a").ok());
  EXPECT_EQ(bytes_.size(), size);
  comments[0] = longest;
  EXPECT_TRUE(writer->Write(packet).ok());
}

TEST_F(PcapngWriterTest, KeptBlocksGoThroughUnchanged) {
  const std::string body = "anything";
  OtherBlock block{0x12345678, FileOrder(std::endian::little), 0, BytesOf(body)};
  absl::StatusOr<PcapngWriter> writer = PcapngWriter::Create(Memory(), {});
  EXPECT_EQ(*writer->Write(block), true);
  const size_t size = bytes_.size();
  block.order = FileOrder(std::endian::big);
  EXPECT_EQ(*writer->Write(block), false) << "its inside cannot be turned round";
  EXPECT_EQ(bytes_.size(), size);

  CaptureReaderOptions options;
  options.keep_other_blocks = true;
  absl::StatusOr<CaptureReader> reader = CaptureReader::FromBytes(bytes_, "written", options);
  Record record;
  EXPECT_EQ(reader->Next(record), ReadResult::kEnd);
  ASSERT_THAT(reader->other_blocks(), SizeIs(1));
  EXPECT_EQ(reader->other_blocks()[0].type, 0x12345678u);
  EXPECT_EQ(Text(reader->other_blocks()[0].body), body);
}

// the file.

TEST_F(OutputFileTest, HasItsNameOnlyWhenClosed) {
  std::ofstream(Path("out")) << "old";
  absl::StatusOr<OutputFile> file = OutputFile::Create(Path("out"));
  ASSERT_TRUE(file.ok());
  ASSERT_TRUE(file->Append(BytesOf("new")).ok());
  EXPECT_EQ(Contents(Path("out")), "old");
  ASSERT_TRUE(file->Close().ok());
  EXPECT_EQ(Contents(Path("out")), "new");
  EXPECT_THAT(Files(), ElementsAre("out"));
}

TEST_F(OutputFileTest, LeavesNothingWhenAbandoned) {
  {
    absl::StatusOr<OutputFile> file = OutputFile::Create(Path("out"));
    ASSERT_TRUE(file->Append(BytesOf(std::string(1 << 20, 'x'))).ok());
    EXPECT_THAT(Files(), testing::Not(testing::Contains("out")));
  }
  EXPECT_THAT(Files(), IsEmpty());
}

TEST_F(OutputFileTest, AWriterThatIsKilledLeavesTheOldFileAndNothingElse) {
  std::ofstream(Path("out")) << "old";
  const pid_t child = fork();
  if (child == 0) {
    absl::StatusOr<OutputFile> file = OutputFile::Create(Path("out"));
    if (file.ok()) file->Append(BytesOf(std::string(1 << 20, 'x'))).IgnoreError();
    raise(SIGKILL);
  }
  int status = 0;
  ASSERT_EQ(waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(Contents(Path("out")), "old");
  const int unnamed = open(Path("").c_str(), O_TMPFILE | O_WRONLY, 0600);
  if (unnamed < 0) GTEST_SKIP() << "the file system has no O_TMPFILE: a temporary file stays";
  close(unnamed);
  EXPECT_THAT(Files(), ElementsAre("out"));
}

TEST_F(OutputFileTest, TwoAtOnceDoNotMeet) {
  absl::StatusOr<OutputFile> first = OutputFile::Create(Path("a"));
  absl::StatusOr<OutputFile> second = OutputFile::Create(Path("b"));
  ASSERT_TRUE(first->Append(BytesOf("1")).ok());
  ASSERT_TRUE(second->Append(BytesOf("2")).ok());
  ASSERT_TRUE(first->Close().ok());
  ASSERT_TRUE(second->Close().ok());
  EXPECT_EQ(Contents(Path("a")), "1");
  EXPECT_EQ(Contents(Path("b")), "2");
}

TEST_F(OutputFileTest, KeepsASymbolicLinkALink) {
  std::ofstream(Path("target")) << "old";
  fs::create_symlink(Path("target"), Path("link"));
  absl::StatusOr<OutputFile> file = OutputFile::Create(Path("link"));
  ASSERT_TRUE(file->Append(BytesOf("new")).ok());
  ASSERT_TRUE(file->Close().ok());
  EXPECT_TRUE(fs::is_symlink(Path("link")));
  EXPECT_EQ(Contents(Path("target")), "new");
}

TEST_F(OutputFileTest, WritesStraightToWhatIsNoFile) {
  absl::StatusOr<OutputFile> file = OutputFile::Create("/dev/null");
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->Append(BytesOf("x")).ok());
  EXPECT_TRUE(file->Close().ok());
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST_F(OutputFileTest, FullDiskIsToldAndNotForgotten) {
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "skipped: no /dev/full here";
  absl::StatusOr<OutputFile> file = OutputFile::Create("/dev/full");
  ASSERT_TRUE(file.ok());
  EXPECT_TRUE(file->Append(BytesOf("x")).ok()) << "still in the buffer";
  const absl::Status status = file->Close();
  EXPECT_THAT(std::string(status.message()), HasSubstr("/dev/full: cannot write: No space left"));
}

TEST_F(OutputFileTest, UnusablePathsAreRefusedInOneLine) {
  EXPECT_THAT(std::string(OutputFile::Create(Path("missing/out")).status().message()),
              HasSubstr("missing/out: cannot create: No such file or directory"));
  EXPECT_THAT(std::string(OutputFile::Create(Path("")).status().message()),
              HasSubstr("cannot write: Is a directory"));
}

// other readers.

// What `command` prints, or nothing if it fails.
std::string Output(const std::string& command) {
  std::string output;
  FILE* const pipe = popen(command.c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 4096> buffer;
  for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    output.append(buffer.data(), n);
  }
  return pclose(pipe) == 0 ? output : std::string();
}

bool Installed(const std::string& program) {
  return !Output("command -v " + program + " 2>/dev/null").empty();
}

TEST_F(PcapngWriterTest, TsharkShowsAllOfIt) {
  if (!Installed("tshark")) GTEST_SKIP() << "skipped: tshark is not installed";
  absl::StatusOr<OutputFile> file = OutputFile::Create(Path("a.pcapng"));
  ASSERT_TRUE(WriteEverything(*std::move(file)).ok());
  const std::string fields =
      Output("tshark -r " + Path("a.pcapng") +
             " -T fields -e frame.number -e frame.time_epoch -e frame.len -e frame.cap_len -e "
             "frame.comment"
             " -e frame.packet_flags_direction -e frame.packet_flags_crc_error -e frame.packet_id "
             "-e frame.interface_queue"
             " -e frame.drop_count -e frame.verdict.ebpf_xdp -e frame.interface_name 2>/dev/null");
  EXPECT_EQ(fields,
            "1\t1700000000.123456789\t1514\t22\tdropped: NO_SOCKET,event "
            "42\t0x00000001\t1\t42\t1\t3\t1\trx0\n"
            "2\t1700000000.123456790\t22\t22\t\t\t\t\t\t\t\trx0\n"
            "3\t1700000000.123456789\t1514\t22\tdropped: NO_SOCKET,event "
            "42\t0x00000001\t1\t42\t1\t3\t1\ttx0\n");
}

TEST_F(PcapngWriterTest, CapinfosShowsSectionAndInterfaces) {
  if (!Installed("capinfos")) GTEST_SKIP() << "skipped: capinfos is not installed";
  absl::StatusOr<OutputFile> file = OutputFile::Create(Path("a.pcapng"));
  ASSERT_TRUE(WriteEverything(*std::move(file)).ok());
  const std::string report = Output("capinfos " + Path("a.pcapng") + " 2>&1");
  EXPECT_THAT(report, HasSubstr("82599"));
  EXPECT_THAT(report, HasSubstr("tapedeck replay"));
  EXPECT_THAT(report, HasSubstr("seed 5eed0001"));
  EXPECT_THAT(report, HasSubstr("Name = tx0"));
  EXPECT_THAT(report, HasSubstr("Time precision = nanoseconds (9)"));
  EXPECT_THAT(report, HasSubstr("Number of stat entries = 1"));
}

TEST_F(PcapWriterTest, CapinfosReadsIt) {
  if (!Installed("capinfos")) GTEST_SKIP() << "skipped: capinfos is not installed";
  absl::StatusOr<OutputFile> file = OutputFile::Create(Path("a.pcap"));
  absl::StatusOr<PcapWriter> writer = PcapWriter::Create(*std::move(file), {});
  ASSERT_TRUE(writer->Write(kTimeNs, BytesOf(kFrame), 1514).ok());
  ASSERT_TRUE(writer->Close().ok());
  EXPECT_EQ(Output("capinfos -T -r -c -t -S -a " + Path("a.pcap") + " 2>/dev/null"),
            Path("a.pcap") + "\tnsecpcap\t1\t1700000000.123456789\n");
}

}  // namespace
}  // namespace tapedeck::capture
