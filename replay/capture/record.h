// One captured frame as a capture file holds it, and the interface it was seen on.
#ifndef TAPEDECK_REPLAY_CAPTURE_RECORD_H_
#define TAPEDECK_REPLAY_CAPTURE_RECORD_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/capture/file_order.h"
#include "replay/capture/link_type.h"
#include "replay/capture/time_scale.h"

namespace tapedeck::capture {

// Which way a frame went, seen from the machine that captured it.
enum class Direction : uint8_t { kUnknown, kInbound, kOutbound };

// The direction that Linux's sll_pkttype tells (PACKET_HOST 0 ... PACKET_OUTGOING 4,
// linux/if_packet.h). Frames for other hosts (3), seen in promiscuous mode, may have gone either
// way past the capturing machine.
constexpr Direction DirectionFromPacketType(uint32_t packet_type) {
  if (packet_type <= 2) return Direction::kInbound;
  return packet_type == 4 ? Direction::kOutbound : Direction::kUnknown;
}

// A frame. `data` and `options` point into the reader's bytes and live as long as the reader.
struct Record {
  std::span<const uint8_t> data;       // the captured bytes, FCS included if there is one
  std::span<const uint8_t> options;    // pcapng options as they lie in the file; see options.h
  int64_t time_ns = 0;                 // since 1970-01-01 UTC; see TimeScale for what does not fit
  uint64_t index = 0;                  // number of the record in the file, from 1
  uint64_t offset_bytes = 0;           // where the record's header begins in the file
  uint32_t original_length_bytes = 0;  // length on the wire, never below data.size()
  uint32_t interface_index = 0;        // into the reader's interfaces()
  LinkType link_type = LinkType::kEthernet;
  FileOrder order;  // byte order of the section, and so of `options`
  Direction direction = Direction::kUnknown;
  uint8_t fcs_bytes = 0;  // how many of the original bytes, at the end, are the FCS

  bool truncated() const { return data.size() < original_length_bytes; }
};

// An interface of a capture. A pcap file has exactly one, unnamed.
struct CaptureInterface {
  LinkType link_type = LinkType::kEthernet;
  uint32_t snaplen_bytes = 0;  // 0: no limit
  uint8_t fcs_bytes = 0;
  TimeScale time_scale;
  std::string name;
  std::string description;
  std::vector<std::string> comments;
  uint64_t received = 0;                 // isb_ifrecv of the last statistics block
  uint64_t dropped = 0;                  // frames the capture lost, by the last statistics block
  uint64_t dropped_in_records = 0;       // the same, summed over what packet blocks tell
  uint64_t statistics_offset_bytes = 0;  // where the last loss was told
};

// What a section header of a pcapng file tells. A pcap file has none.
struct CaptureSection {
  uint64_t offset_bytes = 0;
  FileOrder order;
  std::string hardware;
  std::string operating_system;
  std::string application;
  std::vector<std::string> comments;
};

// A pcapng block that is neither packet nor section nor interface: names, statistics, secrets,
// custom and unknown ones.
struct OtherBlock {
  uint32_t type = 0;
  FileOrder order;
  uint64_t offset_bytes = 0;
  std::span<const uint8_t>
      body;  // between the block header and the trailing length; lives as long as the reader
};

// What CaptureReader::Next() came to.
enum class ReadResult : uint8_t {
  kRecord,   // a record was read
  kEnd,      // the file ended where a record ends
  kDamaged,  // the file ends here or makes no sense from here on; damage() says where and why
};

// How often and how far the time of a record lay before that of the record ahead of it in the file.
struct TimeDisorder {
  uint64_t count = 0;
  uint64_t max_ns = 0;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_RECORD_H_
