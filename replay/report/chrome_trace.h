// A run as a timeline in the Trace Event Format, which Perfetto (ui.perfetto.dev) and
// chrome://tracing open: tracks for the wire and the devices' DMA in both directions, each CPU's
// interrupts, softirqs and timers, system calls by thread, sockets and neighbours; an arrow follows
// each packet from the wire to where it ended; counters of what is queued.
#ifndef TAPEDECK_REPLAY_REPORT_CHROME_TRACE_H_
#define TAPEDECK_REPLAY_REPORT_CHROME_TRACE_H_

#include <string>

#include "replay/report/run_log.h"

namespace tapedeck::report {

// The whole file. Times are microseconds of virtual time with six decimals (picoseconds); event
// numbers are those of the trace.
std::string ChromeTraceJson(const RunLog& log);

}  // namespace tapedeck::report

#endif  // TAPEDECK_REPLAY_REPORT_CHROME_TRACE_H_
