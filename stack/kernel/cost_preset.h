// One of the cost tables that are built into the library, by its name.
#ifndef TAPEDECK_STACK_KERNEL_COST_PRESET_H_
#define TAPEDECK_STACK_KERNEL_COST_PRESET_H_

#include <optional>
#include <string>
#include <string_view>

#include "stack/kernel/cost.h"

namespace tapedeck {

// Nothing where there is none of that name.
std::optional<CostTable> CostPresetNamed(std::string_view name);

// "free, xdp18": for those who complain of another name.
std::string CostPresetNames();

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_KERNEL_COST_PRESET_H_
