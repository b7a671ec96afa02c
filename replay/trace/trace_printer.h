// Prints a run as a person follows it: one line an event, fixed columns.
//
//     number          seconds  host where    event
//         17      0.000360000     0 wire     < 10.0.0.1.53 > 10.0.0.2.4711: UDP, length 30
//
// Numbers are those by which `tapedeck debug` and captures written name events.
#ifndef TAPEDECK_REPLAY_TRACE_TRACE_PRINTER_H_
#define TAPEDECK_REPLAY_TRACE_TRACE_PRINTER_H_

#include <cstdint>
#include <cstdio>

#include "replay/trace/recorder.h"

namespace tapedeck {

class TracePrinter : public TraceObserver {
 public:
  enum class Detail : uint8_t {
    kChanges,  // state changes and drops
    kFrames,   // these and frames on the wire, deliveries and system calls
    kAll,
  };
  // `out` must outlive the printer.
  TracePrinter(std::FILE* out, Detail detail) : out_(out), detail_(detail) {}
  // The legend above the first line.
  void PrintHeader();
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

 private:
  std::FILE* out_;
  Detail detail_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_TRACE_PRINTER_H_
