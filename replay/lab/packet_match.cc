#include "replay/lab/packet_match.h"

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/script/text.h"
#include "stack/base/byteorder.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {

namespace {

constexpr size_t kTsDataBytes = 8;
constexpr uint16_t kAceFlags = kTcpAe | kTcpCwr | kTcpEce;

// Collects the first difference.
class Difference {
 public:
  void Number(const char* field, uint64_t expected, uint64_t found) {
    if (expected == found || !text_.empty()) return;
    text_ = absl::StrFormat("%s: expected %d (0x%x), found %d (0x%x)", field, expected, expected,
                            found, found);
  }
  void Text(std::string text) {
    if (text_.empty()) text_ = std::move(text);
  }
  bool none() const { return text_.empty(); }
  std::string Take() { return std::move(text_); }

 private:
  std::string text_;
};

TcpOption* FindTimestamps(TcpPacket& tcp) {
  if (!tcp.options.has_value()) return nullptr;
  for (TcpOption& option : *tcp.options) {
    if (option.kind == kTcpOptionTimestamps && option.data.size() == kTsDataBytes) return &option;
  }
  return nullptr;
}
const TcpOption* FindTimestamps(const TcpPacket& tcp) {
  return FindTimestamps(const_cast<TcpPacket&>(tcp));
}

// Adds `offset` to the edges of all SACK blocks.
void ShiftSackBlocks(TcpPacket& tcp, uint32_t offset) {
  if (!tcp.options.has_value()) return;
  for (TcpOption& option : *tcp.options) {
    if (option.kind != kTcpOptionSack) continue;
    for (size_t at = 0; at + 4 <= option.data.size(); at += 4) {
      StoreBe32(&option.data[at], LoadBe32(&option.data[at]) + offset);
    }
  }
}

absl::Status MapEchoedTimestamp(TcpPacket& tcp, const ScriptConnection& connection,
                                const PlaySettings& settings) {
  TcpOption* const option = FindTimestamps(tcp);
  if (option == nullptr || (tcp.flags & kTcpAck) == 0) return absl::OkStatus();
  const uint32_t script = LoadBe32(&option->data[4]);
  const auto known = connection.live_ts.find(script);
  uint32_t live = 0;
  if (known != connection.live_ts.end()) {
    live = known->second;
  } else if (settings.tcp_ts_ecr_scaled && connection.first_ts.has_value()) {
    live = script - connection.first_ts->script + connection.first_ts->live;
  } else {
    return absl::FailedPreconditionError(absl::StrCat(
        "it echoes timestamp ", script, ", which no packet sent before it is expected to bear"));
  }
  StoreBe32(&option->data[4], live);
  return absl::OkStatus();
}

// From the first timestamp seen on, the host's count from the script's first one.
void MapSentTimestamp(const TcpPacket& expected, TcpPacket& actual, ScriptConnection* connection) {
  const TcpOption* const wanted = FindTimestamps(expected);
  TcpOption* const found = FindTimestamps(actual);
  if (wanted == nullptr || found == nullptr) return;
  const uint32_t script = LoadBe32(wanted->data.data());
  const uint32_t live = LoadBe32(found->data.data());
  connection->live_ts[script] = live;
  if (!connection->first_ts.has_value()) connection->first_ts = {script, live};
  StoreBe32(found->data.data(), connection->first_ts->script + (live - connection->first_ts->live));
}

// --- Comparing. ---

void CompareTos(const IpFields& expected, uint8_t tos, Difference* difference) {
  const uint8_t ecn = tos & wire::kEcnMask;
  switch (expected.tos_check) {
    case IpFields::TosCheck::kNone:
      return;
    case IpFields::TosCheck::kEcn:
      return difference->Number("ip_ecn", expected.tos & wire::kEcnMask, ecn);
    case IpFields::TosCheck::kTos:
      return difference->Number("tos", expected.tos, tos);
    case IpFields::TosCheck::kEct01:
      if (ecn == wire::kEcnEct0 || ecn == wire::kEcnEct1) return;
      return difference->Text(absl::StrCat("ip_ecn: expected 1 or 2, found ", ecn));
  }
}

// The same label as before, or another one, as the script has it.
void CompareFlowLabel(const IpFields& expected, const IpFields& found, ScriptConnection* connection,
                      Difference* difference) {
  const uint32_t script = expected.flow_label.value_or(0);
  const uint32_t live = found.flow_label.value_or(0);
  if (script == 0) return;
  if (live == 0) return difference->Text("flow label: expected one, found none");
  if (connection->flow_label.has_value()) {
    const bool same_wanted = script == connection->flow_label->script;
    const bool same_found = live == connection->flow_label->live;
    if (same_wanted != same_found) {
      return difference->Text(same_wanted ? "flow label: expected the same as before, found another"
                                          : "flow label: expected another, found the same");
    }
  }
  connection->flow_label = {script, live};
}

void CompareTimestamps(const TcpOption& expected, const TcpOption& found,
                       const PlaySettings& settings, Duration elapsed, Difference* difference) {
  if (!settings.tcp_ts_tick.has_value() || expected.data.size() != kTsDataBytes ||
      found.data.size() != kTsDataBytes) {
    return;
  }
  const auto off =
      static_cast<int32_t>(LoadBe32(found.data.data()) - LoadBe32(expected.data.data()));
  const auto ticks = static_cast<uint64_t>(off < 0 ? -int64_t{off} : int64_t{off});
  if (*settings.tcp_ts_tick * ticks <= settings.ToleranceFor(elapsed)) return;
  difference->Number("TS val", LoadBe32(expected.data.data()), LoadBe32(found.data.data()));
}

void CompareOptions(const TcpPacket& expected, const TcpPacket& found, const PlaySettings& settings,
                    Duration elapsed, Difference* difference) {
  if (!expected.options.has_value()) return;
  const std::vector<TcpOption>& wanted = *expected.options;
  const std::vector<TcpOption>& seen = *found.options;
  bool same = wanted.size() == seen.size();
  for (size_t i = 0; same && i < wanted.size(); ++i) {
    const bool timestamps = wanted[i].kind == kTcpOptionTimestamps;
    same =
        wanted[i].kind == seen[i].kind && (timestamps ? wanted[i].data.size() == seen[i].data.size()
                                                      : wanted[i].data == seen[i].data);
    if (same && timestamps) {
      CompareTimestamps(wanted[i], seen[i], settings, elapsed, difference);
    }
  }
  if (!same) difference->Text("the TCP options differ");
}

uint8_t AceOf(uint16_t flags) { return static_cast<uint8_t>((flags & kAceFlags) >> 6 & 7); }

void CompareFlags(const TcpPacket& expected, uint16_t found, Difference* difference) {
  struct Flag {
    uint16_t bit;
    const char* name;
  };
  static constexpr Flag kFlags[] = {{kTcpFin, "tcp_fin"}, {kTcpSyn, "tcp_syn"},
                                    {kTcpRst, "tcp_rst"}, {kTcpPsh, "tcp_psh"},
                                    {kTcpAck, "tcp_ack"}, {kTcpUrg, "tcp_urg"}};
  for (const Flag& flag : kFlags) {
    difference->Number(flag.name, (expected.flags & flag.bit) != 0, (found & flag.bit) != 0);
  }
  if (expected.ace) {
    return difference->Number("tcp_ace", AceOf(expected.flags), AceOf(found));
  }
  static constexpr Flag kEcnFlags[] = {
      {kTcpEce, "tcp_ece"}, {kTcpCwr, "tcp_cwr"}, {kTcpAe, "tcp_ae"}};
  for (const Flag& flag : kEcnFlags) {
    difference->Number(flag.name, (expected.flags & flag.bit) != 0, (found & flag.bit) != 0);
  }
}

void CompareTcp(const TcpPacket& expected, const LivePacket& live, const PlaySettings& settings,
                Duration elapsed, Difference* difference) {
  const auto& found = std::get<TcpPacket>(live.packet.what);
  CompareFlags(expected, found.flags, difference);
  difference->Number("tcp_reserved_bits", 0, live.reserved_bits);
  difference->Number("tcp_seq", expected.sequence, found.sequence);
  difference->Number("tcp_ack_seq", expected.ack, found.ack);
  if (expected.window.has_value()) {
    difference->Number("tcp_window", *expected.window, *found.window);
  }
  difference->Number("tcp_urg_ptr", expected.urgent, found.urgent);
  CompareOptions(expected, found, settings, elapsed, difference);
}

void CompareIcmp(const IcmpPacket& expected, const LivePacket& live, Difference* difference) {
  const AddressFamily family =
      live.ends.source.address.is_v4() ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
  const absl::StatusOr<IcmpNumbers> wanted = ResolveIcmp(expected, family);
  const absl::StatusOr<IcmpNumbers> found =
      ResolveIcmp(std::get<IcmpPacket>(live.packet.what), family);
  if (!wanted.ok()) return difference->Text(std::string(wanted.status().message()));
  if (!found.ok()) return difference->Text(std::string(found.status().message()));
  difference->Number("icmp_type", wanted->type, found->type);
  difference->Number("icmp_code", wanted->code, found->code);
}

}  // namespace

