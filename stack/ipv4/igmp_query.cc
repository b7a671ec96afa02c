// Queries and other hosts' reports that come in (net/ipv4/igmp.c; RFC 3376 5.2, 7, RFC 2236 3).
#include <algorithm>

#include "stack/core/skb_data.h"
#include "stack/ipv4/igmp_internal.h"
#include "stack/ipv4/route.h"
#include "stack/wire/igmp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

using namespace igmp_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

constexpr uint32_t kTimerScale = 10;  // max_response is in tenths of a second
constexpr uint32_t kV3QueryBytesMin = sizeof(wire::IgmpHeader) + sizeof(wire::IgmpV3Query);

// What a query asks: a group (0.0.0.0: all), sources of it, and how long the answers may take.
struct Question {
  Ipv4Address group;
  std::span<const Ipv4Address> sources;
  Jiffies max_delay = 0;
  bool general_v3 = false;  // one report answers for all groups
};

Jiffies TenthsToJiffies(net& net, uint32_t tenths) {
  return Jiffies{tenths} * (net.kernel.hz() / kTimerScale);
}

// A router of version 1 (no response time) or 2 is about (RFC 3376 7.2.1).
void ReadOldQuery(in_device* in_dev, const wire::IgmpHeader& header, Question* question) {
  net& net = NetOf(in_dev);
  const Jiffies seen = net.jiffies() + in_dev->mr_qrv * in_dev->mr_qi + in_dev->mr_qri;
  if (header.max_response == 0) {
    question->max_delay = kQueryResponseIntervalSeconds * net.kernel.hz();
    question->group = kIpv4Any;
    in_dev->mr_v1_seen = seen;
  } else {
    question->max_delay = TenthsToJiffies(net, header.max_response);
    in_dev->mr_v2_seen = seen;
  }
  igmp_ifc_stop_timer(in_dev);
  igmpv3_clear_delrec(in_dev);
}

// Takes over what the querier says of itself (RFC 3376 4.1.6, 4.1.7, 8.3).
void LearnQuerier(in_device* in_dev, const wire::IgmpV3Query& query, Jiffies max_delay) {
  net& net = NetOf(in_dev);
  const uint32_t hz = net.kernel.hz();
  in_dev->mr_maxdelay = max_delay;
  in_dev->mr_qrv = query.robustness() != 0 ? query.robustness()
                                           : static_cast<uint8_t>(net_ipv4(net).settings.igmp_qrv);
  const Jiffies interval = Jiffies{wire::IgmpV3Time(query.qqic)} * hz;
  in_dev->mr_qi = interval != 0 ? interval : kQueryIntervalSeconds * hz;
  if (in_dev->mr_qri >= in_dev->mr_qi) in_dev->mr_qri = (in_dev->mr_qi / hz - 1) * hz;
}

// A query of 12 bytes or more. False where it is not valid.
bool ReadV3Query(in_device* in_dev, sk_buff* skb, Question* question) {
  net& net = NetOf(in_dev);
  if (IGMP_V1_SEEN(in_dev)) {
    question->max_delay = kQueryResponseIntervalSeconds * net.kernel.hz();
    question->group = kIpv4Any;
    return true;
  }
  if (!pskb_may_pull(skb, kV3QueryBytesMin)) return false;
  const uint8_t* const at = skb_transport_header(skb);
  const auto header = *reinterpret_cast<const wire::IgmpHeader*>(at);
  const auto query = *reinterpret_cast<const wire::IgmpV3Query*>(at + sizeof(wire::IgmpHeader));
  question->max_delay =
      std::max<Jiffies>(TenthsToJiffies(net, wire::IgmpV3Time(header.max_response)), 1);
  if (IGMP_V2_SEEN(in_dev)) return true;
  const uint32_t count = query.source_count.host();
  if (!pskb_may_pull(skb, kV3QueryBytesMin + count * static_cast<uint32_t>(sizeof(Ipv4Address)))) {
    return false;
  }
  question->sources = {
      reinterpret_cast<const Ipv4Address*>(skb_transport_header(skb) + kV3QueryBytesMin), count};
  LearnQuerier(in_dev, query, question->max_delay);
  if (question->group == kIpv4Any) {
    question->general_v3 = true;
    return count == 0;
  }
  return true;
}

void AskGroup(ip_mc_list* im, const Question& question) {
  const bool mark = !question.sources.empty();
  // A report that waits for the whole group is not narrowed.
  im->gsquery = im->timer_running ? im->gsquery && mark : mark;
  const auto contains = [&question](Ipv4Address addr) {
    return std::find(question.sources.begin(), question.sources.end(), addr) !=
           question.sources.end();
  };
  if (!im->gsquery || mc_filter::MarkSources(im, question.sources.size(), contains)) {
    igmp_mod_timer(im, question.max_delay);
  }
}

// Whether the query was taken.
bool igmp_heard_query(in_device* in_dev, sk_buff* skb, uint32_t bytes) {
  const auto header = *reinterpret_cast<const wire::IgmpHeader*>(skb_transport_header(skb));
  Question question;
  question.group = header.group;
  if (bytes == sizeof(wire::IgmpHeader)) {
    ReadOldQuery(in_dev, header, &question);
  } else if (bytes < kV3QueryBytesMin || !ReadV3Query(in_dev, skb, &question)) {
    return false;
  }
  if (question.general_v3) {
    igmp_gq_start_timer(in_dev);
    return true;
  }
  for (ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) {
    const bool asked = question.group == kIpv4Any || question.group == im->multiaddr;
    if (asked && IsReported(in_dev, im->multiaddr)) AskGroup(im, question);
  }
  return true;
}

// Somebody else has reported a group of ours: that will do.
void igmp_heard_report(in_device* in_dev, Ipv4Address group) {
  if (!IsReported(in_dev, group)) return;
  ip_mc_list* const im = *mc_filter::FindGroup(&in_dev->mc_list, group);
  if (im != nullptr) igmp_stop_timer(im);
}

// Whether the message was in order.
bool Process(sk_buff* skb) {
  in_device* const in_dev = __in_dev_get_rcu(skb->dev);
  const uint32_t bytes = skb->len;
  if (in_dev == nullptr || !pskb_may_pull(skb, sizeof(wire::IgmpHeader)) ||
      skb_checksum_validate(skb, true, false, 1, 0) != 0) {
    return false;
  }
  const auto header = *reinterpret_cast<const wire::IgmpHeader*>(skb_transport_header(skb));
  switch (header.type) {
    case wire::kIgmpQuery:
      return igmp_heard_query(in_dev, skb, bytes);
    case wire::kIgmpV1Report:
    case wire::kIgmpV2Report:
      // Not our own, looped back; and one that the router has heard as well.
      if (skb->pkt_type == PACKET_MULTICAST || skb->pkt_type == PACKET_BROADCAST) {
        igmp_heard_report(in_dev, header.group);
      }
      return true;
    default:  // for routers
      return true;
  }
}

}  // namespace

int igmp_rcv(sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, igmp_rcv, skb);
  const uint32_t len = skb->len;
  if (!Process(skb)) {
    kfree_skb_reason(skb, SKB_DROP_REASON_IGMP_INVALID);
    return 0;
  }
  skb->owner->this_cpu().Trace(TraceKind::kDeliver, skb->frame_id, len, wire::kIpProtoIgmp, 0);
  consume_skb(skb);
  return 0;
}

}  // namespace tapedeck
