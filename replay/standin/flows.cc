#include "replay/standin/flows.h"

#include <algorithm>
#include <map>
#include <utility>

#include "stack/wire/ip_protocol.h"

namespace tapedeck::standin {
namespace {

using Ends = std::pair<Endpoint, Endpoint>;  // local, remote

// How far unwrapping has come in one direction.
struct StreamPosition {
  int64_t last = 0;
};

class FlowFinder {
 public:
  FlowFinder(const std::vector<CapturedPacket>& packets, const std::vector<IpAddress>& local,
             Flows* flows)
      : packets_(packets), local_(local), flows_(*flows) {}

  void Find() {
    for (at_ = 0; at_ < packets_.size(); ++at_) Add(packets_[at_]);
  }

 private:
  void Add(const CapturedPacket& packet) {
    const auto ip = ParseIpPacket(packet.bytes);
    if (!ip) return;
    const bool out = IsLocal(ip->source);
    // To everybody on the link: L had it, but no socket of L's address did.
    const bool is_broadcast = ip->dest.is_v4() && packet.dest.IsBroadcast();
    if (!out && !is_broadcast && !IsLocal(ip->dest) && !ip->dest.IsMulticast()) {
      ++flows_.foreign;
      return;
    }
    if (is_broadcast && !out) {
      flows_.others.push_back({&packet, out});
      return;
    }
    if (const auto tcp = ParseTcpSegment(*ip)) {
      AddSegment(packet, *tcp, out);
    } else if (const auto udp = ParseUdpDatagram(*ip)) {
      AddDatagram(packet, *udp, out);
    } else {
      flows_.others.push_back({&packet, out});
    }
  }

  bool IsLocal(const IpAddress& address) const {
    return std::find(local_.begin(), local_.end(), address) != local_.end();
  }

  void AddSegment(const CapturedPacket& packet, const TcpSegment& tcp, bool out) {
    const Ends ends = out ? Ends{tcp.source, tcp.dest} : Ends{tcp.dest, tcp.source};
    auto found = tcp_.find(ends);
    if (found == tcp_.end() || IsNewInstance(found->second, tcp, out)) {
      found = tcp_.insert_or_assign(ends, Open{flows_.tcp.size(), {}}).first;
      flows_.tcp.push_back({ends.first, ends.second, 0, 0, false, false, {}});
    }
    Append(packet, tcp, out, found->second);
  }

  struct Open {
    size_t index = 0;
    StreamPosition progress[2];  // of L's stream, of P's
  };

  // A SYN with another initial number begins a connection anew, once the one before has ended or is
  // older than any that could still go on.
  bool IsNewInstance(const Open& open, const TcpSegment& tcp, bool out) const {
    if (!tcp.syn() || tcp.has_ack()) return false;
    const TcpFlow& flow = flows_.tcp[open.index];
    const bool known = out ? flow.local_known : flow.remote_known;
    const uint32_t initial = out ? flow.local_initial : flow.remote_initial;
    if (!known) return !IsOnlySyn(flow);
    return initial != tcp.seq && !IsChallenged(tcp, out);
  }

  // The other end's SYN alone: two that cross open one connection (RFC 9293 3.5, figure 7).
  static bool IsOnlySyn(const TcpFlow& flow) {
    return std::all_of(flow.segments.begin(), flow.segments.end(), [](const FlowSegment& segment) {
      return segment.tcp.syn() && !segment.tcp.has_ack();
    });
  }

  // Whether the other end answers the SYN `tcp`, of the packet being added, with an ACK of
  // something else: the connection goes on (RFC 5961 4).
  bool IsChallenged(const TcpSegment& tcp, bool out) const {
    constexpr size_t kPacketsMax = 64;
    const size_t end = std::min(packets_.size(), at_ + 1 + kPacketsMax);
    for (size_t i = at_ + 1; i < end; ++i) {
      const auto ip = ParseIpPacket(packets_[i].bytes);
      const auto answer = ip.has_value() ? ParseTcpSegment(*ip) : std::nullopt;
      if (!answer.has_value() || answer->source != tcp.dest || answer->dest != tcp.source) continue;
      const uint32_t expected = tcp.seq + tcp.SequenceLength();
      return !out && !answer->syn() && !answer->rst() && answer->ack != expected;
    }
    return false;
  }

  void Append(const CapturedPacket& packet, const TcpSegment& tcp, bool out, Open& open) {
    TcpFlow& flow = flows_.tcp[open.index];
    LearnInitials(tcp, out, flow);
    FlowSegment segment;
    segment.packet = &packet;
    segment.tcp = tcp;
    segment.out = out;
    StreamPosition& mine = open.progress[out ? 0 : 1];
    const StreamPosition& others = open.progress[out ? 1 : 0];
    segment.seq = Unwrap(tcp.seq, out ? flow.local_initial : flow.remote_initial, mine.last);
    if (tcp.has_ack()) {
      segment.ack = Unwrap(tcp.ack, out ? flow.remote_initial : flow.local_initial, others.last);
    }
    if (!tcp.rst()) mine.last = std::max(mine.last, segment.end());
    flow.segments.push_back(segment);
  }

