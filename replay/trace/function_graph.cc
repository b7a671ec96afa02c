#include "replay/trace/function_graph.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/trace/event_text.h"
#include "stack/base/check.h"
#include "stack/kernel/kernel.h"

namespace tapedeck {

namespace {

// Whether an event's first argument is a frame's id.
bool IsOfFrame(TraceKind kind) {
  switch (kind) {
    case TraceKind::kWireRx:
    case TraceKind::kWireTx:
    case TraceKind::kDrop:
    case TraceKind::kDeliver:
    case TraceKind::kForward:
    case TraceKind::kNicDrop:
      return true;
    default:
      return false;
  }
}

// Events that the functions around them tell of anyway.
bool IsTold(TraceKind kind) {
  switch (kind) {
    case TraceKind::kInterrupt:
    case TraceKind::kNapiPoll:
    case TraceKind::kSoftirq:
    case TraceKind::kTimer:
    case TraceKind::kStateDigest:
      return true;
    default:
      return false;
  }
}

bool IsOfSyscall(TraceKind kind) {
  return kind == TraceKind::kSyscallEnter || kind == TraceKind::kSyscallExit;
}

// What an event says of where its frame is at last.
bool IsFate(TraceKind kind) { return IsOfFrame(kind) && kind != TraceKind::kWireRx; }

}  // namespace

void FunctionGraph::Enter(Cpu& cpu, PathFunction function, uint32_t frame_id) {
  if (open_.empty()) {
    const Kernel& kernel = cpu.kernel();
    const Thread* const thread = cpu.current();
    tree_.host = static_cast<uint8_t>(kernel.host());
    tree_.cpu = static_cast<uint8_t>(cpu.id());
    tree_.cpu_hz = kernel.costs().cpu_hz;
    tree_.thread = thread == nullptr ? 0 : static_cast<uint64_t>(thread->tid());
    tree_.lines.clear();
    cpu_ = &cpu;
  }
  GraphLine line;
  line.is_call = true;
  line.context = cpu.context();
  line.frame_id = frame_id;
  line.begin = cpu.now();
  line.function = function;
  line.depth = static_cast<uint16_t>(open_.size());
  open_.push_back(static_cast<uint32_t>(tree_.lines.size()));
  tree_.lines.push_back(std::move(line));
}

void FunctionGraph::Leave(Cpu& cpu, PathFunction function) {
  CHECK(!open_.empty());
  GraphLine& line = tree_.lines[open_.back()];
  CHECK(line.function == function);
  line.end = cpu.now();
  line.end_line = static_cast<uint32_t>(tree_.lines.size());
  open_.pop_back();
  if (!open_.empty()) return;
  done_(tree_);
  for (const GraphTree& late : std::exchange(late_, {})) done_(late);
}

void FunctionGraph::Observe(uint64_t, const TraceEvent& event, const FrameLedger&) {
  if (IsTold(event.kind)) return;
  GraphLine line;
  line.begin = line.end = event.time;
  line.event = event.kind;
  line.text = EventText(event);
  if (IsOfFrame(event.kind)) line.frame_id = static_cast<uint32_t>(event.args[0]);
  if (IsOfSyscall(event.kind)) line.thread = event.args[3];
  // What a device does while a CPU's call is open happens at another time than the CPU's.
  if (!open_.empty() && event.host == tree_.host && event.time == cpu_->now()) {
    line.context = cpu_->context();
    line.depth = static_cast<uint16_t>(open_.size());
    line.end_line = static_cast<uint32_t>(tree_.lines.size() + 1);
    tree_.lines.push_back(std::move(line));
    return;
  }
  line.end_line = 1;
  outside_.host = event.host;
  outside_.cpu = event.cpu;
  outside_.lines.assign(1, std::move(line));
  if (!open_.empty() && event.time >= tree_.lines[0].begin) {
    late_.push_back(outside_);
  } else {
    done_(outside_);
  }
}

std::vector<bool> LinesOfPacket(const GraphTree& tree, uint32_t frame_id) {
  const std::vector<GraphLine>& lines = tree.lines;
  std::vector<bool> shown(lines.size());
  if (frame_id == 0) return shown;
  const auto any = [&](uint32_t i, auto&& condition) {
    return std::any_of(lines.begin() + i, lines.begin() + lines[i].end_line, condition);
  };
  const auto own = [&](const GraphLine& line) { return line.frame_id == frame_id; };
  const auto of_others = [&](const GraphLine& line) {
    return line.frame_id != 0 && line.frame_id != frame_id;
  };
  if (std::none_of(lines.begin(), lines.end(), own)) return shown;
  for (uint32_t i = 0; i < lines.size();) {
    if (lines[i].frame_id != frame_id && any(i, own)) {
      // Calls on the way to it; those within are judged one by one.
      shown[i++] = true;
      continue;
    }
    const bool whole = lines[i].frame_id == frame_id || !any(i, of_others);
    std::fill(shown.begin() + i, shown.begin() + lines[i].end_line, whole);
    i = lines[i].end_line;
  }
  return shown;
}

void PacketGraph::Show(const GraphTree& tree) {
  shown_ = true;
  last_shown_ = tree.lines.back().is_call ? tree.lines[0].end : tree.lines.back().begin;
  show_(tree);
}

void PacketGraph::AddFates(const GraphTree& tree) {
  for (const GraphLine& line : tree.lines) {
    if (line.frame_id != frame_id_) continue;
    if (line.is_call) {
      last_function_ = line.function;
      continue;
    }
    if (!IsFate(line.event)) continue;
    // A copy that somebody dropped does not undo a delivery.
    if (fate_ == TraceKind::kDeliver && line.event != TraceKind::kDeliver) continue;
    // That a forwarded packet leaves says no more than that it was forwarded.
    if (fate_ == TraceKind::kForward && line.event == TraceKind::kWireTx) continue;
    settled_ = line.text;
    fate_ = line.event;
  }
}

std::string PacketGraph::fate() const {
  switch (fate_) {
    case TraceKind::kDeliver:
      return absl::StrCat("delivered: ", settled_);
    case TraceKind::kForward:
      return absl::StrCat("forwarded: ", settled_);
    case TraceKind::kDrop:
    case TraceKind::kNicDrop:
      return settled_;
    case TraceKind::kWireTx:
      return "sent";
    default:
      break;
  }
  if (last_function_ == PathFunction::kCount) return "on its way";
  return absl::StrCat("left to ", PathFunctionName(last_function_), "()");
}

// A system call is shown with what it did for the packet: its begin is kept until then.
void PacketGraph::AddSyscallEvent(const GraphTree& tree) {
  const GraphLine& line = tree.lines[0];
  std::erase_if(syscalls_, [&](const GraphTree& begun) {
    return begun.host == tree.host && begun.lines[0].thread == line.thread;
  });
  if (line.event == TraceKind::kSyscallEnter) {
    syscalls_.push_back(tree);
    return;
  }
  const uint64_t key = line.thread << 8 | tree.host;
  if (std::erase(reported_threads_, key) != 0) Show(tree);
}

void PacketGraph::Add(const GraphTree& tree) {
  if (tree.lines.empty()) return;
  const GraphLine& first = tree.lines[0];
  // A call may wait for the packet since before that was known.
  if (!first.is_call && IsOfSyscall(first.event)) return AddSyscallEvent(tree);
  if (frame_id_ == 0) return;
  const std::vector<bool> own = LinesOfPacket(tree, frame_id_);
  if (std::find(own.begin(), own.end(), true) == own.end()) {
    // Perhaps what announces it.
    if (first.context == Context::kHardirq && arrived_ <= first.begin) interrupt_ = tree;
    return;
  }
  AddFates(tree);
  if (!first.is_call && first.event == TraceKind::kWireRx) arrived_ = first.begin;
  if (first.context == Context::kSoftirq) {
    if (!interrupt_.lines.empty()) Show(std::exchange(interrupt_, {}));
    arrived_ = SimTime::Never();
  }
  if (first.context == Context::kTask && first.is_call) {
    const auto begun = std::find_if(syscalls_.begin(), syscalls_.end(), [&](const GraphTree& it) {
      return it.host == tree.host && it.lines[0].thread == tree.thread;
    });
    if (begun != syscalls_.end()) {
      if (begun->lines[0].begin >= last_shown_) Show(*begun);
      reported_threads_.push_back(tree.thread << 8 | tree.host);
      syscalls_.erase(begun);
    }
  }
  GraphTree part{tree.host, tree.cpu, tree.cpu_hz, tree.thread, {}};
  std::vector<uint32_t> ends;  // lines of `part` before each line of `tree`
  for (size_t i = 0; i < tree.lines.size(); ++i) {
    ends.push_back(static_cast<uint32_t>(part.lines.size()));
    if (own[i]) part.lines.push_back(tree.lines[i]);
  }
  ends.push_back(static_cast<uint32_t>(part.lines.size()));
  for (GraphLine& line : part.lines) line.end_line = ends[line.end_line];
  Show(part);
}

}  // namespace tapedeck
