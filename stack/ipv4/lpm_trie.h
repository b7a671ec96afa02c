// Longest prefix match over 32-bit keys: a multibit trie with six bits a level, bit maps for what
// is there, and paths of single children left out (Eatherton, Varghese, Dittia, "Tree bitmap",
// 2004, with the skipped bits of a Patricia tree).
//
//   One node of 64 bytes holds up to four prefixes or children; a node grows by powers of two. A
//   lookup reads one node for each level that distinguishes something: 3 for a host's own
//   addresses, 4 to 5 in a table of 10^6 routes.
//
// Values are pointers, never null. Memory comes from kmalloc; nothing is allocated for an empty
// trie.
//
// Invariants: (1) A child's depth is greater than its parent's, a multiple of 6, and its key begins
// with the parent's key and the six bits that lead to it. (2) A node but the root has a prefix or
// at least two children.
#ifndef TAPEDECK_STACK_IPV4_LPM_TRIE_H_
#define TAPEDECK_STACK_IPV4_LPM_TRIE_H_

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "stack/kernel/slab.h"

namespace tapedeck {

namespace lpm_internal {

// Bits of Node::shorter whose prefixes begin a key with this 5-bit chunk.
constexpr std::array<uint64_t, 32> MakeShorterMasks() {
  std::array<uint64_t, 32> masks{};
  for (unsigned chunk = 0; chunk < 32; ++chunk) {
    for (unsigned r = 1; r < 6; ++r) {
      masks[chunk] |= uint64_t{1} << ((1U << r) - 2 + (chunk >> (5 - r)));
    }
  }
  return masks;
}
inline constexpr std::array<uint64_t, 32> kShorterMasks = MakeShorterMasks();

}  // namespace lpm_internal

// The trie of untyped pointers; LpmTrie<T> is what users want.
class LpmTrieBase {
 public:
  static constexpr unsigned kStride = 6;

  explicit LpmTrieBase(Kmalloc& memory) : memory_(memory) {}
  LpmTrieBase(const LpmTrieBase&) = delete;
  LpmTrieBase& operator=(const LpmTrieBase&) = delete;

  uint64_t size() const { return size_; }

 protected:
  // Header of a node; `slots` follow: the children in the order of their bits, then the values in
  // the order of theirs. A prefix of relative length r (1..6) and r-bit value v is bit 2^r - 2 + v
  // of `shorter` for r < 6, bit v of `longest` for r = 6: of several that match a key, the highest
  // bit of the pair is the longest.
  struct Node {
    uint32_t key;
    uint8_t depth;          // bits of `key` that lead here: 0, 6, .., 30
    uint8_t capacity_log2;  // of the node's bytes
    uint16_t reserved;
    uint64_t children;
    uint64_t shorter;
    uint64_t longest;
    void* slots[];
  };
  static_assert(sizeof(Node) == 32);

  // What a node on the path says about a key.
  struct Level {
    const Node* node;
    uint64_t shorter;  // matching bits
    uint64_t longest;
  };

  static constexpr uint32_t Chunk(uint32_t key, unsigned depth) { return (key << depth) >> 26; }

  // Debian's baseline has no POPCNT instruction, and the library's function costs a call a level.
  static constexpr unsigned PopCount(uint64_t x) {
    x -= (x >> 1) & 0x5555555555555555;
    x = (x & 0x3333333333333333) + ((x >> 2) & 0x3333333333333333);
    x = (x + (x >> 4)) & 0x0f0f0f0f0f0f0f0f;
    return static_cast<unsigned>((x * 0x0101010101010101) >> 56);
  }
  static constexpr unsigned Rank(uint64_t bits, unsigned bit) {
    return PopCount(bits & ((uint64_t{1} << bit) - 1));
  }

  static Node* Child(const Node* node, unsigned chunk) {
    return static_cast<Node*>(node->slots[Rank(node->children, chunk)]);
  }
  static unsigned ShorterSlot(const Node* node, unsigned bit) {
    return PopCount(node->children) + Rank(node->shorter, bit);
  }
  static unsigned LongestSlot(const Node* node, unsigned bit) {
    return PopCount(node->children) + PopCount(node->shorter) + Rank(node->longest, bit);
  }

