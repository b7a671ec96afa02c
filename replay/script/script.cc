#include "replay/script/script.h"

#include <span>
#include <string>
#include <type_traits>

#include "absl/strings/str_cat.h"
#include "replay/script/absl_view.h"
#include "replay/script/syscall_signature.h"

namespace tapedeck {
namespace {

absl::Status CheckFd(int32_t fd) {
  if (fd >= kFdNone && fd <= kFdMax) return absl::OkStatus();
  return Invalid(absl::StrCat("descriptor ", fd, " is not in ", kFdNone, "..", kFdMax));
}

absl::Status CheckWhat(const PauseStep&) { return absl::OkStatus(); }

absl::Status CheckWhat(const FrameStep& frame) {
  if (frame.bytes.size() <= kFrameBytesMax) return absl::OkStatus();
  return Invalid(
      absl::StrCat("a frame of ", frame.bytes.size(), " bytes, at most ", kFrameBytesMax));
}

absl::Status CheckWhat(const SegmentStep& segment) {
  if (segment.flow >= kSegmentFlowsMax) {
    return Invalid(absl::StrCat("flow ", static_cast<int>(segment.flow), ", at most ",
                                static_cast<int>(kSegmentFlowsMax - 1)));
  }
  if (segment.payload_bytes > kSegmentPayloadMax) {
    return Invalid(absl::StrCat("a segment with ", segment.payload_bytes, " bytes, at most ",
                                kSegmentPayloadMax));
  }
  if ((segment.flags & ~wire::kTcpFlagsMask) != 0) return Invalid("TCP flags beyond 12 bits");
  if ((segment.wrong & ~SegmentStep::kWrongMask) != 0) return Invalid("an unknown kind of wrong");
  if (segment.sack.size() > wire::kTcpSackBlocksMax) return Invalid("more than four SACK blocks");
  if (segment.raw_options.size() > wire::kTcpOptionsMax) return Invalid("options above 40 bytes");
  return absl::OkStatus();
}

absl::Status CheckResult(const SyscallStep& step) {
  if (step.expected.has_value() && *step.expected < -1) {
    return Invalid(absl::StrCat("expected result ", *step.expected, " is below -1"));
  }
  const bool fails = step.expected == -1;
  if (fails && (step.expected_errno < 0 || step.expected_errno > kErrnoMax)) {
    return Invalid(absl::StrCat("errno ", step.expected_errno, " is not in 1..", kErrnoMax));
  }
  if (!fails && step.expected_errno != 0) return Invalid("an errno without a result of -1");
  if (!ReturnsFd(step.name) && step.fd != kFdNone)
    return Invalid("a call that makes no descriptor");
  if (ReturnsFd(step.name) && step.expected.has_value() && *step.expected != step.fd) {
    return Invalid(absl::StrCat(std::string(NameOf(step.name)), " returns ", *step.expected,
                                " but is called ", step.fd));
  }
  if (step.returns_after.has_value() && *step.returns_after > kScriptDurationMax) {
    return Invalid("a call returns later than a script may last");
  }
  return CheckFd(step.fd);
}

absl::Status CheckArguments(const SyscallStep& step) {
  const std::string name(NameOf(step.name));
  if (!TakesArguments(step.name, step.arguments.size())) {
    return Invalid(absl::StrCat(step.arguments.size(), " arguments of ", name));
  }
  const std::span<const ArgumentKind> signature = SignatureOf(step.name);
  for (size_t i = 0; i < step.arguments.size(); ++i) {
    const std::optional<std::string> expected = WhatIsExpected(signature[i], step.arguments[i]);
    if (expected.has_value()) {
      return Invalid(absl::StrCat("argument ", i + 1, " of ", name, " is not ", *expected));
    }
  }
  return absl::OkStatus();
}

absl::Status CheckWhat(const SyscallStep& step) {
  if (absl::Status status = CheckArguments(step); !status.ok()) return status;
  return CheckResult(step);
}

absl::Status CheckIp(const IpFields& ip, bool inbound) {
  if (inbound && ip.tos_check == IpFields::TosCheck::kEct01) {
    return Invalid("ECN bits that are left open of a packet that is sent to the stack");
  }
  if (ip.flow_label.value_or(0) > 0xfffff) return Invalid("a flow label beyond 20 bits");
  return absl::OkStatus();
}

absl::Status CheckTransport(const TcpPacket& tcp, bool inbound) {
  if (tcp.source_port.has_value() != tcp.dest_port.has_value()) {
    return Invalid("one port without the other");
  }
  if (inbound && !tcp.window.has_value()) {
    return Invalid("no window of a packet that is sent to the stack");
  }
  if (inbound && !tcp.options.has_value()) {
    return Invalid("no TCP options of a packet that is sent to the stack");
  }
  const size_t bytes = tcp.options.has_value() ? TcpOptionBytes(*tcp.options).size() : 0;
  if (bytes > kTcpOptionBytesMax || bytes % 4 != 0) {
    return Invalid(absl::StrCat(bytes, " bytes of TCP options"));
  }
  return absl::OkStatus();
}

absl::Status CheckTransport(const UdpPacket& udp, bool) {
  if (udp.source_port.has_value() != udp.dest_port.has_value()) {
    return Invalid("one port without the other");
  }
  return absl::OkStatus();
}

absl::Status CheckTransport(const IcmpPacket& icmp, bool) {
  const absl::Status v4 = ResolveIcmp(icmp, AddressFamily::kIpv4).status();
  return v4.ok() ? v4 : ResolveIcmp(icmp, AddressFamily::kIpv6).status();
}

absl::Status CheckWhat(const PacketStep& packet) {
  if (absl::Status status = CheckIp(packet.ip, packet.inbound()); !status.ok()) return status;
  return std::visit([&](const auto& what) { return CheckTransport(what, packet.inbound()); },
                    packet.what);
}

// Made by their parsers alone, which check more than could be checked here.
absl::Status CheckWhat(const CommandStep&) { return absl::OkStatus(); }
absl::Status CheckWhat(const CodeStep&) { return absl::OkStatus(); }

}  // namespace

bool IsOutboundPacket(const Step& step) {
  const auto* const packet = std::get_if<PacketStep>(&step.what);
  return packet != nullptr && !packet->inbound();
}

absl::Status ValidateStep(const Step& step) {
  if (step.host >= kHostsMax) {
    return Invalid(absl::StrCat("host ", static_cast<int>(step.host), " is not in 0..",
                                static_cast<int>(kHostsMax) - 1));
  }
  if (step.nic >= kNicsMax) {
    return Invalid(absl::StrCat("NIC ", static_cast<int>(step.nic), " is not in 0..",
                                static_cast<int>(kNicsMax) - 1));
  }
  const bool is_open = step.base == TimeBase::kAny || step.range.has_value();
  if (is_open && !IsOutboundPacket(step)) {
    return Invalid("'*' and '~' are for packets that the stack sends");
  }
  if (step.base == TimeBase::kAny && (step.delay != Duration() || step.range.has_value())) {
    return Invalid("a time beside '*'");
  }
  if (step.range.value_or(Duration()) > kScriptDurationMax) {
    return Invalid("a range that is longer than a script may last");
  }
  return std::visit([](const auto& what) { return CheckWhat(what); }, step.what);
}

absl::Status StepClock::Add(const Step& step) {
  const Duration begin = step.base == TimeBase::kStart ? step.delay : now_ + step.delay;
  Duration busy = busy_;
  if (const auto* const cpu = std::get_if<CpuBusyStep>(&step.what)) busy = busy + cpu->duration;
  if (begin > kScriptDurationMax) return Invalid("later than 100 days");
  if (busy > kScriptDurationMax) return Invalid("CPUs that are busy for over 100 days in sum");
  if (step.base == TimeBase::kStart && is_exact_) {
    return Invalid("a time from the start where that from the step before is known");
  }
  if (begin < now_ && is_known_) return Invalid("before the step ahead");
  now_ = begin;
  busy_ = busy;
  is_known_ = is_known_ && step.base != TimeBase::kAny;
  is_exact_ = is_exact_ && !IsOutboundPacket(step);
  return absl::OkStatus();
}

absl::Status ValidateScript(const Script& script) {
  if (script.steps.size() > kStepsMax) {
    return Invalid(absl::StrCat(script.steps.size(), " steps, at most ", kStepsMax));
  }
  if (script.cleanup.has_value() && script.steps.empty() && !script.init.has_value()) {
    return Invalid("a command line at the end that would be the first");
  }
  StepClock clock;
  for (size_t i = 0; i < script.steps.size(); ++i) {
    absl::Status status = clock.Add(script.steps[i]);
    if (status.ok()) status = ValidateStep(script.steps[i]);
    if (!status.ok()) return Invalid(absl::StrCat("step ", i + 1, ": ", status.message()));
  }
  return absl::OkStatus();
}

}  // namespace tapedeck
