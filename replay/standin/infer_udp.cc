// UDP between two ports as a plan: P's datagrams reach L, L's are written when so many were read.
#include <algorithm>

#include "replay/standin/infer.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::standin {

void InferUdpFlow(const UdpFlow& flow, InferContext&, Plan* plan) {
  PlanFlow out;
  out.protocol = wire::kIpProtoUdp;
  out.local = flow.local;
  out.remote = flow.remote;
  const auto index = static_cast<uint32_t>(plan->flows.size());
  const UdpMessage& first = flow.messages.front();
  out.role = first.out ? Role::kActive : Role::kPassive;
  out.open_ns = first.packet->time_ns;
  int64_t received = 0;
  int64_t sent = 0;
  int64_t base_ns = out.open_ns;  // of L's delays: when it had `received`
  int64_t previous_in_ns = -1;
  int64_t last_out_ns = -1;
  StreamHash hash;
  for (const UdpMessage& message : flow.messages) {
    const int64_t now_ns = message.packet->time_ns;
    if (message.out) {
      Action action;
      action.from = message.packet->from;
      action.after = received;
      action.delay_ns = static_cast<uint64_t>(now_ns - base_ns);
      action.data.assign(message.payload.begin(), message.payload.end());
      out.actions.push_back(std::move(action));
      Expectation expectation;
      expectation.from = message.packet->from;
      expectation.time_ns = now_ns;
      expectation.facts.length = static_cast<uint32_t>(message.payload.size());
      out.expected.push_back(std::move(expectation));
      ++sent;
      last_out_ns = now_ns;
      continue;
    }
    Stimulus stimulus;
    stimulus.from = message.packet->from;
    stimulus.flow = index;
    stimulus.time_ns = now_ns;
    stimulus.to_all = message.packet->dest.IsMulticast();
    stimulus.packet.assign(message.packet->bytes.begin(), message.packet->bytes.end());
    stimulus.cuts = message.packet->cuts;
    stimulus.cause.gap_ns = static_cast<uint64_t>(now_ns);
    if (last_out_ns >= 0 && last_out_ns >= previous_in_ns) {
      stimulus.cause = {.kind = CauseKind::kSent,
                        .position = sent,
                        .gap_ns = static_cast<uint64_t>(now_ns - last_out_ns)};
    } else if (previous_in_ns >= 0) {
      stimulus.cause = {.kind = CauseKind::kPrevious,
                        .gap_ns = static_cast<uint64_t>(now_ns - previous_in_ns)};
    }
    plan->stimuli.push_back(std::move(stimulus));
    previous_in_ns = base_ns = now_ns;
    ++received;
    out.read_bytes += message.payload.size();
    hash.Add(message.payload);
  }
  out.read_hash = hash.value();
  plan->flows.push_back(std::move(out));
}

}  // namespace tapedeck::standin
