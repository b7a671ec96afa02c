#include "fuzz/campaign/pieces.h"

#include <algorithm>

#include "stack/base/byteorder.h"

namespace tapedeck::fuzz {
namespace {

constexpr uint8_t kRecordEnd = 0x7e;  // replay/script/bytes.h
constexpr size_t kPcapHeaderBytes = 24;
constexpr size_t kPcapPacketBytes = 16;
constexpr uint32_t kPcapngSection = 0x0a0d0d0a;

uint32_t Load32(std::span<const uint8_t> bytes, size_t at, bool big_endian) {
  return big_endian ? LoadBe32(bytes.data() + at) : LoadLe32(bytes.data() + at);
}

Bytes Part(std::span<const uint8_t> bytes, size_t begin, size_t end) {
  return {bytes.begin() + static_cast<std::ptrdiff_t>(begin),
          bytes.begin() + static_cast<std::ptrdiff_t>(end)};
}

// Each piece ends with `end`, the last perhaps without.
Pieces SplitBehind(std::span<const uint8_t> bytes, uint8_t end) {
  Pieces pieces;
  size_t begin = 0;
  for (size_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != end && i + 1 != bytes.size()) continue;
    pieces.list.push_back(Part(bytes, begin, i + 1));
    begin = i + 1;
  }
  return pieces;
}

// The file's header, then a piece each packet; what does not fit any more is the last.
Pieces SplitPcap(std::span<const uint8_t> bytes, bool big_endian) {
  Pieces pieces;
  pieces.fixed = 1;
  size_t at = std::min(bytes.size(), kPcapHeaderBytes);
  pieces.list.push_back(Part(bytes, 0, at));
  while (at < bytes.size()) {
    size_t end = bytes.size();
    if (bytes.size() - at >= kPcapPacketBytes) {
      const uint64_t length = Load32(bytes, at + 8, big_endian);
      end = static_cast<size_t>(std::min<uint64_t>(end, at + kPcapPacketBytes + length));
    }
    pieces.list.push_back(Part(bytes, at, end));
    at = end;
  }
  return pieces;
}

// A piece each block. The section's byte order is that of its magic at its ninth byte.
Pieces SplitPcapng(std::span<const uint8_t> bytes) {
  constexpr size_t kBlockBytesMin = 12;
  Pieces pieces;
  pieces.fixed = 1;
  const bool big_endian = bytes.size() >= kBlockBytesMin && bytes[8] == 0x1a;
  size_t at = 0;
  while (at < bytes.size()) {
    size_t end = bytes.size();
    if (bytes.size() - at >= kBlockBytesMin) {
      const uint64_t length = std::max<uint64_t>(kBlockBytesMin, Load32(bytes, at + 4, big_endian));
      end = static_cast<size_t>(std::min<uint64_t>(end, at + length));
    }
    pieces.list.push_back(Part(bytes, at, end));
    at = end;
  }
  return pieces;
}

Pieces SplitCapture(std::span<const uint8_t> bytes) {
  if (bytes.size() >= 4) {
    if (LoadLe32(bytes.data()) == kPcapngSection) return SplitPcapng(bytes);
    for (const uint32_t magic : {0xa1b2c3d4U, 0xa1b23c4dU}) {
      if (LoadLe32(bytes.data()) == magic) return SplitPcap(bytes, /*big_endian=*/false);
      if (LoadBe32(bytes.data()) == magic) return SplitPcap(bytes, /*big_endian=*/true);
    }
  }
  return {{Bytes(bytes.begin(), bytes.end())}, 0};
}

}  // namespace

Pieces SplitInput(InputKind kind, std::span<const uint8_t> input) {
  switch (kind) {
    case InputKind::kScript:
      return SplitBehind(input, kRecordEnd);
    case InputKind::kText:
      return SplitBehind(input, '\n');
    case InputKind::kCapture:
      return SplitCapture(input);
  }
  return {};
}

Bytes JoinPieces(const std::vector<Bytes>& list) {
  Bytes bytes;
  for (const Bytes& piece : list) bytes.insert(bytes.end(), piece.begin(), piece.end());
  return bytes;
}

}  // namespace tapedeck::fuzz
