// The only kind of input: an ordered list of timed steps. A capture, a test by hand, a fuzz input,
// a recording and a crash are all Scripts, in three spellings (text.h, bytes.h, capture_source.h)
// that convert into each other as far as each can carry the content.
//
// Time is relative: a step happens `delay` after the one before it began. Hosts are numbered from
// 0. Descriptors have the script's own names: whatever a host's `socket` really returns is known by
// SyscallStep::fd from then on, so that taking a step out does not rename what the others use.
#ifndef TAPEDECK_REPLAY_SCRIPT_SCRIPT_H_
#define TAPEDECK_REPLAY_SCRIPT_SCRIPT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "replay/script/code.h"
#include "replay/script/command.h"
#include "replay/script/fault_step.h"
#include "replay/script/options.h"
#include "replay/script/packet_step.h"
#include "replay/script/segment_step.h"
#include "replay/script/syscall_step.h"
#include "stack/base/time.h"

namespace tapedeck {

// --- Bounds of a well-formed Script; ValidateScript() checks them ---

inline constexpr size_t kStepsMax = size_t{1} << 22;
// Far below the range of SimTime, so that timers armed by the last step still fit behind it.
inline constexpr Duration kScriptDurationMax = Duration::Seconds(100 * 86'400);
inline constexpr uint8_t kHostsMax = 16;
inline constexpr uint8_t kNicsMax = 16;  // of one host
// Above the longest frame the 82599 takes (15.5 KiB), so that its limit can be tested.
inline constexpr size_t kFrameBytesMax = 16 * 1024;
inline constexpr int32_t kFdMax = 1023;
inline constexpr size_t kPollEntriesMax = 16;
inline constexpr size_t kMessagesMax = 64;  // of one sendmmsg or recvmmsg
// Of one buffer of a call, or of all pieces of one together: what the largest socket buffers of the
// kernel's tests hold.
inline constexpr uint32_t kTransferBytesMax = 1U << 22;
inline constexpr int32_t kErrnoMax = 4095;  // MAX_ERRNO, include/linux/err.h

// Integers are Linux's values on x86-64 and arm64: AF_INET is 2, whatever the machine that runs us.
inline constexpr int32_t kSockaddrInBytes = 16;   // struct sockaddr_in
inline constexpr int32_t kSockaddrIn6Bytes = 28;  // struct sockaddr_in6

// --- Steps ---

// Time passes and nothing else.
struct PauseStep {
  friend bool operator==(const PauseStep&, const PauseStep&) = default;
};

// A frame whose first bit reaches a host's NIC. Without preamble and FCS.
struct FrameStep {
  std::vector<uint8_t> bytes;
  bool bad_fcs = false;  // its frame check sequence is wrong
  // Before it enters, the checksums of all layers that can be found are made right
  // (wire::RepairChecksums). For fuzzers: a mutated frame gets past the checks, which stay in the
  // stack; without the flag the frame goes in as it is.
  bool repair_checksums = false;

  friend bool operator==(const FrameStep&, const FrameStep&) = default;
};

// From when the time of a step counts.
enum class TimeBase : uint8_t {
  // "+0.1": from the step before: when it began, and of a packet that the stack sent, when that was
  // seen.
  kStepBefore,
  // "0.1": from the start of the script. Only behind a PacketStep that is outbound: else the parser
  // works out what it is from the step before, which is the same.
  kStart,
  // "*": any time; of outbound packets only. `delay` is 0.
  kAny,
};

struct Step {
  Duration delay;
  TimeBase base = TimeBase::kStepBefore;
  // "+0.1~+0.2", "0.1~0.2": the packet is seen within this long of `delay`. Of outbound packets
  // only.
  std::optional<Duration> range = std::nullopt;
  uint8_t host = 0;
  // Which of the host's NICs a frame reaches or a fault is in.
  uint8_t nic = 0;
  std::variant<PauseStep, FrameStep, PacketStep, SyscallStep, CommandStep, CodeStep, SegmentStep,
               LinkStep, NicRegisterStep, NicFaultStep, SpuriousInterruptStep,
               AllocationFailureStep, SysctlStep, CpuBusyStep, SnapshotStep>
      what = {};
  uint32_t line = 0;  // where it stands in its text, from 1; 0: nowhere. For messages; not content

  friend bool operator==(const Step& a, const Step& b) {
    return a.delay == b.delay && a.base == b.base && a.range == b.range && a.host == b.host &&
           a.nic == b.nic && a.what == b.what;
  }
};

struct Script {
  ScriptOptions options;
  // "`...`" before the first step, without a time: runs before the script's time begins.
  std::optional<CommandStep> init;
  std::vector<Step> steps;
  // The same behind the last step: runs at the end, whatever the verdict.
  std::optional<CommandStep> cleanup;

  friend bool operator==(const Script&, const Script&) = default;
};

// --- Well-formedness ---

// What a well-formed Script is, in one place. The parser, the decoder and every mutation make only
// such Scripts; the printer, the encoder and the player rely on it. An error names the step by its
// number from 1: "step 3: descriptor 2000 is not in -1..1023".
absl::Status ValidateScript(const Script& script);
// The same for one step, without its number.
absl::Status ValidateStep(const Step& step);

// A packet that the stack must send.
bool IsOutboundPacket(const Step& step);

// What is known of the time when the steps of a script happen, step after step.
class StepClock {
 public:
  StepClock() = default;
  // Of steps from the middle of a script, of which nothing is known.
  static StepClock InTheMiddle() {
    StepClock clock;
    clock.is_known_ = clock.is_exact_ = false;
    return clock;
  }

  // When the last step began, from the start of the script. After a packet of the stack, whose time
  // is what it turns out to be, it is what the script says.
  Duration now() const { return now_; }
  // No "*" so far.
  bool is_known() const { return is_known_; }
  // No packet of the stack so far: now() will not turn out to be anything else.
  bool is_exact() const { return is_exact_; }

  // Goes on to `step`; or says why it cannot come next.
  absl::Status Add(const Step& step);

 private:
  Duration now_;
  Duration busy_;  // of all CPUs together: their time runs ahead so far
  bool is_known_ = true;
  bool is_exact_ = true;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SCRIPT_H_
