#include "stack/base/rbtree.h"

#include <utility>

namespace tapedeck {
namespace {

constexpr uintptr_t kBlack = 1;

rb_node* Parent(const rb_node* node) {
  return reinterpret_cast<rb_node*>(node->parent_color & ~kBlack);
}
// What is not there counts as black.
bool IsBlack(const rb_node* node) { return node == nullptr || (node->parent_color & kBlack) != 0; }
void SetParent(rb_node* node, rb_node* parent) {
  node->parent_color = reinterpret_cast<uintptr_t>(parent) | (node->parent_color & kBlack);
}
void SetBlack(rb_node* node, bool black) {
  node->parent_color = (node->parent_color & ~kBlack) | (black ? kBlack : 0);
}

// Where the tree refers to `node`, a child of `parent`.
rb_node** LinkOf(rb_root* root, rb_node* parent, const rb_node* node) {
  if (parent == nullptr) return &root->node;
  return parent->rb_left == node ? &parent->rb_left : &parent->rb_right;
}
rb_node*& Child(rb_node* node, bool left) { return left ? node->rb_left : node->rb_right; }

// `node` goes down to its `left` side and its other child comes up.
void Rotate(rb_root* root, rb_node* node, bool left) {
  rb_node* const up = Child(node, !left);
  rb_node* const parent = Parent(node);
  *LinkOf(root, parent, node) = up;
  SetParent(up, parent);
  Child(node, !left) = Child(up, left);
  if (Child(node, !left) != nullptr) SetParent(Child(node, !left), node);
  Child(up, left) = node;
  SetParent(node, up);
}

void FixAfterInsert(rb_root* root, rb_node* node) {
  while (!IsBlack(Parent(node))) {
    rb_node* parent = Parent(node);
    rb_node* const grand = Parent(parent);
    const bool left = grand->rb_left == parent;
    rb_node* const uncle = Child(grand, !left);
    if (!IsBlack(uncle)) {
      SetBlack(parent, true);
      SetBlack(uncle, true);
      SetBlack(grand, false);
      node = grand;
      continue;
    }
    if (Child(parent, !left) == node) {
      Rotate(root, parent, left);
      std::swap(node, parent);
    }
    SetBlack(parent, true);
    SetBlack(grand, false);
    Rotate(root, grand, !left);
  }
  SetBlack(root->node, true);
}

// The paths through `node`, a child of `parent` that may be missing, lack one black node.
void FixAfterErase(rb_root* root, rb_node* node, rb_node* parent) {
  while (parent != nullptr && IsBlack(node)) {
    const bool left = parent->rb_left == node;
    rb_node* sibling = Child(parent, !left);
    if (!IsBlack(sibling)) {
      SetBlack(sibling, true);
      SetBlack(parent, false);
      Rotate(root, parent, left);
      sibling = Child(parent, !left);
    }
    if (IsBlack(sibling->rb_left) && IsBlack(sibling->rb_right)) {
      SetBlack(sibling, false);
      node = parent;
      parent = Parent(node);
      continue;
    }
    if (IsBlack(Child(sibling, !left))) {
      SetBlack(Child(sibling, left), true);
      SetBlack(sibling, false);
      Rotate(root, sibling, !left);
      sibling = Child(parent, !left);
    }
    SetBlack(sibling, IsBlack(parent));
    SetBlack(parent, true);
    SetBlack(Child(sibling, !left), true);
    Rotate(root, parent, left);
    node = root->node;
    parent = nullptr;
  }
  if (node != nullptr) SetBlack(node, true);
}

rb_node* Outermost(rb_node* node, bool left) {
  while (node != nullptr && Child(node, left) != nullptr) node = Child(node, left);
  return node;
}

rb_node* Neighbour(const rb_node* node, bool left) {
  rb_node* const below = left ? node->rb_left : node->rb_right;
  if (below != nullptr) return Outermost(below, !left);
  rb_node* parent = Parent(node);
  while (parent != nullptr && Child(parent, left) == node) {
    node = parent;
    parent = Parent(node);
  }
  return parent;
}

// Black nodes on each path from `node` down; -1 where the tree is not valid.
int BlackHeight(const rb_node* node) {
  if (node == nullptr) return 0;
  if (!IsBlack(node) && !(IsBlack(node->rb_left) && IsBlack(node->rb_right))) return -1;
  for (const rb_node* child : {node->rb_left, node->rb_right}) {
    if (child != nullptr && Parent(child) != node) return -1;
  }
  const int left = BlackHeight(node->rb_left);
  const int right = BlackHeight(node->rb_right);
  return left != right || left < 0 ? -1 : left + (IsBlack(node) ? 1 : 0);
}

}  // namespace

void rb_insert(rb_root* root, rb_node* node, rb_node* parent, rb_node** link) {
  CHECK(*link == nullptr);
  node->rb_left = node->rb_right = nullptr;
  node->parent_color = reinterpret_cast<uintptr_t>(parent);  // red
  *link = node;
  FixAfterInsert(root, node);
}

void rb_erase(rb_root* root, rb_node* node) {
  rb_node* parent = Parent(node);
  rb_node* child = node->rb_left != nullptr ? node->rb_left : node->rb_right;
  bool removed_black = IsBlack(node);
  if (node->rb_left != nullptr && node->rb_right != nullptr) {
    // The next node, which has no left child, takes its place and colour.
    rb_node* const next = Outermost(node->rb_right, true);
    removed_black = IsBlack(next);
    child = next->rb_right;
    rb_node* const next_parent = Parent(next);
    *LinkOf(root, parent, node) = next;
    if (next_parent != node) {
      next_parent->rb_left = child;
      if (child != nullptr) SetParent(child, next_parent);
      next->rb_right = node->rb_right;
      SetParent(next->rb_right, next);
    }
    next->rb_left = node->rb_left;
    SetParent(next->rb_left, next);
    next->parent_color = node->parent_color;
    parent = next_parent != node ? next_parent : next;
  } else {
    *LinkOf(root, parent, node) = child;
    if (child != nullptr) SetParent(child, parent);
  }
  if (removed_black) FixAfterErase(root, child, parent);
  *node = rb_node{};
}

rb_node* rb_first(const rb_root* root) { return Outermost(root->node, true); }
rb_node* rb_last(const rb_root* root) { return Outermost(root->node, false); }
rb_node* rb_next(const rb_node* node) { return Neighbour(node, false); }
rb_node* rb_prev(const rb_node* node) { return Neighbour(node, true); }

bool rb_valid(const rb_root* root) {
  if (root->node == nullptr) return true;
  return Parent(root->node) == nullptr && IsBlack(root->node) && BlackHeight(root->node) >= 0;
}

}  // namespace tapedeck
