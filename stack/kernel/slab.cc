#include "stack/kernel/slab.h"

#include <algorithm>

namespace tapedeck {

namespace {

constexpr size_t kObjectAlign = 64;
constexpr size_t kObjectsPerSlabMax = 64;

// A slab's header stands at the start of its hot pages; pool slabs have theirs in the hot part,
// apart from the packets.
constexpr size_t kHeaderBytes = AlignUp(sizeof(Slab), kObjectAlign);

// A first slab holds what fits this, or one object; where an object is larger than half a page the
// first slab is as all others.
constexpr size_t kFirstSlabBytes = 1280;
constexpr size_t kFirstObjectBytesMax = kPageBytes / 2;

}  // namespace

KmemCache::KmemCache(Arena& arena, const char* name, size_t object_bytes, Place place)
    : object_bytes_(static_cast<uint32_t>(object_bytes)),
      place_(place),
      arena_(arena),
      name_(name) {
  CHECK(object_bytes > 0 && object_bytes <= Kmalloc::kMaxBytes);
  stride_bytes_ = static_cast<uint32_t>(AlignUp(object_bytes + kRedZoneBytes, kObjectAlign));
  stride_inverse_ =
      static_cast<uint32_t>(((uint64_t{1} << 32) + stride_bytes_ - 1) / stride_bytes_);
  if (place == Place::kHot) {
    ChooseHotSlab();
  } else {
    // Pool pages cost nothing before a packet is in them; slabs of several objects save headers in
    // the hot part.
    const size_t objects = object_bytes <= kPageBytes ? 8 : 2;
    slab_pages_ = static_cast<uint16_t>(AlignUp(objects * stride_bytes_, kPageBytes) / kPageBytes);
    objects_per_slab_ = static_cast<uint8_t>(objects);
  }
  if constexpr (kAsanBuild) quarantine_ = arena.New<Quarantine>();
}

// One page, or two (which are aligned, so more would leave gaps), where that wastes less than a
// quarter; else each object has its own pages.
void KmemCache::ChooseHotSlab() {
  for (const size_t pages : {size_t{1}, size_t{2}}) {
    const size_t objects = (pages * kPageBytes - kHeaderBytes) / stride_bytes_;
    if (objects * stride_bytes_ * 4 < pages * kPageBytes * 3) continue;
    CHECK_LE(objects, kObjectsPerSlabMax);
    slab_pages_ = static_cast<uint16_t>(pages);
    align_pages_ = pages & 0xF;
    objects_per_slab_ = static_cast<uint8_t>(objects);
    return;
  }
  slab_pages_ =
      static_cast<uint16_t>(AlignUp(kHeaderBytes + stride_bytes_, kPageBytes) / kPageBytes);
  objects_per_slab_ = 1;
}

// One allocation passes while a failure is due. What has failed, fails once.
bool KmemCache::Fails() {
  const bool fails = *failure_ != 0 && --*failure_ == 0;
  if (*failure_ == 0) failure_ = nullptr;
  return fails;
}

Slab* KmemCache::NewFirstSlab() {
  const size_t fitting = (kFirstSlabBytes - kHeaderBytes) / stride_bytes_;
  const size_t objects = std::clamp(fitting, size_t{1}, size_t{objects_per_slab_});
  const size_t bytes = kHeaderBytes + objects * stride_bytes_;
  first_ = new (arena_.Allocate(bytes, kObjectAlign)) Slab;
  first_bytes_ = static_cast<uint16_t>(bytes);
  first_->cache = this;
  first_->base = reinterpret_cast<uint8_t*>(first_) + kHeaderBytes;
  first_->free_bits = ~uint64_t{0} >> (64 - objects);
  first_->listed = true;
  // What is left of the header, too: the first object's red zone.
  PoisonMemory(reinterpret_cast<uint8_t*>(first_) + sizeof(Slab), bytes - sizeof(Slab));
  return first_;
}

Slab* KmemCache::NewSlab() {
  if (place_ == Place::kHot && first_ == nullptr && stride_bytes_ <= kFirstObjectBytesMax) {
    return NewFirstSlab();
  }
  Slab* slab = nullptr;
  if (place_ == Place::kHot) {
    auto* const pages = static_cast<uint8_t*>(arena_.AllocateHotPages(slab_pages_, align_pages_));
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

void KmemCache::Rest(void* object, Slab* slab) {
  for (const Quarantine::Resting& resting : quarantine_->resting) {
    CHECK(resting.object != object);  // not freed twice
  }
  PoisonMemory(object, object_bytes_);
  Quarantine::Resting& oldest = quarantine_->resting[quarantine_->next];
  quarantine_->next = (quarantine_->next + 1) % Quarantine::kObjects;
  const Quarantine::Resting released = oldest;
  oldest = {object, slab};
  if (released.object != nullptr) Release(released.object, released.slab);
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

uint64_t PacketPool::live_objects() const {
  uint64_t live = 0;
  for (const KmemCache* cache : caches_) live += cache->live_objects();
  return live;
}

Kmalloc::Kmalloc(Arena& arena) {
  static constexpr const char* kNames[kClasses] = {
      "kmalloc-64",   "kmalloc-128",  "kmalloc-256", "kmalloc-512", "kmalloc-1k",  "kmalloc-2k",
      "kmalloc-4k",   "kmalloc-8k",   "kmalloc-16k", "kmalloc-32k", "kmalloc-64k", "kmalloc-128k",
      "kmalloc-256k", "kmalloc-512k", "kmalloc-1m",  "kmalloc-2m",  "kmalloc-4m"};
  static_assert(ClassBytes(kClasses - 1) == kMaxBytes);
  for (int i = 0; i < kClasses; ++i) {
    caches_[i] = arena.New<KmemCache>(arena, kNames[i], ClassBytes(i));
  }
}

uint64_t Kmalloc::live_objects() const {
  uint64_t live = 0;
  for (const KmemCache* cache : caches_) live += cache->live_objects();
  return live;
}

}  // namespace tapedeck
