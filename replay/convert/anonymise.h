// A capture without the people in it: other addresses (address_map.h), other payload of the same
// length (payload_cipher.h), and everything else as it was: times, lengths, ports, sequence
// numbers, options, loss. Addresses are found in all places that the stack knows: Ethernet, ARP, IP
// headers with their options and routing headers, ICMP with what it quotes, neighbour discovery,
// multicast membership, MPTCP's ADD_ADDR. What a tunnel carries is payload.
//
// Checksums keep what they were: right ones are right again, those left to the NIC look so again,
// wrong ones stay wrong, those over several fragments still hold once the packet is put together.
#ifndef TAPEDECK_REPLAY_CONVERT_ANONYMISE_H_
#define TAPEDECK_REPLAY_CONVERT_ANONYMISE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "replay/capture/record.h"
#include "replay/convert/address_map.h"
#include "replay/convert/payload_cipher.h"

namespace tapedeck {

class Anonymiser {
 public:
  explicit Anonymiser(uint64_t seed) : addresses_(seed), cipher_(seed) {}

  // The bytes of `record` made anonymous, link-layer header included; an FCS becomes zeros.
  // Empty where its link type has no way to Ethernet, so that nobody knows where its addresses are.
  std::vector<uint8_t> Rewrite(const capture::Record& record) const;

  // An Ethernet frame that had `wire_bytes` bytes and of which `frame` was captured.
  void RewriteFrame(std::span<uint8_t> frame, size_t wire_bytes) const;

 private:
  AddressMap addresses_;
  PayloadCipher cipher_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_CONVERT_ANONYMISE_H_
