// Mutations of which steps there are, and in which order.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <utility>
#include <vector>

#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/frame_edit.h"
#include "fuzz/mutate/idioms.h"
#include "fuzz/mutate/mutation.h"
#include "fuzz/mutate/new_step.h"
#include "fuzz/mutate/references.h"
#include "fuzz/mutate/splice.h"
#include "replay/script/bytes.h"
#include "stack/wire/ipv4.h"

namespace tapedeck::fuzz {

namespace {

using Context = MutationContext;

bool HasRoom(const Context& context, const Script& script) {
  return script.steps.size() < context.steps_max;
}

std::ptrdiff_t At(size_t i) { return static_cast<std::ptrdiff_t>(i); }

// A place between steps, the end more often: what comes after all is what nobody has seen.
size_t SomePlace(Prng& random, const Script& script) {
  if (OneIn(random, 3)) return script.steps.size();
  return BelowSize(random, script.steps.size() + 1);
}

bool InsertStep(Context& context, Script& script) {
  if (!HasRoom(context, script)) return false;
  const size_t at = SomePlace(context.random, script);
  Step step = NewStep(context, script, at);
  script.steps.insert(script.steps.begin() + At(at), std::move(step));
  return true;
}

bool DeleteStep(Context& context, Script& script) {
  if (script.steps.empty()) return false;
  RemoveSteps(context.random, script, BelowSize(context.random, script.steps.size()), 1);
  return true;
}

bool DeleteRange(Context& context, Script& script) {
  if (script.steps.size() < 2) return false;
  const size_t first = BelowSize(context.random, script.steps.size() - 1);
  const size_t most = script.steps.size() - first;
  RemoveSteps(context.random, script, first, 2 + BelowSize(context.random, most - 1));
  return true;
}

bool Truncate(Context& context, Script& script) {
  if (script.steps.size() < 2) return false;
  script.steps.resize(1 + BelowSize(context.random, script.steps.size() - 1));
  return true;
}

// What a copy of a step is when another follows it `delay` later.
Step CopyOf(const Step& step, Duration delay) {
  Step copy = step;
  copy.base = TimeBase::kStepBefore;
  copy.range.reset();
  copy.delay = delay;
  return copy;
}

bool DuplicateStep(Context& context, Script& script) {
  if (script.steps.empty() || !HasRoom(context, script)) return false;
  const size_t i = BelowSize(context.random, script.steps.size());
  const Step& step = script.steps[i];
  script.steps.insert(script.steps.begin() + At(i + 1), CopyOf(step, step.delay));
  return true;
}

// How many copies of a step there is room for, up to a poll's budget and more.
size_t SomeTimes(const Context& context, const Script& script) {
  const size_t room = context.steps_max - script.steps.size();
  return std::min<size_t>(room, 2U << context.random.Below(7));
}

// One step many times: floods, and what counts up to a limit.
bool RepeatStep(Context& context, Script& script) {
  if (script.steps.empty() || !HasRoom(context, script)) return false;
  const size_t i = BelowSize(context.random, script.steps.size());
  const size_t times = SomeTimes(context, script);
  const Step& step = script.steps[i];
  const Step copy = CopyOf(step, OneIn(context.random, 2) ? SomeDelay(context.random) : step.delay);
  script.steps.insert(script.steps.begin() + At(i + 1), times, copy);
  return true;
}

// Adds to a number of a segment or packet: by how much each copy of it is behind the one before.
class Counter {
 public:
  // nullopt: the step has no such number.
  static std::optional<Counter> For(Prng& random, const Step& step) {
    Counter counter;
    if (const auto* const segment = std::get_if<SegmentStep>(&step.what)) {
      counter.stride_ = Stride(random, segment->payload_bytes);
      return counter;
    }
    const auto* const frame = std::get_if<FrameStep>(&step.what);
    const std::optional<IpFrame> ip =
        frame != nullptr ? FindIp(frame->bytes) : std::optional<IpFrame>();
    if (!ip.has_value()) return std::nullopt;
    const size_t words = (PayloadOf(frame->bytes, *ip) - ip->network) / 2;
    if (words == 0) return std::nullopt;
    counter.makes_fragments_ = ip->v4 && OneIn(random, 2);
    counter.at_ =
        ip->network + (counter.makes_fragments_ ? kFragmentWord : 2 * BelowSize(random, words));
    counter.stride_ = counter.makes_fragments_ ? Stride(random, (ip->end - ip->transport) / 8) : 1;
    return counter;
  }

  // The copy number `i` of the step.
  void Count(size_t i, Step& copy) const {
    const auto add = static_cast<uint32_t>(i) * stride_;
    if (auto* const segment = std::get_if<SegmentStep>(&copy.what)) {
      segment->seq = static_cast<int32_t>(static_cast<uint32_t>(segment->seq) + add);
      return;
    }
    auto& frame = std::get<FrameStep>(copy.what);
    be16* const word = reinterpret_cast<be16*>(&frame.bytes[at_]);
    uint32_t value = word->host();
    if (makes_fragments_)
      value = (value & ~uint32_t{wire::kIpv4DontFragment}) | wire::kIpv4MoreFragments;
    *word = static_cast<uint16_t>(value + add);
    frame.repair_checksums = true;
  }

