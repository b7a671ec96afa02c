// The structure-aware mutator: what comes out is a canonical script within bounds, the same for the
// same seed, and every mutation does what its name says.
#include "fuzz/mutate/mutator.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <string>

#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/dictionary.h"
#include "fuzz/mutate/frame_edit.h"
#include "fuzz/mutate/idioms.h"
#include "fuzz/mutate/new_step.h"
#include "fuzz/mutate/references.h"
#include "fuzz/mutate/repair.h"
#include "replay/script/bytes.h"
#include "replay/script/text.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/repair_checksums.h"

namespace tapedeck::fuzz {
namespace {

using Bytes = std::vector<uint8_t>;

// Frames of each kind, segments, calls of many kinds, two hosts, times and text.
constexpr std::string_view kRich = R"(
    0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 6
    +0   bind(6, ..., ...) = 0
    +0   listen(6, 8) = 0
    +123us segment 0 SYN mss 1460 sackok wscale 7 ts 0 0
    +1ms segment 0 ACK
    +1ms accept(6, ..., ...) = 7
    +1ms segment 0 PSH|ACK len 1000 sack 0 100
    +1ms read(7, ..., 100) = 100
    +0   write(7, ..., 8192) = ?
    +1ms segment 3 URG|ACK seq 100 len 10 urg 5 options { 0101020405b4 }
    +0   setsockopt(7, SOL_TCP, TCP_NODELAY, [1], 4) = 0
    +0   poll([{fd=7, events=POLLIN}], 1, 100) = ?
    +0   epoll_create(1) = 8
    +0   epoll_ctl(8, EPOLL_CTL_ADD, 7, {events=EPOLLIN, fd=7}) = 0
    +0   sendto(3, ..., 100, 0, ..., ...) = ?
    +1   pause
    +1ms frame repair {
      020000000001 020000000101 0800
      4500 0030 0000 4000 4011 0000 c000 0265 c000 0201
      1f90 1f90 001c 0001 0001 0203 0405 0607 0809 0a0b 0c0d 0e0f 1011 1213
    }
    +1ms frame repair {
      020000000001 020000000101 0800
      4500 002c 0000 4000 4006 0000 c000 0265 c000 0201
      1f90 1f90 00000001 00000000 6002 ffff 0000 0000 020405b4
    }
    +0   host 1: socket(..., SOCK_DGRAM, IPPROTO_UDP) = 3
    +0   host 1: close(3) = 0
    +0...0.2 read(7, ..., 100) = 0
    +0   close(7) = 0
)";

Script Parse(std::string_view text) {
  absl::StatusOr<Script> script = ParseScript(text, "test");
  EXPECT_TRUE(script.ok()) << script.status();
  return script.ok() ? *std::move(script) : Script();
}

Bytes Encode(const Script& script) {
  absl::StatusOr<Bytes> bytes = EncodeScript(script);
  EXPECT_TRUE(bytes.ok()) << bytes.status();
  return bytes.ok() ? *std::move(bytes) : Bytes();
}

bool IsCanonical(const Bytes& bytes) { return Encode(DecodeScript(bytes)) == bytes; }

// Each descriptor that is used was made before, or by no step at all.
bool IsWhole(const Script& script) {
  const std::set<FdName> all = MadeBefore(script, script.steps.size());
  for (size_t i = 0; i < script.steps.size(); ++i) {
    const std::set<FdName> made = MadeBefore(script, i);
    for (const FdName& name : UsedBy(script.steps[i])) {
      if (all.contains(name) && !made.contains(name)) return false;
    }
  }
  return true;
}

// How many steps of the longer one lie between those that begin and end both.
size_t StepsChanged(const Script& a, const Script& b) {
  const auto& x = a.steps;
  const auto& y = b.steps;
  const size_t both = std::min(x.size(), y.size());
  size_t front = 0;
  while (front < both && x[front] == y[front]) ++front;
  size_t back = 0;
  while (back < both - front && x[x.size() - 1 - back] == y[y.size() - 1 - back]) ++back;
  return std::max(x.size(), y.size()) - front - back;
}

std::vector<Bytes> Seeds() {
  std::vector<Bytes> seeds = {Encode(Parse(kRich))};
  for (const auto& entry : std::filesystem::directory_iterator("corpus/fuzz/stack")) {
    std::ifstream file(entry.path(), std::ios::binary);
    seeds.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
  }
  std::sort(seeds.begin() + 1, seeds.end());
  return seeds;
}

const std::vector<Bytes> kWords = {{0x06, 0x61, 0x7e}, {0xde, 0xad}};

size_t FlipBytes(uint8_t* data, size_t size, size_t) {
  for (size_t i = 0; i < size; i += 3) data[i] ^= 0x10;
  return size;
}

// Applies one mutation by its name to `script`.
struct Bench {
  explicit Bench(uint64_t seed) : random(seed, 1) {}
  Prng random;
  Swarm swarm = Swarm::Whole();
  Script donor = Parse("+1ms segment 9 RST\n+1ms socket(..., SOCK_DGRAM, IPPROTO_UDP) = 4\n");
  MutationContext context{random, swarm, donor, kWords, FlipBytes, 256};
};
bool Apply(std::string_view name, uint64_t seed, Script& script) {
  for (const Mutation& mutation : AllMutations()) {
    if (mutation.name != name) continue;
    Bench bench(seed);
    return mutation.apply(bench.context, script);
  }
  ADD_FAILURE() << "no mutation " << name;
  return false;
}

// What `name` makes of `text` for some seed with which it changes something.
Script After(std::string_view name, std::string_view text, uint64_t first_seed = 1) {
  for (uint64_t seed = first_seed; seed < first_seed + 200; ++seed) {
    Script script = Parse(text);
    if (Apply(name, seed, script)) return script;
  }
  ADD_FAILURE() << name << " changes nothing";
  return {};
}

// --- Properties of all ---

TEST(Mutator, ThirtyThousandMutationsAreCanonicalAndWithinBounds) {
  MutatorOptions options;
  options.validate = true;
  options.dictionary = kWords;
  Mutator mutator(options);
  const std::vector<Bytes> seeds = Seeds();
  Bytes input = seeds[0];
  std::ptrdiff_t mutations = 0;
  for (uint64_t seed = 0; mutations < 30'000; ++seed) {
    if (seed % 2000 == 0) mutator.DrawSwarm(seed);
    if (seed % 16 == 0) input = seeds[seed / 16 % seeds.size()];
    const size_t size_max = seed % 3 == 0 ? 200 : 4096;
    Bytes output = mutator.Mutate(input, size_max, seed, seeds[seed % seeds.size()]);
    mutations += 1 + std::ranges::count(mutator.last(), ',');
    ASSERT_LE(output.size(), size_max);
    ASSERT_FALSE(output.empty());
    if (seed % 16 == 0) {
      ASSERT_TRUE(IsCanonical(output)) << seed << " " << mutator.last();
      ASSERT_TRUE(IsWhole(DecodeScript(output))) << seed << " " << mutator.last();
    }
    if (output.size() < 2000) input = std::move(output);
  }
}

TEST(Mutator, CrossOversAreCanonicalAndWithinBounds) {
  MutatorOptions options;
  options.validate = true;
  const Mutator mutator(options);
  const std::vector<Bytes> seeds = Seeds();
  for (uint64_t seed = 0; seed < 3'000; ++seed) {
    const Bytes& a = seeds[seed % seeds.size()];
    const Bytes& b = seeds[seed * 7 % seeds.size()];
    const Bytes output = mutator.CrossOver(a, b, 1000, seed);
    ASSERT_LE(output.size(), 1000U);
    ASSERT_TRUE(IsCanonical(output)) << seed;
  }
}

TEST(Mutator, TakesAnyBytes) {
  Mutator mutator({});
  Prng random(1, 1);
  for (uint64_t seed = 0; seed < 500; ++seed) {
    Bytes input(random.Below(64));
    for (uint8_t& byte : input) byte = static_cast<uint8_t>(random.Next32());
    EXPECT_TRUE(IsCanonical(mutator.Mutate(input, 4096, seed)));
  }
}

TEST(Mutator, SameSeedSameResult) {
  const std::vector<Bytes> seeds = Seeds();
  Mutator one({});
  Mutator two({});
  for (uint64_t seed = 0; seed < 300; ++seed) {
    EXPECT_EQ(one.Mutate(seeds[0], 4096, seed, seeds[1]),
              two.Mutate(seeds[0], 4096, seed, seeds[1]));
    EXPECT_EQ(one.CrossOver(seeds[0], seeds[1], 4096, seed),
              two.CrossOver(seeds[0], seeds[1], 4096, seed));
  }
}

TEST(Mutator, OtherSeedsOtherResults) {
  const Bytes input = Encode(Parse(kRich));
  Mutator mutator({});
  std::set<Bytes> results;
  for (uint64_t seed = 0; seed < 200; ++seed) results.insert(mutator.Mutate(input, 4096, seed));
  EXPECT_GT(results.size(), 180U);
}

TEST(Mutator, OneMutationChangesLittle) {
  const Script rich = Parse(kRich);
  // These are there to change more than a place.
  const std::set<std::string_view> many = {
      "delete-range", "truncate",  "repeat-step", "count-step",   "copy-range",  "splice-steps",
      "swap-steps",   "move-step", "burst",       "insert-idiom", "insert-word", "delete-step"};
  for (const Mutation& mutation : AllMutations()) {
    if (many.contains(mutation.name)) continue;
    for (uint64_t seed = 0; seed < 40; ++seed) {
      Script script = rich;
      if (Apply(mutation.name, seed, script)) {
        EXPECT_LE(StepsChanged(rich, script), 2U) << mutation.name;
      }
    }
  }
}

TEST(Mutator, EveryMutationCanChangeAScriptAndSaysSo) {
  const Script rich = Parse(kRich);
  std::set<std::string_view> names;
  for (const Mutation& mutation : AllMutations()) {
    EXPECT_TRUE(names.insert(mutation.name).second) << mutation.name;
    int changed = 0;
    for (uint64_t seed = 0; seed < 200; ++seed) {
      Script script = rich;
      const bool said = Apply(mutation.name, seed, script);
      EXPECT_EQ(said, !(script == rich)) << mutation.name << " " << seed;
      changed += said ? 1 : 0;
      RepairScript(script, 256);
      ASSERT_TRUE(ValidateScript(script).ok()) << mutation.name << ValidateScript(script);
    }
    EXPECT_GT(changed, 0) << mutation.name;
  }
}

TEST(Mutator, WholeSwarmReachesEveryMutation) {
  MutatorOptions options;
  options.dictionary = kWords;
  options.mutate_bytes = FlipBytes;
  Mutator mutator(options);
  const Bytes input = Encode(Parse(kRich));
  std::set<std::string> reached;
  for (uint64_t seed = 0; seed < 10'000; ++seed) {
    mutator.Mutate(input, 4096, seed, input);
    std::string rest = mutator.last();
    while (!rest.empty()) {
      const size_t comma = rest.find(',');
      reached.insert(rest.substr(0, comma));
      rest = comma == std::string::npos ? "" : rest.substr(comma + 1);
    }
  }
  for (const Mutation& mutation : AllMutations()) {
    EXPECT_TRUE(reached.contains(std::string(mutation.name))) << mutation.name;
  }
}

TEST(Mutator, NewStepsAreOfEveryKind) {
  std::set<size_t> kinds;
  std::set<SyscallName> calls;
  for (uint64_t seed = 0; seed < 3000; ++seed) {
    Bench bench(seed);
    const Step step = NewStep(bench.context, bench.donor, 1);
    ASSERT_TRUE(ValidateStep(step).ok());
    kinds.insert(step.what.index());
    if (const auto* const call = std::get_if<SyscallStep>(&step.what)) calls.insert(call->name);
  }
  EXPECT_GE(kinds.size(), 4U);
  EXPECT_GE(calls.size(), 25U);
}

// --- Swarms ---

TEST(Swarm, DependsOnItsSeedAndLeavesSomeOut) {
  EXPECT_EQ(Swarm::Draw(1).mutations, Swarm::Draw(1).mutations);
  EXPECT_NE(Swarm::Draw(1).mutations, Swarm::Draw(2).mutations);
  const Swarm swarm = Swarm::Draw(3);
  const auto off = std::count(swarm.mutations.begin(), swarm.mutations.end(), 0U);
  EXPECT_GT(off, 0);
  EXPECT_LT(off, std::ssize(swarm.mutations));
}

TEST(Swarm, NeverDrawsWhatIsOff) {
  Mutator mutator({});
  mutator.DrawSwarm(5);
  const Swarm swarm = Swarm::Draw(5);
  const Bytes input = Encode(Parse(kRich));
  for (uint64_t seed = 0; seed < 500; ++seed) {
    mutator.Mutate(input, 4096, seed);
    for (size_t i = 0; i < AllMutations().size(); ++i) {
      if (swarm.mutations[i] != 0) continue;
      const std::string name = "," + std::string(AllMutations()[i].name) + ",";
      EXPECT_EQ(("," + mutator.last() + ",").find(name), std::string::npos);
    }
  }
}

TEST(Swarm, LeavesFaultsToTargetsThatAskForThem) {
  Swarm swarm = Swarm::Whole();
  swarm.LeaveOutFaults();
  size_t faults = 0;
  for (size_t i = 0; i < NewStepKinds().size(); ++i) {
    if (NewStepKinds()[i].is_fault) {
      ++faults;
      EXPECT_EQ(swarm.kinds[i], 0U);
    } else {
      EXPECT_EQ(swarm.kinds[i], Swarm::Whole().kinds[i]);
    }
  }
  EXPECT_GT(faults, 0U);
}

// --- What names say ---

TEST(Mutation, FieldsOfSegmentsChangeAlone) {
  constexpr std::string_view kText = "+0 segment 1 ACK len 100\n";
  const SegmentStep before = std::get<SegmentStep>(Parse(kText).steps[0].what);
  const auto segment = [&](std::string_view name) {
    return std::get<SegmentStep>(After(name, kText).steps.at(0).what);
  };
  SegmentStep after = segment("segment-ack");
  EXPECT_NE(after.ack, before.ack);
  after.ack = before.ack;
  EXPECT_EQ(after, before);
  after = segment("segment-seq");
  EXPECT_NE(after.seq, before.seq);
  after.seq = before.seq;
  EXPECT_EQ(after, before);
  EXPECT_NE(segment("segment-window").window, before.window);
  EXPECT_NE(segment("segment-length").payload_bytes, before.payload_bytes);
  EXPECT_NE(segment("segment-flags").flags, before.flags);
  EXPECT_NE(segment("segment-wrong").wrong, 0);
  EXPECT_EQ(segment("segment-sack").sack.size(), 1U);
  EXPECT_TRUE(segment("segment-mss").mss_bytes.has_value());
  EXPECT_FALSE(segment("segment-raw-options").raw_options.empty());
  EXPECT_TRUE(segment("segment-timestamps").timestamps.has_value());
  EXPECT_NE(segment("segment-flow").flow, before.flow);
}

TEST(Mutation, SplitSegmentsCoverWhatTheOneDid) {
  const Script script = After("segment-split", "+0 segment 1 FIN|ACK seq 5 len 100\n");
  ASSERT_EQ(script.steps.size(), 2U);
  const auto& a = std::get<SegmentStep>(script.steps[0].what);
  const auto& b = std::get<SegmentStep>(script.steps[1].what);
  EXPECT_EQ(a.payload_bytes + b.payload_bytes, 100U);
  EXPECT_EQ(b.seq, a.seq + static_cast<int32_t>(a.payload_bytes));
  EXPECT_EQ(a.flags & wire::kTcpFin, 0);
  EXPECT_NE(b.flags & wire::kTcpFin, 0);
}

TEST(Mutation, TimesChangeAndNothingElse) {
  constexpr std::string_view kText = "+1234567ns segment 1 ACK\n";
  for (const char* const name :
       {"round-delay", "zero-delay", "jump-delay", "nudge-delay", "scale-delay"}) {
    Script after = After(name, kText);
    const Step before = Parse(kText).steps[0];
    ASSERT_EQ(after.steps.size(), 1U);
    EXPECT_NE(after.steps[0].delay, before.delay) << name;
    after.steps[0].delay = before.delay;
    EXPECT_EQ(after.steps[0], before) << name;
  }
  EXPECT_EQ(After("zero-delay", kText).steps[0].delay, Duration());
  const Duration rounded = After("round-delay", kText).steps[0].delay;
  EXPECT_TRUE(rounded == Duration::Milliseconds(1) || rounded == Duration::Milliseconds(2));
}

TEST(Mutation, OrderChangesLeaveStepsWhole) {
  constexpr std::string_view kText = "+1ms segment 1 ACK\n+1ms segment 2 ACK\n+1ms segment 3 ACK\n";
  EXPECT_EQ(After("insert-step", kText).steps.size(), 4U);
  EXPECT_EQ(After("delete-step", kText).steps.size(), 2U);
  EXPECT_EQ(After("duplicate-step", kText).steps.size(), 4U);
  EXPECT_GE(After("repeat-step", kText).steps.size(), 5U);
  EXPECT_GE(After("count-step", kText).steps.size(), 5U);
  EXPECT_LE(After("delete-range", kText).steps.size(), 1U);
  EXPECT_LT(After("truncate", kText).steps.size(), 3U);
  for (const char* const name : {"swap-steps", "move-step"}) {
    Script after = After(name, kText);
    std::set<int> flows;
    for (const Step& step : after.steps) flows.insert(std::get<SegmentStep>(step.what).flow);
    EXPECT_EQ(flows, (std::set<int>{1, 2, 3})) << name;
  }
  bool from_donor = false;
  for (uint64_t seed = 1; seed < 20; ++seed) {
    for (const Step& step : After("splice-steps", kText, seed).steps) {
      from_donor |= std::holds_alternative<SyscallStep>(step.what);
    }
  }
  EXPECT_TRUE(from_donor);
}

TEST(Mutation, CountsSegmentsOn) {
  constexpr std::string_view kText = "+1ms segment 1 ACK seq 100 len 10\n";
  std::set<int32_t> strides;
  std::set<bool> in_order;
  for (uint64_t seed = 1; seed < 60; ++seed) {
    std::vector<int32_t> numbers;
    for (const Step& step : After("count-step", kText, seed).steps) {
      numbers.push_back(std::get<SegmentStep>(step.what).seq);
    }
    ASSERT_GE(numbers.size(), 3U);
    in_order.insert(std::is_sorted(numbers.begin(), numbers.end()));
    std::sort(numbers.begin(), numbers.end());
    ASSERT_EQ(numbers[0], 100);
    strides.insert(numbers[1] - 100);
    for (size_t i = 1; i < numbers.size(); ++i) {
      ASSERT_EQ(numbers[i] - numbers[i - 1], numbers[1] - 100);
    }
  }
  EXPECT_EQ(strides, (std::set<int32_t>{6, 10, 11, 12, 13}));
  EXPECT_EQ(in_order, (std::set<bool>{false, true}));
}

TEST(Mutation, CountsFragmentsOn) {
  constexpr std::string_view kText =
      "+0 frame { 020000000001 020000000101 0800 4500 0024 0001 4000 4011 b661 c0000265 c0000201"
      " 1f901f90 0010 1234 0001020304050607 }\n";
  bool one_behind_the_other = false;
  for (uint64_t seed = 1; seed < 200; ++seed) {
    const Script after = After("count-step", kText, seed);
    ASSERT_GE(after.steps.size(), 3U);
    const auto fragment_word = [&](size_t i) {
      const auto& bytes = std::get<FrameStep>(after.steps[i].what).bytes;
      return bytes[20] << 8 | bytes[21];
    };
    // 16 bytes each, and more to come.
    one_behind_the_other |= fragment_word(1) == 0x2002 && fragment_word(2) == 0x2004;
  }
  EXPECT_TRUE(one_behind_the_other);
}

TEST(Mutation, CallsGetDescriptorsThatExist) {
  constexpr std::string_view kText =
      "+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 9\n+0 close(77) = ?\n";
  std::set<int64_t> fds;
  for (uint64_t seed = 1; seed < 60; ++seed) {
    const Script after = After("call-fd", kText, seed);
    fds.insert(std::get<SyscallStep>(after.steps[1].what).arguments[0].value);
  }
  EXPECT_TRUE(fds.contains(9));
  for (const int64_t fd : fds) EXPECT_TRUE(fd == 9 || fd == 77 || (fd >= 3 && fd <= 5)) << fd;
}

TEST(Mutation, FlagsThatLeaveChecksumsWrong) {
  constexpr std::string_view kText = "+0 frame repair { 020000000001 020000000101 0800 00 }\n";
  EXPECT_FALSE(std::get<FrameStep>(After("frame-repair", kText).steps[0].what).repair_checksums);
  EXPECT_TRUE(std::get<FrameStep>(After("frame-fcs", kText).steps[0].what).bad_fcs);
}

// --- Frames ---

Script OneFrame(std::string_view kind) {
  const Script rich = Parse(kRich);
  Script script;
  for (const Step& step : rich.steps) {
    const auto* const frame = std::get_if<FrameStep>(&step.what);
    if (frame == nullptr) continue;
    const std::optional<IpFrame> ip = FindIp(frame->bytes);
    if (ip.has_value() && ip->protocol == (kind == "tcp" ? 6 : 17)) script.steps.push_back(step);
  }
  return script;
}

TEST(FrameEdit, LengthsFollow) {
  for (const char* const kind : {"udp", "tcp"}) {
    for (const char* const name : {"frame-payload", "frame-ip-options", "frame-tcp-options"}) {
      for (uint64_t seed = 0; seed < 100; ++seed) {
        Script script = OneFrame(kind);
        ASSERT_EQ(script.steps.size(), 1U);
        if (!Apply(name, seed, script)) continue;
        const auto& frame = std::get<FrameStep>(script.steps[0].what);
        EXPECT_TRUE(frame.repair_checksums);
        const std::optional<IpFrame> ip = FindIp(frame.bytes);
        ASSERT_TRUE(ip.has_value()) << name << seed;
        EXPECT_EQ(ip->end, frame.bytes.size()) << name;
        if (ip->protocol == 17) {
          const auto at = static_cast<size_t>(ip->transport);
          EXPECT_EQ(frame.bytes[at + 4] << 8 | frame.bytes[at + 5], static_cast<int>(ip->end - at));
        }
      }
    }
  }
}

// Extension headers of IPv6, one before the other, hold together whatever their options say.
TEST(FrameEdit, ExtensionHeadersAreChained) {
  constexpr std::string_view kText =
      "+0 frame { 020000000001 020000000101 86dd 60000000 000c 1140 "
      "20010db8000000000000000000000065"
      " 20010db8000000000000000000000001 1f901f90 000c 0000 00010203 }\n";
  std::set<uint8_t> kinds;
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Script script = Parse(kText);
    for (uint64_t turn = 0; turn < 3; ++turn) Apply("frame-ip-options", 3 * seed + turn, script);
    const Bytes& bytes = std::get<FrameStep>(script.steps[0].what).bytes;
    const std::optional<IpFrame> ip = FindIp(bytes);
    ASSERT_TRUE(ip.has_value());
    EXPECT_EQ(ip->end, bytes.size());
    uint8_t kind = ip->protocol;
    size_t at = ip->transport;
    while (kind != 17) {
      kinds.insert(kind);
      ASSERT_LT(at + 8, bytes.size());
      kind = bytes[at];
      at += 8 * (1 + size_t{bytes[at + 1]});
    }
    ASSERT_EQ(at + 12, bytes.size());
    EXPECT_EQ(bytes[at + 4] << 8 | bytes[at + 5], 12);
  }
  EXPECT_EQ(kinds, (std::set<uint8_t>{0, 43, 44, 60}));
}

