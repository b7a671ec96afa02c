#include "replay/trace/recorder.h"

#include <algorithm>

namespace tapedeck {

Recorder::State Recorder::Save() const {
  State state{digest_, ledger_, {}};
  std::copy(std::begin(counts_), std::end(counts_), std::begin(state.counts));
  return state;
}

void Recorder::Restore(const State& state) {
  digest_ = state.digest;
  ledger_ = state.ledger;
  std::copy(std::begin(state.counts), std::end(state.counts), std::begin(counts_));
}

}  // namespace tapedeck
