#include "replay/standin/executor.h"

#include <algorithm>

#include "replay/standin/flows.h"
#include "replay/standin/neighbours.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::standin {
namespace {

// The run begins at a time with the capture's remainder of this, so that ticks and levels of timer
// wheels fall where they fell: 4096 ticks of 10 ms, and a whole number of any faster one.
constexpr uint64_t kPhaseNs = 40'960'000'000;
SimTime AlignedStart(SimTime ready, int64_t start_ns) {
  const uint64_t phase = static_cast<uint64_t>(std::max<int64_t>(start_ns, 0)) % kPhaseNs;
  const uint64_t ready_ns = ready.ns() + 1;
  uint64_t start = ready_ns - ready_ns % kPhaseNs + phase;
  if (start < ready_ns) start += kPhaseNs;
  return SimTime::At(Duration::Nanoseconds(start));
}

}  // namespace

const char* TimingName(Timing timing) {
  switch (timing) {
    case Timing::kReactive:
      return "reactive";
    case Timing::kAbsolute:
      return "absolute";
    case Timing::kFast:
      return "fast";
  }
  return "";
}

StandIn::StandIn(const Plan& plan, const StandInOptions& options, Arena* arena)
    : plan_(plan), timing_(options.timing), settle_(options.settle), stimuli_(plan) {
  BuildHost(options, arena);
  start_ = AlignedStart(lab_->world().now(), plan.start_ns);
  opens_.assign(plan.flows.size(), false);
  for (uint32_t i = 0; i < plan.flows.size(); ++i) {
    const PlanFlow& flow = plan.flows[i];
    index_[{flow.local, flow.remote}].push_back(i);
    if (flow.role == Role::kActive) opens_[i] = true;
  }
  for (const Stimulus& stimulus : plan.stimuli) {
    if (stimulus.flow == kNoFlow) continue;
    const auto ip = ParseIpPacket(stimulus.packet);
    const auto tcp = ip.has_value() ? ParseTcpSegment(*ip) : std::nullopt;
    if (tcp.has_value() && tcp->syn() && stimulus.skip == SkipCause::kNone) {
      opens_[stimulus.flow] = true;
    }
  }
  state_.flows.resize(plan.flows.size());
}

StandIn::~StandIn() = default;

void StandIn::BuildHost(const StandInOptions& options, Arena* arena) {
  LabOptions lab = options.lab;
  if (lab.hosts.empty()) lab.hosts.emplace_back();
  LabHostOptions& host = lab.hosts[0];
  host.mac = plan_.host_mac;
  host.address = kIpv4Any;
  for (const IpAddress& address : plan_.addresses) {
    if (address.is_v4()) {
      host.address = address.v4();
    } else {
      host.address6 = address.v6();
    }
  }
  host.prefix_length_bits = 32;
  host.prefix6_length_bits = 128;
  host.everything_on_link = true;
  if (plan_.hz != 0) host.hz = plan_.hz;
  latency_ = SendLatency::Measure(lab);
  lab_ = std::make_unique<Lab>(lab, arena);
  if (plan_.mtu_bytes != lab_->device(0)->mtu) {
    CHECK_EQ(dev_set_mtu(lab_->device(0), plan_.mtu_bytes), 0);
  }
  lab_->host(0).kernel().sysctl().Write("net/ipv4/tcp_autocorking", "0");
  for (const auto& [name, value] : plan_.sysctls) {
    lab_->host(0).kernel().sysctl().Write(name, value);
  }
  AddNeighbours();
}

// The captured host knew its neighbours; ours does, too.
void StandIn::AddNeighbours() {
  for (const PlanNeighbour& neighbour : plan_.neighbours) {
    macs_[neighbour.address] = neighbour.mac;
    AddNeighbour(*lab_, neighbour);
  }
}

void StandIn::Start() {
  World& world = lab_->world();
  lab_->port(0).Listen(this, 0);
  world_ = StartApps(lab_->host(0), plan_, index_, start_, latency_);
  const uint16_t source = world.NewEventSource();
  events_.clear();
  for (uint32_t i = 0; i < plan_.flows.size(); ++i) {
    state_.unfinished += stimuli_.Of(i).empty() ? 0 : 1;
  }
  for (uint32_t i = 0; i < plan_.flows.size(); ++i) {
    auto* const event = lab_->arena().New<FlowEvent>(EventKind::kWire, source, &StandIn::OnFlow);
    event->run = this;
    event->flow = i;
    events_.push_back(event);
    Schedule(i, world.now());
  }
  other_event_ = lab_->arena().New<FlowEvent>(EventKind::kWire, source, &StandIn::OnOther);
  other_event_->run = this;
  state_.last_event = start_;
  if (!stimuli_.Others().empty()) {
    const Stimulus& first = plan_.stimuli[stimuli_.Others()[0]];
    world.device_events().Schedule(
        other_event_, start_ + Duration::Nanoseconds(static_cast<uint64_t>(first.time_ns)));
  }
}

