// A capture as the IP packets that inference looks at, in order of time, each with where it came
// from.
#ifndef TAPEDECK_REPLAY_STANDIN_CAPTURED_PACKETS_H_
#define TAPEDECK_REPLAY_STANDIN_CAPTURED_PACKETS_H_

#include <cstdint>
#include <deque>
#include <map>
#include <span>
#include <string>
#include <vector>

#include "replay/capture/capture_reader.h"
#include "replay/normalise/normalise.h"
#include "replay/standin/comment_orders.h"
#include "replay/standin/cuts.h"
#include "stack/base/ip_address.h"

namespace tapedeck::standin {

struct CapturedPacket {
  std::span<const uint8_t> bytes;  // from the IP header on, without padding
  Provenance from;                 // of fragments: the first
  int64_t time_ns = 0;  // since the first record; never before the packet ahead. Of fragments: the
                        // one that made it whole
  Cuts cuts;
  capture::Direction direction = capture::Direction::kUnknown;
  MacAddress source;  // zero where the link layer has none
  MacAddress dest;
  bool tagged = false;  // by a VLAN
};

struct CapturedPackets {
  std::vector<CapturedPacket> packets;
  // From addresses to the MAC that they were seen at as a source.
  std::map<IpAddress, MacAddress> neighbours;
  int64_t start_ns = 0;                    // of the first frame, since 1970
  std::map<std::string, uint64_t> unused;  // records of no use here, by what they are
  std::vector<std::string> warnings;
  std::vector<CommentOrder> orders;  // in order of their records
  std::vector<std::string> repairs;  // what capturing had done and was undone, for the guesses
  // What `bytes` of packets lie in that are not in the file.
  normalise::NormalisedCapture capture;
  std::deque<std::vector<uint8_t>> filled;
};

// Reads `reader` to its end; it must outlive the packets.
CapturedPackets ReadPackets(capture::CaptureReader& reader);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_CAPTURED_PACKETS_H_
