// Datagrams put together from pieces (__ip_append_data, __ip_make_skb and their callers in
// net/ipv4/ip_output.c). The pieces are laid out as fragments from the start: each packet of the
// queue has room for link and IP headers and holds as much as one fragment may.
#include <algorithm>
#include <cerrno>

#include "stack/base/checksum.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock.h"
#include "stack/core/tx_timestamp.h"
#include "stack/core/zerocopy.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_internal.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

namespace {

constexpr uint32_t kSpareBytes = 15;  // alloc_extra
constexpr uint32_t kMaxLinearBytes =
    16384 - kSharedInfoLogicalBytes;  // SKB_MAX_ALLOC: an order-2 page

// The state of one __ip_append_data.
class Appender {
 public:
  Appender(sock* sk, sk_buff_head* queue, inet_cork* cork, ip_getfrag_t getfrag, void* from,
           uint32_t length, uint32_t transhdrlen, uint32_t flags)
      : sk_(sk),
        queue_(queue),
        cork_(cork),
        getfrag_(getfrag),
        from_(from),
        length_(length),
        transhdrlen_(transhdrlen),
        flags_(flags),
        dev_(cork->dst->dev),
        option_bytes_((cork->flags & IPCORK_OPT) != 0 ? cork->opt.opt.optlen : 0U),
        mtu_(cork->gso_size != 0 ? uint32_t{wire::kIpv4TotalMax} : cork->fragsize),
        header_bytes_(wire::kIpv4HeaderBytes + option_bytes_),
        fragment_max_(((mtu_ - header_bytes_) & ~7U) + header_bytes_) {}

  // 0 or -errno; what was appended before an error stays.
  int Run() {
    const uint32_t largest = ip_sk_ignore_df(inet_sk(sk_)) ? uint32_t{wire::kIpv4TotalMax} : mtu_;
    if (uint64_t{cork_->length} + length_ > largest - header_bytes_) return -EMSGSIZE;
    ChooseChecksum();
    skb_ = skb_peek_tail(queue_);
    if (!PrepareZerocopy()) return -ENOBUFS;
    cork_->length += length_;
    NumberForTimestamp();
    int err = skb_ == nullptr ? StartPacket() : 0;
    while (err == 0 && length_ > 0) {
      // What still fits: up to the MTU if that is all of it, else up to a multiple of eight.
      uint32_t room = mtu_ > skb_->len ? mtu_ - skb_->len : 0;
      if (room < length_) room = fragment_max_ > skb_->len ? fragment_max_ - skb_->len : 0;
      err = room == 0 ? StartPacket() : Extend(std::min(room, length_));
    }
    if (err == 0) return 0;
    net_zcopy_put_abort(uarg_, uarg_is_ours_);
    if (numbered_) --sk_->sk_tskey;
    cork_->length -= length_;
    sk_->sk_net.ip_mib.Inc(IpMib::kOutDiscards);
    return err;
  }

 private:
  // A device that sums takes the transport's checksum over where the datagram will not be cut.
  void ChooseChecksum() {
    const bool one_packet = length_ + header_bytes_ <= mtu_;
    const bool complete = (flags_ & MSG_MORE) == 0 || cork_->gso_size != 0;
    if (transhdrlen_ != 0 && one_packet && complete &&
        (dev_->features & (NETIF_F_HW_CSUM | NETIF_F_IP_CSUM)) != 0) {
      summed_ = CHECKSUM_PARTIAL;
    }
  }

  // MSG_ZEROCOPY: the notification that this call belongs to. False where there is no memory for
  // one.
  bool PrepareZerocopy() {
    if ((flags_ & MSG_ZEROCOPY) == 0 || length_ == 0 || !sock_flag(sk_, SOCK_ZEROCOPY)) return true;
    ubuf_info* const before = skb_zcopy(skb_);
    uarg_ = msg_zerocopy_realloc(sk_, length_, before);
    if (uarg_ == nullptr) return false;
    uarg_is_ours_ = before == nullptr;
    by_user_pages_ = can_gather() && summed_ == CHECKSUM_PARTIAL;
    if (by_user_pages_) return true;
    msg_zerocopy_copied(uarg_);
    if (skb_ != nullptr) skb_zcopy_set(skb_, uarg_, &uarg_is_ours_);
    return true;
  }

  // SOF_TIMESTAMPING_OPT_ID: the number by which a time stamp of this datagram is told.
  void NumberForTimestamp() {
    if ((cork_->tx_flags & SKBTX_ANY_TSTAMP) == 0) return;
    if ((sk_->sk_tsflags & SOF_TIMESTAMPING_OPT_ID) == 0) return;
    numbered_ = (cork_->flags & IPCORK_TS_OPT_ID) == 0;
    tskey_ = numbered_ ? sk_->sk_tskey++ : cork_->ts_opt_id;
  }

