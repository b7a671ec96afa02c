// What a fuzz target is. Each is one file that defines RunInput(); engine_entry.cc makes a program
// for libFuzzer, AFL++ or any engine with their interface of it, replayer_main.cc one without an
// engine.
#ifndef TAPEDECK_FUZZ_TARGET_H_
#define TAPEDECK_FUZZ_TARGET_H_

#include <cstdint>
#include <optional>
#include <span>

namespace tapedeck::fuzz {

// Runs one input, which may be any bytes, from the same state each time, and aborts where a promise
// does not hold. Returns the digest of the run, which depends on the input alone; none where the
// input is beyond the target's bounds: it was not run and is no use to a corpus. `input` is a heap
// block of exactly its size.
std::optional<uint64_t> RunInput(std::span<const uint8_t> input);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_TARGET_H_
