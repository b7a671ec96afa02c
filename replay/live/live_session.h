// Drives a LiveRun in real time: maps the wall clock to virtual time, carries frames between a TAP
// device and the host's NIC, and records. This folder is the only place with a wall clock; nothing
// of it is seen by the run but the times at which frames arrive.
//
// One turn: frames that have come get the time at which they were read and wait; the run goes on to
// now, taking each in when its time has come, but for no longer than kWorkPerTurn, after which the
// device is looked at again; the program sleeps until the next event or frame. A run that cannot
// keep up falls behind the wall clock (its lag); frames are never dropped here: those that find no
// room to wait stay in the device's queue, where the kernel counts what it drops.
#ifndef TAPEDECK_REPLAY_LIVE_LIVE_SESSION_H_
#define TAPEDECK_REPLAY_LIVE_LIVE_SESSION_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "replay/live/tap_device.h"
#include "replay/recording/live_run.h"
#include "replay/recording/recording_writer.h"
#include "replay/trace/recorder.h"

namespace tapedeck {

// What a session has to tell beyond its run.
struct LiveStatus {
  double wall_s = 0;
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t dropped = 0;  // by the host, of frames received
  uint64_t connections = 0;
  Duration lag;  // how far the run is behind the wall clock
  Duration lag_max;
  uint64_t waiting = 0;             // frames that were read and have not arrived yet
  uint64_t kernel_drops = 0;        // of frames for us, since the session began
  std::map<int, uint64_t> refused;  // frames that the device did not take, by errno
};

class LiveSession {
 public:
  struct Options {
    std::optional<std::chrono::nanoseconds> duration;  // none: until a signal
    std::string record;                                // a file, or ""
    // Called now and then.
    std::function<void(const LiveStatus& status)> status;
  };
  // `tap` and `run` must outlive the session.
  LiveSession(TapDevice& tap, const LiveSettings& settings, LiveRun& run, Options options);
  ~LiveSession();
  LiveSession(const LiveSession&) = delete;
  LiveSession& operator=(const LiveSession&) = delete;

  // Begins: from now on virtual time passes. An error: the recording cannot be made.
  absl::Status Start();
  // Until SIGINT or SIGTERM, or the duration is over. An error ends it early: the device is gone,
  // the disk is full. What was recorded until then stays as FILE.part.
  absl::Status Run();

  LiveStatus Status() const;

 private:
  using WallClock = std::chrono::steady_clock;

  // Writes what the host sends to the device.
  class Transmitter : public TraceObserver {
   public:
    explicit Transmitter(LiveSession& session) : session_(session) {}
    void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

   private:
    LiveSession& session_;
  };
  struct WaitingFrame {
    SimTime at;
    std::vector<uint8_t> bytes;
  };

  // The virtual time that goes with this moment, in whole nanoseconds.
  SimTime VirtualNow() const;
  // Since the session began.
  uint64_t KernelDrops() const;
  absl::Status ReadFrames();
  // True where the run has caught up with the clock.
  bool RunToNow();
  // When the first frame that waits arrives: when it was read, and as a recording can hold it,
  // whole nanoseconds and in the order of the file. REQUIRES: one waits.
  SimTime ArrivalTime() const;
  // It arrives now.
  void TakeFrame();
  absl::Status Housekeep(bool caught_up);
  // Sleeps until there is something to do; true where a signal has come.
  bool AwaitWork();

  TapDevice& tap_;
  LiveSettings settings_;
  LiveRun& run_;
  Options options_;
  Transmitter transmitter_;
  OwnFd signals_;
  std::unique_ptr<RecordingWriter> recording_;
  WallClock::time_point began_;
  WallClock::time_point next_status_;
  WallClock::time_point next_flush_;
  SimTime next_mark_;
  SimTime last_sent_;  // a frame that arrives is never recorded before one that was sent
  std::deque<WaitingFrame> waiting_;
  std::vector<std::vector<uint8_t>> spare_;  // memory of frames that have arrived
  size_t waiting_bytes_ = 0;
  std::vector<uint8_t> buffer_;
  std::optional<uint64_t> kernel_drops_at_start_;
  std::map<int, uint64_t> refused_;
  uint64_t frames_out_ = 0;
  Duration lag_max_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LIVE_LIVE_SESSION_H_
