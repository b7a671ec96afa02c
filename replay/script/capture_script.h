// The third spelling of a Script: captures. A capture becomes frames; frames become a capture.
#ifndef TAPEDECK_REPLAY_SCRIPT_CAPTURE_SCRIPT_H_
#define TAPEDECK_REPLAY_SCRIPT_CAPTURE_SCRIPT_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/capture/capture_reader.h"
#include "replay/capture/output_file.h"
#include "replay/script/capture_source.h"
#include "replay/script/script.h"

namespace tapedeck {

struct CapturedScript {
  Script script;
  CaptureSourceCounts counts;
  // Frames longer than kFrameBytesMax (offloaded super-frames), and frames behind the kStepsMax-th.
  uint64_t too_long = 0;
  uint64_t too_many = 0;

  // Lines a user should see, those of `counts` among them.
  std::vector<std::string> Warnings() const;
};

// All frames of the capture, as they reach host 0. Reads `reader` to its end; the steps' `line` is
// the number of the record, as far as it goes.
CapturedScript ScriptFromCapture(capture::CaptureReader& reader);

// What a capture could not carry.
struct LeftOut {
  size_t calls = 0;    // and all else that is no frame: packets in short, command lines, code
  size_t pauses = 0;   // the time they take is kept
  size_t bad_fcs = 0;  // frames that were written, but whose wrong FCS was not
  size_t repairs = 0;  // frames that were written as they are, without the wish to repair them
  size_t empty_frames = 0;
};

// Writes the frames of `script` into a pcapng file: one interface for each host up to the highest
// that a frame reaches, times from 0 in nanoseconds, cut to whole ones. Closes the file. An error
// is the disk's. REQUIRES: ValidateScript(script).ok().
absl::StatusOr<LeftOut> CaptureFromScript(const Script& script, capture::OutputFile file);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_CAPTURE_SCRIPT_H_
