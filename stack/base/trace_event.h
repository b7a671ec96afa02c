// What a run says about itself: typed events with a virtual time. They are the only thing that
// leaves the core, and the digest is a hash over their canonical encoding, so a field here must
// never hold an address, a host time or an arena size.
#ifndef TAPEDECK_STACK_BASE_TRACE_EVENT_H_
#define TAPEDECK_STACK_BASE_TRACE_EVENT_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "stack/base/time.h"

namespace tapedeck {

// X(name, where, what, argument names...). `where` is the column of the printed trace, `what` the
// event's words; up to four arguments. Events that carry a frame's bytes say so in the comment.
// Order is part of the digest: append only.
#define TAPEDECK_TRACE_KINDS(X)                                                                 \
  /* A frame's last bit has entered / left a NIC; bytes = the frame without FCS. In order of */ \
  /* time in each direction; a frame may be told of slightly before a device gets to it.    */  \
  X(kWireRx, "wire", "rx", "frame_id", "len", "first_bit_ps", "flags")                          \
  X(kWireTx, "wire", "tx", "frame_id", "len", "first_bit_ps", "flags")                          \
  /* A packet left the path. `layer_fn` is the TracePoint that dropped it. */                   \
  X(kDrop, "drop", "drop", "frame_id", "reason", "len", "")                                     \
  /* A packet reached its user: a socket's queue, or the code that answers it. */               \
  X(kDeliver, "recv", "deliver", "frame_id", "len", "proto", "port")                            \
  X(kInterrupt, "irq", "msix", "vector", "frames_pending", "", "")                              \
  X(kNapiPoll, "napi", "poll", "vector", "work", "budget", "complete")                          \
  X(kSoftirq, "softirq", "run", "pending", "", "", "")                                          \
  X(kSyscallEnter, "syscall", "enter", "call", "fd", "arg", "thread")                           \
  X(kSyscallExit, "syscall", "exit", "call", "fd", "result", "thread")                          \
  X(kTimer, "timer", "expire", "timer_kind", "", "", "")                                        \
  /* Of IPv6, `ip` is the address's lower half and bytes the whole of it. */                    \
  X(kNeighState, "neigh", "state", "ip", "from", "to", "")                                      \
  X(kSockState, "sock", "state", "sock_id", "from", "to", "")                                   \
  X(kDeviceFault, "dma", "driver bug", "device", "fault", "bus_addr", "len")                    \
  X(kLink, "link", "carrier", "ifindex", "up", "mbps", "")                                      \
  X(kNicDrop, "nic", "drop", "frame_id", "reason", "len", "")                                   \
  X(kStateDigest, "state", "digest", "hash", "draws", "objects", "")                            \
  /* Bytes are sent again, or a probe; `why` is a TcpRetransmitWhy. */                          \
  X(kTcpRetransmit, "tcp", "retransmit", "sock_id", "seq", "len", "why")                        \
  /* A packet for somebody else goes on its way.                                            */  \
  X(kForward, "fwd", "forward", "frame_id", "len", "in_ifindex", "out_ifindex")

// Of kWireRx's flags: the frame was made by what stands round the host (an answer to its ARP
// request), not by the input.
inline constexpr uint8_t kWireFlagAnswer = 0x80;
// Of kWireRx's and kWireTx's: the bytes begin with an IP header, as those of a tun device do.
inline constexpr uint8_t kWireFlagIp = 0x40;

// Of kTcpRetransmit.
enum class TcpRetransmitWhy : uint8_t {
  kTimeout,      // RTO
  kFast,         // lost, in recovery
  kSlowStart,    // lost, after an RTO
  kLossProbe,    // tail loss probe
  kWindowProbe,  // zero window
  kKeepalive,
};

enum class TraceKind : uint16_t {
#define X(name, ...) name,
  TAPEDECK_TRACE_KINDS(X)
#undef X
      kCount
};

struct TraceEvent {
  SimTime time;
  TraceKind kind = TraceKind::kCount;
  uint8_t host = 0;  // index in the Lab
  uint8_t cpu = 0;
  uint64_t args[4] = {};
  std::span<const uint8_t> bytes = {};  // valid only during Emit
};

// What an event's printed form is made of; nullptr or "" where a kind has fewer arguments.
struct TraceKindInfo {
  const char* name;
  const char* where;
  const char* what;
  const char* arg_names[4];
};
// REQUIRES: kind < kCount.
const TraceKindInfo& GetTraceKindInfo(TraceKind kind);

// The canonical encoding of an event: six words, which a digest hashes as they are. They are its
// time; kind (16 bits), host (8), cpu (8) and byte count (32), from the low end; four arguments.
inline constexpr size_t kTraceEventWords = 6;
constexpr uint64_t TraceHeadWord(TraceKind kind, uint8_t host, uint8_t cpu, size_t bytes) {
  return static_cast<uint64_t>(kind) | uint64_t{host} << 16 | uint64_t{cpu} << 24 |
         uint64_t{bytes} << 32;
}

// Where events go. One per Lab; the Lab outlives nothing of it.
class TraceSink {
 public:
  virtual ~TraceSink() = default;
  // Called in the order in which things happen to be computed; on one CPU or device times never
  // decrease.
  virtual void Emit(const TraceEvent& event) = 0;

  // Emit for an event without bytes, of which a packet makes several: where the sink has room the
  // event is only written down, and the sink looks at it later.
  // `head` is its second word.
  void Append(SimTime time, uint64_t head, uint64_t a, uint64_t b, uint64_t c, uint64_t d) {
    uint64_t* const words = next_;
    if (__builtin_expect(words >= limit_, 0)) return EmitWords(time, head, a, b, c, d);
    words[0] = time.ps;
    words[1] = head;
    words[2] = a;
    words[3] = b;
    words[4] = c;
    words[5] = d;
    next_ = words + kTraceEventWords;
  }

  // Emit of what Append was given.
  void EmitWords(SimTime time, uint64_t head, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

 protected:
  // Where the next event is written, as long as that is before limit_. A sink that wants each event
  // at once leaves them alone.
  uint64_t* next_ = nullptr;
  uint64_t* limit_ = nullptr;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_TRACE_EVENT_H_