TEST(FrameEdit, FragmentsAddUpToThePacket) {
  const Script script = OneFrame("udp");
  const Bytes& whole = std::get<FrameStep>(script.steps[0].what).bytes;
  const std::optional<IpFrame> ip = FindIp(whole);
  ASSERT_TRUE(ip.has_value());
  const auto [one, two] = FragmentIpv4(whole, *ip, 16, 8);
  const std::optional<IpFrame> first = FindIp(one);
  const std::optional<IpFrame> second = FindIp(two);
  ASSERT_TRUE(first.has_value() && second.has_value());
  EXPECT_TRUE(std::equal(one.begin() + 34, one.end(), whole.begin() + 34));
  EXPECT_TRUE(std::equal(two.begin() + 34, two.end(), whole.begin() + 34 + 8, whole.end()));
  EXPECT_EQ(one[20] & 0x20, 0x20);  // more fragments
  EXPECT_EQ(two[20] << 8 | two[21], 1);
}

// --- References ---

TEST(References, AreSeenInEveryKindOfArgument) {
  const auto used = [](std::string_view text) {
    std::set<int64_t> fds;
    for (const FdName& name : UsedBy(Parse(text).steps[0])) fds.insert(name.fd);
    return fds;
  };
  EXPECT_EQ(used("+0 close(7) = 0\n"), (std::set<int64_t>{7}));
  EXPECT_EQ(used("+0 poll([{fd=7, events=POLLIN}, {fd=9, events=0}], 2, 0) = 0\n"),
            (std::set<int64_t>{7, 9}));
  EXPECT_EQ(used("+0 select(9, {fds=[3, 4]}, {fds=[5]}, NULL, NULL) = 0\n"),
            (std::set<int64_t>{3, 4, 5}));
  EXPECT_EQ(used("+0 splice(3, NULL, 4, NULL, 10, 0) = 10\n"), (std::set<int64_t>{3, 4}));
}

