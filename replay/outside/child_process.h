// Other programs, run to their end: what they print, and how they end.
#ifndef TAPEDECK_REPLAY_OUTSIDE_CHILD_PROCESS_H_
#define TAPEDECK_REPLAY_OUTSIDE_CHILD_PROCESS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace tapedeck {

struct ChildResult {
  int exit_code = 0;  // of a signal: 128 + its number, as shells have it
  std::string out;    // standard output
  std::string err;    // standard error
};

// Runs `argv` (argv[0] is looked for in PATH) with `environment` ("NAME=value") added to this
// process's; waits at most `seconds_max`, then kills it. NotFound: there is no such program;
// DeadlineExceeded: it was killed.
absl::StatusOr<ChildResult> RunChild(const std::vector<std::string>& argv,
                                     const std::vector<std::string>& environment = {},
                                     int seconds_max = 600);

// This process goes on as the program `argv`, argv[0] looked for in PATH; returns where that cannot
// be.
void BecomeProgram(const std::vector<std::string>& argv);

// This program's own file.
std::string OwnProgram();

// "rr record 'a b'": as one would type it.
std::string ShellLine(const std::vector<std::string>& argv);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_OUTSIDE_CHILD_PROCESS_H_
