// Makes the inside of one packet anonymous: addresses and payload, without a thought for checksums
// except those of quoted packets, which nobody could compute again.
#ifndef TAPEDECK_REPLAY_CONVERT_PACKET_REWRITER_H_
#define TAPEDECK_REPLAY_CONVERT_PACKET_REWRITER_H_

#include <cstddef>
#include <cstdint>
#include <span>

#include "replay/convert/address_map.h"
#include "replay/convert/payload_cipher.h"

namespace tapedeck {

// All functions are total: any bytes, cut anywhere.
class PacketRewriter {
 public:
  PacketRewriter(const AddressMap& addresses, const PayloadCipher& cipher)
      : addresses_(addresses), cipher_(cipher) {}

  void RewriteArp(std::span<uint8_t> arp) const;
  // An IPv4 or IPv6 packet up to its end, options, extension headers and all that is behind them.
  // Header checksums of IPv4 stay as right or wrong as they were.
  void RewriteIpv4(std::span<uint8_t> packet) const { RewriteIpv4(packet, 0); }
  void RewriteIpv6(std::span<uint8_t> packet) const { RewriteIpv6(packet, 0); }
  // Whatever is neither.
  void RewriteOther(std::span<uint8_t> bytes) const;

 private:
  // `depth` counts the packets that this one is quoted in.
  void RewriteIpv4(std::span<uint8_t> packet, int depth) const;
  void RewriteIpv6(std::span<uint8_t> packet, int depth) const;
  // What stands behind an IP header: `flow` names addresses and protocol, `offset` is where in the
  // packet's data `segment` begins (of a later fragment).
  void RewriteTransport(uint8_t protocol, uint64_t flow, uint32_t offset,
                        std::span<uint8_t> segment, int depth) const;
  void RewriteTcp(uint64_t flow, std::span<uint8_t> segment) const;
  void RewriteTcpOptions(std::span<uint8_t> options) const;
  void RewriteIcmp(uint64_t flow, std::span<uint8_t> message, int depth) const;
  void RewriteIcmpv6(uint64_t flow, std::span<uint8_t> message, int depth) const;
  void RewriteIgmp(std::span<uint8_t> message) const;
  void RewriteIpv4Options(std::span<uint8_t> options) const;
  void RewriteNdOptions(std::span<uint8_t> options, int depth) const;
  void RewriteMld2Records(std::span<uint8_t> records) const;
  void RewriteQuote(bool is_v6, std::span<uint8_t> quote, int depth) const;

  // An address at `offset`; nothing where it is cut.
  void MapIpv4At(std::span<uint8_t> bytes, size_t offset) const;
  void MapIpv6At(std::span<uint8_t> bytes, size_t offset) const;
  void MapMacAt(std::span<uint8_t> bytes, size_t offset) const;
  // A prefix: the bits behind `length_bits` stay zero.
  void MapPrefixAt(std::span<uint8_t> bytes, size_t offset, unsigned length_bits) const;

  const AddressMap& addresses_;
  const PayloadCipher& cipher_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_CONVERT_PACKET_REWRITER_H_
