#include "replay/standin/infer.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/capture/link_layer.h"
#include "replay/standin/delivery.h"
#include "replay/standin/roles.h"
#include "replay/trace/stable_sort.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::standin {
namespace {

constexpr uint32_t kMtuMin = 1280;  // IPv6 asks for so much
constexpr uint32_t kMtuUsual = 1500;
constexpr uint32_t kMtuMax = 9'710;  // of the device
constexpr uint32_t kHeadersV4 = 40;
constexpr uint32_t kHeadersV6 = 60;

MacAddress MadeUpMac(const IpAddress& address) {
  return MacAddress(address.is_v4() ? capture::MacFromIpv4(address.v4().bytes().data())
                                    : capture::MacFromIpv6(address.v6().bytes().data()));
}

// What the device must carry: L's own packets, P's, and what L said in its SYNs.
uint32_t MtuOf(const CapturedPackets& packets, const Flows& flows) {
  size_t largest = kMtuMin;
  for (const CapturedPacket& packet : packets.packets) {
    largest = std::max(largest, LongestPart(packet.bytes, packet.cuts.all()));
  }
  uint32_t told = 0;
  for (const TcpFlow& flow : flows.tcp) {
    for (const FlowSegment& segment : flow.segments) {
      if (!segment.out || !segment.tcp.mss.has_value()) continue;
      const uint32_t headers = flow.local.address.is_v4() ? kHeadersV4 : kHeadersV6;
      told = std::max(told, *segment.tcp.mss + headers);
    }
  }
  if (told == 0) told = kMtuUsual;
  return std::clamp(
      std::max<uint32_t>(told, static_cast<uint32_t>(std::min<size_t>(largest, kMtuMax))), kMtuMin,
      kMtuMax);
}

// Of the flows first; of others as many as there is memory for.
void AddNeighbours(const CapturedPackets& packets, const Flows& flows, PlanBudget* budget,
                   Plan* plan) {
  std::set<IpAddress> remotes;
  for (const TcpFlow& flow : flows.tcp) remotes.insert(flow.remote.address);
  for (const UdpFlow& flow : flows.udp) remotes.insert(flow.remote.address);
  for (size_t i = 0; i < remotes.size(); ++i) (void)budget->TakeNeighbour();
  uint64_t strangers = 0;
  for (const OtherPacket& other : flows.others) {
    const IpPacket ip = other.ip();
    const IpAddress& remote = other.out ? ip.dest : ip.source;
    if (remotes.count(remote) != 0) continue;
    if (budget->TakeNeighbour()) {
      remotes.insert(remote);
    } else {
      ++strangers;
    }
  }
  if (strangers != 0) {
    plan->guesses.push_back(absl::StrCat(strangers,
                                         " packets are to or from hosts that L does not know: more "
                                         "than the size of the capture pays for"));
  }
  for (const IpAddress& address : remotes) {
    if (address.IsMulticast() || address.IsAny()) continue;
    const auto found = packets.neighbours.find(address);
    plan->neighbours.push_back(
        {address, found == packets.neighbours.end() ? MadeUpMac(address) : found->second});
  }
}

// Whether L refused the connection: it answered SYNs with RST alone.
bool WasRefused(const PlanFlow& flow) {
  bool reset = false;
  for (const Expectation& expectation : flow.expected) {
    if ((expectation.facts.flags & wire::kTcpRst) == 0) return false;
    reset = true;
  }
  return reset;
}

// UDP ports of L that nobody had: L said so itself.
std::set<Endpoint> UnreachablePorts(const Flows& flows) {
  std::set<Endpoint> ports;
  for (const OtherPacket& other : flows.others) {
    if (!other.out) continue;
    const auto quote = ParseIcmpError(other.ip());
    if (quote.has_value() && quote->protocol == wire::kIpProtoUdp) ports.insert(quote->dest);
  }
  return ports;
}

// Groups that L sends to: whoever does is a member, or will not hear the answer.
std::set<IpAddress> JoinedGroups(const Flows& flows) {
  std::set<IpAddress> groups;
  for (const UdpFlow& flow : flows.udp) {
    if (flow.remote.address.IsMulticast()) groups.insert(flow.remote.address);
  }
  return groups;
}

// Who listens where, and from when on: behind the last refusal before the first welcome.
void AddListeners(const Flows& flows, Plan* plan) {
  std::map<std::pair<uint8_t, Endpoint>, std::pair<int64_t, int64_t>> ports;  // refused, welcome
  for (const PlanFlow& flow : plan->flows) {
    if (flow.protocol != wire::kIpProtoTcp || flow.role != Role::kPassive) continue;
    auto& [refused_ns, welcome_ns] =
        ports.try_emplace({flow.protocol, flow.local}, -1, -1).first->second;
    const bool answered = !flow.expected.empty();
    if (!answered) continue;
    if (WasRefused(flow)) {
      if (welcome_ns < 0) refused_ns = flow.expected.back().time_ns;
    } else if (welcome_ns < 0) {
      welcome_ns = flow.open_ns;
    }
  }
  for (const auto& [port, times] : ports) {
    if (times.second < 0) continue;
    plan->listeners.push_back({port.first, port.second, times.first + 1});
  }
  const std::set<Endpoint> unreachable = UnreachablePorts(flows);
  const std::set<IpAddress> groups = JoinedGroups(flows);
  std::set<Endpoint> sockets;
  for (PlanFlow& flow : plan->flows) {
    if (flow.protocol != wire::kIpProtoUdp) continue;
    const IpAddress& address = flow.local.address;
    const bool is_heard = !address.IsMulticast() || groups.count(address) != 0;
    if (is_heard && unreachable.count(flow.local) == 0) {
      sockets.insert(flow.local);
    } else {
      flow.read_bytes = 0;
      flow.read_hash = StreamHash().value();
    }
  }
  for (const Endpoint& local : sockets) plan->listeners.push_back({wire::kIpProtoUdp, local, 0});
}

// The flow of the packet that an ICMP error quotes: the last of those with its ends, so far.
uint32_t FlowOf(const Plan& plan, const QuotedPacket& quote) {
  for (size_t i = plan.flows.size(); i-- > 0;) {
    const PlanFlow& flow = plan.flows[i];
    if (flow.protocol == quote.protocol && flow.local == quote.source &&
        flow.remote == quote.dest) {
      return static_cast<uint32_t>(i);
    }
  }
  return kNoFlow;
}

Stimulus OtherStimulus(const CapturedPacket& packet) {
  Stimulus stimulus;
  stimulus.from = packet.from;
  stimulus.time_ns = packet.time_ns;
  stimulus.cause.gap_ns = static_cast<uint64_t>(packet.time_ns);
  stimulus.to_all = packet.dest.IsMulticast();
  stimulus.packet.assign(packet.bytes.begin(), packet.bytes.end());
  return stimulus;
}

// Each fragment for itself.
void AddFragments(const CapturedPacket& packet, Plan* plan) {
  const std::span<const uint8_t> data = CutData(packet.bytes, packet.cuts.all());
  for (const Cut& cut : packet.cuts.all()) {
    Stimulus stimulus = OtherStimulus(packet);
    stimulus.from = cut.from;
    stimulus.time_ns -= static_cast<int64_t>(cut.before_ns);
    stimulus.cause.gap_ns = static_cast<uint64_t>(stimulus.time_ns);
    stimulus.packet = FragmentOf(data, cut);
    plan->stimuli.push_back(std::move(stimulus));
  }
}

void AddOthers(const Flows& flows, Plan* plan) {
  for (const OtherPacket& other : flows.others) {
    if (other.out) continue;
    if (!other.packet->cuts.empty()) {
      AddFragments(*other.packet, plan);
      continue;
    }
    Stimulus stimulus = OtherStimulus(*other.packet);
    if (const auto quote = ParseIcmpError(other.ip())) stimulus.flow = FlowOf(*plan, *quote);
    plan->stimuli.push_back(std::move(stimulus));
  }
}

// What L sent in fragments it had sent with the first of them; P's packets were there with the one
// that made them whole.
void SetTimesOfSending(const std::vector<IpAddress>& local, CapturedPackets* packets) {
  bool any = false;
  for (CapturedPacket& packet : packets->packets) {
    if (packet.cuts.empty()) continue;
    const IpAddress source = ParseIpPacket(packet.bytes)->source;
    if (std::find(local.begin(), local.end(), source) == local.end()) continue;
    packet.time_ns -= static_cast<int64_t>(packet.cuts.all().front().before_ns);
    any = true;
  }
  if (!any) return;
  StableSort(&packets->packets, [](const CapturedPacket& a, const CapturedPacket& b) {
    return a.time_ns < b.time_ns;
  });
}

uint64_t FillerAllowed(const CapturedPackets& packets) {
  uint64_t captured = 0;
  for (const CapturedPacket& packet : packets.packets) captured += packet.bytes.size();
  return std::min(kFillerBytesMax, kFillerBytesFree + kFillerPerByte * captured);
}

}  // namespace

