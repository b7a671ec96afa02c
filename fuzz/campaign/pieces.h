// An input taken apart into what can be left out by itself, and put together again.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_PIECES_H_
#define TAPEDECK_FUZZ_CAMPAIGN_PIECES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "fuzz/campaign/workspace.h"

namespace tapedeck::fuzz {

using Bytes = std::vector<uint8_t>;

struct Pieces {
  std::vector<Bytes> list;
  size_t fixed = 0;  // so many at the start must stay: a file's header
};

// Records of a Script, lines of a text, packets (pcap) or blocks (pcapng) of a capture; what is no
// capture at all is one piece. JoinPieces() gives `input` back.
Pieces SplitInput(InputKind kind, std::span<const uint8_t> input);
Bytes JoinPieces(const std::vector<Bytes>& list);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_PIECES_H_
