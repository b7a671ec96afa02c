// How faithful stand-in replay is over whole collections of captures: a table by file, and the
// averages that must hold. The project's own captures always; a larger collection
// (TAPEDECK_PCAPS, or ../shared/pcaps beside the sources) where there is one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include "replay/standin/stand_in.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::standin {
namespace {

namespace fs = std::filesystem;

// Of one capture: shares of its connections, 0 to 1.
struct FileFidelity {
  size_t connections = 0;
  double ends = 0;      // application bytes and final state as captured
  double segments = 0;  // data segments with the captured sequence and length
  double quiet = 0;     // no needless reset, retransmission or challenge ACK
  double near = 0;      // grade B or better: all of these, and ACKs differ in their places at most
};

std::optional<FileFidelity> Measure(const std::string& file) {
  std::vector<std::string> warnings;
  const absl::StatusOr<Plan> plan = PlanFromCapture(file, {}, &warnings);
  if (!plan.ok() || !HasUsableFlows(*plan)) return std::nullopt;
  StandInOptions options;
  LabHostOptions host;
  host.driver.eitr = 0;
  options.lab.hosts = {host};
  const absl::StatusOr<StandInResult> run = RunPlan(*plan, options, {});
  if (!run.ok()) return std::nullopt;
  EXPECT_THAT(run->violations, testing::IsEmpty()) << file;
  FileFidelity fidelity;
  for (size_t i = 0; i < plan->flows.size(); ++i) {
    if (plan->flows[i].protocol != wire::kIpProtoTcp) continue;
    const FlowComparison& flow = run->comparisons[i];
    ++fidelity.connections;
    fidelity.ends +=
        flow.bytes_read_same && flow.bytes_sent_same && flow.captured == flow.replayed ? 1 : 0;
    fidelity.segments +=
        flow.segments_captured == 0
            ? 1
            : static_cast<double>(flow.segments_same) / static_cast<double>(flow.segments_captured);
    const bool is_quiet =
        flow.resets_more == 0 && flow.retransmissions_more == 0 && flow.challenge_acks_more == 0;
    fidelity.quiet += is_quiet ? 1 : 0;
    fidelity.near += flow.grade <= Grade::kB ? 1 : 0;
  }
  if (fidelity.connections == 0) return std::nullopt;
  const auto all = static_cast<double>(fidelity.connections);
  return FileFidelity{fidelity.connections, fidelity.ends / all, fidelity.segments / all,
                      fidelity.quiet / all, fidelity.near / all};
}

class Average {
 public:
  void Add(const std::string& name, const FileFidelity& file) {
    std::printf(
        "  %-56s %4zu connections  ends %5.1f %%  segments %5.1f %%  quiet %5.1f %%  "
        "A or B %5.1f %%\n",
        name.c_str(), file.connections, 100 * file.ends, 100 * file.segments, 100 * file.quiet,
        100 * file.near);
    ++files_;
    sum_.ends += file.ends;
    sum_.segments += file.segments;
    sum_.quiet += file.quiet;
    sum_.near += file.near;
  }
  FileFidelity Print(const char* what) const {
    const auto all = static_cast<double>(std::max<size_t>(files_, 1));
    const FileFidelity mean{files_, sum_.ends / all, sum_.segments / all, sum_.quiet / all,
                            sum_.near / all};
    std::printf(
        "%s: %zu files  ends %5.1f %%  segments %5.1f %%  quiet %5.1f %%  A or B %5.1f %%\n", what,
        files_, 100 * mean.ends, 100 * mean.segments, 100 * mean.quiet, 100 * mean.near);
    return mean;
  }

 private:
  size_t files_ = 0;
  FileFidelity sum_;
};

TEST(StandInAcceptance, OwnCaptures) {
  std::vector<std::string> files;
  for (const fs::directory_entry& entry : fs::directory_iterator("corpus/captures")) {
    const std::string extension = entry.path().extension();
    if (extension == ".pcap" || extension == ".pcapng") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  Average average;
  for (const std::string& file : files) {
    const std::optional<FileFidelity> fidelity = Measure(file);
    if (fidelity.has_value()) average.Add(fs::path(file).filename(), *fidelity);
  }
  const FileFidelity mean = average.Print("own captures");
  EXPECT_GE(mean.ends, 0.99);
  EXPECT_GE(mean.segments, 0.97);
  EXPECT_GE(mean.quiet, 0.99);
  EXPECT_GE(mean.near, 0.90);
}

std::string CollectionFolder() {
  const char* const told = std::getenv("TAPEDECK_PCAPS");
  return told != nullptr ? told : "../shared/pcaps";
}

// The columns of INDEX.tsv by their names.
std::vector<std::map<std::string, std::string>> ReadIndex(const std::string& path) {
  std::vector<std::map<std::string, std::string>> rows;
  std::ifstream file(path);
  std::vector<std::string> names;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::vector<std::string> fields;
    for (std::string field; std::getline(words, field, '\t');) fields.push_back(field);
    if (names.empty()) {
      names = fields;
      continue;
    }
    std::map<std::string, std::string> row;
    for (size_t i = 0; i < fields.size() && i < names.size(); ++i) row[names[i]] = fields[i];
    rows.push_back(std::move(row));
  }
  return rows;
}

TEST(StandInAcceptance, CollectionByTier) {
  const std::string folder = CollectionFolder();
  const auto index = ReadIndex(folder + "/INDEX.tsv");
  if (index.empty()) GTEST_SKIP() << "no collection of captures at " << folder;
  std::map<std::string, Average> tiers;
  for (const auto& row : index) {
    // A file counts for the tier that most of its connections are of.
    std::string tier;
    int most = 0;
    for (const char* const name : {"tier_A", "tier_B", "tier_C"}) {
      const int count = std::atoi(row.at(name).c_str());
      if (count > most) tier = name;
      most = std::max(most, count);
    }
    if (tier.empty()) continue;
    const std::optional<FileFidelity> fidelity = Measure(folder + "/" + row.at("file"));
    if (fidelity.has_value()) {
      tiers[tier].Add(row.at("file"), *fidelity);
    } else {
      std::printf("  %-56s nothing to stand in for: %s\n", row.at("file").c_str(),
                  row.at("holds").c_str());
    }
  }
  const std::map<std::string, FileFidelity> wanted = {
      {"tier_A", {0, 0.99, 0.97, 0.99, 0.90}},
      {"tier_B", {0, 0.98, 0.90, 0.99, 0.90}},
      {"tier_C", {0, 0.90, 0.90, 0.99, 0.90}},
  };
  for (const auto& [tier, average] : tiers) {
    const FileFidelity mean = average.Print(tier.c_str());
    const FileFidelity& least = wanted.at(tier);
    EXPECT_GE(mean.ends, least.ends) << tier;
    EXPECT_GE(mean.segments, least.segments) << tier;
    EXPECT_GE(mean.quiet, least.quiet) << tier;
    EXPECT_GE(mean.near, least.near) << tier;
  }
}

}  // namespace
}  // namespace tapedeck::standin
