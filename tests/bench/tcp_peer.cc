#include "tests/bench/tcp_peer.h"

#include <utility>

#include "stack/base/byteorder.h"
#include "stack/base/check.h"
#include "stack/base/seqnum.h"
#include "stack/wire/frame_builder.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

constexpr size_t kIpOffset = 14;
constexpr size_t kTcpOffset = kIpOffset + 20;
// Of a timestamp's value; its echo follows. Ours and the peer's SYNs have the same options in the
// same order: MSS, SACK permitted, timestamps. Other segments: NOP, NOP, timestamps.
constexpr size_t kSynTimestampOffset = kTcpOffset + 20 + 8;
constexpr size_t kTimestampOffset = kTcpOffset + 20 + 4;
constexpr uint32_t kMssBytes = 1460;
constexpr uint32_t kTimestampsBytes = 12;
constexpr uint32_t kPorts = 10'000;

constexpr uint8_t kFin = 1;
constexpr uint8_t kSyn = 2;
constexpr uint8_t kRst = 4;
constexpr uint8_t kPsh = 8;
constexpr uint8_t kAck = 16;

// MSS 1460, window scale 4.
constexpr uint8_t kPlainSynOptions[] = {2, 4, 0x05, 0xb4, 1, 3, 3, 4};
// MSS 1460, SACK permitted, timestamps (10 bytes), window scale 4.
constexpr uint8_t kFullSynOptions[] = {2, 4, 0x05, 0xb4, 4, 2, 8, 10, 0, 0,
                                       0, 0, 0,    0,    0, 0, 1, 3,  3, 4};
constexpr uint8_t kTimestampsOption[kTimestampsBytes] = {1, 1, 8, 10};

uint16_t Get16(const uint8_t* at) { return static_cast<uint16_t>(at[0] << 8 | at[1]); }
uint32_t Get32(const uint8_t* at) { return uint32_t{Get16(at)} << 16 | Get16(at + 2); }
void Put16(uint8_t* at, uint32_t value) {
  at[0] = static_cast<uint8_t>(value >> 8);
  at[1] = static_cast<uint8_t>(value);
}
void Put32(uint8_t* at, uint32_t value) {
  Put16(at, value >> 16);
  Put16(at + 2, value);
}
// Of 16-bit words in network order, as a checksum adds them.
uint32_t Sum32(uint32_t value) { return (value >> 16) + (value & 0xffff); }
uint32_t Folded(uint64_t sum) {
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint32_t>(~sum & 0xffff);
}
bool Before(uint32_t a, uint32_t b) { return static_cast<int32_t>(a - b) < 0; }

}  // namespace

TcpPeer::TcpPeer(Plan plan, Offer offer, uint32_t connections,
                 std::function<void(std::span<const uint8_t>)> deliver)
    : plan_(plan),
      offer_(offer),
      deliver_(std::move(deliver)),
      connections_(connections),
      first_port_(static_cast<uint16_t>((1 + static_cast<uint32_t>(plan)) * kPorts)) {
  syn_ = MakeTemplate(/*syn=*/true, 0);
  ack_ = MakeTemplate(/*syn=*/false, 0);
  const uint32_t payload_bytes = sends_bulk()           ? segment_bytes()
                                 : plan == Plan::kFetch ? 1
                                                        : kRequestBytes;
  data_ = MakeTemplate(/*syn=*/false, payload_bytes);
  for (size_t i = 0; i < connections_.size(); ++i) {
    connections_[i].port = static_cast<uint16_t>(first_port_ + i);
  }
}

uint32_t TcpPeer::segment_bytes() const {
  return offer_ == Offer::kPlain ? kMssBytes : kMssBytes - kTimestampsBytes;
}

TcpPeer::Template TcpPeer::MakeTemplate(bool syn, uint32_t payload_bytes) const {
  std::span<const uint8_t> options;
  if (syn) {
    options = offer_ == Offer::kPlain ? std::span<const uint8_t>(kPlainSynOptions)
                                      : std::span<const uint8_t>(kFullSynOptions);
  } else if (offer_ == Offer::kTimestampsAndSack) {
    options = kTimestampsOption;
  }
  const uint16_t port = plan_ == Plan::kFetch     ? kTcpSourcePort
                        : plan_ == Plan::kRequest ? kTcpReplyPort
                                                  : kTcpSinkPort;
  Template made;
  made.payload_bytes = payload_bytes;
  made.frame.resize(kTcpOffset + 20 + options.size() + payload_bytes);
  const std::span<uint8_t> frame =
      wire::FrameBuilder(made.frame)
          .Ethernet(kHostMac, kPeerMac)
          .Ipv4({.frag_off = wire::kIpv4DontFragment,
                 .ttl = 64,
                 .saddr = kPeerAddress,
                 .daddr = kHostAddress})
          .Tcp({.source = uint16_t{0}, .dest = port, .window = uint16_t{0xffff}}, options)
          .CountingPayload(payload_bytes)
          .Build();
  CHECK_EQ(frame.size(), made.frame.size());
  // What the checksum says of the rest: ports, sequence numbers, flags and timestamps are zero.
  made.sum = ~Get16(&made.frame[kTcpOffset + 16]) & 0xffff;
  return made;
}

