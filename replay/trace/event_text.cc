#include "replay/trace/event_text.h"

#include <iterator>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stack/base/drop_reason.h"
#include "stack/base/ip_address.h"
#include "stack/core/neighbour.h"
#include "stack/kernel/bus.h"
#include "stack/socket/system_call.h"
#include "stack/wire/describe.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

namespace {

// Arguments by their names, for kinds that need no better words.
std::string PlainText(const TraceEvent& event, const TraceKindInfo& info) {
  std::string text = info.what;
  for (int i = 0; i < 4; ++i) {
    if (info.arg_names[i][0] == '\0') continue;
    absl::StrAppendFormat(&text, " %s=%d", info.arg_names[i], event.args[i]);
  }
  return text;
}

std::string WireText(const TraceEvent& event) {
  return (event.args[3] & kWireFlagIp) != 0 ? wire::DescribePacket(event.bytes)
                                            : wire::DescribeFrame(event.bytes);
}

std::string NeighbourText(const TraceEvent& event) {
  if (event.bytes.size() == 16) return Ipv6Address(event.bytes.first<16>()).ToString();
  return Ipv4Address(static_cast<uint32_t>(event.args[0])).ToString();
}

std::string DropText(const TraceEvent& event) {
  const auto reason = static_cast<DropReason>(event.args[1]);
  return absl::StrFormat("drop %s: %s (frame %d, %d B)", DropReasonName(reason),
                         DropReasonText(reason), event.args[0], event.args[2]);
}

std::string DeliverText(const TraceEvent& event) {
  const auto protocol = static_cast<uint8_t>(event.args[2]);
  if (protocol == 0) return absl::StrFormat("ARP handled (frame %d)", event.args[0]);
  std::string text = absl::StrFormat("%d B of %s", event.args[1], wire::IpProtocolName(protocol));
  if (event.args[3] != 0) absl::StrAppend(&text, " to port ", event.args[3]);
  return absl::StrFormat("%s (frame %d)", text, event.args[0]);
}

std::string RetransmitText(const TraceEvent& event) {
  static constexpr const char* kWhy[] = {"timeout",    "fast retransmit", "slow start after loss",
                                         "loss probe", "window probe",    "keepalive"};
  const uint64_t why = event.args[3];
  return absl::StrFormat("%s: seq %d, %d B (socket %d)", why < std::size(kWhy) ? kWhy[why] : "?",
                         event.args[1], event.args[2], event.args[0]);
}

}  // namespace

const char* SockStateName(uint64_t state) {
  static constexpr const char* kNames[] = {
      "NONE",  "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",   "TIME_WAIT",
      "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV"};
  return state < std::size(kNames) ? kNames[state] : "?";
}

const char* NudStateName(uint64_t state) {
  switch (state) {
    case NUD_NONE:
      return "NONE";
    case NUD_INCOMPLETE:
      return "INCOMPLETE";
    case NUD_REACHABLE:
      return "REACHABLE";
    case NUD_STALE:
      return "STALE";
    case NUD_DELAY:
      return "DELAY";
    case NUD_PROBE:
      return "PROBE";
    case NUD_FAILED:
      return "FAILED";
    case NUD_NOARP:
      return "NOARP";
    case NUD_PERMANENT:
      return "PERMANENT";
    default:
      return "?";
  }
}

std::string EventText(const TraceEvent& event) {
  const TraceKindInfo& info = GetTraceKindInfo(event.kind);
  switch (event.kind) {
    case TraceKind::kWireRx:
      return absl::StrCat("< ", WireText(event));
    case TraceKind::kWireTx:
      return absl::StrCat("> ", WireText(event));
    case TraceKind::kDrop:
    case TraceKind::kNicDrop:
      return DropText(event);
    case TraceKind::kDeliver:
      return DeliverText(event);
    case TraceKind::kNeighState:
      return absl::StrFormat("%s %s -> %s", NeighbourText(event), NudStateName(event.args[1]),
                             NudStateName(event.args[2]));
    case TraceKind::kSyscallEnter:
      return absl::StrFormat("%s(%d) ...",
                             SyscallNumberName(static_cast<SyscallNumber>(event.args[0])),
                             static_cast<int32_t>(event.args[1]));
    case TraceKind::kSyscallExit:
      return absl::StrFormat(
          "%s(%d) = %d", SyscallNumberName(static_cast<SyscallNumber>(event.args[0])),
          static_cast<int32_t>(event.args[1]), static_cast<int64_t>(event.args[2]));
    case TraceKind::kTcpRetransmit:
      return RetransmitText(event);
    case TraceKind::kForward:
      return absl::StrFormat("%d B from device %d out through device %d (frame %d)", event.args[1],
                             event.args[2], event.args[3], event.args[0]);
    case TraceKind::kLink:
      return absl::StrFormat("device %d %s", event.args[0], event.args[1] != 0 ? "up" : "down");
    case TraceKind::kDeviceFault:
      return absl::StrFormat("driver bug: %s at 0x%x, %d B (device %d)",
                             DmaFaultName(static_cast<DmaFault>(event.args[1])), event.args[2],
                             event.args[3], event.args[0]);
    case TraceKind::kInterrupt:
    case TraceKind::kNapiPoll:
    case TraceKind::kSoftirq:
    case TraceKind::kTimer:
    case TraceKind::kSockState:
    case TraceKind::kStateDigest:
    case TraceKind::kCount:
      break;
  }
  return PlainText(event, info);
}

std::string EventLine(uint64_t number, const TraceEvent& event) {
  return absl::StrFormat("%8d %s  %4d %-8s %s", number, TimeText(event.time), event.host,
                         GetTraceKindInfo(event.kind).where, EventText(event));
}

std::string TimeText(SimTime time) {
  const uint64_t ns = time.ns();
  return absl::StrFormat("%6d.%09d", ns / 1'000'000'000, ns % 1'000'000'000);
}

}  // namespace tapedeck
