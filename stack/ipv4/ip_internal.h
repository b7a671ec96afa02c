// Between the parts of IPv4 output.
#ifndef TAPEDECK_STACK_IPV4_IP_INTERNAL_H_
#define TAPEDECK_STACK_IPV4_IP_INTERNAL_H_

#include <cstdint>

#include "stack/core/dst.h"
#include "stack/core/gso.h"
#include "stack/core/sock.h"
#include "stack/ipv4/inet_sock.h"

namespace tapedeck {

// Cuts IPv4 packets of several segments (inet_gso_segment).
extern const packet_offload ip_packet_offload;

// Whether what the socket sends over `dst` carries DF.
bool ip_dont_fragment(const sock* sk, const dst_entry* dst);
// The socket's TTL, else the route's.
uint8_t ip_select_ttl(const inet_sock* inet, const dst_entry* dst);
// Whether a packet of the socket may be cut by us though it carries DF, and whether it trusts
// learnt path MTUs.
inline bool ip_sk_ignore_df(const inet_sock* inet) {
  return inet->pmtudisc < kIpPmtudiscDo || inet->pmtudisc == kIpPmtudiscOmit;
}
inline bool ip_sk_use_pmtu(const inet_sock* inet) { return inet->pmtudisc < kIpPmtudiscProbe; }

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_IP_INTERNAL_H_
