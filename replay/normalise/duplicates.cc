#include "replay/normalise/duplicates.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <utility>

#include "stack/base/ip_address.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"

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

bool AreEqualWithin(const Frame& a, const Frame& b, Duration window) {
  const uint64_t apart_ns = static_cast<uint64_t>(b.time_ns) - static_cast<uint64_t>(a.time_ns);
  return apart_ns <= window.ns() && a.filler_bytes == b.filler_bytes &&
         std::ranges::equal(a.network(), b.network());
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
    return AreEqualWithin(frames_[earlier], frames_[later], window_);
  }

  std::span<const Frame> frames_;
  const Sightings& sightings_;
  Duration window_;
  std::vector<uint32_t> kept_;
  std::map<uint32_t, size_t> seen_;  // by sighting: the first of kept_ that it has not seen
};

// Fewer packets prove no habit.
constexpr uint64_t kHabitPacketsMin = 4;
constexpr uint64_t kHabitPercent = 90;

// Who sent an IP packet; nullopt where it is cut before that.
std::optional<IpAddress> SourceOf(const Frame& frame) {
  if (frame.kind == FrameKind::kIpv4) {
    const auto* const header = wire::Overlay<wire::Ipv4Header>(frame.network());
    return header == nullptr ? std::nullopt : std::optional<IpAddress>(header->saddr);
  }
  const auto* const header = wire::Overlay<wire::Ipv6Header>(frame.network());
  return header == nullptr ? std::nullopt : std::optional<IpAddress>(header->saddr);
}

// Calls `use` with each packet's sightings: frames that are equal, all within `window` of the
// first.
template <typename Use>
void ForEachPacket(std::span<const Frame> frames, std::span<const Fingerprint> prints,
                   Duration window, Use use) {
  for (size_t first = 0, i = 0; first < prints.size(); first = i) {
    const Frame& frame = frames[prints[first].frame];
    for (i = first + 1; i < prints.size() && prints[i].hash == prints[first].hash; ++i) {
      if (!AreEqualWithin(frame, frames[prints[i].frame], window)) break;
    }
    const std::optional<IpAddress> source = frame.is_ip() ? SourceOf(frame) : std::nullopt;
    if (source.has_value()) use(*source, prints.subspan(first, i - first));
  }
}

// How often a source's packets were seen.
struct SourceHabit {
  uint64_t packets = 0;
  std::map<size_t, uint64_t> times;  // how many were seen so often

  // How often each is seen; 1 where nothing says that it is more.
  size_t Copies() const {
    const auto once = times.find(1);
    const uint64_t single = once == times.end() ? 0 : once->second;
    if (packets < kHabitPacketsMin || (packets - single) * 100 < packets * kHabitPercent) return 1;
    const auto most =
        std::max_element(times.begin(), times.end(),
                         [](const auto& a, const auto& b) { return a.second < b.second; });
    return most->first;
  }
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

std::vector<uint32_t> FindRepeats(std::span<const Frame> frames, Duration window) {
  std::vector<uint32_t> original(frames.size());
  std::iota(original.begin(), original.end(), 0U);
  const std::vector<Fingerprint> prints = Fingerprints(frames);
  using Sighted = std::span<const Fingerprint>;
  std::map<IpAddress, SourceHabit> habits;
  ForEachPacket(frames, prints, window, [&](const IpAddress& source, Sighted sighted) {
    SourceHabit& habit = habits[source];
    ++habit.packets;
    ++habit.times[sighted.size()];
  });
  ForEachPacket(frames, prints, window, [&](const IpAddress& source, Sighted sighted) {
    const size_t copies = habits[source].Copies();
    for (size_t i = 0; i < sighted.size(); ++i) {
      original[sighted[i].frame] = sighted[i - i % copies].frame;
    }
  });
  return original;
}

}  // namespace tapedeck::normalise
