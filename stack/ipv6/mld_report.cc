// Reports that go out: version 1 messages, and version 2 records in as few packets as they need
// (net/ipv6/mcast.c).
#include <algorithm>
#include <cstring>

#include "stack/base/checksum.h"
#include "stack/core/dst.h"
#include "stack/core/sock.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ip6_route.h"
#include "stack/ipv6/mld_internal.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/mld.h"

namespace tapedeck::mld_internal {

namespace {

constexpr uint32_t kPriorityControl = 7;    // TC_PRIO_CONTROL
constexpr uint32_t kReportBytesMax = 2048;  // half a page, however large the MTU
// Hop-by-hop options: router alert for MLD (RFC 2711), padded to eight bytes.
constexpr uint8_t kRouterAlert[8] = {wire::kIpProtoIcmpv6, 0, wire::kIpv6OptRouterAlert, 2, 0, 0,
                                     wire::kIpv6OptPadN,   0};
constexpr auto kHeadBytes = static_cast<uint32_t>(sizeof(wire::Ipv6Header) + sizeof(kRouterAlert));

// A packet that begins with an IPv6 header to `daddr` and the router alert; what follows is the
// transport header. Without a usable link-local address it comes from :: (RFC 3590).
sk_buff* NewMessage(net_device* dev, const Ipv6Address& daddr, uint32_t bytes) {
  net& net = dev_net(dev);
  inet_sock* const sk = net_ipv6(net).mc_sk;
  const uint32_t headroom = LL_RESERVED_SPACE(dev);
  sk_buff* const skb = alloc_skb(net, headroom + bytes + dev->needed_tailroom);
  if (skb == nullptr) return nullptr;
  skb_set_owner_w(skb, sk);
  skb->priority = kPriorityControl;
  skb->protocol = wire::kEtherTypeIpv6;
  skb->dev = dev;
  skb_reserve(skb, headroom);
  skb_reset_network_header(skb);
  wire::Ipv6Header ip;
  ip.set_class_and_flow(0, 0);
  ip.nexthdr = wire::kIpProtoHopByHop;
  ip.hop_limit = static_cast<uint8_t>(inet6_sk(sk)->hop_limit);
  if (ipv6_get_lladdr(dev, &ip.saddr, IFA_F_TENTATIVE) != 0) ip.saddr = kIpv6Any;
  ip.daddr = daddr;
  skb_put_data(skb, &ip, sizeof(ip));
  skb_put_data(skb, kRouterAlert, sizeof(kRouterAlert));
  skb_set_transport_header(skb, static_cast<int>(skb->len));
  return skb;
}

// Fills lengths and checksum and sends.
void SendMessage(sk_buff* skb) {
  net& net = dev_net(skb->dev);
  inet_sock* const sk = net_ipv6(net).mc_sk;
  const uint32_t bytes = skb->len - kHeadBytes;
  wire::Ipv6Header* const ip = ipv6_hdr_writable(skb);
  ip->payload_len = static_cast<uint16_t>(skb->len - sizeof(wire::Ipv6Header));
  auto* const header = reinterpret_cast<wire::Icmpv6Header*>(
      skb_writable(skb, skb_transport_header(skb), sizeof(wire::Icmpv6Header)));
  const wsum sum = csum_partial({skb_transport_header(skb), bytes}, 0);
  header->checksum =
      csum_ipv6_magic(ip->saddr.bytes(), ip->daddr.bytes(), bytes, wire::kIpProtoIcmpv6, sum);
  const uint8_t type = header->type;
  net.ip6_mib.Inc(Ip6Mib::kOutRequests);
  flowi6 fl6;
  icmpv6_flow_init(sk, &fl6, type, ip->saddr, ip->daddr, skb->dev->ifindex);
  dst_entry* const dst = icmp6_dst_alloc(skb->dev, fl6);
  if (dst == nullptr) {
    kfree_skb(skb);
    net.ip6_mib.Inc(Ip6Mib::kOutDiscards);
    return;
  }
  skb_dst_set(skb, dst);
  if (dst_output(net, sk, skb) == 0) {
    icmp6_out_count(net, type);
  } else {
    net.ip6_mib.Inc(Ip6Mib::kOutDiscards);
  }
}

// How mc_filter::ReportBuilder writes version 2 reports.
class MldWriter {
 public:
  static constexpr uint32_t kRecordBytes = sizeof(wire::Mld2Record);
  static constexpr uint32_t kSourceBytes = sizeof(Ipv6Address);

