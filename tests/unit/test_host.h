// A world with one host's kernel and nothing in it, for unit tests of what runs on a kernel.
#ifndef TAPEDECK_TESTS_UNIT_TEST_HOST_H_
#define TAPEDECK_TESTS_UNIT_TEST_HOST_H_

#include <cstdint>

#include "stack/kernel/kernel.h"

namespace tapedeck {

struct TestHost {
  explicit TestHost(const KernelOptions& options = {}, const CostTable& costs = FreeCostTable(),
                    TraceSink* sink = nullptr)
      : world(*arena.New<World>(arena, /*seed=*/uint64_t{1}, sink)),
        kernel(*arena.New<Kernel>(world, options, costs)) {}

  // A host with `cpus` CPUs and `hz` ticks a second.
  TestHost(int cpus, uint32_t hz) : TestHost(KernelOptions{.cpus = cpus, .hz = hz}) {}

  Arena arena;
  World& world;
  Kernel& kernel;
};

// A cost table with one point: `cycles` for `point`, at `cpu_hz`.
inline CostTable OneCost(CostPoint point, uint32_t cycles, uint64_t cpu_hz) {
  CostTable costs;
  costs.free = false;
  costs.cpu_hz = cpu_hz;
  costs.cycles[static_cast<size_t>(point)] = cycles;
  return costs;
}

constexpr SimTime AtNs(uint64_t ns) { return SimTime::At(Duration::Nanoseconds(ns)); }
constexpr SimTime AtUs(uint64_t us) { return SimTime::At(Duration::Microseconds(us)); }
constexpr SimTime AtMs(uint64_t ms) { return SimTime::At(Duration::Milliseconds(ms)); }

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_TEST_HOST_H_
