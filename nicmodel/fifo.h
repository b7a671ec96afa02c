// A queue of any length in small chunks of the arena, for frames that wait in a NIC. It keeps one
// chunk when it is empty and one spare, so that steady traffic allocates nothing.
#ifndef TAPEDECK_NICMODEL_FIFO_H_
#define TAPEDECK_NICMODEL_FIFO_H_

#include <cstdint>
#include <new>

#include "stack/base/check.h"
#include "stack/kernel/slab.h"

namespace tapedeck::nic {

// REQUIRES: T may be copied as bytes and needs no destruction.
template <typename T>
class Fifo {
  struct Chunk;

 public:
  explicit Fifo(Kmalloc& kmalloc) : kmalloc_(kmalloc), first_(NewChunk()), last_(first_) {}
  Fifo(const Fifo&) = delete;
  Fifo& operator=(const Fifo&) = delete;

  bool empty() const { return size_ == 0; }
  uint32_t size() const { return size_; }

  // REQUIRES: !empty(). Good until it is popped.
  T& front() { return first_->items[front_]; }
  const T& front() const { return first_->items[front_]; }

  // REQUIRES: !empty().
  const T& back() const { return last_->items[back_ - 1]; }

  void push_back(const T& item) { Push() = item; }
  // Adds an item whose content is left over from another: the caller fills it.
  T& Push() {
    if (back_ == kPerChunk) {
      last_->next = NewChunk();
      last_ = last_->next;
      back_ = 0;
    }
    ++size_;
    return last_->items[back_++];
  }

  // REQUIRES: !empty().
  void pop_front() {
    --size_;
    ++front_;
    if (size_ == 0) {
      front_ = back_ = 0;  // the same cache lines again
    } else if (front_ == kPerChunk) {
      Chunk* const done = first_;
      first_ = first_->next;
      front_ = 0;
      FreeChunk(done);
    }
    ++popped_;
  }

  // A place in the queue behind the front: it stays on its item while items before it are popped.
  class Cursor {
   private:
    friend class Fifo;
    Chunk* chunk = nullptr;
    uint32_t index = 0;
    uint64_t position = 0;  // items ever passed
  };
  // At the front.
  Cursor Begin() const {
    Cursor cursor;
    Rewind(cursor);
    return cursor;
  }
  // The item at `cursor`. REQUIRES: one is there.
  T& At(Cursor& cursor) {
    // At or before the front (everything before was popped), the front it is: its chunk may be
    // another by now.
    if (cursor.position <= popped_) {
      Rewind(cursor);
    } else if (cursor.index == kPerChunk) {
      cursor.chunk = cursor.chunk->next;
      cursor.index = 0;
    }
    return cursor.chunk->items[cursor.index];
  }
  // REQUIRES: At(cursor) was called for this item.
  void Advance(Cursor& cursor) const {
    ++cursor.index;
    ++cursor.position;
  }

 private:
  static constexpr size_t kChunkBytes = 1024;
  static constexpr uint32_t kPerChunk =
      static_cast<uint32_t>((kChunkBytes - sizeof(void*)) / sizeof(T));
  struct Chunk {
    Chunk* next;
    T items[kPerChunk];
  };
  static_assert(sizeof(Chunk) <= kChunkBytes && kPerChunk >= 8);

  void Rewind(Cursor& cursor) const {
    cursor.chunk = first_;
    cursor.index = front_;
    cursor.position = popped_;
  }
  Chunk* NewChunk() {
    Chunk* chunk = spare_;
    spare_ = nullptr;
    if (chunk == nullptr) {
      void* const memory = kmalloc_.Alloc(sizeof(Chunk));
      CHECK(memory != nullptr);
      chunk = static_cast<Chunk*>(memory);
    }
    chunk->next = nullptr;
    return chunk;
  }
  void FreeChunk(Chunk* chunk) {
    if (spare_ == nullptr) {
      spare_ = chunk;
    } else {
      kmalloc_.Free(chunk, sizeof(Chunk));
    }
  }

  Kmalloc& kmalloc_;
  Chunk* spare_ = nullptr;
  Chunk* first_;
  Chunk* last_;
  uint32_t front_ = 0;
  uint32_t back_ = 0;
  uint32_t size_ = 0;
  uint64_t popped_ = 0;
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_FIFO_H_
