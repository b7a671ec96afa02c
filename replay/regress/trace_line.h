// The parts of one line of a golden's trace: a column with the time, and what happened.
#ifndef TAPEDECK_REPLAY_REGRESS_TRACE_LINE_H_
#define TAPEDECK_REPLAY_REGRESS_TRACE_LINE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tapedeck::regress {

// "0.011056160"
std::string SecondsText(uint64_t ns);

// What happened.
std::string_view WithoutTime(std::string_view line);
// "0.011056160", or with a plus sign the time since the last frame that came in.
std::string_view TimeOf(std::string_view line);
// "<" and ">" for frames, else the first word: "sock", "drop".
std::string_view KindOf(std::string_view line);

// Where in a run a line is.
struct LinePlace {
  uint64_t frame = 0;  // the newest frame of the input at that moment; 0: none
  std::string time;    // virtual time in seconds, "0.011056160"
};
// REQUIRES: index < lines.size(), and none of the lines is folded.
LinePlace PlaceOf(std::span<const std::string> lines, size_t index);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_TRACE_LINE_H_
