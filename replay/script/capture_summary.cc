#include "replay/script/capture_summary.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/script/index_table.h"
#include "replay/script/plain_ethernet.h"
#include "stack/base/byteorder.h"
#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"
#include "stack/wire/udp.h"

namespace tapedeck {
namespace {

using Bytes = std::span<const uint8_t>;

constexpr size_t kVlanIds = 4096;

bool IsHost(Ipv4Address address) {
  return !ipv4_is_multicast(address) && !ipv4_is_lbcast(address) && !ipv4_is_zeronet(address);
}
bool IsHost(const Ipv6Address& address) {
  return !ipv6_addr_is_multicast(address) && !ipv6_addr_any(address);
}

uint64_t KeyOf(Ipv4Address address) { return address.host(); }
Key128 KeyOf(const Ipv6Address& address) {
  const uint8_t* const bytes = address.bytes().data();
  return {LoadBe64(bytes), LoadBe64(bytes + 8)};
}

// What is known of the addresses of one family, in the order of their first appearance.
template <typename Key>
struct Family {
  static constexpr uint32_t kFull = IndexTable<Key>::kFull;

  IndexTable<Key> table{kAddressesTrackedMax};
  std::vector<AddressSummary> summaries;
};

// The link layer's part of a frame. Addresses as numbers, the first byte on top.
struct Link {
  uint64_t dest = 0;
  uint64_t source = 0;
  uint16_t proto = 0;  // behind the tags
  bool tagged = false;
};

constexpr uint64_t kGroupBit = uint64_t{1} << 40;

uint64_t Number(const MacAddress& mac) {
  const uint8_t* const bytes = mac.bytes().data();
  return uint64_t{LoadBe16(bytes)} << 32 | LoadBe32(bytes + 2);
}

// Of a whole UDP datagram's frame (no tag, IPv4 without options) the bytes that a survey looks at.
// Frames of one flow have the same.
struct FlowBytes {
  static constexpr size_t kFrameBytesMin = 42;  // up to the end of the UDP header
  // By offset in the frame, in the order of LoadLe64: at 8 all but the type of service, at 16
  // fragment offset and protocol.
  static constexpr uint64_t kMaskAt8 = 0x00ff'ffff'ffff'ffff;
  static constexpr uint64_t kMaskAt16 = 0xff00'ff1f'0000'0000;
  // IPv4, version and header length; UDP at offset 0.
  static constexpr uint64_t kPlainMaskAt8 = 0x00ff'ffff'0000'0000;
  static constexpr uint64_t kPlainAt8 = 0x0045'0008'0000'0000;
  static constexpr uint64_t kPlainAt16 = uint64_t{wire::kIpProtoUdp} << 56;

  // REQUIRES: at least kFrameBytesMin bytes.
  explicit FlowBytes(const uint8_t* frame)
      : at_0(LoadLe64(frame)),
        at_8(LoadLe64(frame + 8) & kMaskAt8),
        addresses(LoadLe64(frame + 26)),
        source_port(LoadLe16(frame + 34)),
        plain((at_8 & kPlainMaskAt8) == kPlainAt8 &&
              (LoadLe64(frame + 16) & kMaskAt16) == kPlainAt16) {}
  FlowBytes() = default;

  size_t Slot(size_t slots) const { return (addresses ^ addresses >> 32 ^ source_port) % slots; }
  friend bool operator==(const FlowBytes&, const FlowBytes&) = default;

  uint64_t at_0 = 0;  // MAC addresses, and what follows them
  uint64_t at_8 = 0;
  uint64_t addresses = 0;
  uint16_t source_port = 0;
  bool plain = false;  // it is such a frame
};

// What the frames of a flow add to: summaries of these indices.
struct KnownFlow {
  FlowBytes bytes;
  uint32_t source = 0;
  uint32_t dest = 0;
};

// Collects a CaptureSummary, with the tables that find again what is in it.
class Survey {
 public:
  void Add(const capture::Record& record);
  CaptureSummary Finish() &&;

 private:
  void AddTime(int64_t time_ns);
  void AddOther(const capture::Record& record);
  // Of flows seen lately it is known where their frames count: false where this one's is not.
  bool AddKnown(const FlowBytes& flow);
  // The frame of `flow` has just been counted: remembers where, if it was counted in full.
  void Remember(const FlowBytes& flow);
  // REQUIRES: room for an Ethernet header.
  void AddFrame(Bytes frame) {
    AddFrame(*wire::Overlay<wire::EthernetHeader>(frame),
             frame.subspan(sizeof(wire::EthernetHeader)));
  }
  void AddFrame(const wire::EthernetHeader& header, Bytes payload);
  // Counts the VLAN and steps over all tags, whose types end up in `link.proto`.
  void SkipTags(Link& link, Bytes& payload);
  void AddIpv4(const Link& link, Bytes packet);
  void AddIpv6(const Link& link, Bytes packet);
  void AddArp(Bytes packet);

