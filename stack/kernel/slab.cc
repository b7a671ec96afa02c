#include "stack/kernel/slab.h"

#include <bit>

namespace tapedeck {

namespace {

constexpr size_t kObjectAlign = 64;
constexpr size_t kObjectsPerSlabMax = 64;

constexpr size_t AlignUp(size_t n, size_t align) { return (n + align - 1) & ~(align - 1); }

// A slab's header stands at the start of its hot pages; pool slabs have theirs in the hot part, apart from the packets.
constexpr size_t kHeaderBytes = AlignUp(sizeof(Slab), kObjectAlign);

// The pool's classes: powers of two.
int PacketClass(size_t bytes) {
  if (bytes <= PacketPool::kMinBytes) return 0;
  return static_cast<int>(std::bit_width(bytes - 1) - std::bit_width(PacketPool::kMinBytes - 1U));
}

// kmalloc's: 64, 128, 256, 512, then 2^n - 64.
int KmallocClass(size_t bytes) {
  if (bytes <= 64) return 0;
  return static_cast<int>(bytes <= 512 ? std::bit_width(bytes - 1) : std::bit_width(bytes + 63)) - 6;
}
constexpr size_t KmallocClassBytes(int size_class) {
  return size_class < 4 ? size_t{64} << size_class : (size_t{64} << size_class) - 64;
}

}  // namespace

KmemCache::KmemCache(Arena& arena, const char* name, size_t object_bytes, Place place)
    : object_bytes_(static_cast<uint32_t>(object_bytes)), place_(place), arena_(arena), name_(name) {
  CHECK(object_bytes > 0 && object_bytes <= Kmalloc::kMaxBytes);
  stride_bytes_ = static_cast<uint32_t>(AlignUp(object_bytes + kRedZoneBytes, kObjectAlign));
  stride_inverse_ = static_cast<uint32_t>(((uint64_t{1} << 32) + stride_bytes_ - 1) / stride_bytes_);
  if (place == Place::kHot) {
    ChooseHotSlab();
  } else {
    // Pool pages cost nothing before a packet is in them; slabs of several objects save headers in the hot part.
    const size_t objects = object_bytes <= kPageBytes ? 8 : 2;
    slab_pages_ = static_cast<uint16_t>(AlignUp(objects * stride_bytes_, kPageBytes) / kPageBytes);
    objects_per_slab_ = static_cast<uint8_t>(objects);
  }
  if constexpr (kAsanBuild) quarantine_ = arena.New<Quarantine>();
}

// One page, or two (which are aligned, so more would leave gaps), where that wastes less than a quarter; else each object has
// its own pages.
void KmemCache::ChooseHotSlab() {
  for (const size_t pages : {size_t{1}, size_t{2}}) {
    const size_t objects = (pages * kPageBytes - kHeaderBytes) / stride_bytes_;
    if (objects * stride_bytes_ * 4 < pages * kPageBytes * 3) continue;
    CHECK_LE(objects, kObjectsPerSlabMax);
    slab_pages_ = static_cast<uint16_t>(pages);
    objects_per_slab_ = static_cast<uint8_t>(objects);
    return;
  }
  slab_pages_ = static_cast<uint16_t>(AlignUp(kHeaderBytes + stride_bytes_, kPageBytes) / kPageBytes);
  objects_per_slab_ = 1;
}

Slab* KmemCache::NewSlab() {
  Slab* slab = nullptr;
  if (place_ == Place::kHot) {
    // SlabOf finds the header from an object's address: at the start of the aligned slab, which for a single object is the
    // start of the object's page.
    const size_t align_pages = objects_per_slab_ == 1 ? 1 : slab_pages_;
    auto* const pages = static_cast<uint8_t*>(arena_.AllocateHotPages(slab_pages_, align_pages));
    UnpoisonMemory(pages, sizeof(Slab));
    slab = new (pages) Slab;
    slab->base = pages + kHeaderBytes;
  } else {
    slab = arena_.New<Slab>();
    slab->base = arena_.AllocatePoolPages(slab_pages_);
  }
  slab->cache = this;
  slab->free_bits = ~uint64_t{0} >> (64 - objects_per_slab_);
  slab->listed = true;
  return slab;
}

Slab* KmemCache::SlabOf(const void* object) const {
  CHECK(place_ == Place::kHot);
  const size_t align_pages = objects_per_slab_ == 1 ? 1 : slab_pages_;
  const uintptr_t mask = (align_pages * kPageBytes) - 1;
  return reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(object) & ~mask);
}

