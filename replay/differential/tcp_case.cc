#include "replay/differential/tcp_case.h"

#include <utility>

#include "stack/base/byteorder.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck::differential {

namespace {

constexpr size_t kTimestampsAlignedBytes = 12;  // two NOPs before them

// Where the TCP header begins in a frame of `builder`'s family.
uint16_t HeaderOffset(const CaseBuilder& builder) {
  const size_t ip_bytes = builder.is_v4() ? sizeof(wire::Ipv4Header) : sizeof(wire::Ipv6Header);
  return static_cast<uint16_t>(sizeof(wire::EthernetHeader) + ip_bytes);
}

}  // namespace

TcpCase::TcpCase(CaseBuilder& builder, const Station& peer, uint16_t port)
    : builder_(builder), peer_(peer) {
  flow_.local = {builder.Us(peer.port).address, port};
  flow_.peer = {peer.address, kPeerPort};
  builder.Introduce(peer);
}

void TcpCase::Send(const TcpSegment& segment, wire::KeepFields keep, uint16_t checksum) {
  wire::TcpHeader tcp;
  tcp.source = flow_.peer.port;
  tcp.dest = flow_.local.port;
  tcp.seq = kPeerIsn + segment.seq;
  tcp.ack_seq = segment.ack;
  tcp.window = segment.window;
  tcp.urg_ptr = segment.urgent;
  tcp.check = checksum;
  tcp.set_flags(segment.flags);
  std::vector<uint8_t> options = segment.options;
  const uint16_t header = HeaderOffset(builder_);
  const auto check_at = static_cast<uint16_t>(header + offsetof(wire::TcpHeader, check));
  std::vector<LivePatch> patches;
  if (!segment.fixed_ack && (segment.flags & wire::kTcpAck) != 0) {
    const auto ack_at = static_cast<uint16_t>(header + offsetof(wire::TcpHeader, ack_seq));
    patches.push_back({LivePatch::What::kIsn, ack_at, check_at, flow_});
  }
  if (segment.timestamps && options.size() + kTimestampsAlignedBytes <= wire::kTcpOptionsMax) {
    options.insert(options.end(), {1, 1, wire::kTcpOptTimestamps, 10});
    const size_t at = options.size();
    options.resize(at + 8);
    StoreBe32(options.data() + at, segment.tsval);
    if ((segment.flags & wire::kTcpAck) != 0) {
      const size_t echo_at = header + sizeof(wire::TcpHeader) + at + 4;
      patches.push_back({LivePatch::What::kTsval, static_cast<uint16_t>(echo_at), check_at, flow_});
    }
  }
  wire::FrameBuilder frame = builder_.Ethernet(peer_);
  CaseBuilder::Ip(frame, builder_.Spec(peer_)).Tcp(tcp, options, keep);
  frame.CountingPayload(segment.payload_bytes, static_cast<uint8_t>(segment.seq));
  builder_.Frame(peer_, frame, std::move(patches));
}

void TcpCase::Listen(int backlog) {
  builder_.Call(CallName::kSocket, 0, builder_.domain(), SOCK_STREAM, 0);
  builder_.CallWith(CallName::kBind, 0, flow_.local);
  builder_.Call(CallName::kListen, 0, backlog);
}

void TcpCase::Open(bool timestamps) {
  TcpSegment syn;
  syn.flags = wire::kTcpSyn;
  syn.options = PlainSynOptions();
  syn.timestamps = timestamps;
  Send(syn);
  TcpSegment ack;
  ack.seq = ack.ack = 1;
  ack.timestamps = timestamps;
  Send(ack);
  builder_.Call(CallName::kAccept, 0, 1);
}

void TcpCase::Connect(bool timestamps) {
  builder_.Call(CallName::kSocket, 1, builder_.domain(), SOCK_STREAM, 0);
  builder_.CallWith(CallName::kBind, 1, flow_.local);
  builder_.CallWith(CallName::kConnect, 1, flow_.peer);
  TcpSegment syn;
  syn.flags = wire::kTcpSyn | wire::kTcpAck;
  syn.ack = 1;
  syn.options = PlainSynOptions();
  syn.timestamps = timestamps;
  Send(syn);
}

std::vector<uint8_t> PlainSynOptions() {
  return {wire::kTcpOptMss,
          4,
          1460 >> 8,
          1460 & 0xff,
          wire::kTcpOptSackPermitted,
          2,
          1,
          wire::kTcpOptNop,
          wire::kTcpOptNop,
          wire::kTcpOptWindowScale,
          3,
          7};
}

std::vector<uint8_t> SomeTcpOptions(CaseBuilder& builder) {
  std::vector<uint8_t> options;
  const auto append = [&](std::initializer_list<uint8_t> bytes) {
    options.insert(options.end(), bytes);
  };
  const uint32_t count = builder.Below(6);
  for (uint32_t i = 0; i < count; ++i) {
    const uint8_t wrong = builder.OneIn(12) ? builder.Byte() : uint8_t{0};
    switch (builder.Below(10)) {
      case 0:
        append({wire::kTcpOptMss, static_cast<uint8_t>(4 + wrong),
                builder.Pick<uint8_t>({0, 1, 2, 5, 0xff}), builder.Byte()});
        break;
      case 1:
        append({wire::kTcpOptWindowScale, static_cast<uint8_t>(3 + wrong),
                static_cast<uint8_t>(builder.Below(18))});
        break;
      case 2:
        append({wire::kTcpOptSackPermitted, static_cast<uint8_t>(2 + wrong)});
        break;
      case 3:
        append({wire::kTcpOptTimestamps, static_cast<uint8_t>(10 + wrong), 0, 1, 2, builder.Byte(),
                0, 0, 0, builder.Pick<uint8_t>({0, 1})});
        break;
      case 4:
        append({wire::kTcpOptNop});
        break;
      case 5:
        append({wire::kTcpOptEnd});
        break;
      case 6:
        append({builder.Byte(), builder.Byte()});
        break;
      case 7:
        append({wire::kTcpOptFastOpen, 2});
        break;
      case 8:
        append({wire::kTcpOptFastOpen, 10, 1, 2, 3, 4, 5, 6, 7, 8});
        break;
      default:
        append({253, 4, builder.Byte(), builder.Byte()});
        break;
    }
  }
  if (options.size() > wire::kTcpOptionsMax) options.resize(wire::kTcpOptionsMax);
  return options;
}

}  // namespace tapedeck::differential
