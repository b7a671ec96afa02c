// The edges of a segment's SACK blocks as positions of a stream: left, right, left, right, ... Of
// very many segments hardly one has any: then it is a pointer.
#ifndef TAPEDECK_REPLAY_STANDIN_SACK_EDGES_H_
#define TAPEDECK_REPLAY_STANDIN_SACK_EDGES_H_

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace tapedeck::standin {

class SackEdges {
 public:
  SackEdges() = default;
  SackEdges(const SackEdges& other) { *this = other; }
  SackEdges& operator=(const SackEdges& other) {
    if (this == &other) return *this;
    edges_ = other.edges_ == nullptr ? nullptr : std::make_unique<Edges>(*other.edges_);
    return *this;
  }
  SackEdges(SackEdges&&) noexcept = default;
  SackEdges& operator=(SackEdges&&) noexcept = default;
  ~SackEdges() = default;

  void Add(int64_t edge) {
    if (edges_ == nullptr) edges_ = std::make_unique<Edges>();
    edges_->push_back(edge);
  }
  // Until the next Add().
  std::span<const int64_t> all() const {
    return edges_ == nullptr ? std::span<const int64_t>() : std::span<const int64_t>(*edges_);
  }

  friend bool operator==(const SackEdges& a, const SackEdges& b) {
    return std::ranges::equal(a.all(), b.all());
  }

 private:
  using Edges = std::vector<int64_t>;
  std::unique_ptr<Edges> edges_;
};

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_SACK_EDGES_H_
