// Intrusive doubly linked lists, as the kernel's list_head and hlist: no allocation, O(1) insert
// and remove, and an object that knows how to leave its list. A node must be unlinked before it
// dies (checked).
#ifndef TAPEDECK_STACK_BASE_LIST_H_
#define TAPEDECK_STACK_BASE_LIST_H_

#include <cstddef>

#include "stack/base/check.h"

namespace tapedeck {

// One link. A type that is on several lists derives from ListNode<Tag> once per list, with
// different tags.
template <typename Tag = void>
class ListNode {
 public:
  ListNode() = default;
  ListNode(const ListNode&) = delete;
  ListNode& operator=(const ListNode&) = delete;
  ~ListNode() { CHECK(!linked()); }

  bool linked() const { return next_ != nullptr; }

  // Leaves the list it is on; nothing where it is on none.
  void Unlink() {
    if (!linked()) return;
    prev_->next_ = next_;
    next_->prev_ = prev_;
    next_ = prev_ = nullptr;
  }

 private:
  template <typename T, typename U>
  friend class List;
  ListNode* next_ = nullptr;
  ListNode* prev_ = nullptr;
};

// A list of T, which derives from ListNode<Tag>. It does not own its members.
template <typename T, typename Tag = void>
class List {
  using Node = ListNode<Tag>;

 public:
  List() { head_.next_ = head_.prev_ = &head_; }
  List(const List&) = delete;
  List& operator=(const List&) = delete;
  ~List() {
    CHECK(empty());
    head_.next_ = head_.prev_ = nullptr;
  }

  bool empty() const { return head_.next_ == &head_; }
  // nullptr where the list is empty.
  T* front() const { return empty() ? nullptr : Item(head_.next_); }
  T* back() const { return empty() ? nullptr : Item(head_.prev_); }

  void PushBack(T* item) { InsertBefore(&head_, item); }
  void PushFront(T* item) { InsertBefore(head_.next_, item); }
  // Puts `item` just before `place`, which is on this list.
  void InsertBeforeItem(T* place, T* item) { InsertBefore(static_cast<Node*>(place), item); }

  // Takes the first member off; nullptr where the list is empty.
  T* PopFront() {
    T* const item = front();
    if (item != nullptr) static_cast<Node*>(item)->Unlink();
    return item;
  }

  // Moves all members of `other` behind ours, in order.
  void SpliceBack(List& other) {
    if (other.empty()) return;
    Node* const first = other.head_.next_;
    Node* const last = other.head_.prev_;
    other.head_.next_ = other.head_.prev_ = &other.head_;
    first->prev_ = head_.prev_;
    head_.prev_->next_ = first;
    last->next_ = &head_;
    head_.prev_ = last;
  }

  // The member behind / before `item`, or nullptr at the end. For loops that unlink, take Next
  // before unlinking.
  T* Next(const T* item) const {
    Node* const n = static_cast<const Node&>(*item).next_;
    return n == &head_ ? nullptr : Item(n);
  }
  T* Prev(const T* item) const {
    Node* const n = static_cast<const Node&>(*item).prev_;
    return n == &head_ ? nullptr : Item(n);
  }

  class iterator {
   public:
    iterator(const List* list, T* at) : list_(list), at_(at) {}
    T& operator*() const { return *at_; }
    iterator& operator++() {
      at_ = list_->Next(at_);
      return *this;
    }
    bool operator!=(const iterator& other) const { return at_ != other.at_; }

   private:
    const List* list_;
    T* at_;
  };
  iterator begin() const { return iterator(this, front()); }
  iterator end() const { return iterator(this, nullptr); }

 private:
  // Links of a list lead to nodes: said, so that nobody looks whether this is a nullptr.
  static T* Item(Node* node) {
    if (node == nullptr) __builtin_unreachable();
    return static_cast<T*>(node);
  }
  static void InsertBefore(Node* place, T* item) {
    Node* const node = item;
    CHECK(!node->linked());
    node->next_ = place;
    node->prev_ = place->prev_;
    place->prev_->next_ = node;
    place->prev_ = node;
  }

  Node head_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_LIST_H_