  bool can_gather() const { return (dev_->features & NETIF_F_SG) != 0; }

  sk_buff* Allocate(uint32_t bytes, int* err) {
    if (transhdrlen_ != 0) return sock_alloc_send_skb(sk_, bytes, err);
    // Later pieces may exceed the send buffer, but not without limit.
    *err = -ENOBUFS;
    if (sk_->sk_wmem_alloc > 2 * sk_->sk_sndbuf) return nullptr;
    return alloc_skb(sk_->sk_net, bytes);
  }

  // A new packet at the end of the queue, with as much of the data as it may hold.
  int StartPacket() {
    sk_buff* const previous = skb_;
    // What the previous packet has beyond a multiple of eight moves into this one, now that it is
    // not the last.
    const uint32_t gap = previous != nullptr ? previous->len - fragment_max_ : 0;
    uint32_t data_bytes = length_ + gap;
    if (data_bytes > mtu_ - header_bytes_) data_bytes = fragment_max_ - header_bytes_;
    const uint32_t fragment_bytes = data_bytes + header_bytes_;
    const uint32_t link_room = LL_RESERVED_SPACE(dev_);
    uint32_t extra = link_room + kSpareBytes;
    if (data_bytes == length_ + gap) extra += cork_->dst->trailer_len;
    uint32_t linear = 0;
    uint32_t paged = 0;
    if ((flags_ & MSG_MORE) != 0 && !can_gather()) {
      linear = mtu_;
    } else if (cork_->gso_size == 0 && !by_user_pages_ &&
               (fragment_bytes + extra < kMaxLinearBytes || !can_gather())) {
      linear = fragment_bytes;
    } else {
      linear = header_bytes_ + transhdrlen_;
      paged = data_bytes - transhdrlen_ - gap;
      linear += gap;
    }
    int err = 0;
    sk_buff* const skb = Allocate(linear + extra, &err);
    if (skb == nullptr) return err;
    skb->ip_summed = summed_;
    skb->csum = 0;
    skb_reserve(skb, link_room);
    uint8_t* const data = skb_put(skb, fragment_bytes - paged) + header_bytes_;
    skb_reset_network_header(skb);
    skb->transport_header = static_cast<uint16_t>(skb->network_header + header_bytes_);
    if (gap != 0) MoveGap(previous, skb, data, gap);
    const uint32_t copied = data_bytes - transhdrlen_ - gap - paged;
    if (copied > 0 && getfrag_(from_, data + transhdrlen_ + gap, offset_, copied, gap, skb) < 0) {
      consume_skb(skb);
      return -EFAULT;
    }
    offset_ += copied;
    length_ -= copied + transhdrlen_;
    transhdrlen_ = 0;
    summed_ = CHECKSUM_NONE;
    // Only the first fragment is stamped.
    skb_shinfo(skb)->tx_flags = cork_->tx_flags;
    cork_->tx_flags = 0;
    skb_shinfo(skb)->tskey = tskey_;
    tskey_ = 0;
    skb_zcopy_set(skb, uarg_, &uarg_is_ours_);
    if ((flags_ & MSG_CONFIRM) != 0 && previous == nullptr) skb->dst_pending_confirm = true;
    if (skb->sk == nullptr) skb_set_owner_w(skb, sk_);
    __skb_queue_tail(queue_, skb);
    skb_ = skb;
    return 0;
  }

  void MoveGap(sk_buff* previous, sk_buff* skb, uint8_t* to, uint32_t gap) const {
    skb->csum = skb_copy_and_csum_bits(previous, fragment_max_, to + transhdrlen_, gap);
    previous->csum = csum_sub(previous->csum, skb->csum);
    CHECK_EQ(pskb_trim(previous, fragment_max_), 0);
  }

  // More bytes for the last packet: in its tailroom, or in page fragments where the device gathers.
  int Extend(uint32_t bytes) {
    if (!can_gather() && skb_tailroom(skb_) >= bytes) {
      const uint32_t before = skb_->len;
      if (getfrag_(from_, skb_put(skb_, bytes), offset_, bytes, before, skb_) < 0) {
        skb_trim(skb_, before);
        return -EFAULT;
      }
    } else {
      const int64_t added =
          by_user_pages_
              ? skb_zerocopy_iter_stream(sk_, skb_, static_cast<msghdr*>(from_), bytes, uarg_)
              : ExtendByPage(bytes);
      if (added < 0) return static_cast<int>(added);
      bytes = static_cast<uint32_t>(added);
    }
    offset_ += bytes;
    length_ -= bytes;
    return 0;
  }

