// Other addresses in the place of real ones, the same for the same seed. Prefixes are kept: two
// addresses that share their first n bits share exactly n bits afterwards, as in Crypto-PAn (Xu,
// Fan, Ammar, Moon, "Prefix-Preserving IP Address Anonymization", ICNP 2002), with SipHash-2-4 as
// the function that decides each bit.
//
// What an address means is kept too, so that traffic goes on making sense: addresses of private,
// link-local and other special networks stay in their network; any, loopback, multicast and
// broadcast addresses stay as they are. Nobody else comes into those networks.
#ifndef TAPEDECK_REPLAY_CONVERT_ADDRESS_MAP_H_
#define TAPEDECK_REPLAY_CONVERT_ADDRESS_MAP_H_

#include <cstdint>
#include <span>

#include "stack/base/hash.h"
#include "stack/base/ip_address.h"

namespace tapedeck {

class AddressMap {
 public:
  explicit AddressMap(uint64_t seed);

  Ipv4Address Map(Ipv4Address address) const;
  // What hangs together goes on doing so: an interface identifier made of a MAC address (RFC 4291,
  // appendix A) becomes that of what the MAC address becomes; the group that an address is
  // solicited at (2.7.1 there) the group of what the address becomes, for the lowest 24 bits depend
  // on themselves alone; an IPv4-mapped address the mapped form of what the IPv4 address becomes.
  Ipv6Address Map(const Ipv6Address& address) const;
  // Groups stay, those of solicited-node groups go along with these.
  MacAddress Map(MacAddress address) const;

 private:
  // Whether bit `length_bits` of an address that begins with the `length_bits` bits of `prefix` is
  // turned; `kind` tells the families and parts of an address apart.
  bool Turns(uint64_t kind, uint64_t prefix_high, uint64_t prefix_low, unsigned length_bits) const;
  // Maps the lowest 24 bits of an IPv6 or MAC address.
  uint32_t MapLow24(uint32_t low) const { return Map24(low, 0); }
  // A permutation of 24 bits; those of `kept` stay.
  uint32_t Map24(uint32_t bits, uint32_t kept) const;

  SipHashKey key_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_CONVERT_ADDRESS_MAP_H_
