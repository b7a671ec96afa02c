// Counts by name, as summaries of runs have them.
#ifndef TAPEDECK_TOOLS_COUNTS_H_
#define TAPEDECK_TOOLS_COUNTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace tapedeck::tools {

uint64_t Total(const std::map<std::string, uint64_t>& counts);

// " (NIC_FILTER 3, NO_SOCKET 1)"; empty where there are none.
std::string CountsText(const std::map<std::string, uint64_t>& counts);

// The word that a summary ends with: "HELD", "FAILED"; "INTERRUPTED" where it held so far.
const char* VerdictWord(const std::vector<std::string>& violations, bool interrupted);

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_COUNTS_H_
