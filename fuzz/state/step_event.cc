#include "fuzz/state/step_event.h"

#include <array>
#include <variant>

#include "stack/wire/ethernet.h"
#include "stack/wire/tcp.h"

namespace tapedeck::fuzz {

namespace {

enum SegmentEvent : uint8_t {
  kSegmentSyn,
  kSegmentSynAck,
  kSegmentAck,
  kSegmentData,
  kSegmentFin,
  kSegmentRst,
  kSegmentUrgent,
  kSegmentOdd,    // flags that no stack sends together
  kSegmentAhead,  // beyond what the host expects
  kSegmentOld,    // before it
  kSegmentWrong,  // something in it is wrong
};
enum FrameEvent : uint8_t { kFrameArp, kFrameIpv4, kFrameIpv6, kFrameOther };

constexpr std::array<std::string_view, 11> kSegmentNames = {
    "segment syn", "segment syn-ack", "segment ack",  "segment data", "segment fin",  "segment rst",
    "segment urg", "segment odd",     "segment hole", "segment old",  "segment wrong"};
constexpr std::array<std::string_view, 4> kFrameNames = {"frame arp", "frame ipv4", "frame ipv6",
                                                         "frame other"};
// By place in Step::what; those that have events of their own above never come up.
constexpr std::array<std::string_view, 24> kStepNames = {
    "pause",   "frame",    "packet",       "call",      "command",   "code",
    "segment", "link",     "nic register", "nic fault", "interrupt", "failing memory",
    "sysctl",  "cpu busy", "snapshot",     "step 15",   "step 16",   "step 17",
    "step 18", "step 19",  "step 20",      "step 21",   "step 22",   "step 23"};

constexpr size_t kFrameEvents = kSegmentNames.size();
constexpr size_t kCallEvents = kFrameEvents + kFrameNames.size();
constexpr size_t kOtherEvents = kCallEvents + kSyscallNames;
static_assert(kOtherEvents + std::variant_size_v<decltype(Step::what)> <= kStepEvents);
static_assert(kStepEvents - kOtherEvents >= kStepNames.size());

SegmentEvent EventOf(const SegmentStep& segment) {
  if (segment.wrong != 0) return kSegmentWrong;
  if ((segment.flags & wire::kTcpRst) != 0) return kSegmentRst;
  const uint16_t syn_fin = segment.flags & (wire::kTcpSyn | wire::kTcpFin);
  if (syn_fin == (wire::kTcpSyn | wire::kTcpFin)) return kSegmentOdd;
  if (syn_fin == wire::kTcpSyn) {
    return (segment.flags & wire::kTcpAck) != 0 ? kSegmentSynAck : kSegmentSyn;
  }
  if (syn_fin == wire::kTcpFin) return kSegmentFin;
  if ((segment.flags & wire::kTcpUrg) != 0) return kSegmentUrgent;
  if ((segment.flags & wire::kTcpAck) == 0) return kSegmentOdd;
  if (segment.seq != 0) return segment.seq > 0 ? kSegmentAhead : kSegmentOld;
  return segment.payload_bytes != 0 ? kSegmentData : kSegmentAck;
}

FrameEvent EventOf(const FrameStep& frame) {
  const auto ethernet = wire::ParseEthernet(frame.bytes);
  if (!ethernet) return kFrameOther;
  if (ethernet->proto == wire::kEtherTypeArp) return kFrameArp;
  if (ethernet->proto == wire::kEtherTypeIpv4) return kFrameIpv4;
  return ethernet->proto == wire::kEtherTypeIpv6 ? kFrameIpv6 : kFrameOther;
}

}  // namespace

size_t StepEventOf(const Step& step) {
  if (const auto* const segment = std::get_if<SegmentStep>(&step.what)) return EventOf(*segment);
  if (const auto* const frame = std::get_if<FrameStep>(&step.what)) {
    return kFrameEvents + EventOf(*frame);
  }
  if (const auto* const call = std::get_if<SyscallStep>(&step.what)) {
    return kCallEvents + static_cast<size_t>(call->name);
  }
  return kOtherEvents + step.what.index();
}

std::string_view StepEventName(size_t event) {
  if (event < kFrameEvents) return kSegmentNames[event];
  if (event < kCallEvents) return kFrameNames[event - kFrameEvents];
  if (event < kOtherEvents) return tapedeck::NameOf(static_cast<SyscallName>(event - kCallEvents));
  const size_t kind = event - kOtherEvents;
  return kind < kStepNames.size() ? kStepNames[kind] : std::string_view();
}

}  // namespace tapedeck::fuzz
