// A crash, with everything that is needed to understand it and to have it again: a folder of
//
//   input          what was run                      input.pkt    the same as text, of a Script
//   run.json       target, signature, digest of the trace, build, engine, seed, flags, command
//   errors.txt     what the run printed               trace.txt    its events
//   run.pcapng     its frames                         ring/        the inputs that ran before it
#ifndef TAPEDECK_FUZZ_CAMPAIGN_ARCHIVE_H_
#define TAPEDECK_FUZZ_CAMPAIGN_ARCHIVE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "fuzz/campaign/crash_input.h"
#include "fuzz/campaign/observed_run.h"

namespace tapedeck::fuzz {

inline constexpr char kArchiveInputFile[] = "input";
inline constexpr char kArchiveRunFile[] = "run.json";

// How a crash came about; all but the first may be unknown.
struct CrashOrigin {
  std::string replayer;  // that has run it again
  std::string engine;
  std::string seed;
  std::vector<std::string> flags;  // the engine's command line
  std::vector<std::string> ring;   // files: the inputs before it, oldest first
};

// Writes the archive as the folder `path`; what it has of these files is overwritten.
absl::Status WriteArchive(const std::string& path, const CrashInput& input, const ObservedRun& run,
                          const CrashOrigin& origin);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_ARCHIVE_H_
