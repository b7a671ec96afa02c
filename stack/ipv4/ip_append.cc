// Datagrams put together from pieces (__ip_append_data, __ip_make_skb and their callers in
// net/ipv4/ip_output.c).
#include <algorithm>
#include <cerrno>

#include "stack/base/checksum.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock.h"
#include "stack/ipv4/cork_append.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_internal.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

namespace {

constexpr uint32_t kSpareBytes = 15;  // alloc_extra

// Adds the bytes of one call. 0 or -errno.
int Append(sock* sk, sk_buff_head* queue, inet_cork* cork, ip_getfrag_t getfrag, void* from,
           uint32_t length, uint32_t transhdrlen, uint32_t flags) {
  const uint32_t option_bytes = (cork->flags & IPCORK_OPT) != 0 ? cork->opt.opt.optlen : 0U;
  const CorkGeometry geometry{
      .mtu = cork->gso_size != 0 ? uint32_t{wire::kIpv4TotalMax} : cork->fragsize,
      .header_bytes = static_cast<uint32_t>(wire::kIpv4HeaderBytes) + option_bytes,
      .spare_bytes = kSpareBytes,
      .csum_features = NETIF_F_HW_CSUM | NETIF_F_IP_CSUM};
  const uint32_t largest =
      ip_sk_ignore_df(inet_sk(sk)) ? uint32_t{wire::kIpv4TotalMax} : geometry.mtu;
  if (uint64_t{cork->length} + length > largest - geometry.header_bytes) return -EMSGSIZE;
  const int err = cork_append({.sk = sk,
                               .queue = queue,
                               .cork = cork,
                               .getfrag = getfrag,
                               .from = from,
                               .length = length,
                               .transhdrlen = transhdrlen,
                               .flags = flags,
                               .geometry = geometry});
  if (err != 0) sk->sk_net.ip_mib.Inc(IpMib::kOutDiscards);
  return err;
}

// Takes over `*rtp` and what the call says. 0, -ENETUNREACH where the route's MTU is no MTU.
int SetUpCork(sock* sk, inet_cork* cork, const ipcm_cookie* ipc, rtable** rtp) {
  rtable* const rt = *rtp;
  if (rt == nullptr) return -EFAULT;
  const uint32_t mtu = ip_sk_use_pmtu(inet_sk(sk)) ? dst_mtu(rt) : rt->dev->mtu;
  if (mtu < wire::kIpv4MinMtu) return -ENETUNREACH;
  *cork = inet_cork{};
  cork->fragsize = std::min<uint32_t>(mtu, wire::kIpv4TotalMax);
  if (ipc->has_opt) {
    cork->opt = ipc->opt;
    cork->flags |= IPCORK_OPT;
    cork->addr = ipc->addr;
  }
  cork->gso_size = ipc->gso_size;
  cork->ttl = ipc->ttl;
  cork->tos = ipc->tos;
  cork_take_sockc(cork, ipc->sockc);
  cork->dst = rt;
  *rtp = nullptr;
  return 0;
}

void ReleaseCork(inet_cork* cork) {
  cork->flags &= static_cast<uint8_t>(~IPCORK_OPT);
  dst_release(cork->dst);
  cork->dst = nullptr;
}

void FlushPendingFrames(sk_buff_head* queue, inet_cork* cork) {
  while (sk_buff* const skb = __skb_dequeue_tail(queue)) consume_skb(skb);
  ReleaseCork(cork);
}

uint8_t TtlOf(const inet_sock* inet, const inet_cork* cork, const rtable* rt) {
  if (cork->ttl != 0) return cork->ttl;
  return rt->rt_type == RTN_MULTICAST ? inet->mc_ttl : ip_select_ttl(inet, rt);
}

bool WantsDf(const sock* sk, const sk_buff* skb, const rtable* rt) {
  const uint8_t pmtudisc = inet_sk(sk)->pmtudisc;
  return pmtudisc == kIpPmtudiscDo || pmtudisc == kIpPmtudiscProbe ||
         (skb->len <= dst_mtu(rt) && ip_dont_fragment(sk, rt));
}

// ip_reply_glue_bits: from one piece of memory.
int ReplyGetfrag(void* from, uint8_t* to, uint32_t offset, uint32_t len, uint32_t odd,
                 sk_buff* skb) {
  const wsum sum = csum_and_copy(to, static_cast<const uint8_t*>(from) + offset, len);
  skb->csum = csum_block_add(skb->csum, sum, odd);
  return 0;
}

// Which type of ICMP message goes out: of the kernel's own what their flow says, else what stands
// in the packet.
void CountIcmp(const sock* sk, const sk_buff* skb, const flowi4& flow) {
  net& net = sk->sk_net;
  if (sk == net_ipv4(net).icmp_sk) return icmp_out_count(net, flowi4_icmp_type(flow));
  uint8_t copy = 0;
  const void* const type =
      skb_header_pointer(skb, static_cast<uint32_t>(skb_transport_offset(skb)), 1, &copy);
  if (type != nullptr) icmp_out_count(net, *static_cast<const uint8_t*>(type));
}

}  // namespace

