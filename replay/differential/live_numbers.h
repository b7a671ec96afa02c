// The numbers that a stack has chosen for its TCP connections, read off the frames that it sent.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_LIVE_NUMBERS_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_LIVE_NUMBERS_H_

#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <vector>

#include "replay/differential/case.h"
#include "stack/wire/tcp.h"

namespace tapedeck::differential {

// Where the TCP segment of a frame lies; nothing where there is none, or only a later fragment.
struct TcpPlace {
  Flow flow;          // as the sender sees it: local is the source
  size_t offset = 0;  // of the TCP header in the frame
  size_t end = 0;     // of the segment, without padding
};
std::optional<TcpPlace> FindTcp(std::span<const uint8_t> frame);
// Offset in `header` (a TCP header with its options) of the timestamps' value, 0 where it has none.
size_t FindTsval(std::span<const uint8_t> header);

// Adds to the 32 bits at `offset`; the checksum over them at `checksum_at` stays as right or wrong.
// Nothing where the frame is too short.
void AddToField(std::span<uint8_t> frame, size_t offset, size_t checksum_at, uint32_t add);

class LiveNumbers {
 public:
  struct Numbers {
    uint32_t isn = 0;
    uint32_t tsval = 0;
  };

  // Takes note of a frame that the stack sent.
  void See(std::span<const uint8_t> frame);
  // Adds a number to a frame. A connection that the stack has not spoken on yet has zeros.
  void Apply(const LivePatch& patch, std::span<uint8_t> frame) const;
  Numbers Of(const Flow& flow) const;

 private:
  std::map<Flow, Numbers> numbers_;
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_LIVE_NUMBERS_H_
