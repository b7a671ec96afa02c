// Datagrams put together from pieces: what __ip_append_data and __ip6_append_data of the kernel
// have in common. The pieces are laid out as fragments from the start: each packet of the queue has
// room for link and IP headers and holds as much as one fragment may.
#ifndef TAPEDECK_STACK_IPV4_CORK_APPEND_H_
#define TAPEDECK_STACK_IPV4_CORK_APPEND_H_

#include <cstdint>

#include "stack/core/sk_buff_head.h"
#include "stack/core/sock_cmsg.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/ipv4/ip.h"

namespace tapedeck {

// How the packets of a family look, in bytes.
struct CorkGeometry {
  uint32_t mtu = 0;                     // of a packet with its IP headers
  uint32_t header_bytes = 0;            // IP headers that every fragment repeats
  uint32_t fragment_header_bytes = 0;   // that fragments have besides
  uint32_t first_bytes = 0;             // of transhdrlen that are options of the first fragment
  uint32_t spare_bytes = 0;             // allocated in vain, as the kernel does (alloc_extra)
  netdev_features_t csum_features = 0;  // a device with one of them can sum the datagram
};

// One call that adds bytes. REQUIRES: what the datagram may hold has been checked.
struct CorkAppend {
  sock* sk;
  sk_buff_head* queue;
  inet_cork* cork;
  ip_getfrag_t getfrag;
  void* from;
  uint32_t length;       // with the transport header and the options in front of it
  uint32_t transhdrlen;  // bytes of these; 0 where the queue has the first packet
  uint32_t flags;        // MSG_*
  CorkGeometry geometry;
};
// 0 or -errno; what was appended before an error stays.
int cork_append(const CorkAppend& call);

// The packets of the queue become one: the first, data at the network header, with the others in
// its frag_list, without room for their headers. nullptr where there are none.
sk_buff* cork_join(sk_buff_head* queue);

// What a call's control messages of level SOL_SOCKET say, for a new datagram.
void cork_take_sockc(inet_cork* cork, const sockcm_cookie& sockc);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_CORK_APPEND_H_