  // How many bytes were added, or -errno.
  int ExtendByPage(uint32_t bytes) {
    page_frag* const frag = &sk_->sk_frag;
    if (!sk_page_frag_refill(sk_)) return -ENOMEM;
    uint32_t i = skb_shinfo(skb_)->nr_frags;
    if (!skb_can_coalesce(skb_, i, frag->page, frag->offset)) {
      if (i == MAX_SKB_FRAGS) return -EMSGSIZE;
      skb_fill_page_desc(skb_, i, frag->page, frag->offset, 0);
      get_page(frag->page);
      ++i;
    }
    bytes = std::min(bytes, frag->size - frag->offset);
    if (getfrag_(from_, page_address(frag->page) + frag->offset, offset_, bytes, skb_->len, skb_) <
        0) {
      return -EFAULT;
    }
    frag->offset += bytes;
    skb_shinfo(skb_)->frags[i - 1].len += bytes;
    skb_->len += bytes;
    skb_->data_len += bytes;
    skb_->truesize += bytes;
    sk_->sk_wmem_alloc += bytes;
    return static_cast<int>(bytes);
  }

  sock* sk_;
  sk_buff_head* queue_;
  inet_cork* cork_;
  ip_getfrag_t getfrag_;
  void* from_;
  uint32_t length_;       // bytes still to come, with the transport header
  uint32_t transhdrlen_;  // 0 once the first packet is there
  uint32_t flags_;
  net_device* dev_;
  uint32_t option_bytes_;
  uint32_t mtu_;
  uint32_t header_bytes_;
  uint32_t fragment_max_;  // of a fragment that is not the last
  uint32_t offset_ = 0;    // into what `from` has
  uint8_t summed_ = CHECKSUM_NONE;
  sk_buff* skb_ = nullptr;  // the last of the queue
  // MSG_ZEROCOPY.
  ubuf_info* uarg_ = nullptr;
  bool uarg_is_ours_ = false;  // a reference that no packet has taken yet
  bool by_user_pages_ = false;
  // Time stamps.
  uint32_t tskey_ = 0;
  bool numbered_ = false;  // by the socket's counter
};

// Takes over `*rtp` and what the call says. 0, -ENETUNREACH where the route's MTU is no MTU.
int SetUpCork(sock* sk, inet_cork* cork, const ipcm_cookie* ipc, rtable** rtp) {
  rtable* const rt = *rtp;
  if (rt == nullptr || rt->dev == nullptr) return -EFAULT;
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
  cork->mark = ipc->sockc.mark;
  cork->priority = ipc->sockc.priority;
  cork->transmit_time = static_cast<int64_t>(ipc->sockc.transmit_time);
  __sock_tx_timestamp(ipc->sockc.tsflags, &cork->tx_flags);
  if ((ipc->sockc.tsflags & SOCKCM_FLAG_TS_OPT_ID) != 0) {
    cork->flags |= IPCORK_TS_OPT_ID;
    cork->ts_opt_id = ipc->sockc.ts_opt_id;
  }
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

// The packets of the queue become one: the first with the others in its frag_list, without room for
// their headers.
sk_buff* Join(sk_buff_head* queue) {
  sk_buff* const skb = __skb_dequeue(queue);
  if (skb == nullptr) return nullptr;
  const uint32_t header_bytes = skb_network_header_len(skb);
  sk_buff** tail = &skb_shinfo(skb)->frag_list;
  while (sk_buff* const piece = __skb_dequeue(queue)) {
    __skb_pull(piece, header_bytes);
    *tail = piece;
    tail = &piece->next;
    skb->len += piece->len;
    skb->data_len += piece->len;
    skb->truesize += piece->truesize;
    // The first pays for all.
    piece->destructor = nullptr;
    piece->sk = nullptr;
  }
  return skb;
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
  return Appender(sk, &sk->sk_write_queue, cork, getfrag, from, length, transhdrlen, flags).Run();
}

sk_buff* __ip_make_skb(sock* sk, flowi4* fl4, sk_buff_head* queue, inet_cork* cork) {
  net& net = sk->sk_net;
  const inet_sock* const inet = inet_sk(sk);
  sk_buff* const skb = Join(queue);
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
  if (iph->protocol == wire::kIpProtoIcmp) {
    uint8_t copy = 0;
    const void* const type =
        skb_header_pointer(skb, static_cast<uint32_t>(skb_transport_offset(skb)), 1, &copy);
    if (type != nullptr) icmp_out_count(net, *static_cast<const uint8_t*>(type));
  }
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
  *err = 0;
  if ((flags & MSG_PROBE) != 0) return nullptr;
  sk_buff_head queue;
  *err = SetUpCork(sk, cork, ipc, rtp);
  if (*err != 0) return nullptr;
  *err = Appender(sk, &queue, cork, getfrag, from, length, transhdrlen, flags).Run();
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
