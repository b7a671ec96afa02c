#include "replay/standin/stream_map.h"

#include <algorithm>
#include <cstring>

namespace tapedeck::standin {
namespace {

int64_t PieceEnd(const std::pair<const int64_t, StreamMap::Bytes>& piece) {
  return piece.first + static_cast<int64_t>(piece.second.size());
}

}  // namespace

bool StreamMap::Add(int64_t start, Bytes bytes) {
  // What lies before the first byte (a keepalive's) is no part of the stream.
  if (start < 1) {
    const auto before = static_cast<size_t>(1 - start);
    if (before >= bytes.size()) return false;
    bytes = bytes.subspan(before);
    start = 1;
  }
  bool is_new = false;
  CheckSame(start, bytes);
  while (!bytes.empty()) {
    const int64_t end = start + static_cast<int64_t>(bytes.size());
    auto after = pieces_.upper_bound(start);
    if (after != pieces_.begin()) {
      const int64_t covered_to = PieceEnd(*std::prev(after));
      if (covered_to > start) {
        const int64_t skip = std::min(covered_to, end) - start;
        bytes = bytes.subspan(static_cast<size_t>(skip));
        start += skip;
        continue;
      }
    }
    const int64_t until = after == pieces_.end() ? end : std::min(end, after->first);
    AddPiece(start, bytes.first(static_cast<size_t>(until - start)));
    is_new = true;
    bytes = bytes.subspan(static_cast<size_t>(until - start));
    start = until;
  }
  return is_new;
}

void StreamMap::AddPiece(int64_t start, Bytes bytes) {
  pieces_[start] = bytes;
  auto piece = pieces_.find(contiguous_end_);
  while (piece != pieces_.end() && piece->first == contiguous_end_) {
    contiguous_end_ = PieceEnd(*piece);
    ++piece;
  }
}

void StreamMap::CheckSame(int64_t start, Bytes bytes) {
  const int64_t end = start + static_cast<int64_t>(bytes.size());
  auto piece = pieces_.upper_bound(start);
  if (piece != pieces_.begin()) --piece;
  for (; piece != pieces_.end() && piece->first < end; ++piece) {
    const int64_t from = std::max(start, piece->first);
    const int64_t to = std::min(end, PieceEnd(*piece));
    if (from >= to) continue;
    const uint8_t* const mine = bytes.data() + (from - start);
    const uint8_t* const first = piece->second.data() + (from - piece->first);
    if (std::memcmp(mine, first, static_cast<size_t>(to - from)) != 0) conflicting_ = true;
  }
}

int64_t StreamMap::End() const { return pieces_.empty() ? 1 : PieceEnd(*pieces_.rbegin()); }

std::vector<std::pair<int64_t, int64_t>> StreamMap::HolesBefore(int64_t end) const {
  std::vector<std::pair<int64_t, int64_t>> holes;
  int64_t at = 1;
  for (const auto& piece : pieces_) {
    if (piece.first >= end) break;
    if (piece.first > at) holes.emplace_back(at, piece.first);
    at = PieceEnd(piece);
  }
  if (at < end) holes.emplace_back(at, end);
  return holes;
}

std::vector<uint8_t> StreamMap::Copy(int64_t start, int64_t end) const {
  std::vector<uint8_t> copy(static_cast<size_t>(std::max<int64_t>(end - start, 0)));
  auto piece = pieces_.upper_bound(start);
  if (piece != pieces_.begin()) --piece;
  for (; piece != pieces_.end() && piece->first < end; ++piece) {
    const int64_t from = std::max(start, piece->first);
    const int64_t to = std::min(end, PieceEnd(*piece));
    if (from >= to) continue;
    std::memcpy(copy.data() + (from - start), piece->second.data() + (from - piece->first),
                static_cast<size_t>(to - from));
  }
  return copy;
}

}  // namespace tapedeck::standin
