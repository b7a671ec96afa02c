// The sink of a Lab's trace: keeps the digest, the frame ledger and a count of each kind of event,
// and hands every event to whoever else wants it (a printer, a capture file). Observers never
// change a digest.
#ifndef TAPEDECK_REPLAY_TRACE_RECORDER_H_
#define TAPEDECK_REPLAY_TRACE_RECORDER_H_

#include <cstdint>
#include <vector>

#include "replay/trace/digest.h"
#include "replay/trace/frame_ledger.h"
#include "stack/base/trace_event.h"

namespace tapedeck {

class TraceObserver {
 public:
  virtual ~TraceObserver() = default;
  // `number` counts events from 1; `ledger` already knows of `event`.
  virtual void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) = 0;
};

class Recorder : public TraceSink {
 public:
  void Emit(const TraceEvent& event) override {
    digest_.Add(event);
    ledger_.Add(event);
    ++counts_[static_cast<size_t>(event.kind)];
    for (TraceObserver* observer : observers_) observer->Observe(digest_.events(), event, ledger_);
  }

  // `observer` must outlive the recorder's last event.
  void AddObserver(TraceObserver* observer) { observers_.push_back(observer); }

  const Digest& digest() const { return digest_; }
  const FrameLedger& ledger() const { return ledger_; }
  uint64_t count(TraceKind kind) const { return counts_[static_cast<size_t>(kind)]; }

  // What a snapshot of the Lab must take along, so that going on from it gives the digest of a
  // straight run.
  struct State {
    Digest digest;
    FrameLedger ledger;
    uint64_t counts[static_cast<size_t>(TraceKind::kCount)] = {};
  };
  State Save() const;
  void Restore(const State& state);

 private:
  Digest digest_;
  FrameLedger ledger_;
  uint64_t counts_[static_cast<size_t>(TraceKind::kCount)] = {};
  std::vector<TraceObserver*> observers_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_RECORDER_H_
