// What a fuzz target is. Each is one file that defines RunInput(); engine_entry.cc makes a program
// for libFuzzer, AFL++ or any engine with their interface of it, replayer_main.cc one without an
// engine.
#ifndef TAPEDECK_FUZZ_TARGET_H_
#define TAPEDECK_FUZZ_TARGET_H_

#include <cstdint>
#include <span>

namespace tapedeck::fuzz {

// What became of an input that broke no promise.
struct RunResult {
  enum class End : uint8_t {
    kOutOfBounds,  // beyond what the target takes: it was not run
    kCutShort,     // it made more work than a run may have: the rest of it nobody has seen
    kWhole,        // it was run to its end
  };

  static constexpr RunResult Whole(uint64_t digest) { return {End::kWhole, digest}; }

  bool ran() const { return end != End::kOutOfBounds; }
  // Whether a corpus has a use for it. One that is cut short costs a thousand others.
  bool keeps() const { return end == End::kWhole; }
  friend bool operator==(const RunResult&, const RunResult&) = default;

  End end = End::kOutOfBounds;
  uint64_t digest = 0;  // of the run, up to where it was cut; depends on the input alone
};

// Runs one input, which may be any bytes, from the same state each time, and aborts where a promise
// does not hold. `input` is a heap block of exactly its size.
RunResult RunInput(std::span<const uint8_t> input);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_TARGET_H_
