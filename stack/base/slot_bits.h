// Which slots of a hash table are not empty, a bit each: walks over tables that are mostly empty go
// from one that is not to the next.
#ifndef TAPEDECK_STACK_BASE_SLOT_BITS_H_
#define TAPEDECK_STACK_BASE_SLOT_BITS_H_

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

namespace tapedeck {

constexpr size_t SlotWords(uint32_t slots) { return (slots + 63) / 64; }

inline void SetSlot(uint64_t* words, uint32_t slot) {
  words[slot / 64] |= uint64_t{1} << (slot % 64);
}
inline void ClearSlot(uint64_t* words, uint32_t slot) {
  words[slot / 64] &= ~(uint64_t{1} << (slot % 64));
}

// Calls `visit` with each slot that is set, the lowest first.
template <typename Visit>
void ForEachSlot(std::span<const uint64_t> words, Visit visit) {
  for (size_t i = 0; i < words.size(); ++i) {
    for (uint64_t left = words[i]; left != 0; left &= left - 1) {
      visit(static_cast<uint32_t>(64 * i + static_cast<size_t>(std::countr_zero(left))));
    }
  }
}

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_SLOT_BITS_H_
