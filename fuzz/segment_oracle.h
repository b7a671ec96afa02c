// What must hold between a host's TCP and what stands on the wire: a model of each connection, made
// of its frames alone, that says what the host may send, and what it must make of what it gets.
//
//   INV:within_offered_window:tcp_segment   no data beyond what the peer has ever offered
//   INV:silly_window:tcp_segment            no window update of a few bytes (RFC 9293 3.8.6.2.2)
//   STREAM:sent_again:tcp_segment           what is sent again are the same bytes
//   STREAM:end:tcp_sock                     a stream ends where the peer's FIN says
//   RFC:reset_at_next_sequence:tcp_segment  a RST elsewhere ends nothing (RFC 5961 3.2)
//   MODEL:sequence_acceptable:tcp_segment   what lies in the window is not refused as old or new
//   MODEL:paws_expires:tcp_segment          timestamps older than 24 days say nothing (RFC
//   7323 5.5)
#ifndef TAPEDECK_FUZZ_SEGMENT_ORACLE_H_
#define TAPEDECK_FUZZ_SEGMENT_ORACLE_H_

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "fuzz/segment_view.h"
#include "replay/lab/lab.h"
#include "replay/trace/recorder.h"
#include "stack/base/time.h"
#include "stack/core/sock.h"
#include "stack/socket/sock_diag.h"

namespace tapedeck::fuzz {

class SegmentOracle : public TraceObserver {
 public:
  // `lab` must outlive it.
  explicit SegmentOracle(Lab& lab) : lab_(lab) { flows_.reserve(kFlowsMax); }

  // Another input begins. Not `judging`: its users may write headers of their own, its NIC lies, or
  // it goes back to an earlier state. Not `punctual`: frames wait for an interrupt or for a CPU.
  void Begin(bool judging, bool punctual);
  // Nothing is running: what TCP sockets stand at is noted, after ForgetSockets().
  void ForgetSockets();
  void NoteSocket(uint8_t host, const sock_diag_entry& entry);

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

 private:
  static constexpr size_t kFlowsMax = 64;
  static constexpr size_t kFramesMax = 1024;
  static constexpr size_t kSentMax = size_t{1} << 18;

  struct Key {
    uint8_t host = 0;
    bool v6 = false;
    uint16_t host_port = 0;
    uint16_t peer_port = 0;
    std::array<uint8_t, 16> peer = {};
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct Flow {
    Key key;
    // What the host has sent.
    std::optional<uint32_t> isn;
    uint32_t sent_end = 0;
    std::vector<uint8_t> sent;            // from isn + 1 on
    bool sent_known = true;               // all of it is in `sent`
    std::optional<uint32_t> unasked_end;  // of a SYN's data, which may be sent again
    std::optional<uint32_t> told_ack;
    uint32_t told_edge = 0;
    bool told_by_syn = false;
    uint8_t host_shift = 0;
    // What the peer has.
    bool heard = false;  // since the host last sent something
    std::optional<uint32_t> offered;
    uint8_t peer_shift = 0;
    bool peer_opens = false;           // it has sent a SYN that acknowledges nothing
    std::vector<uint32_t> fins;        // the numbers behind them
    std::optional<uint32_t> data_end;  // behind the last byte
    SimTime heard_at;
    SimTime heard_before;
    // What the socket stood at, and may have come to since.
    std::optional<uint32_t> rcv_nxt;
    uint8_t state = 0;
    uint32_t highest_sack = 0;
    bool sacks = false;
    std::vector<uint32_t> delivered;
  };
  // A segment that came in, as far as it is needed when its end is told of.
  struct Frame {
    uint64_t id = 0;
    size_t flow = kFlowsMax;
    uint32_t seq = 0;
    uint32_t end = 0;
    uint8_t flags = 0;
  };

  Flow* FlowOf(const Key& key);
  static Key KeyOf(const TraceEvent& event, const SegmentView& segment, bool received);
  const Frame* Find(uint64_t frame_id) const;
  static bool IsSocketOf(const Key& key, const sock_diag_entry& entry);
  // nullptr where the connection has none.
  const sock* SocketOf(const Flow& flow) const;
  void Received(const TraceEvent& event);
  void Sent(const TraceEvent& event);
  void CheckSentBytes(Flow& flow, const SegmentView& segment);
  void CheckOffer(Flow& flow, const SegmentView& segment);
  void CheckUpdate(Flow& flow, const SegmentView& segment);
  void Delivered(uint64_t frame_id);
  void Dropped(const TraceEvent& event);
  void StateChanged(const TraceEvent& event);

  Lab& lab_;
  bool judging_ = false;
  bool punctual_ = false;
  bool hidden_ = false;  // frames came that may hide TCP
  // Its room is taken at once, and what flows hold is given back: vectors that grow in one input
  // and not in the next are edges that come and go, which AFL++ sees where the linker has taken
  // their code from an instrumented file.
  std::vector<Flow> flows_;
  std::array<Frame, kFramesMax> frames_;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_SEGMENT_ORACLE_H_
