// A plan as something that can be played, stopped, taken back and compared: its Playback.
#ifndef TAPEDECK_REPLAY_STANDIN_STANDIN_PLAYBACK_H_
#define TAPEDECK_REPLAY_STANDIN_STANDIN_PLAYBACK_H_

#include <memory>
#include <string>

#include "replay/lab/playback.h"
#include "replay/standin/stand_in.h"

namespace tapedeck::standin {

class StandInPlayback final : public Playback {
 public:
  // Builds the Lab; nothing has been played then. `plan` and, where there is one, `arena` must
  // outlive it. The observer and the edits of `options.lab` are those of this run.
  StandInPlayback(const Plan& plan, const StandInOptions& options, const TimeTolerance& tolerance,
                  Arena* arena = nullptr);

  StandIn& run() { return run_; }
  // All of it after Finish.
  StandInResult& result() { return result_; }

  std::string Settings() const override;
  World& world() override { return run_.lab().world(); }
  Recorder& recorder() override { return run_.lab().recorder(); }
  int hosts() const override { return 1; }
  Host& host(int i) override { return run_.lab().host(i); }
  bool Advance() override;
  std::unique_ptr<State> Take() override;
  void Restore(const State& state) override;
  PlaybackResult Finish() override;

 private:
  struct Seam;

  const Plan& plan_;
  StandInOptions options_;
  TimeTolerance tolerance_;
  StandIn run_;
  bool started_ = false;
  StandInResult result_;
};

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_STANDIN_PLAYBACK_H_
