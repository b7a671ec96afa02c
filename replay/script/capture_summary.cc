#include "replay/script/capture_summary.h"

#include <algorithm>
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
#include "stack/wire/udp.h"

namespace tapedeck {
namespace {

using Bytes = std::span<const uint8_t>;
using AddressTable = IndexTable<Key128>;
using PortTable = IndexTable<uint64_t>;

constexpr size_t kVlanIds = 4096;

bool IsHost(Ipv4Address address) {
  return !ipv4_is_multicast(address) && !ipv4_is_lbcast(address) && !ipv4_is_zeronet(address);
}
bool IsHost(const Ipv6Address& address) {
  return !ipv6_addr_is_multicast(address) && !ipv6_addr_any(address);
}

// No IPv6 host has an address that begins with 64 ones: it would be a group's.
Key128 KeyOf(Ipv4Address address) { return {UINT64_MAX, address.host()}; }
Key128 KeyOf(const Ipv6Address& address) {
  const uint8_t* const bytes = address.bytes().data();
  return {LoadBe64(bytes), LoadBe64(bytes + 8)};
}

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

// Collects a CaptureSummary, with the tables that find again what is in it.
class Survey {
 public:
  void Add(const capture::Record& record);
  CaptureSummary Finish() &&;

 private:
  void AddTime(int64_t time_ns);
  void AddOther(const capture::Record& record);
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

  // Null for what is no host's address, and where there is no room.
  template <typename Address>
  AddressSummary* Find(const Address& address);
  template <typename Address>
  void AddReceived(const Link& link, const Address& dest);
  // Returns what Find() does.
  template <typename Address>
  AddressSummary* AddSent(const Link& link, const Address& source);
  void AddUdpPort(const AddressSummary* source, Bytes datagram);

  CaptureSummary summary_;
  AddressTable address_table_{kAddressesTrackedMax};
  PortTable port_table_{kUdpPortsTrackedMax};
  std::vector<std::pair<uint32_t, uint16_t>> ports_;  // index of the address, port
  std::vector<uint64_t> vlan_frames_ = std::vector<uint64_t>(kVlanIds);
};

void Survey::Add(const capture::Record& record) {
  AddTime(record.time_ns);
  if (IsPlainEthernet(record)) [[likely]] {
    ++summary_.frames;
    summary_.frame_bytes += record.data.size();
    summary_.truncated += record.truncated();
    AddFrame(record.data);
    return;
  }
  AddOther(record);
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
  AddReceived(link, header->daddr);
  const AddressSummary* const source = AddSent(link, header->saddr);
  const bool has_ports = header->protocol == wire::kIpProtoUdp && header->offset_bytes() == 0;
  if (has_ports && packet.size() > header->header_bytes()) {
    AddUdpPort(source, packet.subspan(header->header_bytes()));
  }
}

void Survey::AddIpv6(const Link& link, Bytes packet) {
  const auto* const header = wire::Overlay<wire::Ipv6Header>(packet);
  if (header == nullptr || header->version() != 6) return;
  AddReceived(link, header->daddr);
  const AddressSummary* const source = AddSent(link, header->saddr);
  if (header->nexthdr == wire::kIpProtoUdp) {
    AddUdpPort(source, packet.subspan(sizeof(wire::Ipv6Header)));
  }
}

void Survey::AddArp(Bytes packet) {
  const wire::Parsed<const wire::ArpPacket*> parsed = wire::ParseArp(packet);
  if (!parsed.ok()) return;
  const wire::ArpPacket& arp = **parsed;
  if (AddressSummary* const sender = Find(arp.ar_sip); sender != nullptr) {
    sender->mac_as_source.Add(Number(arp.ar_sha));
  }
  if (arp.ar_op != wire::kArpRequest || arp.IsGratuitous()) return;
  if (AddressSummary* const target = Find(arp.ar_tip); target != nullptr) {
    ++target->arp_requests_for;
  }
}

template <typename Address>
AddressSummary* Survey::Find(const Address& address) {
  if (!IsHost(address)) return nullptr;
  const uint32_t index = address_table_.FindOrAdd(KeyOf(address));
  if (index == AddressTable::kFull) {
    ++summary_.untracked_addresses;
    return nullptr;
  }
  if (index == summary_.addresses.size()) summary_.addresses.emplace_back().address = address;
  return &summary_.addresses[index];
}

template <typename Address>
void Survey::AddReceived(const Link& link, const Address& dest) {
  // A frame to everyone is no sign of a host: 192.0.2.255 is an address like any other until the
  // netmask is known.
  if ((link.dest & kGroupBit) != 0) return;
  AddressSummary* const summary = Find(dest);
  if (summary == nullptr) return;
  ++summary->frames_received;
  summary->frames_received_tagged += link.tagged;
  summary->mac_as_destination.Add(link.dest);
}

template <typename Address>
AddressSummary* Survey::AddSent(const Link& link, const Address& source) {
  AddressSummary* const summary = Find(source);
  if (summary == nullptr) return nullptr;
  ++summary->frames_sent;
  summary->mac_as_source.Add(link.source);
  return summary;
}

void Survey::AddUdpPort(const AddressSummary* source, Bytes datagram) {
  const auto* const udp = wire::Overlay<wire::UdpHeader>(datagram);
  if (source == nullptr || udp == nullptr) return;
  const auto index = static_cast<uint32_t>(source - summary_.addresses.data());
  const uint16_t port = udp->source.host();
  const uint32_t number = port_table_.FindOrAdd(uint64_t{index} << 16 | port);
  if (number == PortTable::kFull) {
    ++summary_.untracked_ports;
  } else if (number == ports_.size()) {
    ports_.emplace_back(index, port);
  }
}

CaptureSummary Survey::Finish() && {
  std::sort(ports_.begin(), ports_.end());
  for (const auto& [index, port] : ports_) {
    summary_.addresses[index].udp_source_ports.push_back(port);
  }
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
    lines.push_back(absl::StrCat("more than ", kAddressesTrackedMax, " addresses: ",
                                 untracked_addresses, " appearances of others were not counted"));
  }
  if (untracked_ports != 0) {
    lines.push_back(absl::StrCat("more than ", kUdpPortsTrackedMax, " UDP source ports: ",
                                 untracked_ports, " appearances of others were not counted"));
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
