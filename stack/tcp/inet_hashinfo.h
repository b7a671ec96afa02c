// The tables behind inet_hashtables.h, for the files that implement them: buckets that double as
// they fill, so that a small Lab stays small and 100,000 connections stay fast, and the buckets of
// local ports with their rules (include/net/inet_hashtables.h).
#ifndef TAPEDECK_STACK_TCP_INET_HASHINFO_H_
#define TAPEDECK_STACK_TCP_INET_HASHINFO_H_

#include <algorithm>
#include <cstdint>
#include <new>
#include <utility>

#include "stack/base/check.h"
#include "stack/base/list.h"
#include "stack/base/slot_bits.h"
#include "stack/kernel/slab.h"
#include "stack/tcp/inet_connection_sock.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/inet_timewait_sock.h"

namespace tapedeck {

// A hash table of T, which derives from ListNode<> and has a member `hash`. Members of one bucket
// stand newest first, before and after it has grown. It does not own them.
template <typename T>
class GrowingHash {
 public:
  using Bucket = List<T>;

  explicit GrowingHash(Kmalloc& kmalloc) : kmalloc_(kmalloc) {
    CHECK(NewBuckets(kBucketsMin, &buckets_, &used_));
  }
  GrowingHash(const GrowingHash&) = delete;
  GrowingHash& operator=(const GrowingHash&) = delete;
  // REQUIRES: empty.
  ~GrowingHash() {
    CHECK_EQ(count_, 0U);
    FreeBuckets(buckets_, used_, size());
  }

  Bucket& bucket(uint32_t hash) { return buckets_[hash & mask_]; }
  uint32_t size() const { return mask_ + 1; }
  uint32_t count() const { return count_; }

  void Insert(T* item) {
    Put(item);
    if (++count_ > size() && size() < kBucketsMax) Grow();
  }
  void Remove(T* item) {
    CHECK_GT(count_, 0U);
    static_cast<ListNode<>*>(item)->Unlink();
    if (bucket(item->hash).empty()) ClearSlot(used_, item->hash & mask_);
    --count_;
  }
  // Calls `visit` with every item, bucket by bucket. It must not change the table.
  template <typename Visit>
  void ForEach(Visit visit) {
    ForEachSlot({used_, SlotWords(size())}, [&](uint32_t i) {
      for (T& item : buckets_[i]) visit(item);
    });
  }
  // `item`, of the same hash, takes the place of `old`.
  void Replace(T* old, T* item) {
    CHECK_EQ(old->hash, item->hash);
    bucket(item->hash).InsertBeforeItem(old, item);
    static_cast<ListNode<>*>(old)->Unlink();
  }

 private:
  static constexpr uint32_t kBucketsMin = 64;
  static constexpr uint32_t kBucketsMax = 1U << 17;  // 2 MiB

  // False where memory fails.
  bool NewBuckets(uint32_t size, Bucket** buckets, uint64_t** used) {
    *buckets = static_cast<Bucket*>(kmalloc_.Alloc(size * sizeof(Bucket)));
    if (*buckets == nullptr) return false;
    *used = static_cast<uint64_t*>(kmalloc_.Alloc(SlotWords(size) * sizeof(uint64_t)));
    if (*used == nullptr) {
      kmalloc_.Free(*buckets, size * sizeof(Bucket));
      return false;
    }
    for (uint32_t i = 0; i < size; ++i) new (&(*buckets)[i]) Bucket;
    std::fill_n(*used, SlotWords(size), uint64_t{0});
    return true;
  }
  void FreeBuckets(Bucket* buckets, uint64_t* used, uint32_t size) {
    for (uint32_t i = 0; i < size; ++i) buckets[i].~Bucket();
    kmalloc_.Free(buckets, size * sizeof(Bucket));
    kmalloc_.Free(used, SlotWords(size) * sizeof(uint64_t));
  }
  void Put(T* item) {
    bucket(item->hash).PushFront(item);
    SetSlot(used_, item->hash & mask_);
  }
  // Where memory fails the chains stay longer.
  void Grow() {
    const uint32_t old_size = size();
    Bucket* bigger = nullptr;
    uint64_t* bigger_used = nullptr;
    if (!NewBuckets(2 * old_size, &bigger, &bigger_used)) return;
    Bucket* const old = std::exchange(buckets_, bigger);
    uint64_t* const old_used = std::exchange(used_, bigger_used);
    mask_ = 2 * old_size - 1;
    for (uint32_t i = 0; i < old_size; ++i) {
      while (T* const oldest = old[i].back()) {
        static_cast<ListNode<>*>(oldest)->Unlink();
        Put(oldest);
      }
    }
    FreeBuckets(old, old_used, old_size);
  }

