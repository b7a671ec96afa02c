// Why a packet left the path: one list, a sentence each. Names are the kernel's
// (include/net/dropreason-core.h) where it has one; the last group is what happens to a frame
// before the kernel sees it.
#ifndef TAPEDECK_STACK_BASE_DROP_REASON_H_
#define TAPEDECK_STACK_BASE_DROP_REASON_H_

#include <cstdint>

namespace tapedeck {

// X(name, sentence). CONSUMED and NOT_SPECIFIED come first, as in the kernel. Order is part of the
// digest: append only.
#define TAPEDECK_DROP_REASONS(X)                                                          \
  X(CONSUMED, "delivered: not a drop")                                                    \
  X(NOT_SPECIFIED, "no reason given")                                                     \
  X(NO_SOCKET, "no socket was found for it")                                              \
  X(PKT_TOO_SMALL, "shorter than its own headers say")                                    \
  X(TCP_CSUM, "TCP checksum is wrong")                                                    \
  X(SOCKET_FILTER, "refused by a filter on the socket")                                   \
  X(UDP_CSUM, "UDP checksum is wrong")                                                    \
  X(NETFILTER_DROP, "dropped by netfilter")                                               \
  X(OTHERHOST, "its Ethernet destination is another host")                                \
  X(IP_CSUM, "IPv4 header checksum is wrong")                                             \
  X(IP_INHDR, "IP header is malformed")                                                   \
  X(IP_RPFILTER, "reverse path filter failed")                                            \
  X(UNICAST_IN_L2_MULTICAST, "unicast IP address in a link-layer multicast frame")        \
  X(SOCKET_RCVBUFF, "the socket's receive buffer is full")                                \
  X(PROTO_MEM, "the protocol's memory limit is reached")                                  \
  X(IP_OUTDISCARDS, "output path gave up on it")                                          \
  X(IP_OUTNOROUTES, "no route for output")                                                \
  X(IP_NOPROTO, "no handler for its IP protocol")                                         \
  X(NEIGH_CREATEFAIL, "a neighbour entry could not be made")                              \
  X(NEIGH_FAILED, "the neighbour does not answer")                                        \
  X(NEIGH_QUEUEFULL, "the queue of packets that wait for the neighbour is full")          \
  X(NEIGH_DEAD, "the neighbour entry is dead")                                            \
  X(QDISC_DROP, "the queueing discipline is full")                                        \
  X(CPU_BACKLOG, "the CPU's backlog queue is full")                                       \
  X(UNHANDLED_PROTO, "no handler for its EtherType")                                      \
  X(SKB_CSUM, "checksum could not be computed")                                           \
  X(SKB_UCOPY_FAULT, "copy to or from user memory failed")                                \
  X(DEV_HDR, "device header could not be made")                                           \
  X(DEV_READY, "the device is not up")                                                    \
  X(NOMEM, "out of memory")                                                               \
  X(HDR_TRUNC, "header could not be pulled: packet cut short")                            \
  X(ICMP_CSUM, "ICMP checksum is wrong")                                                  \
  X(INVALID_PROTO, "the packet's protocol is not valid here")                             \
  X(IP_INADDRERRORS, "host unreachable for input: no route or not for us")                \
  X(IP_INNOROUTES, "network unreachable for input")                                       \
  X(IP_INVALID_SOURCE, "source address is not valid")                                     \
  X(IP_LOCALNET, "source is a local network where that may not be")                       \
  X(IP_INVALID_DEST, "destination address is not valid")                                  \
  X(PKT_TOO_BIG, "larger than the path allows")                                           \
  X(DUP_FRAG, "fragment was already there")                                               \
  X(FRAG_REASM_TIMEOUT, "reassembly took too long")                                       \
  X(FRAG_TOO_FAR, "fragment too far from the others of its peer")                         \
  X(TCP_NOTAUTH, "not handled: TCP segment without a connection")                         \
  X(TCP_FLAGS, "TCP flags make no sense here")                                            \
  X(TCP_RESET, "closed by a TCP reset")                                                   \
  X(ARP_INVALID, "ARP packet is malformed or of another kind")                            \
  X(ARP_NOT_FOR_US, "ARP request for another host")                                       \
  X(VLAN_UNKNOWN, "VLAN tag that no device of ours has")                                  \
  X(ICMP_INVALID, "ICMP type or code that the host does not act on")                      \
  X(PING_NO_SOCKET, "echo reply that no ping socket waits for")                           \
  X(IP_FRAGMENT, "fragment of a datagram that was never completed")                       \
  X(IPV6_DISABLED, "IPv6 is not configured on the device")                                \
  X(UDP_LENGTH, "UDP length field does not fit the datagram")                             \
  X(TX_QUEUE_STOPPED, "the device's transmit queue was purged")                           \
  X(NIC_FCS, "NIC: frame check sequence is wrong (CRCERRS)")                              \
  X(NIC_RUNT, "NIC: shorter than 64 bytes with FCS (RUC, RFC)")                           \
  X(NIC_OVERSIZE, "NIC: longer than MAXFRS allows (ROC)")                                 \
  X(NIC_FILTER, "NIC: no address filter accepts it")                                      \
  X(NIC_NO_BUFFER, "NIC: no receive descriptor and DROP_EN set (QPRDC)")                  \
  X(NIC_MISSED, "NIC: receive packet buffer full (MPC)")                                  \
  X(NIC_RX_DISABLED, "NIC: receiver is off or the link is down")                          \
  X(NIC_DMA_FAULT, "NIC: DMA to an address that is not mapped")                           \
  X(WIRE_LOSS, "lost on the wire")                                                        \
  X(NIC_TX_ABORT, "NIC: sending given up: link down, reset, or inconsistent descriptors") \
  X(IP_LOCAL_SOURCE, "source address is one of ours")                                     \
  X(FRAG_OVERLAP, "fragment overlaps others of its datagram")                             \
  X(SOCKET_CLOSE, "its socket was closed with it in a queue")                             \
  X(SOCKET_BACKLOG, "the socket's backlog is full")                                       \
  X(TCP_ABORT_ON_DATA, "data came after the user had closed")                             \
  X(TCP_ZEROWINDOW, "the receive window is zero")                                         \
  X(TCP_OLD_DATA, "data that was received before")                                        \
  X(TCP_OVERWINDOW, "data beyond the receive window")                                     \
  X(TCP_OFOMERGE, "other out-of-order data covers it")                                    \
  X(TCP_RFC7323_PAWS, "timestamp too old (PAWS)")                                         \
  X(TCP_RFC7323_PAWS_ACK, "timestamp too old (PAWS), a reordered ACK")                    \
  X(TCP_RFC7323_TW_PAWS, "timestamp too old (PAWS) for a time-wait socket")               \
  X(TCP_RFC7323_TSECR, "timestamp echo that was never sent")                              \
  X(TCP_LISTEN_OVERFLOW, "the accept queue is full")                                      \
  X(TCP_OLD_SEQUENCE, "sequence number before the window")                                \
  X(TCP_INVALID_SEQUENCE, "sequence number not acceptable")                               \
  X(TCP_INVALID_END_SEQUENCE, "end of the segment beyond the window")                     \
  X(TCP_INVALID_ACK_SEQUENCE, "acknowledgment of what was not sent")                      \
  X(TCP_INVALID_SYN, "a SYN that may not be here")                                        \
  X(TCP_CLOSE, "the connection is closed")                                                \
  X(TCP_FASTOPEN, "data of a fast open SYN that was not taken")                           \
  X(TCP_OLD_ACK, "acknowledges what was acknowledged")                                    \
  X(TCP_TOO_OLD_ACK, "acknowledgment older than the largest window")                      \
  X(TCP_ACK_UNSENT_DATA, "acknowledges data that was not sent")                           \
  X(TCP_OFO_QUEUE_PRUNE, "pruned from the out-of-order queue")                            \
  X(TCP_OFO_DROP, "no memory for out-of-order data")                                      \
  X(TCP_MINTTL, "TTL below the socket's minimum")                                         \
  X(TCP_MD5NOTFOUND, "no TCP MD5 signature where one is required")                        \
  X(TCP_MD5UNEXPECTED, "TCP MD5 signature where none is expected")                        \
  X(TCP_MD5FAILURE, "TCP MD5 signature is wrong")                                         \
  X(TCP_AUTH_HDR, "several authentication options")                                       \
  X(SKB_GSO_SEG, "could not be cut into segments")                                        \
  X(IPV6_BAD_EXTHDR, "extension header that is not valid here")                           \
  X(IPV6_NDISC_FRAG, "neighbour discovery in a fragment")                                 \
  X(IPV6_NDISC_HOP_LIMIT, "neighbour discovery that has been forwarded")                  \
  X(IPV6_NDISC_BAD_CODE, "neighbour discovery with a code that is not 0")                 \
  X(IPV6_NDISC_BAD_OPTIONS, "neighbour discovery with malformed options")                 \
  X(IPV6_NDISC_NS_OTHERHOST, "neighbour solicitation for another host")                   \
  X(IPV6_HOP_LIMIT, "hop limit used up")                                                  \
  X(ICMPV6_CSUM, "ICMPv6 checksum is wrong")                                              \
  X(UDP_ENCAP, "taken by a tunnel")                                                       \
  X(IP_TTL, "time to live used up")                                                       \
  X(IGMP_INVALID, "IGMP or MLD message that is not valid")                                \
  X(IPV6_TOO_MANY_EXTHDRS, "more IPv6 extension headers than the host walks")

enum class DropReason : uint16_t {
#define X(name, sentence) SKB_DROP_REASON_##name,
  TAPEDECK_DROP_REASONS(X)
#undef X
      SKB_DROP_REASON_MAX
};
using enum DropReason;

inline constexpr int kDropReasons = static_cast<int>(SKB_DROP_REASON_MAX);

// "NO_SOCKET". REQUIRES: a member of the enumeration.
const char* DropReasonName(DropReason reason);
// The sentence of the list above.
const char* DropReasonText(DropReason reason);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_DROP_REASON_H_
