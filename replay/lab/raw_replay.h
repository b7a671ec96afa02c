// Raw replay: every frame of a capture enters one host's NIC at its captured time; what the host
// answers goes nowhere but into the trace. The host takes the address of a receiver in the capture.
#ifndef TAPEDECK_REPLAY_LAB_RAW_REPLAY_H_
#define TAPEDECK_REPLAY_LAB_RAW_REPLAY_H_

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/capture/record_filter.h"
#include "replay/lab/lab.h"
#include "replay/lab/playback.h"
#include "replay/trace/recorder.h"
#include "stack/base/ip_address.h"
#include "stack/base/time.h"

namespace tapedeck {

struct RawReplayOptions {
  LabOptions lab;  // its one host is filled in from the capture
  // The address of the host under test; none: the busiest receiver, IPv4 before IPv6.
  std::optional<IpAddress> host;
  // UDP ports with a socket whose application reads all that comes. None: those that the captured
  // host sent from.
  std::optional<std::vector<uint16_t>> udp_ports;
  // TCP ports with a listener, whose connections are read and closed. None: those that the captured
  // host answered a SYN on.
  std::optional<std::vector<uint16_t>> tcp_ports;
  // ARP requests of the host are answered for every address that the capture shows, by its MAC
  // address there, so late.
  bool answer_arp = true;
  Duration arp_delay = Duration::Microseconds(50);  // guess: an idle neighbour on the same switch
  // How long the run goes on behind the last frame: beyond three ARP probes a second apart.
  Duration settle = Duration::Seconds(5);
  uint64_t frames_max = UINT64_MAX;
  // Records that it does not admit are neither played nor looked at. Null: all are.
  std::shared_ptr<capture::RecordFilter> filter = nullptr;
  // Told of each frame of the capture as it is put on the wire: which record of the file it is,
  // from 1, and its id in the trace.
  std::function<void(uint64_t file_index, uint32_t frame_id)> played;
  // The run can be taken back (Playback::Take): keeps what was read of the capture.
  bool rewindable = false;
  // Snapshot after so many frames, run on for a while, restore, and go on: the digest must not
  // change. 0: never.
  uint64_t restore_after_frames = 0;
  // Asked now and then, and while more of a stream is waited for: whether the run ends here.
  std::function<bool()> stop;
};

struct RawReplayResult {
  std::string file;
  bool interrupted = false;  // RawReplayOptions::stop said so
  IpAddress host;
  MacAddress host_mac;
  std::vector<uint16_t> udp_ports;
  std::vector<uint16_t> tcp_ports;
  uint64_t records = 0;    // of the capture, skipped ones included
  uint64_t frames_in = 0;  // of the capture; answers to the host's ARP requests are not counted
  uint64_t frames_out = 0;
  uint64_t delivered = 0;
  std::map<std::string, uint64_t> dropped;  // by reason
  uint64_t dropped_own = 0;                 // of packets that the host made
  uint64_t queued = 0;
  std::map<std::string, uint64_t> skipped;  // records that cannot enter a NIC, by reason
  uint64_t interrupts = 0;
  uint64_t polls = 0;
  uint64_t events = 0;
  uint64_t udp_datagrams_read = 0;
  uint64_t tcp_connections = 0;  // that were accepted
  uint64_t tcp_bytes_read = 0;
  Duration virtual_time;  // from the first frame to the end of the run
  std::string digest;
  std::vector<std::string> warnings;
  // Why the run does not hold: frames unaccounted for, something left in a ledger, driver bugs.
  // Empty: it holds.
  std::vector<std::string> violations;
  int64_t capture_start_ns = 0;
};

// One raw replay in pieces of one step of the Lab's main loop.
class RawPlayback final : public Playback {
 public:
  // Chooses the host and builds its Lab: nothing has been played then. With `arena` that memory is
  // used. An error: nothing of the file could be used (one line, with file and offset).
  static absl::StatusOr<std::unique_ptr<RawPlayback>> Open(const std::string& file,
                                                           const RawReplayOptions& options,
                                                           Arena* arena = nullptr);
  ~RawPlayback() override;

  std::string Settings() const override;
  World& world() override;
  Recorder& recorder() override;
  int hosts() const override { return 1; }
  Host& host(int i) override;
  bool Advance() override;
  // nullptr unless RawReplayOptions::rewindable.
  std::unique_ptr<State> Take() override;
  void Restore(const State& state) override;
  PlaybackResult Finish() override;

  // At first only who is under test; all of it after Finish.
  const RawReplayResult& result() const { return result_; }
  uint64_t frames() const;
  // All frames are on the wire; what follows is the time behind them.
  bool all_sent() const;
  // The share of the file that has been read, 0 to 1; 0 of a stream, whose end is not known.
  double share() const;

 private:
  struct Parts;
  struct Seam;
  RawPlayback();

  RawReplayOptions options_;
  RawReplayResult result_;
  std::unique_ptr<Parts> parts_;
  SimTime start_;
  // Once all is sent: when the run ends.
  std::optional<SimTime> end_;
};

// What is told while a run goes on.
struct RawReplayHooks {
  // Made once the host is chosen and before the first frame; the result's identity fields are
  // filled in. An error ends the run.
  std::function<absl::Status(const RawReplayResult& so_far, Recorder& recorder)> started;
  // Now and then, with the share of the file that has been played, 0 to 1; 0 of a stream.
  std::function<void(double done, uint64_t frames)> progress;
  // The host, before anything has happened on it; and as it is when the run is over, before it goes
  // down.
  std::function<void(Host& host)> host_made;
  std::function<void(Host& host)> ended;
};

// A file is read twice, first for who is in it; what can be read only once ("-", a pipe) is played
// as it comes, and who is in it is learnt from its first 4 MiB. In constant memory either way. An
// error: nothing of the file could be used (one line, with file and offset). Damage behind usable
// frames is a warning.
absl::StatusOr<RawReplayResult> RawReplay(const std::string& file, const RawReplayOptions& options,
                                          const RawReplayHooks& hooks = {});

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_RAW_REPLAY_H_
