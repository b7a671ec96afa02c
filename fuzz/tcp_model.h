// A small reference model of a TCP connection that a host accepts (RFC 9293 3.10.7, with RFC 5961's
// checks): what its segments and its application's calls make of it, written apart from the stack.
//
// It knows the peer's segments, what the host has sent, and which calls were made; it says in which
// state the connection is, what is expected next and how many bytes can be read. What the RFCs
// leave open, and what depends on how much room a host has, it does not know: then it is no longer
// sure, and says nothing more of this connection.
//
// Left out: simultaneous open, what comes after close(), urgent data, timestamps, and times.
#ifndef TAPEDECK_FUZZ_TCP_MODEL_H_
#define TAPEDECK_FUZZ_TCP_MODEL_H_

#include <cstdint>
#include <map>
#include <optional>

#include "fuzz/segment_view.h"

namespace tapedeck::fuzz {

class TcpModel {
 public:
  enum class State : uint8_t {
    kListen,
    kSynReceived,
    kEstablished,
    kFinWait1,
    kFinWait2,
    kClosing,
    kTimeWait,
    kCloseWait,
    kLastAck,
    kClosed,
  };
  static const char* NameOf(State state);

  // The peer's segment has reached the host. REQUIRES: it is whole, and without URG.
  void Receive(const SegmentView& segment);
  // The host has sent one.
  void Send(const SegmentView& segment);

  // --- The application's calls ---
  void Shutdown();  // of the sending side
  void Close() { sure_ = false; }
  // A read that was made ends with `result`. False where no read can now.
  bool MayRead(int64_t result);

  bool sure() const { return sure_; }
  State state() const { return state_; }
  // The next byte of the peer's. REQUIRES: beyond kListen.
  uint32_t rcv_nxt() const { return rcv_nxt_; }
  uint32_t readable_bytes() const { return readable_bytes_; }
  bool fin_received() const { return fin_received_; }

 private:
  // What a segment means to what is there already.
  enum class Place : uint8_t { kOld, kInWindow, kBeyond, kUnclear };

  void ReceiveInListen(const SegmentView& segment);
  void ReceiveInSynReceived(const SegmentView& segment);
  void ReceiveSynchronised(const SegmentView& segment);
  Place PlaceOf(const SegmentView& segment) const;
  void ReceiveReset(const SegmentView& segment);
  // False where the segment is dropped for it.
  bool ReceiveAck(const SegmentView& segment);
  void ReceiveData(const SegmentView& segment);
  void TakeInOrder();
  void ReceiveFin();

  bool sure_ = true;
  State state_ = State::kListen;
  // The peer's side.
  uint32_t peer_isn_ = 0;
  uint32_t rcv_nxt_ = 0;
  uint32_t readable_bytes_ = 0;
  bool fin_received_ = false;
  bool reset_ = false;                  // and nobody has been told
  std::map<uint32_t, uint32_t> ahead_;  // ends by starts, both counted from peer_isn_
  std::optional<uint32_t> fin_at_;      // so, where a FIN has come
  // The host's side, as the wire has it.
  std::optional<uint32_t> isn_;
  uint32_t snd_una_ = 0;
  uint32_t snd_nxt_ = 0;
  uint32_t window_edge_ = 0;  // of what it has offered
  uint8_t window_shift_ = 0;
  std::optional<uint32_t> fin_end_;  // behind its FIN
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_TCP_MODEL_H_