  Kmalloc& kmalloc_;
  uint32_t mask_ = kBucketsMin - 1;
  uint32_t count_ = 0;
  Bucket* buckets_ = nullptr;
  uint64_t* used_ = nullptr;  // bits of the buckets that are not empty
};

// inet_bind_bucket::fastreuse and fastreuseport: what all owners of the port agree on. Both -1:
// connect() has taken the port for its own use, and may share it. fastreuseport 2: sockets like the
// one noted need not look at the owners.
inline constexpr int8_t kFastreuseConnect = -1;
inline constexpr int8_t FASTREUSEPORT_STRICT = 2;

struct inet_bind_bucket;

// Who has one local port at one local address.
struct inet_bind2_bucket : ListNode<> {
  inet_bind_bucket* tb = nullptr;
  IpAddress rcv_saddr;
  int8_t fastreuse = 0;
  int8_t fastreuseport = 0;
  List<inet_bind_node, BindTag> owners;
};

// Who has one local port: a list by local address (the kernel's bhash2; here it needs no table of
// its own).
struct inet_bind_bucket : ListNode<> {
  uint32_t hash = 0;
  uint16_t port = 0;  // host order
  int8_t fastreuse = 0;
  int8_t fastreuseport = 0;
  bool fast_ipv6_only = false;
  uint32_t fastuid = 0;
  IpAddress fast_rcv_saddr;
  List<inet_bind2_bucket> bhash2;
};

struct inet_hashinfo {
  explicit inet_hashinfo(net& its_net);

  GrowingHash<inet_ehash_node> ehash;
  GrowingHash<inet_ehash_node> lhash2;  // by portaddr_hash
  GrowingHash<inet_bind_bucket> bhash;  // by port
  SlabCache<inet_bind_bucket> bind_buckets;
  SlabCache<inet_bind2_bucket> bind2_buckets;
  uint32_t ehash_secret;
  // RFC 6056 3.3.4, algorithm 4: how far the ports to each group of destinations have moved on.
  // Linux has 65536 groups; fewer keep a Lab small.
  static constexpr uint32_t kPerturbSize = 256;
  uint32_t table_perturb[kPerturbSize];
};

// The hash by which a listener is found.
uint32_t inet_portaddr_hash(const net& net, const IpAddress& address, uint16_t port);
// Fills a sock's node from its addresses, for ehash.
void inet_ehash_fill_node(sock* sk);
inline bool sk_hashed(const sock* sk) { return inet_csk(sk)->icsk_hash_node.linked(); }
// Whether `node` is the connection between these ends, seen by a segment from `dif`.
bool inet_match(const inet_ehash_node* node, const IpAddress& saddr, be16 sport,
                const IpAddress& daddr, uint16_t dport, int dif);

// --- Buckets of ports (inet_bind_bucket.cc). ---

// nullptr: none / no memory.
inet_bind_bucket* inet_bind_bucket_find(inet_hashinfo& info, uint16_t port);
inet_bind_bucket* inet_bind_bucket_create(inet_hashinfo& info, uint16_t port);
inet_bind2_bucket* inet_bind2_bucket_find(inet_bind_bucket* tb, const IpAddress& address);
inet_bind2_bucket* inet_bind2_bucket_create(inet_hashinfo& info, inet_bind_bucket* tb,
                                            const IpAddress& address);
// Frees what has no owner, and notes where only connect()'s owners are left.
void inet_bind_bucket_destroy(inet_hashinfo& info, inet_bind_bucket* tb);
void inet_bind2_bucket_destroy(inet_hashinfo& info, inet_bind2_bucket* tb2);
// `sk` becomes an owner of `port`.
void inet_bind_hash(sock* sk, inet_bind2_bucket* tb2, uint16_t port);
// Keeps fastreuse and fastreuseport right when `sk` becomes an owner.
void inet_csk_update_fastreuse(const sock* sk, inet_bind_bucket* tb, inet_bind2_bucket* tb2);
// Whether the bucket's owners are known to share the port with `sk` by SO_REUSEPORT.
bool sk_reuseport_match(const inet_bind_bucket* tb, const sock* sk);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_INET_HASHINFO_H_
