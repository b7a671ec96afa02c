#include "fuzz/mutate/new_step.h"

#include <array>
#include <optional>
#include <variant>
#include <vector>

#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/references.h"
#include "fuzz/mutate/vocabulary.h"
#include "replay/script/argument_bytes.h"
#include "replay/script/byte_record.h"
#include "replay/script/bytes.h"
#include "replay/script/call_bytes.h"
#include "replay/script/fault_bytes.h"
#include "replay/script/frame_bytes.h"
#include "replay/script/segment_bytes.h"
#include "replay/script/text_bytes.h"

namespace tapedeck::fuzz {

namespace {

NewStepKind Call(SyscallName name, uint8_t weight) {
  return {NameOf(name), weight, static_cast<uint8_t>(kCallOpBase + static_cast<uint8_t>(name)), 1,
          false};
}
constexpr NewStepKind Frame(std::string_view name, size_t place, uint8_t weight) {
  return {name, weight, static_cast<uint8_t>(kFrameOpBase + place), 1, false};
}

constexpr NewStepKind Fault(std::string_view name, uint8_t place, uint8_t weight) {
  return {name, weight, static_cast<uint8_t>(kFaultOpBase + place), 1, true};
}

uint8_t SomeOperand(Prng& random) {
  switch (random.Below(8)) {
    case 0:
    case 1:
    case 2:
      return 0;
    case 3:
      return static_cast<uint8_t>(random.Below(256));
    default:
      return static_cast<uint8_t>(random.Below(16));
  }
}

// The step that operation `op` with any operands means, if it means one.
std::optional<Step> StepOfRecord(Prng& random, uint8_t op) {
  RecordWriter writer;
  writer.U8(op);
  writer.Delay(Duration());
  const size_t operands = random.Below(14);
  for (size_t i = 0; i < operands; ++i) writer.U8(SomeOperand(random));
  writer.EndRecord();
  Script script = DecodeScript(writer.Take());
  if (script.steps.empty()) return std::nullopt;
  return std::move(script.steps[0]);
}

uint8_t SomeFlow(Prng& random, const Script& script) {
  const uint16_t flows = FlowsOf(script.steps);
  if (flows == 0 || OneIn(random, 6)) {
    return static_cast<uint8_t>(OneIn(random, 2) ? 0 : random.Below(kSegmentFlowsMax));
  }
  uint8_t flow = static_cast<uint8_t>(random.Below(kSegmentFlowsMax));
  while ((flows >> flow & 1) == 0) flow = static_cast<uint8_t>((flow + 1) % kSegmentFlowsMax);
  return flow;
}

uint8_t SomeHost(Prng& random, const Script& script) {
  return script.steps.empty() ? uint8_t{0} : Pick(random, script.steps).host;
}

}  // namespace

std::span<const NewStepKind> NewStepKinds() {
  static const std::array kKinds = {
      NewStepKind{"pause", 2, 0x00, 1, false},
      Frame("raw frame", 0, 1),
      Frame("udp frame", 1, 4),
      Frame("arp frame", 2, 2),
      Frame("icmp frame", 3, 3),
      Frame("ipv4 frame", 4, 2),
      NewStepKind{"segment", 24, kSegmentOp, 1, false},
      Fault("link", 0, 1),
      Fault("nic register", 1, 1),
      Fault("nic fault", 2, 2),
      Fault("interrupt", 3, 1),
      Fault("failing memory", 4, 2),
      Fault("sysctl", 5, 2),
      Fault("snapshot", 6, 1),
      Fault("cpu busy", 7, 1),
      NewStepKind{"statement", 12, kOpText, 1, false},
      Call(SyscallName::kSocket, 3),
      Call(SyscallName::kBind, 2),
      Call(SyscallName::kConnect, 3),
      Call(SyscallName::kSendto, 3),
      Call(SyscallName::kRecvfrom, 3),
      Call(SyscallName::kPoll, 2),
      Call(SyscallName::kClose, 3),
      Call(SyscallName::kListen, 2),
      Call(SyscallName::kAccept, 4),
      Call(SyscallName::kAccept4, 1),
      Call(SyscallName::kRead, 4),
      Call(SyscallName::kWrite, 6),
      Call(SyscallName::kRecv, 2),
      Call(SyscallName::kSend, 3),
      Call(SyscallName::kShutdown, 2),
      Call(SyscallName::kSetsockopt, 6),
      Call(SyscallName::kGetsockname, 1),
      Call(SyscallName::kGetpeername, 1),
      Call(SyscallName::kDup, 1),
  };
  return kKinds;
}

void AttachCall(Prng& random, const Script& script, size_t at, uint8_t host, SyscallStep& call) {
  std::vector<int64_t> made;
  for (const FdName& name : MadeBefore(script, at)) {
    if (name.host == host) made.push_back(name.fd);
  }
  ForEachUsedFd(call, [&](int64_t& fd) {
    if (!made.empty() && !OneIn(random, 4)) {
      fd = Pick(random, made);
    } else if (!OneIn(random, 8)) {
      fd = Pick(random, kUsualFds);
    }
  });
}

bool ChangeOption(Prng& random, SyscallStep& call) {
  const bool has_option =
      call.name == SyscallName::kSetsockopt || call.name == SyscallName::kGetsockopt;
  if (!has_option || call.arguments.size() < 3) return false;
  const SocketOption& option = Pick(random, SocketOptions());
  call.arguments[1] = SocketOptionArgument(option.level);
  call.arguments[2] = SocketOptionArgument(option.name);
  return true;
}

Step NewStep(MutationContext& context, const Script& script, size_t at) {
  Prng& random = context.random;
  const NewStepKind& kind = NewStepKinds()[PickWeighted(random, context.swarm.kinds)];
  Step step;
  step.host = SomeHost(random, script);
  if (kind.first_op == kOpText) {
    step.what = Pick(random, Vocabulary()).what;
  } else {
    const auto op = static_cast<uint8_t>(kind.first_op + random.Below(kind.ops));
    if (std::optional<Step> made = StepOfRecord(random, op); made.has_value()) {
      step.what = std::move(made->what);
    }
  }
  step.delay = SomeDelay(random);
  if (auto* const call = std::get_if<SyscallStep>(&step.what)) {
    AttachCall(random, script, at, step.host, *call);
    // Operands are mostly small numbers, and options many. Of statements some have values that only
    // their own option takes.
    if (kind.first_op != kOpText || OneIn(random, 8)) ChangeOption(random, *call);
  } else if (auto* const segment = std::get_if<SegmentStep>(&step.what)) {
    segment->flow = SomeFlow(random, script);
  }
  return step;
}

Duration SomeDelay(Prng& random) {
  // A frame's time on the wire, interrupt moderation, delayed ACKs (40 and 200 ms), the first
  // timeouts, keepalive and TIME_WAIT (60 s), the longest timeout (120 s), two hours, and the
  // half of 2^32 milliseconds.
  static constexpr uint64_t kMicroseconds[] = {
      1,          10,          100,         1'000,         10'000,           40'000,
      200'000,    400'000,     1'000'000,   3'000'000,     7'000'000,        60'000'000,
      64'000'000, 120'000'000, 600'000'000, 7'200'000'000, 2'147'483'648'000};
  if (OneIn(random, 2)) return Duration();
  // The short ones are more often what matters.
  const size_t below = OneIn(random, 4) ? std::size(kMicroseconds) : 9;
  return Duration::Microseconds(kMicroseconds[BelowSize(random, below)]);
}

}  // namespace tapedeck::fuzz
