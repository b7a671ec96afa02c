#include "replay/differential/listener_reports.h"

#include <optional>

#include "absl/strings/str_cat.h"
#include "replay/differential/counters.h"
#include "stack/base/byteorder.h"
#include "stack/core/eth.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ipv6.h"

namespace tapedeck::differential {

namespace {

// The type of the report that a frame is.
std::optional<uint8_t> ReportType(std::span<const uint8_t> frame) {
  if (frame.size() < kEthHeaderBytes || LoadBe16(frame.data() + 12) != wire::kEtherTypeIpv6) {
    return std::nullopt;
  }
  const wire::Parsed<wire::Ipv6View> ip = wire::ParseIpv6(frame.subspan(kEthHeaderBytes));
  if (!ip.ok() || ip->header->nexthdr != wire::kIpProtoHopByHop) return std::nullopt;
  const wire::Parsed<wire::Ipv6UpperLayer> upper = wire::FindUpperLayer(*ip);
  if (!upper.ok() || upper->protocol != wire::kIpProtoIcmpv6 || upper->payload.empty()) {
    return std::nullopt;
  }
  const uint8_t type = upper->payload[0];
  const bool report = type == wire::kIcmpv6ListenerReport || type == wire::kIcmpv6ListenerReport2 ||
                      type == wire::kIcmpv6ListenerDone;
  return report ? std::optional<uint8_t>(type) : std::nullopt;
}

void Uncount(uint8_t type, size_t packet_bytes, std::vector<int64_t>* counters) {
  struct Part {
    size_t counter;
    bool bytes;
  };
  static const std::vector<Part> kParts = {
      {CounterIndex("Ip6.OutRequests"), false},   {CounterIndex("Ip6.OutTransmits"), false},
      {CounterIndex("Ip6.OutMcastPkts"), false},  {CounterIndex("Ip6.OutOctets"), true},
      {CounterIndex("Ip6.OutMcastOctets"), true}, {CounterIndex("Icmp6.OutMsgs"), false},
  };
  for (const Part& part : kParts) {
    (*counters)[part.counter] -= part.bytes ? static_cast<int64_t>(packet_bytes) : 1;
  }
  --(*counters)[CounterIndex(absl::StrCat("Icmp6.OutType", type))];
}

}  // namespace

void TakeOutListenerReports(Run* run) {
  for (StepResult& step : run->steps) {
    std::erase_if(step.replies, [run](const Reply& reply) {
      const std::optional<uint8_t> type = ReportType(reply.bytes);
      if (type.has_value()) Uncount(*type, reply.bytes.size() - kEthHeaderBytes, &run->counters);
      return type.has_value();
    });
  }
}

}  // namespace tapedeck::differential
