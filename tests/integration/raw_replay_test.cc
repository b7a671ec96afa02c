// Raw replay of whole captures: those of corpus/captures, and a larger collection (good and broken)
// where there is one. What must hold of every run: each frame is accounted for, nothing is left in
// any ledger, and the digest depends on nothing but the input.
#include "replay/lab/raw_replay.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <string>
#include <vector>

#include "collection.h"

namespace tapedeck {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> Corpus() {
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator("corpus/captures")) {
    const std::string extension = entry.path().extension();
    if (extension == ".pcap" || extension == ".pcapng") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

RawReplayResult Replayed(const std::string& file, const RawReplayOptions& options = {}) {
  absl::StatusOr<RawReplayResult> run = RawReplay(file, options);
  EXPECT_TRUE(run.ok()) << run.status();
  return run.ok() ? *std::move(run) : RawReplayResult{};
}

uint64_t Sum(const std::map<std::string, uint64_t>& counts) {
  uint64_t sum = 0;
  for (const auto& [name, count] : counts) sum += count;
  return sum;
}

class CorpusTest : public testing::TestWithParam<std::string> {};

TEST_P(CorpusTest, EveryFrameIsAccountedForAndNothingIsLeft) {
  const RawReplayResult run = Replayed(GetParam());
  EXPECT_GT(run.frames_in, 0U);
  EXPECT_EQ(run.frames_in, run.delivered + Sum(run.dropped) + run.queued);
  EXPECT_THAT(run.violations, testing::IsEmpty());
}

TEST_P(CorpusTest, RunsAlikeAfterAnotherRunInTheSameProcess) {
  const std::string first = Replayed(GetParam()).digest;
  const std::vector<std::string> corpus = Corpus();
  const std::string& other = corpus.front() == GetParam() ? corpus.back() : corpus.front();
  Replayed(other);
  EXPECT_EQ(Replayed(GetParam()).digest, first);
}

TEST_P(CorpusTest, DoesNotDependOnWhatMemoryHeldOrWhereItLies) {
  const std::string expected = Replayed(GetParam()).digest;
  RawReplayOptions options;
  options.lab.arena.fill = 0xa5;
  EXPECT_EQ(Replayed(GetParam(), options).digest, expected);
  options.lab.arena.fill = 0x00;
  options.lab.arena.address = 0x7ed000000000;
  EXPECT_EQ(Replayed(GetParam(), options).digest, expected);
}

TEST_P(CorpusTest, GoesOnFromASnapshotAsStraightThrough) {
  const std::string expected = Replayed(GetParam()).digest;
  for (const uint64_t frames : {uint64_t{1}, uint64_t{5}, uint64_t{23}}) {
    RawReplayOptions options;
    options.restore_after_frames = frames;
    EXPECT_EQ(Replayed(GetParam(), options).digest, expected) << "restored after " << frames;
  }
}

TEST_P(CorpusTest, AnotherSeedOrTableMakesAnotherRunButTheSameAccounts) {
  const RawReplayResult expected = Replayed(GetParam());
  RawReplayOptions options;
  options.lab.seed = 1;
  EXPECT_EQ(Replayed(GetParam(), options).frames_in, expected.frames_in);
  std::string error;
  for (const CostPreset& preset : CostPresets()) {
    ASSERT_TRUE(ParseCostTable(preset.name, preset.text, &options.lab.costs, &error)) << error;
    const RawReplayResult run = Replayed(GetParam(), options);
    EXPECT_EQ(run.frames_in, expected.frames_in) << preset.name;
    EXPECT_THAT(run.violations, testing::IsEmpty()) << preset.name;
  }
}

std::string NameOf(const testing::TestParamInfo<std::string>& info) {
  std::string name = fs::path(info.param).stem();
  std::replace_if(name.begin(), name.end(), [](char c) { return std::isalnum(c) == 0; }, '_');
  return name + (fs::path(info.param).extension() == ".pcap" ? "_pcap" : "_pcapng");
}
INSTANTIATE_TEST_SUITE_P(Corpus, CorpusTest, testing::ValuesIn(Corpus()), NameOf);

// --- Broken checksums. ---

// A protocol's checksum in a frame, and how Linux drops those who fail it.
struct BrokenChecksum {
  const char* file;     // a pcap of Ethernet, little-endian
  uint8_t protocol;     // of the IPv4 header; 0: any
  size_t offset_bytes;  // from the IPv4 header on, which has no options
  const char* reason;
};

uint32_t LittleEndian32(const std::string& bytes, size_t at) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) value |= uint32_t{static_cast<uint8_t>(bytes[at + i])} << 8 * i;
  return value;
}

