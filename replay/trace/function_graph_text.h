// Function graphs as text, in the columns of ftrace's function_graph tracer, and as JSON.
//
//          seconds  CPU CONTEXT   DURATION     CYCLES  FUNCTION CALLS
//      0.011061043   0) softirq               |         |  ip_rcv() {
//      0.011061170   0) softirq      0.000 us |       0 |    ip_route_input_noref();
#ifndef TAPEDECK_REPLAY_TRACE_FUNCTION_GRAPH_TEXT_H_
#define TAPEDECK_REPLAY_TRACE_FUNCTION_GRAPH_TEXT_H_

#include <cstdint>
#include <string>

#include "replay/trace/function_graph.h"

namespace tapedeck {

// The legend above the first tree.
std::string FunctionGraphHeader();
// One line for the begin of a call, for its end where other lines come between, and for an event.
// A call's duration stands where it ends.
std::string FunctionGraphText(const GraphTree& tree);

// Objects with sorted keys, one for each line of the tree in its order, separated by commas:
// {"begin_ps":..., "context":"softirq", "cpu":0, "cycles":457, "depth":3, "duration_ps":126,
// "frame":4, "function":"ip_rcv"}; an event has "event" and "text" instead of "cycles",
// "duration_ps" and "function". "frame" is left out where there is none.
std::string FunctionGraphJson(const GraphTree& tree);

// Cycles of a CPU of `cpu_hz` in a time, rounded.
uint64_t CyclesIn(Duration duration, uint64_t cpu_hz);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_FUNCTION_GRAPH_TEXT_H_
