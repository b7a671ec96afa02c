// A capture made ready for inference: every record becomes frames as a wire would have carried
// them, or gets a reason why not. What capturing did to the traffic is undone: link layers,
// padding, super-frames of offloading (TSO, GRO, BIG TCP), checksums left to the NIC, payload cut
// by the snapshot length, copies seen on several interfaces, order.
//
//   records = frames (pieces of one record counted once) + unused
#ifndef TAPEDECK_REPLAY_NORMALISE_NORMALISE_H_
#define TAPEDECK_REPLAY_NORMALISE_NORMALISE_H_

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "replay/capture/capture_reader.h"
#include "replay/normalise/byte_pool.h"
#include "replay/normalise/frame.h"
#include "stack/base/time.h"

namespace tapedeck::normalise {

struct NormaliseOptions {
  // Largest IP packet of the captured network, bytes. 0: 1500, or what the MSS of a SYN in the
  // capture proves if that is more.
  uint32_t mtu_bytes = 0;
  // Equal frames on several interfaces within this long are one frame (a capture on "any").
  Duration duplicate_window = Duration::Milliseconds(1);
  // How much may be kept beside the file's own bytes; 0: three times the file and 64 MiB.
  uint64_t memory_bytes_max = 0;
  // What of that the caller will need for each frame beside it.
  uint32_t caller_bytes_per_frame = 0;
};

// How often each artefact was met.
struct NormaliseCounts {
  uint64_t records = 0;
  uint64_t super_frames = 0;        // that were split
  uint64_t super_frame_pieces = 0;  // into these
  uint64_t split_by_guess = 0;      // of the super-frames: no SYN told the MSS
  uint64_t lengths_filled = 0;      // IP length 0 (BIG TCP, TSO), taken from the record
  uint64_t padded = 0;              // with bytes behind the IP packet, which were taken off
  uint64_t filled = 0;              // with payload that was not captured
  uint64_t links_synthesised = 0;   // Ethernet headers made up
  uint64_t pppoe_stripped = 0;      // PPPoE session headers within Ethernet taken off
  uint64_t checksums_repaired = 0;  // frames of senders that leave them to the NIC
  uint64_t checksums_wrong = 0;     // frames whose wrong checksum is kept
  uint64_t lengths_lying = 0;       // frames with Frame::length_lies
  uint64_t fragments = 0;           //
  uint64_t backwards = 0;           // records captured before the one ahead of them
  Duration backwards_max;           // how far, at most
  std::array<uint64_t, static_cast<size_t>(UnusedReason::kCount)> unused = {};
};

// A comment that orders something about its frame: what follows "replay:" at its beginning. It
// points into the reader's bytes. More than people write are left alone.
inline constexpr size_t kOrderingCommentsMax = 10'000;
struct OrderingComment {
  uint64_t record = 0;
  std::string_view text;
};

// Frames in the order of their times, of equal times in that of the file. The frames point into the
// reader's bytes: the reader must outlive it.
struct NormalisedCapture {
  std::vector<Frame> frames;
  std::vector<UnusedRecord> unused;     // in file order
  std::vector<OrderingComment> orders;  // in file order
  std::vector<capture::CaptureInterface> interfaces;
  NormaliseCounts counts;
  uint32_t mtu_bytes = 0;  // what super-frames were measured by
  // Lines a user should see: the reader's own, then one for each kind of artefact above that
  // changes what the frames are worth. Without file name, the reader's apart.
  std::vector<std::string> warnings;
  BytePool pool;  // the bytes that are not the capture's own
};

// Reads `reader` to its end. Total: damage ends the reading and is a warning.
NormalisedCapture Normalise(capture::CaptureReader& reader, const NormaliseOptions& options = {});

}  // namespace tapedeck::normalise

#endif  // TAPEDECK_REPLAY_NORMALISE_NORMALISE_H_
