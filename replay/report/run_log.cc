#include "replay/report/run_log.h"

#include <algorithm>

#include "replay/trace/stable_sort.h"
#include "stack/wire/describe.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/tcp.h"

namespace tapedeck::report {

namespace {

// Takes a segment into what is known of its side of the flow.
void AddSegment(Flow* flow, size_t side, const TcpFields& tcp) {
  if ((tcp.flags & wire::kTcpSyn) != 0) flow->window_shift[side] = tcp.window_shift;
  const uint32_t length = static_cast<uint32_t>(tcp.end() - tcp.seq);
  if (!flow->base[side].has_value()) {
    flow->base[side] = tcp.seq;
    flow->highest[side] = tcp.seq;
  }
  if (length != 0 && tcp.end().AtOrBefore(flow->highest[side])) ++flow->resent_frames[side];
  flow->highest[side] = SeqMax(flow->highest[side], tcp.end());
  flow->payload_bytes[side] += tcp.payload_bytes;
}

// Of equal times in their order. (std::stable_sort asks for what C++17 has deprecated.)
void SortByTime(std::vector<LoggedEvent>* all) {
  std::sort(all->begin(), all->end(), [](const LoggedEvent& a, const LoggedEvent& b) {
    return a.time != b.time ? a.time < b.time : a.event < b.event;
  });
}

}  // namespace

uint64_t Flow::WindowBytes(const LoggedFrame& frame) const {
  const size_t side = frame.received ? 1 : 0;
  const bool scaled = window_shift[0].has_value() && window_shift[1].has_value() &&
                      (frame.tcp->flags & wire::kTcpSyn) == 0;
  return uint64_t{frame.tcp->window} << (scaled ? *window_shift[side] : 0);
}

std::string Flow::ToString() const {
  return wire::IpProtocolName(protocol) + " " + EndpointText(local) + " - " + EndpointText(remote);
}

void RunLog::Stretch(SimTime first, SimTime last) {
  if (empty_) start_ = first;
  empty_ = false;
  start_ = std::min(start_, first);
  end_ = std::max(end_, last);
}

void RunLog::AddFrame(uint64_t number, const TraceEvent& event) {
  if (frames_.size() >= limits_.frames) {
    ++frames_left_out_;
    return;
  }
  const bool bare_ip = (event.args[3] & kWireFlagIp) != 0;
  LoggedFrame frame;
  frame.event = number;
  frame.first_bit = {event.args[2]};
  frame.time = event.time;
  frame.host = event.host;
  frame.received = event.kind == TraceKind::kWireRx;
  frame.frame_id = static_cast<uint32_t>(event.args[0]);
  frame.bytes = static_cast<uint32_t>(event.bytes.size());
  frame.text = bare_ip ? wire::DescribePacket(event.bytes) : wire::DescribeFrame(event.bytes);
  const auto index = static_cast<uint32_t>(frames_.size());
  if (std::optional<PacketFields> fields = ParsePacketFields(event.bytes, bare_ip)) {
    const Endpoint& local = frame.received ? fields->destination : fields->source;
    const Endpoint& remote = frame.received ? fields->source : fields->destination;
    const auto [place, is_new] =
        flow_of_.try_emplace(FlowKey{event.host, fields->protocol, local.address, local.port.host(),
                                     remote.address, remote.port.host()},
                             static_cast<int32_t>(flows_.size()));
    if (is_new) {
      Flow flow;
      flow.host = event.host;
      flow.protocol = fields->protocol;
      flow.local = local;
      flow.remote = remote;
      flows_.push_back(std::move(flow));
    }
    frame.flow = place->second;
    Flow& flow = flows_[static_cast<size_t>(frame.flow)];
    flow.frames.push_back(index);
    if (fields->tcp.has_value()) AddSegment(&flow, frame.received ? 1 : 0, *fields->tcp);
    frame.tcp = std::move(fields->tcp);
  }
  if (frame.received) waiting_[{event.host, frame.frame_id}] = index;
  Stretch(std::min(frame.first_bit, frame.time), frame.time);
  frames_.push_back(std::move(frame));
}

void RunLog::Settle(const TraceEvent& event, const FrameLedger& ledger) {
  const auto id = static_cast<uint32_t>(event.args[0]);
  const FrameLedger::Frame* const known = ledger.Find(id);
  const auto waiting = waiting_.find({event.host, id});
  if (known == nullptr || waiting == waiting_.end() || known->fate == FrameLedger::Fate::kQueued) {
    return;
  }
  LoggedFrame& frame = frames_[waiting->second];
  frame.fate = known->fate;
  frame.reason = known->reason;
  frame.settled = event.time;
  if (frame.fate == FrameLedger::Fate::kDropped && frame.flow >= 0) {
    ++flows_[static_cast<size_t>(frame.flow)].dropped;
  }
  waiting_.erase(waiting);
}

void RunLog::OnDma(const DmaTransfer& transfer) {
  if (transfers_.size() >= limits_.events) return;
  Stretch(transfer.from, transfer.to);
  transfers_.push_back(transfer);
}

void RunLog::Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) {
  ++counts_[static_cast<size_t>(event.kind)];
  hosts_ = std::max(hosts_, event.host + 1);
  if (event.kind == TraceKind::kWireRx || event.kind == TraceKind::kWireTx) {
    AddFrame(number, event);
    return;
  }
  const bool is_drop = event.kind == TraceKind::kDrop || event.kind == TraceKind::kNicDrop;
  if (is_drop) ++drops_[static_cast<DropReason>(event.args[1])];
  const bool arrived = event.kind == TraceKind::kDeliver || event.kind == TraceKind::kForward;
  if (is_drop || arrived) Settle(event, ledger);
  if (events_.size() >= limits_.events) {
    ++events_left_out_;
    return;
  }
  Stretch(event.time, event.time);
  events_.push_back({.event = number,
                     .time = event.time,
                     .kind = event.kind,
                     .host = event.host,
                     .cpu = event.cpu,
                     .args = {event.args[0], event.args[1], event.args[2], event.args[3]}});
  LoggedEvent& logged = events_.back();
  logged.has_address =
      event.kind == TraceKind::kNeighState && event.bytes.size() == logged.address.size();
  if (logged.has_address) {
    std::copy(event.bytes.begin(), event.bytes.end(), logged.address.begin());
  }
}

