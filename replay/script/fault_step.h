// What a script does to a host from outside beside packets and system calls: faults, settings, and
// time that the host does not get. Each is about Step::host, those of a device about Step::nic.
#ifndef TAPEDECK_REPLAY_SCRIPT_FAULT_STEP_H_
#define TAPEDECK_REPLAY_SCRIPT_FAULT_STEP_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "nicmodel/fault.h"
#include "stack/base/time.h"

namespace tapedeck {

// The NIC's cable is pulled out, or plugged in again.
struct LinkStep {
  bool up = false;

  friend bool operator==(const LinkStep&, const LinkStep&) = default;
};

// Somebody other than the driver reads or writes a register of the NIC (BAR0).
struct NicRegisterStep {
  enum class Action : uint8_t {
    kWrite,  // `value`
    kRead,   // which clears counters and causes
    kSet,    // the bits of `value`; these three read first
    kClear,
    kFlip,
  };
  static constexpr uint8_t kActions = static_cast<uint8_t>(Action::kFlip) + 1;
  Action action = Action::kWrite;
  uint32_t offset = 0;  // a multiple of 4 below nic::kRegisterBytes
  uint32_t value = 0;   // 0 of kRead

  friend bool operator==(const NicRegisterStep&, const NicRegisterStep&) = default;
};

// Something will go wrong: in the NIC, or, FaultPoint::kWire, on the link that leads away from it.
struct NicFaultStep {
  nic::Fault fault;

  friend bool operator==(const NicFaultStep&, const NicFaultStep&) = default;
};

// The NIC sends an interrupt message for which there is no cause.
struct SpuriousInterruptStep {
  static constexpr uint8_t kVectorsMax = 64;
  uint8_t vector = 0;  // below kVectorsMax

  friend bool operator==(const SpuriousInterruptStep&, const SpuriousInterruptStep&) = default;
};

// An allocation of the host's kernel will fail, as Linux's fault injection has it
// (Documentation/fault-injection).
struct AllocationFailureStep {
  enum class Kind : uint8_t {
    kSlab,  // failslab: an object of a kmem_cache, sk_buffs among them
    kPage,  // fail_page_alloc: a buffer for packets
    kSkb,   // fail_skb_realloc's neighbour: an sk_buff
  };
  static constexpr uint8_t kKinds = static_cast<uint8_t>(Kind::kSkb) + 1;
  Kind kind = Kind::kSlab;
  uint32_t nth = 1;  // 1: the next of its kind; not 0

  friend bool operator==(const AllocationFailureStep&, const AllocationFailureStep&) = default;
};

// A setting is written: `path` below /proc/sys.
struct SysctlStep {
  std::string path;   // "net/ipv4/tcp_sack"
  std::string value;  // "0"; printable, without quotes

  friend bool operator==(const SysctlStep&, const SysctlStep&) = default;
};

// One of the host's CPUs does something else, and takes no interrupt before that is over: firmware
// in system management mode, a hypervisor that runs another guest. What polls and timers should
// have done by then comes late.
struct CpuBusyStep {
  static constexpr uint8_t kCpusMax = 16;
  uint8_t cpu = 0;  // below kCpusMax
  Duration duration;

  friend bool operator==(const CpuBusyStep&, const CpuBusyStep&) = default;
};

// The state of the whole Lab is kept, or is again what it was when it was kept last: what lies
// between has never happened, and the next steps count from that moment. While a system call is
// under way nothing is kept.
struct SnapshotStep {
  enum class Action : uint8_t { kSave, kRestore };
  Action action = Action::kSave;

  friend bool operator==(const SnapshotStep&, const SnapshotStep&) = default;
};

// What a well-formed one is (ValidateStep).
absl::Status CheckWhat(const LinkStep&);
absl::Status CheckWhat(const NicRegisterStep& step);
absl::Status CheckWhat(const NicFaultStep& step);
absl::Status CheckWhat(const SpuriousInterruptStep& step);
absl::Status CheckWhat(const AllocationFailureStep& step);
absl::Status CheckWhat(const SysctlStep& step);
absl::Status CheckWhat(const CpuBusyStep& step);
absl::Status CheckWhat(const SnapshotStep&);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_FAULT_STEP_H_
