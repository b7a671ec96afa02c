// What a script does to a host from outside (replay/script/fault_step.h), done to the hosts of a
// Lab. A step of a NIC that the host does not have is one of NIC step.nic % the number it has.
#ifndef TAPEDECK_REPLAY_LAB_FAULT_STEPS_H_
#define TAPEDECK_REPLAY_LAB_FAULT_STEPS_H_

#include "absl/status/status.h"
#include "replay/lab/lab.h"
#include "replay/script/script.h"
#include "stack/base/time.h"
#include "stack/host.h"

namespace tapedeck {

// --- Of the host, whatever its devices are. ---

// FailedPrecondition: "net/ipv4/nope=1: No such file or directory".
absl::Status DoSysctl(Host& host, const SysctlStep& step);
void DoAllocationFailure(Host& host, const AllocationFailureStep& step);
// From `at` on. A CPU that the host does not have is one that it has, as with NICs.
void DoCpuBusy(Host& host, const CpuBusyStep& step, SimTime at);

// --- Of a NIC of it: `step` is the whole step, for its host and NIC. ---

void DoLink(Lab& lab, const Step& step, const LinkStep& link, SimTime at);
void DoNicRegister(Lab& lab, const Step& step, const NicRegisterStep& what, SimTime at);
void DoNicFault(Lab& lab, const Step& step, const NicFaultStep& what);
void DoSpuriousInterrupt(Lab& lab, const Step& step, const SpuriousInterruptStep& what, SimTime at);

// No fault that was planted and has not come yet comes any more, and no allocation fails.
void EndFaults(Lab& lab);

// Whether a NIC of the script's may say what is not so, or touch what is not its own: then neither
// what it touches nor what becomes of its frames says anything about the driver.
bool HasLyingNic(const Script& script);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_FAULT_STEPS_H_
