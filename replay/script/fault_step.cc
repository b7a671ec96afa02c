#include "replay/script/fault_step.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "nicmodel/register_names.h"
#include "replay/script/absl_view.h"
#include "replay/script/script.h"

namespace tapedeck {
namespace {

constexpr size_t kSysctlBytesMax = 4096;

// What may stand between quotes, as it is.
bool IsPlainText(std::string_view text) {
  return text.size() <= kSysctlBytesMax && std::all_of(text.begin(), text.end(), [](char c) {
           return c >= ' ' && c <= '~' && c != '"' && c != '\\';
         });
}

}  // namespace

absl::Status CheckWhat(const LinkStep&) { return absl::OkStatus(); }
absl::Status CheckWhat(const SnapshotStep&) { return absl::OkStatus(); }

absl::Status CheckWhat(const NicRegisterStep& step) {
  if (step.offset % sizeof(uint32_t) != 0 || step.offset >= nic::kRegisterBytes) {
    return Invalid(absl::StrCat("no register at ", absl::Hex(step.offset)));
  }
  if (step.action == NicRegisterStep::Action::kRead && step.value != 0) {
    return Invalid("a value beside a read");
  }
  return absl::OkStatus();
}

absl::Status CheckWhat(const NicFaultStep& step) {
  const nic::Fault& fault = step.fault;
  if (!nic::IsFault(fault.point, fault.kind)) return Invalid("a fault that cannot be there");
  if (fault.nth == 0) return Invalid("a fault that never comes");
  if (fault.delay > kScriptDurationMax) return Invalid("a fault that lasts over 100 days");
  const bool changes = fault.kind == nic::FaultKind::kChange;
  const bool waits = fault.kind == nic::FaultKind::kDelay || fault.kind == nic::FaultKind::kRepeat;
  if (!changes && (fault.word != 0 || fault.flip != 0)) return Invalid("bits beside no change");
  if (!waits && fault.delay != Duration()) return Invalid("a time beside no delay");
  return absl::OkStatus();
}

absl::Status CheckWhat(const SpuriousInterruptStep& step) {
  if (step.vector < SpuriousInterruptStep::kVectorsMax) return absl::OkStatus();
  return Invalid(absl::StrCat("interrupt vector ", static_cast<int>(step.vector)));
}

absl::Status CheckWhat(const AllocationFailureStep& step) {
  return step.nth != 0 ? absl::OkStatus() : Invalid("a failure that never comes");
}

absl::Status CheckWhat(const SysctlStep& step) {
  if (step.path.empty() || step.path.find('=') != std::string::npos || !IsPlainText(step.path)) {
    return Invalid("no path of a setting");
  }
  return IsPlainText(step.value) ? absl::OkStatus() : Invalid("no plain text for a setting");
}

absl::Status CheckWhat(const CpuBusyStep& step) {
  if (step.cpu >= CpuBusyStep::kCpusMax) {
    return Invalid(absl::StrCat("CPU ", static_cast<int>(step.cpu)));
  }
  if (step.duration > kScriptDurationMax) return Invalid("a CPU that is busy for over 100 days");
  return absl::OkStatus();
}

}  // namespace tapedeck
