// The functions that packets pass, as ftrace's function_graph tracer records them: from the trace
// points of stack/core/function_trace.h and the events of the run, one tree for each time that a
// CPU enters the path (an interrupt, a slice of softirq work, a system call's attempt). Listening
// changes nothing in the run.
#ifndef TAPEDECK_REPLAY_TRACE_FUNCTION_GRAPH_H_
#define TAPEDECK_REPLAY_TRACE_FUNCTION_GRAPH_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "replay/trace/recorder.h"
#include "stack/base/time.h"
#include "stack/core/function_trace.h"
#include "stack/kernel/cpu.h"

namespace tapedeck {

// A call, or an event within one.
struct GraphLine {
  bool is_call = false;
  Context context = Context::kIdle;
  uint16_t depth = 0;
  uint32_t frame_id = 0;  // of the packet it is about; 0: of none
  uint32_t end_line = 0;  // index behind the last line within it
  SimTime begin;
  SimTime end;                                   // of a call
  PathFunction function = PathFunction::kCount;  // of a call
  TraceKind event = TraceKind::kCount;           // of an event
  uint64_t thread = 0;                           // of a system call's event
  std::string text;                              // of an event: EventText
};

// Calls and events in order, the inner ones behind the one they are within. A tree of one event is
// one that happened outside every call: on a wire, or at the rim of a system call.
struct GraphTree {
  uint8_t host = 0;
  uint8_t cpu = 0;
  uint64_t cpu_hz = 0;
  uint64_t thread = 0;  // that runs, in task context; 0: none
  std::vector<GraphLine> lines;
};

class FunctionGraph : public FunctionTracer, public TraceObserver {
 public:
  // `done` is given each tree when it is complete, valid until it returns. Trees come in the order
  // in which they end.
  explicit FunctionGraph(std::function<void(const GraphTree& tree)> done)
      : done_(std::move(done)) {}

  void Enter(Cpu& cpu, PathFunction function, uint32_t frame_id) override;
  void Leave(Cpu& cpu, PathFunction function) override;
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

 private:
  void Place(GraphLine line);

  std::function<void(const GraphTree& tree)> done_;
  GraphTree tree_;
  std::vector<uint32_t> open_;   // lines of the calls that have begun and not ended
  const Cpu* cpu_ = nullptr;     // of the open tree
  GraphTree outside_;            // for an event outside every call
  std::vector<GraphTree> late_;  // of devices, told of while a CPU's call was open
};

// Which lines of `tree` belong to the packet `frame_id`: what was done for it with all within, what
// that was called from, and what the same callers did for no packet. All false: none.
std::vector<bool> LinesOfPacket(const GraphTree& tree, uint32_t frame_id);

// From the trees of a run those of one packet, each with the lines that are its own: the interrupt
// that announced it, its way through the stack, the system calls that sent or read it.
class PacketGraph {
 public:
  // `show` is given what belongs to the packet, in order.
  explicit PacketGraph(std::function<void(const GraphTree& tree)> show) : show_(std::move(show)) {}
  // 0: not known yet; nothing belongs to it.
  void set_frame_id(uint32_t frame_id) { frame_id_ = frame_id; }
  uint32_t frame_id() const { return frame_id_; }

  void Add(const GraphTree& tree);
  bool empty() const { return !shown_; }
  // What became of it: "delivered: 30 B of UDP to port 53 (frame 4)", "dropped: ...", "sent", or,
  // of one that no event has settled, which function had it last.
  std::string fate() const;

 private:
  void Show(const GraphTree& tree);
  void AddSyscallEvent(const GraphTree& tree);
  void AddFates(const GraphTree& tree);

  std::function<void(const GraphTree& tree)> show_;
  uint32_t frame_id_ = 0;
  bool shown_ = false;
  SimTime arrived_ = SimTime::Never();  // its last bit, where it came by wire
  SimTime last_shown_;
  GraphTree interrupt_;                     // the last one; no lines: none since
  std::vector<GraphTree> syscalls_;         // that have begun
  std::vector<uint64_t> reported_threads_;  // whose system call is part of the packet's way
  std::string settled_;                     // the text of its last delivery or drop
  TraceKind fate_ = TraceKind::kCount;      // kDeliver, kDrop, kNicDrop, kWireTx
  PathFunction last_function_ = PathFunction::kCount;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_FUNCTION_GRAPH_H_
