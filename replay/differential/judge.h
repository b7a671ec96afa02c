// Both stacks, and the verdict on a case.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_JUDGE_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_JUDGE_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/differential/case.h"
#include "replay/differential/compare.h"
#include "replay/differential/generate.h"
#include "replay/differential/host_side.h"
#include "replay/differential/kernel_side.h"
#include "replay/differential/known_differences.h"
#include "replay/differential/run.h"

namespace tapedeck::differential {

// A case in which the two differ for no known reason.
struct Finding {
  std::string signature;
  std::string report;  // the smallest case with it that was found, with what both did
};

class Judge {
 public:
  // Moves the process into a network namespace of its own. PermissionDenied, Unavailable: why not.
  // `captures`: for kinds that need them.
  static absl::StatusOr<std::unique_ptr<Judge>> Create(KnownDifferences known,
                                                       std::vector<Capture> captures = {});

  struct Verdict {
    bool same = true;               // but for known differences
    bool unsteady = false;          // they differed once, but not in a namespace of their own
    bool explained = false;         // some known difference was seen
    std::vector<Finding> findings;  // where not same: one for each signature
  };
  // A case that can be made again for another place.
  struct Source {
    const Kind* kind = nullptr;
    uint64_t seed = 0;
    uint64_t number = 0;
  };
  // Plays a case on both sides. Only the first finding is made small, and that only where its
  // signature was not found before; the reports of others are empty.
  Verdict Try(const Source& source);

  // Plays a case and prints all that both did.
  std::string Show(const Source& source);

 private:
  explicit Judge(KnownDifferences known) : known_(std::move(known)) {}

  // Which steps and settings of a case are played.
  struct Selection {
    std::vector<bool> steps;
    std::vector<bool> settings;
  };
  Case Make(const Source& source, const Selection* selection);
  // The differences that no line explains; `explained` is set where one does.
  std::vector<Difference> Differences(const Case& played, bool* explained = nullptr);
  // What is left of a case when steps and settings are taken out that a difference with that
  // signature does not need.
  Selection Minimise(const Source& source, const Case& whole, const std::string& signature);
  bool StillDiffers(const Source& source, const Selection& selection, const std::string& signature);

  // The two stacks, for cases of one family.
  struct Sides {
    std::unique_ptr<KernelSide> kernel;
    std::unique_ptr<HostSide> host;
    std::vector<bool> has_counter;
  };
  absl::Status Open(AddressFamily family);
  Sides& SidesOf(AddressFamily family) { return sides_[family == AddressFamily::kIpv6 ? 1 : 0]; }

  KnownDifferences known_;
  std::vector<Capture> captures_;
  Sides sides_[2];
  std::set<std::string> found_;
  // Of the last case.
  Run our_run_;
  Run kernel_run_;
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_JUDGE_H_
