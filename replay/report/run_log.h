// A run as those who draw it want it: every frame with its headers taken apart and its fate, which
// flow it belongs to, and what happened between the frames. Filled while the run goes on.
#ifndef TAPEDECK_REPLAY_REPORT_RUN_LOG_H_
#define TAPEDECK_REPLAY_REPORT_RUN_LOG_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "replay/report/packet_fields.h"
#include "replay/trace/recorder.h"
#include "stack/base/drop_reason.h"
#include "stack/base/seqnum.h"
#include "stack/base/time.h"
#include "stack/base/trace_event.h"
#include "stack/kernel/dma_listener.h"

namespace tapedeck::report {

// A frame on a host's cable.
struct LoggedFrame {
  uint64_t event = 0;  // number in the trace; the same in pcapng and -v
  SimTime first_bit;
  SimTime time;  // of the last bit
  uint8_t host = 0;
  bool received = false;
  uint32_t frame_id = 0;
  uint32_t bytes = 0;                                   // without FCS
  FrameLedger::Fate fate = FrameLedger::Fate::kQueued;  // of a received frame
  DropReason reason = SKB_DROP_REASON_CONSUMED;         // of a dropped one
  SimTime settled;                                      // when that was known
  int32_t flow = -1;                                    // index in flows(); -1: of none
  std::optional<TcpFields> tcp;                         // of a whole TCP segment
  std::string text;                                     // as tcpdump has it
};

// Anything that is no frame.
struct LoggedEvent {
  uint64_t event = 0;
  SimTime time;
  TraceKind kind = TraceKind::kCount;
  uint8_t host = 0;
  uint8_t cpu = 0;
  std::array<uint64_t, 4> args = {};
  std::array<uint8_t, 16> address = {};  // of kNeighState: an IPv6 address
  bool has_address = false;
};

// Frames of one pair of endpoints as one host sees them. [0] is what the host sends, [1] what it
// receives.
struct Flow {
  uint8_t host = 0;
  uint8_t protocol = 0;
  Endpoint local;
  Endpoint remote;
  std::vector<uint32_t> frames;  // indexes into frames(), by time
  // TCP: the first sequence number seen of each side (its SYN's where there is one), from which
  // relative ones count.
  std::array<std::optional<SeqNum>, 2> base;
  std::array<std::optional<uint8_t>, 2> window_shift;  // as its SYN says
  std::array<uint64_t, 2> payload_bytes = {};
  std::array<uint64_t, 2> resent_frames = {};  // whose bytes all have been on the wire before
  std::array<SeqNum, 2> highest;               // behind all that was sent
  uint64_t dropped = 0;

  // A segment's window in bytes: scaled where both SYNs were seen to offer it, and not in a SYN.
  uint64_t WindowBytes(const LoggedFrame& frame) const;
  // Counted from the side's first one. REQUIRES: the flow has one of that side.
  int64_t Relative(int side, SeqNum seq) const { return seq - *base[static_cast<size_t>(side)]; }
  std::string ToString() const;  // "tcp 10.0.0.2:80 - 10.0.0.1:40000"
};

class RunLog : public TraceObserver, public DmaListener {
 public:
  // Beyond these the log only counts, so that a long run cannot fill the machine.
  struct Limits {
    size_t frames = 100'000;
    size_t events = 400'000;
  };
  RunLog() = default;
  explicit RunLog(const Limits& limits) : limits_(limits) {}

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;
  void OnDma(const DmaTransfer& transfer) override;
  // Puts frames, events and transfers in order of time. Call it once, when the run is over.
  void Finish();

  const std::vector<LoggedFrame>& frames() const { return frames_; }
  const std::vector<LoggedEvent>& events() const { return events_; }
  const std::vector<DmaTransfer>& transfers() const { return transfers_; }
  const std::vector<Flow>& flows() const { return flows_; }
  uint64_t frames_left_out() const { return frames_left_out_; }
  uint64_t events_left_out() const { return events_left_out_; }
  uint64_t count(TraceKind kind) const { return counts_[static_cast<size_t>(kind)]; }
  // Drops by reason, of frames and of the host's own packets.
  const std::map<DropReason, uint64_t>& drops() const { return drops_; }
  int hosts() const { return hosts_; }
  SimTime start() const { return start_; }  // of the first frame or event
  SimTime end() const { return end_; }

 private:
  // Host, protocol, local and remote address and port.
  using FlowKey = std::tuple<uint8_t, uint8_t, IpAddress, uint16_t, IpAddress, uint16_t>;
  void AddFrame(uint64_t number, const TraceEvent& event);
  void Settle(const TraceEvent& event, const FrameLedger& ledger);
  void Stretch(SimTime first, SimTime last);

  Limits limits_;
  std::vector<LoggedFrame> frames_;
  std::vector<LoggedEvent> events_;
  std::vector<DmaTransfer> transfers_;
  std::vector<Flow> flows_;
  std::map<FlowKey, int32_t> flow_of_;
  std::map<std::pair<uint8_t, uint32_t>, uint32_t> waiting_;  // received frames that are queued
  std::map<DropReason, uint64_t> drops_;
  std::array<uint64_t, static_cast<size_t>(TraceKind::kCount)> counts_ = {};
  uint64_t frames_left_out_ = 0;
  uint64_t events_left_out_ = 0;
  int hosts_ = 0;
  bool empty_ = true;
  SimTime start_;
  SimTime end_;
};

// How many received frames a host had in hand (neither delivered nor dropped), at each change.
struct QueuedStep {
  SimTime time;
  int64_t frames = 0;
};
std::vector<QueuedStep> QueuedFrames(const RunLog& log, uint8_t host);

}  // namespace tapedeck::report

#endif  // TAPEDECK_REPLAY_REPORT_RUN_LOG_H_