Plan InferPlan(CapturedPackets packets, const std::string& name, const InferOptions& options) {
  Plan plan;
  plan.source = name;
  plan.start_ns = packets.start_ns;
  const RoleChoice role = ChooseRole(packets, options.host);
  const auto is_host = [](const IpAddress& address) {
    return !address.IsAny() && !address.IsLoopback() && !address.IsMulticast();
  };
  if (!std::all_of(role.addresses.begin(), role.addresses.end(), is_host)) return plan;
  if (role.addresses.empty()) return plan;
  plan.addresses = role.addresses;
  plan.host_mac = role.mac.IsValidStation() ? role.mac : MadeUpMac(role.addresses[0]);
  plan.guesses.push_back(absl::StrCat("L is ", role.addresses[0].ToString(), ": ", role.reason));
  plan.guesses.insert(plan.guesses.end(), packets.repairs.begin(), packets.repairs.end());
  SetTimesOfSending(role.addresses, &packets);
  PlanBudget budget(packets);
  Flows flows = FindFlows(packets, role.addresses, &budget);
  for (TcpFlow& flow : flows.tcp) MarkRefused(&flow);
  if (flows.signed_by_key != 0) {
    plan.guesses.push_back(absl::StrCat(flows.signed_by_key,
                                        " connections are signed with a key that is not known: "
                                        "their packets enter as they are"));
  }
  if (flows.multipath != 0) {
    plan.guesses.push_back(absl::StrCat(flows.multipath,
                                        " connections speak Multipath TCP, without a fallback: "
                                        "their packets enter as they are"));
  }
  if (flows.too_many != 0) {
    plan.guesses.push_back(absl::StrCat(flows.too_many, " flows beside the ",
                                        flows.tcp.size() + flows.udp.size(),
                                        " that the size of the capture pays for are not stood in "
                                        "for: their packets enter as they are"));
  }
  plan.mtu_bytes = MtuOf(packets, flows);
  AddNeighbours(packets, flows, &budget, &plan);
  InferContext context;
  context.packets = &packets;
  context.filler_left = FillerAllowed(packets);
  // Address space: a vector that grows would be there twice.
  plan.stimuli.reserve(packets.packets.size());
  plan.flows.reserve(flows.tcp.size() + flows.udp.size());
  for (TcpFlow& flow : flows.tcp) {
    InferTcpFlow(flow, context, &plan);
    flow.segments = std::vector<FlowSegment>();
  }
  for (UdpFlow& flow : flows.udp) {
    InferUdpFlow(flow, context, &plan);
    flow.messages = std::vector<UdpMessage>();
  }
  AddOthers(flows, &plan);
  AddListeners(flows, &plan);
  StableSort(&plan.stimuli,
             [](const Stimulus& a, const Stimulus& b) { return a.time_ns < b.time_ns; });
  return plan;
}

}  // namespace tapedeck::standin
