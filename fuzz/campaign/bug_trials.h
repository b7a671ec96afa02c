// The planted bugs (fuzz/bugs) as a measure of the engines: how many executions each needs to reach
// a bug, to trigger it, and to have an oracle notice.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_BUG_TRIALS_H_
#define TAPEDECK_FUZZ_CAMPAIGN_BUG_TRIALS_H_

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fuzz/campaign/workspace.h"

namespace tapedeck::fuzz {

// A line of fuzz/bugs/bugs.tsv.
struct PlantedBug {
  std::string id;
  std::string layer;
  std::string target;
  std::string oracle;  // the signature that it breaks
};
// An error names file and line.
absl::StatusOr<std::vector<PlantedBug>> ParseBugTable(std::string_view text,
                                                      const std::string& name);

// One campaign against one bug, from the committed inputs of its target.
struct BugTrial {
  std::string bug;
  std::string engine;  // "libfuzzer" or "afl"
  uint64_t seed = 1;

  uint64_t executions = 0;            // until it ended
  std::optional<uint64_t> reached;    // the execution at which the code with the bug ran first
  std::optional<uint64_t> triggered;  // ... and at which it made a difference
  std::string signature;              // of what ended it; empty where it was a limit
  bool clean_holds = false;           // what ended it holds on the build without the bug

  // By the bug a promise broke, the one that the table names or another.
  bool found(const PlantedBug& its) const {
    return signature == its.oracle || (!signature.empty() && clean_holds);
  }
};
std::string TrialJson(const BugTrial& trial);
// Trials from lines of JSON; lines that are not whole are left out.
std::vector<BugTrial> ParseTrials(std::string_view text);
// "reached 12" and "triggered 345" in lines, as a program with a bug writes them.
void ParseMarks(std::string_view text, BugTrial* trial);

struct BugTrialOptions {
  std::vector<std::string> ids;  // empty: all
  std::vector<std::string> engines = {"libfuzzer", "afl"};
  unsigned seeds = 10;
  uint64_t executions = 10'000'000;
  uint64_t seconds = 0;      // of wall time that a trial has, too; 0: any
  uint64_t input_bytes = 0;  // libFuzzer's inputs are at most so long; 0: as it chooses
  bool until_found = false;  // a bug that some trial has found gets no more of them
  unsigned jobs = 1;
  std::string base;  // the build of libFuzzer that variants are made of; empty: build/bugs
  std::string out;   // gets programs, a folder a trial, and trials.jsonl, from which it goes on
  std::function<bool()> stop;
  std::function<void(const std::string& line)> tell;
};

// Runs what `out` does not have yet: of each bug the first seed, then of each the second, and so
// on. The inputs of a trial that broke nothing are replayed at its end, as determinism's promises
// are about several runs of one. Returns all trials of the bugs asked for. An error where a variant
// cannot be built.
absl::StatusOr<std::vector<BugTrial>> RunBugTrials(const Workspace& workspace,
                                                   const std::vector<PlantedBug>& bugs,
                                                   const BugTrialOptions& options);

// A table: a line for each bug and engine, those that no trial has found first, then the slowest;
// medians after Kaplan and Meier; and how many bugs some engine has found.
std::string BugTable(const std::vector<PlantedBug>& bugs, const std::vector<BugTrial>& trials);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_BUG_TRIALS_H_
