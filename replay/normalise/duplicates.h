// Frames that a capture on several interfaces ("any", a bridge and its ports), or one behind a
// mirror port, holds more than once.
#ifndef TAPEDECK_REPLAY_NORMALISE_DUPLICATES_H_
#define TAPEDECK_REPLAY_NORMALISE_DUPLICATES_H_

#include <cstdint>
#include <map>
#include <span>
#include <tuple>
#include <vector>

#include "replay/capture/link_layer.h"
#include "replay/normalise/frame.h"
#include "stack/base/time.h"

namespace tapedeck::normalise {

// Where and how the records of a capture were seen: each different (interface, the system's own
// interface, direction) has a number. A cooked capture of the first kind names no interface, but
// its header differs from one to another.
class Sightings {
 public:
  // Of the next record, `record.index` being one more than that of the one before.
  void Add(const capture::Record& record, const capture::EthernetFrame& ethernet);
  void AddUnusable() { of_record_.push_back(0); }

  uint32_t Of(uint64_t record) const { return of_record_[record - 1]; }
  // Nothing can be a copy where everything was seen in one place.
  bool is_single() const { return numbers_.size() < 2; }
  uint64_t allocated_bytes() const { return of_record_.size() * sizeof(uint32_t); }

 private:
  using Key = std::tuple<uint32_t, uint32_t, uint64_t>;

  std::map<Key, uint32_t> numbers_;
  std::vector<uint32_t> of_record_;
};

// For each of `frames`, which are in order, the index of the frame it is a copy of, or its own: the
// same bytes from the IP or ARP header on, seen elsewhere and within `window`. The k-th time that
// one place saw some bytes is the k-th time that the others did.
std::vector<uint32_t> FindDuplicates(std::span<const Frame> frames, const Sightings& sightings,
                                     Duration window);

// Copies that one place saw: of a source whose packets nearly all came `k` times within `window`
// (a mirror port that sends both ways, a tap on both sides of a switch). As FindDuplicates(); a
// source that only now and then says the same twice (a retransmission, a duplicate ACK) has none.
std::vector<uint32_t> FindRepeats(std::span<const Frame> frames, Duration window);

}  // namespace tapedeck::normalise

#endif  // TAPEDECK_REPLAY_NORMALISE_DUPLICATES_H_
