// How one case is to be played, where that is not the default: from CASE.toml beside it, and from
// `regress.toml` in its folder or above, of which the nearest counts. Keys of the first win.
//
//   skip = "needs multicast routing"     not played, and why
//   requires = ["stand-in"]              skipped where this build lacks one of these
//   golden = false                       judged by its own verdict alone
//   host = "192.0.2.2"                   of a capture: the address of the host under test
//   mode = "raw"                         of a capture; of a script: ipv4, ipv4-mapped-ipv6, ipv6
//   seed = "5eed0002"                    up to 16 hexadecimal digits
//   hz = 250                             of a capture: ticks a second, 100, 250 or 1000
//   frames = 1000                        of a capture: play only so many
//   settle = 60                          of a capture: whole virtual seconds behind its last frame
//   tolerance = true                     of a script: times as in packetdrill
#ifndef TAPEDECK_REPLAY_REGRESS_CASE_SETTINGS_H_
#define TAPEDECK_REPLAY_REGRESS_CASE_SETTINGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/regress/case_files.h"
#include "stack/base/ip_address.h"

namespace tapedeck::regress {

struct CaseSettings {
  std::string skip;  // the reason; empty: play it
  std::vector<std::string> needs;
  bool golden = true;
  std::optional<IpAddress> host;
  std::string mode;
  uint64_t seed = 0x5eed0001;
  uint32_t hz = 1000;
  uint64_t frames_max = UINT64_MAX;
  uint64_t settle_s = 5;
  bool tolerance = false;
};

// Changes `settings` by the keys of `text`. InvalidArgument names `file` and the line.
absl::Status ParseSettings(const std::string& text, const std::string& file,
                           CaseSettings* settings);

// Those of a case; the defaults where it has no file.
absl::StatusOr<CaseSettings> ReadSettings(const CaseFile& one);

// Why a case with these settings is not played; empty where it is.
std::string ReasonToSkip(const CaseSettings& settings);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_CASE_SETTINGS_H_
