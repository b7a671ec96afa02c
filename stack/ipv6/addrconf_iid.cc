// Interface identifiers: of the MAC address (RFC 4291 appendix A), stable and opaque (RFC 7217),
// random (RFC 8981); and the link-local address made of one.
#include <algorithm>
#include <array>
#include <cstring>

#include "stack/base/sha1.h"
#include "stack/ipv6/addrconf_internal.h"

namespace tapedeck::addrconf_internal {

namespace {

using Iid = std::array<uint8_t, 8>;

// Identifiers that stand for something else: subnet-router anycast, the IANA's block and proxy
// mobile IPv6 (RFC 5453), reserved anycast addresses (RFC 2526).
bool ipv6_reserved_interfaceid(const Ipv6Address& addr) {
  const uint32_t high = addr.word(2);
  const uint32_t low = addr.word(3);
  return (high == 0 && low == 0) || (high == 0x02005eff && (low & 0xfe000000) == 0xfe000000) ||
         (high == 0xfdffffff && (low & 0xffffff80) == 0xffffff80);
}
// The same, as the generator of temporary addresses sees the IANA's block.
bool IsReservedForRandom(const Ipv6Address& addr) {
  const uint32_t high = addr.word(2);
  const uint32_t low = addr.word(3);
  return (high == 0 && low == 0) || (high == 0x02005eff && low >> 24 == 0xfe) ||
         (high == 0xfdffffff && low >= 0xffffff80);
}

const Ipv6Address* StableSecret(const inet6_dev* idev) {
  const ipv6_devconf& dflt = dev_ipv6(idev->dev).devconf_dflt;
  if (idev->cnf->stable_secret_set) return &idev->cnf->stable_secret;
  return dflt.stable_secret_set ? &dflt.stable_secret : nullptr;
}

// What is hashed: secret (16 bytes), prefix (8), hardware address (32, padded), count of collisions
// (1), zeros to a block.
Iid HashIdentifier(const Ipv6Address& secret, const Ipv6Address& prefix, const net_device* dev,
                   uint8_t dad_count) {
  constexpr size_t kPrefixAt = 16;
  constexpr size_t kHardwareAt = kPrefixAt + 8;
  constexpr size_t kCountAt = kHardwareAt + 32;
  std::array<uint8_t, 64> block{};
  std::copy(secret.bytes().begin(), secret.bytes().end(), block.begin());
  std::copy_n(prefix.bytes().begin(), 8, block.begin() + kPrefixAt);
  std::copy_n(dev->dev_addr.bytes().begin(), dev->addr_len, block.begin() + kHardwareAt);
  block[kCountAt] = dad_count;
  const Sha1State digest = Sha1Compress(kSha1Initial, block);
  // The kernel copies the state's words as they lie in memory, on little-endian machines.
  Iid iid;
  StoreLe32(iid.data(), digest[0]);
  StoreLe32(iid.data() + 4, digest[1]);
  return iid;
}

void AddLinkLocal(inet6_dev* idev, const Ipv6Address& addr, uint32_t flags) {
  const ipv6_devconf& all = dev_ipv6(idev->dev).devconf_all;
  ifa6_config config = {
      .pfx = addr, .plen = 64, .scope = IFA_LINK, .ifa_flags = flags | IFA_F_PERMANENT};
  if (Either(all.optimistic_dad, idev->cnf->optimistic_dad) && all.forwarding == 0) {
    config.ifa_flags |= IFA_F_OPTIMISTIC;
  }
  int err = 0;
  inet6_ifaddr* const ifp = ipv6_add_addr(idev, config, &err);
  if (ifp == nullptr) return;
  addrconf_prefix_route(ifp->addr, ifp->prefix_len, 0, idev->dev, 0, 0);
  addrconf_dad_start(ifp);
  in6_ifa_put(ifp);
}

}  // namespace

bool ipv6_generate_eui64(const net_device* dev, Ipv6Address* addr) {
  if (dev->type != kArphrdEther || dev->addr_len != sizeof(MacAddress)) return false;
  const auto& mac = dev->dev_addr.bytes();
  *addr = ipv6_addr_with_iid(*addr, Iid{static_cast<uint8_t>(mac[0] ^ 2), mac[1], mac[2], 0xff,
                                        0xfe, mac[3], mac[4], mac[5]});
  return true;
}

bool ipv6_inherit_eui64(const inet6_dev* idev, Ipv6Address* addr) {
  Ipv6Address lladdr;
  if (ipv6_get_lladdr(idev->dev, &lladdr, IFA_F_TENTATIVE) != 0) return false;
  Iid iid;
  std::copy_n(lladdr.bytes().begin() + 8, 8, iid.begin());
  *addr = ipv6_addr_with_iid(*addr, iid);
  return true;
}

bool ipv6_generate_stable_address(const inet6_dev* idev, uint8_t dad_count, Ipv6Address* addr) {
  const Ipv6Address* const secret = StableSecret(idev);
  if (secret == nullptr) return false;
  for (;; ++dad_count) {
    const Ipv6Address made =
        ipv6_addr_with_iid(*addr, HashIdentifier(*secret, *addr, idev->dev, dad_count));
    if (!ipv6_reserved_interfaceid(made)) {
      *addr = made;
      return true;
    }
    if (dad_count + 1 > dev_ipv6(idev->dev).settings.idgen_retries) return false;
  }
}

void ipv6_gen_rnd_iid(netns_ipv6& ns, Ipv6Address* addr) {
  do {
    Iid iid;
    StoreBe64(iid.data(), ns.prng.Next64());
    *addr = ipv6_addr_with_iid(*addr, iid);
  } while (IsReservedForRandom(*addr));
}

void addrconf_addr_gen(inet6_dev* idev) {
  Ipv6Address addr = kIpv6LinkLocalPrefix;
  ipv6_devconf& conf = *idev->cnf;
  switch (conf.addr_gen_mode) {
    case IN6_ADDR_GEN_MODE_RANDOM:
      if (!conf.stable_secret_set) {
        Prng& prng = dev_ipv6(idev->dev).prng;
        std::array<uint8_t, 16> secret;
        StoreBe64(secret.data(), prng.Next64());
        StoreBe64(secret.data() + 8, prng.Next64());
        conf.stable_secret = Ipv6Address(std::span<const uint8_t, 16>(secret));
        conf.stable_secret_set = true;
      }
      [[fallthrough]];
    case IN6_ADDR_GEN_MODE_STABLE_PRIVACY:
      if (ipv6_generate_stable_address(idev, 0, &addr)) {
        AddLinkLocal(idev, addr, IFA_F_STABLE_PRIVACY);
      }
      break;
    case IN6_ADDR_GEN_MODE_EUI64:
      if (ipv6_generate_eui64(idev->dev, &addr)) AddLinkLocal(idev, addr, 0);
      break;
    default:  // IN6_ADDR_GEN_MODE_NONE
      break;
  }
}

}  // namespace tapedeck::addrconf_internal
