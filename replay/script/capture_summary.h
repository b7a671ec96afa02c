// One pass over a capture to learn who is in it: which addresses, at which MAC addresses, how busy,
// with which UDP ports. Chooses the host that a replay puts under test.
#ifndef TAPEDECK_REPLAY_SCRIPT_CAPTURE_SUMMARY_H_
#define TAPEDECK_REPLAY_SCRIPT_CAPTURE_SUMMARY_H_

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "replay/capture/capture_reader.h"
#include "replay/capture/link_layer.h"
#include "stack/base/ip_address.h"

namespace tapedeck {

// Of the addresses of either family, and of pairs of address and port, those beyond these many are
// not tracked; CaptureSummary says how often they appeared.
inline constexpr size_t kAddressesTrackedMax = 65'536;
inline constexpr size_t kPortsTrackedMax = 262'144;

// The MAC address that goes with an IP address in most frames, in constant memory (Boyer and
// Moore's majority vote): right whenever one address has more than half of the frames.
class MacVote {
 public:
  // A frame with this address, its first byte on top of 48 bits. All zeros and groups, which no
  // station can have, do not count.
  void Add(uint64_t mac) {
    if (mac == number_) {
      lead_ += mac != 0;
    } else if (mac != 0 && (mac & kGroupBit) == 0) {
      Contest(mac);
    }
  }

  // All zeros if there was none.
  MacAddress mac() const;
  // No other address was seen.
  bool is_only() const { return is_only_; }

 private:
  static constexpr uint64_t kGroupBit = uint64_t{1} << 40;

  void Contest(uint64_t mac) {
    is_only_ = number_ == 0;
    if (lead_ == 0) {
      number_ = mac;
      lead_ = 1;
    } else {
      --lead_;
    }
  }

  uint64_t number_ = 0;
  uint64_t lead_ = 0;
  bool is_only_ = true;
};

// One unicast IP address of the capture. Only the outermost IP header of a frame counts.
struct AddressSummary {
  IpAddress address;
  uint64_t frames_sent = 0;             // frames that come from it
  uint64_t frames_received = 0;         // frames to it, by a unicast MAC address
  uint64_t frames_received_tagged = 0;  // of these, with a VLAN tag
  uint64_t arp_requests_for = 0;        // ARP requests that ask for it
  // As source, ARP's claims included; as destination.
  MacVote mac_as_source;
  MacVote mac_as_destination;
  // Ports of UDP datagrams it sent, ascending.
  std::vector<uint16_t> udp_source_ports;
  // Ports that it answered a SYN on, ascending.
  std::vector<uint16_t> tcp_listening_ports;
};

struct VlanCount {
  uint16_t id = 0;
  uint64_t frames = 0;
};

struct CaptureSummary {
  uint64_t records = 0;
  uint64_t frames = 0;  // records that can enter a NIC
  std::array<uint64_t, static_cast<size_t>(capture::SkipReason::kCount)> skipped = {};
  uint64_t truncated = 0;
  uint64_t frame_bytes = 0;  // as captured, all frames
  // Over all records, since 1970; 0 without any.
  int64_t first_ns = 0;
  int64_t last_ns = 0;           // of the latest, which need not be the last in the file
  std::vector<VlanCount> vlans;  // of outermost tags, ascending by id
  uint64_t untagged_frames = 0;
  std::vector<AddressSummary> addresses;  // ascending: IPv4, then IPv6
  // Frames whose address, and datagrams whose port, found no room in the tables.
  uint64_t untracked_addresses = 0;
  uint64_t untracked_ports = 0;

  // Null if it is not in the capture.
  const AddressSummary* Find(const IpAddress& address) const;
  // The address to which most frames went; of equals the lower. Addresses of `family` only, and
  // loopback ones only if there is no other. Where no frame went to any, the one that ARP asked for
  // most. Null if there is none at all.
  const AddressSummary* BusiestReceiver(AddressFamily family) const;
  // The same with IPv4 preferred: an IPv6 address only where no IPv4 one is.
  const AddressSummary* BusiestReceiver() const;
  // Lines a user should see: that tables were full.
  std::vector<std::string> Warnings() const;
};

// Reads `reader` to its end.
CaptureSummary ScanCapture(capture::CaptureReader& reader);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_CAPTURE_SUMMARY_H_
