// A captured frame made ready to be understood and played: one frame as a wire would have carried
// it, and where it came from.
#ifndef TAPEDECK_REPLAY_NORMALISE_FRAME_H_
#define TAPEDECK_REPLAY_NORMALISE_FRAME_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/capture/link_layer.h"
#include "replay/capture/record.h"

namespace tapedeck::normalise {

// What a frame carries behind its Ethernet header and VLAN tags.
enum class FrameKind : uint8_t { kOther, kArp, kIpv4, kIpv6 };

// What is known of the checksums of a frame: IPv4's own and that of the layer above. The worse of
// the two where they differ.
enum class ChecksumState : uint8_t {
  kAbsent,      // the frame has none that we know: no IP, another protocol, UDP without one
  kRight,       // as captured
  kElsewhere,   // it covers bytes of other fragments
  kRepaired,    // was left to the sender's NIC (offload); set right
  kUnknowable,  // not all it covers was captured, or pieces of a super-frame; set right
  kWrong,       // wrong as captured, and kept: a receiver drops it
};

// "absent", "right", ...
const char* ChecksumStateName(ChecksumState state);

// Stands where bytes of a frame were on the wire but not in the capture.
inline constexpr uint8_t kFillerByte = 0xfb;

// `bytes` points into the capture or into the NormalisedCapture that the frame is from.
struct Frame {
  // From the Ethernet header, with its tags, to the end of the IP packet; no padding, no FCS. Of
  // ARP and other frames, all that was captured.
  std::span<const uint8_t> bytes;
  int64_t time_ns = 0;  // since 1970-01-01 UTC; of all pieces of a super-frame, its time
  uint64_t record = 0;  // number of the record in the file, from 1
  // Of a super-frame that was split: which piece, from 1, of how many. 0 of 0: not split.
  uint32_t piece = 0;
  uint32_t pieces = 0;
  uint32_t interface_index = 0;  // into the capture's interfaces
  // So many bytes kFillerByte follow `bytes` on the wire: payload that was not captured. Checksums
  // are right for them.
  uint32_t filler_bytes = 0;
  uint16_t network_offset = capture::kEthernetHeaderBytes;  // of the IP or ARP header in `bytes`
  // Of the header behind IP in `bytes`; 0 where there is none that can be read: no IP, a later
  // fragment, a damaged header.
  uint16_t transport_offset = 0;
  uint8_t protocol = 0;  // IP protocol at transport_offset, or of which a later fragment is part
  FrameKind kind = FrameKind::kOther;
  capture::Direction direction = capture::Direction::kUnknown;
  ChecksumState checksum = ChecksumState::kAbsent;
  bool link_synthesised = false;  // the Ethernet header is made up
  bool is_fragment = false;       // of an IP packet; an atomic fragment (RFC 6946) is none
  bool is_later_fragment = false;
  bool length_lies = false;  // its IP length is beyond what was on the wire; kept, to be dropped

  bool is_ip() const { return kind == FrameKind::kIpv4 || kind == FrameKind::kIpv6; }
  bool has_transport() const { return transport_offset != 0; }
  size_t wire_bytes() const { return bytes.size() + filler_bytes; }
  // The captured bytes from the IP or ARP header on, and from the transport header on (empty
  // without).
  std::span<const uint8_t> network() const { return bytes.subspan(network_offset); }
  std::span<const uint8_t> transport() const {
    return has_transport() ? bytes.subspan(transport_offset) : std::span<const uint8_t>();
  }
  // The whole frame, filler included.
  std::vector<uint8_t> Whole() const;
  // Where it came from, for plans and messages: "cap#41", "split 3/8 of cap#41".
  std::string Provenance() const;
};

// Why a record gave no frame.
enum class UnusedReason : uint8_t {
  kLinkLayer,           // see UnusedRecord::skip
  kDuplicate,           // of a frame seen on another interface, see UnusedRecord::duplicate_of
  kNetworkHeaderCut,    // cut (snaplen) within the IP or ARP header
  kTransportHeaderCut,  // cut within the header behind IP
  kSuperFrame,          // longer than the MTU, and nothing proves where to cut it
  kTooMuchMemory,       // beyond NormaliseOptions::memory_bytes_max, or than any device hands on
  kCount,
};

// "duplicate", ...: the name in summaries and JSON; a sentence for people.
const char* UnusedReasonName(UnusedReason reason);
const char* UnusedReasonText(UnusedReason reason);

struct UnusedRecord {
  uint64_t record = 0;
  uint64_t duplicate_of = 0;  // record number, of kDuplicate
  UnusedReason reason = UnusedReason::kLinkLayer;
  capture::SkipReason skip = capture::SkipReason::kNone;  // of kLinkLayer

  // "cap#7 is a copy of cap#6 on another interface"
  std::string ToString() const;
};

}  // namespace tapedeck::normalise

#endif  // TAPEDECK_REPLAY_NORMALISE_FRAME_H_
