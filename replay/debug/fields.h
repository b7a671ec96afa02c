// The reflection table: which fields each kind of object of a host has, under the names that its
// structure (and the kernel's) has. One place for all who read state by name: show, until,
// last-change, diff.
#ifndef TAPEDECK_REPLAY_DEBUG_FIELDS_H_
#define TAPEDECK_REPLAY_DEBUG_FIELDS_H_

#include <cstdint>
#include <span>
#include <string_view>

#include "replay/debug/field_value.h"

namespace tapedeck {

struct Field {
  const char* name;  // "snd_cwnd", "rx_opt.ts_recent"
  // `object` is of the kind whose table the field is in.
  FieldValue (*read)(const void* object);
};

enum class ObjectKind : uint8_t {
  kTcp,    // tcp_sock
  kUdp,    // udp_sock
  kSock,   // inet_sock: ping and raw sockets, and what all sockets have
  kNeigh,  // neighbour
  kDev,    // net_device, with its queue
  kRxRing,
  kTxRing,
  kCpu,
};
inline constexpr int kObjectKinds = 8;
// As names begin with: "tcp", "rx_ring".
const char* ObjectKindName(ObjectKind kind);

std::span<const Field> FieldsOf(ObjectKind kind);
// nullptr where it has none of this name.
const Field* FindField(ObjectKind kind, std::string_view name);

// --- The tables, each in the file of its kind. ---
std::span<const Field> TcpFields();
std::span<const Field> UdpFields();
std::span<const Field> SockFields();
std::span<const Field> NeighFields();
std::span<const Field> DevFields();
std::span<const Field> RxRingFields();
std::span<const Field> TxRingFields();
std::span<const Field> CpuFields();

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_FIELDS_H_
