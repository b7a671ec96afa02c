#include "stack/kernel/slab.h"

#include <bit>

namespace tapedeck {

namespace {

constexpr size_t kObjectAlign = 64;
constexpr size_t kObjectsPerSlabMax = 64;

constexpr size_t AlignUp(size_t n, size_t align) { return (n + align - 1) & ~(align - 1); }

// A slab's header stands at the start of its hot pages; pool slabs have theirs in the hot part, apart from the packets.
constexpr size_t kHeaderBytes = AlignUp(sizeof(Slab), kObjectAlign);

int SizeClass(size_t bytes, size_t smallest) {
  if (bytes <= smallest) return 0;
  return static_cast<int>(std::bit_width(bytes - 1) - std::bit_width(smallest - 1));
}

}  // namespace

KmemCache::KmemCache(Arena& arena, const char* name, size_t object_bytes, Place place)
    : arena_(arena),
      name_(name),
      object_bytes_(object_bytes),
      stride_bytes_(AlignUp(object_bytes + kRedZoneBytes, kObjectAlign)),
      place_(place) {
  const size_t header_bytes = place == Place::kHot ? kHeaderBytes : 0;
  // Small slabs keep a small Lab small: one page, or as many as hold a few objects.
  const size_t few = place == Place::kHot ? 1 : 2;
  slab_pages_ = std::bit_ceil(AlignUp(header_bytes + (few * stride_bytes_), kPageBytes) / kPageBytes);
  const size_t fit = (slab_pages_ * kPageBytes - header_bytes) / stride_bytes_;
  objects_per_slab_ = static_cast<uint32_t>(fit < kObjectsPerSlabMax ? fit : kObjectsPerSlabMax);
  CHECK_GT(objects_per_slab_, 0U);
}

Slab* KmemCache::NewSlab() {
  Slab* slab = nullptr;
  if (place_ == Place::kHot) {
    auto* const pages = static_cast<uint8_t*>(arena_.AllocateHotPages(slab_pages_, slab_pages_));
    UnpoisonMemory(pages, kHeaderBytes);
    slab = new (pages) Slab;
    slab->base = pages + kHeaderBytes;
  } else {
    slab = arena_.New<Slab>();
    slab->base = arena_.AllocatePoolPages(slab_pages_);
  }
  slab->free_bits = objects_per_slab_ == 64 ? ~uint64_t{0} : (uint64_t{1} << objects_per_slab_) - 1;
  return slab;
}

Slab* KmemCache::SlabOf(const void* object) const {
  CHECK(place_ == Place::kHot);
  const uintptr_t mask = (slab_pages_ * kPageBytes) - 1;
  return reinterpret_cast<Slab*>(reinterpret_cast<uintptr_t>(object) & ~mask);
}

void* KmemCache::Alloc(Slab** slab_out) {
  if (fail_nth_ != 0 && --fail_nth_ == 0) return nullptr;
  if (partial_ == nullptr) {
    partial_ = NewSlab();
    partial_->listed = true;
  }
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
  --live_objects_;
  PoisonMemory(object, object_bytes_);
  if constexpr (kAsanBuild) {
    Resting& oldest = quarantine_[quarantine_next_];
    quarantine_next_ = (quarantine_next_ + 1) % (kQuarantine + 1);
    for (const Resting& resting : quarantine_) CHECK(resting.object != object);
    const Resting released = oldest;
    oldest = {object, slab};
    if (released.object != nullptr) ReleaseNow(released.object, released.slab);
  } else {
    ReleaseNow(object, slab);
  }
}

void KmemCache::ReleaseNow(void* object, Slab* slab) {
  const auto offset = static_cast<size_t>(static_cast<uint8_t*>(object) - slab->base);
  const size_t index = offset / stride_bytes_;
  CHECK_LT(index, objects_per_slab_);
  CHECK_EQ(offset % stride_bytes_, 0U);
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
  const int size_class = SizeClass(bytes, kMinBytes);
  PacketBuffer buffer;
  buffer.data = static_cast<uint8_t*>(caches_[size_class]->Alloc(&buffer.slab));
  if (buffer.data == nullptr) return {};
  buffer.bytes = kMinBytes << size_class;
  if (touch) arena_.Touch(buffer.data, buffer.bytes);
  return buffer;
}

void PacketPool::Free(PacketBuffer buffer) {
  caches_[SizeClass(buffer.bytes, kMinBytes)]->Free(buffer.data, buffer.slab);
}

uint64_t PacketPool::live_objects() const {
  uint64_t live = 0;
  for (const KmemCache* cache : caches_) live += cache->live_objects();
  return live;
}

Kmalloc::Kmalloc(Arena& arena) {
  static constexpr const char* kNames[kClasses] = {
      "kmalloc-64", "kmalloc-128", "kmalloc-256", "kmalloc-512", "kmalloc-1k", "kmalloc-2k",
      "kmalloc-4k", "kmalloc-8k",  "kmalloc-16k", "kmalloc-32k", "kmalloc-64k"};
  for (int i = 0; i < kClasses; ++i) {
    caches_[i] = arena.New<KmemCache>(arena, kNames[i], size_t{64} << i);
  }
}

void* Kmalloc::Alloc(size_t bytes) {
  const int size_class = SizeClass(bytes, 64);
  CHECK_LT(size_class, kClasses);
  return caches_[size_class]->Alloc();
}

void Kmalloc::Free(void* p, size_t bytes) { caches_[SizeClass(bytes, 64)]->Free(p); }

uint64_t Kmalloc::live_objects() const {
  uint64_t live = 0;
  for (const KmemCache* cache : caches_) live += cache->live_objects();
  return live;
}

}  // namespace tapedeck
