// Socket addresses as user programs lay them out, and the one place where they turn into Endpoints
// and back. Layouts are x86-64 Linux's (in.h, in6.h).
#ifndef TAPEDECK_STACK_CORE_SOCKADDR_H_
#define TAPEDECK_STACK_CORE_SOCKADDR_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/core/uapi.h"

namespace tapedeck {

struct sockaddr_in {
  uint16_t sin_family = kAfInet;
  be16 sin_port;
  Ipv4Address sin_addr;
  uint8_t sin_zero[8] = {};
};
struct sockaddr_in6 {
  uint16_t sin6_family = kAfInet6;
  be16 sin6_port;
  be32 sin6_flowinfo;
  Ipv6Address sin6_addr;
  uint32_t sin6_scope_id = 0;
};
static_assert(sizeof(sockaddr_in) == 16 && sizeof(sockaddr_in6) == 28);

// A call that takes an address refuses one that is longer than struct sockaddr_storage.
inline constexpr uint32_t kSockaddrStorageBytes = 128;

// The family of an address of at least two bytes.
inline uint16_t SockaddrFamily(const void* addr) {
  uint16_t family = 0;
  std::memcpy(&family, addr, sizeof(family));
  return family;
}

// An address argument of a system call: some bytes and what the caller says of their length, which
// need not make sense. As an argument that receives an address, `length` is the room on entry and
// the address's length on return; it may be the greater of the two, then the address was cut, as in
// Linux.
struct SockAddr {
  static constexpr uint32_t kBytes = sizeof(sockaddr_in6);

  constexpr SockAddr() = default;
  // Implicit: where a call wants an address, an Endpoint is one. An Endpoint without a family
  // becomes AF_UNSPEC.
  SockAddr(const Endpoint& endpoint) {  // NOLINT(google-explicit-constructor)
    if (endpoint.address.is_v4()) {
      sockaddr_in sin;
      sin.sin_port = endpoint.port;
      sin.sin_addr = endpoint.address.v4();
      Set(&sin, sizeof(sin));
    } else if (endpoint.address.is_v6()) {
      sockaddr_in6 sin6;
      sin6.sin6_port = endpoint.port;
      sin6.sin6_addr = endpoint.address.v6();
      Set(&sin6, sizeof(sin6));
    } else {
      length = sizeof(sockaddr_in);
    }
  }
  // What disconnects a datagram socket.
  static SockAddr Unspec() { return SockAddr(Endpoint{}); }

  // Takes `size` bytes; what is beyond kBytes is forgotten, but counts in `length`.
  void Set(const void* address, uint32_t size) {
    length = size;
    std::memcpy(bytes, address, size < kBytes ? size : kBytes);
  }
  // Nullopt where it is no internet address or too short for one.
  std::optional<Endpoint> ToEndpoint() const {
    if (length < sizeof(uint16_t)) return std::nullopt;
    const uint16_t family = SockaddrFamily(bytes);
    if (family == kAfInet && length >= sizeof(sockaddr_in)) {
      sockaddr_in sin;
      std::memcpy(&sin, bytes, sizeof(sin));
      return Endpoint{sin.sin_addr, sin.sin_port};
    }
    if (family == kAfInet6 && length >= sizeof(sockaddr_in6)) {
      sockaddr_in6 sin6;
      std::memcpy(&sin6, bytes, sizeof(sin6));
      return Endpoint{sin6.sin6_addr, sin6.sin6_port};
    }
    return std::nullopt;
  }

  alignas(8) uint8_t bytes[kBytes] = {};
  uint32_t length = kBytes;
};
static_assert(sizeof(SockAddr) == 32);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_CORE_SOCKADDR_H_
