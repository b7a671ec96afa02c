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

// Element i becomes what element order[i] was, without a second vector: one cycle of the
// permutation after the other.
template <typename T>
void PutInOrder(std::vector<size_t>* order, std::vector<T>* all) {
  for (size_t first = 0; first < all->size(); ++first) {
    if ((*order)[first] == first) continue;
    T moved = std::move((*all)[first]);
    size_t at = first;
    while ((*order)[at] != first) {
      const size_t from = (*order)[at];
      (*all)[at] = std::move((*all)[from]);
      (*order)[at] = at;
      at = from;
    }
    (*all)[at] = std::move(moved);
    (*order)[at] = at;
  }
}

template <typename T, typename Less>
void StableSort(std::vector<T>* all, const Less& less) {
  std::vector<size_t> order(all->size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    if (less((*all)[a], (*all)[b])) return true;
    return !less((*all)[b], (*all)[a]) && a < b;
  });
  PutInOrder(&order, all);
}

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_STABLE_SORT_H_
