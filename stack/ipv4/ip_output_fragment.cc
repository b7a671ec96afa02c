// Cutting packets into fragments (ip_do_fragment of net/ipv4/ip_output.c; RFC 791 3.2).
#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/frag_list.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {

namespace {

using OutputFn = int (*)(net& net, sock* sk, sk_buff* skb);

void SetFragmentOffset(wire::Ipv4Header* iph, uint32_t offset_bytes, bool more, bool df) {
  uint32_t frag_off = offset_bytes >> 3;
  if (more) frag_off |= wire::kIpv4MoreFragments;
  if (df) frag_off |= wire::kIpv4DontFragment;
  iph->frag_off = static_cast<uint16_t>(frag_off);
}

// Gives `piece` the header of `skb`, whose payload of the datagram lies at `offset` bytes.
void PrepareHeader(sk_buff* piece, const sk_buff* skb, uint32_t header_bytes, uint32_t offset,
                   bool more) {
  piece->ip_summed = CHECKSUM_NONE;
  skb_reset_transport_header(piece);
  std::memcpy(skb_push(piece, header_bytes), skb_network_header(skb), header_bytes);
  skb_reset_network_header(piece);
  ip_copy_metadata(piece, skb);
  IPCB(piece)->flags = IPCB(skb)->flags;
  IPCB(piece)->opt = IPCB(skb)->opt;
  IPCB(piece)->frag_max_size = 0;
  wire::Ipv4Header* const iph = ip_hdr_writable(piece);
  iph->tot_len = static_cast<uint16_t>(piece->len);
  SetFragmentOffset(iph, offset, more, false);
}

// The quick way: only headers are written. The options that go into the first fragment only are
// blanked in its successor, from which the next copies.
int SendPieces(net& net, sock* sk, sk_buff* skb, uint32_t header_bytes, OutputFn output) {
  sk_buff* rest = frag_list_detach(skb);
  wire::Ipv4Header* const iph = ip_hdr_writable(skb);
  iph->tot_len = static_cast<uint16_t>(skb->len);
  SetFragmentOffset(iph, 0, true, false);
  ip_send_check(iph);
  IPCB(skb)->frag_max_size = 0;
  uint32_t offset = 0;
  for (bool first = true;; first = false) {
    sk_buff* const next = rest;
    if (next != nullptr) {
      rest = next->next;
      next->next = nullptr;
      offset += skb->len - header_bytes;
      PrepareHeader(next, skb, header_bytes, offset, rest != nullptr);
      if (first && IPCB(next)->opt.optlen != 0) ip_options_fragment(next);
      ip_send_check(ip_hdr_writable(next));
    }
    const int err = output(net, sk, skb);
    if (err != 0) {
      kfree_skb_reason(next, SKB_DROP_REASON_NOT_SPECIFIED);
      kfree_skb_list_reason(rest, SKB_DROP_REASON_NOT_SPECIFIED);
      return err;
    }
    net.ip_mib.Inc(IpMib::kFragCreates);
    if (next == nullptr) return 0;
    skb = next;
  }
}

// The other way: copies.
class Cutter {
 public:
  Cutter(sk_buff* skb, uint32_t header_bytes, uint32_t space, uint32_t link_room)
      : skb_(skb),
        header_bytes_(header_bytes),
        space_(space),
        link_room_(link_room),
        left_(skb->len - header_bytes),
        at_(header_bytes),
        offset_(ip_hdr(skb)->offset_bytes()),
        more_behind_(ip_hdr(skb)->more_fragments()),
        df_((IPCB(skb)->flags & IPSKB_FRAG_PMTU) != 0) {}

  bool done() const { return left_ == 0; }

