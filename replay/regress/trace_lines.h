// A run as the lines of a golden: what the host under test did, in the order of time.
//
//      0.011056160 <3 192.0.2.1.57700 > 192.0.2.2.80: S 0:0(0) win 64240 <mss 1460> -> drop
//      NIC_FILTER
//     +0.000001585 > ARP, Request who-has 192.0.2.2 tell 192.0.2.1, length 28
//     +0.040000000 sock 1 ESTABLISHED -> CLOSE_WAIT
//
// A frame that comes in (<, with its number among those of the input; <* where the Lab made it) has
// its virtual time in seconds, and behind arrows what became of it, with the time that took.
// Everything else has the time since the last frame that came in, so that what is late by itself
// moves no other line. Lines of any host but the first name theirs. Left out, as they follow from
// these and from the counters: interrupts, polls, softirqs, timers, and calls before they return.
#ifndef TAPEDECK_REPLAY_REGRESS_TRACE_LINES_H_
#define TAPEDECK_REPLAY_REGRESS_TRACE_LINES_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "replay/regress/frame_words.h"
#include "replay/trace/recorder.h"

namespace tapedeck::regress {

class TraceLines : public TraceObserver {
 public:
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

  // All lines. Times are those of the run; call it once, at its end.
  std::vector<std::string> Take();

 private:
  struct Line {
    SimTime time;
    size_t order = 0;  // of lines of one time
    bool input = false;
    std::string text;
  };

  Line* Add(const TraceEvent& event, std::string text);
  void AddInput(const TraceEvent& event);
  // What became of the frame that `event` names; false where that is no frame of the input.
  bool AddFate(const TraceEvent& event, const std::string& fate);
  std::string SocketText(const TraceEvent& event);

  FrameWords words_;
  uint64_t inputs_ = 0;
  std::vector<Line> lines_;
  std::map<uint32_t, size_t> frames_;     // where the lines of frames that came in are, by id
  std::map<uint64_t, uint64_t> sockets_;  // numbers of sockets, in the order in which they appear
};

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_TRACE_LINES_H_
