// Which lines two texts share.
#ifndef TAPEDECK_REPLAY_REGRESS_LINE_DIFF_H_
#define TAPEDECK_REPLAY_REGRESS_LINE_DIFF_H_

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace tapedeck::regress {

struct LineEdit {
  enum class Kind : unsigned char { kSame, kRemoved, kAdded };
  Kind kind = Kind::kSame;
  size_t before = 0;  // the line's index; of an added one, that of the line it stands in front of
  size_t after = 0;
};

// A shortest way from `before` to `after`; removed lines come ahead of those added in their place.
// Of texts too long for that, one change from their first different line to the last.
std::vector<LineEdit> AlignLines(std::span<const std::string> before,
                                 std::span<const std::string> after);

// The difference as `diff -u` prints it, without its heading; empty where there is none.
std::string UnifiedDiff(std::span<const std::string> before, std::span<const std::string> after);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_LINE_DIFF_H_