LivePacket ToScriptNumbers(const LivePacket& live, const ScriptConnection& connection) {
  LivePacket mapped = live;
  if (auto* const udp = std::get_if<UdpPacket>(&mapped.packet.what)) {
    udp->source_port.reset();
    udp->dest_port.reset();
  }
  auto* const tcp = std::get_if<TcpPacket>(&mapped.packet.what);
  if (tcp == nullptr) return mapped;
  tcp->source_port.reset();
  tcp->dest_port.reset();
  const bool syn = (tcp->flags & kTcpSyn) != 0;
  tcp->sequence -= connection.LocalOffset(syn);
  const uint32_t ack_offset = connection.RemoteOffset(syn);
  if ((tcp->flags & kTcpAck) != 0) tcp->ack -= ack_offset;
  ShiftSackBlocks(*tcp, 0 - ack_offset);
  return mapped;
}

absl::StatusOr<PacketStep> ToLiveNumbers(const PacketStep& packet,
                                         const ScriptConnection& connection,
                                         const PlaySettings& settings) {
  PacketStep mapped = packet;
  if (auto* const icmp = std::get_if<IcmpPacket>(&mapped.what)) {
    if (!icmp->quote.has_value()) icmp->quote.emplace();
    if (icmp->quote->protocol == IcmpQuote::Protocol::kTcp) {
      icmp->quote->sequence += connection.LocalOffset(/*syn=*/false);
    }
  }
  auto* const tcp = std::get_if<TcpPacket>(&mapped.what);
  if (tcp == nullptr) return mapped;
  const bool syn = (tcp->flags & kTcpSyn) != 0;
  tcp->sequence += connection.RemoteOffset(syn);
  const uint32_t ack_offset = connection.LocalOffset(syn);
  if ((tcp->flags & kTcpAck) != 0) tcp->ack += ack_offset;
  ShiftSackBlocks(*tcp, ack_offset);
  absl::Status status = MapEchoedTimestamp(*tcp, connection, settings);
  if (!status.ok()) return status;
  return mapped;
}

