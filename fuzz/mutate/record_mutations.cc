// Mutations of a step by way of its bytes: they know nothing of what it is, so that every kind of
// step with an operation of its own has them, also those that no other mutation knows.
#include <utility>

#include "absl/status/statusor.h"
#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/mutation.h"
#include "replay/script/byte_record.h"
#include "replay/script/bytes.h"
#include "replay/script/text_bytes.h"

namespace tapedeck::fuzz {

namespace {

using Context = MutationContext;

constexpr size_t kRecordBytesMax = 4096;

// The record of a step, with its end; empty where it is spelled as text, too long, or nothing at
// all.
std::vector<uint8_t> RecordOf(const Step& step) {
  if (step.base != TimeBase::kStepBefore || step.range.has_value()) return {};
  Script script;
  script.steps.push_back(step);
  absl::StatusOr<std::vector<uint8_t>> bytes = EncodeScript(script);
  if (!bytes.ok() || bytes->size() > kRecordBytesMax) return {};
  if (!bytes->empty() && (*bytes)[0] == kOpText) return {};
  return *std::move(bytes);
}

// Changes one step's record by `edit`; what comes of it must be one step, and another.
template <typename Edit>
bool EditRecord(Context& context, Script& script, Edit edit) {
  if (script.steps.empty()) return false;
  Step& step = Pick(context.random, script.steps);
  std::vector<uint8_t> record = RecordOf(step);
  if (record.size() < 2) return false;
  edit(record);
  Script made = DecodeScript(record);
  if (made.steps.size() != 1 || made.steps[0] == step) return false;
  step = std::move(made.steps[0]);
  return true;
}

uint8_t SomeOperandByte(Prng& random) {
  return static_cast<uint8_t>(OneIn(random, 4) ? random.Below(256) : random.Below(24));
}

// One operand becomes another.
bool RecordByte(Context& context, Script& script) {
  return EditRecord(context, script, [&](std::vector<uint8_t>& record) {
    record[1 + BelowSize(context.random, record.size() - 1)] = SomeOperandByte(context.random);
  });
}

// An operand comes or goes; those behind it move.
bool RecordShift(Context& context, Script& script) {
  return EditRecord(context, script, [&](std::vector<uint8_t>& record) {
    const auto at = static_cast<std::ptrdiff_t>(1 + BelowSize(context.random, record.size() - 1));
    if (OneIn(context.random, 2)) {
      record.insert(record.begin() + at, SomeOperandByte(context.random));
    } else {
      record.erase(record.begin() + at);
    }
  });
}

// More operands at the end, which were zero.
bool RecordExtend(Context& context, Script& script) {
  return EditRecord(context, script, [&](std::vector<uint8_t>& record) {
    record.pop_back();
    for (size_t i = FewUpTo(context.random, 8); i != 0; --i)
      record.push_back(SomeOperandByte(context.random));
    record.push_back(kRecordEnd);
  });
}

// As the engine does it, which has a dictionary and sees comparisons.
bool RecordEngine(Context& context, Script& script) {
  if (context.mutate_bytes == nullptr) return false;
  return EditRecord(context, script, [&](std::vector<uint8_t>& record) {
    const size_t size = record.size();
    record.resize(size + 64);
    record.resize(
        std::min(record.size(), context.mutate_bytes(record.data(), size, record.size())));
  });
}

constexpr Mutation kRecordMutations[] = {
    {"record-byte", 12, RecordByte},
    {"record-shift", 3, RecordShift},
    {"record-extend", 4, RecordExtend},
    {"record-engine", 6, RecordEngine},
};

}  // namespace

std::span<const Mutation> RecordMutations() { return kRecordMutations; }

}  // namespace tapedeck::fuzz
