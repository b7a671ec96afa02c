// The flows between L and P: TCP connections by addresses, ports and instance, UDP by addresses and
// ports, with stream positions unwrapped (replay.md 4.3, step 4).
#ifndef TAPEDECK_REPLAY_STANDIN_FLOWS_H_
#define TAPEDECK_REPLAY_STANDIN_FLOWS_H_

#include <cstdint>
#include <vector>

#include "replay/standin/captured_packets.h"
#include "replay/standin/packet.h"
#include "replay/standin/plan.h"
#include "replay/standin/plan_budget.h"

namespace tapedeck::standin {

// One segment of a connection. A capture may be nothing but short ones, so it is small.
struct FlowSegment {
  const CapturedPacket* packet = nullptr;
  TcpContent tcp;
  int64_t seq = 0;   // in the stream of who sent it
  int64_t ack = 0;   // in the stream of the other; 0 without an ACK
  bool out = false;  // L sent it
  // P sent it, and L did not take its bytes: its timestamp was old (RFC 7323 5.3).
  bool refused = false;
  int64_t end() const { return seq + tcp.SequenceLength(); }
  int64_t time_ns() const { return packet->time_ns; }
  // All of it, read again.
  TcpSegment Whole() const { return *ParseTcpSegment(*ParseIpPacket(packet->bytes)); }
};

struct TcpFlow {
  Endpoint local;
  Endpoint remote;
  uint32_t local_initial = 0;
  uint32_t remote_initial = 0;
  bool local_known = false;  // the initial numbers are those of a SYN, or were acknowledged
  bool remote_known = false;
  std::vector<FlowSegment> segments;
};

struct UdpMessage {
  const CapturedPacket* packet = nullptr;
  std::span<const uint8_t> payload;
  bool out = false;
};
struct UdpFlow {
  Endpoint local;
  Endpoint remote;
  std::vector<UdpMessage> messages;
};

// Of a packet to or from L that belongs to no flow.
struct OtherPacket {
  const CapturedPacket* packet = nullptr;
  bool out = false;
  IpPacket ip() const { return *ParseIpPacket(packet->bytes); }
};

struct Flows {
  std::vector<TcpFlow> tcp;  // in the order of their first packets
  std::vector<UdpFlow> udp;
  std::vector<OtherPacket> others;
  uint64_t foreign = 0;  // packets between others
  // Flows whose packets are among `others`: connections with MD5 or TCP-AO; those of Multipath TCP
  // without a fallback; those beyond what a capture of this size may have.
  uint64_t signed_by_key = 0;
  uint64_t multipath = 0;
  uint64_t too_many = 0;
};

// `local`: L's addresses. Packets to groups count as received. Takes from `budget` what the flows
// will need.
Flows FindFlows(const CapturedPackets& packets, const std::vector<IpAddress>& local,
                PlanBudget* budget);

// What `segment` says, for comparison.
SegmentFacts FactsOf(const TcpSegment& tcp, int64_t seq, int64_t ack, uint32_t acked_initial);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_FLOWS_H_
