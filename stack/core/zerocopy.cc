#include "stack/core/zerocopy.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <limits>

#include "stack/core/net.h"

namespace tapedeck {

// Lies in the control block of a packet without data (sock_omalloc) that becomes the notification
// when all references have gone (struct ubuf_info_msgzc).
struct ubuf_info {
  sk_buff* skb;
  uint32_t refcnt;
  uint32_t id;       // number of the first send
  uint32_t bytelen;  // of all its sends
  uint16_t len;      // how many sends; 0: its only one was aborted
  bool zerocopy;     // nobody has copied
};
static_assert(sizeof(ubuf_info) <= sizeof(sk_buff::cb));

namespace {

constexpr uint32_t kBytesMax = 1U << 19;  // of one notification: a few TSO packets
constexpr uint32_t kUserPageBytes = 4096;

// A notification's range grows by `len` sends from `lo` on; false where they do not follow it.
bool skb_zerocopy_notify_extend(sk_buff* skb, uint32_t lo, uint16_t len) {
  sock_extended_err& ee = SKB_EXT_ERR(skb)->ee;
  const uint64_t sum_len = uint64_t{ee.ee_data - ee.ee_info} + 1 + len;
  if (sum_len > std::numeric_limits<uint32_t>::max() || lo != ee.ee_data + 1) return false;
  ee.ee_data += len;
  return true;
}

// The last reference has gone: tells the user.
void __msg_zerocopy_callback(const ubuf_info& uarg) {
  sk_buff* const skb = uarg.skb;
  sock* const sk = skb->sk;
  if (uarg.len == 0 || sock_flag(sk, SOCK_DEAD)) {
    consume_skb(skb);
    sock_put(sk);
    return;
  }
  const sock_extended_err ee = {
      .ee_errno = 0,
      .ee_origin = kSoEeOriginZerocopy,
      .ee_type = 0,
      .ee_code = uarg.zerocopy ? uint8_t{0} : kSoEeCodeZerocopyCopied,
      .ee_pad = 0,
      .ee_info = uarg.id,
      .ee_data = uarg.id + uarg.len - 1,
  };
  const uint16_t sends = uarg.len;
  sk_buff* const tail = skb_peek_tail(&sk->sk_error_queue);
  const bool extended = tail != nullptr && SKB_EXT_ERR(tail)->ee.ee_origin == kSoEeOriginZerocopy &&
                        skb_zerocopy_notify_extend(tail, ee.ee_info, sends);
  if (extended) {
    consume_skb(skb);
  } else {
    std::memset(skb->cb, 0, sizeof(skb->cb));
    SKB_EXT_ERR(skb)->ee = ee;
    skb->pkt_type = PACKET_OUTGOING;
    __skb_queue_tail(&sk->sk_error_queue, skb);
  }
  sk_error_report(sk);
  sock_put(sk);
}

void msg_zerocopy_complete(ubuf_info* uarg, bool success) {
  CHECK_GT(uarg->refcnt, 0U);
  uarg->zerocopy = uarg->zerocopy && success;
  // The copy: what it lies in becomes the notification.
  if (--uarg->refcnt == 0) __msg_zerocopy_callback(ubuf_info(*uarg));
}

ubuf_info* NewNotification(sock* sk, size_t size) {
  sk_buff* const skb = sock_omalloc(sk, 0);
  if (skb == nullptr) return nullptr;
  auto* const uarg = SKB_CB<ubuf_info>(skb);
  *uarg = {.skb = skb,
           .refcnt = 1,
           .id = sk->sk_zckey++,
           .bytelen = static_cast<uint32_t>(size),
           .len = 1,
           .zerocopy = true};
  sock_hold(sk);
  return uarg;
}

// The next piece of the message in a page of its own: bytes, -EFAULT, -ENOMEM.
int64_t AddUserPage(sk_buff* skb, iov_iter* from, size_t len) {
  page* const p = alloc_page(*skb->owner, kUserPageBytes);
  if (p == nullptr) return -ENOMEM;
  // Pieces of the user's memory lie in pages of their own.
  const size_t wanted = std::min<size_t>({len, kUserPageBytes, iov_iter_single_seg_count(from)});
  if (!copy_from_iter_full(page_address(p), wanted, from)) {
    put_page(p);
    return -EFAULT;
  }
  const auto bytes = static_cast<uint32_t>(wanted);
  skb_fill_page_desc(skb, skb_shinfo(skb)->nr_frags, p, 0, bytes);
  skb->len += bytes;
  skb->data_len += bytes;
  skb->truesize += kUserPageBytes;
  return bytes;
}

// The user's pages are paid for by the socket.
void ChargePages(sock* sk, const sk_buff* skb, uint32_t truesize) {
  if (sk->sk_type != SOCK_STREAM) {
    sk->sk_wmem_alloc += truesize;
    return;
  }
  sk->sk_wmem_queued += static_cast<int32_t>(truesize);
  if (!skb_zcopy_pure(skb)) sk_mem_charge(sk, truesize);
}

}  // namespace

ubuf_info* msg_zerocopy_realloc(sock* sk, size_t size, ubuf_info* uarg) {
  if (uarg == nullptr) return NewNotification(sk, size);
  CHECK(sock_owned_by_user(sk));
  const bool stream = sk->sk_type == SOCK_STREAM;
  const uint64_t bytes = uint64_t{uarg->bytelen} + size;
  if (uarg->len == std::numeric_limits<uint16_t>::max() - 1 || bytes > kBytesMax) {
    return stream ? NewNotification(sk, size) : nullptr;
  }
  if (uarg->id + uarg->len != sk->sk_zckey) return NewNotification(sk, size);
  ++uarg->len;
  uarg->bytelen = static_cast<uint32_t>(bytes);
  ++sk->sk_zckey;
  // A datagram under construction holds its reference already.
  if (stream) net_zcopy_get(uarg);
  return uarg;
}

void msg_zerocopy_copied(ubuf_info* uarg) { uarg->zerocopy = false; }

void net_zcopy_get(ubuf_info* uarg) { ++uarg->refcnt; }

void net_zcopy_put(ubuf_info* uarg) {
  if (uarg != nullptr) msg_zerocopy_complete(uarg, true);
}

void net_zcopy_put_abort(ubuf_info* uarg, bool have_uref) {
  if (uarg == nullptr) return;
  --uarg->skb->sk->sk_zckey;
  --uarg->len;
  if (have_uref) msg_zerocopy_complete(uarg, true);
}

void skb_zcopy_set(sk_buff* skb, ubuf_info* uarg, bool* have_ref) {
  if (uarg == nullptr || skb_zcopy(skb) != nullptr) return;
  if (have_ref != nullptr && *have_ref) {
    *have_ref = false;
  } else {
    net_zcopy_get(uarg);
  }
  skb_shinfo(skb)->destructor_arg = uarg;
  skb_shinfo(skb)->flags |= SKBFL_ZEROCOPY_FRAG | SKBFL_DONT_ORPHAN;
}

void skb_zcopy_clear(sk_buff* skb, bool success) {
  ubuf_info* const uarg = skb_zcopy(skb);
  if (uarg == nullptr) return;
  skb_shinfo(skb)->destructor_arg = nullptr;
  skb_shinfo(skb)->flags &= static_cast<uint8_t>(~SKBFL_ALL_ZEROCOPY);
  msg_zerocopy_complete(uarg, success);
}

int skb_orphan_frags_rx(sk_buff* skb) {
  if (skb_zcopy(skb) == nullptr) return 0;
  // The sender's packet keeps its tie: this one gets a shared info of its own. Its pages are ours
  // already, so they are not copied again; the user hears that they were.
  if (skb_cloned(skb)) {
    if (const int err = pskb_expand_head(skb, 0, 0); err != 0) return err;
  }
  skb_zcopy_clear(skb, false);
  return 0;
}

int64_t skb_zerocopy_iter_stream(sock* sk, sk_buff* skb, msghdr* msg, size_t len, ubuf_info* uarg) {
  ubuf_info* const already = skb_zcopy(skb);
  if (already != nullptr && already != uarg) return -EEXIST;
  const uint32_t truesize = skb->truesize;
  int64_t added = 0;
  int64_t err = 0;
  while (static_cast<size_t>(added) < len && iov_iter_count(&msg->msg_iter) > 0) {
    err = skb_shinfo(skb)->nr_frags == MAX_SKB_FRAGS
              ? -EMSGSIZE
              : AddUserPage(skb, &msg->msg_iter, len - static_cast<size_t>(added));
    if (err < 0) break;
    added += err;
  }
  if (added == 0 && err < 0) return err;
  ChargePages(sk, skb, skb->truesize - truesize);
  skb_zcopy_set(skb, uarg, nullptr);
  return added;
}

}  // namespace tapedeck
