// Seeded bytes in the place of payload. What was the same stays the same: a byte is a function of
// the seed, its flow and its place there, so that a retransmission repeats what it retransmits, and
// an echo reply its request.
#ifndef TAPEDECK_REPLAY_CONVERT_PAYLOAD_CIPHER_H_
#define TAPEDECK_REPLAY_CONVERT_PAYLOAD_CIPHER_H_

#include <array>
#include <cstdint>
#include <span>

#include "stack/base/byteorder.h"
#include "stack/base/hash.h"
#include "stack/base/prng.h"

namespace tapedeck {

class PayloadCipher {
 public:
  explicit PayloadCipher(uint64_t seed) {
    uint64_t state = ~seed;
    key_ = {SplitMix64(state), SplitMix64(state)};
  }

  // Names a flow by whatever tells it from others.
  uint64_t Flow(std::span<const uint8_t> identity) const { return SipHash24(identity, key_); }

  // Fills `bytes`, which begin at `position` of `flow`. Positions wrap as sequence numbers do.
  void Fill(uint64_t flow, uint32_t position, std::span<uint8_t> bytes) const {
    for (size_t i = 0; i < bytes.size();) {
      const uint32_t at = position + static_cast<uint32_t>(i);
      std::array<uint8_t, 12> message;
      StoreLe64(message.data(), flow);
      StoreLe32(message.data() + 8, at / 8);
      uint64_t word = SipHash24(message, key_) >> (at % 8 * 8);
      for (uint32_t k = at % 8; k < 8 && i < bytes.size(); ++k, ++i, word >>= 8) {
        bytes[i] = static_cast<uint8_t>(word);
      }
    }
  }

 private:
  SipHashKey key_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_CONVERT_PAYLOAD_CIPHER_H_
