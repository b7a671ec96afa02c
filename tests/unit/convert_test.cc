// Spellings into each other, captures into one, records chosen; and what other programs make of it.
#include "replay/convert/convert.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "replay/capture/capture_reader.h"
#include "replay/capture/options.h"
#include "traffic.h"  // beside this file

namespace tapedeck {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using traffic::Capture;
using traffic::Connection;
using traffic::kClient;
using traffic::kMs;
using traffic::kServer;
using traffic::Text;

// Runs a program; its output, or nothing where it fails.
std::string OutputOf(const std::string& command) {
  std::string output;
  FILE* const pipe = popen((command + " 2>/dev/null").c_str(), "r");
  if (pipe == nullptr) return output;
  std::array<char, 4096> buffer;
  for (size_t n; (n = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;) {
    output.append(buffer.data(), n);
  }
  return pclose(pipe) == 0 ? output : std::string();
}

class Convert : public ::testing::Test {
 protected:
  void SetUp() override {
    directory_ = fs::temp_directory_path() / ("convert_test." + std::to_string(getpid()));
    fs::create_directory(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  std::string Path(const std::string& name) const { return directory_ / name; }
  std::string Save(const std::string& name, const std::vector<uint8_t>& bytes) const {
    std::ofstream(Path(name), std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    return Path(name);
  }
  std::string Contents(const std::string& name) const {
    std::ifstream file(Path(name), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  ConvertReport Run(const std::string& in, const std::string& out) {
    const absl::StatusOr<ConvertReport> report = ConvertFile(Path(in), Path(out), options_);
    EXPECT_TRUE(report.ok()) << report.status();
    return report.value_or(ConvertReport());
  }
  std::string Refusal(const std::string& in, const std::string& out) {
    const absl::StatusOr<ConvertReport> report = ConvertFile(Path(in), Path(out), options_);
    EXPECT_FALSE(report.ok());
    return std::string(report.status().message());
  }
  // "time-in-ms-from-the-first:length" of each record.
  std::vector<std::string> Records(const std::string& name) const {
    std::vector<std::string> lines;
    auto reader = capture::CaptureReader::Open(Path(name));
    EXPECT_TRUE(reader.ok()) << reader.status();
    capture::Record record;
    int64_t start_ns = 0;
    while (reader.ok() && reader->Next(record) == capture::ReadResult::kRecord) {
      if (lines.empty()) start_ns = record.time_ns;
      lines.push_back(std::to_string((record.time_ns - start_ns) / kMs) + ":" +
                      std::to_string(record.data.size()));
    }
    return lines;
  }
  // A handshake and two requests, ten milliseconds apart.
  Capture SmallCapture() const {
    Connection tcp;
    Capture capture;
    capture.Add(tcp.Syn()).Add(tcp.SynAck()).Add(tcp.Ack(kClient));
    capture.Add(tcp.Data(kClient, Text(100)), 10 * kMs);
    capture.Add(tcp.Data(kServer, Text(200)), 10 * kMs);
    return capture;
  }
  // All that a pcapng file can carry.
  capture::PcapngBytes RichCapture() const {
    using capture::Bytes;
    const traffic::FrameBytes frame = TcpFrame(traffic::Segment());
    const std::string_view text(reinterpret_cast<const char*>(frame.data()), frame.size());
    Bytes options;
    options.Option(1, "a comment").U16(2).U16(4).U32(2);
    Bytes name;
    name.Option(2, "eth7").Option(3, "uplink");
    capture::PcapngBytes file;
    file.Section().Interface(1, 0, name).Packet(0, 1'000'000, text, options);
    file.Block(4, Bytes().U32(0));  // names
    file.Interface(1, 0, Bytes().Option(2, "eth8")).Packet(1, 2'000'000, text);
    return file.Statistics(1, 3, 0);
  }

  ConvertOptions options_;

 private:
  fs::path directory_;
};

TEST_F(Convert, CapturesGoToEitherFormatAndBackUnchanged) {
  Save("a.pcap", SmallCapture().bytes());
  EXPECT_THAT(Run("a.pcap", "b.pcapng").lost, IsEmpty());
  EXPECT_EQ(Run("b.pcapng", "c.pcap").items, 5U);
  EXPECT_EQ(Contents("a.pcap"), Contents("c.pcap"));
  EXPECT_EQ(Run("b.pcapng", "d.pcapng").from, Spelling::kPcapng);
  EXPECT_EQ(Contents("b.pcapng"), Contents("d.pcapng"));
}

TEST_F(Convert, PcapngKeepsInterfacesCommentsDirectionsLossesAndOtherBlocks) {
  Save("a.pcapng", RichCapture().get());
  EXPECT_THAT(Run("a.pcapng", "b.pcapng").lost, IsEmpty());
  capture::CaptureReaderOptions keep;
  keep.keep_other_blocks = true;
  auto reader = capture::CaptureReader::Open(Path("b.pcapng"), keep);
  capture::Record record;
  ASSERT_EQ(reader->Next(record), capture::ReadResult::kRecord);
  EXPECT_EQ(record.direction, capture::Direction::kOutbound);
  EXPECT_THAT(MetadataOf(record).comments, ElementsAre("a comment"));
  ASSERT_EQ(reader->Next(record), capture::ReadResult::kRecord);
  ASSERT_EQ(reader->Next(record), capture::ReadResult::kEnd);
  ASSERT_EQ(reader->interfaces().size(), 2U);
  EXPECT_EQ(reader->interfaces()[0].name, "eth7");
  EXPECT_EQ(reader->interfaces()[0].description, "uplink");
  EXPECT_EQ(reader->interfaces()[1].dropped, 3U);
  EXPECT_EQ(reader->other_blocks()[0].type, 4U);
}

TEST_F(Convert, WhatPcapCannotCarryIsTold) {
  Save("a.pcapng", RichCapture().get());
  EXPECT_THAT(Run("a.pcapng", "b.pcap").lost,
              ElementsAre("1 record without its comments and other metadata",
                          "2 interfaces without their names", HasSubstr("1 block without frames")));
}

TEST_F(Convert, PcapTakesOneLinkTypeAndMakesOthersEthernet) {
  const traffic::FrameBytes frame = TcpFrame(traffic::Segment());
  const std::string_view whole(reinterpret_cast<const char*>(frame.data()), frame.size());
  capture::PcapngBytes file;
  file.Section().Interface(1).Interface(101);
  file.Packet(0, 1, whole).Packet(1, 2, whole.substr(14)).Packet(1, 3, "no IP");
  Save("a.pcapng", file.get());
  EXPECT_THAT(Run("a.pcapng", "b.pcap").lost,
              ElementsAre("1 record whose link-layer header became Ethernet",
                          "1 record left out: it has no way to Ethernet"));
  EXPECT_THAT(Records("b.pcap"), ElementsAre("0:54", "0:54"));

  capture::PcapngBytes raw_first;
  raw_first.Section().Interface(101).Interface(1);
  raw_first.Packet(0, 1, whole.substr(14)).Packet(1, 2, whole);
  Save("c.pcapng", raw_first.get());
  EXPECT_THAT(Refusal("c.pcapng", "d.pcap"), HasSubstr("record 2 has link type EN10MB"));
  EXPECT_FALSE(fs::exists(Path("d.pcap"))) << "nothing half-written";
}

TEST_F(Convert, FramesBecomeAScriptInTextAndBytesAndComeBack) {
  Save("a.pcap", SmallCapture().bytes());
  EXPECT_EQ(Run("a.pcap", "b.pkt").items, 5U);
  EXPECT_THAT(Contents("b.pkt"), HasSubstr("frame {"));
  Run("b.pkt", "c.bytes");
  Run("c.bytes", "d.pkt");
  EXPECT_EQ(Contents("b.pkt"), Contents("d.pkt"));
  Run("c.bytes", "e.pcap");
  EXPECT_EQ(Records("a.pcap"), Records("e.pcap"));
}

TEST_F(Convert, WhatACaptureCannotCarryOfAScriptIsTold) {
  std::ofstream(Path("a.pkt")) << "0 socket(..., SOCK_DGRAM, 0) = 3\n+1 frame bad_fcs { 0001 }\n";
  EXPECT_THAT(Run("a.pkt", "b.pcapng").lost,
              ElementsAre(HasSubstr("1 steps that are no frames"), HasSubstr("1 frames whose")));
}

TEST_F(Convert, WrongInputsAndNamesAreRefusedAndTheOldOutputStays) {
  std::ofstream(Path("old.pcap")) << "old";
  std::ofstream(Path("bad.pkt")) << "0 nonsense\n";
  EXPECT_THAT(Refusal("bad.pkt", "old.pcap"), HasSubstr("bad.pkt:1:"));
  EXPECT_THAT(Refusal("missing.pcap", "old.pcap"), HasSubstr("missing.pcap: cannot open"));
  EXPECT_THAT(Refusal("missing.pkt", "old.pcap"), HasSubstr("missing.pkt: cannot open"));
  EXPECT_THAT(Refusal("a.pcap", "noformat"), HasSubstr("the name tells no format"));
  options_.selection.expression = "tcp";
  EXPECT_THAT(Refusal("bad.pkt", "old.pcap"), HasSubstr("in captures only"));
  EXPECT_EQ(Contents("old.pcap"), "old");
}

TEST_F(Convert, RecordsAreChosenByNumberTimeAndExpression) {
  Save("a.pcap", SmallCapture().bytes());
  options_.selection.records = *ParseRecordRanges("2-3,5");
  Run("a.pcap", "b.pcap");
  EXPECT_EQ(Records("b.pcap").size(), 3U);
  options_.selection = {};
  options_.selection.from = *ParseCaptureMoment("0.002");
  options_.selection.to = *ParseCaptureMoment("0.012");
  Run("a.pcap", "b.pcap");
  EXPECT_THAT(Records("b.pcap"), ElementsAre("0:54", "10:154"));
  options_.selection = {};
  options_.selection.from = *ParseCaptureMoment("2023-11-14T22:13:20.013Z");
  Run("a.pcap", "b.pcap");
  EXPECT_THAT(Records("b.pcap"), ElementsAre("0:154", "10:254"));
  options_.selection = {};
  options_.selection.expression = "tcp[tcpflags] & tcp-syn != 0 and src port 80";
  Run("a.pcap", "b.pcap");
  EXPECT_EQ(Records("b.pcap").size(), 1U);
}

TEST(Selection, WhatMakesNoSenseIsRefused) {
  for (const char* text : {"", "-", "0", "5-3", "a", "1,", "1-2-3", "99999999999999999999"}) {
    EXPECT_FALSE(ParseRecordRanges(text).ok()) << text;
  }
  for (const char* text : {"", "-1", "1.", "1.1234567891", "2023-02-30T00:00:00Z",
                           "2023-01-01 00:00:00Z", "9999999999999", "1e3"}) {
    EXPECT_FALSE(ParseCaptureMoment(text).ok()) << text;
  }
  Selection selection;
  selection.expression = "tcp port http99";
  const auto filter = MakeRecordFilter(selection);
  ASSERT_FALSE(filter.ok());
  EXPECT_THAT(std::string(filter.status().message()), HasSubstr("filter `tcp port http99`"));
}

TEST(Selection, OpenRangesAndMoments) {
  EXPECT_THAT(*ParseRecordRanges("-3,7,9-"),
              ElementsAre(RecordRange{1, 3}, RecordRange{7, 7}, RecordRange{9, UINT64_MAX}));
  EXPECT_EQ(*ParseCaptureMoment("1.5"), (CaptureMoment{1'500'000'000, false}));
  EXPECT_EQ(*ParseCaptureMoment("1970-01-02T00:00:01Z"), (CaptureMoment{86'401'000'000'000, true}));
}

TEST(Selection, EachLinkTypeHasItsOwnProgramAndWhatDoesNotFitOneIsTold) {
  Selection selection;
  selection.expression = "ether host 02:00:00:00:00:01";
  const auto filter = MakeRecordFilter(selection);
  ASSERT_TRUE(filter.ok()) << filter.status();
  const std::vector<uint8_t> bytes = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0};
  capture::Record record;
  record.data = bytes;
  record.original_length_bytes = 14;
  EXPECT_TRUE((*filter)->Admits(record));
  EXPECT_TRUE((*filter)->status().ok());
  record.link_type = capture::LinkType::kRaw;
  EXPECT_FALSE((*filter)->Admits(record));
  EXPECT_THAT(std::string((*filter)->status().message()), HasSubstr("link type RAW"));
}

using Merge = Convert;

TEST_F(Merge, RecordsComeByTimeAndInterfacesStayApart) {
  Connection tcp;
  Capture one;
  one.Add(tcp.Data(kClient, Text(1))).Add(tcp.Data(kClient, Text(2)), 4 * kMs);
  Capture other;
  other.Add(tcp.Data(kServer, Text(3))).Add(tcp.Data(kServer, Text(4)), 2 * kMs);
  Save("one.pcap", one.bytes());
  Save("other.pcap", other.bytes());
  const auto report =
      MergeFiles({Path("one.pcap"), Path("other.pcap")}, Path("both.pcapng"), options_);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(Records("both.pcapng"), ElementsAre("0:55", "0:57", "2:58", "4:56"));
  auto reader = capture::CaptureReader::Open(Path("both.pcapng"));
  capture::Record record;
  while (reader->Next(record) == capture::ReadResult::kRecord) continue;
  EXPECT_EQ(reader->interfaces().size(), 2U);
}

TEST_F(Merge, RefusesScriptsAndMissingFiles) {
  EXPECT_FALSE(MergeFiles({Path("missing")}, Path("both.pcap"), options_).ok());
  EXPECT_FALSE(MergeFiles({Path("missing")}, Path("both.pkt"), options_).ok());
  EXPECT_FALSE(fs::exists(Path("both.pcap")));
}

TEST_F(Convert, OtherProgramsReadWhatWasWritten) {
  if (OutputOf("command -v capinfos").empty()) GTEST_SKIP() << "skipped: no capinfos here";
  if (OutputOf("command -v tshark").empty()) GTEST_SKIP() << "skipped: no tshark here";
  if (OutputOf("command -v tcpdump").empty()) GTEST_SKIP() << "skipped: no tcpdump here";
  Save("a.pcap", SmallCapture().bytes());
  options_.anonymise_seed = 7;
  for (const std::string name : {"b.pcap", "b.pcapng"}) {
    Run("a.pcap", name);
    EXPECT_THAT(OutputOf("capinfos -M -c " + Path(name)), HasSubstr("Number of packets:   5"));
    EXPECT_EQ(OutputOf("tcpdump -r " + Path(name) + " -nn 'tcp port 80' | wc -l"), "5\n");
    EXPECT_EQ(OutputOf("tshark -r " + Path(name) +
                       " -o tcp.check_checksum:TRUE -o ip.check_checksum:TRUE -Y "
                       "'tcp.checksum.status == 1 && ip.checksum.status == 1' | wc -l"),
              "5\n");
  }
}

}  // namespace
}  // namespace tapedeck
