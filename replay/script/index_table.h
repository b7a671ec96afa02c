// Numbers distinct keys in the order of their first appearance, up to a limit. For surveys of large
// captures: a few nanoseconds a look-up, and memory that depends on the limit alone. Nothing walks
// it, so its inner order decides nothing.
#ifndef TAPEDECK_REPLAY_SCRIPT_INDEX_TABLE_H_
#define TAPEDECK_REPLAY_SCRIPT_INDEX_TABLE_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tapedeck {

// Open addressing with linear probing, at most half full. `Key` is an unsigned integer or an array of
// such.
template <typename Key>
class IndexTable {
 public:
  static constexpr uint32_t kFull = UINT32_MAX;

  explicit IndexTable(uint32_t size_max) : slots_(kSlotsMin), size_max_(size_max) {}

  // The number of `key`, which gets the next one if it is new. kFull if it is new and there are
  // `size_max` keys.
  uint32_t FindOrAdd(const Key& key) {
    for (size_t i = SlotOf(key);; i = (i + 1) & (slots_.size() - 1)) {
      Slot& slot = slots_[i];
      if (slot.number_plus_one == 0) return AddAt(i, key);
      if (slot.key == key) return slot.number_plus_one - 1;
    }
  }

  uint32_t size() const { return size_; }

 private:
  static constexpr size_t kSlotsMin = 1024;

  struct Slot {
    Key key{};
    uint32_t number_plus_one = 0;  // 0: free
  };

  // The top bits of a product depend on all bits of its factors (Knuth's multiplicative hashing).
  static uint64_t Mix(uint64_t value) { return value * 0x9e3779b97f4a7c15; }
  static uint64_t Hash(uint64_t key) { return Mix(key ^ key >> 32); }
  template <size_t n>
  static uint64_t Hash(const std::array<uint64_t, n>& key) {
    uint64_t hash = 0;
    for (const uint64_t word : key) hash = Mix(std::rotl(hash, 23) ^ word ^ word >> 32);
    return hash;
  }
  size_t SlotOf(const Key& key) const {
    return static_cast<size_t>(Hash(key) >> (64 - std::countr_zero(slots_.size())));
  }

  uint32_t AddAt(size_t i, const Key& key) {
    if (size_ == size_max_) return kFull;
    slots_[i] = {key, ++size_};
    if (size_t{2} * size_ > slots_.size()) Grow();
    return size_ - 1;
  }

  void Grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    for (const Slot& slot : old) {
      if (slot.number_plus_one == 0) continue;
      size_t i = SlotOf(slot.key);
      while (slots_[i].number_plus_one != 0) i = (i + 1) & (slots_.size() - 1);
      slots_[i] = slot;
    }
  }

  std::vector<Slot> slots_;
  uint32_t size_ = 0;
  uint32_t size_max_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_INDEX_TABLE_H_
