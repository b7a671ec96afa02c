// Replays a recording of a live run: the same host, fed with the recorded frames at their times,
// must send the same frames at the same times and come to the same digest at every mark.
#ifndef TAPEDECK_REPLAY_RECORDING_RECORDING_REPLAY_H_
#define TAPEDECK_REPLAY_RECORDING_RECORDING_REPLAY_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/capture/capture_reader.h"
#include "replay/lab/playback.h"
#include "replay/recording/live_run.h"
#include "replay/recording/recording_format.h"
#include "replay/trace/recorder.h"

namespace tapedeck {

// Whether `path` is a recording; false where it is anything else, or cannot be read.
bool IsRecording(const std::string& path);

// A recording, read whole: what it says, in its order. The frames' bytes stay in the file.
struct RecordingTape {
  struct Item {
    SimTime time;                    // of an input or mark; of an output its last bit's, in ns
    std::span<const uint8_t> frame;  // of an input or output
    uint64_t record = 0;             // its number in the file, from 1
    uint32_t mark = 0;               // 1 + the index in `marks`; 0: an input
  };
  RecordingHeader header;
  std::vector<Item> items;    // inputs and marks
  std::vector<Item> outputs;  // what the host sent
  std::vector<RecordingMark> marks;
  std::vector<std::string> warnings;

  bool complete() const { return !marks.empty() && marks.back().end; }
};

// One replay. What changes while it runs is the Lab's and a Position.
class RecordingReplay final : public Playback {
 public:
  // With `arena` that memory is used. An error names the file, and the offset or what is missing in
  // it.
  static absl::StatusOr<std::unique_ptr<RecordingReplay>> Open(const std::string& path,
                                                               const LiveRunOptions& options = {},
                                                               Arena* arena = nullptr);

  const RecordingTape& tape() const { return tape_; }

  std::string Settings() const override { return LiveSettingsText(tape_.header.settings); }
  World& world() override { return run_->lab().world(); }
  Recorder& recorder() override { return run_->lab().recorder(); }
  int hosts() const override { return 1; }
  Host& host(int) override { return run_->host(); }
  // One event, one step of a CPU, one input or one mark.
  bool Advance() override;
  std::unique_ptr<State> Take() override;
  void Restore(const State& state) override;
  // Differences come before what else is wrong.
  PlaybackResult Finish() override;

  // After Finish.
  const LiveReport& report() const { return report_; }

 private:
  struct Seam;
  struct Position {
    size_t item = 0;    // the next of the tape's
    size_t output = 0;  // the next that the host should send
    std::optional<std::string> difference;
  };
  // Compares what the host sends with what it has sent then.
  class Comparison : public TraceObserver {
   public:
    explicit Comparison(RecordingReplay& replay) : replay_(replay) {}
    void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

   private:
    RecordingReplay& replay_;
  };

  RecordingReplay(capture::CaptureReader reader, RecordingTape tape, const LiveRunOptions& options,
                  Arena* arena);
  void CompareOutput(const TraceEvent& event);
  void CheckMark(const RecordingMark& mark);
  void Differ(std::string what);

  capture::CaptureReader reader_;  // whose file the frames are in
  RecordingTape tape_;
  std::unique_ptr<LiveRun> run_;
  Comparison comparison_;
  Position position_;
  LiveReport report_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_RECORDING_RECORDING_REPLAY_H_