void* KmemCache::Alloc(Slab** slab_out) {
  if (__builtin_expect(fail_nth_ != 0, 0) && --fail_nth_ == 0) return nullptr;
  if (__builtin_expect(partial_ == nullptr, 0)) partial_ = NewSlab();
  Slab* const slab = partial_;
  const int index = std::countr_zero(slab->free_bits);
  slab->free_bits &= slab->free_bits - 1;
  if (slab->free_bits == 0) {
    partial_ = slab->next;
    slab->next = nullptr;
    slab->listed = false;
  }
  ++live_objects_;
  *slab_out = slab;
  void* const object = slab->base + static_cast<size_t>(index) * stride_bytes_;
  UnpoisonMemory(object, object_bytes_);
  return object;
}

void KmemCache::Free(void* object, Slab* slab) {
  CHECK(slab->cache == this);
  --live_objects_;
  if constexpr (kAsanBuild) {
    for (const Quarantine::Resting& resting : quarantine_->resting) {
      CHECK(resting.object != object);  // not freed twice
    }
    PoisonMemory(object, object_bytes_);
    Quarantine::Resting& oldest = quarantine_->resting[quarantine_->next];
    quarantine_->next = (quarantine_->next + 1) % Quarantine::kObjects;
    const Quarantine::Resting released = oldest;
    oldest = {object, slab};
    if (released.object != nullptr) ReleaseNow(released.object, released.slab);
  } else {
    ReleaseNow(object, slab);
  }
}

void KmemCache::ReleaseNow(void* object, Slab* slab) {
  const auto offset = static_cast<size_t>(static_cast<uint8_t*>(object) - slab->base);
  // Exact for the start of every object: the inverse is less than `stride` above 2^32 / stride, and 64 * 4 MiB < 2^32.
  const uint64_t index = offset * stride_inverse_ >> 32;
  CHECK_LT(index, objects_per_slab_);
  CHECK_EQ(index * stride_bytes_, offset);
  CHECK((slab->free_bits >> index & 1) == 0);  // not freed twice
  slab->free_bits |= uint64_t{1} << index;
  if (!slab->listed) {
    slab->listed = true;
    slab->next = partial_;
    partial_ = slab;
  }
}

PacketPool::PacketPool(Arena& arena) : arena_(arena) {
  static constexpr const char* kNames[kClasses] = {"packet-512", "packet-1k",  "packet-2k",
                                                   "packet-4k",  "packet-8k",  "packet-16k",
                                                   "packet-32k", "packet-64k", "packet-128k"};
  for (int i = 0; i < kClasses; ++i) {
    caches_[i] =
        arena.New<KmemCache>(arena, kNames[i], size_t{kMinBytes} << i, KmemCache::Place::kPool);
  }
}

PacketBuffer PacketPool::Alloc(uint32_t bytes, bool touch) {
  if (bytes > kMaxBytes) return {};
  const int size_class = PacketClass(bytes);
  PacketBuffer buffer;
  buffer.data = static_cast<uint8_t*>(caches_[size_class]->Alloc(&buffer.slab));
  if (buffer.data == nullptr) return {};
  buffer.bytes = kMinBytes << size_class;
  if (touch) arena_.Touch(buffer.data, buffer.bytes);
  return buffer;
}

void PacketPool::Free(PacketBuffer buffer) {
  buffer.slab->cache->Free(buffer.data, buffer.slab);
}

uint64_t PacketPool::live_objects() const {
  uint64_t live = 0;
  for (const KmemCache* cache : caches_) live += cache->live_objects();
  return live;
}

Kmalloc::Kmalloc(Arena& arena) {
  static constexpr const char* kNames[kClasses] = {
      "kmalloc-64",  "kmalloc-128", "kmalloc-256",  "kmalloc-512",  "kmalloc-1k", "kmalloc-2k",
      "kmalloc-4k",  "kmalloc-8k",  "kmalloc-16k",  "kmalloc-32k",  "kmalloc-64k", "kmalloc-128k",
      "kmalloc-256k", "kmalloc-512k", "kmalloc-1m", "kmalloc-2m", "kmalloc-4m"};
  static_assert(KmallocClassBytes(kClasses - 1) == kMaxBytes);
  for (int i = 0; i < kClasses; ++i) {
    caches_[i] = arena.New<KmemCache>(arena, kNames[i], KmallocClassBytes(i));
  }
}

void* Kmalloc::Alloc(size_t bytes) {
  CHECK_LE(bytes, kMaxBytes);
  return caches_[KmallocClass(bytes)]->Alloc();
}

void Kmalloc::Free(void* p, size_t bytes) { caches_[KmallocClass(bytes)]->Free(p); }

uint64_t Kmalloc::live_objects() const {
  uint64_t live = 0;
  for (const KmemCache* cache : caches_) live += cache->live_objects();
  return live;
}

}  // namespace tapedeck
