// Mutations of the fields of segments. Where a segment lies in its stream stays relative to what
// the host has said, so that one changed field leaves the rest of the story whole.
#include <algorithm>

#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/mutation.h"
#include "fuzz/mutate/references.h"
#include "replay/script/segment_bytes.h"
#include "stack/wire/tcp.h"

namespace tapedeck::fuzz {

namespace {

using Context = MutationContext;

// A mutation that changes one segment by `edit`, which may find that nothing changes.
template <bool (*edit)(Prng&, SegmentStep&)>
bool OneSegment(Context& context, Script& script) {
  return EditOne<SegmentStep>(context, script, [&](SegmentStep& segment, Step&) {
    const SegmentStep before = segment;
    return edit(context.random, segment) && !(segment == before);
  });
}

int32_t OtherDistance(Prng& random, int32_t value) {
  return static_cast<int32_t>(OtherNumber(random, value, kDistanceChoices, INT32_MIN, INT32_MAX));
}

bool Flags(Prng& random, SegmentStep& segment) {
  if (OneIn(random, 3)) {
    segment.flags ^= static_cast<uint16_t>(1U << random.Below(9));
  } else {
    segment.flags = static_cast<uint16_t>(Pick(random, kSegmentFlagChoices));
  }
  return true;
}

bool Seq(Prng& random, SegmentStep& segment) {
  segment.seq = OtherDistance(random, segment.seq);
  return true;
}

bool Ack(Prng& random, SegmentStep& segment) {
  segment.ack = OtherDistance(random, segment.ack);
  return true;
}

bool Window(Prng& random, SegmentStep& segment) {
  segment.window = OtherUnsigned(random, segment.window, kWindowChoices);
  return true;
}

bool Length(Prng& random, SegmentStep& segment) {
  segment.payload_bytes = static_cast<uint32_t>(
      OtherNumber(random, segment.payload_bytes, kSegmentLengthChoices, 0, kSegmentPayloadMax));
  return true;
}

bool Urgent(Prng& random, SegmentStep& segment) {
  segment.urgent = OtherUnsigned(random, segment.urgent, kUrgentChoices);
  if (segment.urgent != 0 && !OneIn(random, 4)) segment.flags |= wire::kTcpUrg;
  return true;
}

bool Mss(Prng& random, SegmentStep& segment) {
  if (segment.mss_bytes.has_value() && OneIn(random, 3)) {
    segment.mss_bytes.reset();
  } else {
    segment.mss_bytes = OtherUnsigned(random, segment.mss_bytes.value_or(0), kMssChoices);
  }
  return true;
}

bool WindowShift(Prng& random, SegmentStep& segment) {
  if (segment.window_shift.has_value() && OneIn(random, 3)) {
    segment.window_shift.reset();
  } else {
    segment.window_shift = OtherUnsigned(random, segment.window_shift.value_or(0), kShiftChoices);
  }
  return true;
}

bool SackPermitted(Prng&, SegmentStep& segment) {
  segment.sack_permitted = !segment.sack_permitted;
  return true;
}

bool Timestamps(Prng& random, SegmentStep& segment) {
  if (!segment.timestamps.has_value()) {
    segment.timestamps.emplace();
    return true;
  }
  if (OneIn(random, 4)) {
    segment.timestamps.reset();
    return true;
  }
  int32_t& field = OneIn(random, 2) ? segment.timestamps->val : segment.timestamps->ecr;
  field = static_cast<int32_t>(OtherNumber(random, field, kStampChoices, INT32_MIN, INT32_MAX));
  return true;
}

bool Sack(Prng& random, SegmentStep& segment) {
  if (segment.sack.empty() || (segment.sack.size() < wire::kTcpSackBlocksMax && OneIn(random, 2))) {
    const int32_t left = Pick(random, kDistanceChoices);
    const int32_t bytes = 1 << random.Below(17);
    const auto right =
        static_cast<int32_t>(static_cast<uint32_t>(left) + static_cast<uint32_t>(bytes));
    segment.sack.push_back({left, right});
    return true;
  }
  if (OneIn(random, 4)) {
    segment.sack.erase(segment.sack.begin() +
                       static_cast<std::ptrdiff_t>(BelowSize(random, segment.sack.size())));
    return true;
  }
  SegmentSackBlock& block = Pick(random, segment.sack);
  int32_t& edge = OneIn(random, 2) ? block.left : block.right;
  edge = OtherDistance(random, edge);
  return true;
}

// Options as bytes: odd kinds, lengths that lie, the same option twice.
bool RawOptions(Prng& random, SegmentStep& segment) {
  static constexpr uint8_t kKinds[] = {0, 1, 2, 3, 4, 5, 8, 19, 28, 29, 30, 34, 172, 174, 254, 255};
  static constexpr uint8_t kLengths[] = {0, 1, 2, 3, 4, 6, 10, 18, 34, 40, 255};
  std::vector<uint8_t>& bytes = segment.raw_options;
  if (!bytes.empty() && OneIn(random, 3)) {
    Pick(random, bytes) = OneIn(random, 2) ? Pick(random, kKinds) : Pick(random, kLengths);
    return true;
  }
  if (!bytes.empty() && OneIn(random, 4)) {
    bytes.resize(BelowSize(random, bytes.size()));
    return true;
  }
  const uint8_t length = Pick(random, kLengths);
  bytes.push_back(Pick(random, kKinds));
  if (bytes.back() > 1) {
    bytes.push_back(length);
    for (size_t i = 2; i < length && i < 10; ++i)
      bytes.push_back(static_cast<uint8_t>(random.Below(256)));
  }
  bytes.resize(std::min(bytes.size(), wire::kTcpOptionsMax));
  return true;
}

bool Wrong(Prng& random, SegmentStep& segment) {
  segment.wrong ^= static_cast<uint8_t>(1U << random.Below(4));
  return true;
}

bool Family(Prng&, SegmentStep& segment) {
  segment.ipv6 = !segment.ipv6;
  return true;
}

// To another flow of the script, or a new one.
bool SegmentFlow(Context& context, Script& script) {
  const uint16_t flows = FlowsOf(script.steps);
  return EditOne<SegmentStep>(context, script, [&](SegmentStep& segment, Step&) {
    const uint8_t before = segment.flow;
    segment.flow = static_cast<uint8_t>(context.random.Below(kSegmentFlowsMax));
    while ((flows >> segment.flow & 1) == 0 && !OneIn(context.random, 8)) {
      segment.flow = static_cast<uint8_t>((segment.flow + 1) % kSegmentFlowsMax);
    }
    return segment.flow != before;
  });
}

// A segment comes in two halves.
bool SplitSegment(Context& context, Script& script) {
  const size_t i = PickStep<SegmentStep>(context.random, script);
  if (i == script.steps.size() || script.steps.size() >= context.steps_max) return false;
  SegmentStep& first = std::get<SegmentStep>(script.steps[i].what);
  if (first.payload_bytes < 2) return false;
  Step step = script.steps[i];
  step.delay = Duration();
  SegmentStep& second = std::get<SegmentStep>(step.what);
  const auto bytes = static_cast<uint32_t>(1 + BelowSize(context.random, first.payload_bytes - 1));
  second.payload_bytes -= bytes;
  // Both lie where the one lay: the second counts from what is expected now, not from after the
  // first.
  second.seq = static_cast<int32_t>(static_cast<uint32_t>(second.seq) + bytes);
  second.flags &= static_cast<uint16_t>(~wire::kTcpSyn);
  first.payload_bytes = bytes;
  first.flags &= static_cast<uint16_t>(~(wire::kTcpFin | wire::kTcpPsh));
  script.steps.insert(script.steps.begin() + static_cast<std::ptrdiff_t>(i + 1), std::move(step));
  return true;
}

constexpr Mutation kSegmentMutations[] = {
    {"segment-flags", 8, OneSegment<Flags>},
    {"segment-seq", 8, OneSegment<Seq>},
    {"segment-ack", 8, OneSegment<Ack>},
    {"segment-window", 4, OneSegment<Window>},
    {"segment-length", 6, OneSegment<Length>},
    {"segment-urgent", 2, OneSegment<Urgent>},
    {"segment-mss", 2, OneSegment<Mss>},
    {"segment-window-shift", 2, OneSegment<WindowShift>},
    {"segment-sack-permitted", 1, OneSegment<SackPermitted>},
    {"segment-timestamps", 3, OneSegment<Timestamps>},
    {"segment-sack", 4, OneSegment<Sack>},
    {"segment-raw-options", 3, OneSegment<RawOptions>},
    {"segment-wrong", 2, OneSegment<Wrong>},
    {"segment-family", 1, OneSegment<Family>},
    {"segment-flow", 3, SegmentFlow},
    {"segment-split", 2, SplitSegment},
};

}  // namespace

std::span<const Mutation> SegmentMutations() { return kSegmentMutations; }

}  // namespace tapedeck::fuzz
