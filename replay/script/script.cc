#include "replay/script/script.h"

#include <type_traits>

#include "absl/strings/str_cat.h"

namespace tapedeck {
namespace {

absl::Status Invalid(std::string_view what) {
  return absl::InvalidArgumentError(absl::string_view(what.data(), what.size()));
}

absl::Status CheckFd(int32_t fd) {
  if (fd >= kFdNone && fd <= kFdMax) return absl::OkStatus();
  return Invalid(absl::StrCat("descriptor ", fd, " is not in ", kFdNone, "..", kFdMax));
}

absl::Status CheckLength(uint32_t length_bytes) {
  if (length_bytes <= kTransferBytesMax) return absl::OkStatus();
  return Invalid(absl::StrCat("length ", length_bytes, " is above ", kTransferBytesMax));
}

absl::Status CheckAddress(const AddressArgument& address) {
  const bool has_family = address.endpoint.address.family() != AddressFamily::kNone;
  const bool is_given = address.kind == AddressArgument::Kind::kGiven;
  if (is_given && !has_family) return Invalid("a given address has no family");
  if (!is_given && address.endpoint != Endpoint()) {
    return Invalid("an address that is not given has a value");
  }
  if (address.length_bytes.has_value() && address.length_bytes == address.RightLengthBytes()) {
    return Invalid("the right length of an address is spelled out");
  }
  return absl::OkStatus();
}

absl::Status CheckFdAndAddress(int32_t fd, const AddressArgument& address) {
  if (absl::Status status = CheckFd(fd); !status.ok()) return status;
  return CheckAddress(address);
}

absl::Status CheckTransfer(int32_t fd, uint32_t length_bytes, const AddressArgument& address) {
  if (absl::Status status = CheckLength(length_bytes); !status.ok()) return status;
  return CheckFdAndAddress(fd, address);
}

absl::Status CheckCall(const SocketCall& call, const CallStep& step) {
  if (step.expected.has_value() && *step.expected != call.fd) {
    return Invalid(absl::StrCat("socket returns ", *step.expected, " but is called ", call.fd));
  }
  return CheckFd(call.fd);
}
absl::Status CheckCall(const BindCall& call, const CallStep&) {
  return CheckFdAndAddress(call.fd, call.address);
}
absl::Status CheckCall(const ConnectCall& call, const CallStep&) {
  return CheckFdAndAddress(call.fd, call.address);
}
absl::Status CheckCall(const SendtoCall& call, const CallStep&) {
  return CheckTransfer(call.fd, call.length_bytes, call.address);
}
absl::Status CheckCall(const RecvfromCall& call, const CallStep&) {
  return CheckTransfer(call.fd, call.length_bytes, call.address);
}
absl::Status CheckCall(const PollCall& call, const CallStep&) {
  if (call.entries.size() > kPollEntriesMax) {
    return Invalid(absl::StrCat(call.entries.size(), " poll entries, at most ", kPollEntriesMax));
  }
  for (const PollEntry& entry : call.entries) {
    if (absl::Status status = CheckFd(entry.fd); !status.ok()) return status;
  }
  return absl::OkStatus();
}
absl::Status CheckCall(const CloseCall& call, const CallStep&) { return CheckFd(call.fd); }

absl::Status CheckResult(const CallStep& step) {
  if (step.expected.has_value() && *step.expected < -1) {
    return Invalid(absl::StrCat("expected result ", *step.expected, " is below -1"));
  }
  const bool fails = step.expected == -1;
  if (fails && (step.expected_errno < 0 || step.expected_errno > kErrnoMax)) {
    return Invalid(absl::StrCat("errno ", step.expected_errno, " is not in 1..", kErrnoMax));
  }
  if (!fails && step.expected_errno != 0) return Invalid("an errno without a result of -1");
  if (step.returns_after.has_value() && *step.returns_after > kScriptDurationMax) {
    return Invalid("a call returns later than a script may last");
  }
  return absl::OkStatus();
}

absl::Status CheckWhat(const PauseStep&) { return absl::OkStatus(); }

absl::Status CheckWhat(const FrameStep& frame) {
  if (frame.bytes.size() <= kFrameBytesMax) return absl::OkStatus();
  return Invalid(
      absl::StrCat("a frame of ", frame.bytes.size(), " bytes, at most ", kFrameBytesMax));
}

absl::Status CheckWhat(const PacketStep&) { return absl::OkStatus(); }
absl::Status CheckWhat(const SyscallStep&) { return absl::OkStatus(); }
absl::Status CheckWhat(const CommandStep&) { return absl::OkStatus(); }
absl::Status CheckWhat(const CodeStep&) { return absl::OkStatus(); }

absl::Status CheckWhat(const CallStep& step) {
  if (absl::Status status = CheckResult(step); !status.ok()) return status;
  return std::visit([&step](const auto& call) { return CheckCall(call, step); }, step.call);
}

}  // namespace

std::optional<int32_t> AddressArgument::RightLengthBytes() const {
  switch (kind) {
    case Kind::kNull:
      return 0;
    case Kind::kDefault:
      return std::nullopt;
    case Kind::kGiven:
      break;
  }
  return endpoint.address.is_v4() ? kSockaddrInBytes : kSockaddrIn6Bytes;
}

absl::Status ValidateStep(const Step& step) {
  if (step.host >= kHostsMax) {
    return Invalid(absl::StrCat("host ", static_cast<int>(step.host), " is not in 0..",
                                static_cast<int>(kHostsMax) - 1));
  }
  return std::visit([](const auto& what) { return CheckWhat(what); }, step.what);
}

absl::Status ValidateScript(const Script& script) {
  if (script.steps.size() > kStepsMax) {
    return Invalid(absl::StrCat(script.steps.size(), " steps, at most ", kStepsMax));
  }
  Duration duration;
  for (size_t i = 0; i < script.steps.size(); ++i) {
    const Step& step = script.steps[i];
    duration += step.delay;
    absl::Status status =
        duration > kScriptDurationMax ? Invalid("later than 100 days") : ValidateStep(step);
    if (!status.ok()) return Invalid(absl::StrCat("step ", i + 1, ": ", status.message()));
  }
  return absl::OkStatus();
}

}  // namespace tapedeck
