// Sorting that keeps the order of equals, whatever the library: by places, so that no two elements
// are equal. (libstdc++'s std::stable_sort asks for what C++17 has deprecated, which clang
// refuses.)
#ifndef TAPEDECK_REPLAY_TRACE_STABLE_SORT_H_
#define TAPEDECK_REPLAY_TRACE_STABLE_SORT_H_

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

namespace tapedeck {

template <typename T, typename Less>
void StableSort(std::vector<T>* all, const Less& less) {
  std::vector<size_t> order(all->size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (less((*all)[a], (*all)[b])) return true;
    return !less((*all)[b], (*all)[a]) && a < b;
  });
  std::vector<T> sorted;
  sorted.reserve(all->size());
  for (const size_t i : order) sorted.push_back(std::move((*all)[i]));
  *all = std::move(sorted);
}

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_STABLE_SORT_H_
