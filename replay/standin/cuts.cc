#include "replay/standin/cuts.h"

#include <algorithm>

#include "stack/base/check.h"

namespace tapedeck::standin {

size_t CutDataBytes(std::span<const Cut> cuts) {
  size_t bytes = 0;
  for (const Cut& cut : cuts) bytes = std::max(bytes, size_t{cut.offset} + cut.length);
  return bytes;
}

std::span<const uint8_t> CutData(std::span<const uint8_t> packet, std::span<const Cut> cuts) {
  const size_t bytes = CutDataBytes(cuts);
  CHECK_LE(bytes, packet.size());
  return packet.last(bytes);
}

std::vector<uint8_t> FragmentOf(std::span<const uint8_t> data, const Cut& cut) {
  const std::span<const uint8_t> its = data.subspan(cut.offset, cut.length);
  std::vector<uint8_t> fragment = cut.header;
  fragment.insert(fragment.end(), its.begin(), its.end());
  return fragment;
}

size_t LongestPart(std::span<const uint8_t> packet, std::span<const Cut> cuts) {
  if (cuts.empty()) return packet.size();
  size_t longest = 0;
  for (const Cut& cut : cuts) longest = std::max(longest, cut.header.size() + cut.length);
  return longest;
}

}  // namespace tapedeck::standin
