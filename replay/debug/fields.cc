#include "replay/debug/fields.h"

#include <array>

#include "stack/core/sock.h"

namespace tapedeck {

const char* ObjectKindName(ObjectKind kind) {
  constexpr std::array<const char*, kObjectKinds> kNames = {"tcp", "udp",     "sock",    "neigh",
                                                            "dev", "rx_ring", "tx_ring", "cpu"};
  return kNames[static_cast<size_t>(kind)];
}

std::span<const Field> FieldsOf(ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kTcp:
      return TcpFields();
    case ObjectKind::kUdp:
      return UdpFields();
    case ObjectKind::kSock:
      return SockFields();
    case ObjectKind::kNeigh:
      return NeighFields();
    case ObjectKind::kDev:
      return DevFields();
    case ObjectKind::kRxRing:
      return RxRingFields();
    case ObjectKind::kTxRing:
      return TxRingFields();
    case ObjectKind::kCpu:
      return CpuFields();
  }
  return {};
}

const Field* FindField(ObjectKind kind, std::string_view name) {
  for (const Field& field : FieldsOf(kind)) {
    if (name == field.name) return &field;
  }
  return nullptr;
}

const char* SockStateName(uint8_t state) {
  constexpr std::array<const char*, TCP_MAX_STATES> kNames = {
      "?",     "ESTABLISHED", "SYN_SENT", "SYN_RECV", "FIN_WAIT1", "FIN_WAIT2",   "TIME_WAIT",
      "CLOSE", "CLOSE_WAIT",  "LAST_ACK", "LISTEN",   "CLOSING",   "NEW_SYN_RECV"};
  return state < kNames.size() ? kNames[state] : "?";
}

}  // namespace tapedeck
