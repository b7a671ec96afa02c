// Reports and leaves that go out (net/ipv4/igmp.c): messages of versions 1 and 2, and version 3
// records in as few packets as they need.
#include <algorithm>
#include <cstring>

#include "stack/base/checksum.h"
#include "stack/core/dst.h"
#include "stack/ipv4/igmp_internal.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/route.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/igmp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::igmp_internal {

namespace {

constexpr uint32_t kPriorityControl = 7;  // TC_PRIO_CONTROL
constexpr uint8_t kTosControl = 0xc0;     // internetwork control (RFC 3376 4)
constexpr uint32_t kDatagramBytesMax = 65535;
constexpr Ipv4Address kAllRouters(0xe0000002);
constexpr Ipv4Address kAllIgmpv3Routers(0xe0000016);
constexpr uint8_t kRouterAlert[4] = {148, 4, 0, 0};  // IPOPT_RA, RFC 2113
constexpr auto kHeadBytes = static_cast<uint32_t>(sizeof(wire::Ipv4Header) + sizeof(kRouterAlert));

// RFC 3376 4.2.13: the source must be one of the device's addresses, else 0.0.0.0.
Ipv4Address SourceOnDevice(const in_device* in_dev, Ipv4Address saddr) {
  for (const in_ifaddr& ifa : in_dev->ifa_list) {
    if (ifa.ifa_local == saddr) return saddr;
  }
  return kIpv4Any;
}

// A packet with route and IP header to `daddr` and room for `bytes` in all; its transport header
// comes next.
sk_buff* NewMessage(in_device* in_dev, Ipv4Address daddr, uint32_t bytes, bool version3) {
  net_device* const dev = in_dev->dev;
  net& net = dev_net(dev);
  flowi4 fl4;
  fl4.oif = dev->ifindex;
  fl4.daddr = daddr;
  fl4.proto = wire::kIpProtoIgmp;
  int err = 0;
  rtable* const rt = ip_route_output_key(net, &fl4, &err);
  if (rt == nullptr) return nullptr;
  const uint32_t headroom = LL_RESERVED_SPACE(dev);
  sk_buff* const skb = alloc_skb(net, headroom + bytes + dev->needed_tailroom);
  if (skb == nullptr) {
    dst_release(rt);
    return nullptr;
  }
  skb->priority = kPriorityControl;
  skb->protocol = wire::kEtherTypeIpv4;
  skb->dev = dev;
  skb_dst_set(skb, rt);
  skb_reserve(skb, headroom);
  skb_reset_network_header(skb);
  wire::Ipv4Header ip;
  ip.set_ihl(kHeadBytes / 4);
  ip.tos = kTosControl;
  ip.frag_off = wire::kIpv4DontFragment;
  ip.ttl = 1;
  ip.protocol = wire::kIpProtoIgmp;
  ip.saddr = version3 ? SourceOnDevice(in_dev, fl4.saddr) : fl4.saddr;
  ip.daddr = daddr;
  ip_select_ident_segs(net, &ip, nullptr, false, 1);
  skb_put_data(skb, &ip, sizeof(ip));
  skb_put_data(skb, kRouterAlert, sizeof(kRouterAlert));
  skb_set_transport_header(skb, static_cast<int>(skb->len));
  return skb;
}

void SendMessage(sk_buff* skb) {
  const uint32_t bytes = skb->len - kHeadBytes;
  auto* const header = reinterpret_cast<wire::IgmpHeader*>(
      skb_writable(skb, skb_transport_header(skb), sizeof(wire::IgmpHeader)));
  header->csum = ip_compute_csum({skb_transport_header(skb), bytes});
  ip_local_out(dev_net(skb->dev), nullptr, skb);
}

// How mc_filter::ReportBuilder writes version 3 reports.
class IgmpWriter {
 public:
  static constexpr uint32_t kRecordBytes = sizeof(wire::IgmpGroupRecord);
  static constexpr uint32_t kSourceBytes = sizeof(Ipv4Address);

  explicit IgmpWriter(in_device* in_dev)
      : in_dev_(in_dev), limit_(std::min(in_dev->dev->mtu, kDatagramBytesMax)) {}

  bool Reports(const ip_mc_list& im) const { return IsReported(in_dev_, im.multiaddr); }
  sk_buff* NewPacket() const {
    sk_buff* const skb = NewMessage(in_dev_, kAllIgmpv3Routers, limit_, /*version3=*/true);
    if (skb == nullptr) return nullptr;
    wire::IgmpHeader header;
    header.type = wire::kIgmpV3Report;
    skb_put_data(skb, &header, sizeof(header));
    return skb;
  }
  uint32_t Room(const sk_buff* skb) const { return limit_ - skb->len; }
  uint32_t PutRecord(sk_buff* skb, McRecord type, Ipv4Address group) const {
    wire::IgmpGroupRecord record;
    record.type = static_cast<uint8_t>(type);
    record.group = group;
    const uint32_t at = skb->len;
    skb_put_data(skb, &record, sizeof(record));
    // The number of records stands where other versions have the group.
    auto* const header = reinterpret_cast<wire::IgmpHeader*>(
        skb_writable(skb, skb_transport_header(skb), sizeof(wire::IgmpHeader)));
    header->group = Ipv4Address(header->record_count() + 1U);
    return at;
  }
  void PutSource(sk_buff* skb, Ipv4Address source) const {
    skb_put_data(skb, &source, sizeof(source));
  }
  void SetSources(sk_buff* skb, uint32_t record, uint32_t count) const {
    auto* const at = reinterpret_cast<wire::IgmpGroupRecord*>(
        skb_writable(skb, skb->data + record, sizeof(wire::IgmpGroupRecord)));
    at->source_count = static_cast<uint16_t>(count);
  }
  void Send(sk_buff* skb) const { SendMessage(skb); }

 private:
  in_device* in_dev_;
  uint32_t limit_;  // bytes of a packet
};

using Builder = mc_filter::ReportBuilder<ip_mc_list, IgmpWriter>;

Builder BuilderFor(in_device* in_dev) { return Builder(KmallocOf(in_dev), IgmpWriter(in_dev)); }

}  // namespace

void igmp_send_report(in_device* in_dev, Ipv4Address group, uint8_t type) {
  if (!IsReported(in_dev, group)) return;
  const Ipv4Address daddr = type == wire::kIgmpV2Leave ? kAllRouters : group;
  sk_buff* const skb = NewMessage(
      in_dev, daddr, kHeadBytes + static_cast<uint32_t>(sizeof(wire::IgmpHeader)), false);
  if (skb == nullptr) return;
  wire::IgmpHeader header;
  header.type = type;
  header.group = group;
  skb_put_data(skb, &header, sizeof(header));
  SendMessage(skb);
}

void igmpv3_send_report(in_device* in_dev, ip_mc_list* only) {
  Builder builder = BuilderFor(in_dev);
  if (only != nullptr) {
    builder.AddState(only);
  } else {
    for (ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) builder.AddState(im);
  }
  builder.Send();
}

void igmpv3_send_cr(in_device* in_dev) {
  Builder builder = BuilderFor(in_dev);
  for (ip_mc_list** link = &in_dev->mc_tomb; *link != nullptr;) {
    ip_mc_list* const left = *link;
    if (builder.AddLeft(left)) {
      *link = left->next;
      net_ipv4(NetOf(in_dev)).mc_lists.Delete(left);
    } else {
      link = &left->next;
    }
  }
  for (ip_mc_list* im = in_dev->mc_list; im != nullptr; im = im->next) builder.AddChanges(im);
  builder.Send();
}

}  // namespace tapedeck::igmp_internal
