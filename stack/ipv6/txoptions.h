// Making ipv6_txoptions: extension headers one by one into one block of memory.
#ifndef TAPEDECK_STACK_IPV6_TXOPTIONS_H_
#define TAPEDECK_STACK_IPV6_TXOPTIONS_H_

#include <cstdint>

#include "stack/ipv6/ipv6_sock.h"

namespace tapedeck {

// Bytes of an extension header that begins here (ipv6_optlen).
inline uint32_t ipv6_optlen(const uint8_t* header) { return (header[1] + 1U) << 3; }

// Gathers headers. What it makes is counted from 1 and has room for `capacity` bytes; nothing is
// allocated before the first header.
class TxOptionsBuilder {
 public:
  TxOptionsBuilder(net& host, uint32_t capacity) : net_(host), capacity_(capacity) {}

  // Puts a copy of the header of `bytes` bytes at `which` (&ipv6_txoptions::hopopt, ...), in place
  // of the one that was there. 0 or -ENOBUFS. REQUIRES: all headers ever given fit `capacity`.
  int Set(int16_t ipv6_txoptions::* which, const uint8_t* header, uint32_t bytes);
  // The destination options at dst1opt go before the routing header (RFC 2292 has one name for
  // both).
  void MoveDst1ToDst0();
  bool Has(int16_t ipv6_txoptions::* which) const { return opt_ != nullptr && opt_->*which >= 0; }
  // The result, nullptr where there was no header. The reference is the caller's.
  ipv6_txoptions* Take();

 private:
  void Remove(int16_t ipv6_txoptions::* which);
  void UpdateLengths();

  net& net_;
  uint32_t capacity_;
  uint32_t used_ = 0;
  ipv6_txoptions* opt_ = nullptr;
};

// Destination options that are to come before a routing header have no place where there is none
// (ipv6_fixup_options). Takes over the reference to `opt` (may be null) and returns one; nullptr
// and *err = -ENOBUFS where memory failed.
ipv6_txoptions* ipv6_fixup_options(net& net, ipv6_txoptions* opt, int* err);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV6_TXOPTIONS_H_