  explicit MldWriter(net_device* dev) : dev_(dev), limit_(std::min(dev->mtu, kReportBytesMax)) {}

  bool Reports(const ifmcaddr6& /*mc*/) const { return dev_->mtu >= wire::kIpv6MinMtu; }
  sk_buff* NewPacket() const {
    sk_buff* const skb = NewMessage(dev_, kIpv6MldV2Routers, limit_);
    if (skb == nullptr) return nullptr;
    wire::Icmpv6Header header;
    header.type = wire::kIcmpv6ListenerReport2;
    skb_put_data(skb, &header, sizeof(header));
    return skb;
  }
  uint32_t Room(const sk_buff* skb) const { return limit_ - skb->len; }
  uint32_t PutRecord(sk_buff* skb, McRecord type, const Ipv6Address& group) const {
    wire::Mld2Record record;
    record.type = static_cast<uint8_t>(type);
    record.group = group;
    const uint32_t at = skb->len;
    skb_put_data(skb, &record, sizeof(record));
    auto* const header = reinterpret_cast<wire::Icmpv6Header*>(
        skb_writable(skb, skb_transport_header(skb), sizeof(wire::Icmpv6Header)));
    StoreBe16(&header->rest[2], static_cast<uint16_t>(LoadBe16(&header->rest[2]) + 1));
    return at;
  }
  void PutSource(sk_buff* skb, const Ipv6Address& source) const {
    skb_put_data(skb, &source, sizeof(source));
  }
  void SetSources(sk_buff* skb, uint32_t record, uint32_t count) const {
    auto* const at = reinterpret_cast<wire::Mld2Record*>(
        skb_writable(skb, skb->data + record, sizeof(wire::Mld2Record)));
    at->source_count = static_cast<uint16_t>(count);
  }
  void Send(sk_buff* skb) const { SendMessage(skb); }

 private:
  net_device* dev_;
  uint32_t limit_;  // bytes of a packet
};

using Builder = mc_filter::ReportBuilder<ifmcaddr6, MldWriter>;

Builder BuilderFor(inet6_dev* idev) { return Builder(KmallocOf(idev), MldWriter(idev->dev)); }

// Nothing is left to be told of a group that was left.
void FreeLeft(inet6_dev* idev, ifmcaddr6** link) {
  ifmcaddr6* const left = *link;
  *link = left->next;
  left->~ifmcaddr6();
  KmallocOf(idev).Free(left, sizeof(*left));
  in6_dev_put(idev);
}

}  // namespace

void igmp6_send(const Ipv6Address& group, net_device* dev, uint8_t type) {
  const Ipv6Address& daddr = type == wire::kIcmpv6ListenerDone ? kIpv6AllRouters : group;
  sk_buff* const skb =
      NewMessage(dev, daddr, kHeadBytes + static_cast<uint32_t>(sizeof(wire::MldMessage)));
  if (skb == nullptr) return;
  wire::MldMessage message;
  message.header.type = type;
  message.group = group;
  skb_put_data(skb, &message, sizeof(message));
  SendMessage(skb);
}

void mld_send_report(inet6_dev* idev, ifmcaddr6* only) {
  Builder builder = BuilderFor(idev);
  if (only != nullptr) {
    builder.AddState(only);
  } else {
    for (ifmcaddr6* mc = idev->mc_list; mc != nullptr; mc = mc->next) builder.AddState(mc);
  }
  builder.Send();
}

void mld_send_cr(inet6_dev* idev) {
  Builder builder = BuilderFor(idev);
  for (ifmcaddr6** link = &idev->mc_tomb; *link != nullptr;) {
    if (builder.AddLeft(*link)) {
      FreeLeft(idev, link);
    } else {
      link = &(*link)->next;
    }
  }
  for (ifmcaddr6* mc = idev->mc_list; mc != nullptr; mc = mc->next) builder.AddChanges(mc);
  builder.Send();
}

void mld_send_initial_cr(inet6_dev* idev) {
  if (mld_in_v1_mode(idev)) return;
  Builder builder = BuilderFor(idev);
  for (ifmcaddr6* mc = idev->mc_list; mc != nullptr; mc = mc->next) {
    builder.Add(
        mc,
        mc->sfcount[kMcastExclude] != 0 ? McRecord::kChangeToExclude : McRecord::kAllowNewSources,
        false, false, /*crsend=*/true);
  }
  builder.Send();
}

}  // namespace tapedeck::mld_internal
