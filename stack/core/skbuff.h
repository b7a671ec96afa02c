// The packet: sk_buff, as include/linux/skbuff.h, with its names and its rules.
//
//   head       data              tail        end
//    |          |                 |           |
//    [ headroom | linear data ... | tailroom  ] skb_shared_info: frags[], frag_list, gso, dataref
//
// `len` counts the linear data (skb_headlen) plus `data_len` bytes in page fragments and in the
// sk_buffs of frag_list. The sk_buff itself lies in the hot part of the arena, its buffer in the
// packet pool; skb_shared_info stands at `end` inside the buffer, so all clones of a packet see
// one.
//
// Who may write (each checked, on in every build):
//   - Data shared by clones is read-only. skb_put, skb_push and skb_writable CHECK that nobody else
//   sees the bytes they give
//     out; skb_cow, skb_unshare, skb_ensure_writable and pskb_expand_head make a private copy
//     first. A clone whose other holders have given their headers away (__skb_header_release, as
//     TCP does) may push headers.
//   - __skb_push moves `data` back over headers in order to read them again; it gives no right to
//   write.
//   - An sk_buff with more than one user (skb_shared) may be neither changed nor queued:
//   skb_share_check first.
//
// Sizes that decide anything (truesize, headroom) are the logical ones of 64-bit Linux below, never
// sizeof of our types.
#ifndef TAPEDECK_STACK_CORE_SKBUFF_H_
#define TAPEDECK_STACK_CORE_SKBUFF_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "stack/base/check.h"
#include "stack/base/checksum.h"
#include "stack/base/drop_reason.h"
#include "stack/kernel/arena.h"
#include "stack/kernel/slab.h"

