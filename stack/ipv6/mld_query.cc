// Queries and other listeners' reports that come in (net/ipv6/mcast.c; RFC 3810 6.2, RFC 2710 5).
// The kernel lets them wait for a work queue; here they are read at once.
#include <algorithm>

#include "stack/ipv6/in6.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/mld_internal.h"
#include "stack/wire/mld.h"

namespace tapedeck {

using namespace mld_internal;  // NOLINT(google-build-using-namespace): this is its other half

namespace {

constexpr uint32_t kV1QueryBytes = sizeof(wire::MldMessage);
constexpr uint32_t kV2QueryBytesMin = sizeof(wire::Mld2Query);
constexpr uint32_t kQrvDefault = 2;
constexpr uint32_t kV1DelayMaxMs = 32767;  // MLDV1_MRD_MAX_COMPAT
constexpr uint16_t kRouterAlertMld = 0;

Jiffies DelayOf(net& net, uint32_t ms) {
  return std::max<Jiffies>(net.kernel.MsecsToJiffies(ms), 1);
}

// RFC 3810 6.2: from a neighbour, not forwarded, and marked for routers.
bool IsAcceptable(const sk_buff* skb) {
  const wire::Ipv6Header* const ip = ipv6_hdr(skb);
  return (ipv6_addr_type(ip->saddr) & IPV6_ADDR_LINKLOCAL) != 0 && ip->hop_limit == 1 &&
         (IP6CB(skb)->flags & IP6SKB_ROUTERALERT) != 0 && IP6CB(skb)->ra == kRouterAlertMld;
}

// A router of version 1 is about (RFC 3810 8.2.1): what version 2 had to say is dropped. False
// where version 2 is forced.
bool ProcessV1(inet6_dev* idev, const wire::MldMessage& query, bool is_v1, Jiffies* max_delay) {
  if (mld_in_v2_mode_only(idev)) return false;
  net& net = dev_net(idev->dev);
  uint32_t delay_ms = query.max_response();
  // A query of version 2 while version 1 is spoken: its exponents are not read.
  if (!is_v1) delay_ms = std::min(delay_ms, kV1DelayMaxMs);
  *max_delay = DelayOf(net, delay_ms);
  if (is_v1) idev->mc_v1_seen = net.jiffies() + idev->mc_qrv * idev->mc_qi + idev->mc_qri;
  mld_gq_stop_timer(idev);
  mld_ifc_stop_timer(idev);
  mld_clear_delrec(idev);
  return true;
}

// Takes over what the querier says of itself (RFC 3810 9.1 to 9.3).
void ProcessV2(inet6_dev* idev, const wire::Mld2Query& query, Jiffies* max_delay) {
  net& net = dev_net(idev->dev);
  const uint32_t least =
      std::min(kQrvDefault, static_cast<uint32_t>(net_ipv6(net).settings.mld_qrv));
  const uint32_t max_response_ms = wire::Mld2MaxResponse(query.message.max_response());
  if (query.robustness() > 0) idev->mc_qrv = query.robustness();
  idev->mc_qrv = static_cast<uint8_t>(std::max<uint32_t>(idev->mc_qrv, least));
  idev->mc_qi = Jiffies{wire::Mld2QueryInterval(query.qqic)} * net.kernel.hz();
  idev->mc_qri = net.kernel.MsecsToJiffies(max_response_ms);
  *max_delay = DelayOf(net, max_response_ms);
  idev->mc_maxdelay = *max_delay;
}

// A query for one group; with sources, for what of them it hears.
void QueryGroup(ifmcaddr6* mc, std::span<const Ipv6Address> sources, Jiffies max_delay) {
  const bool mark = !sources.empty();
  // A report that waits for the whole group is not narrowed.
  mc->gsquery = mc->timer_running ? mc->gsquery && mark : mark;
  const auto contains = [sources](const Ipv6Address& addr) {
    return std::find(sources.begin(), sources.end(), addr) != sources.end();
  };
  if (!mc->gsquery || mc_filter::MarkSources(mc, sources.size(), contains)) {
    igmp6_group_queried(mc, max_delay);
  }
}

// The sources behind a version 2 query. False where it says there are more than there are.
bool SourcesOf(sk_buff* skb, const wire::Mld2Query& query, std::span<const Ipv6Address>* sources) {
  const uint32_t count = query.source_count.host();
  const uint32_t bytes = kV2QueryBytesMin + count * static_cast<uint32_t>(sizeof(Ipv6Address));
  if (!pskb_may_pull(skb, bytes)) return false;
  *sources = {reinterpret_cast<const Ipv6Address*>(skb_transport_header(skb) + kV2QueryBytesMin),
              count};
  return true;
}

// __mld_query_work. Whether the query was taken.
bool ProcessQuery(inet6_dev* idev, sk_buff* skb) {
  if (!IsAcceptable(skb) || !pskb_may_pull(skb, kV1QueryBytes)) return false;
  const auto message = *reinterpret_cast<const wire::MldMessage*>(skb_transport_header(skb));
  const bool general = ipv6_addr_any(message.group);
  if (!general && !ipv6_addr_is_multicast(message.group)) return false;
  Jiffies max_delay = 0;
  std::span<const Ipv6Address> sources;
  if (skb->len == kV1QueryBytes || mld_in_v1_mode(idev)) {
    if (!ProcessV1(idev, message, skb->len == kV1QueryBytes, &max_delay)) return false;
  } else {
    if (!pskb_may_pull(skb, kV2QueryBytesMin)) return false;
    const auto query = *reinterpret_cast<const wire::Mld2Query*>(skb_transport_header(skb));
    ProcessV2(idev, query, &max_delay);
    if (general) {
      if (query.source_count.host() != 0) return false;
      mld_gq_start_timer(idev);
      return true;
    }
    if (!SourcesOf(skb, query, &sources)) return false;
  }
  if (general) {
    for (ifmcaddr6* mc = idev->mc_list; mc != nullptr; mc = mc->next) {
      igmp6_group_queried(mc, max_delay);
    }
    return true;
  }
  ifmcaddr6* const mc = *mc_filter::FindGroup(&idev->mc_list, message.group);
  if (mc != nullptr) QueryGroup(mc, sources, max_delay);
  return true;
}

// Somebody else has reported a group of ours: with version 1 that will do (__mld_report_work).
bool ProcessReport(inet6_dev* idev, sk_buff* skb) {
  if (skb->pkt_type != PACKET_MULTICAST && skb->pkt_type != PACKET_BROADCAST) return false;
  if (!pskb_may_pull(skb, kV1QueryBytes)) return false;
  const uint32_t type = ipv6_addr_type(ipv6_hdr(skb)->saddr);
  if (type != IPV6_ADDR_ANY && (type & IPV6_ADDR_LINKLOCAL) == 0) return false;
  const auto& message = *reinterpret_cast<const wire::MldMessage*>(skb_transport_header(skb));
  ifmcaddr6* const mc = *mc_filter::FindGroup(&idev->mc_list, message.group);
  if (mc != nullptr) {
    igmp6_group_stop_timer(mc);
    mc->last_reporter = mc->timer_running = false;
  }
  return true;
}

}  // namespace

DropReason igmp6_event_query(sk_buff* skb) {
  inet6_dev* const idev = __in6_dev_get(skb->dev);
  if (idev == nullptr || idev->dead) return SKB_DROP_REASON_NOT_SPECIFIED;
  return ProcessQuery(idev, skb) ? SKB_DROP_REASON_CONSUMED : SKB_DROP_REASON_IGMP_INVALID;
}

DropReason igmp6_event_report(sk_buff* skb) {
  inet6_dev* const idev = __in6_dev_get(skb->dev);
  if (idev == nullptr || idev->dead) return SKB_DROP_REASON_NOT_SPECIFIED;
  return ProcessReport(idev, skb) ? SKB_DROP_REASON_CONSUMED : SKB_DROP_REASON_IGMP_INVALID;
}

}  // namespace tapedeck
