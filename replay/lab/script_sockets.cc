#include "replay/lab/script_sockets.h"

#include <variant>

#include "stack/wire/ip_protocol.h"

namespace tapedeck {

namespace {

using State = ScriptConnection::State;

bool IsIcmp(uint8_t protocol) {
  return protocol == wire::kIpProtoIcmp || protocol == wire::kIpProtoIcmpv6;
}

// ::ffff:a.b.c.d is a.b.c.d on the wire.
Endpoint OnWire(const Endpoint& endpoint) { return {endpoint.address.Unmapped(), endpoint.port}; }

}  // namespace

ScriptConnection* ScriptSockets::Find(int32_t fd) {
  for (auto c = connections_.rbegin(); c != connections_.rend(); ++c) {
    if (c->fd == fd) return &*c;
  }
  return nullptr;
}

ScriptConnection* ScriptSockets::New(uint8_t protocol) {
  connections_.emplace_back();
  current_ = &connections_.back();
  current_->protocol = protocol;
  return current_;
}

ScriptConnection* ScriptSockets::NewFromOutside(uint8_t protocol) {
  const bool bound = current_ != nullptr && current_->local.port.host() != 0;
  const uint16_t port = bound ? current_->local.port.host() : settings_.bind_port;
  ScriptConnection* const made = New(protocol);
  made->state = State::kPacketReceived;
  made->local = {settings_.local, be16(port)};
  made->remote = {settings_.remote, be16(next_remote_port_++)};
  return made;
}

bool ScriptSockets::IsPing(int32_t fd) {
  const ScriptConnection* const connection = Find(fd);
  return connection != nullptr && IsIcmp(connection->protocol);
}

void ScriptSockets::OnSocket(int32_t fd, uint8_t protocol) { New(protocol)->fd = fd; }

void ScriptSockets::OnBind(int32_t fd, const Endpoint& local) {
  ScriptConnection* const connection = Find(fd);
  if (connection != nullptr) connection->local = OnWire(local);
}

void ScriptSockets::OnListen(int32_t fd) {
  ScriptConnection* const connection = Find(fd);
  if (connection != nullptr) connection->state = State::kListening;
}

void ScriptSockets::OnConnect(int32_t fd, const Endpoint& remote) {
  ScriptConnection* const connection = Find(fd);
  if (connection == nullptr) return;
  if (remote.address.family() == AddressFamily::kNone) {
    connection->state = State::kNew;
    return;
  }
  if (connection->state != State::kNew) return;
  connection->state = State::kConnecting;
  connection->remote = OnWire(remote);
}

void ScriptSockets::OnAccept(int32_t fd, const Endpoint& remote) {
  const Endpoint peer = OnWire(remote);
  for (auto c = connections_.rbegin(); c != connections_.rend(); ++c) {
    if (c->fd == -1 && c->remote == peer) {
      c->fd = fd;
      return;
    }
  }
}

void ScriptSockets::OnClose(int32_t fd) {
  ScriptConnection* const connection = Find(fd);
  // Its packets go on; its number may be another's soon.
  if (connection != nullptr) connection->fd = -2;
}

ScriptConnection* ScriptSockets::ForTcp(const PacketStep& packet, const TcpPacket& tcp) {
  const bool syn = (tcp.flags & kTcpSyn) != 0;
  const bool ack = (tcp.flags & kTcpAck) != 0;
  if (packet.inbound()) {
    if (current_ == nullptr || current_->state == State::kListening) {
      NewFromOutside(wire::kIpProtoTcp);
      current_->script_remote_isn = current_->live_remote_isn = tcp.sequence;
    } else if (current_->state == State::kSynAckSent && ack) {
      current_->state = State::kSynAckAcked;
    } else if (current_->state == State::kSynSent && syn && ack) {
      current_->state = State::kSynAcked;
      current_->script_remote_isn = current_->live_remote_isn = tcp.sequence;
    }
    return current_;
  }
  if (current_ == nullptr) return nullptr;
  if (syn && !ack && current_->state == State::kConnecting) {
    current_->state = State::kSynSent;
    current_->script_local_isn = tcp.sequence;
  } else if (syn && ack && current_->state == State::kPacketReceived) {
    current_->script_local_isn = tcp.sequence;
  }
  return current_;
}

// UDP and ICMP: a socket that has named no peer yet, and a script without any, mean the default
// ones.
ScriptConnection* ScriptSockets::ForOther(const PacketStep& packet) {
  const bool icmp = std::holds_alternative<IcmpPacket>(packet.what);
  if (current_ == nullptr) {
    NewFromOutside(icmp ? wire::kIpProtoIcmp : wire::kIpProtoUdp);
    current_->remote.port = settings_.connect_port;
  }
  if (!packet.inbound()) return current_;
  if (current_->remote.address.family() == AddressFamily::kNone) {
    current_->remote = {settings_.remote, be16(settings_.connect_port)};
  }
  if (current_->local.address.family() == AddressFamily::kNone || current_->local.address.IsAny()) {
    const uint16_t port = current_->local.port.host();
    current_->local = {settings_.local, be16(port != 0 ? port : settings_.bind_port)};
  }
  return current_;
}

ScriptConnection* ScriptSockets::ForScriptPacket(const PacketStep& packet) {
  const auto* const tcp = std::get_if<TcpPacket>(&packet.what);
  return tcp != nullptr ? ForTcp(packet, *tcp) : ForOther(packet);
}

bool ScriptSockets::Takes(const LivePacket& live, const PacketStep& expected) {
  ScriptConnection* const c = current_;
  if (c == nullptr) return false;
  const PacketEnds& ends = live.ends;
  if (std::holds_alternative<IcmpPacket>(live.packet.what)) {
    const bool wanted = IsIcmp(c->protocol) || std::holds_alternative<IcmpPacket>(expected.what);
    return wanted && ends.dest.address == c->remote.address;
  }
  if (ends.source == c->local && ends.dest == c->remote) {
    const auto* const tcp = std::get_if<TcpPacket>(&live.packet.what);
    if (tcp != nullptr && (tcp->flags & kTcpSyn) != 0 && (tcp->flags & kTcpAck) != 0 &&
        c->state == State::kPacketReceived) {
      c->state = State::kSynAckSent;
      c->live_local_isn = tcp->sequence;
    }
    if (tcp == nullptr || c->state != State::kSynSent) return true;
  }
  if (ends.dest != c->remote) return false;
  if (const auto* const tcp = std::get_if<TcpPacket>(&live.packet.what)) {
    const bool syn = (tcp->flags & (kTcpSyn | kTcpAck)) == kTcpSyn;
    if (!syn || c->state != State::kSynSent) return ends.source == c->local;
    c->local = ends.source;
    c->live_local_isn = tcp->sequence;
    return true;
  }
  if (c->protocol != wire::kIpProtoUdp || c->state != State::kConnecting) return false;
  c->local = ends.source;
  return true;
}

}  // namespace tapedeck
