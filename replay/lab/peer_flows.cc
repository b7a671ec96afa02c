#include "replay/lab/peer_flows.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>

#include "stack/base/check.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"

namespace tapedeck {
namespace {

// A peer's first number on each flow; any would do, and equal ones make traces easy to read.
constexpr SeqNum kPeerIsn{1000};
constexpr uint8_t kTtl = 64;

// The TCP segment of a frame; nullopt for anything else.
std::optional<wire::TcpView> FindTcp(std::span<const uint8_t> frame, bool* ipv6) {
  const wire::Parsed<wire::EthernetView> ethernet = wire::ParseEthernet(frame);
  if (!ethernet) return std::nullopt;
  std::span<const uint8_t> segment;
  if (ethernet->proto == wire::kEtherTypeIpv4) {
    const wire::Parsed<wire::Ipv4View> ip = wire::ParseIpv4(ethernet->payload);
    if (!ip || ip->header->protocol != wire::kIpProtoTcp || ip->header->is_fragment()) {
      return std::nullopt;
    }
    segment = ip->payload;
  } else if (ethernet->proto == wire::kEtherTypeIpv6) {
    const wire::Parsed<wire::Ipv6View> ip = wire::ParseIpv6(ethernet->payload);
    if (!ip || ip->header->nexthdr != wire::kIpProtoTcp) return std::nullopt;
    segment = ip->payload;
    *ipv6 = true;
  } else {
    return std::nullopt;
  }
  const wire::Parsed<wire::TcpView> tcp = wire::ParseTcp(segment);
  if (!tcp) return std::nullopt;
  return *tcp;
}

// A segment's numbers, worked out.
struct Numbers {
  uint16_t source = 0;
  uint16_t dest = 0;
  SeqNum seq;
  SeqNum ack;
  uint32_t clock_ms = 0;
  uint32_t host_ts_val = 0;
};

struct Options {
  std::array<uint8_t, wire::kTcpOptionsMax> bytes;
  size_t count = 0;
};

// What of the segment's options fits.
Options OptionsOf(const SegmentStep& segment, const Numbers& numbers) {
  wire::TcpOptionWriter writer;
  if (segment.mss_bytes.has_value()) writer.Mss(*segment.mss_bytes);
  if (segment.window_shift.has_value()) writer.WindowScale(*segment.window_shift);
  if (segment.sack_permitted) writer.SackPermitted();
  if (segment.timestamps.has_value()) {
    writer.Timestamps(
        {.val = numbers.clock_ms + static_cast<uint32_t>(segment.timestamps->val),
         .ecr = numbers.host_ts_val + static_cast<uint32_t>(segment.timestamps->ecr)});
  }
  std::array<wire::TcpSackBlock, wire::kTcpSackBlocksMax> blocks;
  size_t sack_count = 0;
  for (const SegmentSackBlock& block : segment.sack) {
    blocks[sack_count++] = {numbers.ack + static_cast<uint32_t>(block.left),
                            numbers.ack + static_cast<uint32_t>(block.right)};
  }
  if (sack_count != 0) writer.Sack({blocks.data(), sack_count});
  Options options;
  std::copy(writer.bytes().begin(), writer.bytes().end(), options.bytes.begin());
  options.count = writer.bytes().size();
  const size_t raw = std::min(segment.raw_options.size(), options.bytes.size() - options.count);
  std::copy_n(segment.raw_options.begin(), raw, options.bytes.begin() + options.count);
  options.count += raw;
  return options;
}

wire::TcpHeader HeaderOf(const SegmentStep& segment, const Numbers& numbers) {
  wire::TcpHeader tcp;
  tcp.source = numbers.source;
  tcp.dest = numbers.dest;
  tcp.seq = numbers.seq.value();
  if ((segment.flags & wire::kTcpAck) != 0) tcp.ack_seq = numbers.ack.value();
  tcp.set_flags(segment.flags);
  if ((segment.wrong & SegmentStep::kWrongDataOffset) != 0) tcp.set_doff(15);
  tcp.window = segment.window;
  tcp.urg_ptr = segment.urgent;
  return tcp;
}

// The layers below TCP; `payload_bytes` is what IP carries.
void AddNetworkLayer(const SegmentStep& segment, uint8_t host, size_t payload_bytes,
                     wire::FrameBuilder& builder) {
  const bool short_length = (segment.wrong & SegmentStep::kWrongLength) != 0;
  const wire::KeepFields keep = short_length ? wire::kKeepLength : wire::kKeepNothing;
  const auto length = static_cast<uint16_t>(payload_bytes - (short_length ? 1 : 0));
  builder.Ethernet(HostMac(host), PeerMac(0));
  if (segment.ipv6) {
    wire::Ipv6Header ip;
    ip.payload_len = length;
    ip.hop_limit = kTtl;
    ip.saddr = PeerIpv6(0);
    ip.daddr = HostIpv6(host);
    builder.Ipv6(ip, keep);
  } else {
    wire::Ipv4Header ip;
    ip.tot_len = static_cast<uint16_t>(length + wire::kIpv4HeaderBytes);
    ip.ttl = kTtl;
    ip.frag_off = wire::kIpv4DontFragment;
    ip.saddr = PeerIpv4(0);
    ip.daddr = HostIpv4(host);
    builder.Ipv4(ip, {}, keep);
  }
}

// Makes checksums wrong that are to be.
void SpoilChecksums(const SegmentStep& segment, std::span<uint8_t> frame) {
  constexpr size_t kIpOffset = sizeof(wire::EthernetHeader);
  constexpr size_t kIpv4CheckOffset = 10;
  constexpr size_t kTcpCheckOffset = 16;
  const size_t tcp =
      kIpOffset + (segment.ipv6 ? wire::kIpv6HeaderBytes : size_t{wire::kIpv4HeaderBytes});
  if ((segment.wrong & SegmentStep::kWrongTcpChecksum) != 0) frame[tcp + kTcpCheckOffset] ^= 0xff;
  if ((segment.wrong & SegmentStep::kWrongIpChecksum) != 0 && !segment.ipv6) {
    frame[kIpOffset + kIpv4CheckOffset] ^= 0xff;
  }
}

}  // namespace

uint8_t PeerStreamByte(uint32_t position) {
  // The finaliser of MurmurHash3: every bit of the position reaches every bit of the result.
  uint64_t mixed = position + 0x9e3779b97f4a7c15;
  mixed = (mixed ^ mixed >> 33) * 0xff51afd7ed558ccd;
  mixed = (mixed ^ mixed >> 33) * 0xc4ceb9fe1a85ec53;
  return static_cast<uint8_t>(mixed >> 56);
}

PeerFlows::PeerFlows(int hosts) : flows_(static_cast<size_t>(hosts) * 2 * kSegmentFlowsMax) {}

void PeerFlows::Observe(uint8_t host, std::span<const uint8_t> frame) {
  bool ipv6 = false;
  const std::optional<wire::TcpView> tcp = FindTcp(frame, &ipv6);
  if (!tcp.has_value()) return;
  const uint16_t number = static_cast<uint16_t>(tcp->header->dest.host() - kScriptPort);
  if (number >= kSegmentFlowsMax) return;
  Flow& flow = flows_[IndexOf(host, ipv6, static_cast<uint8_t>(number))];
  const SeqNum end = tcp->header->sequence() + tcp->SequenceLength();
  if (tcp->header->syn()) {
    flow.host_port = tcp->header->source.host();
    flow.sent_end = end;
  } else if (tcp->header->source.host() != flow.host_port) {
    return;  // of another connection
  }
  if (tcp->header->rst()) return;  // its numbers are the peer's own, or none
  flow.sent_end = SeqMax(flow.sent_end, end);
  if (tcp->header->ack()) {
    flow.expected = tcp->header->acknowledgment();
    flow.heard = true;
  }
  wire::TcpOptionCursor cursor(tcp->options);
  while (const std::optional<wire::TcpOption> option = cursor.Next()) {
    const std::optional<wire::TcpTimestamps> stamps = option->AsTimestamps();
    if (stamps.has_value()) flow.ts_val = stamps->val;
  }
}

std::optional<SeqNum> PeerFlows::PeerIsn(uint8_t host, const IpAddress& peer, uint16_t peer_port,
                                         uint16_t host_port) const {
  const uint16_t number = static_cast<uint16_t>(peer_port - kScriptPort);
  const IpAddress address = peer.Unmapped();
  const IpAddress expected = address.is_v4() ? IpAddress(PeerIpv4(0)) : IpAddress(PeerIpv6(0));
  if (number >= kSegmentFlowsMax || address != expected) return std::nullopt;
  const Flow& flow = flows_[IndexOf(host, address.is_v6(), static_cast<uint8_t>(number))];
  if (flow.host_port != host_port || flow.syns != 1) return std::nullopt;
  return flow.peer_isn;
}

std::vector<uint8_t> PeerFlows::Build(const SegmentStep& segment, uint8_t host, SimTime now) {
  Flow& flow = flows_[IndexOf(host, segment.ipv6, segment.flow)];
  Numbers numbers;
  numbers.source = static_cast<uint16_t>(kScriptPort + segment.flow);
  numbers.dest = flow.host_port;
  numbers.seq = (flow.heard ? flow.expected : kPeerIsn) + static_cast<uint32_t>(segment.seq);
  numbers.ack = flow.sent_end + static_cast<uint32_t>(segment.ack);
  numbers.clock_ms = static_cast<uint32_t>(now.ns() / 1'000'000);
  numbers.host_ts_val = flow.ts_val;
  const bool syn = (segment.flags & wire::kTcpSyn) != 0;
  if (syn) {
    flow.peer_isn = numbers.seq;
    ++flow.syns;
  }

  const Options options = OptionsOf(segment, numbers);
  std::vector<uint8_t> payload(segment.payload_bytes);
  // A SYN has a number, and no byte.
  const auto position = static_cast<uint32_t>(numbers.seq - flow.peer_isn) - (syn ? 0 : 1);
  for (uint32_t i = 0; i < segment.payload_bytes; ++i) payload[i] = PeerStreamByte(position + i);

  constexpr size_t kHeadersMax =
      sizeof(wire::EthernetHeader) + wire::kIpv6HeaderBytes + wire::kTcpHeaderMax;
  std::vector<uint8_t> buffer(kHeadersMax + payload.size());
  wire::FrameBuilder builder(buffer);
  const size_t options_padded = (options.count + 3) / 4 * 4;
  AddNetworkLayer(segment, host, wire::kTcpHeaderBytes + options_padded + payload.size(), builder);
  const bool keep_offset = (segment.wrong & SegmentStep::kWrongDataOffset) != 0;
  const std::span<uint8_t> frame =
      builder
          .Tcp(HeaderOf(segment, numbers), {options.bytes.data(), options.count},
               keep_offset ? wire::kKeepHeaderLength : wire::kKeepNothing)
          .Payload(payload)
          .PadTo()
          .Build();
  CHECK(!frame.empty());
  SpoilChecksums(segment, frame);
  return {frame.begin(), frame.end()};
}

}  // namespace tapedeck
