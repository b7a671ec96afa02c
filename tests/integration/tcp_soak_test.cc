// Random applications over random links with random settings, both ends ours: every byte arrives,
// nothing stalls, nothing is left, and a run is the same when it is repeated.
//
// A fixed number of Labs; TAPEDECK_SOAK_LABS=N plays N, TAPEDECK_SOAK_SEED=S the one with seed S
// and prints its frames and calls.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "replay/trace/trace_printer.h"
#include "stack/base/prng.h"
#include "stack/core/neighbour.h"
#include "tcp_lab.h"

namespace tapedeck {
namespace {

constexpr uint64_t kFirstSeed = 0x50a0'0000;
constexpr uint64_t kStream = 0x736f'616b;  // "soak"
// A sanitizer's Lab takes five times as long.
constexpr uint64_t kLabs = kAsanBuild ? 300 : 1500;
constexpr uint64_t kRepeatEvery = 10;  // Labs that are played twice

template <typename T, size_t N>
const T& PickOne(Prng& prng, const T (&choices)[N]) {
  return choices[prng.Below(N)];
}

// Of about equal weight in each octave from 1 to `max`.
uint32_t DrawSize(Prng& prng, uint32_t max) {
  uint32_t octaves = 0;
  while ((max >> octaves) > 1) ++octaves;
  const uint32_t top = std::min(max, (2U << prng.Below(octaves + 1)) - 1);
  return 1 + prng.Below(top);
}

// Each fault is absent from half of all links: what two do together is not hidden by a third.
uint32_t DrawShare(Prng& prng, uint32_t max_ppm) {
  return prng.Below(2) == 0 ? 0 : DrawSize(prng, max_ppm);
}

LinkOptions DrawLink(Prng& prng) {
  constexpr uint64_t kDelaysNs[] = {5, 500, 20'000, 300'000, 2'000'000, 20'000'000, 100'000'000};
  constexpr uint64_t kRates[] = {1'000'000, 10'000'000, 50'000'000, 200'000'000, 1'000'000'000};
  LinkOptions link;
  link.delay = Duration::Nanoseconds(PickOne(prng, kDelaysNs));
  if (prng.Below(2) == 0) {
    link.rate_bits_per_second = PickOne(prng, kRates);
    link.queue_frames = 3 + DrawSize(prng, 200);
  }
  link.loss_ppm = DrawShare(prng, 60'000);
  link.duplicate_ppm = DrawShare(prng, 100'000);
  link.reorder_ppm = DrawShare(prng, 200'000);
  link.reorder_delay = Duration::Microseconds(DrawSize(prng, 20'000));
  link.corrupt_ppm = DrawShare(prng, 20'000);
  return link;
}

LabOptions DrawLab(Prng& prng, uint64_t seed) {
  constexpr uint32_t kHz[] = {100, 250, 1000};
  constexpr uint16_t kRings[] = {64, 128, 512};
  constexpr uint32_t kEitr[] = {0, 0x20, 0xc8, 0x3e8};
  LabOptions options = TcpLabOptions();
  options.seed = seed;
  for (int i = 0; i < 2; ++i) options.links[i] = DrawLink(prng);
  for (LabHostOptions& host : options.hosts) {
    host.hz = PickOne(prng, kHz);
    host.cpus = 1 + static_cast<int>(prng.Below(2));
    host.driver.rx_ring_entries = PickOne(prng, kRings);
    host.driver.tx_ring_entries = PickOne(prng, kRings);
    host.driver.eitr = PickOne(prng, kEitr);
    host.driver.drop_enable = prng.Below(2) == 0;
  }
  return options;
}

void DrawSettings(Prng& prng, TcpLab& lab, int host) {
  struct Setting {
    const char* path;
    uint32_t values;  // 0 .. values - 1
  };
  constexpr Setting kSettings[] = {
      {"net/ipv4/tcp_sack", 2},
      {"net/ipv4/tcp_timestamps", 3},
      {"net/ipv4/tcp_window_scaling", 2},
      {"net/ipv4/tcp_ecn", 6},
      {"net/ipv4/tcp_dsack", 2},
      {"net/ipv4/tcp_recovery", 2},
      {"net/ipv4/tcp_early_retrans", 4},
      {"net/ipv4/tcp_autocorking", 2},
      {"net/ipv4/tcp_frto", 3},
      {"net/ipv4/tcp_mtu_probing", 3},
      {"net/ipv4/tcp_moderate_rcvbuf", 2},
      {"net/ipv4/tcp_slow_start_after_idle", 2},
  };
  for (const Setting& setting : kSettings) {
    if (prng.Below(3) != 0) continue;  // mostly the default
    lab.Set(host, setting.path, std::to_string(prng.Below(setting.values)));
  }
  constexpr const char* kControls[] = {"cubic", "reno", "bbr", "dctcp"};
  lab.Set(host, "net/ipv4/tcp_congestion_control", PickOne(prng, kControls));
  // What these links lose are ARP's packets too, and three questions may all be in vain.
  lab.Set(host, "net/ipv4/neigh/eth0/mcast_solicit", "30");
}

// ARP has no checksum: an answer that was damaged on its way is believed, here as in Linux, until
// the entry is tried again. So where links do damage, hosts know each other for good.
void KnowEachOther(TcpLab& lab) {
  for (int i = 0; i < 2; ++i) {
    std::string none;
    const std::string command = "add " + kTcpLabAddress[1 - i].ToString() + " lladdr " +
                                TcpLabMac(1 - i).ToString() + " nud permanent dev eth0";
    EXPECT_EQ(neigh_command(lab.network(i), command, &none), 0);
  }
}

AppPlan DrawPlan(Prng& prng) {
  AppPlan plan;
  plan.connections = DrawSize(prng, 20);
  plan.requests_per_connection = DrawSize(prng, 20);
  const uint32_t budget = 200'000 / plan.connections / plan.requests_per_connection;
  plan.request_bytes = DrawSize(prng, budget) - 1;
  plan.response_bytes = DrawSize(prng, budget) - 1;
  if (prng.Below(4) == 0) plan.write_bytes = 100 + DrawSize(prng, 16'000);
  if (prng.Below(4) == 0) plan.read_bytes = 100 + DrawSize(prng, 16'000);
  if (prng.Below(4) == 0) plan.send_buffer_bytes = DrawSize(prng, 300'000);
  if (prng.Below(4) == 0) plan.receive_buffer_bytes = DrawSize(prng, 300'000);
  return plan;
}

// Plays the Lab that `seed` stands for, watched by `observer` if there is one; its digest.
std::string Play(uint64_t seed, Arena* arena, TraceObserver* observer, uint64_t* connections) {
  Prng prng(seed, kStream);
  const LabOptions options = DrawLab(prng, seed);
  TcpLab lab(options, arena);
  if (observer != nullptr) lab.lab().recorder().AddObserver(observer);
  for (int i = 0; i < 2; ++i) {
    DrawSettings(prng, lab, i);
    lab.Serve(i, prng.Below(4) == 0 ? DrawSize(prng, 300'000) : 0);
  }
  if (options.links[0].corrupt_ppm + options.links[1].corrupt_ppm != 0) KnowEachOther(lab);
  const uint32_t clients = 1 + prng.Below(4);
  for (uint32_t i = 0; i < clients; ++i) {
    const auto host = static_cast<int>(prng.Below(2));
    const AppPlan plan = DrawPlan(prng);
    lab.Ask(host, plan, prng.Next64());
  }
  EXPECT_TRUE(lab.RunClients());
  EXPECT_TRUE(lab.AllIsRight());
  EXPECT_TRUE(lab.Shutdown());
  *connections += lab.client(0).connections + lab.client(1).connections;
  return lab.Digest();
}

uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 0);
}

TEST(TcpSoak, RandomApplicationsOverRandomLinks) {
  const uint64_t one = FromEnvironment("TAPEDECK_SOAK_SEED", 0);
  const uint64_t first = one != 0 ? one : kFirstSeed;
  const uint64_t labs = one != 0 ? 1 : FromEnvironment("TAPEDECK_SOAK_LABS", kLabs);
  Arena arena;
  TracePrinter printer(stdout, TracePrinter::Detail::kFrames);
  uint64_t connections = 0;
  for (uint64_t i = 0; i < labs; ++i) {
    char name[64];
    std::snprintf(name, sizeof(name), "TAPEDECK_SOAK_SEED=0x%llx",
                  static_cast<unsigned long long>(first + i));
    SCOPED_TRACE(name);
    const std::string digest = Play(first + i, &arena, one != 0 ? &printer : nullptr, &connections);
    uint64_t repeated = 0;
    if (i % kRepeatEvery == 0) {
      EXPECT_EQ(Play(first + i, &arena, nullptr, &repeated), digest);
    }
    if (HasFailure()) return;
  }
  RecordProperty("connections", std::to_string(connections));
  std::printf("%llu Labs, %llu connections\n", static_cast<unsigned long long>(labs),
              static_cast<unsigned long long>(connections));
}

}  // namespace
}  // namespace tapedeck
