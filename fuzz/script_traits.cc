#include "fuzz/script_traits.h"

#include <cstdint>
#include <variant>

#include "fuzz/frame_words.h"
#include "fuzz/segment_view.h"
#include "replay/lab/fault_steps.h"
#include "replay/script/symbols.h"
#include "stack/tcp/tcp_uapi.h"

namespace tapedeck::fuzz {

namespace {

// Closed sockets, too, send again until TCP_USER_TIMEOUT is over.
bool SaysHowLongItTries(const SyscallStep& call) {
  return call.name == SyscallName::kSetsockopt && call.arguments[1].value == kSolTcp &&
         call.arguments[2].value == kTcpUserTimeout;
}

// A line for each kind of step that says something.
struct TraitsVisitor {
  ScriptTraits& traits;

  void operator()(const FrameStep& frame) const {
    SegmentView segment;
    traits.sends_other_bytes |=
        FindSegment(PaddedFrame(frame.bytes).bytes(), &segment) != Carries::kOther;
  }
  void operator()(const SegmentStep& segment) const {
    traits.sends_other_bytes |= (segment.wrong & SegmentStep::kWrongDataOffset) != 0;
  }
  void operator()(const SyscallStep& call) const {
    traits.changes_settings |= SaysHowLongItTries(call);
    if (call.name != SyscallName::kSocket) return;
    const int64_t type = call.arguments[1].value & kSockTypeMask;
    traits.makes_headers |= type != kSockStream && type != kSockDgram;
  }
  void operator()(const NicRegisterStep&) const { traits.interrupts_held_up = true; }
  void operator()(const NicFaultStep&) const { traits.interrupts_held_up = true; }
  void operator()(const CpuBusyStep&) const { traits.interrupts_held_up = true; }
  void operator()(const LinkStep&) const { traits.interrupts_held_up = true; }
  void operator()(const SnapshotStep&) const { traits.goes_back = true; }
  void operator()(const SysctlStep&) const { traits.changes_settings = true; }
  void operator()(const AllocationFailureStep&) const { traits.fails_allocations = true; }
  template <typename Other>
  void operator()(const Other&) const {}
};

}  // namespace

ScriptTraits TraitsOf(const Script& script) {
  ScriptTraits traits;
  for (const Step& step : script.steps) std::visit(TraitsVisitor{traits}, step.what);
  traits.nic_lies = traits.interrupts_held_up && HasLyingNic(script);
  return traits;
}

}  // namespace tapedeck::fuzz
