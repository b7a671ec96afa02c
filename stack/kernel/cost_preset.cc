#include "stack/kernel/cost_preset.h"

#include "stack/base/check.h"

namespace tapedeck {

std::optional<CostTable> CostPresetNamed(std::string_view name) {
  for (const CostPreset& preset : CostPresets()) {
    if (name != preset.name) continue;
    CostTable table;
    std::string error;
    CHECK(ParseCostTable(name, preset.text, &table, &error));
    return table;
  }
  return std::nullopt;
}

std::string CostPresetNames() {
  std::string names;
  for (const CostPreset& preset : CostPresets()) {
    if (!names.empty()) names += ", ";
    names += preset.name;
  }
  return names;
}

}  // namespace tapedeck
