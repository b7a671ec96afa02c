// What must hold of what a host says unasked or in reply, whatever its transport: rules of RFC 1122
// and 1812 about ICMP, and how much may come of how little.
//
//   RFC:no_error_about:<what>          no ICMP error about an ICMP error, a broadcast, a multicast
//   or a
//                                      fragment that is not the first (RFC 1122 3.2.2)
//   RFC:no_reply_to_broadcast:echo     nobody answers an echo request to everybody (3.2.2.6)
//   INV:at_most_64k:datagram           no packet but TCP is longer than its header could say
//   AMPL:bounded:frames                a host sends so many frames at most for what it is given
//   WORK:bounded:units                 ... and does so much work for a frame or a call
#ifndef TAPEDECK_FUZZ_REPLY_ORACLE_H_
#define TAPEDECK_FUZZ_REPLY_ORACLE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "replay/lab/lab.h"
#include "replay/trace/recorder.h"
#include "stack/base/time.h"

namespace tapedeck::fuzz {

class ReplyOracle : public TraceObserver {
 public:
  // `lab` must outlive it.
  explicit ReplyOracle(Lab& lab) : lab_(lab) { echoes_.reserve(kEchoesMax); }

  // Another input begins. Not `judging`: its users may write headers of their own, its NIC lies, or
  // it goes back to an earlier state.
  void Begin(bool judging);
  // AMPL and WORK. Nothing is running, and `steps` of the script have been played.
  void CheckEffort(uint64_t steps);
  // That hosts have put on the wire since the input began.
  uint64_t frames_out() const { return frames_out_; }

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

 private:
  static constexpr size_t kEchoesMax = 1024;

  // What an echo request and its reply have in common.
  struct Echo {
    uint8_t host = 0;
    uint32_t asker = 0;
    uint32_t asked = 0;  // whom the request was for
    uint32_t id_and_sequence = 0;
    bool to_all = false;
  };

  void Received(const TraceEvent& event);
  void Sent(const TraceEvent& event, const FrameLedger& ledger);
  void CheckReply(uint8_t host, std::span<const uint8_t> ip, std::span<const uint8_t> icmp);
  uint64_t Work() const;

  Lab& lab_;
  bool judging_ = false;
  std::vector<Echo> echoes_;
  bool fragmented_icmp_ = false;  // a request may have come that is none of echoes_
  uint64_t frames_in_ = 0;
  uint64_t frames_out_ = 0;
  uint64_t bytes_out_ = 0;
  SimTime began_;
  uint64_t work_ = 0;        // when it was last looked at
  uint64_t work_steps_ = 0;  // of the script, by then
  uint64_t work_frames_ = 0;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_REPLY_ORACLE_H_
