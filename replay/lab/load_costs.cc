#include "replay/lab/load_costs.h"

#include <fstream>
#include <optional>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stack/kernel/cost_preset.h"

namespace tapedeck {

absl::StatusOr<CostTable> LoadCostTable(const std::string& name) {
  if (std::optional<CostTable> preset = CostPresetNamed(name)) return *preset;
  std::ifstream file(name);
  if (!file) {
    return absl::NotFoundError(absl::StrFormat("--costs %s: no such file, and the presets are %s",
                                               name, CostPresetNames()));
  }
  std::ostringstream text;
  text << file.rdbuf();
  CostTable table;
  std::string error;
  if (!ParseCostTable(name, text.str(), &table, &error)) {
    return absl::InvalidArgumentError(absl::StrCat(name, ": ", error));
  }
  return table;
}

}  // namespace tapedeck
