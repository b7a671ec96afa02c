// A host in virtual time that is fed from outside: a Lab as LiveSettings describe it, and frames
// that arrive at given times. What it does depends on those alone, not on how the time between them
// is cut up: a live run and the replay of its recording do the same.
#ifndef TAPEDECK_REPLAY_RECORDING_LIVE_RUN_H_
#define TAPEDECK_REPLAY_RECORDING_LIVE_RUN_H_

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "replay/lab/lab.h"
#include "replay/recording/live_settings.h"
#include "stack/base/time.h"

namespace tapedeck {

// What has become of a run, as `tapedeck replay` tells it.
struct LiveReport {
  uint64_t frames_in = 0;
  uint64_t frames_out = 0;
  uint64_t delivered = 0;
  std::map<std::string, uint64_t> dropped;  // by reason
  uint64_t dropped_own = 0;                 // of packets that the host made
  uint64_t queued = 0;
  uint64_t interrupts = 0;
  uint64_t polls = 0;
  uint64_t events = 0;
  Duration virtual_time;  // from its start
  std::string digest;
  struct ServiceReport {
    Service service;
    ServiceCounts counts;
  };
  std::vector<ServiceReport> services;
  // Why the run does not hold; see RawReplayResult.
  std::vector<std::string> violations;
};

// "http=80  connections 3  requests 3  bytes in 0  out 4096"
std::string ServiceReportText(const LiveReport::ServiceReport& report);

// What a run does not depend on.
struct LiveRunOptions {
  Arena::Options memory;              // where no arena is given
  TraceObserver* observer = nullptr;  // sees the building of the Lab, too
  const FrameEdits* edits = nullptr;  // what is done to frames on their way
};

class LiveRun {
 public:
  // With `arena` that memory is used.
  explicit LiveRun(const LiveSettings& settings, const LiveRunOptions& options = {},
                   Arena* arena = nullptr);

  // When it begins: a whole nanosecond.
  SimTime start() const { return start_; }
  // Everything until here has happened.
  SimTime now() { return lab_.world().now(); }
  // When something happens next if nothing arrives; Never() where nothing does.
  SimTime NextEvent();

  // Runs one event or one step of a CPU by `limit`; false where there is none: now() is then
  // `limit`.
  bool Step(SimTime limit);
  void RunUntil(SimTime end) { lab_.world().RunUntil(end); }
  // A frame arrives now. REQUIRES: Step has said that nothing more happens by now().
  void Receive(std::span<const uint8_t> frame);

  Lab& lab() { return lab_; }
  Host& host() { return lab_.host(0); }

  // What has happened so far, without services' names.
  LiveReport Report();
  // Ends the run: takes the host down, which is no part of it, and looks what is left.
  LiveReport Finish();

  // Connections that applications have accepted so far.
  uint64_t connections() const;

 private:
  struct RunningService {
    Service service;
    const ServiceCounts* counts;
  };

  Lab lab_;
  SimTime start_;
  std::vector<RunningService> services_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_RECORDING_LIVE_RUN_H_