TEST(References, AreMadeByCallsThatMakeTwo) {
  const auto made = [](std::string_view text) {
    std::set<int64_t> fds;
    for (const FdName& name : MadeBy(Parse(text).steps[0])) fds.insert(name.fd);
    return fds;
  };
  EXPECT_EQ(made("+0 pipe([5, 6]) = 0\n"), (std::set<int64_t>{5, 6}));
  EXPECT_EQ(made("+0 socketpair(AF_UNIX, SOCK_STREAM, 0, [7, 8]) = 0\n"),
            (std::set<int64_t>{7, 8}));
  EXPECT_EQ(made("+0 close(7) = 0\n"), std::set<int64_t>{});
}

TEST(References, WhoLosesADescriptorGetsAnother) {
  Script script = Parse(
      "+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 6\n+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 7\n"
      "+0 close(7) = 0\n");
  Prng random(1, 1);
  RemoveSteps(random, script, 1, 1);
  EXPECT_EQ(UsedBy(script.steps[1])[0].fd, 6);
}

TEST(References, WhatIsNeededComesAlong) {
  const Script script = Parse(kRich);
  size_t read = 0;
  while (UsedBy(script.steps[read]).empty() || UsedBy(script.steps[read])[0].fd != 7) ++read;
  const std::vector<size_t> needed = WithNeeded(script, {read});
  // socket, bind, listen, accept, read.
  EXPECT_EQ(needed, (std::vector<size_t>{0, 1, 2, 5, read}));
}