std::string ComparePacket(const PacketStep& expected, LivePacket* actual,
                          ScriptConnection* connection, const PlaySettings& settings,
                          Duration elapsed) {
  Difference difference;
  if (!actual->checksums_ok) difference.Text("a checksum is wrong");
  if (!expected.outer.empty()) {
    difference.Number("header layers", expected.outer.size() + 1, 1);
  }
  if (expected.what.index() != actual->packet.what.index()) {
    difference.Text("it is of another protocol");
    return difference.Take();
  }
  CompareTos(expected.ip, actual->packet.ip.tos, &difference);
  if (expected.ip.ttl.has_value()) {
    difference.Number("ttl", *expected.ip.ttl, *actual->packet.ip.ttl);
  }
  if (const auto* const tcp = std::get_if<TcpPacket>(&expected.what)) {
    MapSentTimestamp(*tcp, std::get<TcpPacket>(actual->packet.what), connection);
    CompareTcp(*tcp, *actual, settings, elapsed, &difference);
  } else if (const auto* const icmp = std::get_if<IcmpPacket>(&expected.what)) {
    CompareIcmp(*icmp, *actual, &difference);
  }
  CompareFlowLabel(expected.ip, actual->packet.ip, connection, &difference);
  const bool icmp = std::holds_alternative<IcmpPacket>(expected.what);
  if (!icmp && !actual->payload_zero) difference.Text("the payload is not all zeros");
  return difference.Take();
}

std::string CompareSegments(const LivePacket& before, const LivePacket& next,
                            uint32_t expected_bytes) {
  const auto* const a = std::get_if<TcpPacket>(&before.packet.what);
  const auto* const b = std::get_if<TcpPacket>(&next.packet.what);
  if (a == nullptr || b == nullptr) return "only segments of TCP can be one packet";
  Difference difference;
  difference.Number("ttl", *before.packet.ip.ttl, *next.packet.ip.ttl);
  difference.Number("length of TCP options", TcpOptionBytes(*a->options).size(),
                    TcpOptionBytes(*b->options).size());
  constexpr uint16_t kMayDiffer = kTcpFin | kTcpPsh | kTcpCwr;
  difference.Number("flags", a->flags & ~kMayDiffer, b->flags & ~kMayDiffer);
  difference.Number("tcp_seq", a->sequence + before.payload_bytes, b->sequence);
  difference.Number("tcp_ack_seq", a->ack, b->ack);
  difference.Number("tcp_window", *a->window, *b->window);
  difference.Number("tcp_urg_ptr", a->urgent, b->urgent);
  if (next.payload_bytes < expected_bytes) {
    difference.Number("payload of a segment", before.payload_bytes, next.payload_bytes);
  }
  return difference.Take();
}

LivePacket MergeSegments(const LivePacket& first, const LivePacket& last, uint32_t payload_bytes) {
  LivePacket merged = last;
  merged.payload_bytes = static_cast<uint16_t>(payload_bytes);
  auto& tcp = std::get<TcpPacket>(merged.packet.what);
  const auto& head = std::get<TcpPacket>(first.packet.what);
  tcp.sequence = head.sequence;
  tcp.payload_bytes = merged.payload_bytes;
  tcp.flags = static_cast<uint16_t>((tcp.flags & ~kTcpCwr) | (head.flags & kTcpCwr));
  return merged;
}

}  // namespace tapedeck
