#include "replay/lab/fault_steps.h"

#include <algorithm>
#include <cstring>
#include <variant>

#include "absl/strings/str_cat.h"
#include "stack/core/net.h"

namespace tapedeck {
namespace {

nic::Nic82599& NicOf(Lab& lab, const Step& step) {
  return lab.nic(step.host, step.nic % lab.nics(step.host));
}

bool IsLie(const nic::Fault& fault) {
  switch (fault.point) {
    case nic::FaultPoint::kMessage:
    case nic::FaultPoint::kWire:
      return false;
    case nic::FaultPoint::kRxFetch:
    case nic::FaultPoint::kTxFetch:
      return fault.kind != nic::FaultKind::kDelay;
    case nic::FaultPoint::kRxWriteBack:
    case nic::FaultPoint::kTxWriteBack:
      return fault.kind == nic::FaultKind::kRepeat || fault.kind == nic::FaultKind::kChange;
  }
  return true;
}

}  // namespace

absl::Status DoSysctl(Host& host, const SysctlStep& step) {
  const int error = host.kernel().sysctl().Write(step.path, step.value);
  if (error == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      absl::StrCat(step.path, "=", step.value, ": ", std::strerror(-error)));
}

void DoAllocationFailure(Host& host, const AllocationFailureStep& step) {
  switch (step.kind) {
    case AllocationFailureStep::Kind::kSlab:
      return host.FailSlab(step.nth);
    case AllocationFailureStep::Kind::kPage:
      return host.kernel().FailPage(step.nth);
    case AllocationFailureStep::Kind::kSkb:
      return host.network().skbuff_cache.FailNth(step.nth);
  }
}

void DoCpuBusy(Host& host, const CpuBusyStep& step, SimTime at) {
  Cpu& cpu = host.kernel().cpu(step.cpu % host.kernel().cpus());
  cpu.Stall((at - cpu.now()) + step.duration);
}

void DoLink(Lab& lab, const Step& step, const LinkStep& link, SimTime at) {
  NicOf(lab, step).SetCable(at, link.up);
}

void DoNicRegister(Lab& lab, const Step& step, const NicRegisterStep& what, SimTime at) {
  nic::Nic82599& nic = NicOf(lab, step);
  uint32_t value = what.value;
  if (what.action != NicRegisterStep::Action::kWrite) {
    const uint32_t present = nic.ReadFromOutside(at, what.offset);
    if (what.action == NicRegisterStep::Action::kRead) return;
    if (what.action == NicRegisterStep::Action::kSet) value = present | what.value;
    if (what.action == NicRegisterStep::Action::kClear) value = present & ~what.value;
    if (what.action == NicRegisterStep::Action::kFlip) value = present ^ what.value;
  }
  nic.WriteFromOutside(at, what.offset, value);
}

void DoNicFault(Lab& lab, const Step& step, const NicFaultStep& what) {
  if (what.fault.point != nic::FaultPoint::kWire) return NicOf(lab, step).Plant(what.fault);
  if (Link* const link = lab.link(step.host); link != nullptr) link->Plant(what.fault);
}

void DoSpuriousInterrupt(Lab& lab, const Step& step, const SpuriousInterruptStep& what,
                         SimTime at) {
  NicOf(lab, step).SendSpuriousMessage(at, what.vector);
}

void EndFaults(Lab& lab) {
  for (int host = 0; host < lab.hosts(); ++host) {
    for (int nic = 0; nic < lab.nics(host); ++nic) lab.nic(host, nic).ForgetFaults();
    lab.host(host).FailSlab(0);
    lab.host(host).kernel().FailPage(0);
    lab.host(host).network().skbuff_cache.FailNth(0);
  }
}

bool HasLyingNic(const Script& script) {
  return std::any_of(script.steps.begin(), script.steps.end(), [](const Step& step) {
    if (const auto* const written = std::get_if<NicRegisterStep>(&step.what)) {
      return written->action != NicRegisterStep::Action::kRead;
    }
    const auto* const planted = std::get_if<NicFaultStep>(&step.what);
    return planted != nullptr && IsLie(planted->fault);
  });
}

}  // namespace tapedeck