TEST(References, CrossOversKeepThemWhole) {
  const Mutator mutator({});
  const Bytes a = Encode(Parse(kRich));
  const Bytes b = Encode(Parse(
      "+0 socket(..., SOCK_DGRAM, IPPROTO_UDP) = 6\n+0 connect(6, ..., ...) = 0\n"
      "+0 dup(6) = 7\n+0 write(7, ..., 10) = 10\n+0 write(6, ..., 10) = 10\n+0 close(7) = 0\n"));
  ASSERT_TRUE(IsWhole(DecodeScript(a)));
  for (uint64_t seed = 0; seed < 1000; ++seed) {
    EXPECT_TRUE(IsWhole(DecodeScript(mutator.CrossOver(a, b, 4096, seed)))) << seed;
  }
}

TEST(References, IdiomsAreWhole) {
  for (const Idiom& idiom : Idioms()) {
    Script script;
    script.steps = idiom.steps;
    EXPECT_TRUE(ValidateScript(script).ok()) << idiom.name;
    EXPECT_TRUE(IsWhole(script)) << idiom.name;
  }
}

// --- Repair ---

TEST(Repair, CutsWhatLastsTooLong) {
  Script script = Parse("+1 pause\n+1 pause\n");
  script.steps[0].delay = kScriptDurationMax;
  RepairScript(script, 256);
  EXPECT_TRUE(ValidateScript(script).ok());
  EXPECT_EQ(script.steps[1].delay, Duration());
}

