// The plan of a stand-in replay: everything that execution needs, and nothing else. Inference
// writes it from a capture (infer.h), people may read and change it (plan_text.h), and execution
// takes only it (executor.h).
//
// L is the captured host that our stack stands in for, P everybody else. Positions in a TCP stream
// are relative: its SYN is 0, its first byte 1, and they do not wrap. Times are nanoseconds from
// the capture's first record.
#ifndef TAPEDECK_REPLAY_STANDIN_PLAN_H_
#define TAPEDECK_REPLAY_STANDIN_PLAN_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "replay/standin/cuts.h"
#include "replay/standin/rare_list.h"
#include "stack/base/ip_address.h"
#include "stack/wire/tcp.h"

namespace tapedeck::standin {

inline constexpr uint32_t kNoFlow = ~uint32_t{0};
// All flows of a plan are under way at once: so many a Lab holds.
inline constexpr size_t kPlanFlowsMax = 65'536;

// What a stimulus waits for, and what its gap counts from.
enum class CauseKind : uint8_t {
  kStart,     // the start of the capture
  kPrevious,  // the stimulus of the same flow ahead of it
  kSent,      // L's `nth` transmission that reaches position `position`
};
struct Cause {
  CauseKind kind = CauseKind::kStart;
  uint32_t nth = 1;
  int64_t position = 0;
  uint64_t gap_ns = 0;
  friend bool operator==(const Cause&, const Cause&) = default;
};

// Why a captured packet to L does not enter.
enum class SkipCause : uint8_t {
  kNone,
  kLost,        // it never reached L: L's ACKs show the hole, and P sent the bytes again
  kUnanswered,  // L did not answer this SYN, though it would have
};

// A packet to L.
struct Stimulus {
  Provenance from;
  uint32_t flow = kNoFlow;
  SkipCause skip = SkipCause::kNone;
  bool to_all = false;  // to a link-layer group
  int64_t time_ns = 0;
  Cause cause;
  // Of a segment with timestamps: where the segment of L began whose timestamp it echoes.
  std::optional<int64_t> echo_of;
  std::vector<uint8_t> packet;
  Cuts cuts;  // into which it goes; `time_ns` and the cause's gap are those of the last
  friend bool operator==(const Stimulus&, const Stimulus&) = default;
};

enum class ActionKind : uint8_t {
  kWrite,     // a stream's bytes, or one datagram
  kShutdown,  // of the sending direction
  kClose,
  kReset,  // close with a linger time of zero
};

// Whether what follows a write leaves with it: a FIN in the same segment.
enum class Together : uint8_t {
  kNo,
  kMore,  // MSG_MORE: without PSH
  kCork,  // TCP_CORK: with PSH
};

// What L's application does. Actions of a flow happen in order, each when `after` bytes have been
// read (P's FIN counts as one more; of UDP: datagrams), `delay_ns` after the read that got there,
// or after the connection was made where `after` is 0.
struct Action {
  Provenance from;
  ActionKind kind = ActionKind::kWrite;
  int64_t after = 0;
  uint64_t delay_ns = 0;
  Together together = Together::kNo;
  bool urgent = false;  // its last byte is
  std::vector<uint8_t> data;
  friend bool operator==(const Action&, const Action&) = default;
};

// What a segment says, in relative positions: of the capture, or of our host. There is one for
// every segment of a run, so it is small.
struct SegmentFacts {
  int64_t seq = 0;
  int64_t ack = 0;
  uint32_t length = 0;  // of its payload
  uint16_t flags = 0;
  uint16_t window = 0;
  std::optional<uint16_t> mss;
  std::optional<uint8_t> window_scale;
  bool sack_permitted = false;
  bool timestamps = false;
  SackEdges sack_edges;
  int64_t end() const;
  friend bool operator==(const SegmentFacts&, const SegmentFacts&) = default;
};

// What L sent in the capture. Of UDP: `length` alone.
struct Expectation {
  Provenance from;
  int64_t time_ns = 0;
  SegmentFacts facts;
  friend bool operator==(const Expectation&, const Expectation&) = default;
};

enum class Role : uint8_t {
  kPassive,  // L accepted; of UDP: P's datagram came first
  kActive,   // L connected; of UDP: L's datagram came first
};

// RFC 7413, as L took part.
enum class FastOpen : uint8_t {
  kNone,
  kCookie,  // a cookie was asked for or given
  kData,    // the SYN's data were taken
};

// How L's end was set up: what its socket gets.
struct FlowSettings {
  uint16_t mss_bytes = 0;               // TCP_MAXSEG; 0: as the device has it
  std::optional<uint8_t> window_scale;  // none: no scaling
  bool sack = true;
  bool timestamps = true;
  bool ecn = false;
  FastOpen fast_open = FastOpen::kNone;
  uint32_t receive_buffer_bytes = 0;  // tcp_rmem[1]; 0: the kernel's own
  friend bool operator==(const FlowSettings&, const FlowSettings&) = default;
};

struct PlanFlow {
  uint8_t protocol = 0;
  Endpoint local;
  Endpoint remote;
  Role role = Role::kPassive;
  uint32_t local_initial = 0;  // L's and P's initial sequence numbers in the capture
  uint32_t remote_initial = 0;
  int64_t open_ns = 0;  // an active flow's connect, or first datagram
  FlowSettings settings;
  std::vector<Action> actions;
  std::vector<Expectation> expected;
  // What the application must have read in the end: so many bytes of P's stream, and their hash.
  uint64_t read_bytes = 0;
  uint64_t read_hash = 0;
  friend bool operator==(const PlanFlow&, const PlanFlow&) = default;
};

struct PlanNeighbour {
  IpAddress address;
  MacAddress mac;
  friend bool operator==(const PlanNeighbour&, const PlanNeighbour&) = default;
};

struct Plan {
  std::string source;    // the capture's name
  int64_t start_ns = 0;  // of its first record, since 1970
  MacAddress host_mac;
  uint32_t mtu_bytes = 1500;
  uint32_t hz = 0;  // ticks a second of L's kernel: 100, 250, 1000; 0: nothing told
  std::vector<IpAddress> addresses;  // L's; the first is the one that was asked for
  std::vector<PlanNeighbour> neighbours;
  // From this time of the capture on somebody listens on the port.
  struct Listener {
    uint8_t protocol = 0;
    Endpoint local;
    int64_t open_ns = 0;
    friend bool operator==(const Listener&, const Listener&) = default;
  };
  std::vector<Listener> listeners;
  // Settings of L's kernel that the capture shows: names below /proc/sys, and values.
  std::vector<std::pair<std::string, std::string>> sysctls;
  std::vector<PlanFlow> flows;
  std::vector<Stimulus> stimuli;  // in order of the capture
  std::vector<std::string> guesses;
  friend bool operator==(const Plan&, const Plan&) = default;
};

// The hash of `read_hash`, over any number of pieces.
class StreamHash {
 public:
  void Add(std::span<const uint8_t> bytes) {
    for (const uint8_t byte : bytes) value_ = (value_ ^ byte) * 0x100000001b3;
  }
  uint64_t value() const { return value_; }

 private:
  uint64_t value_ = 0xcbf29ce484222325;  // FNV-1a, 64 bits
};

inline int64_t SegmentFacts::end() const {
  return seq + length + ((flags & wire::kTcpSyn) != 0 ? 1 : 0) +
         ((flags & wire::kTcpFin) != 0 ? 1 : 0);
}

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_PLAN_H_
