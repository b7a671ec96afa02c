// Trace points of the packet's path: what ftrace's function_graph tracer is to Linux. A function
// that has one tells who listens when it begins and when it ends; DESIGN and stack/README.md name
// the path.
//
// Off, a point is one comparison at the function's begin and nothing at its end: a function that is
// to be traced calls itself a second time between Enter and Leave. On, it tells only: times, random
// numbers, events and so digests are the same.
#ifndef TAPEDECK_STACK_CORE_FUNCTION_TRACE_H_
#define TAPEDECK_STACK_CORE_FUNCTION_TRACE_H_

#include <cstdint>
#include <utility>

namespace tapedeck {

class Cpu;
struct net;
struct sk_buff;

// The functions that have a point, by the names that Linux gives them.
#define TAPEDECK_PATH_FUNCTIONS(X)   \
  /* Interrupt and softirq. */       \
  X(ixgbe_msix_clean_rings)          \
  X(napi_schedule)                   \
  X(__napi_schedule)                 \
  X(net_rx_action)                   \
  X(net_tx_action)                   \
  X(process_backlog)                 \
  X(ixgbe_poll)                      \
  X(ixgbe_clean_tx_irq)              \
  X(ixgbe_clean_rx_irq)              \
  X(napi_complete_done)              \
  /* In: devices. */                 \
  X(__netif_rx)                      \
  X(netif_rx)                        \
  X(napi_gro_receive)                \
  X(dev_gro_receive)                 \
  X(inet_gro_receive)                \
  X(ipv6_gro_receive)                \
  X(tcp4_gro_receive)                \
  X(tcp6_gro_receive)                \
  X(udp4_gro_receive)                \
  X(udp6_gro_receive)                \
  X(skb_gro_receive)                 \
  X(napi_gro_complete)               \
  X(inet_gro_complete)               \
  X(ipv6_gro_complete)               \
  X(tcp4_gro_complete)               \
  X(tcp6_gro_complete)               \
  X(udp4_gro_complete)               \
  X(udp6_gro_complete)               \
  X(netif_receive_skb)               \
  X(netif_receive_skb_list_internal) \
  X(__netif_receive_skb_core)        \
  X(deliver_skb)                     \
  X(arp_rcv)                         \
  X(arp_process)                     \
  /* In: IP. */                      \
  X(ip_rcv)                          \
  X(ip_rcv_finish)                   \
  X(ip_route_input_noref)            \
  X(ip_local_deliver)                \
  X(ip_defrag)                       \
  X(ip_protocol_deliver_rcu)         \
  X(ip_forward)                      \
  X(icmp_rcv)                        \
  X(igmp_rcv)                        \
  X(ipv6_rcv)                        \
  X(ip6_rcv_finish)                  \
  X(ip6_route_input)                 \
  X(ip6_input)                       \
  X(ip6_mc_input)                    \
  X(ipv6_frag_rcv)                   \
  X(ip6_protocol_deliver_rcu)        \
  X(ip6_forward)                     \
  X(icmpv6_rcv)                      \
  X(ndisc_rcv)                       \
  /* In: transports and sockets. */  \
  X(udp_v4_early_demux)              \
  X(udp_rcv)                         \
  X(udp_v6_early_demux)              \
  X(udpv6_rcv)                       \
  X(tcp_v4_early_demux)              \
  X(tcp_v4_rcv)                      \
  X(tcp_v6_early_demux)              \
  X(tcp_v6_rcv)                      \
  X(tcp_v6_do_rcv)                   \
  X(tcp_check_req)                   \
  X(tcp_conn_request)                \
  X(tcp_rcv_state_process)           \
  X(tcp_rcv_established)             \
  X(tcp_ack)                         \
  X(tcp_data_queue)                  \
  X(raw_rcv)                         \
  X(rawv6_rcv)                       \
  X(ping_rcv)                        \
  X(sock_def_readable)               \
  X(sock_recvmsg)                    \
  X(udp_recvmsg)                     \
  X(udpv6_recvmsg)                   \
  X(tcp_recvmsg)                     \
  X(raw_recvmsg)                     \
  X(rawv6_recvmsg)                   \
  X(ping_recvmsg)                    \
  X(ping_v6_recvmsg)                 \
  X(skb_copy_datagram_iter)          \
  X(skb_consume_udp)                 \
  /* Out: sockets and transports. */ \
  X(inet_create)                     \
  X(inet6_create)                    \
  X(sock_sendmsg)                    \
  X(inet_sendmsg)                    \
  X(tcp_sendmsg)                     \
  X(udp_sendmsg)                     \
  X(udpv6_sendmsg)                   \
  X(raw_sendmsg)                     \
  X(rawv6_sendmsg)                   \
  X(ping_v4_sendmsg)                 \
  X(ping_v6_sendmsg)                 \
  X(tcp_v4_connect)                  \
  X(tcp_v6_connect)                  \
  X(tcp_write_timer)                 \
  X(tcp_delack_timer)                \
  X(tcp_keepalive_timer)             \
  X(tcp_write_xmit)                  \
  X(tcp_retransmit_skb)              \
  X(tcp_send_ack)                    \
  X(tcp_transmit_skb)                \
  X(__tcp_transmit_skb)              \
  X(udp_send_skb)                    \
  X(udp_v6_send_skb)                 \
  X(icmp_reply)                      \
  X(__icmp_send)                     \
  X(icmpv6_echo_reply)               \
  X(icmp6_send)                      \
  X(arp_send)                        \
  X(ndisc_send_skb)                  \
  /* Out: IP and devices. */         \
  X(ip_make_skb)                     \
  X(ip_queue_xmit)                   \
  X(ip_local_out)                    \
  X(dst_output)                      \
  X(ip_output)                       \
  X(ip_mc_output)                    \
  X(ip_do_fragment)                  \
  X(ip_finish_output2)               \
  X(ip6_make_skb)                    \
  X(ip6_xmit)                        \
  X(ip6_local_out)                   \
  X(ip6_output)                      \
  X(ip6_fragment)                    \
  X(ip6_finish_output2)              \
  X(neigh_output)                    \
  X(neigh_resolve_output)            \
  X(neigh_connected_output)          \
  X(neigh_hh_output)                 \
  X(dev_queue_xmit)                  \
  X(__dev_xmit_skb)                  \
  X(__qdisc_run)                     \
  X(sch_direct_xmit)                 \
  X(dev_hard_start_xmit)             \
  X(ixgbe_xmit_frame)                \
  X(tun_net_xmit)                    \
  X(loopback_xmit)

enum class PathFunction : uint16_t {
#define X(name) k_##name,
  TAPEDECK_PATH_FUNCTIONS(X)
#undef X
      kCount
};

// As Linux names it. REQUIRES: function < kCount.
const char* PathFunctionName(PathFunction function);

// Who listens to a host's functions (net::function_tracer).
class FunctionTracer {
 public:
  virtual ~FunctionTracer() = default;
  // On `cpu`, at its local time, `function` begins; `frame_id` is that of the packet it was given,
  // 0 where it was given none. Calls nest: what begins inside another ends before it.
  virtual void Enter(Cpu& cpu, PathFunction function, uint32_t frame_id) = 0;
  virtual void Leave(Cpu& cpu, PathFunction function) = 0;

  // For TRACE_FUNCTION: whether the function that begins has yet to be told of.
  bool Intercepts() { return !std::exchange(passing_, false); }
  // The next function that begins has been told of.
  void Pass() { passing_ = true; }

 private:
  bool passing_ = false;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_FUNCTION_TRACE_H_