TEST(Repair, TimesFromTheStartFollowTheOrder) {
  Script script = Parse("+0 > . 1:1(0) ack 1\n5 pause\n7 > . 1:1(0) ack 1\n9 pause\n");
  for (int turn = 0; turn < 4; ++turn) {
    std::rotate(script.steps.begin(), script.steps.begin() + 1, script.steps.end());
    Script repaired = script;
    RepairScript(repaired, 256);
    EXPECT_TRUE(ValidateScript(repaired).ok()) << ValidateScript(repaired);
    EXPECT_EQ(repaired.steps.size(), 4U);
  }
}

// --- Dictionaries ---

TEST(Dictionary, ReadsWhatTheEnginesRead) {
  const auto words =
      ParseDictionary("# comment\n\nname=\"\\x06a\\\\\"\nlevel@2=\"b\\\"\"\n\"plain\"\n", "d");
  ASSERT_TRUE(words.ok()) << words.status();
  EXPECT_EQ(*words, (std::vector<Bytes>{{6, 'a', '\\'}, {'b', '"'}, {'p', 'l', 'a', 'i', 'n'}}));
}

TEST(Dictionary, NamesTheLineThatIsWrong) {
  EXPECT_EQ(ParseDictionary("\"a\"\nx=\"\\xZZ\"\n", "d").status().message(),
            "d:2: expected a word in quotes");
}

TEST(Dictionary, OfTheStackIsRecords) {
  std::ifstream file("fuzz/dictionaries/stack.dict");
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const auto words = ParseDictionary(text, "stack.dict");
  ASSERT_TRUE(words.ok()) << words.status();
  EXPECT_GT(words->size(), 20U);
}

// select() asks about a descriptor that is made later only, and so are all others: there is none to
// take its place, and what does is still one that a set can have.
TEST(Mutator, ADescriptorOfASetIsReplacedByOneThatASetCanHave) {
  absl::StatusOr<Script> script = ParseScript(
      "0  select(8, {fds=[3]}, NULL, NULL, {tv_sec=0, tv_usec=0}) = ?\n"
      "+0 socket(..., SOCK_DGRAM, 0) = 3\n"
      "+0 socket(..., SOCK_DGRAM, 0) = 4\n"
      "+0 socket(..., SOCK_DGRAM, 0) = 5\n",
      "script");
  ASSERT_TRUE(script.ok()) << script.status();
  Prng random(1, 1);
  KeepWhole(random, *script);
  EXPECT_TRUE(ValidateScript(*script).ok()) << ValidateScript(*script);
}

}  // namespace
}  // namespace tapedeck::fuzz
