// The far end of TCP connections, as small as it can be: it sends segments whose checksums are
// nearly finished and looks at no more of the answers than it needs, so that what is measured is
// the stack between. Ours and other stacks are driven by the same one.
#ifndef TAPEDECK_TESTS_BENCH_TCP_PEER_H_
#define TAPEDECK_TESTS_BENCH_TCP_PEER_H_

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace tapedeck::bench {

// An application of the stack under test listens at each of these, and does for every connection:
inline constexpr uint16_t kTcpSinkPort = 80;    // reads all, and closes when the peer has
inline constexpr uint16_t kTcpSourcePort = 81;  // reads one byte, then writes for ever
inline constexpr uint16_t kTcpReplyPort = 82;   // answers each kRequestBytes with as many
inline constexpr uint32_t kRequestBytes = 64;

class TcpPeer {
 public:
  enum class Plan : uint8_t {
    kSend,      // full segments, kFlightSegments under way
    kSendData,  // the same, counting only these: with GRO it is the stack's affair how many ACKs
                // come
    kFetch,     // asks once; what comes is acknowledged every second segment
    kRequest,   // a request on each connection whenever the answer to the last one is there
    kConnect,   // opens a connection, closes it, waits for the other side's FIN, opens the next
  };
  enum class Offer : uint8_t {
    kPlain,              // MSS and window scaling: what lwIP negotiates
    kTimestampsAndSack,  // these as well
  };

  // Each frame for the stack goes to `deliver`, which must not look at it after its return.
  TcpPeer(Plan plan, Offer offer, uint32_t connections,
          std::function<void(std::span<const uint8_t>)> deliver);

  // What the stack has sent. Nothing is delivered from here.
  void OnFrame(std::span<const uint8_t> frame);
  // Answers what has come and goes on with its plan. May call OnFrame, through `deliver`.
  void Respond();

  // What counts under its plan: TCP frames both ways, segments of data, answers that were complete,
  // connections that both sides have closed.
  uint64_t operations() const { return operations_; }
  // Segments that were not the next ones, and resets: in all cases there should be none.
  uint64_t surprises() const { return surprises_; }

 private:
  static constexpr uint32_t kFlightSegments = 20;

  // A segment whose checksum lacks only what changes.
  struct Template {
    std::vector<uint8_t> frame;
    uint32_t payload_bytes = 0;
    uint64_t sum = 0;
  };
  enum class State : uint8_t { kClosed, kSynSent, kEstablished, kFinSent };
  struct Connection {
    State state = State::kClosed;
    uint16_t port = 0;
    bool fin_received = false;
    uint32_t snd_nxt = 0;
    uint32_t snd_una = 0;
    uint32_t rcv_nxt = 0;
    uint32_t acknowledged = 0;     // of rcv_nxt
    uint32_t answer_expected = 0;  // rcv_nxt when the answer is complete
    uint32_t ts_recent = 0;
  };

  Template MakeTemplate(bool syn, uint32_t payload_bytes) const;
  void Send(Template& segment, Connection& connection, uint8_t flags);
  void SendAck(Connection& connection, uint32_t ack, uint8_t flags);
  bool sends_bulk() const { return plan_ == Plan::kSend || plan_ == Plan::kSendData; }
  // Of every frame: an operation where frames are what counts.
  void CountFrame() { operations_ += plan_ == Plan::kSend || plan_ == Plan::kFetch ? 1 : 0; }
  void Open(Connection& connection);
  void Proceed(Connection& connection);
  void AcknowledgePairs(Connection& connection);
  void CloseAndReopen(Connection& connection);
  uint32_t segment_bytes() const;

  Plan plan_;
  Offer offer_;
  std::function<void(std::span<const uint8_t>)> deliver_;
  std::vector<Connection> connections_;
  uint16_t first_port_;  // plans have ranges of their own, for a stack that all of them share
  Template syn_;
  Template ack_;
  Template data_;
  uint32_t next_iss_ = 1000;
  uint32_t clock_ms_ = 1;  // of its timestamps: how often it has responded
  uint64_t operations_ = 0;
  uint64_t surprises_ = 0;
};

// With how many connections a plan is measured, and how many operations make a portion: the same
// for every stack.
constexpr uint32_t TcpConnections(TcpPeer::Plan plan) {
  return plan == TcpPeer::Plan::kRequest || plan == TcpPeer::Plan::kConnect ? 16 : 1;
}
constexpr uint64_t TcpOperationsPerPortion(TcpPeer::Plan plan) {
  return plan == TcpPeer::Plan::kConnect ? 1000 : plan == TcpPeer::Plan::kRequest ? 4000 : 10'000;
}

}  // namespace tapedeck::bench

#endif  // TAPEDECK_TESTS_BENCH_TCP_PEER_H_
