// What the applications of Labs say to each other: a header and bytes that can be checked.
#ifndef TAPEDECK_REPLAY_LAB_APP_PROTOCOL_H_
#define TAPEDECK_REPLAY_LAB_APP_PROTOCOL_H_

#include <cstdint>
#include <span>

#include "replay/lab/tcp_apps.h"
#include "stack/base/byteorder.h"
#include "stack/base/prng.h"

namespace tapedeck {

struct AppHeader {
  be64 stream;
  be64 request_bytes;
  be64 response_bytes;
};
static_assert(sizeof(AppHeader) == 24);

// The two directions of a connection are different streams.
inline constexpr uint64_t kAppAnswer = uint64_t{1} << 63;

inline uint64_t AppStreamWord(uint64_t stream, uint64_t word) {
  uint64_t state = stream * 0x9e3779b97f4a7c15 + word;
  return SplitMix64(state);
}

// The bytes of a stream in order, of which eight are drawn at once.
class AppStream {
 public:
  AppStream(uint64_t stream, uint64_t position) : stream_(stream), position_(position) {
    word_ = AppStreamWord(stream_, position_ / 8);
  }
  uint8_t Next() {
    const auto byte = static_cast<uint8_t>(word_ >> 8 * (position_ % 8));
    if (++position_ % 8 == 0) word_ = AppStreamWord(stream_, position_ / 8);
    return byte;
  }

 private:
  uint64_t stream_;
  uint64_t position_;
  uint64_t word_;
};

inline uint64_t CountWrongAppBytes(uint64_t stream, uint64_t position,
                                   std::span<const uint8_t> bytes) {
  AppStream source(stream, position);
  uint64_t wrong = 0;
  for (const uint8_t byte : bytes) wrong += byte != source.Next() ? 1 : 0;
  return wrong;
}

inline void NoteAppFailure(AppCounts* counts, int64_t result) {
  if (counts->failed_calls++ == 0) counts->first_error = result;
}

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_APP_PROTOCOL_H_
