#include "replay/standin/roles.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/standin/packet.h"
#include "replay/trace/stable_sort.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::standin {
namespace {

// The three times of a handshake.
struct Handshake {
  int64_t syn_ns = -1;
  int64_t syn_ack_ns = -1;
  bool counted = false;
};
using Ends = std::pair<Endpoint, Endpoint>;  // who connected, who answered

class Ranking {
 public:
  void Add(const CapturedPacket& packet) {
    const auto ip = ParseIpPacket(packet.bytes);
    if (!ip || ip->source.IsMulticast() || ip->dest.IsMulticast()) return;
    if (ip->source.IsAny() || ip->dest.IsAny()) return;
    if (ip->protocol != wire::kIpProtoTcp && ip->protocol != wire::kIpProtoUdp) return;
    HostCandidate& source = Of(ip->source);
    HostCandidate& dest = Of(ip->dest);
    ++source.packets_sent;
    ++dest.packets_received;
    if (!packet.source.IsZero()) source.mac = packet.source;
    if (!packet.dest.IsZero() && !packet.dest.IsMulticast() && dest.mac.IsZero()) {
      dest.mac = packet.dest;
    }
    if (packet.direction == capture::Direction::kInbound) ++dest.told_local;
    if (packet.direction == capture::Direction::kOutbound) ++source.told_local;
    if (const auto segment = ParseTcpSegment(*ip)) AddSegment(*segment, packet.time_ns);
  }

  std::vector<HostCandidate> Finish() && {
    std::vector<HostCandidate> ranked;
    for (auto& [address, candidate] : candidates_) {
      if (candidate.packets_sent == 0 || candidate.packets_received == 0) continue;
      ranked.push_back(std::move(candidate));
    }
    StableSort(&ranked, IsLikelier);
    return ranked;
  }

 private:
  static bool IsLikelier(const HostCandidate& a, const HostCandidate& b) {
    if (a.address.IsLoopback() != b.address.IsLoopback()) return b.address.IsLoopback();
    if (a.told_local != b.told_local) return a.told_local > b.told_local;
    if (a.near_handshakes != b.near_handshakes) return a.near_handshakes > b.near_handshakes;
    if (a.packets_received != b.packets_received) return a.packets_received > b.packets_received;
    return a.address < b.address;
  }

  HostCandidate& Of(const IpAddress& address) {
    HostCandidate& candidate = candidates_[address];
    candidate.address = address;
    return candidate;
  }

  void AddSegment(const TcpSegment& segment, int64_t time_ns) {
    if (segment.syn() && !segment.has_ack()) {
      handshakes_[{segment.source, segment.dest}] = {time_ns, -1, false};
      return;
    }
    if (segment.syn()) {
      const auto found = handshakes_.find({segment.dest, segment.source});
      if (found != handshakes_.end() && found->second.syn_ack_ns < 0) {
        found->second.syn_ack_ns = time_ns;
      }
      return;
    }
    const auto found = handshakes_.find({segment.source, segment.dest});
    if (found == handshakes_.end() || found->second.counted) return;
    Handshake& handshake = found->second;
    if (handshake.syn_ack_ns < 0) return;
    handshake.counted = true;
    // The side whose answer took less time is the side at which the capture was made.
    const bool server_near =
        handshake.syn_ack_ns - handshake.syn_ns <= time_ns - handshake.syn_ack_ns;
    HostCandidate& near = Of(server_near ? segment.dest.address : segment.source.address);
    HostCandidate& far = Of(server_near ? segment.source.address : segment.dest.address);
    ++near.near_handshakes;
    ++far.far_handshakes;
  }

  std::map<IpAddress, HostCandidate> candidates_;
  std::map<Ends, Handshake> handshakes_;
};

std::string ReasonFor(const HostCandidate& chosen) {
  if (chosen.told_local != 0) {
    return absl::StrCat("the capture says so of ", chosen.told_local, " packets");
  }
  if (chosen.near_handshakes != 0) {
    return absl::StrCat("it answered faster in ", chosen.near_handshakes, " of ",
                        chosen.near_handshakes + chosen.far_handshakes, " handshakes");
  }
  return absl::StrCat("it received most packets, ", chosen.packets_received);
}

}  // namespace

std::vector<HostCandidate> RankHosts(const CapturedPackets& packets) {
  Ranking ranking;
  for (const CapturedPacket& packet : packets.packets) ranking.Add(packet);
  return std::move(ranking).Finish();
}

RoleChoice ChooseRole(const CapturedPackets& packets, const std::optional<IpAddress>& wanted) {
  const std::vector<HostCandidate> ranked = RankHosts(packets);
  RoleChoice choice;
  const HostCandidate* chosen = ranked.empty() ? nullptr : ranked.data();
  if (wanted.has_value()) {
    chosen = nullptr;
    for (const HostCandidate& candidate : ranked) {
      if (candidate.address == *wanted) chosen = &candidate;
    }
    choice.addresses = {*wanted};
    choice.reason = "it was asked for";
  }
  if (chosen == nullptr) return choice;
  choice.mac = chosen->mac;
  if (!wanted.has_value()) {
    choice.addresses = {chosen->address};
    choice.reason = ReasonFor(*chosen);
  }
  // The same host's address of the other family: the best at the same MAC address.
  for (const HostCandidate& other : ranked) {
    if (choice.mac.IsZero() || other.mac != choice.mac) continue;
    if (other.address.family() == chosen->address.family()) continue;
    choice.addresses.push_back(other.address);
    break;
  }
  return choice;
}

}  // namespace tapedeck::standin
