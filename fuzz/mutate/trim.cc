#include "fuzz/mutate/trim.h"

#include <algorithm>

#include "absl/status/statusor.h"
#include "fuzz/mutate/references.h"
#include "fuzz/mutate/repair.h"
#include "replay/script/bytes.h"

namespace tapedeck::fuzz {

Trimmer::Trimmer(std::span<const uint8_t> input) : kept_(DecodeScript(input)), tried_(kept_) {}

size_t Trimmer::Part() const { return std::max<size_t>(1, kept_.steps.size() >> round_); }

std::vector<uint8_t> Trimmer::Next() {
  tried_ = kept_;
  if (attempt_ != 0) {
    const size_t count = std::min(Part(), tried_.steps.size() - at_);
    // The seed only says who inherits a lost descriptor.
    Prng random(attempt_, 1);
    RemoveSteps(random, tried_, at_, count);
    RepairScript(tried_, kDecodedStepsMax);
  }
  absl::StatusOr<std::vector<uint8_t>> bytes = EncodeScript(tried_);
  if (!bytes.ok() || bytes->empty()) return {0};
  return *std::move(bytes);
}

size_t Trimmer::Judge(bool good) {
  if (attempt_ != 0) {
    if (good) {
      kept_ = tried_;
    } else {
      at_ += Part();
    }
  }
  ++attempt_;
  while (at_ >= kept_.steps.size() && round_ <= kRounds) {
    ++round_;
    at_ = 0;
    if (kept_.steps.empty()) break;
  }
  const bool done = round_ > kRounds || kept_.steps.size() < 2 || attempt_ >= attempts();
  return done ? attempts() : attempt_;
}

}  // namespace tapedeck::fuzz
