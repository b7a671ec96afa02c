// Execution: when packets of P enter, as what, and what is done where they cannot.
#include <algorithm>

#include "replay/standin/executor.h"
#include "replay/standin/flows.h"
#include "replay/standin/rewrite.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::standin {
namespace {

// How long a packet that cannot enter waits until somebody looks at its flow: an RTO is no less.
constexpr Duration kStarveCheck = Duration::Milliseconds(250);
// 4.4: 8 x RTO, of 200 ms and doubling checks: the model acknowledges first, then takes over.
constexpr uint32_t kChecksBeforeModel = 8;
constexpr size_t kEchoSearchMax = 4'096;

MacAddress GroupMac(const IpAddress& address) {
  if (!address.IsMulticast()) return kMacBroadcast;
  return address.is_v4() ? MacAddress::ForMulticast(address.v4())
                         : MacAddress::ForMulticast(address.v6());
}

}  // namespace

// --- When the next packet enters. ---

const Stimulus* StandIn::NextOf(uint32_t flow) {
  FlowState& state = state_.flows[flow];
  while (state.next < stimuli_.Of(flow).size()) {
    const Stimulus& stimulus = plan_.stimuli[stimuli_.Of(flow)[state.next]];
    if (stimulus.skip == SkipCause::kNone) return &stimulus;
    ++state.result.skipped;
    Advance(flow);
  }
  return nullptr;
}

void StandIn::Advance(uint32_t flow) {
  FlowState& state = state_.flows[flow];
  if (++state.next == stimuli_.Of(flow).size()) --state_.unfinished;
}

StandIn::Gate StandIn::TcpGate(const FlowState& state, const PlanFlow& flow,
                               const Stimulus& stimulus) const {
  const auto ip = ParseIpPacket(stimulus.packet);
  if (!ip.has_value()) return Gate::kOpen;
  if (const auto quote = ParseIcmpError(*ip)) {
    return state.local_known ? Gate::kOpen : Gate::kUnsent;
  }
  const auto segment = ParseTcpSegment(*ip);
  if (!segment.has_value() || !segment->has_ack()) return Gate::kOpen;
  if (!state.local_known) return Gate::kUnsent;
  if (state.result.starved) return Gate::kOpen;
  const int64_t ack = Unwrap(segment->ack, flow.local_initial, state.sent_end);
  if (segment->rst()) return Gate::kOpen;
  if (ack > state.sent_end) return Gate::kUnsent;
  for (size_t i = 0; i < segment->sacks.count; ++i) {
    const int64_t right =
        Unwrap(segment->sacks.block[i].right.value(), flow.local_initial, state.sent_end);
    if (right > state.sent_end) return Gate::kUnsent;
  }
  return Gate::kOpen;
}

// When the cause of `stimulus` was there; false where it is not yet.
bool StandIn::CauseTime(const FlowState& state, const Stimulus& stimulus, SimTime* time) const {
  const Cause& cause = stimulus.cause;
  *time = start_;
  if (cause.kind == CauseKind::kPrevious) {
    *time = state.last_in == SimTime::Zero() ? start_ : state.last_in;
    return true;
  }
  if (cause.kind == CauseKind::kStart) return true;
  if (plan_.flows[stimulus.flow].protocol == wire::kIpProtoUdp) {
    const auto wanted = static_cast<size_t>(cause.position);
    if (wanted == 0 || wanted > state.datagram_times.size()) return wanted == 0;
    *time = state.datagram_times[wanted - 1];
    return true;
  }
  // What is acknowledged already needs no cause any more.
  if (cause.position <= state.acknowledged) {
    *time = state.last_in == SimTime::Zero() ? start_ : state.last_in;
    return true;
  }
  const std::vector<ObservedSegment>& sent = state.result.sent;
  const auto first =
      std::partition_point(state.highest.begin(), state.highest.end(),
                           [&](uint32_t i) { return sent[i].facts.end() < cause.position; });
  if (first == state.highest.end()) return false;
  uint32_t nth = 0;
  for (size_t i = *first; i < sent.size(); ++i) {
    const SegmentFacts& facts = sent[i].facts;
    const bool reaches = facts.seq < cause.position && cause.position <= facts.end();
    if (!reaches || (facts.flags & wire::kTcpRst) != 0 || ++nth < cause.nth) continue;
    *time = start_ + Duration::Nanoseconds(static_cast<uint64_t>(sent[i].time_ns));
    return true;
  }
  return false;
}

SimTime StandIn::TimeOf(uint32_t flow, const Stimulus& stimulus, SimTime cause) const {
  const SimTime captured = start_ + Duration::Nanoseconds(static_cast<uint64_t>(stimulus.time_ns));
  switch (timing_) {
    case Timing::kReactive:
      return cause + Duration::Nanoseconds(stimulus.cause.gap_ns);
    case Timing::kAbsolute:
      return captured;
    case Timing::kFast:
      return Later(start_, state_.flows[flow].last_in);
  }
  return captured;
}