namespace tapedeck {

struct dst_entry;
struct napi_struct;
struct net;
struct net_device;
struct sk_buff;
struct sock;

// --- Logical sizes: x86-64 Linux 6.x of a distribution. ---

inline constexpr uint32_t kSkbAlignBytes = 64;            // SMP_CACHE_BYTES
inline constexpr uint32_t kSkBuffLogicalBytes = 256;      // SKB_DATA_ALIGN(sizeof(struct sk_buff))
inline constexpr uint32_t kSharedInfoLogicalBytes = 320;  // SKB_DATA_ALIGN(sizeof(skb_shared_info))
// SKB_SMALL_HEAD_CACHE_SIZE with CONFIG_WLAN and tunnels: MAX_TCP_HEADER (320) and the shared info.
inline constexpr uint32_t kSmallHeadLogicalBytes = 640;
inline constexpr uint32_t NET_SKB_PAD = 64;
inline constexpr uint32_t NET_IP_ALIGN = 0;  // x86 reads unaligned words
inline constexpr uint32_t MAX_SKB_FRAGS = 17;
inline constexpr uint16_t kHeaderUnset =
    0xffff;  // mac_header or transport_header that was never set

constexpr uint32_t SKB_DATA_ALIGN(uint32_t bytes) {
  return (bytes + kSkbAlignBytes - 1) & ~(kSkbAlignBytes - 1);
}
// What a buffer of `bytes` costs a socket: the buffer, the sk_buff and the shared info.
constexpr uint32_t SKB_TRUESIZE(uint32_t bytes) {
  return bytes + kSkBuffLogicalBytes + kSharedInfoLogicalBytes;
}
// The room for data in a buffer of `bytes`, and the buffer for `bytes` of data.
constexpr uint32_t SKB_WITH_OVERHEAD(uint32_t bytes) { return bytes - kSharedInfoLogicalBytes; }
constexpr uint32_t SKB_HEAD_ALIGN(uint32_t bytes) {
  return SKB_DATA_ALIGN(bytes) + kSharedInfoLogicalBytes;
}

// --- The structures. ---

// A reference-counted block of packet memory of 512 B to 128 KiB: what fragments point into.
struct page {
  PacketBuffer buffer;
  net* owner = nullptr;
  uint32_t refcount = 1;
};

// `bytes` usable bytes; nullptr above PacketPool::kMaxBytes or where a fault was injected.
page* alloc_page(net& net, uint32_t bytes);
inline void get_page(page* p) { ++p->refcount; }
void put_page(page* p);
inline uint8_t* page_address(const page* p) { return p->buffer.data; }

// Consecutive pieces of one page handed to successive fragments (page_frag_alloc, sk_page_frag).
struct page_frag {
  struct page* page = nullptr;
  uint32_t offset = 0;
  uint32_t size = 0;
};
inline constexpr uint32_t kPageFragBytes = 32768;  // SKB_FRAG_PAGE_ORDER 3
// Makes sure that `frag` has at least `bytes` from `frag->offset` on; false where memory fails.
bool skb_page_frag_refill(net& net, uint32_t bytes, page_frag* frag);

struct skb_frag_t {
  struct page* page;
  uint32_t offset;
  uint32_t len;
};
inline uint32_t skb_frag_size(const skb_frag_t* frag) { return frag->len; }
inline uint8_t* skb_frag_address(const skb_frag_t* frag) {
  return page_address(frag->page) + frag->offset;
}

struct skb_shared_info {
  uint8_t flags;  // SKBFL_*
  uint8_t nr_frags;
  uint8_t tx_flags;  // SKBTX_*
  uint16_t gso_size;
  uint16_t gso_segs;
  sk_buff* frag_list;
  int64_t hwtstamp_ns;  // the device's time stamp; 0: none
  uint32_t gso_type;    // SKB_GSO_*
  uint32_t tskey;
  // Holders of the data: low half all of them, high half those that look at the payload only
  // (nohdr).
  uint32_t dataref;
  uint32_t reserved;
  void* destructor_arg;
  skb_frag_t frags[MAX_SKB_FRAGS];
};
static_assert(sizeof(skb_shared_info) == kSharedInfoLogicalBytes);
inline constexpr int SKB_DATAREF_SHIFT = 16;
inline constexpr uint32_t SKB_DATAREF_MASK = (1U << SKB_DATAREF_SHIFT) - 1;

// What is known about the transport checksum. In receive: NONE: nothing; UNNECESSARY: right;
// COMPLETE: `csum` is the sum of all bytes from `data` on. In transmit: NONE: filled in; PARTIAL:
// the device sums from csum_start and stores at csum_offset.
enum : uint8_t { CHECKSUM_NONE, CHECKSUM_UNNECESSARY, CHECKSUM_COMPLETE, CHECKSUM_PARTIAL };

// To whom a frame is addressed, seen from the device that received it (if_packet.h).
enum : uint8_t {
  PACKET_HOST,
  PACKET_BROADCAST,
  PACKET_MULTICAST,
  PACKET_OTHERHOST,
  PACKET_OUTGOING,
  PACKET_LOOPBACK,
};

// gso_type.
enum : uint32_t {
  SKB_GSO_TCPV4 = 1U << 0,
  SKB_GSO_DODGY = 1U << 1,
  SKB_GSO_TCP_ECN = 1U << 2,
  SKB_GSO_TCP_FIXEDID = 1U << 3,  // IP ID is the same in all segments
  SKB_GSO_TCPV6 = 1U << 4,
  SKB_GSO_UDP_L4 = 1U << 17,
  SKB_GSO_FRAGLIST = 1U << 18,
  SKB_GSO_TCP_ACCECN = 1U << 19,  // CWR is part of a counter: the same in all segments
};

// tx_flags.
enum : uint8_t {
  SKBTX_HW_TSTAMP = 1U << 0,
  SKBTX_SW_TSTAMP = 1U << 1,
  SKBTX_IN_PROGRESS = 1U << 2,
  SKBTX_SCHED_TSTAMP = 1U << 6,
};

struct sk_buff {
  // Cleared by allocation. next and prev come first, as in sk_buff_head.
  sk_buff* next;  // nullptr where it is on no list
  sk_buff* prev;
  net_device* dev;  // where it came from or goes to
  sock* sk;         // who pays for it (see destructor)
  dst_entry* dst;   // a reference; see skb_dst() in dst.h
  void (*destructor)(sk_buff* skb);
  // TCP's list of what is in flight, in the order of sending (tcp_tsorted_anchor); nullptr where it
  // is on none.
  sk_buff* tsorted_next;
  sk_buff* tsorted_prev;
  // TCP's packet and its clone on the way out: each points to the other while both live
  // (SKB_FCLONE_ORIG, SKB_FCLONE_CLONE). See skb_fclone_link.
  sk_buff* fclone;
  int64_t tstamp;  // receive: ns of virtual time, 0 where not stamped; transmit: earliest departure
  alignas(8) uint8_t cb[48];  // control block of whichever layer owns the packet now; see SKB_CB
  uint32_t len;
  uint32_t data_len;
  uint16_t mac_len;  // of the link-layer header
  uint16_t hdr_len;  // writable header length of a clone
  uint16_t queue_mapping;
  uint16_t protocol;   // EtherType, host order (wire::kEtherTypeIpv4, ...)
  uint8_t pkt_type;    // PACKET_*
  uint8_t ip_summed;   // CHECKSUM_*
  uint8_t csum_level;  // how many checksums behind one another UNNECESSARY speaks of, minus 1
  bool csum_valid;     // software has verified the checksum
  bool csum_complete_sw;
  bool cloned;  // the data may be shared: look at dataref
  bool nohdr;   // this holder looks at the payload only
  bool l4_hash;
  bool sw_hash;
  bool ignore_df;  // may be fragmented whatever DF says
  bool dst_pending_confirm;
  bool peeked : 1;     // has been seen by MSG_PEEK
  bool head_frag : 1;  // the buffer may become a page fragment of another packet (build_skb)
  bool from_ingress;
  uint32_t priority;  // TC_PRIO_*
  int32_t skb_iif;    // ifindex of the device it was received on
  uint32_t hash;      // flow hash; 0: none
  uint32_t mark;
  uint32_t napi_id;
  union {
    wsum csum;
    struct {
      uint16_t csum_start;   // from head
      uint16_t csum_offset;  // from csum_start
    };
  };
  uint16_t vlan_proto;  // 0: no tag
  uint16_t vlan_tci;
  uint16_t transport_header;  // all from head; kHeaderUnset where unset
  uint16_t network_header;
  uint16_t mac_header;
  uint16_t inner_transport_header;
  uint16_t inner_network_header;
  uint16_t inner_mac_header;

