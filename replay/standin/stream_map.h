// One direction of a connection as far as a capture shows it: bytes by position, the first copy of
// each wins.
#ifndef TAPEDECK_REPLAY_STANDIN_STREAM_MAP_H_
#define TAPEDECK_REPLAY_STANDIN_STREAM_MAP_H_

#include <cstdint>
#include <map>
#include <span>
#include <utility>
#include <vector>

namespace tapedeck::standin {

class StreamMap {
 public:
  using Bytes = std::span<const uint8_t>;

  // `bytes` lie at `start` and beyond; they must outlive the map. True where some were new.
  bool Add(int64_t start, Bytes bytes);

  // The first position, from 1 on, that is missing.
  int64_t ContiguousEnd() const { return contiguous_end_; }
  // Behind the last position known.
  int64_t End() const;
  // What is missing in [1, end), as [first, behind last).
  std::vector<std::pair<int64_t, int64_t>> HolesBefore(int64_t end) const;
  // Whether some copy of [start, end) differed from the first one.
  bool conflicting() const { return conflicting_; }

  // The bytes of [start, end); what is missing is zero.
  std::vector<uint8_t> Copy(int64_t start, int64_t end) const;

 private:
  void AddPiece(int64_t start, Bytes bytes);
  void CheckSame(int64_t start, Bytes bytes);

  std::map<int64_t, Bytes> pieces_;  // disjoint
  int64_t contiguous_end_ = 1;
  bool conflicting_ = false;
};

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_STREAM_MAP_H_
