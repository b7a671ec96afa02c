#include "fuzz/script_traits.h"

#include <cstdint>
#include <span>
#include <variant>

#include "replay/lab/fault_steps.h"
#include "replay/script/symbols.h"
#include "stack/tcp/tcp_uapi.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/parse.h"

namespace tapedeck::fuzz {

namespace {

// Whether a frame may be a part of a TCP stream, in a tunnel or behind headers, too.
bool MayBeTcp(std::span<const uint8_t> frame) {
  const auto ethernet = wire::ParseEthernet(frame);
  if (!ethernet.ok()) return false;
  uint8_t protocol = wire::kIpProtoRaw;
  if (const auto* const iph = wire::Overlay<wire::Ipv4Header>(ethernet->payload);
      ethernet->proto == wire::kEtherTypeIpv4 && iph != nullptr) {
    protocol = iph->protocol;
  } else if (const auto* const hdr = wire::Overlay<wire::Ipv6Header>(ethernet->payload);
             ethernet->proto == wire::kEtherTypeIpv6 && hdr != nullptr) {
    protocol = hdr->nexthdr;
  }
  return ethernet->proto != wire::kEtherTypeArp && protocol != wire::kIpProtoUdp &&
         protocol != wire::kIpProtoIcmp && protocol != wire::kIpProtoIgmp &&
         protocol != wire::kIpProtoIcmpv6;
}

// Closed sockets, too, send again until TCP_USER_TIMEOUT is over.
bool SaysHowLongItTries(const SyscallStep& call) {
  return call.name == SyscallName::kSetsockopt && call.arguments[1].value == kSolTcp &&
         call.arguments[2].value == kTcpUserTimeout;
}

// A line for each kind of step that says something.
struct TraitsVisitor {
  ScriptTraits& traits;

  void operator()(const FrameStep& frame) const {
    traits.sends_other_bytes |= MayBeTcp(frame.bytes);
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