int ip_generic_getfrag(void* from, uint8_t* to, uint32_t /*offset*/, uint32_t len, uint32_t odd,
                       sk_buff* skb) {
  auto* const msg = static_cast<msghdr*>(from);
  if (skb->ip_summed == CHECKSUM_PARTIAL) {
    return copy_from_iter_full(to, len, &msg->msg_iter) ? 0 : -EFAULT;
  }
  wsum sum = 0;
  if (!csum_and_copy_from_iter_full(to, len, &sum, 0, &msg->msg_iter)) return -EFAULT;
  skb->csum = csum_block_add(skb->csum, sum, odd);
  return 0;
}

int ip_append_data(sock* sk, flowi4* /*fl4*/, ip_getfrag_t getfrag, void* from, uint32_t length,
                   uint32_t transhdrlen, ipcm_cookie* ipc, rtable** rtp, uint32_t flags) {
  if ((flags & MSG_PROBE) != 0) return 0;
  inet_cork* const cork = &inet_sk(sk)->cork.base;
  if (skb_queue_empty(&sk->sk_write_queue)) {
    const int err = SetUpCork(sk, cork, ipc, rtp);
    if (err != 0) return err;
  } else {
    transhdrlen = 0;
  }
  return Append(sk, &sk->sk_write_queue, cork, getfrag, from, length, transhdrlen, flags);
}

sk_buff* __ip_make_skb(sock* sk, flowi4* fl4, sk_buff_head* queue, inet_cork* cork) {
  net& net = sk->sk_net;
  const inet_sock* const inet = inet_sk(sk);
  sk_buff* const skb = cork_join(queue);
  if (skb == nullptr) return nullptr;
  auto* const rt = static_cast<rtable*>(cork->dst);
  // Unless the user wants to discover the path MTU himself, the packet may be cut here even with
  // DF.
  skb->ignore_df = ip_sk_ignore_df(inet);
  wire::Ipv4Header* const iph = ip_hdr_writable(skb);
  *iph = wire::Ipv4Header{};
  const uint32_t option_bytes = (cork->flags & IPCORK_OPT) != 0 ? cork->opt.opt.optlen : 0U;
  iph->set_ihl(static_cast<uint8_t>((wire::kIpv4HeaderBytes + option_bytes) / 4));
  iph->tos = cork->tos != -1 ? static_cast<uint8_t>(cork->tos) : inet->tos;
  iph->frag_off = WantsDf(sk, skb, rt) ? wire::kIpv4DontFragment : uint16_t{0};
  iph->ttl = TtlOf(inet, cork, rt);
  iph->protocol = sk->sk_protocol;
  iph->saddr = fl4->saddr;
  iph->daddr = fl4->daddr;
  ip_select_ident_segs(net, iph, sk, skb->ignore_df, 1);
  *IPCB(skb) = inet_skb_parm{};
  if (option_bytes != 0) ip_options_build(skb, cork->opt, cork->addr, rt);
  skb->priority = cork->priority;
  skb->mark = cork->mark;
  skb->tstamp = cork->transmit_time;
  // The packet takes over the cork's reference.
  cork->dst = nullptr;
  skb_dst_set(skb, rt);
  if (iph->protocol == wire::kIpProtoIcmp) CountIcmp(sk, skb, *fl4);
  ReleaseCork(cork);
  return skb;
}

