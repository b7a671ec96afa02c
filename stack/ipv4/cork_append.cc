#include "stack/ipv4/cork_append.h"

#include <algorithm>
#include <cerrno>

#include "stack/base/checksum.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock.h"
#include "stack/core/tx_timestamp.h"
#include "stack/core/zerocopy.h"

namespace tapedeck {

namespace {

constexpr uint32_t kMaxLinearBytes =
    16384 - kSharedInfoLogicalBytes;  // SKB_MAX_ALLOC: an order-2 page

// The state of one cork_append.
class Appender {
 public:
  explicit Appender(const CorkAppend& call)
      : sk_(call.sk),
        queue_(call.queue),
        cork_(call.cork),
        getfrag_(call.getfrag),
        from_(call.from),
        length_(call.length),
        transhdrlen_(call.transhdrlen),
        flags_(call.flags),
        geometry_(call.geometry),
        dev_(cork_->dst->dev),
        fragment_max_(((geometry_.mtu - geometry_.header_bytes) & ~7U) + geometry_.header_bytes -
                      geometry_.fragment_header_bytes) {}

  int Run() {
    ChooseChecksum();
    skb_ = skb_peek_tail(queue_);
    if (!PrepareZerocopy()) return -ENOBUFS;
    cork_->length += length_;
    NumberForTimestamp();
    int err = skb_ == nullptr ? StartPacket() : 0;
    while (err == 0 && length_ > 0) {
      // What still fits: up to the MTU if that is all of it, else up to a multiple of eight.
      uint32_t room = last_max() > skb_->len ? last_max() - skb_->len : 0;
      if (room < length_) room = fragment_max_ > skb_->len ? fragment_max_ - skb_->len : 0;
      err = room == 0 ? StartPacket() : Extend(std::min(room, length_));
    }
    if (err == 0) return 0;
    net_zcopy_put_abort(uarg_, uarg_is_ours_);
    if (numbered_) --sk_->sk_tskey;
    cork_->length -= length_;
    return err;
  }

 private:
  // A device that sums takes the transport's checksum over where the datagram will not be cut.
  void ChooseChecksum() {
    const bool one_packet = length_ + geometry_.header_bytes <= geometry_.mtu;
    const bool complete = (flags_ & MSG_MORE) == 0 || cork_->gso_size != 0;
    if (transhdrlen_ != 0 && one_packet && complete &&
        (dev_->features & geometry_.csum_features) != 0) {
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

  // How long the last fragment may be. Where a fragment header will be needed, it takes its room.
  uint32_t last_max() const {
    return geometry_.fragment_header_bytes == 0 || cork_->length <= geometry_.mtu ? geometry_.mtu
                                                                                  : fragment_max_;
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
    const uint32_t header_bytes = geometry_.header_bytes;
    if (data_bytes > last_max() - header_bytes) data_bytes = fragment_max_ - header_bytes;
    if (data_bytes < transhdrlen_ + gap) return -EINVAL;
    const uint32_t fragment_bytes = data_bytes + header_bytes;
    const uint32_t room = LL_RESERVED_SPACE(dev_) + geometry_.fragment_header_bytes;
    uint32_t extra = room + geometry_.spare_bytes;
    if (data_bytes == length_ + gap) extra += cork_->dst->trailer_len;
    uint32_t linear = 0;
    uint32_t paged = 0;
    if ((flags_ & MSG_MORE) != 0 && !can_gather()) {
      linear = geometry_.mtu;
    } else if (cork_->gso_size == 0 && !by_user_pages_ &&
               (fragment_bytes + extra < kMaxLinearBytes || !can_gather())) {
      linear = fragment_bytes;
    } else {
      linear = header_bytes + transhdrlen_;
      paged = data_bytes - transhdrlen_ - gap;
      linear += gap;
    }
    int err = 0;
    sk_buff* const skb = Allocate(linear + extra, &err);
    if (skb == nullptr) return err;
    skb->ip_summed = summed_;
    skb->csum = 0;
    skb_reserve(skb, room);
    uint8_t* const data = skb_put(skb, fragment_bytes - paged) + header_bytes;
    skb_set_network_header(skb, previous == nullptr ? static_cast<int>(geometry_.first_bytes) : 0);
    skb->transport_header = static_cast<uint16_t>(skb->network_header + header_bytes);
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
  CorkGeometry geometry_;
  net_device* dev_;
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

}  // namespace

int cork_append(const CorkAppend& call) { return Appender(call).Run(); }

sk_buff* cork_join(sk_buff_head* queue) {
  sk_buff* const skb = __skb_dequeue(queue);
  if (skb == nullptr) return nullptr;
  const uint32_t header_bytes = skb_network_header_len(skb);
  // What of the first packet's transport header is not the transport's but options'.
  __skb_pull(skb, static_cast<uint32_t>(skb_network_offset(skb)));
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

void cork_take_sockc(inet_cork* cork, const sockcm_cookie& sockc) {
  cork->mark = sockc.mark;
  cork->priority = sockc.priority;
  cork->transmit_time = static_cast<int64_t>(sockc.transmit_time);
  __sock_tx_timestamp(sockc.tsflags, &cork->tx_flags);
  if ((sockc.tsflags & SOCKCM_FLAG_TS_OPT_ID) == 0) return;
  cork->flags |= IPCORK_TS_OPT_ID;
  cork->ts_opt_id = sockc.ts_opt_id;
}

}  // namespace tapedeck
