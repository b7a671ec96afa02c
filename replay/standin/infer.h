// Inference: from a capture to a plan (replay.md 4.3). It may guess wrong; each guess is named in
// the plan, and a flow it cannot make sense of is left as far as it does, never refused.
#ifndef TAPEDECK_REPLAY_STANDIN_INFER_H_
#define TAPEDECK_REPLAY_STANDIN_INFER_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "replay/capture/record_filter.h"
#include "replay/standin/captured_packets.h"
#include "replay/standin/flows.h"
#include "replay/standin/plan.h"
#include "stack/base/ip_address.h"

namespace tapedeck::standin {

struct InferOptions {
  // L; none: the host nearest to the capture.
  std::optional<IpAddress> host;
  // Whether what only runs show is looked for (fit.h).
  bool fit = true;
  // Asked now and then while it is: whether that ends here.
  std::function<bool()> stop;
  // Records that it does not admit are not looked at. Null: all are.
  std::shared_ptr<capture::RecordFilter> filter = nullptr;
};

// `name` is the capture's. A plan without flows: there is nothing to stand in for.
Plan InferPlan(CapturedPackets packets, const std::string& name, const InferOptions& options);

// --- The parts. ---

// Bytes that were acknowledged but never captured are made up, at most so many in one plan: a
// hostile capture can claim gigabytes. Besides, it may be no more than some times what it holds.
inline constexpr uint64_t kFillerBytesMax = uint64_t{16} << 20;
inline constexpr uint64_t kFillerBytesFree = uint64_t{256} << 10;
inline constexpr uint64_t kFillerPerByte = 4;

struct InferContext {
  const CapturedPackets* packets = nullptr;
  uint64_t filler_left = 0;
};

// What of `plan` one flow is: appended to flows and stimuli (in order within the flow).
void InferTcpFlow(const TcpFlow& flow, InferContext& context, Plan* plan);
void InferUdpFlow(const UdpFlow& flow, InferContext& context, Plan* plan);

// How far from L the capture was made, one way: from the fastest answer of L; 0 where it is less
// than a host may take.
int64_t DistanceFromLocal(const TcpFlow& flow);

// The application's actions, and what it reads, from L's segments (replay.md 4.3, step 9).
void InferApplication(const TcpFlow& flow, int64_t distance_ns, InferContext& context,
                      PlanFlow* plan, std::vector<std::string>* guesses);

// The largest payload of L's segments, by the options of both SYNs.
uint32_t NegotiatedPayload(const TcpFlow& flow);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_INFER_H_
