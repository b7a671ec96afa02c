#include "replay/script/fault_bytes.h"

#include <algorithm>
#include <charconv>
#include <climits>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>

#include "nicmodel/register_names.h"
#include "nicmodel/registers.h"

namespace tapedeck {
namespace {

// As with the tables of frame_bytes.cc: append only.

enum FaultOp : uint8_t {
  kLinkOp = kFaultOpBase,
  kRegisterOp,
  kNicFaultOp,
  kInterruptOp,
  kAllocationOp,
  kSysctlOp,
  kSnapshotOp,
  kCpuBusyOp,
};
static_assert(kCpuBusyOp + 1 == kFaultOpBase + kFaultOps);

constexpr int32_t kNthList[] = {1, 2, 3, 4, 5, 6, 7, 8, 10, 16, 20, 32, 64, 100, 128, 256};

// Registers of queue 0 and vectors 0 and 1 are those that the driver uses.
constexpr int32_t kRegisterList[] = {
    nic::kEicr,
    nic::kEics,
    nic::kEims,
    nic::kEimc,
    nic::kEitr,
    nic::kEitr + 4,
    nic::kRxRing + nic::kRdt,
    nic::kTxRing + nic::kTdt,
    nic::kRxCtrl,
    nic::kDmaTxCtl,
    nic::kRxRing + nic::kRxDctl,
    nic::kTxRing + nic::kTxDctl,
    nic::kCtrl,
    nic::kAutoc,
    nic::kHlreg0,
    nic::kMaxFrs,
    nic::kFctrl,
    nic::kRxCsum,
    nic::kMrqc,
    nic::kIvar,
    nic::kIvarMisc,
    nic::kGpie,
    nic::kEiac,
    nic::kEiam,
    nic::kRxRing + nic::kRdh,
    nic::kTxRing + nic::kTdh,
    nic::kRxRing + nic::kRdlen,
    nic::kTxRing + nic::kTdlen,
    nic::kRxRing + nic::kRdbal,
    nic::kTxRing + nic::kTdbal,
    nic::kRxRing + nic::kSrrCtl,
    nic::kTxRing + nic::kTdwbal,
    nic::kRxPbSize,
    nic::kTxPbSize,
    nic::kRal,
    nic::kRal + 4,
    nic::kRdRxCtl,
    nic::kSecRxCtrl,
    nic::kVlnCtrl,
    nic::kMcstCtrl,
    nic::kStatus,
    nic::kLinks,
    nic::kEec,
};
// Single bits (INT32_MIN is bit 31), counts, and all of them.
constexpr int32_t kRegisterValueList[] = {
    0,       1,       2,       4,       8,       1 << 4,  1 << 5,  1 << 6,  1 << 7,
    1 << 8,  1 << 9,  1 << 10, 1 << 11, 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16,
    1 << 17, 1 << 18, 1 << 19, 1 << 20, 1 << 21, 1 << 22, 1 << 23, 1 << 24, 1 << 25,
    1 << 26, 1 << 27, 1 << 28, 1 << 29, 1 << 30, INT_MIN, -1,      3,       5,
    7,       15,      63,      64,      100,     0xff8,   0xffff,  1500,    2048};
constexpr int32_t kWordList[] = {2, 3, 0, 1, 4, 5, 6, 7, 8, 9, 10, 12, 16, 32, 100};

constexpr std::string_view kSysctlList[] = {
    "net/ipv4/tcp_sack",
    "net/ipv4/tcp_timestamps",
    "net/ipv4/tcp_window_scaling",
    "net/ipv4/tcp_ecn",
    "net/ipv4/tcp_fastopen",
    "net/ipv4/tcp_syncookies",
    "net/ipv4/tcp_max_syn_backlog",
    "net/ipv4/tcp_synack_retries",
    "net/ipv4/tcp_syn_retries",
    "net/ipv4/tcp_retries2",
    "net/ipv4/tcp_orphan_retries",
    "net/ipv4/tcp_fin_timeout",
    "net/ipv4/tcp_tw_reuse",
    "net/ipv4/tcp_keepalive_time",
    "net/ipv4/tcp_keepalive_intvl",
    "net/ipv4/tcp_keepalive_probes",
    "net/ipv4/tcp_moderate_rcvbuf",
    "net/ipv4/tcp_adv_win_scale",
    "net/ipv4/tcp_recovery",
    "net/ipv4/tcp_early_retrans",
    "net/ipv4/tcp_frto",
    "net/ipv4/tcp_dsack",
    "net/ipv4/tcp_reordering",
    "net/ipv4/tcp_mtu_probing",
    "net/ipv4/tcp_base_mss",
    "net/ipv4/tcp_min_snd_mss",
    "net/ipv4/tcp_notsent_lowat",
    "net/ipv4/tcp_limit_output_bytes",
    "net/ipv4/tcp_challenge_ack_limit",
    "net/ipv4/tcp_invalid_ratelimit",
    "net/ipv4/tcp_abort_on_overflow",
    "net/ipv4/tcp_slow_start_after_idle",
    "net/ipv4/tcp_no_metrics_save",
    "net/ipv4/ip_forward",
    "net/ipv4/ip_default_ttl",
    "net/ipv4/ip_no_pmtu_disc",
    "net/ipv4/ip_nonlocal_bind",
    "net/ipv4/ipfrag_time",
    "net/ipv4/ipfrag_high_thresh",
    "net/ipv4/ipfrag_low_thresh",
    "net/ipv4/ipfrag_max_dist",
    "net/ipv4/icmp_echo_ignore_all",
    "net/ipv4/icmp_ratelimit",
    "net/ipv4/icmp_ratemask",
    "net/ipv4/conf/all/rp_filter",
    "net/ipv4/conf/eth0/forwarding",
    "net/ipv4/conf/eth0/accept_local",
    "net/ipv4/conf/eth0/arp_ignore",
    "net/ipv4/conf/eth0/arp_announce",
    "net/ipv4/conf/eth0/proxy_arp",
    "net/ipv4/conf/eth0/accept_redirects",
    "net/ipv4/neigh/eth0/mcast_solicit",
    "net/ipv4/neigh/eth0/unres_qlen_bytes",
    "net/ipv6/conf/all/forwarding",
    "net/ipv6/conf/all/disable_ipv6",
    "net/ipv6/conf/eth0/disable_ipv6",
    "net/ipv6/conf/eth0/accept_ra",
    "net/ipv6/conf/eth0/hop_limit",
    "net/ipv6/conf/eth0/mtu",
    "net/ipv6/ip6frag_time",
    "net/ipv6/ip6frag_high_thresh",
    "net/ipv6/icmp/ratelimit",
    "net/ipv6/flowlabel_consistency",
    "net/core/netdev_budget",
    "net/core/netdev_budget_usecs",
    "net/core/dev_weight",
    "net/core/netdev_max_backlog",
    "net/core/somaxconn",
    "net/core/rmem_max",
    "net/core/wmem_max",
    "net/core/rmem_default",
    "net/core/wmem_default",
    "net/core/optmem_max",
};
constexpr int32_t kSettingList[] = {
    0,   1,    2,    3,    4,    5,    8,     10,  16,  60,    64,     -1,        100,     300,
    512, 1000, 1280, 1500, 4096, 7200, 65535, 128, 255, 65536, 262144, INT32_MAX, INT_MIN, 1 << 20};

// The number that `text` is written as, the way numbers are printed.
std::optional<int32_t> SettingNumber(std::string_view text) {
  int32_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return std::to_string(value) == text ? std::optional(value) : std::nullopt;
}

uint32_t ReadNth(RecordReader& reader) {
  return std::max(static_cast<uint32_t>(reader.Choice(kNthList)), 1U);
}

void WriteNth(RecordWriter& writer, uint32_t nth) {
  writer.Choice(static_cast<int32_t>(nth), kNthList);
}

Duration ReadDuration(RecordReader& reader) { return std::min(reader.Delay(), kScriptDurationMax); }

// --- Each kind of step ---

void Read(RecordReader& reader, LinkStep& step) { step.up = (reader.U8() & 1) != 0; }
void Write(RecordWriter& writer, const LinkStep& step) { writer.U8(step.up ? 1 : 0); }

void Read(RecordReader& reader, NicRegisterStep& step) {
  step.action = static_cast<NicRegisterStep::Action>(reader.U8() % NicRegisterStep::kActions);
  const auto offset = static_cast<uint32_t>(reader.Choice(kRegisterList));
  step.offset = offset % nic::kRegisterBytes & ~uint32_t{3};
  const auto value = static_cast<uint32_t>(reader.Choice(kRegisterValueList));
  if (step.action != NicRegisterStep::Action::kRead) step.value = value;
}

void Write(RecordWriter& writer, const NicRegisterStep& step) {
  writer.U8(static_cast<uint8_t>(step.action));
  writer.Choice(static_cast<int32_t>(step.offset), kRegisterList);
  writer.Choice(static_cast<int32_t>(step.value), kRegisterValueList);
}

void Read(RecordReader& reader, NicFaultStep& step) {
  nic::Fault& fault = step.fault;
  fault.point = static_cast<nic::FaultPoint>(reader.U8() % nic::kFaultPoints);
  fault.kind = static_cast<nic::FaultKind>(reader.U8() % nic::kFaultKinds);
  if (!nic::IsFault(fault.point, fault.kind)) fault.kind = nic::FaultKind::kLose;
  fault.nth = ReadNth(reader);
  if (fault.kind == nic::FaultKind::kDelay || fault.kind == nic::FaultKind::kRepeat) {
    fault.delay = ReadDuration(reader);
  } else if (fault.kind == nic::FaultKind::kChange) {
    fault.word = static_cast<uint16_t>(reader.Choice(kWordList));
    fault.flip = static_cast<uint32_t>(reader.Choice(kRegisterValueList));
  }
}

void Write(RecordWriter& writer, const NicFaultStep& step) {
  const nic::Fault& fault = step.fault;
  writer.U8(static_cast<uint8_t>(fault.point));
  writer.U8(static_cast<uint8_t>(fault.kind));
  WriteNth(writer, fault.nth);
  if (fault.kind == nic::FaultKind::kDelay || fault.kind == nic::FaultKind::kRepeat) {
    writer.Delay(fault.delay);
  } else if (fault.kind == nic::FaultKind::kChange) {
    writer.Choice(fault.word, kWordList);
    writer.Choice(static_cast<int32_t>(fault.flip), kRegisterValueList);
  }
}

void Read(RecordReader& reader, SpuriousInterruptStep& step) {
  step.vector = reader.U8() % SpuriousInterruptStep::kVectorsMax;
}
void Write(RecordWriter& writer, const SpuriousInterruptStep& step) { writer.U8(step.vector); }

void Read(RecordReader& reader, AllocationFailureStep& step) {
  step.kind = static_cast<AllocationFailureStep::Kind>(reader.U8() % AllocationFailureStep::kKinds);
  step.nth = ReadNth(reader);
}
void Write(RecordWriter& writer, const AllocationFailureStep& step) {
  writer.U8(static_cast<uint8_t>(step.kind));
  WriteNth(writer, step.nth);
}

void Read(RecordReader& reader, SysctlStep& step) {
  step.path = kSysctlList[reader.U8() % std::size(kSysctlList)];
  step.value = std::to_string(reader.Choice(kSettingList));
}
void Write(RecordWriter& writer, const SysctlStep& step) {
  const auto* const path = std::find(std::begin(kSysctlList), std::end(kSysctlList), step.path);
  writer.U8(static_cast<uint8_t>(path - std::begin(kSysctlList)));
  writer.Choice(*SettingNumber(step.value), kSettingList);
}

void Read(RecordReader& reader, SnapshotStep& step) {
  step.action =
      (reader.U8() & 1) == 0 ? SnapshotStep::Action::kSave : SnapshotStep::Action::kRestore;
}
void Write(RecordWriter& writer, const SnapshotStep& step) {
  writer.U8(step.action == SnapshotStep::Action::kSave ? 0 : 1);
}

void Read(RecordReader& reader, CpuBusyStep& step) {
  step.duration = ReadDuration(reader);
  step.cpu = reader.U8() % CpuBusyStep::kCpusMax;
}
void Write(RecordWriter& writer, const CpuBusyStep& step) {
  writer.Delay(step.duration);
  writer.U8(step.cpu);
}

// --- Which operation each has; none: text ---

template <typename What>
std::optional<uint8_t> OpFor(const What&) {
  return std::nullopt;
}
std::optional<uint8_t> OpFor(const LinkStep&) { return kLinkOp; }
std::optional<uint8_t> OpFor(const NicRegisterStep&) { return kRegisterOp; }
std::optional<uint8_t> OpFor(const NicFaultStep&) { return kNicFaultOp; }
std::optional<uint8_t> OpFor(const SpuriousInterruptStep&) { return kInterruptOp; }
std::optional<uint8_t> OpFor(const AllocationFailureStep&) { return kAllocationOp; }
std::optional<uint8_t> OpFor(const SysctlStep& step) {
  const bool known = std::find(std::begin(kSysctlList), std::end(kSysctlList), step.path) !=
                         std::end(kSysctlList) &&
                     SettingNumber(step.value).has_value();
  return known ? std::optional<uint8_t>(kSysctlOp) : std::nullopt;
}
std::optional<uint8_t> OpFor(const SnapshotStep&) { return kSnapshotOp; }
std::optional<uint8_t> OpFor(const CpuBusyStep&) { return kCpuBusyOp; }

}  // namespace

void ReadFault(RecordReader& reader, uint8_t op, Step& step) {
  switch (static_cast<FaultOp>(op)) {
    case kLinkOp:
      return Read(reader, step.what.emplace<LinkStep>());
    case kRegisterOp:
      return Read(reader, step.what.emplace<NicRegisterStep>());
    case kNicFaultOp:
      return Read(reader, step.what.emplace<NicFaultStep>());
    case kInterruptOp:
      return Read(reader, step.what.emplace<SpuriousInterruptStep>());
    case kAllocationOp:
      return Read(reader, step.what.emplace<AllocationFailureStep>());
    case kSysctlOp:
      return Read(reader, step.what.emplace<SysctlStep>());
    case kSnapshotOp:
      return Read(reader, step.what.emplace<SnapshotStep>());
    case kCpuBusyOp:
      return Read(reader, step.what.emplace<CpuBusyStep>());
  }
}

std::optional<uint8_t> FaultOpOf(const Step& step) {
  return std::visit([](const auto& what) { return OpFor(what); }, step.what);
}

void WriteFault(RecordWriter& writer, const Step& step) {
  std::visit(
      [&](const auto& what) {
        if constexpr (requires { Write(writer, what); }) Write(writer, what);
      },
      step.what);
}

}  // namespace tapedeck
