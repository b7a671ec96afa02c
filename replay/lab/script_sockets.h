// The connections of one script and the one of them that is under test: which packet of the script
// belongs to which, and which packet of the host (run_packet.c, run_system_call.c).
#ifndef TAPEDECK_REPLAY_LAB_SCRIPT_SOCKETS_H_
#define TAPEDECK_REPLAY_LAB_SCRIPT_SOCKETS_H_

#include <cstdint>
#include <deque>

#include "replay/lab/packet_bytes.h"
#include "replay/lab/play_settings.h"
#include "replay/lab/script_connection.h"
#include "replay/script/packet_step.h"

namespace tapedeck {

class ScriptSockets {
 public:
  explicit ScriptSockets(const PlaySettings& settings) : settings_(settings) {}

  // The connection under test; null where there is none yet.
  ScriptConnection* current() { return current_; }

  // Whether it is a socket that sends echo requests.
  bool IsPing(int32_t fd);

  // --- What system calls did. `fd` is the stack's descriptor. ---
  void OnSocket(int32_t fd, uint8_t protocol);
  void OnBind(int32_t fd, const Endpoint& local);
  void OnListen(int32_t fd);
  // connect, sendto and sendmsg, before they are made; without a family: the peer is taken away.
  void OnConnect(int32_t fd, const Endpoint& remote);
  void OnAccept(int32_t fd, const Endpoint& remote);
  void OnClose(int32_t fd);

  // --- What the script says. ---
  // The connection of a packet that the script sends or expects; null where there is none. Moves it
  // on to the state that the packet brings about.
  ScriptConnection* ForScriptPacket(const PacketStep& packet);

  // --- What the host sent. ---
  // Whether `live` is of the connection under test, or of no interest. A first packet of it tells
  // its addresses and numbers. `expected`: what the script waits for.
  bool Takes(const LivePacket& live, const PacketStep& expected);

 private:
  ScriptConnection* Find(int32_t fd);
  ScriptConnection* New(uint8_t protocol);
  // A connection that begins with a packet from outside.
  ScriptConnection* NewFromOutside(uint8_t protocol);
  ScriptConnection* ForTcp(const PacketStep& packet, const TcpPacket& tcp);
  ScriptConnection* ForOther(const PacketStep& packet);

  const PlaySettings& settings_;
  std::deque<ScriptConnection> connections_;
  ScriptConnection* current_ = nullptr;
  uint16_t next_remote_port_ = 40'000;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_SCRIPT_SOCKETS_H_