  // The index of `address` among its family's summaries; kFull for what is no host's address, and
  // where there is no room.
  template <typename Key, typename Address>
  uint32_t Find(Family<Key>& family, const Address& address);
  template <typename Key, typename Address>
  void AddReceived(const Link& link, Family<Key>& family, const Address& dest);
  // Returns what Find() does.
  template <typename Key, typename Address>
  uint32_t AddSent(const Link& link, Family<Key>& family, const Address& source);
  // A UDP datagram or TCP segment that the address with this index has sent.
  void AddPort(bool is_v6, uint8_t protocol, uint32_t source, Bytes payload);

  CaptureSummary summary_;
  Family<uint64_t> v4_;
  Family<Key128> v6_;
  IndexTable<uint64_t> port_table_{kPortsTrackedMax};
  std::vector<uint64_t> port_keys_;  // of port_table_, in order
  std::vector<uint64_t> vlan_frames_ = std::vector<uint64_t>(kVlanIds);
  std::array<KnownFlow, 64> flows_;
};

void Survey::Add(const capture::Record& record) {
  AddTime(record.time_ns);
  if (IsPlainEthernet(record)) [[likely]] {
    ++summary_.frames;
    summary_.frame_bytes += record.data.size();
    summary_.truncated += record.truncated();
    if (record.data.size() < FlowBytes::kFrameBytesMin) return AddFrame(record.data);
    const FlowBytes flow(record.data.data());
    if (flow.plain && AddKnown(flow)) return;
    AddFrame(record.data);
    if (flow.plain) Remember(flow);
    return;
  }
  AddOther(record);
}

bool Survey::AddKnown(const FlowBytes& flow) {
  const KnownFlow& known = flows_[flow.Slot(flows_.size())];
  if (known.bytes != flow) return false;
  ++summary_.untagged_frames;
  AddressSummary& dest = v4_.summaries[known.dest];
  ++dest.frames_received;
  dest.mac_as_destination.Add(ByteSwap(flow.at_0) >> 16);
  AddressSummary& source = v4_.summaries[known.source];
  ++source.frames_sent;
  source.mac_as_source.Add((ByteSwap(flow.at_0) & 0xffff) << 32 |
                           ByteSwap(static_cast<uint32_t>(flow.at_8)));
  return true;
}

void Survey::Remember(const FlowBytes& flow) {
  const Ipv4Address source(ByteSwap(static_cast<uint32_t>(flow.addresses)));
  const Ipv4Address dest(ByteSwap(static_cast<uint32_t>(flow.addresses >> 32)));
  const bool group = (ByteSwap(flow.at_0) >> 16 & kGroupBit) != 0;
  // Where a table is full each further frame is counted as untracked.
  if (group || !IsHost(source) || !IsHost(dest) || summary_.untracked_addresses != 0 ||
      summary_.untracked_ports != 0) {
    return;
  }
  flows_[flow.Slot(flows_.size())] = {flow, Find(v4_, source), Find(v4_, dest)};
}

void Survey::AddOther(const capture::Record& record) {
  capture::EthernetFrame frame;
  const capture::SkipReason reason = capture::ToEthernet(record, frame);
  if (reason != capture::SkipReason::kNone) {
    ++summary_.skipped[static_cast<size_t>(reason)];
    return;
  }
  ++summary_.frames;
  summary_.frame_bytes += frame.size_bytes();
  summary_.truncated += frame.truncated();
  if (frame.synthesised) {
    AddFrame(*wire::Overlay<wire::EthernetHeader>(frame.header), frame.payload);
  } else {
    AddFrame(frame.payload);
  }
}

void Survey::AddTime(int64_t time_ns) {
  if (summary_.records++ == 0) summary_.first_ns = summary_.last_ns = time_ns;
  summary_.first_ns = std::min(summary_.first_ns, time_ns);
  summary_.last_ns = std::max(summary_.last_ns, time_ns);
}

void Survey::AddFrame(const wire::EthernetHeader& header, Bytes payload) {
  Link link = {Number(header.dest), Number(header.source), header.proto.host(), false};
  SkipTags(link, payload);
  switch (link.proto) {
    case wire::kEtherTypeIpv4:
      AddIpv4(link, payload);
      break;
    case wire::kEtherTypeIpv6:
      AddIpv6(link, payload);
      break;
    case wire::kEtherTypeArp:
      AddArp(payload);
      break;
    default:
      break;
  }
}

void Survey::SkipTags(Link& link, Bytes& payload) {
  while (wire::IsVlanType(link.proto)) {
    const auto* const tag = wire::Overlay<wire::VlanTag>(payload);
    if (tag == nullptr) break;
    if (!link.tagged) ++vlan_frames_[tag->id()];
    link.tagged = true;
    link.proto = tag->proto.host();
    payload = payload.subspan(sizeof(wire::VlanTag));
  }
  summary_.untagged_frames += !link.tagged;
}

void Survey::AddIpv4(const Link& link, Bytes packet) {
  const auto* const header = wire::Overlay<wire::Ipv4Header>(packet);
  if (header == nullptr || header->version() != 4) return;
  AddReceived(link, v4_, header->daddr);
  const uint32_t source = AddSent(link, v4_, header->saddr);
  if (header->offset_bytes() == 0 && packet.size() > header->header_bytes()) {
    AddPort(false, header->protocol, source, packet.subspan(header->header_bytes()));
  }
}

void Survey::AddIpv6(const Link& link, Bytes packet) {
  const auto* const header = wire::Overlay<wire::Ipv6Header>(packet);
  if (header == nullptr || header->version() != 6) return;
  AddReceived(link, v6_, header->daddr);
  const uint32_t source = AddSent(link, v6_, header->saddr);
  AddPort(true, header->nexthdr, source, packet.subspan(sizeof(wire::Ipv6Header)));
}

void Survey::AddArp(Bytes packet) {
  const wire::Parsed<const wire::ArpPacket*> parsed = wire::ParseArp(packet);
  if (!parsed.ok()) return;
  const wire::ArpPacket& arp = **parsed;
  const uint32_t sender = Find(v4_, arp.ar_sip);
  if (sender != v4_.kFull) v4_.summaries[sender].mac_as_source.Add(Number(arp.ar_sha));
  if (arp.ar_op != wire::kArpRequest || arp.IsGratuitous()) return;
  const uint32_t target = Find(v4_, arp.ar_tip);
  if (target != v4_.kFull) ++v4_.summaries[target].arp_requests_for;
}

template <typename Key, typename Address>
uint32_t Survey::Find(Family<Key>& family, const Address& address) {
  if (!IsHost(address)) return family.kFull;
  const uint32_t index = family.table.FindOrAdd(KeyOf(address));
  if (index == family.summaries.size()) family.summaries.emplace_back().address = address;
  summary_.untracked_addresses += index == family.kFull;
  return index;
}

template <typename Key, typename Address>
void Survey::AddReceived(const Link& link, Family<Key>& family, const Address& dest) {
  // A frame to everyone is no sign of a host: 192.0.2.255 is an address like any other until the
  // netmask is known.
  if ((link.dest & kGroupBit) != 0) return;
  const uint32_t index = Find(family, dest);
  if (index == family.kFull) return;
  AddressSummary& summary = family.summaries[index];
  ++summary.frames_received;
  summary.frames_received_tagged += link.tagged;
  summary.mac_as_destination.Add(link.dest);
}

template <typename Key, typename Address>
uint32_t Survey::AddSent(const Link& link, Family<Key>& family, const Address& source) {
  const uint32_t index = Find(family, source);
  if (index == family.kFull) return index;
  AddressSummary& summary = family.summaries[index];
  ++summary.frames_sent;
  summary.mac_as_source.Add(link.source);
  return index;
}

// A port's key: protocol, family, index of the address, port.
constexpr unsigned kPortIndexShift = 16;
constexpr unsigned kPortFamilyShift = 48;
constexpr unsigned kPortProtocolShift = 49;  // 0: UDP, 1: TCP

// The port that a transport header says a socket has at its sender: a UDP datagram's source, and
// that of a SYN-ACK. None of other packets.
std::optional<uint16_t> SocketPort(uint8_t protocol, Bytes payload) {
  if (protocol == wire::kIpProtoUdp) {
    const auto* const udp = wire::Overlay<wire::UdpHeader>(payload);
    if (udp != nullptr) return udp->source.host();
  }
  if (protocol == wire::kIpProtoTcp) {
    const auto* const tcp = wire::Overlay<wire::TcpHeader>(payload);
    if (tcp != nullptr && tcp->syn() && tcp->ack()) return tcp->source.host();
  }
  return std::nullopt;
}

void Survey::AddPort(bool is_v6, uint8_t protocol, uint32_t source, Bytes payload) {
  if (source == v4_.kFull) return;
  const std::optional<uint16_t> port = SocketPort(protocol, payload);
  if (!port) return;
  const uint64_t key = uint64_t{protocol == wire::kIpProtoTcp} << kPortProtocolShift |
                       uint64_t{is_v6} << kPortFamilyShift | uint64_t{source} << kPortIndexShift |
                       *port;
  const uint32_t number = port_table_.FindOrAdd(key);
  if (number == port_keys_.size()) port_keys_.push_back(key);
  summary_.untracked_ports += number == port_table_.kFull;
}

CaptureSummary Survey::Finish() && {
  std::sort(port_keys_.begin(), port_keys_.end());
  for (const uint64_t key : port_keys_) {
    const bool is_v6 = (key >> kPortFamilyShift & 1) != 0;
    const bool is_tcp = key >> kPortProtocolShift != 0;
    const auto index = static_cast<uint32_t>(key >> kPortIndexShift);
    AddressSummary& summary = is_v6 ? v6_.summaries[index] : v4_.summaries[index];
    auto& ports = is_tcp ? summary.tcp_listening_ports : summary.udp_source_ports;
    ports.push_back(static_cast<uint16_t>(key));
  }
  summary_.addresses = std::move(v4_.summaries);
  std::move(v6_.summaries.begin(), v6_.summaries.end(), std::back_inserter(summary_.addresses));
  std::sort(summary_.addresses.begin(), summary_.addresses.end(),
            [](const AddressSummary& a, const AddressSummary& b) { return a.address < b.address; });
  for (size_t id = 0; id < kVlanIds; ++id) {
    if (vlan_frames_[id] == 0) continue;
    summary_.vlans.push_back({static_cast<uint16_t>(id), vlan_frames_[id]});
  }
  return std::move(summary_);
}

MacAddress MacOf(uint64_t number) {
  std::array<uint8_t, 6> bytes;
  StoreBe16(bytes.data(), static_cast<uint16_t>(number >> 32));
  StoreBe32(bytes.data() + 2, static_cast<uint32_t>(number));
  return MacAddress(bytes);
}

// Whether `a`, which comes after `b`, is the better host to put under test.
bool IsBusier(const AddressSummary& a, const AddressSummary& b) {
  if (a.address.IsLoopback() != b.address.IsLoopback()) return b.address.IsLoopback();
  if (a.frames_received != b.frames_received) return a.frames_received > b.frames_received;
  return a.arp_requests_for > b.arp_requests_for;
}

}  // namespace

MacAddress MacVote::mac() const { return MacOf(number_); }

const AddressSummary* CaptureSummary::Find(const IpAddress& address) const {
  const auto found = std::lower_bound(
      addresses.begin(), addresses.end(), address,
      [](const AddressSummary& summary, const IpAddress& key) { return summary.address < key; });
  return found != addresses.end() && found->address == address ? &*found : nullptr;
}

const AddressSummary* CaptureSummary::BusiestReceiver(AddressFamily family) const {
  const AddressSummary* best = nullptr;
  for (const AddressSummary& candidate : addresses) {
    if (candidate.address.family() != family) continue;
    if (candidate.frames_received == 0 && candidate.arp_requests_for == 0) continue;
    if (best == nullptr || IsBusier(candidate, *best)) best = &candidate;
  }
  return best;
}

const AddressSummary* CaptureSummary::BusiestReceiver() const {
  const AddressSummary* const v4 = BusiestReceiver(AddressFamily::kIpv4);
  return v4 != nullptr ? v4 : BusiestReceiver(AddressFamily::kIpv6);
}

std::vector<std::string> CaptureSummary::Warnings() const {
  std::vector<std::string> lines;
  if (untracked_addresses != 0) {
    lines.push_back(absl::StrCat("more than ", kAddressesTrackedMax, " addresses of a family: ",
                                 untracked_addresses, " appearances of others were not counted"));
  }
  if (untracked_ports != 0) {
    lines.push_back(absl::StrCat("more than ", kPortsTrackedMax, " ports: ", untracked_ports,
                                 " appearances of others were not counted"));
  }
  return lines;
}

CaptureSummary ScanCapture(capture::CaptureReader& reader) {
  Survey survey;
  capture::Record record;
  while (reader.Next(record) == capture::ReadResult::kRecord) survey.Add(record);
  return std::move(survey).Finish();
}

}  // namespace tapedeck
