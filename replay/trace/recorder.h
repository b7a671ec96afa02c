// The sink of a Lab's trace: keeps the digest, the frame ledger and a count of each kind of event,
// and hands every event to whoever else wants it (a printer, a capture file). Observers never
// change a digest.
//
// Without observers events are written straight into the digest's open block and looked at in one
// go when it is full, or when somebody asks.
#ifndef TAPEDECK_REPLAY_TRACE_RECORDER_H_
#define TAPEDECK_REPLAY_TRACE_RECORDER_H_

#include <cstdint>
#include <functional>
#include <utility>
#include <vector>

#include "replay/trace/digest.h"
#include "replay/trace/frame_ledger.h"
#include "stack/base/trace_event.h"
#include "stack/kernel/dma_listener.h"

namespace tapedeck {

class TraceObserver {
 public:
  virtual ~TraceObserver() = default;
  // `number` counts events from 1; `ledger` already knows of `event`.
  virtual void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) = 0;
};

class Recorder : public TraceSink {
 public:
  Recorder() { MakeRoom(); }
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  void Emit(const TraceEvent& event) override {
    if (next_ >= limit_) Settle();
    next_ = Digest::Write(event, next_);
    if (!observers_.empty()) Observe(event);
  }

  // `observer` must outlive the recorder's last event.
  void AddObserver(TraceObserver* observer) {
    observers_.push_back(observer);
    Settle();
  }

  // Who is told what the DMA engines of the Lab's devices do, for what nobody digests; `listener`
  // must outlive their last transfer. Where there is no such device nothing happens.
  void ListenToDma(DmaListener* listener) {
    if (connect_dma_) connect_dma_(listener);
  }
  // By the Lab: how its devices get their listener.
  void set_dma_devices(std::function<void(DmaListener*)> connect) {
    connect_dma_ = std::move(connect);
  }

  // As of now: what is referred to does not hear of later events by itself.
  const Digest& digest() const { return Settled().digest_; }
  const FrameLedger& ledger() const { return Settled().ledger_; }
  uint64_t count(TraceKind kind) const { return Settled().counts_[static_cast<size_t>(kind)]; }

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
  // Looks at the events that have been written down since the last time.
  void Settle();
  // The same for who only reads: what it puts off is nothing that can be seen.
  const Recorder& Settled() const {
    const_cast<Recorder*>(this)->Settle();
    return *this;
  }
  void MakeRoom() {
    next_ = digest_.next();
    // Observers want each event at once.
    limit_ = observers_.empty() ? digest_.limit() : nullptr;
  }
  void Observe(const TraceEvent& event);

  Digest digest_;
  FrameLedger ledger_;
  uint64_t counts_[static_cast<size_t>(TraceKind::kCount)] = {};
  std::vector<TraceObserver*> observers_;
  std::function<void(DmaListener*)> connect_dma_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_RECORDER_H_
