// Many inputs, few bugs: sorted by what they break, and compared between machines.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_TRIAGE_H_
#define TAPEDECK_FUZZ_CAMPAIGN_TRIAGE_H_

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fuzz/campaign/judge.h"

namespace tapedeck::fuzz {

struct Bug {
  std::string signature;
  std::vector<std::string> files;  // that show it, the smallest first, then by name
};

// The bugs that `files` show, by signature; inputs that hold show none.
absl::StatusOr<std::vector<Bug>> SortBugs(Judge& judge, const std::vector<std::string>& files);

// A folder each in `out`, named after the signature: `input`, the smallest; `others`, under their
// SHA-1; signature.txt.
absl::Status WriteBugs(const std::string& out, const std::vector<Bug>& bugs);

// Digests of inputs, by name: what a machine came to.
using DigestTable = std::map<std::string, std::string>;

// The digest or the signature of each of `files`, by the SHA-1 of its bytes.
absl::StatusOr<DigestTable> DigestsOf(Judge& judge, const std::vector<std::string>& files);
// "NAME WHAT" lines, sorted; and back. An error names line and file.
std::string DigestText(const DigestTable& table);
absl::StatusOr<DigestTable> ParseDigests(const std::string& text, const std::string& name);
// Inputs of which two tables say different things, a line each; none where all agree. That is a
// bug of the determinism of runs. `names` of the tables, for the lines.
std::vector<std::string> DigestAlarms(const std::vector<DigestTable>& tables,
                                      const std::vector<std::string>& names);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_TRIAGE_H_
