// The back ends of engines. All of them are in this file, which links into any program: what is not
// there is not used.
//
// libFuzzer counts the bytes of the section __libfuzzer_extra_counters as coverage.
//
// AFL++ has no such thing. As many guards as there are cells are reserved by the call by which
// instrumented objects reserve theirs, and the cells are then the bytes of AFL++'s map at these
// guards. This must be done before its runtime fixes the size of the map, hence a constructor of
// the priority of those of instrumented objects. Whether AFL++ is there the pointer to its map
// tells: libFuzzer's runtime has a function of the other's name, too.
#include <array>
#include <cstdint>

#include "fuzz/state/state_map.h"

extern "C" {
[[gnu::weak]] extern uint8_t* __afl_area_ptr;
[[gnu::weak]] void __sanitizer_cov_trace_pc_guard_init(uint32_t* start, uint32_t* stop);
}

namespace tapedeck::fuzz {

namespace {

[[gnu::section("__libfuzzer_extra_counters"), gnu::used]] uint8_t
    engine_cells[kStateCells];  // libFuzzer takes whole sections: nothing else may be in it
uint32_t afl_guards[kStateCells];

bool HasAfl() {
  return &__afl_area_ptr != nullptr && &__sanitizer_cov_trace_pc_guard_init != nullptr;
}

// 2 is the priority of what instrumented objects have; gcc warns of all that are its own.
#ifndef __clang__
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wprio-ctor-dtor"
#endif
[[gnu::constructor(2), gnu::used]] void ReserveGuards() {
  if (HasAfl()) __sanitizer_cov_trace_pc_guard_init(afl_guards, afl_guards + kStateCells);
}
#ifndef __clang__
#pragma GCC diagnostic pop
#endif

class EngineMap final : public StateMap {
 public:
  EngineMap() : StateMap(engine_cells), has_afl_(HasAfl()) {}

 private:
  void Set(size_t index) override {
    StateMap::Set(index);
    if (has_afl_) __afl_area_ptr[afl_guards[index]] = 1;
  }

  const bool has_afl_;
};

}  // namespace

StateMap& EngineStateMap() {
  static EngineMap map;
  return map;
}

}  // namespace tapedeck::fuzz
