// Writes a live run as it happens: see recording_format.h. What was written is in the file whenever
// Flush has returned, so that a program that is killed leaves what came before.
#ifndef TAPEDECK_REPLAY_RECORDING_RECORDING_WRITER_H_
#define TAPEDECK_REPLAY_RECORDING_RECORDING_WRITER_H_

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <span>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/capture/pcapng_writer.h"
#include "replay/recording/live_run.h"
#include "replay/recording/recording_format.h"
#include "replay/trace/recorder.h"
#include "stack/socket/system_call.h"

namespace tapedeck {

class RecordingWriter : public TraceObserver, public SyscallTracer {
 public:
  // The file is `path`.part until Close. `device` is what Wireshark shows as the interface.
  static absl::StatusOr<std::unique_ptr<RecordingWriter>> Create(const std::string& path,
                                                                 const std::string& device,
                                                                 const RecordingHeader& header);

  // A frame is about to arrive at `at`, a whole nanosecond.
  void Input(SimTime at, std::span<const uint8_t> frame);
  // `run` has done everything until now: says what it is then. `lost` frames so far never reached
  // it.
  void Mark(LiveRun& run, uint64_t lost) { WriteMark(run, lost, /*end=*/false); }
  // The last mark, and the file's name. The first error of any write is returned here.
  absl::Status Close(LiveRun& run, uint64_t lost);

  // The first error of any write.
  absl::Status Flush();

  // What the host sends, and what its applications call.
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;
  void Entered(const SystemCall& call, SimTime time) override;
  void Ended(const SystemCall& call, int64_t result, SimTime time) override;

 private:
  // Lines of calls wait for the next frame. No frame takes more than so many, and where frames are
  // rare the oldest are counted only.
  static constexpr size_t kCallsPerFrame = 32;
  static constexpr size_t kCallsWaitingMax = 1024;
  static constexpr size_t kCallStringBytes = 32;

  RecordingWriter(capture::PcapngWriter writer, int64_t epoch_ns)
      : writer_(std::move(writer)), epoch_ns_(epoch_ns) {}
  void WriteFrame(SimTime at, std::span<const uint8_t> frame, capture::Direction direction);
  void WriteMark(LiveRun& run, uint64_t lost, bool end);

  capture::PcapngWriter writer_;
  int64_t epoch_ns_;
  absl::Status status_;
  std::deque<std::string> calls_;
  uint64_t calls_left_out_ = 0;
  std::map<int, SimTime> entered_;  // by thread
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_RECORDING_RECORDING_WRITER_H_
