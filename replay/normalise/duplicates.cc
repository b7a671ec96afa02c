#include "replay/normalise/duplicates.h"

#include <algorithm>
#include <utility>

namespace tapedeck::normalise {
namespace {

constexpr size_t kSllHeaderBytes = 16;

uint64_t Fnv1a(std::span<const uint8_t> bytes) {
  uint64_t hash = 14695981039346656037U;
  for (const uint8_t byte : bytes) hash = (hash ^ byte) * 1099511628211U;
  return hash;
}

// A frame by its contents, and its place in the order.
struct Fingerprint {
  uint64_t hash = 0;
  uint32_t frame = 0;
  friend auto operator<=>(const Fingerprint&, const Fingerprint&) = default;
};

std::vector<Fingerprint> Fingerprints(std::span<const Frame> frames) {
  std::vector<Fingerprint> prints;
  prints.reserve(frames.size());
  for (const Frame& frame : frames) {
    prints.push_back({Fnv1a(frame.network()), static_cast<uint32_t>(prints.size())});
  }
  std::sort(prints.begin(), prints.end());
  return prints;
}

// Tells copies among frames of the same fingerprint, which come in the order of their times.
class Group {
 public:
  Group(std::span<const Frame> frames, const Sightings& sightings, Duration window)
      : frames_(frames), sightings_(sightings), window_(window) {}

  // The index of the frame that `frame` is a copy of, or its own.
  uint32_t OriginalOf(uint32_t frame) {
    size_t& next = seen_[sightings_.Of(frames_[frame].record)];
    while (next < kept_.size() && !IsWithin(kept_[next], frame)) ++next;
    if (next < kept_.size()) return kept_[next++];
    kept_.push_back(frame);
    next = kept_.size();
    return frame;
  }

 private:
  bool IsWithin(uint32_t earlier, uint32_t later) const {
    const Frame& a = frames_[earlier];
    const Frame& b = frames_[later];
    const uint64_t apart_ns = static_cast<uint64_t>(b.time_ns) - static_cast<uint64_t>(a.time_ns);
    return apart_ns <= window_.ns() && a.filler_bytes == b.filler_bytes &&
           std::ranges::equal(a.network(), b.network());
  }

  std::span<const Frame> frames_;
  const Sightings& sightings_;
  Duration window_;
  std::vector<uint32_t> kept_;
  std::map<uint32_t, size_t> seen_;  // by sighting: the first of kept_ that it has not seen
};

}  // namespace

void Sightings::Add(const capture::Record& record, const capture::EthernetFrame& ethernet) {
  uint64_t way = static_cast<uint64_t>(ethernet.direction);
  if (record.link_type == capture::LinkType::kLinuxSll) {
    way = Fnv1a(record.data.first(std::min(kSllHeaderBytes, record.data.size())));
  }
  const Key key(record.interface_index, ethernet.system_interface_index, way);
  const auto number = static_cast<uint32_t>(numbers_.size());
  of_record_.push_back(numbers_.try_emplace(key, number).first->second);
}

std::vector<uint32_t> FindDuplicates(std::span<const Frame> frames, const Sightings& sightings,
                                     Duration window) {
  std::vector<uint32_t> original(frames.size());
  const std::vector<Fingerprint> prints = Fingerprints(frames);
  for (size_t i = 0; i < prints.size();) {
    Group group(frames, sightings, window);
    const uint64_t hash = prints[i].hash;
    for (; i < prints.size() && prints[i].hash == hash; ++i) {
      original[prints[i].frame] = group.OriginalOf(prints[i].frame);
    }
  }
  return original;
}

}  // namespace tapedeck::normalise
