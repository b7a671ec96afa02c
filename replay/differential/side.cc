#include "replay/differential/side.h"

#include "replay/differential/listener_reports.h"
#include "replay/differential/live_numbers.h"

namespace tapedeck::differential {

namespace {

class Player {
 public:
  Player(const Case& played, Side* side) : played_(played), side_(*side) {}

  Run Play() {
    side_.Begin(played_);
    for (const Setting& setting : played_.settings) side_.Set(setting);
    for (const Step& step : played_.steps) {
      run_.steps.emplace_back();
      std::visit([this](const auto& what) { Do(what); }, step);
      Drain();
    }
    run_.steps.emplace_back();
    side_.CloseAll();
    // What comes of itself while they are read may be in the counters or not.
    do {
      Drain();
      side_.CountersSinceBegin(&run_.counters);
    } while (Drain());
    TakeOutListenerReports(&run_);
    return std::move(run_);
  }

 private:
  void Do(const FrameStep& frame) {
    if (frame.patches.empty()) return side_.Write(frame.port, frame.bytes);
    frame_ = frame.bytes;
    for (const LivePatch& patch : frame.patches) live_.Apply(patch, frame_);
    side_.Write(frame.port, frame_);
  }
  void Do(const CallStep& call) { side_.Call(call, &run_.steps.back().call); }
  void Do(const WaitStep& wait) { side_.Wait(wait.milliseconds); }

  // Whether there was something.
  bool Drain() {
    std::vector<Reply>& replies = run_.steps.back().replies;
    const size_t before = replies.size();
    side_.Drain(&replies);
    for (size_t i = before; i < replies.size(); ++i) live_.See(replies[i].bytes);
    return replies.size() > before;
  }

  const Case& played_;
  Side& side_;
  LiveNumbers live_;
  Run run_;
  std::vector<uint8_t> frame_;
};

}  // namespace

Run Play(const Case& played, Side* side) { return Player(played, side).Play(); }

}  // namespace tapedeck::differential
