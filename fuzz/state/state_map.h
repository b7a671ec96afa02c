// Feedback beyond edges: which states a run has been in. 8 KiB of cells, each a fact about a run
// that either holds or not ("a socket in SYN_RECV got a FIN"); engines keep inputs that set a cell
// that no other input sets.
//
// One API, three back ends: a StateMap over any array (replayers, tests), and EngineStateMap(),
// whose array libFuzzer looks at and whose cells are AFL++'s, too (engine_map.cc).
//
// Its size is bounded: engines scan all of it after every input.
#ifndef TAPEDECK_FUZZ_STATE_STATE_MAP_H_
#define TAPEDECK_FUZZ_STATE_STATE_MAP_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace tapedeck::fuzz {

inline constexpr size_t kStateCells = 8192;

// What cells are about. Each has up to three coordinates; state_map.cc has their sizes and names.
enum class StateFeature : uint8_t {
  kTcpEvent,       // TCP state, StepEvent: a step came while a socket was in the state
  kTcpPath,        // three TCP states that one socket had, one after another
  kTcpTimers,      // TCP state, icsk_pending, 1: delayed ACK | 2: keepalive: what is armed
  kTcpRecovery,    // TCP_CA_*, icsk_pending
  kTcpRetransmit,  // TCP state, TcpRetransmitWhy
  kMaximum,        // StateQueue, bits of its greatest length
  kDrop,           // DropReason
  kNeighbour,      // from, to: bit numbers of NUD_*, and one more for none
  kCall,           // CallIndex(), CallOutcome: what a call returned
  kCallPair,       // CallGroup and CallResult of a call; the same of the one before it
  kPoll,           // bits of a NAPI poll's work, whether it was complete
  kDeviceFault,    // DmaFault
};
inline constexpr size_t kStateFeatures = static_cast<size_t>(StateFeature::kDeviceFault) + 1;

// Queues whose greatest length of a run is a feature.
enum class StateQueue : uint8_t {
  kReceive,     // bytes of a TCP socket that wait for its reader
  kSend,        // bytes of a TCP socket that are not acknowledged
  kRetransmit,  // segments in flight
  kOutOfOrder,  // bytes charged for what was received ahead
  kAccept,      // connections that wait for accept()
  kWindow,      // snd_cwnd
  kBackoff,     // times that the retransmission timer doubled
  kDatagrams,   // bytes of a UDP socket that wait for its reader
  kSockets,     // UDP and TCP sockets, requests and time-wait sockets of a host
  kFramesOut,   // frames that a host sent
  kForwarded,   // packets passed on
};
inline constexpr size_t kStateQueues = static_cast<size_t>(StateQueue::kForwarded) + 1;

class StateMap {
 public:
  // REQUIRES: `cells` holds kStateCells and outlives it.
  explicit StateMap(std::span<uint8_t, kStateCells> cells) : cells_(cells) {}
  virtual ~StateMap() = default;
  StateMap(const StateMap&) = delete;
  StateMap& operator=(const StateMap&) = delete;

  // The fact holds. Coordinates beyond their sizes are taken for the last ones.
  void Hit(StateFeature feature, size_t a, size_t b = 0, size_t c = 0) {
    Set(Index(feature, a, b, c));
  }
  virtual void Clear();

  // 1 where the fact holds, else 0.
  std::span<const uint8_t, kStateCells> cells() const { return cells_; }

  static size_t Index(StateFeature feature, size_t a, size_t b = 0, size_t c = 0);
  // "tcp-event SYN_RECV fin". Empty where no feature has the cell. REQUIRES: index < kStateCells.
  static std::string Describe(size_t index);
  static std::string_view NameOf(StateFeature feature);  // "tcp-event"
  // Where its cells begin, and how many there are.
  static size_t FirstCell(StateFeature feature);
  static size_t Cells(StateFeature feature);

 protected:
  virtual void Set(size_t index) { cells_[index] = 1; }

 private:
  std::span<uint8_t, kStateCells> cells_;
};

// The map that the engine of this program looks at, if it has one.
StateMap& EngineStateMap();

// --- Coordinates ---

// System calls are numbered without holes there.
size_t CallIndex(uint64_t syscall_number);

enum class CallResult : uint8_t { kZero, kPositive, kAgain, kError };
CallResult CallResultOf(int64_t result);
// 0, a number above it, and the errors that say most.
size_t CallOutcome(int64_t result);

// Calls that do the same.
enum class CallGroup : uint8_t {
  kSocket,
  kName,  // bind, getsockname
  kConnect,
  kListen,
  kAccept,
  kSend,
  kReceive,
  kReady,  // poll, select, epoll
  kEnd,    // close, shutdown
  kOption,
  kOther,
};
inline constexpr size_t kCallGroups = static_cast<size_t>(CallGroup::kOther) + 1;
CallGroup CallGroupOf(uint64_t syscall_number);

// Number of bits of `value`: 0 of 0, 1 of 1, 2 of 2 and 3, ...
size_t BitsOf(uint64_t value);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_STATE_STATE_MAP_H_
