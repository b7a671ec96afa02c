// What a Lab of IPv4 takes, which is what a fuzzer's reset copies: sizes of this build, and bounds
// that leave room for other compilers' padding.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <string>
#include <vector>

#include "replay/lab/lab.h"

namespace tapedeck {
namespace {

constexpr size_t kKib = 1024;

LabOptions Hosts(size_t count) {
  LabOptions options;
  options.hosts.resize(count);
  if (count == 2) {
    options.hosts[1].address = Ipv4Address{10, 0, 0, 2};
    options.hosts[1].mac = MacAddress(std::array<uint8_t, 6>{0x02, 0, 0, 0, 0, 2});
    options.back_to_back = true;
  }
  return options;
}

// The hot state stays in a core's second-level cache.
TEST(LabMemoryTest, OneHostTakesLessThan256KiB) {
  if (kAsanBuild) GTEST_SKIP() << "red zones take more";
  const Lab lab(Hosts(1));
  Lab::Checkpoint checkpoint;
  lab.Take(&checkpoint);
  EXPECT_LT(checkpoint.memory.bytes(), 256 * kKib);
}

TEST(LabMemoryTest, TwoHostsTakeLessThan512KiB) {
  if (kAsanBuild) GTEST_SKIP() << "red zones take more";
  const Lab lab(Hosts(2));
  Lab::Checkpoint checkpoint;
  lab.Take(&checkpoint);
  EXPECT_LT(checkpoint.memory.bytes(), 512 * kKib);
}

// Every file that a host's owners list can be read, under its own path only.
TEST(LabMemoryTest, AllSettingsOfAHostAreThereThoughNoneIsKept) {
  Lab lab(Hosts(1));
  const SysctlTree& tree = lab.host(0).kernel().sysctl();
  std::vector<std::string> paths = tree.Paths();
  EXPECT_GT(paths.size(), 500U);
  for (const std::string& path : paths) {
    std::string text;
    EXPECT_EQ(tree.Read(path, &text), 0) << path;
  }
  std::sort(paths.begin(), paths.end());
  EXPECT_EQ(std::adjacent_find(paths.begin(), paths.end()), paths.end());
}

}  // namespace
}  // namespace tapedeck
