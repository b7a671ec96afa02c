// Plays one case and writes down what the stack did.
#ifndef TAPEDECK_REPLAY_REGRESS_PLAY_CASE_H_
#define TAPEDECK_REPLAY_REGRESS_PLAY_CASE_H_

#include <cstdint>
#include <string>

#include "replay/regress/case_files.h"
#include "replay/regress/case_settings.h"
#include "replay/regress/golden.h"

namespace tapedeck::regress {

struct PlayedCase {
  enum class Outcome : uint8_t {
    kHeld,
    kFailed,   // something leaked, an expectation was not met, it had no end, it cannot be read
    kSkipped,  // a script that is for another IP version
  };
  Outcome outcome = Outcome::kHeld;
  std::string message;  // why it did not hold or was skipped; may span lines
  RunText text;
  std::string digest;
  uint64_t virtual_ns = 0;
};

// A run with more than `events_max` events in its trace is not played on.
PlayedCase PlayCase(const CaseFile& one, const CaseSettings& settings, uint64_t events_max);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_PLAY_CASE_H_
