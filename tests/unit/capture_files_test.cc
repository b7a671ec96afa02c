// Whole capture files: those of corpus/captures, and a larger collection of good and broken ones if
// there is one. The collection's INDEX.tsv says of each file how many frames tshark counts and what
// tshark and tcpdump make of it. It is looked for in $TAPEDECK_SHARED/pcaps, then in
// ../shared/pcaps.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>

#include "replay/capture/capture_reader.h"
#include "replay/capture/link_layer.h"

namespace tapedeck::capture {
namespace {

namespace fs = std::filesystem;

// How the reading of a file went.
struct Reading {
  bool refused = false;
  bool damaged = false;
  uint64_t frames = 0;
  uint64_t custom_blocks = 0;
  std::vector<std::string> messages;  // refusal, damage, warnings
};

Reading ReadFile(const std::string& path) {
  Reading reading;
  absl::StatusOr<CaptureReader> reader = CaptureReader::Open(path);
  if (!reader.ok()) {
    reading.refused = true;
    reading.messages.emplace_back(reader.status().message());
    return reading;
  }
  Record record;
  EthernetFrame frame;
  std::vector<uint8_t> copy;
  ReadResult result;
  while ((result = reader->Next(record)) == ReadResult::kRecord) {
    ++reading.frames;
    if (ToEthernet(record, frame) != SkipReason::kNone) continue;
    copy.resize(frame.size_bytes());
    frame.CopyTo(copy);  // touches every byte
  }
  reading.damaged = result == ReadResult::kDamaged;
  reading.custom_blocks = reader->custom_blocks();
  reading.messages = reader->warnings();
  if (reading.damaged) reading.messages.emplace_back(reader->damage().message());
  return reading;
}

bool NamesAnOffset(const Reading& reading) {
  static const auto* const kOffset = new std::regex(R"(:\d+: )");
  return std::any_of(
      reading.messages.begin(), reading.messages.end(),
      [](const std::string& message) { return std::regex_search(message, *kOffset); });
}

// One row of INDEX.tsv by column name.
using Row = std::map<std::string, std::string>;

std::vector<std::string> SplitTabs(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream stream(line);
  for (std::string field; std::getline(stream, field, '\t');) fields.push_back(field);
  return fields;
}

std::vector<Row> ReadIndex(const fs::path& path) {
  std::vector<Row> rows;
  std::ifstream file(path);
  std::string line;
  if (!std::getline(file, line)) return rows;
  const std::vector<std::string> columns = SplitTabs(line);
  while (std::getline(file, line)) {
    const std::vector<std::string> fields = SplitTabs(line);
    Row row;
    for (size_t i = 0; i < std::min(columns.size(), fields.size()); ++i) {
      row[columns[i]] = fields[i];
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

fs::path SharedCaptures() {
  const char* const shared = std::getenv("TAPEDECK_SHARED");
  return fs::path(shared != nullptr ? shared : "../shared") / "pcaps";
}

// Where we count other frames than tshark, and why that is right.
struct Difference {
  const char* file;
  uint64_t frames;
  const char* reason;
};
constexpr Difference kDifferences[] = {
    {"broken/suricata-bug-6875-01-fuzz.pcap", 1,
     "tshark guesses another record header from the first records and reads a second frame out of "
     "step; the header "
     "that the magic number names ends after one, as tcpdump finds"},
    {"broken/pcpp-fuzz-576689983638.pcap", 1,
     "version 2.3, whose lengths may be swapped: as tcpdump, we take the one that fits; tshark "
     "does not"},
};

uint64_t ExpectedFrames(const Row& row) {
  for (const Difference& difference : kDifferences) {
    if (row.at("file") == difference.file) return difference.frames;
  }
  return std::stoull(row.at("packets_tshark"));
}

// No complaint by tshark: "ok", or "tshark 4.0.17: 5; tcpdump: ...", or "tshark 4.0.17: 95 packets,
// no error; ...".
bool TsharkFoundItGood(const Row& row) {
  static const auto* const kGood =
      new std::regex(R"(ok|tshark [\d.]+: \d+( packets, no error)?;.*)");
  return std::regex_match(row.at("reader_verdict"), *kGood);
}

// INDEX.tsv names as format what the magic number says: pcap, pcapng, either with +gz, or other.
bool IsOurFormat(const Row& row) { return row.at("format").rfind("pcap", 0) == 0; }

TEST(CaptureFiles, SharedCollectionIsReadAsTsharkReadsIt) {
  const fs::path directory = SharedCaptures();
  const std::vector<Row> rows = ReadIndex(directory / "INDEX.tsv");
  if (rows.empty()) GTEST_SKIP() << "skipped: no capture collection at " << directory;
  for (const Row& row : rows) {
    SCOPED_TRACE(row.at("file") + ": " + row.at("holds"));
    const Reading reading = ReadFile(directory / row.at("file"));
    if (!IsOurFormat(row)) {
      EXPECT_TRUE(reading.refused);
    } else if (TsharkFoundItGood(row)) {
      EXPECT_FALSE(reading.refused || reading.damaged)
          << ::testing::PrintToString(reading.messages);
      // tshark numbers custom blocks as if they were frames.
      EXPECT_EQ(reading.frames + reading.custom_blocks, ExpectedFrames(row));
    } else {
      EXPECT_EQ(reading.frames, reading.refused ? 0 : ExpectedFrames(row));
      EXPECT_TRUE(NamesAnOffset(reading)) << ::testing::PrintToString(reading.messages);
    }
  }
}

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

TEST(CaptureFiles, CorpusIsReadAsCapinfosReadsIt) {
  const fs::path directory = "corpus/captures";
  if (!fs::exists(directory)) GTEST_SKIP() << "skipped: no " << directory << " here";
  // Lines of name, format and number of frames.
  const std::string report =
      Output("capinfos -T -r -c -t " + directory.string() + "/*.pcap* 2>/dev/null");
  if (report.empty()) GTEST_SKIP() << "skipped: capinfos is not installed";
  std::istringstream lines(report);
  size_t files = 0;
  for (std::string line; std::getline(lines, line); ++files) {
    SCOPED_TRACE(line);
    const std::vector<std::string> fields = SplitTabs(line);
    ASSERT_EQ(fields.size(), 3u);
    const Reading reading = ReadFile(fields[0]);
    EXPECT_FALSE(reading.refused || reading.damaged) << ::testing::PrintToString(reading.messages);
    EXPECT_EQ(reading.frames, std::stoull(fields[2]));
  }
  EXPECT_GT(files, 0u);
}

}  // namespace
}  // namespace tapedeck::capture
