#include "replay/script/frame_bytes.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "replay/script/addresses.h"
#include "replay/script/script.h"
#include "stack/wire/arp.h"
#include "stack/wire/icmp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

// The tables are part of the format: to append changes what mutated bytes mean, not what written
// ones do; to reorder or remove changes both.

constexpr int32_t kPortList[] = {kScriptPort, 53, 0, 1, 7, 67, 68, 1024, 32768, 49152, 65535};
// Lengths of payloads around those of the shortest frame, of an MTU of 1500, and of a jumbo frame.
constexpr int32_t kPayloadLengthList[] = {
    0, 1, 8, 17, 18, 19, 56, 100, 512, 1471, 1472, 1473, 2048, 4096, 8972, 9000, kFrameBytesMax};
constexpr int32_t kIcmpTypeList[] = {wire::kIcmpEcho,
                                     wire::kIcmpEchoReply,
                                     wire::kIcmpDestUnreachable,
                                     wire::kIcmpTimestamp,
                                     wire::kIcmpAddressMask,
                                     wire::kIcmpRedirect,
                                     wire::kIcmpTimeExceeded,
                                     wire::kIcmpParameterProblem,
                                     wire::kIcmpSourceQuench,
                                     255};
constexpr int32_t kIpProtocolList[] = {wire::kIpProtoUdp,  wire::kIpProtoIcmp,
                                       wire::kIpProtoTcp,  wire::kIpProtoIgmp,
                                       wire::kIpProtoIpip, wire::kIpProtoIpv6,
                                       wire::kIpProtoGre,  wire::kIpProtoEsp,
                                       wire::kIpProtoRaw,  0};
constexpr int32_t kArpOperationList[] = {wire::kArpRequest, wire::kArpReply};

constexpr Choices kLengthChoices = kPayloadLengthList;
constexpr Choices kIcmpTypeChoices = kIcmpTypeList;
constexpr Choices kProtocolChoices = kIpProtocolList;
constexpr Choices kArpOperationChoices = kArpOperationList;

int32_t AsChoice(Ipv4Address address) { return static_cast<int32_t>(address.host()); }

// An operand that was left out is a zero, and should be the likeliest value: a peer as the source.
AddressChoices SourceChoicesOf(uint8_t host) {
  AddressChoices choices = AddressChoicesOf(host);
  std::swap(choices[0], choices[1]);
  return choices;
}

Ipv4Address ReadSource(RecordReader& reader, uint8_t host) {
  return Ipv4Address(static_cast<uint32_t>(reader.Choice(SourceChoicesOf(host))));
}
void WriteSource(RecordWriter& writer, uint8_t host, Ipv4Address address) {
  writer.Choice(AsChoice(address), SourceChoicesOf(host));
}

Ipv4Address ReadDest(RecordReader& reader, uint8_t host) {
  return Ipv4Address(static_cast<uint32_t>(reader.Choice(AddressChoicesOf(host))));
}
void WriteDest(RecordWriter& writer, uint8_t host, Ipv4Address address) {
  writer.Choice(AsChoice(address), AddressChoicesOf(host));
}

uint8_t ReadChoice8(RecordReader& reader, Choices choices) {
  return static_cast<uint8_t>(reader.Choice(choices));
}
uint16_t ReadChoice16(RecordReader& reader, Choices choices) {
  return static_cast<uint16_t>(reader.Choice(choices));
}
uint32_t ReadLength(RecordReader& reader) {
  return static_cast<uint32_t>(reader.Choice(kLengthChoices));
}

// --- For each spelling: reading its operands, writing them and ending the record ---

void Read(RecordReader& reader, uint8_t, RawFrame& frame) {
  reader.Rest(kFrameBytesMax, frame.bytes);
}
void Write(RecordWriter& writer, uint8_t, const RawFrame& frame) {
  writer.Bytes(frame.bytes);
  writer.EndRecordAsIs();
}

void Read(RecordReader& reader, uint8_t host, UdpTemplate& udp) {
  udp.saddr = ReadSource(reader, host);
  udp.daddr = ReadDest(reader, host);
  udp.source = ReadChoice16(reader, kPortChoices);
  udp.dest = ReadChoice16(reader, kPortChoices);
  udp.payload_bytes = ReadLength(reader);
  udp.first = reader.U8();
  udp.variation = reader.U8();
}
void Write(RecordWriter& writer, uint8_t host, const UdpTemplate& udp) {
  WriteSource(writer, host, udp.saddr);
  WriteDest(writer, host, udp.daddr);
  writer.Choice(udp.source, kPortChoices);
  writer.Choice(udp.dest, kPortChoices);
  writer.Choice(static_cast<int32_t>(udp.payload_bytes), kLengthChoices);
  writer.U8(udp.first);
  writer.U8(udp.variation);
  writer.EndRecord();
}

void Read(RecordReader& reader, uint8_t host, ArpTemplate& arp) {
  arp.operation = ReadChoice16(reader, kArpOperationChoices);
  arp.sender = ReadSource(reader, host);
  arp.target = ReadDest(reader, host);
  arp.variation = reader.U8();
}
void Write(RecordWriter& writer, uint8_t host, const ArpTemplate& arp) {
  writer.Choice(arp.operation, kArpOperationChoices);
  WriteSource(writer, host, arp.sender);
  WriteDest(writer, host, arp.target);
  writer.U8(arp.variation);
  writer.EndRecord();
}

