// The packets of a run, in and out, with what became of each: what one chooses from before looking
// closer.
#ifndef TAPEDECK_REPLAY_TRACE_PACKET_LIST_H_
#define TAPEDECK_REPLAY_TRACE_PACKET_LIST_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "replay/trace/recorder.h"
#include "stack/base/time.h"

namespace tapedeck {

class PacketList : public TraceObserver {
 public:
  struct Packet {
    uint64_t frame = 0;  // its number to the user; 0: it has none
    uint32_t id = 0;
    uint8_t host = 0;
    SimTime time;      // of the last bit
    std::string text;  // as `-vv` prints it
    std::string fate;  // of a received one: "delivered", "dropped: NO_SOCKET", "queued"
  };
  // The packet `id`, of which no event has told yet, is `frame` to the user.
  void Name(uint64_t frame, uint32_t id) { frame_of_[id] = frame; }
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;
  const std::vector<Packet>& packets() const { return packets_; }

  // A line each under a legend.
  std::string ToText() const;
  // An array of objects: fate, frame, host, id, text, time_ps.
  std::string ToJson() const;

 private:
  std::vector<Packet> packets_;
  std::map<uint32_t, uint64_t> frame_of_;
  std::map<std::pair<uint8_t, uint32_t>, size_t> waiting_;  // received, and not delivered so far
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_PACKET_LIST_H_
