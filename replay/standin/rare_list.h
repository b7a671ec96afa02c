// A list that hardly any of very many owners has: then it is a pointer. The edges of a segment's
// SACK blocks, the fragments of a packet.
#ifndef TAPEDECK_REPLAY_STANDIN_RARE_LIST_H_
#define TAPEDECK_REPLAY_STANDIN_RARE_LIST_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

namespace tapedeck::standin {

template <typename T>
class RareList {
 public:
  RareList() = default;
  RareList(const RareList& other) { *this = other; }
  RareList& operator=(const RareList& other) {
    if (this == &other) return *this;
    items_ = other.items_ == nullptr ? nullptr : std::make_unique<Items>(*other.items_);
    return *this;
  }
  RareList(RareList&&) noexcept = default;
  RareList& operator=(RareList&&) noexcept = default;
  ~RareList() = default;

  void Add(T item) {
    if (items_ == nullptr) items_ = std::make_unique<Items>();
    items_->push_back(std::move(item));
  }
  bool empty() const { return items_ == nullptr; }
  // Until the next Add().
  std::span<const T> all() const {
    return items_ == nullptr ? std::span<const T>() : std::span<const T>(*items_);
  }
  std::span<T> all() { return items_ == nullptr ? std::span<T>() : std::span<T>(*items_); }

  friend bool operator==(const RareList& a, const RareList& b) {
    return std::ranges::equal(a.all(), b.all());
  }

 private:
  using Items = std::vector<T>;
  std::unique_ptr<Items> items_;
};

// The edges of a segment's SACK blocks as positions of a stream: left, right, left, right, ...
using SackEdges = RareList<int64_t>;

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_RARE_LIST_H_
