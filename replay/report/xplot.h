// Time-sequence graphs in the format of xplot (xplot.org; what tcptrace writes), one per direction
// of a TCP flow.
#ifndef TAPEDECK_REPLAY_REPORT_XPLOT_H_
#define TAPEDECK_REPLAY_REPORT_XPLOT_H_

#include <string>

#include "replay/report/run_log.h"

namespace tapedeck::report {

// What `side` (0 the host, 1 the other) sent, and what the other acknowledged and allowed: segments
// as arrows (resent ones red), the acknowledgements as a green line, the window's right edge as a
// yellow one, SACK blocks purple, SYN and FIN as diamonds. Times are seconds of virtual time,
// numbers relative to the first. Empty where that side sent nothing.
std::string XplotText(const RunLog& log, const Flow& flow, int side);

}  // namespace tapedeck::report

#endif  // TAPEDECK_REPLAY_REPORT_XPLOT_H_