StandIn::Gate StandIn::GateOf(uint32_t flow, const Stimulus& stimulus, SimTime* earliest) const {
  const FlowState& state = state_.flows[flow];
  const PlanFlow& planned = plan_.flows[flow];
  SimTime cause;
  if (!CauseTime(state, stimulus, &cause)) {
    if (!state.result.starved) return Gate::kUnsent;
    cause = state.last_in;
  }
  if (planned.protocol == wire::kIpProtoTcp && opens_[flow] &&
      TcpGate(state, planned, stimulus) == Gate::kUnsent) {
    return Gate::kUnsent;
  }
  *earliest = TimeOf(flow, stimulus, cause);
  return Gate::kOpen;
}

void StandIn::Schedule(uint32_t flow, SimTime now) {
  EventQueue& queue = lab_->world().device_events();
  FlowEvent* const event = events_[flow];
  const Stimulus* const stimulus = NextOf(flow);
  if (stimulus == nullptr) {
    queue.Cancel(event);
    return;
  }
  FlowState& state = state_.flows[flow];
  if (state.fragments_in != 0 || GateOf(flow, *stimulus, &state.whole_at) == Gate::kOpen) {
    event->is_check = false;
    queue.Schedule(event, Later(EntryOf(state, *stimulus), now));
    return;
  }
  if (event->queued() && event->is_check) return;
  event->is_check = true;
  queue.Schedule(event, now + kStarveCheck);
}

void StandIn::OnFlow(Event* event, SimTime now) {
  auto* const its = static_cast<FlowEvent*>(event);
  if (its->is_check) {
    its->run->CheckStarved(its->flow, now);
  } else {
    its->run->Enter(its->flow, now);
  }
}

void StandIn::OnOther(Event* event, SimTime now) {
  StandIn& run = *static_cast<FlowEvent*>(event)->run;
  const Stimulus& stimulus = run.plan_.stimuli[run.stimuli_.Others()[run.state_.next_other]];
  run.Inject(stimulus, stimulus.packet, now);
  if (++run.state_.next_other == run.stimuli_.Others().size()) return;
  const Stimulus& next = run.plan_.stimuli[run.stimuli_.Others()[run.state_.next_other]];
  run.lab_->world().device_events().Schedule(
      event, Later(now, run.start_ + Duration::Nanoseconds(static_cast<uint64_t>(next.time_ns))));
}

// --- Packets enter. ---

std::optional<uint32_t> StandIn::EchoFor(const FlowState& state, const Stimulus& stimulus) const {
  const std::vector<ObservedSegment>& sent = state.result.sent;
  std::optional<uint32_t> newest;
  size_t looked_at = 0;
  for (auto it = sent.rbegin(); it != sent.rend() && looked_at < kEchoSearchMax;
       ++it, ++looked_at) {
    if (!it->facts.timestamps) continue;
    if (!newest.has_value()) newest = it->timestamp;
    if (stimulus.echo_of.has_value() && it->facts.seq == *stimulus.echo_of) return it->timestamp;
    if (!stimulus.echo_of.has_value()) break;
  }
  return newest;
}

void StandIn::EnterTcp(uint32_t flow, const Stimulus& stimulus, std::vector<uint8_t>* packet,
                       SimTime now) {
  FlowState& state = state_.flows[flow];
  const PlanFlow& planned = plan_.flows[flow];
  const auto ip = ParseIpPacket(*packet);
  const auto segment = ip.has_value() ? ParseTcpSegment(*ip) : std::nullopt;
  if (!segment.has_value()) {
    if (MapQuotedSegment(*packet, state.local_initial - planned.local_initial)) {
      ++state.result.rewritten;
    }
    return;
  }
  if (segment->syn() && !segment->has_ack()) {
    ApplyFlowSettings(lab_->host(0), planned.settings);
    state_.current[{planned.local, planned.remote}] = flow;
  }
  TcpMapping mapping;
  if (state.local_known) {
    mapping.local_difference = state.local_initial - planned.local_initial;
    int64_t ack = Unwrap(segment->ack, planned.local_initial, state.sent_end);
    if (state.result.starved && ack > state.sent_end) {
      ack = state.sent_end;
      mapping.acknowledge = state.local_initial + static_cast<uint32_t>(ack);
    }
    if (segment->has_ack() && !segment->rst()) {
      state.acknowledged = std::max(state.acknowledged, ack);
    }
  }
  if (segment->timestamps.has_value() && segment->timestamps->ecr != 0) {
    mapping.echo = EchoFor(state, stimulus);
  }
  FlowResult::Entered entered;
  entered.time_ns = SinceStart(now);
  entered.facts =
      FactsOf(*segment, Unwrap(segment->seq, planned.remote_initial, state.received_ack),
              Unwrap(segment->ack, planned.local_initial, state.sent_end), planned.local_initial);
  state.result.entered.push_back(std::move(entered));
  if (MapSegment(*packet, mapping)) {
    ++state.result.rewritten;
  } else {
    ++state.result.as_captured;
  }
}

