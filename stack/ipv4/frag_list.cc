#include "stack/ipv4/frag_list.h"

#include "stack/core/dst.h"

namespace tapedeck {

bool frag_list_fits(const sk_buff* skb, const FragmentGeometry& geometry) {
  if (!skb_has_frag_list(skb)) return false;
  uint32_t listed = 0;
  for (const sk_buff* piece = skb_shinfo(skb)->frag_list; piece != nullptr; piece = piece->next) {
    listed += piece->len;
  }
  const uint32_t first = skb->len - listed - geometry.header_bytes;
  const uint32_t room = geometry.link_room + geometry.fragment_header_bytes;
  if (first > geometry.space || (first & 7) != 0 || skb_cloned(skb) || skb_headroom(skb) < room) {
    return false;
  }
  for (const sk_buff* piece = skb_shinfo(skb)->frag_list; piece != nullptr; piece = piece->next) {
    if (piece->len > geometry.space || ((piece->len & 7) != 0 && piece->next != nullptr) ||
        skb_headroom(piece) < geometry.header_bytes + room || skb_shared(piece) ||
        skb_cloned(piece)) {
      return false;
    }
  }
  return true;
}

sk_buff* frag_list_detach(sk_buff* skb) {
  sk_buff* const list = skb_shinfo(skb)->frag_list;
  skb_shinfo(skb)->frag_list = nullptr;
  for (sk_buff* piece = list; piece != nullptr; piece = piece->next) {
    skb->len -= piece->len;
    skb->data_len -= piece->len;
    skb->truesize -= piece->truesize;
    if (skb->sk != nullptr) {
      piece->sk = skb->sk;
      piece->destructor = skb->destructor;
    }
  }
  return list;
}

void ip_copy_metadata(sk_buff* to, const sk_buff* from) {
  to->pkt_type = from->pkt_type;
  to->priority = from->priority;
  to->protocol = from->protocol;
  to->skb_iif = from->skb_iif;
  skb_dst_drop(to);
  skb_dst_copy(to, from);
  to->dev = from->dev;
  to->mark = from->mark;
  to->hash = from->hash;
  to->l4_hash = from->l4_hash;
}

}  // namespace tapedeck
