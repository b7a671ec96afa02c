#include "replay/standin/plan_budget.h"

#include <algorithm>
#include <cstdint>
#include <iterator>
#include <limits>

#include "replay/standin/flows.h"

namespace tapedeck::standin {
namespace {

// Measured as growth of a process, of flows and packets that are as short as they can be.
// What is there whatever is played: 64 MiB less the program itself and an idle Lab.
constexpr int64_t kFreeBytes = int64_t{40} << 20;
// A record's header, and what the plan and the run keep of a packet beside its bytes.
constexpr int64_t kRecordBytes = 16;
constexpr int64_t kPacketBytes = 280;
constexpr int64_t kFileShare = 4;
// Plan, state and verdict of a flow; its socket, threads and what waits in it.
constexpr int64_t kFlowBytes = 2'048;
constexpr int64_t kOpenBytes = 12'288;
// A permanent entry of the neighbour table, and in the plan.
constexpr int64_t kNeighbourBytes = 512;

// When both ends have closed the connection, or one has reset it; never where none has.
int64_t EndOf(const TcpFlow& flow) {
  bool fin[2] = {false, false};
  for (const FlowSegment& segment : flow.segments) {
    if (segment.tcp.fin()) fin[segment.out ? 1 : 0] = true;
    if (segment.tcp.rst() || (fin[0] && fin[1])) return segment.time_ns();
  }
  return std::numeric_limits<int64_t>::max();
}

}  // namespace

PlanBudget::PlanBudget(const CapturedPackets& packets) : bytes_max_(kFreeBytes) {
  for (const CapturedPacket& packet : packets.packets) {
    const auto bytes = static_cast<int64_t>(packet.bytes.size());
    const auto records = std::max<int64_t>(1, std::ssize(packet.cuts.all()));
    bytes_max_ += kFileShare * (bytes + records * kRecordBytes) - (bytes + records * kPacketBytes);
  }
}

bool PlanBudget::Take(const TcpFlow& flow) {
  const int64_t start_ns = flow.segments.front().time_ns();
  while (!ends_ns_.empty() && ends_ns_.top() < start_ns) {
    ends_ns_.pop();
    used_bytes_ -= kOpenBytes;
  }
  if (flows_ == kPlanFlowsMax || !Fits(kFlowBytes + kOpenBytes)) return false;
  ++flows_;
  used_bytes_ += kFlowBytes + kOpenBytes;
  ends_ns_.push(EndOf(flow));
  return true;
}

bool PlanBudget::Take(const UdpFlow& flow) {
  const int64_t bytes = kFlowBytes + (ports_.count(flow.local) == 0 ? kOpenBytes : 0);
  if (flows_ == kPlanFlowsMax || !Fits(bytes)) return false;
  ++flows_;
  used_bytes_ += bytes;
  ports_.insert(flow.local);
  return true;
}

bool PlanBudget::TakeNeighbour() {
  if (!Fits(kNeighbourBytes)) return false;
  used_bytes_ += kNeighbourBytes;
  return true;
}

}  // namespace tapedeck::standin
