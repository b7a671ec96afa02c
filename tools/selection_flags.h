// The flags by which the subcommands that read captures choose records.
#ifndef TAPEDECK_TOOLS_SELECTION_FLAGS_H_
#define TAPEDECK_TOOLS_SELECTION_FLAGS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "replay/filter/selection.h"

namespace tapedeck::tools {

struct SelectionFlags {
  std::string filter;
  std::string records;
  std::string from;
  std::string to;
};

// --filter, and with `all` --frames, --from and --to.
void AddSelectionFlags(CLI::App& app, bool all, SelectionFlags& flags);

// What the flags say; an error names the flag.
absl::StatusOr<Selection> MakeSelection(const SelectionFlags& flags);

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_SELECTION_FLAGS_H_
