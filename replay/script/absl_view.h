// The two string_views where Abseil's own is another type (DESIGN.md: Debian 12's).
#ifndef TAPEDECK_REPLAY_SCRIPT_ABSL_VIEW_H_
#define TAPEDECK_REPLAY_SCRIPT_ABSL_VIEW_H_

#include <string_view>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace tapedeck {

inline absl::string_view Absl(std::string_view text) { return {text.data(), text.size()}; }

inline absl::Status Invalid(std::string_view what) {
  return absl::InvalidArgumentError(Absl(what));
}

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_ABSL_VIEW_H_
