// One run of something that can be played (a capture, a script), in pieces, so that somebody can
// look between them: what every kind of case offers to those who stop, rewind, watch or compare
// runs (replay/case).
#ifndef TAPEDECK_REPLAY_LAB_PLAYBACK_H_
#define TAPEDECK_REPLAY_LAB_PLAYBACK_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "replay/lab/frame_edits.h"
#include "replay/trace/recorder.h"
#include "stack/host.h"
#include "stack/kernel/world.h"

namespace tapedeck {

// Who looks at a run and what is done to it. Each may be null, and must outlive it.
struct PlayHooks {
  TraceObserver* observer = nullptr;  // sees every event, the building of the Lab included
  const FrameEdits* edits = nullptr;  // what is done to frames on their way
};

// What came of a run.
struct PlaybackResult {
  enum class Outcome : uint8_t { kHeld, kFailed, kSkipped };
  Outcome outcome = Outcome::kHeld;
  std::string digest;
  uint64_t events = 0;
  std::vector<std::string> problems;  // why it did not hold or was skipped; each may span lines
  std::vector<std::string> warnings;
  std::string output;  // what the case itself printed
  // What only this kind of case counts, a line each: "read 3 datagrams, ...".
  std::vector<std::string> summary;
};

class Playback {
 public:
  // Where a run is, the state of its Lab included. Good for the Playback that it was taken from, as
  // often as wanted.
  class State {
   public:
    State() = default;
    virtual ~State() = default;
    State(const State&) = delete;
    State& operator=(const State&) = delete;
    // What it takes to keep, in bytes.
    virtual size_t bytes() const = 0;
  };

  Playback() = default;
  virtual ~Playback() = default;
  Playback(const Playback&) = delete;
  Playback& operator=(const Playback&) = delete;

  // What decides how it is played, in one line: mode, hosts, sockets.
  virtual std::string Settings() const { return ""; }

  virtual World& world() = 0;
  virtual Recorder& recorder() = 0;
  virtual int hosts() const = 0;
  virtual Host& host(int i) = 0;

  // Plays on to the next seam: a moment when nothing is under way, neither of the stack nor of the
  // player. A piece is as small as the kind of case can make it; events may happen in it or not.
  // False where the run was over already.
  virtual bool Advance() = 0;

  // At a seam. nullptr where the state cannot be copied: playing the case again from its start
  // leads there, too.
  virtual std::unique_ptr<State> Take() = 0;
  virtual void Restore(const State& state) = 0;

  // The run is over: judges it. Nothing is recorded any more; to be called once.
  virtual PlaybackResult Finish() = 0;
};

// Plays `run`, a Playback, to its end, or to where `stop` says that it ends; that is asked now and
// then, and once at the end. `look` is called after each piece but the last. Returns what `stop`
// said in the end; false where it is empty.
template <typename Run, typename Look>
bool PlayToEnd(Run& run, const std::function<bool()>& stop, Look look) {
  constexpr uint64_t kPiecesBetweenQuestions = 256;
  for (uint64_t pieces = 0; run.Advance(); ++pieces) {
    if (stop && pieces % kPiecesBetweenQuestions == 0 && stop()) break;
    look();
  }
  return stop && stop();
}

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_PLAYBACK_H_
