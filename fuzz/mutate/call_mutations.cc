// Mutations of system calls. What a call expects to return is of no account to fuzz targets, but
// descriptors are: a call gets those that earlier ones made.
#include <optional>
#include <utility>

#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/mutation.h"
#include "fuzz/mutate/new_step.h"
#include "fuzz/mutate/references.h"
#include "replay/script/argument_bytes.h"
#include "replay/script/syscall_signature.h"

namespace tapedeck::fuzz {

namespace {

using Context = MutationContext;

// Any values for all arguments of `name`; none where operands cannot say them.
std::optional<std::vector<Expression>> SomeArguments(Prng& random, SyscallName name, uint8_t host) {
  const std::span<const ArgumentKind> signature = SignatureOf(name);
  if (!HasOperands(signature)) return std::nullopt;
  RecordWriter writer;
  for (size_t i = 0; i < 16; ++i) {
    writer.U8(static_cast<uint8_t>(random.Below(OneIn(random, 8) ? 256 : 24)));
  }
  writer.EndRecord();
  const std::vector<uint8_t> bytes = writer.Take();
  RecordReader reader(bytes);
  reader.NextRecord();
  std::vector<Expression> arguments;
  ReadArguments(reader, host, signature, arguments);
  return arguments;
}

// Takes `edit` back where it makes a call that cannot be.
template <typename Edit>
bool EditCall(Context& context, Script& script, Edit edit) {
  return EditOne<SyscallStep>(context, script, [&](SyscallStep& call, Step& step) {
    SyscallStep before = call;
    if (edit(call, step) && !(call == before) && ValidateStep(step).ok()) return true;
    call = std::move(before);
    return false;
  });
}

bool CallFd(Context& context, Script& script) {
  const size_t i = PickStep<SyscallStep>(context.random, script);
  if (i == script.steps.size()) return false;
  Step& step = script.steps[i];
  SyscallStep& call = std::get<SyscallStep>(step.what);
  const SyscallStep before = call;
  AttachCall(context.random, script, i, step.host, call);
  return !(call == before);
}

bool CallArgument(Context& context, Script& script) {
  return EditCall(context, script, [&](SyscallStep& call, Step& step) {
    const std::optional<std::vector<Expression>> other =
        SomeArguments(context.random, call.name, step.host);
    if (!other.has_value() || other->size() != call.arguments.size()) return false;
    const std::span<const ArgumentKind> signature = SignatureOf(call.name);
    std::vector<size_t> operands;
    for (size_t i = 0; i < signature.size(); i += ArgumentsOf(signature[i])) {
      if (signature[i] != ArgumentKind::kFd) operands.push_back(i);
    }
    if (operands.empty()) return false;
    const size_t first = Pick(context.random, operands);
    for (size_t i = first; i < first + ArgumentsOf(signature[first]); ++i) {
      call.arguments[i] = (*other)[i];
    }
    return true;
  });
}

void AppendNumbers(Expression& expression, std::vector<Expression*>& numbers) {
  if (expression.is_integer()) numbers.push_back(&expression);
  for (Expression& item : expression.items) AppendNumbers(item, numbers);
}

// A number anywhere in the arguments but for descriptors.
bool CallNumber(Context& context, Script& script) {
  static constexpr int32_t kNumbers[] = {0,   1,    2,    4,     -1,        8,
                                         100, 1460, 4096, 65536, INT32_MAX, INT32_MIN};
  return EditCall(context, script, [&](SyscallStep& call, Step&) {
    const std::span<const ArgumentKind> signature = SignatureOf(call.name);
    std::vector<Expression*> numbers;
    for (size_t i = 0; i < call.arguments.size(); ++i) {
      const ArgumentKind kind = signature[i];
      if (kind == ArgumentKind::kFd || kind == ArgumentKind::kFdPair ||
          kind == ArgumentKind::kFdSet)
        continue;
      AppendNumbers(call.arguments[i], numbers);
    }
    if (numbers.empty()) return false;
    Expression& number = *Pick(context.random, numbers);
    number.value =
        OtherNumber(context.random, number.value, kNumbers, INT64_MIN / 2, INT64_MAX / 2);
    number.text.clear();
    return true;
  });
}

// Another socket option with the same value.
bool CallOption(Context& context, Script& script) {
  return EditCall(context, script,
                  [&](SyscallStep& call, Step&) { return ChangeOption(context.random, call); });
}

// Another call with the same arguments: read for write, send for recv, bind for connect.
bool CallName(Context& context, Script& script) {
  return EditCall(context, script, [&](SyscallStep& call, Step&) {
    const std::span<const ArgumentKind> signature = SignatureOf(call.name);
    std::vector<SyscallName> others;
    for (size_t i = 0; i < kSyscallNames; ++i) {
      const auto name = static_cast<SyscallName>(i);
      const std::span<const ArgumentKind> its = SignatureOf(name);
      if (name == call.name || ReturnsFd(name) != ReturnsFd(call.name)) continue;
      if (std::equal(its.begin(), its.end(), signature.begin(), signature.end()))
        others.push_back(name);
    }
    if (others.empty()) return false;
    call.name = Pick(context.random, others);
    return true;
  });
}

// A call gives its new descriptor another name: whose socket it was is open still, nameless.
bool CallMadeFd(Context& context, Script& script) {
  return EditCall(context, script, [&](SyscallStep& call, Step&) {
    ForEachMadeFd(call, [&](int64_t& fd) { fd = 3 + context.random.Below(8); });
    return true;
  });
}

bool StepHost(Context& context, Script& script) {
  if (script.steps.empty()) return false;
  Step& step = Pick(context.random, script.steps);
  const uint8_t host = Pick(context.random, script.steps).host;
  if (step.host == host) return false;
  step.host = host;
  return true;
}

constexpr Mutation kCallMutations[] = {
    {"call-option", 3, CallOption}, {"call-fd", 6, CallFd},     {"call-argument", 8, CallArgument},
    {"call-number", 4, CallNumber}, {"call-name", 2, CallName}, {"call-made-fd", 1, CallMadeFd},
    {"step-host", 2, StepHost},
};

}  // namespace

std::span<const Mutation> CallMutations() { return kCallMutations; }

}  // namespace tapedeck::fuzz