void TcpPeer::Send(Template& segment, Connection& connection, uint8_t flags) {
  uint8_t* const frame = segment.frame.data();
  uint8_t* const tcp = frame + kTcpOffset;
  const uint32_t ack = (flags & kAck) != 0 ? connection.acknowledged : 0;
  Put16(tcp, connection.port);
  Put32(tcp + 4, connection.snd_nxt);
  Put32(tcp + 8, ack);
  tcp[13] = flags;
  uint64_t sum =
      segment.sum + connection.port + Sum32(connection.snd_nxt) + Sum32(ack) + uint32_t{flags};
  if (offer_ == Offer::kTimestampsAndSack) {
    uint8_t* const value = frame + ((flags & kSyn) != 0 ? kSynTimestampOffset : kTimestampOffset);
    Put32(value, clock_ms_);
    Put32(value + 4, connection.ts_recent);
    sum += Sum32(clock_ms_) + Sum32(connection.ts_recent);
  }
  Put16(tcp + 16, Folded(sum));
  connection.snd_nxt += segment.payload_bytes + ((flags & (kSyn | kFin)) != 0 ? 1 : 0);
  CountFrame();
  deliver_(segment.frame);
}

void TcpPeer::SendAck(Connection& connection, uint32_t ack, uint8_t flags) {
  connection.acknowledged = ack;
  Send(ack_, connection, static_cast<uint8_t>(flags | kAck));
}

void TcpPeer::OnFrame(std::span<const uint8_t> frame) {
  if (frame.size() < kTcpOffset + 20 || Get16(&frame[12]) != 0x0800 || frame[23] != 6) return;
  const uint8_t* const tcp = &frame[kTcpOffset];
  const uint32_t index =
      (uint32_t{Get16(tcp + 2)} - first_port_) % static_cast<uint32_t>(connections_.size());
  Connection& connection = connections_[index];
  const uint8_t flags = tcp[13];
  CountFrame();
  if (Get16(tcp + 2) != connection.port || (flags & kRst) != 0) {
    ++surprises_;
    return;
  }
  const uint32_t header_bytes = uint32_t{tcp[12]} >> 4 << 2;
  const uint32_t payload_bytes = Get16(&frame[kIpOffset + 2]) - 20 - header_bytes;
  const uint32_t seq = Get32(tcp + 4);
  if ((flags & kSyn) != 0) {
    connection.rcv_nxt = seq;
  } else if (seq != connection.rcv_nxt) {
    ++surprises_;
    return;
  }
  connection.rcv_nxt += payload_bytes + ((flags & (kSyn | kFin)) != 0 ? 1 : 0);
  if ((flags & kFin) != 0) connection.fin_received = true;
  const uint32_t ack = Get32(tcp + 8);
  if (Before(connection.snd_una, ack)) connection.snd_una = ack;
  if (offer_ == Offer::kTimestampsAndSack && header_bytes >= 32) {
    connection.ts_recent =
        Get32(&frame[(flags & kSyn) != 0 ? kSynTimestampOffset : kTimestampOffset]);
  }
}

void TcpPeer::Respond() {
  ++clock_ms_;
  for (Connection& connection : connections_) {
    switch (connection.state) {
      case State::kClosed:
        Open(connection);
        break;
      case State::kSynSent:
        if (connection.snd_una != connection.snd_nxt) break;
        connection.state = State::kEstablished;
        SendAck(connection, connection.rcv_nxt, 0);
        [[fallthrough]];
      case State::kEstablished:
        Proceed(connection);
        break;
      case State::kFinSent:
        if (connection.fin_received) CloseAndReopen(connection);
        break;
    }
  }
}

void TcpPeer::Open(Connection& connection) {
  connection.state = State::kSynSent;
  connection.fin_received = false;
  connection.snd_nxt = next_iss_;
  connection.snd_una = next_iss_;
  next_iss_ += 1'000'003;
  connection.answer_expected = 0;
  Send(syn_, connection, kSyn);
}

void TcpPeer::Proceed(Connection& connection) {
  switch (plan_) {
    case Plan::kSend:
    case Plan::kSendData: {
      connection.acknowledged = connection.rcv_nxt;
      // As it stands now: a stack that answers at once would keep the peer sending for ever.
      const uint32_t end = connection.snd_una + kFlightSegments * data_.payload_bytes;
      while (!Before(end, connection.snd_nxt + data_.payload_bytes)) {
        // A bulk sender pushes the last of what it can send now.
        const bool last = Before(end, connection.snd_nxt + 2 * data_.payload_bytes);
        Send(data_, connection, last ? kPsh | kAck : kAck);
        if (plan_ == Plan::kSendData) ++operations_;
      }
      break;
    }
    case Plan::kFetch:
      if (connection.answer_expected == 0) {
        connection.answer_expected = 1;  // it has asked
        Send(data_, connection, kPsh | kAck);
      }
      AcknowledgePairs(connection);
      break;
    case Plan::kRequest:
      if (connection.answer_expected != 0) {
        if (connection.rcv_nxt != connection.answer_expected) break;
        ++operations_;
      }
      connection.acknowledged = connection.rcv_nxt;
      connection.answer_expected = connection.rcv_nxt + kRequestBytes;
      Send(data_, connection, kPsh | kAck);
      break;
    case Plan::kConnect:
      connection.state = State::kFinSent;
      SendAck(connection, connection.rcv_nxt, kFin);
      break;
  }
}

// A burst is seen as a whole; then every second segment of it, and its end, are acknowledged.
void TcpPeer::AcknowledgePairs(Connection& connection) {
  const uint32_t end = connection.rcv_nxt;
  while (Before(connection.acknowledged, end)) {
    const uint32_t next = connection.acknowledged + 2 * segment_bytes();
    SendAck(connection, Before(next, end) ? next : end, 0);
  }
}

void TcpPeer::CloseAndReopen(Connection& connection) {
  SendAck(connection, connection.rcv_nxt, 0);
  ++operations_;
  // A port's place in its plan's range, modulo the connections, is the connection's.
  const auto step = static_cast<uint32_t>(connections_.size());
  const uint32_t next = connection.port - first_port_ + step;
  connection.port = static_cast<uint16_t>(first_port_ + (next < kPorts ? next : next % step));
  Open(connection);
}

}  // namespace tapedeck::bench
