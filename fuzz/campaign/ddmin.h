// Delta debugging (Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input",
// 2002): the smallest part of a list that is found to keep a property.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_DDMIN_H_
#define TAPEDECK_FUZZ_CAMPAIGN_DDMIN_H_

#include <algorithm>
#include <cstddef>
#include <functional>
#include <utility>
#include <vector>

namespace tapedeck::fuzz {

// Takes out runs of elements as long as `keeps` says that what is left has the property; the first
// `fixed` elements stay. The result is 1-minimal: no single element of it can go. `keeps` is asked
// about O(n^2) lists at worst, about O(log n) where one element decides. REQUIRES: keeps(list).
template <typename T>
std::vector<T> Ddmin(std::vector<T> list, const std::function<bool(const std::vector<T>&)>& keeps,
                     size_t fixed = 0) {
  if (list.size() <= fixed) return list;
  size_t chunk = list.size() - fixed;
  while (chunk > 0) {
    bool removed = false;
    // From the end: what comes later needs what comes before, seldom the other way round.
    size_t end = list.size();
    while (end > fixed) {
      const size_t begin = end - fixed > chunk ? end - chunk : fixed;
      std::vector<T> candidate(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(begin));
      candidate.insert(candidate.end(), list.begin() + static_cast<std::ptrdiff_t>(end),
                       list.end());
      if (keeps(candidate)) {
        list = std::move(candidate);
        removed = true;
      }
      end = begin;
    }
    if (chunk == 1 && !removed) break;
    if (chunk > 1) {
      chunk = (chunk + 1) / 2;
    } else if (list.size() == fixed) {
      break;
    }
    chunk = std::min(chunk, std::max<size_t>(1, list.size() - fixed));
  }
  return list;
}

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_DDMIN_H_
