// What no packet of a capture says outright: how fast L's clock ticks, and which of the kernel's
// means of recovery it has. A retransmission that our host makes and L did not make tells: plans
// with the likely answers are executed, and the first of those with the least of it is taken.
#ifndef TAPEDECK_REPLAY_STANDIN_FIT_H_
#define TAPEDECK_REPLAY_STANDIN_FIT_H_

#include <cstddef>
#include <functional>

#include "replay/standin/plan.h"

namespace tapedeck::standin {

// Larger plans are left as they are.
inline constexpr size_t kFitPacketsMax = 100'000;

// Sets `hz`, settings of L's kernel and a guess, where the usual host would send again what L did
// not. `stop` may end that.
void FitRecovery(Plan* plan, const std::function<bool()>& stop = {});

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_FIT_H_