SimTime StandIn::EntryOf(const FlowState& state, const Stimulus& stimulus) const {
  if (stimulus.cuts.empty()) return state.whole_at;
  const auto before = Duration::Nanoseconds(stimulus.cuts.all()[state.fragments_in].before_ns);
  const Duration until_whole = state.whole_at - SimTime::Zero();
  return before < until_whole ? SimTime::At(until_whole - before) : SimTime::Zero();
}

std::vector<uint8_t> StandIn::AsEntering(uint32_t flow, const Stimulus& stimulus, SimTime now) {
  std::vector<uint8_t> packet = stimulus.packet;
  if (plan_.flows[flow].protocol == wire::kIpProtoTcp) {
    EnterTcp(flow, stimulus, &packet, now);
  } else {
    ++state_.flows[flow].result.as_captured;
  }
  return packet;
}

void StandIn::Enter(uint32_t flow, SimTime now) {
  FlowState& state = state_.flows[flow];
  const Stimulus& stimulus = *NextOf(flow);
  const std::span<const Cut> cuts = stimulus.cuts.all();
  std::vector<uint8_t> packet;
  if (state.fragments_in == 0) packet = AsEntering(flow, stimulus, now);
  if (!cuts.empty()) {
    if (state.fragments_in == 0) {
      const std::span<const uint8_t> data = CutData(packet, cuts);
      state.entering.assign(data.begin(), data.end());
    }
    packet = FragmentOf(state.entering, cuts[state.fragments_in]);
    if (++state.fragments_in < cuts.size()) {
      Inject(stimulus, packet, now);
      Schedule(flow, now);
      return;
    }
    state.fragments_in = 0;
    state.entering.clear();
  }
  if (stimulus.from.record == 0) ++state.result.synthetic;
  if (stimulus.from.pieces > 1) ++state.result.split;
  if (SinceStart(now) > stimulus.time_ns + 1'000'000) ++state.result.late;
  Advance(flow);
  state.last_in = now;
  state.last_progress = now;
  state.idle_checks = 0;
  state.result.last_in_ns = SinceStart(now);
  world_->apps[flow].arrived_at = now;
  Inject(stimulus, packet, now);
  Schedule(flow, now);
}

void StandIn::Inject(const Stimulus& stimulus, std::span<const uint8_t> packet, SimTime now) {
  const auto ip = ParseIpPacket(packet);
  if (!ip.has_value()) return;
  state_.last_event = Later(state_.last_event, now);
  wire::EthernetHeader header;
  header.dest = stimulus.to_all ? GroupMac(ip->dest) : plan_.host_mac;
  const auto found = macs_.find(ip->source);
  header.source = found == macs_.end() ? MacAddress{0x02, 0, 0, 0, 0, 0xfe} : found->second;
  header.proto = ip->source.is_v4() ? wire::kEtherTypeIpv4 : wire::kEtherTypeIpv6;
  std::vector<uint8_t> frame(sizeof(header) + packet.size());
  std::memcpy(frame.data(), &header, sizeof(header));
  std::memcpy(frame.data() + sizeof(header), packet.data(), packet.size());
  if (frame.size() > PacketPool::kMaxBytes) return;
  lab_->port(0).Inject(now, frame, /*stable=*/false, 0);
}

// --- Where the capture cannot drive. ---

void StandIn::CheckStarved(uint32_t flow, SimTime now) {
  FlowState& state = state_.flows[flow];
  const FlowApp& its = app(flow);
  EventQueue& queue = lab_->world().device_events();
  // The application will do something: it is waited for.
  if (!its.writer_done && its.wakes_at > now) {
    queue.Schedule(events_[flow], its.wakes_at + kStarveCheck);
    return;
  }
  if (++state.idle_checks >= kChecksBeforeModel) {
    state.result.starved = true;
    state.idle_checks = 0;
    // Nothing of ours to acknowledge, no connection: what is left has nobody to go to.
    if (!state.local_known && plan_.flows[flow].protocol == wire::kIpProtoTcp) {
      while (state.next < stimuli_.Of(flow).size()) {
        ++state.result.skipped;
        Advance(flow);
      }
      return;
    }
    Schedule(flow, now);
    if (events_[flow]->queued()) return;
  } else if (plan_.flows[flow].protocol == wire::kIpProtoTcp && state.local_known &&
             state.sent_end > state.acknowledged) {
    ModelAck(flow, now);
  }
  queue.Schedule(events_[flow], now + kStarveCheck);
}

// P acknowledges what our host has sent so far, with the window of its next captured packet.
void StandIn::ModelAck(uint32_t flow, SimTime now) {
  FlowState& state = state_.flows[flow];
  const Stimulus& next = *NextOf(flow);
  std::vector<uint8_t> packet = next.packet;
  if (!MakePureAck(&packet)) return;
  TcpMapping mapping;
  mapping.acknowledge = state.local_initial + static_cast<uint32_t>(state.sent_end);
  mapping.echo = EchoFor(state, next);
  MapSegment(packet, mapping);
  state.acknowledged = state.sent_end;
  ++state.result.modelled_acks;
  state.last_in = now;
  Inject(next, packet, now);
}

}  // namespace tapedeck::standin
