#include "replay/lab/load_costs.h"

#include <fstream>
#include <sstream>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"

namespace tapedeck {

absl::StatusOr<CostTable> LoadCostTable(const std::string& name) {
  CostTable table;
  std::string error;
  for (const CostPreset& preset : CostPresets()) {
    if (name != preset.name) continue;
    if (!ParseCostTable(name, preset.text, &table, &error)) return absl::InternalError(error);
    return table;
  }
  std::ifstream file(name);
  if (!file) {
    std::vector<std::string> names;
    for (const CostPreset& preset : CostPresets()) names.emplace_back(preset.name);
    return absl::NotFoundError(absl::StrFormat("--costs %s: no such file, and the presets are %s",
                                               name, absl::StrJoin(names, ", ")));
  }
  std::ostringstream text;
  text << file.rdbuf();
  if (!ParseCostTable(name, text.str(), &table, &error)) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", error));
  }
  return table;
}

}  // namespace tapedeck
