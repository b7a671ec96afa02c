#include "replay/standin/separate_ends.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <span>
#include <vector>

#include "absl/strings/str_cat.h"
#include "replay/standin/packet.h"
#include "stack/wire/repair_checksums.h"

namespace tapedeck::standin {
namespace {

constexpr Ipv4Address kLocalEnd4{198, 18, 0, 1};
constexpr Ipv4Address kRemoteEnd4{198, 18, 0, 2};
constexpr Ipv6Address kLocalEnd6{std::array<uint16_t, 8>{0x2001, 2, 0, 0, 0, 0, 0, 1}};
constexpr Ipv6Address kRemoteEnd6{std::array<uint16_t, 8>{0x2001, 2, 0, 0, 0, 0, 0, 2}};
constexpr size_t kAddresses4 = 12;  // where the source address lies in the header
constexpr size_t kAddresses6 = 8;

struct InnerEnds {
  Endpoint source;
  Endpoint dest;
  bool opens = false;    // the source connects
  bool answers = false;  // the source was connected to
};

// Of a packet that a host sent to itself.
std::optional<InnerEnds> EndsWithin(const CapturedPacket& packet) {
  const auto ip = ParseIpPacket(packet.bytes);
  if (!ip || ip->is_fragment) return std::nullopt;
  const bool within = ip->source == ip->dest || (ip->source.IsLoopback() && ip->dest.IsLoopback());
  if (!within) return std::nullopt;
  if (const auto tcp = ParseTcpSegment(*ip)) {
    return InnerEnds{tcp->source, tcp->dest, tcp->syn() && !tcp->has_ack(),
                     tcp->syn() && tcp->has_ack()};
  }
  if (const auto udp = ParseUdpDatagram(*ip))
    return InnerEnds{udp->source, udp->dest, false, false};
  return std::nullopt;
}

// Which ports are L's: those connected to; of connections whose beginning is not there, and of
// datagrams, the lower one.
class LocalPorts {
 public:
  void Learn(const InnerEnds& ends) {
    if (ends.opens) served_.insert(ends.dest.port.host());
    if (ends.answers) served_.insert(ends.source.port.host());
  }
  bool IsFromLocal(const InnerEnds& ends) const {
    const bool source = served_.count(ends.source.port.host()) != 0;
    const bool dest = served_.count(ends.dest.port.host()) != 0;
    if (source != dest) return source;
    return ends.source.port.host() < ends.dest.port.host();
  }

 private:
  std::set<uint16_t> served_;
};

// The same packet with other addresses. Its checksums are made right: within a host nobody looks at
// them, and few are computed.
std::vector<uint8_t> WithAddresses(std::span<const uint8_t> bytes, bool from_local) {
  std::vector<uint8_t> packet(bytes.begin(), bytes.end());
  const auto ip = ParseIpPacket(packet);
  const bool v4 = ip->source.is_v4();
  const IpAddress local = v4 ? IpAddress(kLocalEnd4) : IpAddress(kLocalEnd6);
  const IpAddress remote = v4 ? IpAddress(kRemoteEnd4) : IpAddress(kRemoteEnd6);
  const size_t address_bytes = v4 ? sizeof(Ipv4Address) : sizeof(Ipv6Address);
  const auto put = [&](size_t at, const IpAddress& address) {
    const auto& raw = address.v6().bytes();
    std::copy(raw.end() - static_cast<std::ptrdiff_t>(address_bytes), raw.end(),
              packet.begin() + static_cast<std::ptrdiff_t>(at));
  };
  const size_t at = v4 ? kAddresses4 : kAddresses6;
  put(at, from_local ? local : remote);
  put(at + address_bytes, from_local ? remote : local);
  wire::RepairPacketChecksums(packet);
  return packet;
}

}  // namespace

void SeparateEnds(CapturedPackets* packets) {
  LocalPorts ports;
  for (const CapturedPacket& packet : packets->packets) {
    if (const auto ends = EndsWithin(packet)) ports.Learn(*ends);
  }
  uint64_t changed = 0;
  for (CapturedPacket& packet : packets->packets) {
    const auto ends = EndsWithin(packet);
    if (!ends.has_value()) continue;
    const bool from_local = ports.IsFromLocal(*ends);
    const std::span<const uint8_t> data = CutData(packet.bytes, packet.cuts.all());
    for (Cut& cut : packet.cuts.all()) {
      const std::vector<uint8_t> fragment = WithAddresses(FragmentOf(data, cut), from_local);
      std::copy_n(fragment.begin(), cut.header.size(), cut.header.begin());
    }
    packet.bytes = packets->filled.emplace_back(WithAddresses(packet.bytes, from_local));
    packet.source = packet.dest = MacAddress();
    ++changed;
  }
  if (changed == 0) return;
  packets->repairs.push_back(
      absl::StrCat(changed, " packets of a host to itself got addresses of two hosts"));
}

}  // namespace tapedeck::standin
