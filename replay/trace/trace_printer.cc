#include "replay/trace/trace_printer.h"

#include "absl/strings/str_format.h"
#include "replay/trace/event_text.h"

namespace tapedeck {

namespace {

TracePrinter::Detail DetailOf(TraceKind kind) {
  switch (kind) {
    case TraceKind::kDrop:
    case TraceKind::kNicDrop:
    case TraceKind::kNeighState:
    case TraceKind::kSockState:
    case TraceKind::kDeviceFault:
    case TraceKind::kLink:
    case TraceKind::kTcpRetransmit:
      return TracePrinter::Detail::kChanges;
    case TraceKind::kWireRx:
    case TraceKind::kWireTx:
    case TraceKind::kDeliver:
    case TraceKind::kForward:
    case TraceKind::kSyscallEnter:
    case TraceKind::kSyscallExit:
      return TracePrinter::Detail::kFrames;
    case TraceKind::kInterrupt:
    case TraceKind::kNapiPoll:
    case TraceKind::kSoftirq:
    case TraceKind::kTimer:
    case TraceKind::kStateDigest:
    case TraceKind::kCount:
      return TracePrinter::Detail::kAll;
  }
  return TracePrinter::Detail::kAll;
}

}  // namespace

void TracePrinter::PrintHeader() {
  absl::FPrintF(out_, "%8s %16s  %4s %-8s %s\n", "number", "seconds", "host", "where", "event");
}

void TracePrinter::Observe(uint64_t number, const TraceEvent& event, const FrameLedger&) {
  if (DetailOf(event.kind) <= detail_) absl::FPrintF(out_, "%s\n", EventLine(number, event));
}

}  // namespace tapedeck
