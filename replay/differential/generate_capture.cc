// The frames of a capture towards one host, which both stacks are in turn. What that host did of
// itself (connections, data) its sockets do again; numbers that it chose are replaced by those that
// the stack chooses. Each capture first as it is, then with frames lost, doubled and exchanged.
#include <algorithm>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "replay/differential/captures.h"
#include "replay/differential/generate.h"
#include "replay/differential/live_numbers.h"
#include "stack/base/byteorder.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/tcp.h"

namespace tapedeck::differential {

namespace {

constexpr size_t kFramesMax = 80;
// Slots of CallStep: sockets for datagrams, listeners, connections.
constexpr int kUdpSlots = 2;
constexpr int kListenerSlots = 2;
constexpr int kFirstConnection = kUdpSlots + kListenerSlots;
constexpr uint32_t kRoom = 4'000;
// When and in which packets more than this leaves follows the round-trip time that was measured:
// nothing is written before the last was acknowledged.
constexpr int32_t kWriteMax = 1'000;

class CapturePlayer {
 public:
  CapturePlayer(CaseBuilder& builder, const Capture& capture)
      : builder_(builder), capture_(capture) {}

  void Play(bool disturbed) {
    for (const IpAddress& address : capture_.host) {
      const bool own = std::any_of(std::begin(kPortPlans), std::end(kPortPlans),
                                   [&](const PortPlan& plan) { return address == plan.address6; });
      if (!own) builder_.built().addresses.push_back(address);
    }
    std::vector<std::vector<uint8_t>> frames(
        capture_.frames.begin(),
        capture_.frames.begin() +
            static_cast<ptrdiff_t>(std::min(capture_.frames.size(), kFramesMax)));
    for (const std::vector<uint8_t>& frame : frames) LearnPorts(frame);
    OpenSockets();
    if (disturbed) Disturb(&frames);
    for (const std::vector<uint8_t>& frame : frames) {
      if (IsFromHost(frame)) {
        Act(frame);
      } else if (IsToHost(frame)) {
        Deliver(frame);
      }
    }
  }

 private:
  struct Connection {
    uint32_t isn = 0;
    uint32_t sent = 0;   // the end of what the host has sent
    uint32_t acked = 0;  // and of what was acknowledged
    int slot = -1;
  };

  static MacAddress MacAt(const std::vector<uint8_t>& frame, size_t offset) {
    return MacAddress(std::span<const uint8_t, 6>(frame.data() + offset, 6));
  }
  bool IsFromHost(const std::vector<uint8_t>& frame) const {
    return frame.size() >= sizeof(wire::EthernetHeader) && MacAt(frame, 6) == capture_.host_mac;
  }
  bool IsToHost(const std::vector<uint8_t>& frame) const {
    if (frame.size() < sizeof(wire::EthernetHeader)) return false;
    const MacAddress to = MacAt(frame, 0);
    return to == capture_.host_mac || to.IsMulticast();
  }
  static const wire::TcpHeader& HeaderOf(const std::vector<uint8_t>& frame, const TcpPlace& place) {
    return *reinterpret_cast<const wire::TcpHeader*>(frame.data() + place.offset);
  }

  // Which ports the host answers on.
  void LearnPorts(const std::vector<uint8_t>& frame) {
    if (!IsFromHost(frame)) return;
    if (const std::optional<TcpPlace> tcp = FindTcp(frame); tcp.has_value()) {
      const wire::TcpHeader& header = HeaderOf(frame, *tcp);
      if (header.syn() && header.ack()) listeners_.insert(tcp->flow.local);
      return;
    }
    const auto ip = wire::ParseIpv4(std::span(frame).subspan(sizeof(wire::EthernetHeader)));
    if (LoadBe16(frame.data() + 12) != wire::kEtherTypeIpv4 || !ip.ok()) return;
    const bool first = ip->header->protocol == wire::kIpProtoUdp && ip->header->offset_bytes() == 0;
    if (first && ip->payload.size() >= 8) udp_ports_.insert(LoadBe16(ip->payload.data()));
  }

  void OpenSockets() {
    int slot = 0;
    for (const uint16_t port : udp_ports_) {
      if (slot == kUdpSlots) break;
      builder_.Call(CallName::kSocket, slot, kAfInet, SOCK_DGRAM, 0);
      builder_.CallWith(CallName::kBind, slot++, {kIpv4Any, port});
    }
    slot = kUdpSlots;
    for (const Endpoint& local : listeners_) {
      if (slot == kFirstConnection) break;
      builder_.Call(CallName::kSocket, slot, local.address.is_v4() ? kAfInet : kAfInet6,
                    SOCK_STREAM, 0);
      builder_.CallWith(CallName::kBind, slot, local);
      builder_.Call(CallName::kListen, slot, 16);
      listener_slots_[local] = slot++;
    }
  }

  void Disturb(std::vector<std::vector<uint8_t>>* frames) {
    const uint32_t count = 1 + builder_.Below(4);
    for (uint32_t i = 0; i < count && frames->size() > 1; ++i) {
      const auto at =
          static_cast<ptrdiff_t>(builder_.Below(static_cast<uint32_t>(frames->size() - 1)));
      switch (builder_.Below(3)) {
        case 0:
          frames->erase(frames->begin() + at);
          break;
        case 1: {
          std::vector<uint8_t> twice = (*frames)[static_cast<size_t>(at)];
          frames->insert(frames->begin() + at, std::move(twice));
          break;
        }
        default:
          std::swap((*frames)[static_cast<size_t>(at)], (*frames)[static_cast<size_t>(at) + 1]);
          break;
      }
    }
  }

