// What a recording holds, beside being a pcapng file that any reader shows: frames both ways on one
// interface, with directions, times in nanoseconds since 1970, and the host's system calls as
// comments on the next frame.
//
//   section comment       "tapedeck recording 1", "build HEX", "epoch NS", "settings ...", a line
//   each inbound packet        an input: it arrived at virtual time (its time - epoch), exactly
//   outbound packet       what the host sent, for comparison
//   interface statistics  with a comment "tapedeck mark T EVENTS DIGEST": what the run was when
//                         everything until virtual time T (ns) had happened; "tapedeck end ..." for
//                         the last, behind which nothing comes
//
// Inputs and marks take effect in the order of the file. Virtual time 0 is `epoch`. A file without
// an end was cut short: it replays as far as it goes.
#ifndef TAPEDECK_REPLAY_RECORDING_RECORDING_FORMAT_H_
#define TAPEDECK_REPLAY_RECORDING_RECORDING_FORMAT_H_

#include <cstdint>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "replay/recording/live_settings.h"

namespace tapedeck {

// The section's comment.
struct RecordingHeader {
  std::string build;     // which build recorded; "unknown" where it does not say
  int64_t epoch_ns = 0;  // wall time of virtual time 0, since 1970
  LiveSettings settings;
};
std::string RecordingHeaderText(const RecordingHeader& header);
// Whether a section's comment is that of a recording, of any version.
bool IsRecordingHeader(absl::string_view comment);
// The error says which line cannot be read.
absl::StatusOr<RecordingHeader> ParseRecordingHeader(absl::string_view comment);

// A comment of interface statistics.
struct RecordingMark {
  bool end = false;
  uint64_t time_ns = 0;  // virtual
  uint64_t events = 0;
  std::string digest;
  friend bool operator==(const RecordingMark&, const RecordingMark&) = default;
};
std::string RecordingMarkText(const RecordingMark& mark);
std::optional<RecordingMark> ParseRecordingMark(absl::string_view comment);

// Names the build that runs: the linker's build id in hexadecimal, or "unknown".
std::string BuildName();

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_RECORDING_RECORDING_FORMAT_H_
