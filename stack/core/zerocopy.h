// Zero-copy sends as far as a user can see them (MSG_ZEROCOPY; net/core/skbuff.c): data goes into
// pages of its own, so that nobody can change it, but the notifications, their numbers and ranges,
// and when they come, are the kernel's.
//
// A notification (ubuf_info) stands for one or more consecutive sends. The call holds a reference
// and so does each packet's data; the last to let go queues it on the error queue, where it grows
// the one before it if their ranges meet.
#ifndef TAPEDECK_STACK_CORE_ZEROCOPY_H_
#define TAPEDECK_STACK_CORE_ZEROCOPY_H_

#include <cstddef>
#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/skbuff.h"
#include "stack/core/sock.h"

namespace tapedeck {

// skb_shared_info::flags.
enum : uint8_t {
  SKBFL_ZEROCOPY_ENABLE = 1U << 0,  // destructor_arg is a ubuf_info
  SKBFL_SHARED_FRAG = 1U << 1,
  SKBFL_PURE_ZEROCOPY = 1U << 2,  // all of the data is the user's: costs no protocol memory
  SKBFL_DONT_ORPHAN = 1U << 3,
};
inline constexpr uint8_t SKBFL_ZEROCOPY_FRAG = SKBFL_ZEROCOPY_ENABLE | SKBFL_SHARED_FRAG;
inline constexpr uint8_t SKBFL_ALL_ZEROCOPY =
    SKBFL_ZEROCOPY_FRAG | SKBFL_PURE_ZEROCOPY | SKBFL_DONT_ORPHAN;

// A new notification for a send of `size` bytes, or `uarg` (that of the packet it appends to, may
// be null) extended by one send; a reference for the call either way. nullptr: optmem_max is used
// up. REQUIRES: the socket is owned, where uarg is not null.
ubuf_info* msg_zerocopy_realloc(sock* sk, size_t size, ubuf_info* uarg);
// The device cannot send from user pages, or a copy was made: the notification will say COPIED.
void msg_zerocopy_copied(ubuf_info* uarg);

void net_zcopy_get(ubuf_info* uarg);
// Nothing on nullptr.
void net_zcopy_put(ubuf_info* uarg);
// The send has failed before any of it was queued: its number is given back. `have_uref`: the
// call's reference goes too.
void net_zcopy_put_abort(ubuf_info* uarg, bool have_uref);

// The notification of a packet's data, or nullptr (also of a null packet).
inline ubuf_info* skb_zcopy(const sk_buff* skb) {
  if (skb == nullptr || (skb_shinfo(skb)->flags & SKBFL_ZEROCOPY_ENABLE) == 0) return nullptr;
  return static_cast<ubuf_info*>(skb_shinfo(skb)->destructor_arg);
}
inline bool skb_zcopy_pure(const sk_buff* skb) {
  return (skb_shinfo(skb)->flags & SKBFL_PURE_ZEROCOPY) != 0;
}
// Gives the packet's data a reference, once; `have_ref` (may be null): it takes the caller's.
void skb_zcopy_set(sk_buff* skb, ubuf_info* uarg, bool* have_ref);
// The data lets go of it. `success`: it was never copied.
void skb_zcopy_clear(sk_buff* skb, bool success);
// Before a packet enters a receive path on this host: its data must not be the user's any more. 0
// or -ENOMEM.
int skb_orphan_frags_rx(sk_buff* skb);

// Appends up to `len` bytes of the message to `skb` as pages of the user, tied to `uarg`, and pays
// for them (streams: sk_wmem_queued and, where not pure, protocol memory). Bytes; -EMSGSIZE: no
// fragment left, -EEXIST: the packet belongs to another notification, -EFAULT, -ENOMEM.
int64_t skb_zerocopy_iter_stream(sock* sk, sk_buff* skb, msghdr* msg, size_t len, ubuf_info* uarg);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_ZEROCOPY_H_
