// New steps of every kind, made at random but so that they mostly mean something.
#ifndef TAPEDECK_FUZZ_MUTATE_NEW_STEP_H_
#define TAPEDECK_FUZZ_MUTATE_NEW_STEP_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "fuzz/mutate/mutation.h"
#include "replay/script/script.h"

namespace tapedeck::fuzz {

struct NewStepKind {
  std::string_view name;  // "segment"
  uint8_t weight;
  // Operations of the bytes spelling, of which one is taken with any operands; kOpText: a statement
  // of the vocabulary.
  uint8_t first_op;
  uint8_t ops;
  // What hosts do not get over unharmed, nor a target whose promises know nothing of it.
  bool is_fault = false;
};

// A new kind of step with an operation of its own is a line there.
std::span<const NewStepKind> NewStepKinds();

// A step to be put in front of step `at` of `script`: of a kind that the swarm chooses, on what the
// steps before it have made.
Step NewStep(MutationContext& context, const Script& script, size_t at);

// Has a call, step `at` of `script`, use what steps before it have made, what others use, or what
// targets usually have open.
void AttachCall(Prng& random, const Script& script, size_t at, uint8_t host, SyscallStep& call);

// Has a setsockopt or getsockopt name any other option. False where `call` is neither.
bool ChangeOption(Prng& random, SyscallStep& call);

// A delay that means something to a stack: zero, the time between frames, timers.
Duration SomeDelay(Prng& random);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_NEW_STEP_H_
