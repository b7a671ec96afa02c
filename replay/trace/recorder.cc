#include "replay/trace/recorder.h"

#include <algorithm>

namespace tapedeck {

// Once an event: in one piece.
[[gnu::flatten]] void Recorder::Settle() {
  uint64_t events = 0;
  const uint64_t* word = digest_.next();
  while (word != next_) {
    const uint64_t head = word[1];
    const auto kind = static_cast<TraceKind>(head & 0xffff);
    ++counts_[static_cast<size_t>(kind)];
    ledger_.Add(kind, word + 2);
    ++events;
    word += kTraceEventWords + (head >> 32 != 0 ? 1 : 0);
  }
  digest_.Commit(word, events);
  MakeRoom();
}

void Recorder::Observe(const TraceEvent& event) {
  Settle();
  for (TraceObserver* observer : observers_) observer->Observe(digest_.events(), event, ledger_);
}

Recorder::State Recorder::Save() const {
  const Recorder& settled = Settled();
  State state{settled.digest_, settled.ledger_, {}};
  std::copy(std::begin(counts_), std::end(counts_), std::begin(state.counts));
  return state;
}

void Recorder::Restore(const State& state) {
  digest_ = state.digest;
  ledger_ = state.ledger;
  std::copy(std::begin(state.counts), std::end(state.counts), std::begin(counts_));
  MakeRoom();
}

}  // namespace tapedeck
