// From one spelling to another: captures (pcap, pcapng), script text and script bytes, as far as
// each can carry the content. What it cannot is told, never dropped in silence.
#ifndef TAPEDECK_REPLAY_CONVERT_CONVERT_H_
#define TAPEDECK_REPLAY_CONVERT_CONVERT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/filter/selection.h"

namespace tapedeck {

enum class Spelling : uint8_t { kPcap, kPcapng, kText, kBytes };

// "pcap", "pcapng", "text", "bytes"
const char* SpellingName(Spelling spelling);
std::optional<Spelling> SpellingByName(std::string_view name);
// By the end of a file name: .pcap and .cap, .pcapng and .ntar, .pkt, .bytes and .script; with .gz
// or .zst behind, what is before that.
std::optional<Spelling> SpellingByPath(std::string_view path);

struct ConvertOptions {
  // None: by the name of the input, a capture where that tells nothing.
  std::optional<Spelling> from;
  std::optional<Spelling> to;  // none: by the name of the output
  // These apply to captures alone.
  Selection selection;
  std::optional<uint64_t> anonymise_seed;
};

struct ConvertReport {
  Spelling from = Spelling::kPcap;
  Spelling to = Spelling::kPcap;
  uint64_t items = 0;  // records or steps written
  // Lines for the user: what the input had and the output has not, and what was odd in the input.
  std::vector<std::string> lost;
  std::vector<std::string> warnings;
};

// Converts file `in` to file `out` ("-": standard input and output). An error is one line; `out` is
// then as it was.
absl::StatusOr<ConvertReport> ConvertFile(const std::string& in, const std::string& out,
                                          const ConvertOptions& options);

// Captures into one, by time; of equal times the earlier named file first. pcapng keeps the
// interfaces of each apart. Within a file records keep their order, even where its time goes
// backwards.
absl::StatusOr<ConvertReport> MergeFiles(const std::vector<std::string>& in, const std::string& out,
                                         const ConvertOptions& options);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_CONVERT_CONVERT_H_