void Read(RecordReader& reader, uint8_t host, IcmpTemplate& icmp) {
  icmp.saddr = ReadSource(reader, host);
  icmp.daddr = ReadDest(reader, host);
  icmp.type = ReadChoice8(reader, kIcmpTypeChoices);
  icmp.code = reader.U8();
  icmp.id = reader.U16();
  icmp.sequence = reader.U16();
  icmp.payload_bytes = ReadLength(reader);
  icmp.first = reader.U8();
  icmp.variation = reader.U8();
}
void Write(RecordWriter& writer, uint8_t host, const IcmpTemplate& icmp) {
  WriteSource(writer, host, icmp.saddr);
  WriteDest(writer, host, icmp.daddr);
  writer.Choice(icmp.type, kIcmpTypeChoices);
  writer.U8(icmp.code);
  writer.U16(icmp.id);
  writer.U16(icmp.sequence);
  writer.Choice(static_cast<int32_t>(icmp.payload_bytes), kLengthChoices);
  writer.U8(icmp.first);
  writer.U8(icmp.variation);
  writer.EndRecord();
}

void Read(RecordReader& reader, uint8_t host, Ipv4Template& ipv4) {
  ipv4.saddr = ReadSource(reader, host);
  ipv4.daddr = ReadDest(reader, host);
  ipv4.protocol = ReadChoice8(reader, kProtocolChoices);
  ipv4.variation = reader.U8();
  reader.Rest(kFrameBytesMax, ipv4.payload);
}
void Write(RecordWriter& writer, uint8_t host, const Ipv4Template& ipv4) {
  WriteSource(writer, host, ipv4.saddr);
  WriteDest(writer, host, ipv4.daddr);
  writer.Choice(ipv4.protocol, kProtocolChoices);
  writer.U8(ipv4.variation);
  writer.Bytes(ipv4.payload);
  writer.EndRecordAsIs();
}

std::vector<uint8_t> Build(const RawFrame& frame, uint8_t) { return frame.bytes; }
template <typename Template>
std::vector<uint8_t> Build(const Template& frame, uint8_t host) {
  return frame.Build(host);
}

// Makes `plan` a Template if one builds these bytes.
template <typename Template>
bool PlanAs(std::span<const uint8_t> bytes, uint8_t host, FramePlan& plan) {
  std::optional<Template> match = Template::Match(bytes, host);
  if (!match.has_value()) return false;
  const std::vector<uint8_t> built = match->Build(host);
  if (!std::equal(built.begin(), built.end(), bytes.begin(), bytes.end())) return false;
  plan = *std::move(match);
  return true;
}

template <size_t... index>
bool ReadNumbered(RecordReader& reader, size_t number, uint8_t host, FramePlan& plan,
                  std::index_sequence<index...>) {
  const auto read_if = [&]<size_t i>(std::integral_constant<size_t, i>) {
    if (number != i) return false;
    Read(reader, host, plan.emplace<i>());
    return true;
  };
  return (read_if(std::integral_constant<size_t, index>()) || ...);
}

}  // namespace

constinit const Choices kPortChoices = kPortList;

AddressChoices AddressChoicesOf(uint8_t host) {
  return {AsChoice(HostIpv4(host)),
          AsChoice(PeerIpv4(0)),
          AsChoice(PeerIpv4(1)),
          AsChoice(HostIpv4(static_cast<uint8_t>((host + 1) % kHostsMax))),
          AsChoice(kScriptNetwork.last()),
          AsChoice(kScriptNetwork.network()),
          AsChoice(kIpv4Any),
          AsChoice(kIpv4Broadcast),
          AsChoice(kIpv4Loopback),
          AsChoice(kIpv4AllHosts),
          AsChoice(Ipv4Address(239, 1, 2, 3)),
          AsChoice(Ipv4Address(198, 51, 100, 1)),
          AsChoice(Ipv4Address(240, 0, 0, 1))};
}

FramePlan PlanFrame(std::span<const uint8_t> bytes, uint8_t host) {
  FramePlan plan;
  const bool has_template =
      PlanAs<UdpTemplate>(bytes, host, plan) || PlanAs<ArpTemplate>(bytes, host, plan) ||
      PlanAs<IcmpTemplate>(bytes, host, plan) || PlanAs<Ipv4Template>(bytes, host, plan);
  if (!has_template) plan = RawFrame{{bytes.begin(), bytes.end()}};
  return plan;
}

std::vector<uint8_t> BuildFrame(const FramePlan& plan, uint8_t host) {
  return std::visit([host](const auto& frame) { return Build(frame, host); }, plan);
}

bool ReadFramePlan(RecordReader& reader, uint8_t op, uint8_t host, FramePlan& plan) {
  if (op < kFrameOpBase) return false;
  return ReadNumbered(reader, op - kFrameOpBase, host, plan,
                      std::make_index_sequence<std::variant_size_v<FramePlan>>());
}

void WriteFramePlan(RecordWriter& writer, uint8_t host, const FramePlan& plan) {
  std::visit([&](const auto& frame) { Write(writer, host, frame); }, plan);
}

}  // namespace tapedeck