  // Set by allocation.
  uint32_t tail;  // from head
  uint32_t end;
  uint8_t* head;
  uint8_t* data;
  net* owner;           // the host whose caches it came from
  Slab* head_slab;      // of the buffer at head
  uint32_t head_bytes;  // size class of the buffer at head
  uint32_t truesize;    // what it costs its socket, in Linux's bytes
  uint32_t users;
  uint32_t frame_id;  // World::NewFrameId, for traces; copies keep it
};
static_assert(sizeof(sk_buff) <= 256);

// `T` laid over the control block. REQUIRES: T is trivial and at most 48 bytes.
template <typename T>
T* SKB_CB(sk_buff* skb) {
  static_assert(sizeof(T) <= sizeof(sk_buff::cb) && alignof(T) <= 8);
  return reinterpret_cast<T*>(skb->cb);
}
template <typename T>
const T* SKB_CB(const sk_buff* skb) {
  static_assert(sizeof(T) <= sizeof(sk_buff::cb) && alignof(T) <= 8);
  return reinterpret_cast<const T*>(skb->cb);
}

// --- Making and freeing. All return nullptr only where an allocation failed (size, injected
// fault). ---

// An empty packet with room for `size` bytes and a new frame id. Headroom is the caller's:
// skb_reserve.
sk_buff* alloc_skb(net& net, uint32_t size);
// alloc_skb with fragments for `data_len` bytes more, which the caller fills and counts in len and
// data_len.
sk_buff* alloc_skb_with_frags(net& net, uint32_t header_len, uint32_t data_len);
// alloc_skb for a device's receive path: NET_SKB_PAD of headroom, dev set, truesize as a page
// fragment's.
sk_buff* netdev_alloc_skb(net_device* dev, uint32_t size);
sk_buff* napi_alloc_skb(napi_struct* napi, uint32_t size);
// A packet around `buffer`, which becomes its own; the last 320 of `frag_size` bytes will hold the
// shared info. data == tail == head: the caller reserves headroom and puts what the device has
// written. frame_id is 0: the caller sets it. On nullptr the buffer stays the caller's. REQUIRES:
// frag_size is a multiple of 64, > 320, <= buffer.bytes.
sk_buff* build_skb(net& net, PacketBuffer buffer, uint32_t frag_size);

// Ends a packet's life where all went well: nothing is counted. Nothing on nullptr.
void consume_skb(sk_buff* skb);
// Drops a packet: counts `reason` in net::drops and traces kDrop, then frees. A packet with other
// users only loses one, and a reason of CONSUMED only frees. Nothing on nullptr.
void kfree_skb_reason(sk_buff* skb, DropReason reason);
inline void kfree_skb(sk_buff* skb) { kfree_skb_reason(skb, SKB_DROP_REASON_NOT_SPECIFIED); }
// Drops a chain linked by `next`.
void kfree_skb_list_reason(sk_buff* segs, DropReason reason);
// For poll functions; `budget` 0 says that it is not called from NAPI.
inline void napi_consume_skb(sk_buff* skb, int /*budget*/) { consume_skb(skb); }

// One more user of the same sk_buff.
inline sk_buff* skb_get(sk_buff* skb) {
  ++skb->users;
  return skb;
}
inline bool skb_shared(const sk_buff* skb) { return skb->users != 1; }
// Calls and forgets the destructor: no socket pays for the packet from here on.
void skb_orphan(sk_buff* skb);
// Forgets all that ties a packet to where it was, before it enters another device.
void skb_scrub_packet(sk_buff* skb);

// --- Geometry. ---

inline uint32_t skb_headlen(const sk_buff* skb) { return skb->len - skb->data_len; }
inline uint32_t skb_end_offset(const sk_buff* skb) { return skb->end; }
inline uint8_t* skb_end_pointer(const sk_buff* skb) { return skb->head + skb->end; }
inline uint8_t* skb_tail_pointer(const sk_buff* skb) { return skb->head + skb->tail; }
inline uint32_t skb_headroom(const sk_buff* skb) {
  return static_cast<uint32_t>(skb->data - skb->head);
}
inline bool skb_is_nonlinear(const sk_buff* skb) { return skb->data_len != 0; }
inline uint32_t skb_tailroom(const sk_buff* skb) {
  return skb_is_nonlinear(skb) ? 0 : skb->end - skb->tail;
}
inline skb_shared_info* skb_shinfo(const sk_buff* skb) {
  return reinterpret_cast<skb_shared_info*>(skb_end_pointer(skb));
}
inline bool skb_has_frag_list(const sk_buff* skb) { return skb_shinfo(skb)->frag_list != nullptr; }
inline bool skb_is_gso(const sk_buff* skb) { return skb_shinfo(skb)->gso_size != 0; }
// --- Sharing. ---

// Whether another sk_buff sees the same data.
inline bool skb_cloned(const sk_buff* skb) {
  return skb->cloned && (skb_shinfo(skb)->dataref & SKB_DATAREF_MASK) != 1;
}
// Whether another sk_buff cares for the header part of the data.
inline bool skb_header_cloned(const sk_buff* skb) {
  if (!skb->cloned) return false;
  const uint32_t dataref = skb_shinfo(skb)->dataref;
  return (dataref & SKB_DATAREF_MASK) - (dataref >> SKB_DATAREF_SHIFT) != 1;
}
// This holder promises to look at the payload only: others may write headers in front of it. Once,
// on a packet that is no clone yet.
void __skb_header_release(sk_buff* skb);

// A second sk_buff over the same data; the socket is not inherited, the dst is.
sk_buff* skb_clone(sk_buff* skb);
// An independent, linear copy of everything, with the same headroom and tailroom.
sk_buff* skb_copy(const sk_buff* skb);
// An independent copy of the linear part; fragments and frag_list are shared.
sk_buff* pskb_copy(sk_buff* skb);
// skb_copy with other head- and tailroom.
sk_buff* skb_copy_expand(const sk_buff* skb, uint32_t headroom, uint32_t tailroom);

// `skb` itself where it has one user, otherwise a clone in exchange for our use of it.
sk_buff* skb_share_check(sk_buff* skb);
// `skb` itself where nobody shares its data, otherwise a copy in exchange.
sk_buff* skb_unshare(sk_buff* skb);
// Makes the data private (if shared) with at least `headroom` bytes in front. 0 or -ENOMEM.
int skb_cow(sk_buff* skb, uint32_t headroom);
// The same, for one who will write headers only.
int skb_cow_head(sk_buff* skb, uint32_t headroom);
// The same for the first `write_len` bytes, which become linear. 0 or -ENOMEM.
int skb_ensure_writable(sk_buff* skb, uint32_t write_len);
// A new, private head with so much more head- and tailroom; fragments stay, header offsets follow.
// All pointers into the old head are stale after it. 0 or -ENOMEM; then nothing has changed.
int pskb_expand_head(sk_buff* skb, uint32_t nhead, uint32_t ntail);
// `skb` with at least `headroom`, a copy of the head where that was shared or short; frees `skb` on
// failure.
sk_buff* skb_expand_head(sk_buff* skb, uint32_t headroom);

// The `bytes` linear bytes at `at` (from skb_network_header, ...) for writing. REQUIRES (checked):
// they are linear bytes of this packet's buffer that nobody else sees.
uint8_t* skb_writable(sk_buff* skb, const uint8_t* at, uint32_t bytes);

// --- Growing and shrinking. Bounds are ours to keep, so they are CHECKed. ---

// Headroom of an empty packet.
inline void skb_reserve(sk_buff* skb, uint32_t bytes) {
  CHECK_LE(skb->tail + bytes, skb->end);
  skb->data += bytes;
  skb->tail += bytes;
}
// `bytes` more at the end of the linear data, for writing. REQUIRES: skb_tailroom() >= bytes, no
// fragments, not shared.
inline uint8_t* skb_put(sk_buff* skb, uint32_t bytes) {
  CHECK(!skb_is_nonlinear(skb) && !skb_cloned(skb));
  uint8_t* const at = skb_tail_pointer(skb);
  skb->tail += bytes;
  skb->len += bytes;
  CHECK_LE(skb->tail, skb->end);
  UnpoisonMemory(at, bytes);
  return at;
}
// In AddressSanitizer builds nothing behind the data may be read until skb_put makes it data: of a
// buffer that a device filled, there is only what earlier frames left.
inline void skb_poison_tailroom(const sk_buff* skb) {
  PoisonMemory(skb_tail_pointer(skb), skb->end - skb->tail);
}
inline uint8_t* skb_put_data(sk_buff* skb, const void* data, uint32_t bytes) {
  uint8_t* const at = skb_put(skb, bytes);
  if (bytes > 0) std::memcpy(at, data, bytes);  // no bytes may come from nowhere
  return at;
}
inline uint8_t* skb_put_zero(sk_buff* skb, uint32_t bytes) {
  return static_cast<uint8_t*>(std::memset(skb_put(skb, bytes), 0, bytes));
}
// `data` back over `bytes` that are there already, to read them.
inline const uint8_t* __skb_push(sk_buff* skb, uint32_t bytes) {
  CHECK_LE(bytes, skb_headroom(skb));
  skb->data -= bytes;
  skb->len += bytes;
  return skb->data;
}
// `bytes` more in front, for writing. REQUIRES: skb_headroom() >= bytes, header not shared.
inline uint8_t* skb_push(sk_buff* skb, uint32_t bytes) {
  CHECK(!skb_header_cloned(skb));
  __skb_push(skb, bytes);
  return skb->data;
}
// `bytes` less in front. REQUIRES: skb_headlen() >= bytes.
[[gnu::always_inline]] inline uint8_t* __skb_pull(sk_buff* skb, uint32_t bytes) {
  CHECK_LE(bytes, skb_headlen(skb));
  skb->len -= bytes;
  return skb->data += bytes;
}
// The same; nullptr and nothing changed where the packet is shorter.
inline uint8_t* skb_pull(sk_buff* skb, uint32_t bytes) {
  return bytes > skb->len ? nullptr : __skb_pull(skb, bytes);
}
uint8_t* __pskb_pull_tail(sk_buff* skb, uint32_t delta);
// Makes the first `bytes` linear. False where the packet is shorter or memory failed. Pointers into
// it may be stale after.
inline bool pskb_may_pull(sk_buff* skb, uint32_t bytes) {
  if (bytes <= skb_headlen(skb)) return true;
  if (bytes > skb->len) return false;
  return __pskb_pull_tail(skb, bytes - skb_headlen(skb)) != nullptr;
}
inline uint8_t* pskb_pull(sk_buff* skb, uint32_t bytes) {
  if (!pskb_may_pull(skb, bytes)) return nullptr;
  skb->len -= bytes;
  return skb->data += bytes;
}
// Cuts a linear packet to `len`; nothing where it is shorter.
void skb_trim(sk_buff* skb, uint32_t len);
// Cuts any packet to `len`; nothing where it is shorter. 0 or -ENOMEM. Keeps a CHECKSUM_COMPLETE
// sum right.
int pskb_trim(sk_buff* skb, uint32_t len);
int pskb_trim_rcsum(sk_buff* skb, uint32_t len);
// Makes the whole packet linear. 0 or -ENOMEM.
int __skb_linearize(sk_buff* skb);
inline int skb_linearize(sk_buff* skb) { return skb_is_nonlinear(skb) ? __skb_linearize(skb) : 0; }
// Zero bytes behind the data until it has `len` bytes (short Ethernet frames). 0 or -ENOMEM; the
// packet is dropped then.
int skb_put_padto(sk_buff* skb, uint32_t len);

// Fragment `i` is `size` bytes at `offset` of `p`, whose reference becomes the packet's.
void skb_add_rx_frag(sk_buff* skb, uint32_t i, page* p, uint32_t offset, uint32_t size,
                     uint32_t truesize);
inline void skb_fill_page_desc(sk_buff* skb, uint32_t i, page* p, uint32_t offset, uint32_t size) {
  CHECK_LT(i, MAX_SKB_FRAGS);
  skb_shinfo(skb)->frags[i] = {p, offset, size};
  skb_shinfo(skb)->nr_frags = static_cast<uint8_t>(i + 1);
}
inline bool skb_can_coalesce(const sk_buff* skb, uint32_t i, const page* p, uint32_t offset) {
  if (i == 0) return false;
  const skb_frag_t& last = skb_shinfo(skb)->frags[i - 1];
  return last.page == p && last.offset + last.len == offset;
}

// --- Merging. ---

// Appends the data of `from` to `to` where that costs little: into its tailroom, or as fragments.
// True: `*delta_truesize` is what `to` costs more, and the caller frees `from` with
// kfree_skb_partial. REQUIRES: both are the caller's alone, their headers pulled.
bool skb_try_coalesce(sk_buff* to, sk_buff* from, bool* fragstolen, uint32_t* delta_truesize);
// Frees a merged packet; `head_stolen`: its buffer lives on as a fragment of the other.
void kfree_skb_partial(sk_buff* skb, bool head_stolen);
// A packet whose fragments fit behind its linear data gives their pages back before it waits in a
// queue.
void skb_condense(sk_buff* skb);

// --- Header offsets. Reading; to write, see skb_writable. ---

inline const uint8_t* skb_mac_header(const sk_buff* skb) { return skb->head + skb->mac_header; }
inline const uint8_t* skb_network_header(const sk_buff* skb) {
  return skb->head + skb->network_header;
}
inline const uint8_t* skb_transport_header(const sk_buff* skb) {
  return skb->head + skb->transport_header;
}
inline bool skb_mac_header_was_set(const sk_buff* skb) { return skb->mac_header != kHeaderUnset; }
inline bool skb_transport_header_was_set(const sk_buff* skb) {
  return skb->transport_header != kHeaderUnset;
}
inline void skb_reset_mac_header(sk_buff* skb) {
  skb->mac_header = static_cast<uint16_t>(skb->data - skb->head);
}
inline void skb_reset_network_header(sk_buff* skb) {
  skb->network_header = static_cast<uint16_t>(skb->data - skb->head);
}
inline void skb_reset_transport_header(sk_buff* skb) {
  skb->transport_header = static_cast<uint16_t>(skb->data - skb->head);
}
// `offset` bytes behind data; may be negative.
inline void skb_set_network_header(sk_buff* skb, int offset) {
  skb->network_header = static_cast<uint16_t>(skb->data - skb->head + offset);
}
inline void skb_set_transport_header(sk_buff* skb, int offset) {
  skb->transport_header = static_cast<uint16_t>(skb->data - skb->head + offset);
}
inline int skb_mac_offset(const sk_buff* skb) {
  return static_cast<int>(skb_mac_header(skb) - skb->data);
}
inline int skb_network_offset(const sk_buff* skb) {
  return static_cast<int>(skb_network_header(skb) - skb->data);
}
inline int skb_transport_offset(const sk_buff* skb) {
  return static_cast<int>(skb_transport_header(skb) - skb->data);
}
inline uint32_t skb_network_header_len(const sk_buff* skb) {
  return uint32_t{skb->transport_header} - skb->network_header;
}
inline uint32_t skb_mac_header_len(const sk_buff* skb) {
  return uint32_t{skb->network_header} - skb->mac_header;
}
inline void skb_reset_mac_len(sk_buff* skb) {
  skb->mac_len = static_cast<uint16_t>(skb->network_header - skb->mac_header);
}

// --- VLAN tag beside the packet. ---

inline bool skb_vlan_tag_present(const sk_buff* skb) { return skb->vlan_proto != 0; }
inline uint16_t skb_vlan_tag_get(const sk_buff* skb) { return skb->vlan_tci; }
inline void __vlan_hwaccel_put_tag(sk_buff* skb, uint16_t proto, uint16_t tci) {
  skb->vlan_proto = proto;
  skb->vlan_tci = tci;
}
inline void __vlan_hwaccel_clear_tag(sk_buff* skb) { skb->vlan_proto = 0; }
// Moves an outer tag from the frame into vlan_proto/vlan_tci; nullptr (packet dropped) where it is
// cut short.
sk_buff* skb_vlan_untag(sk_buff* skb);
// Puts the tag beside the packet into the frame. nullptr (packet dropped) where memory failed.
sk_buff* __vlan_hwaccel_push_inside(sk_buff* skb);

// --- Marks and hashes. ---

inline void skb_set_hash(sk_buff* skb, uint32_t hash, bool l4) {
  skb->l4_hash = l4;
  skb->sw_hash = false;
  skb->hash = hash;
}
inline void skb_record_rx_queue(sk_buff* skb, uint16_t queue) {
  skb->queue_mapping = static_cast<uint16_t>(queue + 1);
}
inline bool skb_rx_queue_recorded(const sk_buff* skb) { return skb->queue_mapping != 0; }
inline uint16_t skb_get_rx_queue(const sk_buff* skb) {
  return static_cast<uint16_t>(skb->queue_mapping - 1);
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_SKBUFF_H_
