// What inputs reach: states of the state map, lines of the sources; and corpora made small by it.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_COVERAGE_H_
#define TAPEDECK_FUZZ_CAMPAIGN_COVERAGE_H_

#include <cstddef>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fuzz/campaign/workspace.h"

namespace tapedeck::fuzz {

// Adds to the corpus `out` what of `paths` reaches anything new, by libFuzzer's merge of the
// program `fuzzer`. Returns how many inputs were looked at.
absl::StatusOr<size_t> MergeInto(const std::string& fuzzer, const std::string& out,
                                 const std::vector<std::string>& paths);

// The facts that a replayer prints of its runs with --state-map, over all of `files`: "tcp-event
// SYN_RECV fin". None where a run does not hold.
absl::StatusOr<std::set<std::string>> StatesOf(const std::string& replayer,
                                               const std::vector<std::string>& files);
// What --state-map printed: the facts among other lines.
std::set<std::string> ParseStates(const std::string& printed);

// A page of them: a table for each feature.
std::string StatesPage(const std::string& title, const std::set<std::string>& states);

struct CoverageSummary {
  size_t inputs = 0;
  size_t states = 0;
  std::string totals;  // "lines 61.2 % (12 of 20), functions ..."
};
// Builds build/coverage, runs every input of `paths`, and writes llvm-cov's pages and states.html
// into `out`. An error says which of its tools is missing.
absl::StatusOr<CoverageSummary> WriteCoverage(const Workspace& workspace, const std::string& target,
                                              const std::vector<std::string>& paths,
                                              const std::string& out);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_COVERAGE_H_