void RunLog::Finish() {
  SortByTime(&events_);
  StableSort(&transfers_,
             [](const DmaTransfer& a, const DmaTransfer& b) { return a.from < b.from; });
  std::vector<uint32_t> order(frames_.size());
  for (uint32_t i = 0; i < order.size(); ++i) order[i] = i;
  std::sort(order.begin(), order.end(), [this](uint32_t a, uint32_t b) {
    return frames_[a].time != frames_[b].time ? frames_[a].time < frames_[b].time : a < b;
  });
  std::vector<LoggedFrame> sorted;
  sorted.reserve(frames_.size());
  for (Flow& flow : flows_) flow.frames.clear();
  for (const uint32_t i : order) {
    const LoggedFrame& frame = frames_[i];
    if (frame.flow >= 0) {
      flows_[static_cast<size_t>(frame.flow)].frames.push_back(
          static_cast<uint32_t>(sorted.size()));
    }
    sorted.push_back(std::move(frames_[i]));
  }
  frames_ = std::move(sorted);
  waiting_.clear();
}

std::vector<QueuedStep> QueuedFrames(const RunLog& log, uint8_t host) {
  std::map<SimTime, int64_t> change;
  for (const LoggedFrame& frame : log.frames()) {
    if (!frame.received || frame.host != host) continue;
    ++change[frame.time];
    if (frame.fate != FrameLedger::Fate::kQueued) --change[std::max(frame.settled, frame.time)];
  }
  std::vector<QueuedStep> steps;
  int64_t queued = 0;
  for (const auto& [time, by] : change) {
    if (by == 0) continue;
    queued += by;
    steps.push_back({time, queued});
  }
  return steps;
}

}  // namespace tapedeck::report
