// Long traces made short enough to be reviewed. Lines whose like has been shown often enough are
// folded into one that counts them:
//
//                    ... 96 lines: 32 <, 64 >; every 4: 3fa2 9c1e 0b77 ...
//
// The numbers behind `every N` are a hash chain over the folded lines, of which each N-th link is
// shown: a change inside is still located, to within N lines.
#ifndef TAPEDECK_REPLAY_REGRESS_FOLD_H_
#define TAPEDECK_REPLAY_REGRESS_FOLD_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace tapedeck::regress {

// Two lines of a trace are alike where only their numbers differ; zero is like no other number.
std::string Shape(std::string_view line);

// `lines` with at most `limit` of each shape shown; 0: all of them.
std::vector<std::string> Fold(std::span<const std::string> lines, unsigned limit);

// The largest limit with which `lines` become at most `lines_max`, or else the smallest there is.
unsigned ChooseLimit(std::span<const std::string> lines, size_t lines_max);

// A folded line, read.
struct FoldedRun {
  size_t lines = 0;
  size_t step = 1;  // lines a link
  std::vector<uint16_t> links;
};
std::optional<FoldedRun> ParseFold(std::string_view line);

// Which part of `run` is not what `lines` begin with: the range of lines, of which there may be
// fewer. Nothing where all is as it was.
struct Range {
  size_t begin = 0;
  size_t end = 0;
};
std::optional<Range> FindChange(const FoldedRun& run, std::span<const std::string> lines);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_FOLD_H_
