// The last inputs that a process ran, in a file that outlives it however it ends: what a crash that
// does not come again alone needs.
//
// The file is memory that is shared with the system: adding an input is a copy, no call. A process
// that finds the ring of one before it moves that aside, to <path>.0 to <path>.7 in turn.
#ifndef TAPEDECK_FUZZ_INPUT_RING_H_
#define TAPEDECK_FUZZ_INPUT_RING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

namespace tapedeck::fuzz {

// Names the file to the programs of the engines.
inline constexpr char kInputRingVariable[] = "TAPEDECK_FUZZ_RING";

class InputRing {
 public:
  static constexpr uint32_t kInputsMax = 16;
  static constexpr uint32_t kInputBytesMax = 1U << 16;  // a longer one is kept up to here
  static constexpr int kOldRings = 8;

  // In the file that the environment names; without one Add() does nothing.
  static InputRing FromEnvironment();
  // Opens `path` anew; Add() does nothing where that cannot be.
  explicit InputRing(const char* path);

  void Add(std::span<const uint8_t> input) {
    if (file_ != nullptr) Store(input);
  }

  // One more run was cut short (RunResult).
  void CountCutShort();

  // What the file `path` has, the oldest first; none where it is no ring.
  static std::vector<std::vector<uint8_t>> Read(const std::string& path);
  // How many runs were cut short, of this process and of those whose rings lay there before it.
  static uint64_t ReadCutShort(const std::string& path);

 private:
  struct File;
  InputRing() = default;
  void Store(std::span<const uint8_t> input);
  // nullptr where `path` is no ring.
  static std::unique_ptr<File> Load(const std::string& path);

  File* file_ = nullptr;  // mapped for good
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_INPUT_RING_H_
