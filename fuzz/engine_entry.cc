// The entry of fuzzing engines: libFuzzer, AFL++'s driver, honggfuzz, centipede.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>

#include "fuzz/input_ring.h"
#include "fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  // AFL++ hands out a large shared buffer, in which a read beyond the end of the input finds
  // something.
  const auto copy = std::make_unique_for_overwrite<uint8_t[]>(size);
  if (size != 0) std::memcpy(copy.get(), data, size);
  static tapedeck::fuzz::InputRing ring = tapedeck::fuzz::InputRing::FromEnvironment();
  ring.Add({copy.get(), size});
  const tapedeck::fuzz::RunResult result = tapedeck::fuzz::RunInput({copy.get(), size});
  if (result.end == tapedeck::fuzz::RunResult::End::kCutShort) ring.CountCutShort();
  // -1: keep it out of the corpus.
  return result.keeps() ? 0 : -1;
}
