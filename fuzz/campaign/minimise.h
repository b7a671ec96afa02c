// Makes an input that breaks a promise as small and as plain as it can be while it breaks the same.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_MINIMISE_H_
#define TAPEDECK_FUZZ_CAMPAIGN_MINIMISE_H_

#include <cstdint>
#include <functional>
#include <span>
#include <string>

#include "absl/status/statusor.h"
#include "fuzz/campaign/judge.h"
#include "fuzz/campaign/pieces.h"

namespace tapedeck::fuzz {

struct MinimiseOptions {
  InputKind kind = InputKind::kScript;
  // The judge is asked at most so often; what has been reached by then is the result.
  uint64_t runs_max = 20'000;
  // Told after each step forward.
  std::function<void(size_t pieces, size_t bytes, uint64_t runs)> progress;
};

struct Minimised {
  Bytes input;
  std::string signature;
  size_t pieces_before = 0;
  size_t pieces = 0;  // records, lines, packets: see SplitInput()
  uint64_t runs = 0;
};

// In this order, and again until nothing changes any more:
//   1. pieces are left out (ddmin), of a Script also with what comes later kept at its time
//   2. times become none, or figures of one digit
//   3. operands become zero, which the bytes spelling has for the likeliest value, or are cut off
//   4. frames in hexadecimal that a template can say are said by it: the canonical spelling
// FailedPrecondition: `input` holds, there is nothing to keep.
absl::StatusOr<Minimised> Minimise(Judge& judge, std::span<const uint8_t> input,
                                   const MinimiseOptions& options);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_MINIMISE_H_
