// What tests of neighbour discovery, address configuration and listener discovery share: a device
// that configures itself, messages to it and messages that it sent, taken apart.
#ifndef TAPEDECK_TESTS_UNIT_ND_HOST_H_
#define TAPEDECK_TESTS_UNIT_ND_HOST_H_

#include <algorithm>
#include <cstring>
#include <string>
#include <vector>

#include "ipv6_host.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/ndisc.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/mld.h"
#include "stack/wire/ndisc.h"

namespace tapedeck {

// An ICMPv6 message as it was sent.
struct SentMessage {
  MacAddress dest;
  wire::Ipv6Header ip;
  uint8_t type = 0;
  Bytes body;  // from the ICMPv6 header on

  template <typename T>
  T As(size_t offset = 0) const {
    T value;
    EXPECT_LE(offset + sizeof(T), body.size());
    std::memcpy(&value, body.data() + offset, sizeof(T));
    return value;
  }
};

class NdTest : public Ipv6Test {
 protected:
  // A device of MAC 02:00:00:00:01:01 with everything as Linux has it, just brought up.
  TestDevice& AddAutoDevice() {
    ns.devconf_dflt.addr_gen_mode = IN6_ADDR_GEN_MODE_EUI64;
    ns.devconf_dflt.accept_ra = 1;
    more.push_back(std::make_unique<TestDevice>(host, "eth1"));
    TestDevice& device = *more.back();
    device->dev_addr = MacAddress(2, 0, 0, 0, 1, 1);
    device.Up();
    return device;
  }

  static std::vector<SentMessage> Messages(const TestDevice& device) {
    std::vector<SentMessage> found;
    for (const sk_buff* skb : device.sent) {
      const Bytes bytes = BytesOf(skb);
      SentMessage m;
      size_t at = sizeof(wire::EthernetHeader);
      std::memcpy(&m.dest, bytes.data(), sizeof(m.dest));
      if (bytes.size() < at + sizeof(m.ip)) continue;
      std::memcpy(&m.ip, bytes.data() + at, sizeof(m.ip));
      if (m.ip.version() != 6) continue;
      at += sizeof(m.ip);
      if (m.ip.nexthdr == wire::kIpProtoHopByHop) at += 8;
      m.body.assign(bytes.begin() + static_cast<std::ptrdiff_t>(at), bytes.end());
      m.type = m.body[0];
      found.push_back(m);
    }
    return found;
  }
  static std::vector<SentMessage> Messages(const TestDevice& device, uint8_t type) {
    std::vector<SentMessage> found;
    for (const SentMessage& m : Messages(device)) {
      if (m.type == type) found.push_back(m);
    }
    return found;
  }

  // An ICMPv6 message to the device, with a right checksum; `body` from the ICMPv6 header on.
  void Deliver(TestDevice& device, const Ipv6Address& saddr, const Ipv6Address& daddr, Bytes body,
               uint8_t hop_limit = 255) {
    wire::Ipv6Header ip;
    ip.saddr = saddr;
    ip.daddr = daddr;
    ip.hop_limit = hop_limit;
    const MacAddress dest =
        ipv6_addr_is_multicast(daddr) ? MacAddress::ForMulticast(daddr) : device->dev_addr;
    wire::Icmpv6Header header;
    std::memcpy(&header, body.data(), sizeof(header));
    wire::FrameBuilder builder = NewFrame(dest).Ipv6(ip);
    if (hop_limit == 1) {
      // Listener discovery, marked for routers.
      static constexpr uint8_t kRouterAlert[8] = {0, 0, 5, 2, 0, 0, 1, 0};
      builder.Ipv6Extension(wire::kIpProtoHopByHop, kRouterAlert);
    }
    builder.Icmpv6(header).Payload(std::span<const uint8_t>(body).subspan(sizeof(header)));
    Receive(device, builder.Build());
  }

  template <typename T>
  static Bytes BytesOfMessage(const T& message) {
    const auto* const at = reinterpret_cast<const uint8_t*>(&message);
    return Bytes(at, at + sizeof(message));
  }
  static void Append(Bytes* to, const Bytes& more_bytes) {
    to->insert(to->end(), more_bytes.begin(), more_bytes.end());
  }
  static Bytes LinkAddressOption(uint8_t type, const MacAddress& mac) {
    Bytes option{type, 1};
    option.insert(option.end(), mac.bytes().begin(), mac.bytes().end());
    return option;
  }
  static Bytes Solicitation(const Ipv6Address& target) {
    wire::NdMessage ns_message;
    ns_message.header.type = wire::kIcmpv6NeighbourSolicitation;
    ns_message.target = target;
    return BytesOfMessage(ns_message);
  }
  static Bytes Advertisement(const Ipv6Address& target, bool router, bool solicited,
                             bool override_flag) {
    wire::NdMessage na;
    na.header.type = wire::kIcmpv6NeighbourAdvertisement;
    na.set_flags(router, solicited, override_flag);
    na.target = target;
    return BytesOfMessage(na);
  }
  static Bytes RouterAdvertisement(uint16_t lifetime_s, uint8_t hop_limit = 0) {
    wire::NdRouterAdvertisement ra;
    ra.header.type = wire::kIcmpv6RouterAdvertisement;
    ra.header.rest[0] = hop_limit;
    StoreBe16(&ra.header.rest[2], lifetime_s);
    return BytesOfMessage(ra);
  }
  static Bytes PrefixOption(const char* prefix, uint32_t valid_s, uint32_t preferred_s) {
    wire::NdPrefixInfo info;
    info.option = {wire::kNdOptPrefixInfo, 4};
    info.prefix_len = 64;
    info.flags = 0xc0;  // on link, autonomous
    info.valid = valid_s;
    info.prefered = preferred_s;
    info.prefix = Ip6(prefix);
    return BytesOfMessage(info);
  }

  // The flags of an address; none where it is not there.
  uint32_t FlagsOf(const TestDevice& device, const Ipv6Address& addr) {
    inet6_ifaddr* const ifp =
        ipv6_get_ifaddr(host.n, addr, const_cast<TestDevice&>(device).dev(), true);
    if (ifp == nullptr) return kGone;
    const uint32_t flags = ifp->flags;
    in6_ifa_put(ifp);
    return flags;
  }
  static constexpr uint32_t kGone = 0xffffffff;

  uint8_t StateOf(TestDevice& device, const Ipv6Address& addr) {
    const neighbour* const n =
        __neigh_lookup_noref(host.n.nd_tbl, addr.bytes().data(), device.dev());
    return n == nullptr ? uint8_t{NUD_NONE} : n->nud_state;
  }

  const Ipv6Address kLinkLocal = Ip6("fe80::ff:fe00:101");
  const Ipv6Address kRouter6 = Ip6("fe80::10");
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_ND_HOST_H_