  // What the captured host sent: its connections, its data, their end.
  void Act(const std::vector<uint8_t>& frame) {
    const std::optional<TcpPlace> place = FindTcp(frame);
    if (!place.has_value()) return;
    const wire::TcpHeader& header = HeaderOf(frame, *place);
    Connection& connection = connections_[place->flow];
    const uint32_t seq = header.seq.host();
    if (header.syn()) {
      connection.isn = seq;
      connection.sent = seq + 1;
      if (!header.ack() && connection.slot < 0) Connect(place->flow, &connection);
      return;
    }
    if (connection.slot < 0) return;
    const auto bytes = static_cast<uint32_t>(place->end - place->offset - header.header_bytes());
    const uint32_t end = seq + bytes;
    const auto fresh = static_cast<int32_t>(end - connection.sent);
    if (fresh > 0 && static_cast<int32_t>(connection.acked - connection.sent) >= 0) {
      const auto written = static_cast<size_t>(std::min(fresh, kWriteMax));
      builder_.Call(CallName::kSendto, connection.slot).data.assign(written, 'x');
    }
    if (fresh > 0) connection.sent = end;
    if (header.fin()) builder_.Call(CallName::kShutdown, connection.slot, 1);
  }

  void Connect(const Flow& flow, Connection* connection) {
    if (next_slot_ == CallStep::kSlots) return;
    connection->slot = next_slot_++;
    builder_.Call(CallName::kSocket, connection->slot,
                  flow.local.address.is_v4() ? kAfInet : kAfInet6, SOCK_STREAM, 0);
    builder_.CallWith(CallName::kBind, connection->slot, flow.local);
    builder_.CallWith(CallName::kConnect, connection->slot, flow.peer);
  }

  void Deliver(std::vector<uint8_t> frame) {
    const MacAddress& ours = kPortPlans[0].mac;
    if (MacAt(frame, 0) == capture_.host_mac) {
      std::copy(ours.bytes().begin(), ours.bytes().end(), frame.begin());
    }
    const std::optional<TcpPlace> place = FindTcp(frame);
    if (!place.has_value()) {
      builder_.Frame(0, frame);
      if (!udp_ports_.empty() && builder_.OneIn(2)) ReadFrom(0);
      return;
    }
    const Flow flow{place->flow.peer, place->flow.local};  // as the host sees it
    Connection& connection = connections_[flow];
    std::optional<uint32_t> acked;
    if (HeaderOf(frame, *place).ack()) acked = HeaderOf(frame, *place).ack_seq.host();
    std::vector<LivePatch> patches = Relate(flow, *place, connection, &frame);
    builder_.Frame(0, frame, std::move(patches));
    const wire::TcpHeader& header = HeaderOf(frame, *place);
    if (acked.has_value()) connection.acked = *acked;
    if (!header.syn() && header.ack() && connection.slot < 0) Accept(flow, &connection);
    if (connection.slot >= 0 && place->end > place->offset + header.header_bytes()) {
      ReadFrom(connection.slot);
    }
  }

  void ReadFrom(int slot) { builder_.Call(CallName::kRecvfrom, slot).room = kRoom; }

  void Accept(const Flow& flow, Connection* connection) {
    const auto listener = listener_slots_.find(flow.local);
    if (listener == listener_slots_.end() || next_slot_ == CallStep::kSlots) return;
    connection->slot = next_slot_++;
    builder_.Call(CallName::kAccept, listener->second, connection->slot);
  }

  // Makes the acknowledgment and the echoed timestamp follow the stack's numbers.
  static std::vector<LivePatch> Relate(const Flow& flow, const TcpPlace& place,
                                       const Connection& connection, std::vector<uint8_t>* frame) {
    std::vector<LivePatch> patches;
    const wire::TcpHeader& header = HeaderOf(*frame, place);
    if (!header.ack() || connection.isn == 0) return patches;
    const auto check_at = static_cast<uint16_t>(place.offset + offsetof(wire::TcpHeader, check));
    const auto ack_at = static_cast<uint16_t>(place.offset + offsetof(wire::TcpHeader, ack_seq));
    AddToField(*frame, ack_at, check_at, 0U - connection.isn);
    patches.push_back({LivePatch::What::kIsn, ack_at, check_at, flow});
    const size_t tsval = FindTsval(std::span(*frame).subspan(place.offset, header.header_bytes()));
    if (tsval == 0) return patches;
    const auto echo_at = static_cast<uint16_t>(place.offset + tsval + 4);
    AddToField(*frame, echo_at, check_at, 0U - LoadBe32(frame->data() + echo_at));
    patches.push_back({LivePatch::What::kTsval, echo_at, check_at, flow});
    return patches;
  }

  CaseBuilder& builder_;
  const Capture& capture_;
  std::set<uint16_t> udp_ports_;
  std::set<Endpoint> listeners_;
  std::map<Endpoint, int> listener_slots_;
  std::map<Flow, Connection> connections_;
  int next_slot_ = kFirstConnection;
};

}  // namespace

void GenerateCapture(CaseBuilder& builder) {
  const std::span<const Capture> captures = builder.captures();
  const uint64_t number = builder.built().number;
  CapturePlayer(builder, captures[number % captures.size()]).Play(number >= captures.size());
}

}  // namespace tapedeck::differential
