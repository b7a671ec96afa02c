#include "replay/debug/fields.h"

#include <array>

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

}  // namespace tapedeck
