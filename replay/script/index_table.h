// Numbers distinct keys in the order of their first appearance, up to a limit. For surveys of large
// captures: a few nanoseconds a look-up, and memory that depends on the limit alone. Nothing walks
// it, so its inner order decides nothing.
#ifndef TAPEDECK_REPLAY_SCRIPT_INDEX_TABLE_H_
#define TAPEDECK_REPLAY_SCRIPT_INDEX_TABLE_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace tapedeck {

struct Key128 {
  uint64_t high = 0;
  uint64_t low = 0;

  friend bool operator==(const Key128& a, const Key128& b) {
    return ((a.high ^ b.high) | (a.low ^ b.low)) == 0;
  }
};

// Open addressing with linear probing, at most half full. `Key` is uint64_t or Key128.
template <typename Key>
class IndexTable {
 public:
  static constexpr uint32_t kFull = UINT32_MAX;

  explicit IndexTable(uint32_t size_max) : slots_(kSlotsMin), size_max_(size_max) {}

  // The number of `key`, which gets the next one if it is new. kFull if it is new and there are
  // `size_max` keys.
  uint32_t FindOrAdd(Key key) {
    const Slot* const slot = &slots_[SlotOf(key)];
    if (slot->number_plus_one != 0 && slot->key == key) [[likely]] {
      return slot->number_plus_one - 1;
    }
    return ProbeOrAdd(key);
  }

  uint32_t size() const { return size_; }

 private:
  static constexpr unsigned kLogSlotsMin = 10;
  static constexpr size_t kSlotsMin = size_t{1} << kLogSlotsMin;

  struct Slot {
    Key key{};
    uint32_t number_plus_one = 0;  // 0: free
  };

  // The top bits of a product depend on all bits of its factors (Knuth's multiplicative hashing).
  static uint64_t Mix(uint64_t value) { return value * 0x9e3779b97f4a7c15; }
  static uint64_t Hash(uint64_t key) { return Mix(key ^ key >> 32); }
  static uint64_t Hash(const Key128& key) {
    return Mix(std::rotl(Mix(key.high ^ key.high >> 32), 23) ^ key.low ^ key.low >> 32);
  }
  size_t SlotOf(const Key& key) const {
    return static_cast<size_t>(Hash(key) >> (64 - log_slots_));
  }
  size_t NextSlot(size_t i) const { return (i + 1) & (slots_.size() - 1); }

  uint32_t ProbeOrAdd(const Key& key) {
    size_t i = SlotOf(key);
    for (; slots_[i].number_plus_one != 0; i = NextSlot(i)) {
      if (slots_[i].key == key) return slots_[i].number_plus_one - 1;
    }
    if (size_ == size_max_) return kFull;
    slots_[i] = {key, ++size_};
    if (size_t{2} * size_ > slots_.size()) Grow();
    return size_ - 1;
  }

  void Grow() {
    std::vector<Slot> old(2 * slots_.size());
    old.swap(slots_);
    ++log_slots_;
    for (const Slot& slot : old) {
      if (slot.number_plus_one == 0) continue;
      size_t i = SlotOf(slot.key);
      while (slots_[i].number_plus_one != 0) i = NextSlot(i);
      slots_[i] = slot;
    }
  }

  std::vector<Slot> slots_;  // a power of two, 2^log_slots_
  unsigned log_slots_ = kLogSlotsMin;
  uint32_t size_ = 0;
  uint32_t size_max_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_INDEX_TABLE_H_
