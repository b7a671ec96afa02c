#include "replay/capture/link_layer.h"

#include <algorithm>
#include <cstring>

#include "stack/base/byteorder.h"
#include "stack/base/check.h"

namespace tapedeck::capture {
namespace {

constexpr uint16_t kEthertypeIpv4 = 0x0800;
constexpr uint16_t kEthertypeArp = 0x0806;
constexpr uint16_t kEthertypeIpv6 = 0x86dd;
constexpr uint16_t kEthertypeMin =
    0x0600;  // below lie lengths (IEEE 802.3) and Linux's own protocol numbers

constexpr size_t kIpv4HeaderBytes = 20;
constexpr size_t kIpv6HeaderBytes = 40;
constexpr size_t kArpIpv4Bytes = 28;
constexpr uint16_t kArpRequest = 1;

constexpr size_t kLoopbackHeaderBytes = 4;
constexpr size_t kSllHeaderBytes = 16;
constexpr size_t kSll2HeaderBytes = 20;
constexpr uint32_t kPacketBroadcast = 1;  // sll_pkttype, linux/if_packet.h

// ARPHRD_ values for which the protocol field of a cooked header is no Ethernet type
// (LINKTYPE_LINUX_SLL).
constexpr uint16_t kArphrdFrameRelay = 770;
constexpr uint16_t kArphrdGre = 778;
constexpr uint16_t kArphrdRadiotap = 803;
constexpr uint16_t kArphrdNetlink = 824;

constexpr MacAddress kBroadcastMac = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
constexpr MacAddress kUnknownMac = {0x02, 0, 0, 0, 0, 0};

using Bytes = std::span<const uint8_t>;

// What a link-layer header says about the packet behind it.
struct LinkHeader {
  size_t bytes = 0;
  uint16_t ethertype = 0;
  bool is_broadcast = false;
};

MacAddress DestinationForIpv4(const uint8_t* address) {
  if (LoadBe32(address) == 0xffffffff) return kBroadcastMac;
  const bool is_multicast = (address[0] & 0xf0) == 0xe0;
  if (!is_multicast) return MacFromIpv4(address);
  return {0x01, 0x00, 0x5e, static_cast<uint8_t>(address[1] & 0x7f), address[2], address[3]};
}

MacAddress DestinationForIpv6(const uint8_t* address) {
  if (address[0] != 0xff) return MacFromIpv6(address);
  return {0x33, 0x33, address[12], address[13], address[14], address[15]};
}

// Writes the addresses that `packet`, of type `link.ethertype`, would have on an Ethernet. What is
// neither IP nor ARP tells nothing about its hosts and goes to everyone.
SkipReason MakeAddresses(const LinkHeader& link, Bytes packet, MacAddress& destination,
                         MacAddress& source) {
  if (link.ethertype == kEthertypeIpv4) {
    if (packet.size() < kIpv4HeaderBytes) return SkipReason::kTruncatedIpHeader;
    source = MacFromIpv4(packet.data() + 12);
    destination = DestinationForIpv4(packet.data() + 16);
  } else if (link.ethertype == kEthertypeIpv6) {
    if (packet.size() < kIpv6HeaderBytes) return SkipReason::kTruncatedIpHeader;
    source = MacFromIpv6(packet.data() + 8);
    destination = DestinationForIpv6(packet.data() + 24);
  } else if (link.ethertype == kEthertypeArp && packet.size() >= kArpIpv4Bytes) {
    const bool is_request = LoadBe16(packet.data() + 6) == kArpRequest;
    source = MacFromIpv4(packet.data() + 14);
    destination = is_request ? kBroadcastMac : MacFromIpv4(packet.data() + 24);
  } else {
    source = kUnknownMac;
    destination = kBroadcastMac;
  }
  if (link.is_broadcast) destination = kBroadcastMac;
  return SkipReason::kNone;
}

// Puts a made-up Ethernet header in the place of the `link.bytes` at the start of `bytes`.
SkipReason Synthesise(const LinkHeader& link, Bytes bytes, EthernetFrame& frame) {
  const Bytes packet = bytes.subspan(link.bytes);
  if (packet.empty()) return SkipReason::kEmpty;
  MacAddress destination;
  MacAddress source;
  const SkipReason reason = MakeAddresses(link, packet, destination, source);
  if (reason != SkipReason::kNone) return reason;
  std::memcpy(frame.header.data(), destination.data(), destination.size());
  std::memcpy(frame.header.data() + 6, source.data(), source.size());
  StoreBe16(frame.header.data() + 12, link.ethertype);
  frame.payload = packet;
  frame.synthesised = true;
  // Nothing but the header changed its length; an original length within the old header is the
  // file's own nonsense.
  const size_t original = std::max<size_t>(frame.original_length_bytes, link.bytes) - link.bytes;
  frame.original_length_bytes = static_cast<uint32_t>(original + kEthernetHeaderBytes);
  return SkipReason::kNone;
}

SkipReason FromEthernet(Bytes bytes, EthernetFrame& frame) {
  if (bytes.size() < kEthernetHeaderBytes) return SkipReason::kTruncatedLinkHeader;
  frame.payload = bytes;
  return SkipReason::kNone;
}

// The Ethernet type of an IP packet by its version, or 0.
uint16_t EthertypeOfIp(uint8_t first_byte) {
  if (first_byte >> 4 == 4) return kEthertypeIpv4;
  return first_byte >> 4 == 6 ? kEthertypeIpv6 : uint16_t{0};
}

SkipReason FromRawIp(Bytes bytes, EthernetFrame& frame) {
  const uint16_t ethertype = EthertypeOfIp(bytes[0]);
  if (ethertype == 0) return SkipReason::kNotIp;
  return Synthesise({0, ethertype, false}, bytes, frame);
}

// The Ethernet type for an address family number of NULL and LOOP captures, or 0. IPv6 has a number
// on every system: NetBSD and OpenBSD 24, FreeBSD 28, macOS 30, Linux 10, Windows 23.
uint16_t EthertypeOfFamily(uint32_t family) {
  switch (family) {
    case 2:
      return kEthertypeIpv4;
    case 10:
    case 23:
    case 24:
    case 28:
    case 30:
      return kEthertypeIpv6;
    default:
      return 0;
  }
}

// NULL has the family in the byte order of the machine that captured, which need not be that of the
// file; LOOP in network byte order. Families are small numbers, so the order is the one in which
// this one is small.
SkipReason FromLoopback(Bytes bytes, EthernetFrame& frame) {
  if (bytes.size() < kLoopbackHeaderBytes) return SkipReason::kTruncatedLinkHeader;
  const uint32_t family = std::min(LoadLe32(bytes.data()), LoadBe32(bytes.data()));
  const uint16_t ethertype = EthertypeOfFamily(family);
  if (ethertype == 0) return SkipReason::kNotIp;
  return Synthesise({kLoopbackHeaderBytes, ethertype, false}, bytes, frame);
}

bool HasEthertype(uint16_t arphrd, uint16_t protocol) {
  switch (arphrd) {
    case kArphrdFrameRelay:
    case kArphrdGre:
    case kArphrdRadiotap:
    case kArphrdNetlink:
      return false;
    default:
      return protocol >= kEthertypeMin;
  }
}

SkipReason FromCooked(Bytes bytes, size_t header_bytes, uint16_t arphrd, uint16_t protocol,
                      uint32_t packet_type, EthernetFrame& frame) {
  if (frame.direction == Direction::kUnknown) {
    frame.direction = DirectionFromPacketType(packet_type);
  }
  if (!HasEthertype(arphrd, protocol)) return SkipReason::kNoEthertype;
  return Synthesise({header_bytes, protocol, packet_type == kPacketBroadcast}, bytes, frame);
}

SkipReason FromSll(Bytes bytes, EthernetFrame& frame) {
  if (bytes.size() < kSllHeaderBytes) return SkipReason::kTruncatedLinkHeader;
  const uint8_t* const header = bytes.data();
  return FromCooked(bytes, kSllHeaderBytes, LoadBe16(header + 2), LoadBe16(header + 14),
                    LoadBe16(header), frame);
}

SkipReason FromSll2(Bytes bytes, EthernetFrame& frame) {
  if (bytes.size() < kSll2HeaderBytes) return SkipReason::kTruncatedLinkHeader;
  const uint8_t* const header = bytes.data();
  frame.system_interface_index = LoadBe32(header + 4);
  return FromCooked(bytes, kSll2HeaderBytes, LoadBe16(header + 8), LoadBe16(header), header[10],
                    frame);
}

constexpr uint16_t kPppIpv4 = 0x0021;
constexpr uint16_t kPppIpv6 = 0x0057;
constexpr size_t kPppoeHeaderBytes = 6;

// PPP from its protocol field on, `offset` into `bytes`. The field has one byte where it was
// compressed (RFC 1661 6.5): the last byte of a protocol number is odd, the others are even.
SkipReason FromPppProtocol(size_t offset, Bytes bytes, EthernetFrame& frame) {
  if (bytes.size() < offset + 1) return SkipReason::kTruncatedLinkHeader;
  uint16_t protocol = bytes[offset++];
  if (protocol % 2 == 0) {
    if (bytes.size() < offset + 1) return SkipReason::kTruncatedLinkHeader;
    protocol = static_cast<uint16_t>(protocol << 8 | bytes[offset++]);
  }
  const uint16_t ethertype = EthertypeOfPpp(protocol);
  if (ethertype == 0) return SkipReason::kPppControl;
  return Synthesise({offset, ethertype, false}, bytes, frame);
}

// Address and control, ff 03, may be left out (RFC 1662 3.1, RFC 1661 6.6).
SkipReason FromPpp(Bytes bytes, EthernetFrame& frame) {
  const bool has_address = bytes.size() >= 2 && bytes[0] == 0xff && bytes[1] == 0x03;
  return FromPppProtocol(has_address ? 2 : 0, bytes, frame);
}

// LINKTYPE_PPP_PPPD: the first byte tells the direction where the address field has none.
SkipReason FromPppWithDirection(Bytes bytes, EthernetFrame& frame) {
  if (frame.direction == Direction::kUnknown) {
    frame.direction = bytes[0] == 0 ? Direction::kInbound : Direction::kOutbound;
  }
  const bool has_address = bytes.size() >= 3 && bytes[1] == 0xff && bytes[2] == 0x03;
  return FromPppProtocol(has_address ? 3 : 1, bytes, frame);
}

SkipReason FromPppoe(Bytes bytes, EthernetFrame& frame) {
  if (bytes.size() < kPppoeHeaderBytes) return SkipReason::kTruncatedLinkHeader;
  return FromPppProtocol(kPppoeHeaderBytes, bytes, frame);
}

// Attributes of NFLOG, in the byte order of the machine that captured (linux/netfilter/
// nfnetlink_log.h): length with its header, type, value, padded to 4.
constexpr size_t kNflogHeaderBytes = 4;
constexpr size_t kAttributeHeaderBytes = 4;
constexpr uint16_t kNflogPayload = 9;

// The packet among the attributes, and its offset; `load` reads 16 bits in one byte order. Empty if
// there is none.
Bytes FindNflogPayload(Bytes bytes, uint16_t (*load)(const uint8_t*), size_t& offset) {
  offset = kNflogHeaderBytes;
  while (bytes.size() - offset >= kAttributeHeaderBytes) {
    const size_t length = load(bytes.data() + offset);
    const uint16_t type = load(bytes.data() + offset + 2);
    if (length < kAttributeHeaderBytes) return {};
    if ((type & 0x7fff) == kNflogPayload) {
      offset += kAttributeHeaderBytes;
      return bytes.subspan(offset, std::min(length - kAttributeHeaderBytes, bytes.size() - offset));
    }
    const size_t padded = (length + 3) & ~size_t{3};
    if (padded > bytes.size() - offset) return {};
    offset += padded;
  }
  return {};
}

SkipReason FromNflog(Bytes bytes, EthernetFrame& frame) {
  if (bytes.size() < kNflogHeaderBytes) return SkipReason::kTruncatedLinkHeader;
  const uint16_t ethertype = EthertypeOfFamily(bytes[0]);
  if (ethertype == 0) return SkipReason::kNotIp;
  const auto little = [](const uint8_t* p) { return LoadLe16(p); };
  const auto big = [](const uint8_t* p) { return LoadBe16(p); };
  size_t offset = 0;
  Bytes packet = FindNflogPayload(bytes, little, offset);
  if (packet.empty()) packet = FindNflogPayload(bytes, big, offset);
  if (packet.empty()) return SkipReason::kNoPayload;
  // Attributes behind the packet are no part of it.
  const size_t behind = bytes.size() - offset - packet.size();
  frame.original_length_bytes -=
      static_cast<uint32_t>(std::min<size_t>(behind, frame.original_length_bytes));
  return Synthesise({offset, ethertype, false}, bytes.first(offset + packet.size()), frame);
}

// The captured bytes of `record` without its FCS, of which a cut frame may hold a part. Takes the
// stripped bytes off the original length as well.
Bytes WithoutFcs(const Record& record, EthernetFrame& frame) {
  const uint32_t fcs_bytes = std::min<uint32_t>(record.fcs_bytes, record.original_length_bytes);
  frame.original_length_bytes = record.original_length_bytes - fcs_bytes;
  const size_t kept_bytes = std::min<size_t>(record.data.size(), frame.original_length_bytes);
  frame.fcs_stripped_bytes = static_cast<uint8_t>(record.data.size() - kept_bytes);
  return record.data.first(kept_bytes);
}

}  // namespace

SkipReason ToEthernet(const Record& record, EthernetFrame& frame) {
  frame.system_interface_index = 0;
  frame.direction = record.direction;
  frame.synthesised = false;
  const Bytes bytes = WithoutFcs(record, frame);
  if (bytes.empty()) return SkipReason::kEmpty;
  switch (record.link_type) {
    case LinkType::kEthernet:
      return FromEthernet(bytes, frame);
    case LinkType::kRaw12:
    case LinkType::kRaw14:
    case LinkType::kRaw:
      return FromRawIp(bytes, frame);
    case LinkType::kIpv4:
      return Synthesise({0, kEthertypeIpv4, false}, bytes, frame);
    case LinkType::kIpv6:
      return Synthesise({0, kEthertypeIpv6, false}, bytes, frame);
    case LinkType::kNull:
    case LinkType::kLoop:
      return FromLoopback(bytes, frame);
    case LinkType::kLinuxSll:
      return FromSll(bytes, frame);
    case LinkType::kLinuxSll2:
      return FromSll2(bytes, frame);
    case LinkType::kPpp:
    case LinkType::kPppHdlc:
      return FromPpp(bytes, frame);
    case LinkType::kPppPppd:
      return FromPppWithDirection(bytes, frame);
    case LinkType::kPppEther:
      return FromPppoe(bytes, frame);
    case LinkType::kNflog:
      return FromNflog(bytes, frame);
    case LinkType::kIeee80211:
    case LinkType::kIeee80211Radiotap:
      return SkipReason::kWireless;
    case LinkType::kIpoib:
    case LinkType::kUpperPdu:
      break;
  }
  return SkipReason::kLinkTypeUnsupported;
}

void EthernetFrame::CopyTo(std::span<uint8_t> destination) const {
  CHECK_GE(destination.size(), size_bytes());
  size_t written_bytes = 0;
  if (synthesised) {
    std::memcpy(destination.data(), header.data(), header.size());
    written_bytes = header.size();
  }
  if (!payload.empty()) {
    std::memcpy(destination.data() + written_bytes, payload.data(), payload.size());
  }
}

uint16_t EthertypeOfPpp(uint16_t protocol) {
  if (protocol == kPppIpv4) return kEthertypeIpv4;
  return protocol == kPppIpv6 ? kEthertypeIpv6 : uint16_t{0};
}

MacAddress MacFromIpv4(const uint8_t* address) {
  return {0x02, 0x00, address[0], address[1], address[2], address[3]};
}

MacAddress MacFromIpv6(const uint8_t* address) {
  uint32_t hash = 2166136261;  // FNV-1a, 32 bits
  for (size_t i = 0; i < 16; ++i) hash = (hash ^ address[i]) * 16777619;
  MacAddress mac = {0x02, 0x06};
  StoreBe32(mac.data() + 2, hash);
  return mac;
}

const char* SkipReasonName(SkipReason reason) {
  switch (reason) {
    case SkipReason::kNone:
      return "none";
    case SkipReason::kLinkTypeUnsupported:
      return "link_type_unsupported";
    case SkipReason::kEmpty:
      return "empty";
    case SkipReason::kTruncatedLinkHeader:
      return "truncated_link_header";
    case SkipReason::kTruncatedIpHeader:
      return "truncated_ip_header";
    case SkipReason::kNotIp:
      return "not_ip";
    case SkipReason::kNoEthertype:
      return "no_ethertype";
    case SkipReason::kWireless:
      return "wireless";
    case SkipReason::kPppControl:
      return "ppp_control";
    case SkipReason::kNoPayload:
      return "no_payload";
    case SkipReason::kCount:
      break;
  }
  return "unknown";
}

const char* SkipReasonText(SkipReason reason) {
  switch (reason) {
    case SkipReason::kNone:
      return "can be injected";
    case SkipReason::kLinkTypeUnsupported:
      return "its link type cannot be turned into Ethernet";
    case SkipReason::kEmpty:
      return "holds no captured byte";
    case SkipReason::kTruncatedLinkHeader:
      return "is cut within its link-layer header";
    case SkipReason::kTruncatedIpHeader:
      return "is cut within the IP header its MAC addresses would be made from";
    case SkipReason::kNotIp:
      return "is no IP packet, though its link type carries nothing else";
    case SkipReason::kNoEthertype:
      return "its cooked header names no Ethernet type";
    case SkipReason::kWireless:
      return "it is an 802.11 frame; capture behind the access point, or on the station as "
             "Ethernet";
    case SkipReason::kPppControl:
      return "its PPP protocol carries no IP";
    case SkipReason::kNoPayload:
      return "its NFLOG record holds no packet";
    case SkipReason::kCount:
      break;
  }
  return "unknown";
}

}  // namespace tapedeck::capture
