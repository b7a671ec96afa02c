// Changes to packets of P on their way to our host: what they say about L's stream becomes what is
// true of ours. Checksums change by the difference, so that a wrong one stays wrong.
#ifndef TAPEDECK_REPLAY_STANDIN_REWRITE_H_
#define TAPEDECK_REPLAY_STANDIN_REWRITE_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "replay/standin/packet.h"

namespace tapedeck::standin {

// Bytes under a 16-bit Internet checksum.
class SummedBytes {
 public:
  // `start`: where the sum begins; `checksum`: where it is stored. Both from the start of `packet`.
  SummedBytes(std::span<uint8_t> packet, size_t start, size_t checksum)
      : packet_(packet), start_(start), checksum_(checksum) {}

  // Writes `value` at `offset`. REQUIRES: room for four bytes, not over the checksum.
  void Store(size_t offset, uint32_t value);
  bool changed() const { return changed_; }

 private:
  std::span<uint8_t> packet_;
  size_t start_;
  size_t checksum_;
  bool changed_ = false;
};

// What a segment of P says about L's stream, in the numbers of our host.
struct TcpMapping {
  uint32_t local_difference = 0;  // our initial number less the captured one
  // Instead of the mapped acknowledgement: what P can acknowledge so far. SACK blocks then go.
  std::optional<uint32_t> acknowledge;
  std::optional<uint32_t> echo;  // the timestamp it echoes
};

// True where anything changed. REQUIRES: `packet` is a TCP segment, whole.
bool MapSegment(std::span<uint8_t> packet, const TcpMapping& mapping);

// The sequence number of L's that an ICMP error quotes. True where it was there.
bool MapQuotedSegment(std::span<uint8_t> packet, uint32_t local_difference);

// Makes a SYN announce `mss_bytes`. False where it announces none.
bool SetMss(std::span<uint8_t> packet, uint16_t mss_bytes);

// Leaves of a segment what acknowledges. False, and `packet` is of no use, where it has no ACK or
// belongs to the beginning or a reset of a connection.
bool MakePureAck(std::vector<uint8_t>* packet);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_REWRITE_H_