int ip_push_pending_frames(sock* sk, flowi4* fl4) {
  sk_buff* const skb = ip_finish_skb(sk, fl4);
  return skb == nullptr ? 0 : ip_send_skb(sk->sk_net, skb);
}

void ip_flush_pending_frames(sock* sk) {
  FlushPendingFrames(&sk->sk_write_queue, &inet_sk(sk)->cork.base);
}

sk_buff* ip_make_skb(sock* sk, flowi4* fl4, ip_getfrag_t getfrag, void* from, uint32_t length,
                     uint32_t transhdrlen, ipcm_cookie* ipc, rtable** rtp, inet_cork* cork,
                     uint32_t flags, int* err) {
  TRACE_FUNCTION(sk->sk_net, nullptr, ip_make_skb, sk, fl4, getfrag, from, length, transhdrlen, ipc,
                 rtp, cork, flags, err);
  *err = 0;
  if ((flags & MSG_PROBE) != 0) return nullptr;
  sk_buff_head queue;
  *err = SetUpCork(sk, cork, ipc, rtp);
  if (*err != 0) return nullptr;
  *err = Append(sk, &queue, cork, getfrag, from, length, transhdrlen, flags);
  if (*err != 0) {
    FlushPendingFrames(&queue, cork);
    return nullptr;
  }
  return __ip_make_skb(sk, fl4, &queue, cork);
}

void ip_send_unicast_reply(sock* sk, sk_buff* skb, const ip_options& sopt, Ipv4Address daddr,
                           Ipv4Address saddr, const ip_reply_arg& arg, uint32_t len) {
  net& net = sk->sk_net;
  const wire::Ipv4Header& received = *ip_hdr(skb);
  ipcm_cookie ipc;
  if (__ip_options_echo(net, &ipc.opt, skb, sopt) != 0) return;
  ipc.addr = daddr;
  ipc.has_opt = ipc.opt.opt.optlen != 0;
  if (ipc.has_opt && ipc.opt.opt.srr != 0) daddr = ipc.opt.opt.faddr;
  const uint32_t mark = net_ipv4(net).settings.fwmark_reflect != 0 ? skb->mark : 0;
  // The ports of the flow are those of the received segment, which begins with them in every
  // transport that is answered so.
  const uint8_t* const ports = skb_transport_header(skb);
  flowi4 flow = flowi4_init_output(arg.bound_dev_if, mark != 0 ? mark : sk->sk_mark, arg.tos,
                                   RT_SCOPE_UNIVERSE, received.protocol, arg.flags, daddr, saddr,
                                   LoadBe16(ports), LoadBe16(ports + 2));
  int err = 0;
  rtable* rt = ip_route_output_flow(net, &flow, sk, &err);
  if (rt == nullptr) return;
  inet_sk(sk)->tos = arg.tos;
  sk->sk_protocol = received.protocol;
  sk->sk_bound_dev_if = arg.bound_dev_if;
  sk->sk_sndbuf = net.core.wmem_default;
  ipc.sockc.mark = flow.mark;
  err = ip_append_data(sk, &flow, ReplyGetfrag, const_cast<uint8_t*>(arg.data), len, 0, &ipc, &rt,
                       MSG_DONTWAIT);
  sk_buff* const first = err == 0 ? skb_peek(&sk->sk_write_queue) : nullptr;
  if (first != nullptr) {
    if (arg.csumoffset >= 0) {
      const auto at = static_cast<uint32_t>(arg.csumoffset);
      StoreBe16(skb_writable(first, skb_transport_header(first) + at, 2),
                csum_fold(csum_add(first->csum, arg.csum)));
    }
    first->ip_summed = CHECKSUM_NONE;
    ip_push_pending_frames(sk, &flow);
  } else {
    ip_flush_pending_frames(sk);
  }
  dst_release(rt);
}

}  // namespace tapedeck
