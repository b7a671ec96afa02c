// Writes a run as pcapng: both directions with direction flags, what became of each frame as a
// comment and (for drops) as a verdict, event numbers as packet ids, virtual time in nanoseconds.
#ifndef TAPEDECK_REPLAY_TRACE_CAPTURE_OUTPUT_H_
#define TAPEDECK_REPLAY_TRACE_CAPTURE_OUTPUT_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/capture/pcapng_writer.h"
#include "replay/trace/recorder.h"

namespace tapedeck {

class CaptureOutput : public TraceObserver {
 public:
  struct Options {
    std::vector<std::string> comments;  // of the section: seed and settings
    // Wall time of virtual time 0, in ns since 1970: the capture's own start, so that both can be
    // laid side by side.
    int64_t epoch_ns = 0;
    int hosts = 1;
    bool bare_ip = false;  // hosts have tun devices, not NICs
  };
  // Nothing takes the name `path` before Close.
  static absl::StatusOr<CaptureOutput> Create(const std::string& path, const Options& options);

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

  // Writes what is still unsettled and gives the file its name. The first error of any write is
  // returned here.
  absl::Status Close();

 private:
  // A frame waits until its fate is known, and for those before it: the file is in order of time.
  struct Waiting {
    uint64_t event = 0;
    int64_t time_ns = 0;
    uint32_t frame_id = 0;
    uint8_t host = 0;
    bool received = false;
    FrameLedger::Fate fate = FrameLedger::Fate::kQueued;
    DropReason reason = SKB_DROP_REASON_CONSUMED;
    std::vector<uint8_t> bytes;
  };
  CaptureOutput(capture::PcapngWriter writer, const Options& options)
      : writer_(std::move(writer)), epoch_ns_(options.epoch_ns) {}

  void AddFrame(uint64_t number, const TraceEvent& event);
  void Settle(uint32_t frame_id, const FrameLedger& ledger);
  void Flush(bool all);
  absl::Status WriteFrame(const Waiting& frame);

  // At most so many frames wait; older ones are written as "queued". So many stay behind although
  // they are settled: a device may tell of a frame slightly later than another does.
  static constexpr size_t kWaitingMax = 4096;
  static constexpr size_t kReorderWindow = 64;

  capture::PcapngWriter writer_;
  int64_t epoch_ns_;
  std::deque<Waiting> waiting_;
  absl::Status status_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_CAPTURE_OUTPUT_H_