// Inverts that checksum of every frame for `host` in the bytes of a pcap; how many there were.
uint64_t BreakChecksums(const BrokenChecksum& which, const IpAddress& host, std::string* pcap) {
  constexpr size_t kFileHeader = 24, kRecordHeader = 16, kEthernet = 14;
  uint64_t broken = 0;
  for (size_t at = kFileHeader; at + kRecordHeader < pcap->size();) {
    const size_t bytes = LittleEndian32(*pcap, at + 8);
    const size_t ip = at + kRecordHeader + kEthernet;
    at += kRecordHeader + bytes;
    const auto byte = [&](size_t i) { return static_cast<uint8_t>((*pcap)[ip + i]); };
    if (bytes < kEthernet + which.offset_bytes + 2 || byte(0) != 0x45) continue;
    if (which.protocol != 0 && byte(9) != which.protocol) continue;
    if (IpAddress(Ipv4Address(byte(16), byte(17), byte(18), byte(19))) != host) continue;
    for (size_t i = 0; i < 2; ++i) {
      char& c = (*pcap)[ip + which.offset_bytes + i];
      c = static_cast<char>(~c);
    }
    ++broken;
  }
  return broken;
}

class BrokenChecksumTest : public testing::TestWithParam<BrokenChecksum> {};

TEST_P(BrokenChecksumTest, EveryFrameIsDroppedForIt) {
  const BrokenChecksum& which = GetParam();
  const RawReplayResult whole = Replayed(which.file);
  EXPECT_EQ(whole.dropped.count(which.reason), 0U);
  std::ifstream in(which.file, std::ios::binary);
  std::string pcap((std::istreambuf_iterator<char>(in)), {});
  const uint64_t broken = BreakChecksums(which, whole.host, &pcap);
  ASSERT_GT(broken, 0U);
  const std::string path = testing::TempDir() + "broken_" + which.reason + ".pcap";
  std::ofstream(path, std::ios::binary) << pcap;
  RawReplayOptions options;
  options.host = whole.host;
  const RawReplayResult run = Replayed(path, options);
  EXPECT_EQ(run.dropped.count(which.reason) == 0 ? 0 : run.dropped.at(which.reason), broken);
  EXPECT_EQ(run.frames_in, run.delivered + Sum(run.dropped) + run.queued);
  EXPECT_EQ(run.udp_datagrams_read + run.tcp_connections, 0U);
  EXPECT_THAT(run.violations, testing::IsEmpty());
}

INSTANTIATE_TEST_SUITE_P(
    Protocols, BrokenChecksumTest,
    testing::Values(BrokenChecksum{"corpus/captures/dns-b.pcap", 0, 10, "IP_CSUM"},
                    BrokenChecksum{"corpus/captures/dns-b.pcap", 17, 26, "UDP_CSUM"},
                    BrokenChecksum{"corpus/captures/ping4-b.pcap", 1, 22, "ICMP_CSUM"},
                    BrokenChecksum{"corpus/captures/http-b.pcap", 6, 36, "TCP_CSUM"}),
    [](const testing::TestParamInfo<BrokenChecksum>& which) { return which.param.reason; });

TEST(RawReplayInput, MissingFileIsOneClearLine) {
  const auto run = RawReplay("no/such/file.pcap", {});
  ASSERT_FALSE(run.ok());
  EXPECT_THAT(std::string(run.status().message()), testing::HasSubstr("no/such/file.pcap"));
  EXPECT_THAT(std::string(run.status().message()), testing::Not(testing::HasSubstr("\n")));
}

TEST(RawReplayInput, DirectoryIsRefused) { EXPECT_FALSE(RawReplay("corpus", {}).ok()); }

// All files, good and broken: a run, or a refusal or warning that names the offset.
TEST(RawReplayCollection, EveryFileRunsOrIsRefusedWithAnOffset) {
  const std::optional<fs::path> place = Collection();
  if (!place.has_value()) GTEST_SKIP() << "no collection of captures in ../shared/pcaps";
  int good = 0;
  int broken = 0;
  for (auto& row : CollectionIndex(*place)) {
    const std::string file = *place / row["file"];
    SCOPED_TRACE(file);
    const absl::StatusOr<RawReplayResult> run = RawReplay(file, {});
    if (run.ok()) {
      EXPECT_THAT(run->violations, testing::IsEmpty());
      EXPECT_EQ(run->frames_in, run->delivered + Sum(run->dropped) + run->queued);
    }
    if (row["file"].starts_with("broken/")) {
      ++broken;
      if (!run.ok()) {
        EXPECT_THAT(std::string(run.status().message()),
                    testing::HasSubstr(fs::path(file).filename()));
      }
      continue;
    }
    ++good;
    ASSERT_TRUE(run.ok()) << run.status();
    EXPECT_EQ(run->frames_in + Sum(run->skipped), std::stoull(row["packets_tshark"]));
  }
  EXPECT_EQ(good, 113);
  EXPECT_EQ(broken, 28);
}

}  // namespace
}  // namespace tapedeck
