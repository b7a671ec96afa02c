// The canaries: each lets something reach a run that must not, as a mistake would. Which one sings
// is said by TAPEDECK_CANARY: `pointers`, `padding`, `hash-order` or `draw`.
//
// The first three tell of themselves by kStateDigest events, which nothing else makes while a Lab
// is built. The fourth leaves no event: a random number is drawn that another run does not draw, so
// that numbers drawn later are others.
#include "replay/lab/canary.h"

#include <absl/container/flat_hash_set.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "stack/base/trace_event.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {

namespace {

void Tell(World& world, uint64_t what) {
  world.Trace({.time = world.now(), .kind = TraceKind::kStateDigest, .args = {what}});
}

// A table with pointers as keys is walked, bucket by bucket: where a bucket lies is the address's
// remainder.
void WalkPointers(World& world) {
  std::unordered_set<const void*> table;
  std::vector<std::unique_ptr<int>> things;
  for (int i = 0; i < 8; ++i) {
    things.push_back(std::make_unique<int>(i));
    table.insert(things.back().get());
  }
  for (size_t bucket = 0; bucket < table.bucket_count(); ++bucket) {
    for (auto thing = table.begin(bucket); thing != table.end(bucket); ++thing) {
      Tell(world, static_cast<uint64_t>(*static_cast<const int*>(*thing)));
    }
  }
}

// Bytes between the fields of a struct, which are whatever was there before: an address.
void HashPadding(World& world) {
  struct Padded {
    uint8_t kind;
    uint64_t value;
  };
  alignas(Padded) unsigned char memory[sizeof(Padded)];
  const void* const address = &memory;
  for (size_t i = 0; i < sizeof(memory); i += sizeof(address)) {
    std::memcpy(memory + i, &address, sizeof(address));
  }
  auto* const padded = new (memory) Padded;
  padded->kind = 1;
  padded->value = 2;
  uint64_t hash = 0;
  for (const unsigned char byte : memory) hash = hash * 31 + byte;
  Tell(world, hash);
}

// Abseil's tables have another order in every process.
void WalkHashTable(World& world) {
  absl::flat_hash_set<uint64_t> table;
  for (uint64_t i = 0; i < 64; ++i) table.insert(i);
  for (const uint64_t entry : table) Tell(world, entry);
}

// A draw that depends on where something lies in memory.
void DrawOnce(Host& host) {
  const auto thing = std::make_unique<int>(0);
  const auto address = reinterpret_cast<uint64_t>(thing.get());
  if ((address >> 12 & 1) != 0) net_ipv6(host.network()).prng.Next32();
}

}  // namespace

void SingCanary(World& world, Host& host) {
  const char* const named = std::getenv("TAPEDECK_CANARY");
  const std::string_view canary = named == nullptr ? "" : named;
  if (canary == "pointers") WalkPointers(world);
  if (canary == "padding") HashPadding(world);
  if (canary == "hash-order") WalkHashTable(world);
  if (canary == "draw") DrawOnce(host);
}

}  // namespace tapedeck
