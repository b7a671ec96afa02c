#include "fuzz/stage_observer.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fuzz/observe.h"
#include "replay/trace/capture_output.h"
#include "replay/trace/trace_printer.h"

namespace tapedeck::fuzz {
namespace {

// What this process was told to look at; a replayer sets it once.
Observation& Wanted() {
  static Observation observation;
  return observation;
}

[[noreturn]] void Fail(const absl::Status& status) {
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  _exit(2);
}

// Prints events, and hands each to the system: the next may end the process.
class TraceLines : public TraceObserver {
 public:
  explicit TraceLines(std::FILE* out) : out_(out), printer_(out, TracePrinter::Detail::kAll) {}

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override {
    printer_.Observe(number, event, ledger);
    std::fflush(out_);
  }

 private:
  std::FILE* out_;
  TracePrinter printer_;
};

// A capture that is closed at a given event, with the process.
class CaptureUntil : public TraceObserver {
 public:
  CaptureUntil(CaptureOutput capture, uint64_t last_event)
      : capture_(std::move(capture)), last_event_(last_event) {}

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override {
    capture_.Observe(number, event, ledger);
    if (number != last_event_) return;
    if (absl::Status status = capture_.Close(); !status.ok()) Fail(status);
    _exit(0);
  }

 private:
  CaptureOutput capture_;
  uint64_t last_event_;
};

}  // namespace

void ObserveRuns(const Observation& observation) { Wanted() = observation; }

void AttachObservers(Recorder& recorder, int hosts) {
  const Observation& wanted = Wanted();
  // Observers live as long as the recorder, which is a static object's.
  static std::unique_ptr<TraceLines> lines;
  static std::unique_ptr<CaptureUntil> capture;
  // Of a target with several stages the first one's runs are shown.
  if (wanted.trace != nullptr && lines == nullptr) {
    lines = std::make_unique<TraceLines>(wanted.trace);
    recorder.AddObserver(lines.get());
  }
  if (wanted.capture != nullptr && capture == nullptr) {
    CaptureOutput::Options options;
    options.hosts = hosts;
    absl::StatusOr<CaptureOutput> created = CaptureOutput::Create(wanted.capture, options);
    if (!created.ok()) Fail(created.status());
    capture = std::make_unique<CaptureUntil>(*std::move(created), wanted.last_event);
    recorder.AddObserver(capture.get());
  }
}

}  // namespace tapedeck::fuzz