  // The next fragment; nullptr where memory failed. REQUIRES: !done().
  sk_buff* Next() {
    uint32_t len = left_;
    if (len > space_) len = space_;
    if (len < left_) len &= ~7U;
    sk_buff* const piece = alloc_skb(*skb_->owner, len + header_bytes_ + link_room_);
    if (piece == nullptr) return nullptr;
    ip_copy_metadata(piece, skb_);
    skb_reserve(piece, link_room_);
    uint8_t* const data = skb_put(piece, len + header_bytes_);
    skb_reset_network_header(piece);
    skb_set_transport_header(piece, static_cast<int>(header_bytes_));
    // The buffer that the whole took from its socket is taken by the pieces.
    if (skb_->sk != nullptr) skb_set_owner_w(piece, skb_->sk);
    std::memcpy(data, skb_network_header(skb_), header_bytes_);
    CHECK_EQ(skb_copy_bits(skb_, at_, data + header_bytes_, len), 0);
    left_ -= len;
    wire::Ipv4Header* const iph = ip_hdr_writable(piece);
    SetFragmentOffset(iph, offset_, left_ > 0 || more_behind_, df_);
    iph->tot_len = static_cast<uint16_t>(len + header_bytes_);
    ip_send_check(iph);
    IPCB(piece)->flags = IPCB(skb_)->flags;
    // Done once on the original: all later fragments copy the blanked options.
    if (offset_ == 0 && IPCB(skb_)->opt.optlen != 0) ip_options_fragment(skb_);
    at_ += len;
    offset_ += len;
    return piece;
  }

 private:
  sk_buff* skb_;
  uint32_t header_bytes_;
  uint32_t space_;
  uint32_t link_room_;
  uint32_t left_;
  uint32_t at_;      // in the packet
  uint32_t offset_;  // in the datagram
  bool more_behind_;
  bool df_;
};

int SendCopies(net& net, sock* sk, sk_buff* skb, Cutter cutter, OutputFn output) {
  while (!cutter.done()) {
    sk_buff* const piece = cutter.Next();
    const int err = piece == nullptr ? -ENOMEM : output(net, sk, piece);
    if (err != 0) {
      kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
      return err;
    }
    net.ip_mib.Inc(IpMib::kFragCreates);
  }
  consume_skb(skb);
  return 0;
}

int Refuse(net& net, sk_buff* skb, int err) {
  net.ip_mib.Inc(IpMib::kFragFails);
  kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED);
  return err;
}

}  // namespace

int ip_do_fragment(net& net, sock* sk, sk_buff* skb, OutputFn output) {
  TRACE_FUNCTION(net, skb, ip_do_fragment, net, sk, skb, output);
  // The device cannot sum what it sees in pieces.
  if (skb->ip_summed == CHECKSUM_PARTIAL && skb_checksum_help(skb) != 0) {
    return Refuse(net, skb, -ENOMEM);
  }
  uint32_t mtu = ip_skb_dst_mtu(sk, skb);
  const uint32_t frag_max_size = IPCB(skb)->frag_max_size;
  if (frag_max_size != 0 && frag_max_size < mtu) mtu = frag_max_size;
  const uint32_t header_bytes = ip_hdrlen(skb);
  if (mtu < header_bytes + 8) return Refuse(net, skb, -EMSGSIZE);
  const uint32_t space = mtu - header_bytes;
  const uint32_t link_room = LL_RESERVED_SPACE(skb->dst->dev);
  IPCB(skb)->flags |= IPSKB_FRAG_COMPLETE;
  int err = 0;
  const FragmentGeometry geometry{.header_bytes = header_bytes,
                                  .fragment_header_bytes = 0,
                                  .space = space,
                                  .link_room = link_room};
  if (!ip_hdr(skb)->is_fragment() && frag_list_fits(skb, geometry)) {
    err = SendPieces(net, sk, skb, header_bytes, output);
  } else if (skb_cloned(skb) && IPCB(skb)->opt.optlen != 0 && skb_cow(skb, 0) != 0) {
    return Refuse(net, skb, -ENOMEM);
  } else {
    err = SendCopies(net, sk, skb, Cutter(skb, header_bytes, space, link_room), output);
  }
  net.ip_mib.Inc(err == 0 ? IpMib::kFragOKs : IpMib::kFragFails);
  return err;
}

}  // namespace tapedeck