  // The numbers of SYNs; without any, so that the first byte seen is byte 1.
  static void LearnInitials(const TcpSegment& tcp, bool out, TcpFlow& flow) {
    bool& known = out ? flow.local_known : flow.remote_known;
    uint32_t& initial = out ? flow.local_initial : flow.remote_initial;
    if (!known) {
      initial = tcp.syn() || tcp.rst() ? tcp.seq : tcp.seq - 1;
      known = true;
    }
    if (!tcp.has_ack() || (tcp.rst() && tcp.ack == 0)) return;
    bool& other_known = out ? flow.remote_known : flow.local_known;
    if (other_known) return;
    (out ? flow.remote_initial : flow.local_initial) = tcp.ack - 1;
    other_known = true;
  }

  void AddDatagram(const CapturedPacket& packet, const UdpDatagram& udp, bool out) {
    const Ends ends = out ? Ends{udp.source, udp.dest} : Ends{udp.dest, udp.source};
    const auto [found, is_new] = udp_.emplace(ends, flows_.udp.size());
    if (is_new) flows_.udp.push_back({ends.first, ends.second, {}});
    flows_.udp[found->second].messages.push_back({&packet, udp.payload, out});
  }

  const std::vector<CapturedPacket>& packets_;
  const std::vector<IpAddress>& local_;
  Flows& flows_;
  size_t at_ = 0;  // the packet being added
  std::map<Ends, Open> tcp_;
  std::map<Ends, size_t> udp_;
};

// Packets of a flow that is given up enter as they are. `Part` is a FlowSegment or a UdpMessage.
template <typename Part>
void EnterAsTheyAre(const std::vector<Part>& parts, Flows* flows) {
  for (const Part& part : parts) flows->others.push_back({part.packet, part.out});
}

bool AnySegment(const TcpFlow& flow, bool (*is_it)(const FlowSegment&)) {
  return std::any_of(flow.segments.begin(), flow.segments.end(), is_it);
}

// Without the key nothing can be said in a connection that is signed (RFC 2385, RFC 5925).
bool IsSigned(const TcpFlow& flow) {
  return AnySegment(flow, [](const FlowSegment& segment) { return segment.tcp.signed_by_key; });
}

// Multipath TCP behind the SYNs: no fallback (RFC 8684 3.7), and the data stream is not that of
// this connection alone.
bool IsMultipath(const TcpFlow& flow) {
  return AnySegment(flow, [](const FlowSegment& segment) {
    return segment.tcp.multipath && !segment.tcp.syn() && !segment.tcp.rst();
  });
}

// Returns how many connections `is_raw` holds for.
uint64_t GiveUp(bool (*is_raw)(const TcpFlow&), Flows* flows) {
  for (const TcpFlow& flow : flows->tcp) {
    if (is_raw(flow)) EnterAsTheyAre(flow.segments, flows);
  }
  return std::erase_if(flows->tcp, is_raw);
}

const std::vector<FlowSegment>& PartsOf(const TcpFlow& flow) { return flow.segments; }
const std::vector<UdpMessage>& PartsOf(const UdpFlow& flow) { return flow.messages; }

// Keeps those that `budget` takes.
template <typename Flow>
void GiveUpBeyond(PlanBudget* budget, std::vector<Flow>* all, Flows* flows) {
  size_t kept = 0;
  for (size_t i = 0; i < all->size(); ++i) {
    Flow& flow = (*all)[i];
    if (!budget->Take(flow)) {
      EnterAsTheyAre(PartsOf(flow), flows);
      ++flows->too_many;
    } else if (kept++ != i) {
      (*all)[kept - 1] = std::move(flow);
    }
  }
  all->resize(kept);
  all->shrink_to_fit();
}

}  // namespace

Flows FindFlows(const CapturedPackets& packets, const std::vector<IpAddress>& local,
                PlanBudget* budget) {
  Flows flows;
  FlowFinder(packets.packets, local, &flows).Find();
  flows.signed_by_key = GiveUp(IsSigned, &flows);
  flows.multipath = GiveUp(IsMultipath, &flows);
  GiveUpBeyond(budget, &flows.tcp, &flows);
  GiveUpBeyond(budget, &flows.udp, &flows);
  return flows;
}

SegmentFacts FactsOf(const TcpSegment& tcp, int64_t seq, int64_t ack, uint32_t acked_initial) {
  SegmentFacts facts;
  facts.seq = seq;
  facts.length = static_cast<uint32_t>(tcp.payload.size());
  facts.flags = tcp.flags;
  facts.ack = tcp.has_ack() ? ack : 0;
  facts.window = tcp.window;
  facts.mss = tcp.mss;
  facts.window_scale = tcp.window_scale;
  facts.sack_permitted = tcp.sack_permitted;
  facts.timestamps = tcp.timestamps.has_value();
  for (size_t i = 0; i < tcp.sacks.count; ++i) {
    const wire::TcpSackBlock& block = tcp.sacks.block[i];
    facts.sack_edges.Add(Unwrap(block.left.value(), acked_initial, ack));
    facts.sack_edges.Add(Unwrap(block.right.value(), acked_initial, ack));
  }
  return facts;
}

}  // namespace tapedeck::standin
