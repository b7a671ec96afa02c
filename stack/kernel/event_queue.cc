#include "stack/kernel/event_queue.h"

#include <cstring>

namespace tapedeck {

namespace {

constexpr uint32_t kFirstCapacity = 40;  // 960 bytes: a small Lab never grows it
constexpr uint32_t kArity = 4;

}  // namespace

EventQueue::EventQueue(Kmalloc& kmalloc)
    : kmalloc_(kmalloc),
      heap_(static_cast<Entry*>(kmalloc.Alloc(kFirstCapacity * sizeof(Entry)))),
      capacity_(kFirstCapacity) {}

void EventQueue::Grow() {
  const uint32_t capacity = capacity_ * 2;
  auto* const heap = static_cast<Entry*>(kmalloc_.Alloc(capacity * sizeof(Entry)));
  std::memcpy(static_cast<void*>(heap), heap_, size_ * sizeof(Entry));
  kmalloc_.Free(heap_, capacity_ * sizeof(Entry));
  heap_ = heap;
  capacity_ = capacity;
}

void EventQueue::Place(uint32_t index, const Entry& entry) {
  // Field by field: a copy in 16-byte moves waits for the 8-byte stores that it reads from.
  heap_[index].time = entry.time;
  heap_[index].order = entry.order;
  heap_[index].event = entry.event;
  entry.event->heap_index = index;
}

void EventQueue::SiftUp(uint32_t index, const Entry& entry) {
  while (index > 0) {
    const uint32_t parent = (index - 1) / kArity;
    if (!(entry < heap_[parent])) break;
    Place(index, heap_[parent]);
    index = parent;
  }
  Place(index, entry);
}

void EventQueue::SiftDown(uint32_t index, const Entry& entry) {
  while (true) {
    const uint32_t first = (index * kArity) + 1;
    if (first >= size_) break;
    const uint32_t end = first + kArity < size_ ? first + kArity : size_;
    uint32_t least = first;
    uint128 least_key = heap_[first].key();
    for (uint32_t child = first + 1; child < end; ++child) {
      const uint128 key = heap_[child].key();
      const bool less = key < least_key;
      least = less ? child : least;
      least_key = less ? key : least_key;
    }
    if (!(least_key < entry.key())) break;
    Place(index, heap_[least]);
    index = least;
  }
  Place(index, entry);
}

void EventQueue::RemoveAt(uint32_t index) {
  heap_[index].event->heap_index = Event::kNotQueued;
  const Entry last = heap_[--size_];
  if (index == size_) return;
  if (index > 0 && last < heap_[(index - 1) / kArity]) {
    SiftUp(index, last);
  } else {
    SiftDown(index, last);
  }
}

void EventQueue::Schedule(Event* event, SimTime time) {
  if (time == SimTime::Never()) return Cancel(event);
  const uint64_t order = static_cast<uint64_t>(event->kind) << 60 |
                         static_cast<uint64_t>(event->source) << 48 | next_sequence_++;
  const Entry entry = {time, order, event};
  if (event->queued()) {
    const uint32_t index = event->heap_index;
    if (entry < heap_[index]) {
      SiftUp(index, entry);
    } else {
      SiftDown(index, entry);
    }
    return;
  }
  if (size_ == capacity_) Grow();
  SiftUp(size_++, entry);
}

void EventQueue::Cancel(Event* event) {
  if (event->queued()) RemoveAt(event->heap_index);
}

void EventQueue::RunNext() {
  CHECK_GT(size_, 0U);
  Event* const event = heap_[0].event;
  const SimTime time = heap_[0].time;
  RemoveAt(0);
  event->run(event, time);
}

}  // namespace tapedeck
