// TCP: handshakes with all kinds of options, and segments that nobody expects in every state
// (RFC 9293 3.10.7; RFC 5961).
#include "replay/differential/generate.h"
#include "replay/differential/tcp_case.h"
#include "stack/wire/tcp.h"

namespace tapedeck::differential {

namespace {

// Longer segments change the estimate of what a buffer holds, from which kernels have drawn
// different windows (tcp_measure_rcv_mss): they are a kind of their own.
constexpr uint32_t kPayloadMax = 536;
constexpr uint32_t kLongPayloadMax = 1'000;

constexpr uint16_t kFlagSets[] = {
    wire::kTcpAck,
    wire::kTcpAck,
    wire::kTcpAck | wire::kTcpPsh,
    wire::kTcpSyn,
    wire::kTcpSyn | wire::kTcpAck,
    wire::kTcpRst,
    wire::kTcpRst | wire::kTcpAck,
    wire::kTcpFin | wire::kTcpAck,
    wire::kTcpFin,
    0,
    wire::kTcpSyn | wire::kTcpFin,
    wire::kTcpSyn | wire::kTcpRst,
    wire::kTcpAck | wire::kTcpUrg,
};

uint16_t SomeFlags(CaseBuilder& builder) {
  if (builder.OneIn(12)) return static_cast<uint16_t>(builder.Below(512));
  return kFlagSets[builder.Below(static_cast<uint32_t>(std::size(kFlagSets)))];
}

uint32_t Near(CaseBuilder& builder, uint32_t number) {
  switch (builder.Below(8)) {
    case 0:
      return number - 1;
    case 1:
      return number + 1;
    case 2:
      return number + builder.Below(2000);
    case 3:
      return number - builder.Below(2000);
    case 4:
      return number + builder.Pick<uint32_t>({0x7fffffff, 0x80000000, 70'000, 60'000});
    default:
      return number;
  }
}

void TcpSettings(CaseBuilder& builder) {
  builder.SetSome(16, {"net/ipv4/"},
                  {{"tcp_timestamps", 3},
                   {"tcp_sack", 2},
                   {"tcp_window_scaling", 2},
                   {"tcp_ecn", 3},
                   {"tcp_dsack", 2},
                   {"tcp_abort_on_overflow", 2},
                   {"tcp_rfc1337", 2},
                   {"tcp_fastopen", 4},
                   {"tcp_syncookies", 2},
                   {"tcp_early_demux", 2},
                   {"tcp_stdurg", 2}});
}

// What the peer has sent and has been sent so far, roughly: segments are chosen around it.
struct Position {
  uint32_t seq = 1;
  uint32_t ack = 1;
  uint32_t acked = 1;  // the highest that it has acknowledged
  bool timestamps = false;
  uint32_t payload_max = kPayloadMax;  // bytes
};

// Kernels before 7.2 read data beside an old acknowledgment without looking at that
// (tcp_rcv_established), and do not take over its timestamp (tcp_ack).
void KeepOldAckPlain(const Position& at, TcpSegment* segment) {
  if (static_cast<int32_t>(segment->ack - at.acked) >= 0 && !segment->fixed_ack) return;
  segment->payload_bytes = 0;
  segment->tsval = TcpSegment().tsval;
}

void SendSome(TcpCase& tcp, Position* at) {
  CaseBuilder& builder = tcp.builder();
  TcpSegment segment;
  segment.flags = SomeFlags(builder);
  segment.seq = Near(builder, at->seq);
  segment.ack = Near(builder, at->ack);
  segment.fixed_ack = builder.OneIn(24);
  segment.window = builder.Pick<uint16_t>({0, 1, 100, 0x7000, 0xffff});
  if ((segment.flags & wire::kTcpUrg) != 0)
    segment.urgent = builder.Pick<uint16_t>({0, 1, 5, 9999});
  if (builder.OneIn(2)) {
    segment.payload_bytes = static_cast<uint32_t>(builder.Length(at->payload_max));
  }
  segment.timestamps = at->timestamps != builder.OneIn(16);
  if (builder.OneIn(8)) segment.tsval += builder.Pick<uint32_t>({1, 1000, 0xffffff00, 0x80000000});
  if (builder.OneIn(16)) segment.options = SomeTcpOptions(builder);
  KeepOldAckPlain(*at, &segment);
  wire::KeepFields keep = wire::kKeepNothing;
  if (builder.OneIn(24)) keep |= wire::kKeepChecksum;
  tcp.Send(segment, keep, builder.Word());
  if (segment.ack - at->acked <= at->ack - at->acked) at->acked = segment.ack;
  if (segment.seq == at->seq) {
    at->seq += segment.payload_bytes;
    if ((segment.flags & wire::kTcpFin) != 0) ++at->seq;
  }
}

// What goes on as it should: data in order, an acknowledgment, a FIN.
void SendRight(TcpCase& tcp, Position* at) {
  CaseBuilder& builder = tcp.builder();
  TcpSegment segment;
  segment.seq = at->seq;
  segment.ack = at->ack;
  segment.timestamps = at->timestamps;
  switch (builder.Below(3)) {
    case 0:
      segment.payload_bytes = 1 + builder.Below(at->payload_max);
      break;
    case 1:
      segment.flags |= wire::kTcpFin;
      break;
    default:
      break;
  }
  tcp.Send(segment);
  at->acked = at->ack;
  at->seq += segment.payload_bytes + ((segment.flags & wire::kTcpFin) != 0 ? 1 : 0);
}

void SomeCall(CaseBuilder& builder, int slot, Position* at) {
  switch (builder.Below(10)) {
    case 0:
    case 1: {
      CallStep& send = builder.Call(CallName::kSendto, slot, builder.OneIn(8) ? int{MSG_OOB} : 0);
      send.data = builder.Bytes(1 + builder.Length(builder.OneIn(6) ? 5000 : 500));
      at->ack += static_cast<uint32_t>(send.data.size());
      return;
    }
    case 2:
    case 3:
      builder.Call(CallName::kRecvfrom, slot, builder.Pick<int>({0, 0, MSG_PEEK, MSG_OOB})).room =
          builder.Pick<uint32_t>({1, 100, 4000});
      return;
    case 4:
      builder.Call(CallName::kShutdown, slot, static_cast<int>(builder.Below(3)));
      ++at->ack;
      return;
    case 5:
      builder.Call(CallName::kClose, slot);
      ++at->ack;
      return;
    case 6:
      builder.Call(CallName::kGetsockopt, slot, 1, 4).room = 4;  // SO_ERROR
      return;
    case 7:
      builder.Call(CallName::kIoctl, slot, builder.Pick<int>({0x541b, 0x5411, 0x894b, 0x8905}));
      return;
    default:
      builder.Call(CallName::kPoll, slot, 0x7fff);
      return;
  }
}

}  // namespace

void GenerateTcpHandshake(CaseBuilder& builder) {
  TcpSettings(builder);
  TcpCase tcp(builder, builder.Peer(), builder.OwnPort());
  const bool listens = !builder.OneIn(5);
  if (listens) tcp.Listen(builder.Pick<int>({0, 1, 5}));
  if (listens && builder.OneIn(8)) builder.SetOption(0, 6, 2, 1000);  // TCP_MAXSEG
  if (listens && builder.OneIn(8)) builder.SetOption(0, 1, 8, 4000);  // SO_RCVBUF
  const uint32_t segments = 1 + builder.Below(4);
  Position at;
  for (uint32_t i = 0; i < segments; ++i) {
    TcpSegment segment;
    if (i == 0 || builder.OneIn(4)) {
      segment.flags = wire::kTcpSyn;
      if (builder.OneIn(6)) segment.flags |= wire::kTcpEce | wire::kTcpCwr;
      if (builder.OneIn(8)) segment.flags = SomeFlags(builder);
      segment.options = builder.OneIn(4) ? PlainSynOptions() : SomeTcpOptions(builder);
      if (builder.OneIn(6)) segment.payload_bytes = builder.Below(100);
      segment.window = builder.Pick<uint16_t>({0, 1, 1000, 0xffff});
      tcp.Send(segment);
    } else {
      SendSome(tcp, &at);
    }
  }
  if (listens) {
    builder.Call(CallName::kAccept, 0, 1);
    builder.Call(CallName::kGetsockopt, 1, 6, 2).room = 4;  // TCP_MAXSEG
    builder.Call(CallName::kRecvfrom, 1).room = 200;
  }
}

namespace {

void TcpState(CaseBuilder& builder, uint32_t payload_max) {
  TcpSettings(builder);
  TcpCase tcp(builder, builder.Peer(), builder.OwnPort());
  Position at;
  at.payload_max = payload_max;
  at.timestamps = builder.OneIn(2);
  if (builder.OneIn(2)) {
    tcp.Listen(5);
    tcp.Open(at.timestamps);
  } else {
    tcp.Connect(at.timestamps);
    if (builder.OneIn(8)) builder.built().steps.pop_back();  // stays in SYN-SENT
  }
  const uint32_t steps = 1 + builder.Below(8);
  for (uint32_t i = 0; i < steps; ++i) {
    switch (builder.Below(4)) {
      case 0:
        SomeCall(builder, 1, &at);
        break;
      case 1:
        SendRight(tcp, &at);
        break;
      default:
        SendSome(tcp, &at);
        break;
    }
  }
  builder.Call(CallName::kPoll, 1, 0x7fff);
}

}  // namespace

void GenerateTcpState(CaseBuilder& builder) { TcpState(builder, kPayloadMax); }

void GenerateTcpWindow(CaseBuilder& builder) { TcpState(builder, kLongPayloadMax); }

}  // namespace tapedeck::differential
