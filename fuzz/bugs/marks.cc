// Linked into variants alone (tools/bugs), and compiled without instrumentation. The first time
// each thing happens, a line goes to the file that TAPEDECK_BUG_MARKS names: "reached 1234", the
// number of the input that was running, from 1; 0 where nobody counts them.
#include "fuzz/bugs/marks.h"

#include <cinttypes>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace {

// A variant is a program for one purpose; its engines leave nothing else to hang this on.
uint64_t executions;
bool reached;
bool triggered;

void Write(const char* what) {
  const char* const name = std::getenv("TAPEDECK_BUG_MARKS");
  if (name == nullptr) return;
  std::FILE* const file = std::fopen(name, "a");
  if (file == nullptr) return;
  std::fprintf(file, "%s %" PRIu64 "\n", what, executions);
  std::fclose(file);
}

}  // namespace

namespace tapedeck::bugs {

void Reached() {
  if (reached) return;
  reached = true;
  Write("reached");
}

void Triggered(bool condition) {
  Reached();
  if (triggered || !condition) return;
  triggered = true;
  Write("triggered");
}

}  // namespace tapedeck::bugs

// The linker puts this in front of the target's entry (--wrap) where there is an engine.
extern "C" [[gnu::weak]] int __real_LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);
extern "C" int __wrap_LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  ++executions;
  return __real_LLVMFuzzerTestOneInput(data, size);
}
