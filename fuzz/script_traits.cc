#include "fuzz/script_traits.h"

#include <cstdint>
#include <variant>

#include "fuzz/frame_words.h"
#include "fuzz/segment_view.h"
#include "replay/lab/fault_steps.h"
#include "replay/script/symbols.h"
#include "stack/core/sock_cmsg.h"
#include "stack/socket/sock_options.h"
#include "stack/tcp/tcp_uapi.h"
#include "stack/udp/udp.h"

namespace tapedeck::fuzz {

namespace {

bool SetsOption(const SyscallStep& call, int level, int option) {
  return call.name == SyscallName::kSetsockopt && call.arguments[1].value == level &&
         call.arguments[2].value == option;
}

// Closed sockets, too, send again until TCP_USER_TIMEOUT is over, and no faster than
// SO_MAX_PACING_RATE says.
bool SaysHowLongItTries(const SyscallStep& call) {
  return SetsOption(call, kSolTcp, kTcpUserTimeout) ||
         SetsOption(call, kSolSocket, kSoMaxPacingRate);
}

// A router says how long a neighbour is waited for (RFC 4861 4.2, Retrans Timer): up to 49 days.
// True also where tags or extension headers hide what there is.
bool MayAdvertiseRouter(FrameBytes frame) {
  constexpr size_t kIpv6Bytes = 40;
  constexpr uint8_t kRouterAdvertisement = 134;
  if (frame.size() < kEthernetBytes + kIpv6Bytes) return false;
  const uint32_t type = Word16(frame, 12);
  if (type == 0x8100 || type == 0x88a8) return true;
  if (type != 0x86dd) return false;
  const FrameBytes ip = frame.subspan(kEthernetBytes);
  const uint8_t next = ip[6];
  if (next == kProtocolIcmpv6) {
    return ip.size() > kIpv6Bytes && ip[kIpv6Bytes] == kRouterAdvertisement;
  }
  return next != kProtocolTcp && next != kProtocolUdp;
}

// A line for each kind of step that says something.
struct TraitsVisitor {
  ScriptTraits& traits;

  void operator()(const FrameStep& frame) const {
    SegmentView segment;
    traits.sends_other_bytes |=
        FindSegment(PaddedFrame(frame.bytes).bytes(), &segment) != Carries::kOther;
    traits.changes_settings |= MayAdvertiseRouter(frame.bytes);
  }
  void operator()(const SegmentStep& segment) const {
    traits.sends_other_bytes |= (segment.wrong & SegmentStep::kWrongDataOffset) != 0;
  }
  void operator()(const SyscallStep& call) const {
    traits.changes_settings |= SaysHowLongItTries(call);
    traits.leaves_out_checksums |= SetsOption(call, kSolUdp, kUdpNoCheck6Tx);
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
