#include "stack/ipv4/lpm_trie.h"

#include <algorithm>

namespace tapedeck {

namespace {

constexpr unsigned kMinCapacityLog2 = 6;

constexpr uint32_t LeadingBits(uint32_t key, unsigned bits) {
  return bits == 0 ? 0 : key & (~uint32_t{0} << (32 - bits));
}

// The node depth at which a prefix of `length` (1..32) is kept: lengths 1..6 at 0, 7..12 at 6, ...
constexpr unsigned DepthOf(unsigned length) {
  return (length - 1) / LpmTrieBase::kStride * LpmTrieBase::kStride;
}

// The greatest multiple of the stride at which both keys still agree, at most `max`.
constexpr unsigned CommonDepth(uint32_t a, uint32_t b, unsigned max) {
  const unsigned common = a == b ? 32U : static_cast<unsigned>(std::countl_zero(a ^ b));
  const unsigned depth = common / LpmTrieBase::kStride * LpmTrieBase::kStride;
  return depth < max ? depth : max;
}

}  // namespace

// Where the bit of a prefix is inside its node.
struct LpmTrieBase::Position {
  bool is_longest;
  unsigned bit;

  static Position Of(uint32_t key, unsigned length) {
    const unsigned depth = DepthOf(length);
    const unsigned r = length - depth;
    const uint32_t value = Chunk(key, depth) >> (kStride - r);
    return r == kStride ? Position{true, value} : Position{false, (1U << r) - 2 + value};
  }
  bool In(const Node* node) const {
    return ((is_longest ? node->longest : node->shorter) >> bit & 1) != 0;
  }
  unsigned Slot(const Node* node) const {
    return is_longest ? LongestSlot(node, bit) : ShorterSlot(node, bit);
  }
  void Flip(Node* node) const {
    (is_longest ? node->longest : node->shorter) ^= uint64_t{1} << bit;
  }
};

LpmTrieBase::Node* LpmTrieBase::NewNode(uint32_t key, unsigned depth, unsigned slots) {
  unsigned capacity_log2 = kMinCapacityLog2;
  while ((size_t{1} << capacity_log2) < sizeof(Node) + slots * sizeof(void*)) ++capacity_log2;
  void* const memory = memory_.Alloc(size_t{1} << capacity_log2);
  if (memory == nullptr) return nullptr;
  auto* const node = static_cast<Node*>(memory);
  *node = Node{};
  node->key = LeadingBits(key, depth);
  node->depth = static_cast<uint8_t>(depth);
  node->capacity_log2 = static_cast<uint8_t>(capacity_log2);
  return node;
}

void LpmTrieBase::FreeNode(Node* node) { memory_.Free(node, size_t{1} << node->capacity_log2); }

LpmTrieBase::Node* LpmTrieBase::InsertSlot(Node* node, unsigned index, void* value) {
  const unsigned count =
      PopCount(node->children) + PopCount(node->shorter) + PopCount(node->longest);
  Node* target = node;
  if (sizeof(Node) + (count + 1) * sizeof(void*) > size_t{1} << node->capacity_log2) {
    target = NewNode(node->key, node->depth, count + 1);
    if (target == nullptr) return nullptr;
    target->children = node->children;
    target->shorter = node->shorter;
    target->longest = node->longest;
    std::copy_n(node->slots, index, target->slots);
  }
  std::copy_backward(node->slots + index, node->slots + count, target->slots + count + 1);
  target->slots[index] = value;
  if (target != node) FreeNode(node);
  return target;
}

LpmTrieBase::Node* LpmTrieBase::RemoveSlot(Node* node, unsigned index) {
  const unsigned count =
      PopCount(node->children) + PopCount(node->shorter) + PopCount(node->longest);
  std::copy(node->slots + index + 1, node->slots + count, node->slots + index);
  return node;
}

void* const* LpmTrieBase::FindSlot(uint32_t key, unsigned length) const {
  if (length == 0) return default_ == nullptr ? nullptr : &default_;
  const unsigned depth = DepthOf(length);
  const Node* node = root_;
  while (node != nullptr && node->depth < depth) {
    const uint32_t chunk = Chunk(key, node->depth);
    if ((node->children >> chunk & 1) == 0) return nullptr;
    node = Child(node, chunk);
  }
  if (node == nullptr || node->depth != depth || node->key != LeadingBits(key, depth)) {
    return nullptr;
  }
  const Position position = Position::Of(key, length);
  return position.In(node) ? &node->slots[position.Slot(node)] : nullptr;
}

bool LpmTrieBase::Add(uint32_t key, unsigned length, void* value) {
  if (length == 0) {
    default_ = value;
    ++size_;
    return true;
  }
  if (root_ == nullptr) {
    root_ = NewNode(0, 0, 0);
    if (root_ == nullptr) return false;
  }
  const unsigned depth = DepthOf(length);
  // `link` is what points to the node we stand at. The root's depth is 0, so it always lies on the
  // way.
  void** link = reinterpret_cast<void**>(&root_);
  for (;;) {
    Node* node = static_cast<Node*>(*link);
    if (node->depth == depth) {
      const Position position = Position::Of(key, length);
      Node* const grown = InsertSlot(node, position.Slot(node), value);
      if (grown == nullptr) return false;
      position.Flip(grown);
      *link = grown;
      ++size_;
      return true;
    }
    const uint32_t chunk = Chunk(key, node->depth);
    if ((node->children >> chunk & 1) == 0) {
      // Nothing there: a leaf with this prefix alone.
      Node* const leaf = NewNode(key, depth, 1);
      if (leaf == nullptr) return false;
      leaf->slots[0] = value;
      Position::Of(key, length).Flip(leaf);
      Node* const grown = InsertSlot(node, Rank(node->children, chunk), leaf);
      if (grown == nullptr) {
        FreeNode(leaf);
        return false;
      }
      grown->children |= uint64_t{1} << chunk;
      *link = grown;
      ++size_;
      return true;
    }
    void** const child_link = &node->slots[Rank(node->children, chunk)];
    Node* const child = static_cast<Node*>(*child_link);
    const unsigned common =
        CommonDepth(key, child->key, depth < child->depth ? depth : child->depth);
    if (common < child->depth) {
      // The path forks, or ends, before the child: a node goes in between.
      Node* const fork = NewNode(key, common, 2);
      if (fork == nullptr) return false;
      fork->slots[0] = child;
      fork->children = uint64_t{1} << Chunk(child->key, common);
      *child_link = fork;
    }
    link = child_link;
  }
}

void* LpmTrieBase::Take(uint32_t key, unsigned length) {
  if (length == 0) {
    void* const value = default_;
    if (value != nullptr) --size_;
    default_ = nullptr;
    return value;
  }
  if (FindSlot(key, length) == nullptr) return nullptr;
  const unsigned depth = DepthOf(length);
  void** link = reinterpret_cast<void**>(&root_);
  void** parent_link = nullptr;
  while (static_cast<Node*>(*link)->depth != depth) {
    Node* const node = static_cast<Node*>(*link);
    parent_link = link;
    link = &node->slots[Rank(node->children, Chunk(key, node->depth))];
  }
  Node* node = static_cast<Node*>(*link);
  const Position position = Position::Of(key, length);
  const unsigned index = position.Slot(node);
  void* const value = node->slots[index];
  RemoveSlot(node, index);
  position.Flip(node);
  --size_;

  // Invariant 2: a node without prefixes goes when it has no child or one.
  const auto is_bare = [](const Node* n) { return n->shorter == 0 && n->longest == 0; };
  if (is_bare(node) && node->children == 0) {
    if (parent_link == nullptr) {
      root_ = nullptr;
    } else {
      Node* const parent = static_cast<Node*>(*parent_link);
      const uint32_t chunk = Chunk(key, parent->depth);
      RemoveSlot(parent, Rank(parent->children, chunk));
      parent->children &= ~(uint64_t{1} << chunk);
      link = parent_link;
    }
    FreeNode(node);
    node = root_ == nullptr ? nullptr : static_cast<Node*>(*link);
  }
  if (node != nullptr && is_bare(node)) {
    if (node == root_) {
      if (node->children == 0) {
        FreeNode(node);
        root_ = nullptr;
      }
    } else if (std::has_single_bit(node->children)) {
      *link = node->slots[0];
      FreeNode(node);
    }
  }
  return value;
}

// The chunks with which a prefix of the node, or what lies below it, begins: most nodes have few.
uint64_t LpmTrieBase::OccupiedChunks(const Node* node) {
  uint64_t chunks = node->children | node->longest;
  for (uint64_t bits = node->shorter; bits != 0; bits &= bits - 1) {
    const auto bit = static_cast<unsigned>(std::countr_zero(bits));
    const auto r = static_cast<unsigned>(std::bit_width(bit + 2)) - 1;
    const unsigned value = bit + 2 - (1U << r);
    chunks |= uint64_t{1} << (value << (kStride - r));
  }
  return chunks;
}

// The order of (key, length) within a node: a value's own prefix before what lies inside it, so
// r-bit prefixes come before longer ones with the same beginning, and a child of chunk c behind the
// prefixes of length 6 and value c.
void* LpmTrieBase::NextIn(const Node* node, uint32_t* key, unsigned* length) {
  const unsigned depth = node->depth;
  const uint32_t base = node->key;
  // Chunks before the one that holds *key are behind us.
  const bool inside = depth == 0 || ((*key ^ base) >> (32 - depth)) == 0;
  const unsigned first = inside ? Chunk(*key, depth) : 0;
  for (uint64_t chunks = OccupiedChunks(node) & (~uint64_t{0} << first); chunks != 0;
       chunks &= chunks - 1) {
    const auto chunk = static_cast<uint32_t>(std::countr_zero(chunks));
    const uint32_t at = base | (depth >= 26 ? chunk >> (depth - 26) : chunk << (26 - depth));
    // A chunk that ends in r zeros begins the prefixes of relative lengths from 6 - r on.
    for (unsigned r = 1; r <= kStride; ++r) {
      if ((chunk & ((1U << (kStride - r)) - 1)) != 0 || depth + r > 32) continue;
      if (at < *key || (at == *key && depth + r <= *length)) continue;
      const Position position = Position::Of(at, depth + r);
      if (!position.In(node)) continue;
      *key = at;
      *length = depth + r;
      return node->slots[position.Slot(node)];
    }
    if ((node->children >> chunk & 1) != 0) {
      const uint32_t last = at | (~uint32_t{0} >> (depth + kStride));
      if (last < *key) continue;
      void* const value = NextIn(Child(node, chunk), key, length);
      if (value != nullptr) return value;
    }
  }
  return nullptr;
}

void* LpmTrieBase::NextAfter(uint32_t* key, unsigned* length) const {
  return root_ == nullptr ? nullptr : NextIn(root_, key, length);
}

}  // namespace tapedeck
