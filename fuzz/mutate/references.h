// Who uses what in a Script: calls use descriptors that earlier calls made, segments belong to
// flows. A name that no step makes was open before the script: it is the target's.
#ifndef TAPEDECK_FUZZ_MUTATE_REFERENCES_H_
#define TAPEDECK_FUZZ_MUTATE_REFERENCES_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <set>
#include <utility>
#include <vector>

#include "replay/script/script.h"
#include "stack/base/prng.h"

namespace tapedeck::fuzz {

// A descriptor's name and the host that calls it so.
struct FdName {
  uint8_t host = 0;
  int64_t fd = kFdNone;
  friend auto operator<=>(const FdName&, const FdName&) = default;
};

// Descriptors that targets usually have open.
inline constexpr std::array<int64_t, 3> kUsualFds = {3, 4, 5};

// Calls `visit` for each descriptor that `call` uses; it may change them.
void ForEachUsedFd(SyscallStep& call, const std::function<void(int64_t& fd)>& visit);
// The same of those that it makes, if it does not fail.
void ForEachMadeFd(SyscallStep& call, const std::function<void(int64_t& fd)>& visit);

// The names that `step` uses, and those that it makes.
std::vector<FdName> UsedBy(const Step& step);
std::vector<FdName> MadeBy(const Step& step);

// Names that steps [0, end) make.
std::set<FdName> MadeBefore(const Script& script, size_t end);
// All names that steps make or use.
std::set<FdName> NamesIn(const Script& script);

// Removes steps [first, first + count). Who used what they made uses something else that is made
// before it; where nothing is, what it says.
void RemoveSteps(Prng& random, Script& script, size_t first, size_t count);

// Where a step uses what is made after it only, it uses something that is there: made before, or
// the target's; or no descriptor at all.
void KeepWhole(Prng& random, Script& script);

// Steps of `script` by number, ascending: `wanted` (ascending), the steps before them without which
// these had nothing to work on, namely the calls that make and prepare the descriptors that they
// use, and the segments that begin the flows of theirs.
std::vector<size_t> WithNeeded(const Script& script, const std::vector<size_t>& wanted);

// Gives the names that `steps` make other ones where `taken` has them, and so to all who use them.
// Sometimes flows, too, are others than those that `flows_taken` has.
void RenameApart(Prng& random, const std::set<FdName>& taken, uint16_t flows_taken,
                 std::vector<Step>& steps);

// Bits of the flows that `steps` use.
uint16_t FlowsOf(const std::vector<Step>& steps);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_REFERENCES_H_
