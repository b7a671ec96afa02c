// Inputs of targets that play Scripts, made of scripts and captures.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_SEEDS_H_
#define TAPEDECK_FUZZ_CAMPAIGN_SEEDS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "fuzz/campaign/pieces.h"

namespace tapedeck::fuzz {

// A script (*.pkt) gives one input; where packets are in it two, WithRelativeSegments() over each
// family. A capture gives a few, of some frames each: those that its busiest IPv4 receiver got,
// which becomes host 0 of the script, with the times between them. An error names the file.
absl::StatusOr<std::vector<Bytes>> SeedsFromFile(const std::string& file);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_SEEDS_H_