  void* const* FindSlot(uint32_t key, unsigned length) const;
  // Puts `value` for a prefix that is not there yet; false where memory failed, then nothing has
  // changed.
  bool Add(uint32_t key, unsigned length, void* value);
  // Takes a prefix out; its value, or nullptr where it was not there.
  void* Take(uint32_t key, unsigned length);
  // The first prefix in the order of (address, length), shorter first, that is greater than the
  // given one; nullptr at the end. `key` and `length` receive it.
  void* NextAfter(uint32_t* key, unsigned* length) const;

  Kmalloc& memory_;
  Node* root_ = nullptr;
  void* default_ = nullptr;  // the value of 0.0.0.0/0
  uint64_t size_ = 0;

 private:
  struct Position;
  Node* NewNode(uint32_t key, unsigned depth, unsigned slots);
  void FreeNode(Node* node);
  // Opens / closes the slot `index`; the node may move: the result replaces it. Null where memory
  // failed.
  Node* InsertSlot(Node* node, unsigned index, void* value);
  Node* RemoveSlot(Node* node, unsigned index);
  static uint64_t OccupiedChunks(const Node* node);
  static void* NextIn(const Node* node, uint32_t* key, unsigned* length);
};

// A map from prefixes to T*.
template <typename T>
class LpmTrie : public LpmTrieBase {
 public:
  using LpmTrieBase::LpmTrieBase;

  // The value of exactly this prefix; nullptr where there is none. `key` has no host bits;
  // length_bits is 0..32.
  T* Find(uint32_t key, unsigned length_bits) const {
    void* const* const slot = FindSlot(key, length_bits);
    return slot == nullptr ? nullptr : static_cast<T*>(*slot);
  }
  // Sets the value of a prefix, new or not. False where memory failed; then nothing has changed.
  // REQUIRES: value != nullptr.
  bool Set(uint32_t key, unsigned length_bits, T* value) {
    void* const* const slot = FindSlot(key, length_bits);
    if (slot == nullptr) return Add(key, length_bits, value);
    *const_cast<void**>(slot) = value;
    return true;
  }
  // Removes a prefix; its value, nullptr where it was not there.
  T* Remove(uint32_t key, unsigned length_bits) { return static_cast<T*>(Take(key, length_bits)); }
  // Walks in the order of (key, length): from {0, 0} inclusive with First, then the one behind.
  // nullptr at the end.
  T* First(uint32_t* key, unsigned* length_bits) const {
    *key = 0;
    *length_bits = 0;
    return default_ != nullptr ? static_cast<T*>(default_) : Next(key, length_bits);
  }
  T* Next(uint32_t* key, unsigned* length_bits) const {
    return static_cast<T*>(NextAfter(key, length_bits));
  }

  // Calls `accept(T*)` for the values of all prefixes of `key`, longest first, until it returns
  // true; whether it did.
  template <typename Accept>
  bool Match(uint32_t key, Accept&& accept) const {
    Level path[6];
    unsigned levels = 0;
    for (const Node* node = root_; node != nullptr;) {
      if (node->depth != 0 && ((key ^ node->key) >> (32 - node->depth)) != 0) break;
      const uint32_t chunk = Chunk(key, node->depth);
      const uint64_t shorter = node->shorter & lpm_internal::kShorterMasks[chunk >> 1];
      const uint64_t longest = node->longest & (uint64_t{1} << chunk);
      if ((shorter | longest) != 0) path[levels++] = {node, shorter, longest};
      if ((node->children >> chunk & 1) == 0) break;
      node = Child(node, chunk);
    }
    while (levels > 0) {
      const Level& level = path[--levels];
      if (level.longest != 0) {
        const unsigned bit = static_cast<unsigned>(std::countr_zero(level.longest));
        if (accept(static_cast<T*>(level.node->slots[LongestSlot(level.node, bit)]))) return true;
      }
      for (uint64_t bits = level.shorter; bits != 0;) {
        const unsigned bit = 63U - static_cast<unsigned>(std::countl_zero(bits));
        if (accept(static_cast<T*>(level.node->slots[ShorterSlot(level.node, bit)]))) return true;
        bits &= ~(uint64_t{1} << bit);
      }
    }
    return default_ != nullptr && accept(static_cast<T*>(default_));
  }
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_LPM_TRIE_H_