 private:
  static constexpr size_t kFragmentWord = offsetof(wire::Ipv4Header, frag_off);

  // One behind the other, with a gap between them, or each over half of the one before.
  static uint32_t Stride(Prng& random, size_t length) {
    const auto bytes = static_cast<uint32_t>(length);
    switch (random.Below(4)) {
      case 0:
        return bytes + 1 + random.Below(3);
      case 1:
        return bytes / 2 + 1;
      default:
        return bytes;
    }
  }

  size_t at_ = 0;
  uint32_t stride_ = 1;
  bool makes_fragments_ = false;
};

// One segment or packet many times, a number of it counted on: trains of fragments or segments,
// with gaps between them or without, flows, and what is kept for each.
bool CountStep(Context& context, Script& script) {
  if (script.steps.empty() || !HasRoom(context, script)) return false;
  Prng& random = context.random;
  const size_t i = BelowSize(random, script.steps.size());
  const std::optional<Counter> counter = Counter::For(random, script.steps[i]);
  if (!counter.has_value()) return false;
  std::vector<Step> copies(
      SomeTimes(context, script),
      CopyOf(script.steps[i], OneIn(random, 2) ? SomeDelay(random) : Duration()));
  for (size_t k = 0; k < copies.size(); ++k) counter->Count(k + 1, copies[k]);
  if (OneIn(random, 3)) std::reverse(copies.begin(), copies.end());
  script.steps.insert(script.steps.begin() + At(i + 1), copies.begin(), copies.end());
  return true;
}

// What happens changes places; when it does stays.
void SwapWhat(Step& a, Step& b) {
  std::swap(a.what, b.what);
  std::swap(a.host, b.host);
  std::swap(a.nic, b.nic);
}

// "*" and "~" are of outbound packets only.
bool IsPlain(const Step& step) {
  return step.base == TimeBase::kStepBefore && !step.range.has_value();
}

bool SwapSteps(Context& context, Script& script) {
  if (script.steps.size() < 2) return false;
  const size_t a = BelowSize(context.random, script.steps.size());
  const size_t b = OneIn(context.random, 2) ? BelowSize(context.random, script.steps.size())
                                            : (a + 1) % script.steps.size();
  if (!IsPlain(script.steps[a]) || !IsPlain(script.steps[b])) return false;
  if (script.steps[a] == script.steps[b]) return false;
  SwapWhat(script.steps[a], script.steps[b]);
  return true;
}

bool MoveStep(Context& context, Script& script) {
  if (script.steps.size() < 2) return false;
  const size_t from = BelowSize(context.random, script.steps.size());
  const size_t to = BelowSize(context.random, script.steps.size());
  if (from == to) return false;
  const auto begin = script.steps.begin();
  if (from < to) {
    std::rotate(begin + At(from), begin + At(from + 1), begin + At(to + 1));
  } else {
    std::rotate(begin + At(to), begin + At(from), begin + At(from + 1));
  }
  return true;
}

bool CopyRange(Context& context, Script& script) {
  if (script.steps.empty() || !HasRoom(context, script)) return false;
  std::vector<Step> steps =
      SomeSteps(context.random, script, context.steps_max - script.steps.size());
  InsertSteps(context.random, script, SomePlace(context.random, script), std::move(steps));
  return true;
}

bool SpliceSteps(Context& context, Script& script) {
  if (context.donor.steps.empty() || !HasRoom(context, script)) return false;
  std::vector<Step> steps =
      SomeSteps(context.random, context.donor, context.steps_max - script.steps.size());
  InsertSteps(context.random, script, SomePlace(context.random, script), std::move(steps));
  return true;
}

bool InsertIdiom(Context& context, Script& script) {
  if (!HasRoom(context, script)) return false;
  InsertSteps(context.random, script, SomePlace(context.random, script),
              Pick(context.random, Idioms()).steps);
  return true;
}

bool InsertWord(Context& context, Script& script) {
  if (context.dictionary.empty() || !HasRoom(context, script)) return false;
  Script word = DecodeScript(Pick(context.random, context.dictionary));
  if (word.steps.empty()) return false;
  InsertSteps(context.random, script, SomePlace(context.random, script), std::move(word.steps));
  return true;
}

constexpr Mutation kOrderMutations[] = {
    {"insert-step", 16, InsertStep},      {"delete-step", 8, DeleteStep},
    {"delete-range", 3, DeleteRange},     {"truncate", 1, Truncate},
    {"duplicate-step", 4, DuplicateStep}, {"repeat-step", 2, RepeatStep},
    {"count-step", 2, CountStep},         {"swap-steps", 4, SwapSteps},
    {"move-step", 4, MoveStep},           {"copy-range", 2, CopyRange},
    {"splice-steps", 6, SpliceSteps},     {"insert-idiom", 6, InsertIdiom},
    {"insert-word", 3, InsertWord},
};

}  // namespace

std::span<const Mutation> OrderMutations() { return kOrderMutations; }

}  // namespace tapedeck::fuzz
