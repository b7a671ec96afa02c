// Intrusive red-black trees, as the kernel's rb_root: ordered sets of objects that carry their own
// links. Searching is the caller's loop over left and right; the tree keeps itself balanced.
// Bayer 1972; the cases are those of Cormen, Leiserson, Rivest, Stein, chapter 13.
#ifndef TAPEDECK_STACK_BASE_RBTREE_H_
#define TAPEDECK_STACK_BASE_RBTREE_H_

#include <cstdint>

#include "stack/base/check.h"

namespace tapedeck {

// Three words. A node that is in no tree has all of them zero (so that it can share its place with
// other links).
struct rb_node {
  rb_node* rb_left;
  rb_node* rb_right;
  uintptr_t parent_color;  // the parent; bit 0 set: black
};

struct rb_root {
  rb_node* node = nullptr;
  bool empty() const { return node == nullptr; }
};

// Puts `node` at `*link`, an empty place below `parent` (nullptr: the root), and rebalances.
void rb_insert(rb_root* root, rb_node* node, rb_node* parent, rb_node** link);
// Takes `node` out; its words are zero then.
void rb_erase(rb_root* root, rb_node* node);

// In order; nullptr past the ends.
rb_node* rb_first(const rb_root* root);
rb_node* rb_last(const rb_root* root);
rb_node* rb_next(const rb_node* node);
rb_node* rb_prev(const rb_node* node);

// For tests: the invariants hold (root black, no red child of a red node, equal black heights).
bool rb_valid(const rb_root* root);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_RBTREE_H_