int64_t StandIn::SinceStart(SimTime time) const {
  return static_cast<int64_t>(time.ns()) - static_cast<int64_t>(start_.ns());
}

// --- The run. ---

SimTime StandIn::LastThing() const {
  SimTime last = state_.last_event;
  for (uint32_t i = 0; i < world_->sleepers; ++i) {
    last = Later(last, app(world_->sleeping[i]).wakes_at);
  }
  return last;
}

bool StandIn::done() const {
  if (state_.next_other < stimuli_.Others().size() || state_.unfinished != 0) return false;
  return lab_->world().now() >= LastThing() + settle_;
}

bool StandIn::Step() {
  World& world = lab_->world();
  if (state_.next_other < stimuli_.Others().size() || state_.unfinished != 0) {
    return world.Step(SimTime::Never());
  }
  const SimTime limit = LastThing() + settle_;
  if (world.now() >= limit) return false;
  if (!world.Step(limit)) world.RunUntil(limit);
  return true;
}

std::vector<FlowResult> StandIn::Finish() {
  std::vector<FlowResult> results;
  for (uint32_t i = 0; i < plan_.flows.size(); ++i) {
    FlowResult result = std::move(state_.flows[i].result);
    result.error = app(i).error;
    result.read_bytes = app(i).read_bytes;
    result.read_hash = app(i).read_hash.value();
    results.push_back(std::move(result));
  }
  return results;
}

// --- What our host sends. ---

void StandIn::OnFrame(uint8_t, SimTime first_bit, std::span<const uint8_t> frame) {
  const auto ethernet = wire::ParseEthernet(frame);
  if (!ethernet) return;
  const auto ip = ParseIpPacket(ethernet->payload);
  if (!ip) return;
  if (const auto tcp = ParseTcpSegment(*ip)) NoteSegment(first_bit, *tcp);
  if (const auto udp = ParseUdpHeading(*ip)) NoteDatagram(first_bit, *udp);
}

// Of the flows between the same ends, the one whose turn it is.
uint32_t StandIn::FlowSending(const TcpSegment& segment) const {
  const std::pair<Endpoint, Endpoint> ends{segment.source, segment.dest};
  const auto found = index_.find(ends);
  if (found == index_.end()) return kNoFlow;
  const auto current = state_.current.find(ends);
  const std::vector<uint32_t>& flows = found->second;
  if (current == state_.current.end()) return flows.front();
  const uint32_t now = current->second;
  // Our host connects again.
  const FlowState& state = state_.flows[now];
  if (segment.syn() && !segment.has_ack() && state.local_known &&
      state.local_initial != segment.seq) {
    const auto next = std::upper_bound(flows.begin(), flows.end(), now);
    if (next != flows.end()) return *next;
  }
  return now;
}

void StandIn::NoteSegment(SimTime time, const TcpSegment& segment) {
  const uint32_t flow = FlowSending(segment);
  if (flow == kNoFlow) return;
  state_.current[{segment.source, segment.dest}] = flow;
  FlowState& state = state_.flows[flow];
  if (segment.syn() && !state.local_known) {
    state.local_known = true;
    state.local_initial = segment.seq;
  }
  const uint32_t initial = state.local_known ? state.local_initial : segment.seq;
  const int64_t seq = Unwrap(segment.seq, initial, state.sent_end);
  const int64_t ack = Unwrap(segment.ack, plan_.flows[flow].remote_initial, state.received_ack);
  ObservedSegment observed;
  observed.time_ns = SinceStart(time);
  observed.facts = FactsOf(segment, seq, ack, plan_.flows[flow].remote_initial);
  if (segment.timestamps.has_value()) observed.timestamp = segment.timestamps->val;
  if (!segment.rst()) {
    if (observed.facts.end() > state.sent_end || ack > state.received_ack) {
      state.last_progress = time;
      state.idle_checks = 0;
    }
    if (observed.facts.end() > state.sent_end) {
      state.highest.push_back(static_cast<uint32_t>(state.result.sent.size()));
    }
    state.sent_end = std::max(state.sent_end, observed.facts.end());
    if (segment.has_ack()) state.received_ack = std::max(state.received_ack, ack);
  }
  state.result.sent.push_back(std::move(observed));
  Schedule(flow, time);
}

void StandIn::NoteDatagram(SimTime time, const UdpHeading& datagram) {
  const auto found = index_.find({datagram.source, datagram.dest});
  if (found == index_.end()) return;
  const uint32_t flow = found->second.front();
  FlowState& state = state_.flows[flow];
  ++state.datagrams_sent;
  state.datagram_times.push_back(time);
  ObservedSegment observed;
  observed.time_ns = SinceStart(time);
  observed.facts.length = datagram.payload_bytes;
  state.result.sent.push_back(std::move(observed));
  state.last_progress = time;
  state.idle_checks = 0;
  Schedule(flow, time);
}

}  // namespace tapedeck::standin
