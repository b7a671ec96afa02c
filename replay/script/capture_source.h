// The frames of a capture as they enter a NIC: link layers made Ethernet, times relative to the
// first record, never backwards. Streams in constant memory, and copies no frame whose Ethernet
// header was captured.
//
// A step back in time of up to a day is taken for disorder: the frame enters together with the one
// ahead of it. What is farther, in either direction, is taken for another clock, as in captures
// that were merged: time goes on from the frame ahead, backwards at once, forwards after a day.
//
// What the capture holds is what enters. A frame that the capture cut (snaplen) enters as short as
// it is: its IP length then exceeds its bytes and the stack drops it, as it would drop it on a
// wire. Such frames are counted. Left out: taking the copies that a capture on all interfaces
// ("any") has of one frame as one.
#ifndef TAPEDECK_REPLAY_SCRIPT_CAPTURE_SOURCE_H_
#define TAPEDECK_REPLAY_SCRIPT_CAPTURE_SOURCE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "replay/capture/capture_reader.h"
#include "replay/capture/link_layer.h"
#include "replay/script/frame_source.h"
#include "stack/base/time.h"

namespace tapedeck {

// What became of the records read so far: records = frames + all of `skipped`.
struct CaptureSourceCounts {
  uint64_t records = 0;
  uint64_t frames = 0;
  std::array<uint64_t, static_cast<size_t>(capture::SkipReason::kCount)> skipped = {};
  uint64_t truncated = 0;    // frames that were not captured whole
  uint64_t synthesised = 0;  // frames whose Ethernet header is made up
  uint64_t fcs_stripped = 0;
  // Frames captured before the one ahead of them; they enter together with it.
  uint64_t backwards = 0;
  Duration backwards_max;    // how far, at most
  uint64_t clock_jumps = 0;  // by more than a day
  // Frames that would enter later than kScriptDurationMax after the first record; they enter then.
  uint64_t beyond_end = 0;

  uint64_t skipped_of(capture::SkipReason reason) const {
    return skipped[static_cast<size_t>(reason)];
  }
  uint64_t skipped_total() const { return records - frames; }
};

// The lines a user should see, one for each kind of thing that went wrong: reasons for skipping,
// cut frames, times that go backwards by more than a millisecond, jump, or lie beyond the end.
// Without file names.
std::vector<std::string> Warnings(const CaptureSourceCounts& counts);

class CaptureSource final : public FrameSource {
 public:
  // Reads on from wherever `reader` is; it must outlive the source. Its warnings, and the damage
  // that may have ended it, stay with it.
  explicit CaptureSource(capture::CaptureReader& reader) : reader_(reader) {}

  bool Next(TimedFrame* frame) override;

  const CaptureSourceCounts& counts() const { return counts_; }
  // When the first record was captured, since 1970. 0 before it was read.
  int64_t start_ns() const { return start_ns_; }

 private:
  // Finds the bytes of any but a plain Ethernet record. False if it is skipped.
  [[gnu::noinline]] bool TakeOther(const capture::Record& record, TimedFrame* frame);
  // Puts the pieces of `ethernet` together in built_.
  std::span<const uint8_t> Build(const capture::EthernetFrame& ethernet);
  // Virtual time of a record that was captured at `time_ns`.
  SimTime TimeOf(int64_t time_ns);
  // The record lies `by` before the latest one.
  void StepBack(Duration by, int64_t time_ns);

  capture::CaptureReader& reader_;
  std::vector<uint8_t> built_;  // frames with a made-up header, one after another
  CaptureSourceCounts counts_;
  int64_t start_ns_ = 0;
  int64_t last_ns_ = 0;   // capture time of the latest frame so far, or of the start
  Duration since_start_;  // virtual time of the same
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_CAPTURE_SOURCE_H_
