// A program that runs beside us, for as long as it likes: an engine.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_PROCESS_H_
#define TAPEDECK_FUZZ_CAMPAIGN_PROCESS_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tapedeck::fuzz {

// Ends with this object, and with us, however we end. It is in a process group of its own, so that
// a Ctrl-C at the terminal is ours alone to pass on.
class Process {
 public:
  struct Options {
    std::vector<std::string> argv;         // argv[0] is looked for in PATH
    std::vector<std::string> environment;  // "NAME=value", added to this process's
    std::string output;                    // a file that gets stdout and stderr, appended
    std::string directory;                 // to run in; empty: ours
  };
  static absl::StatusOr<Process> Start(const Options& options);

  Process(Process&& other) noexcept : pid_(std::exchange(other.pid_, -1)), end_(other.end_) {}
  Process& operator=(Process&& other) noexcept;
  ~Process();

  // How it ended, as shells have it (128 + the signal's number); nothing while it runs.
  std::optional<int> Poll();
  // Asks it and all of its group to end (SIGINT).
  void Interrupt();
  // Asks, waits at most `seconds`, then kills. Returns how it ended.
  int Stop(double seconds);

 private:
  explicit Process(pid_t pid) : pid_(pid) {}
  pid_t pid_;
  std::optional<int> end_;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_PROCESS_H_
