// Ctrl-C for commands that end cleanly.
#ifndef TAPEDECK_TOOLS_STOP_SIGNALS_H_
#define TAPEDECK_TOOLS_STOP_SIGNALS_H_

namespace tapedeck::tools {

// While it lives, signals that end a program (SIGINT, SIGTERM, SIGHUP) only say so.
class StopSignals {
 public:
  // With `interrupts_calls`, a system call that waits returns (EINTR) instead of going on.
  explicit StopSignals(bool interrupts_calls = false);
  ~StopSignals();
  StopSignals(const StopSignals&) = delete;
  StopSignals& operator=(const StopSignals&) = delete;

  // One has come since the last of these was made.
  static bool Wanted();
};

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_STOP_SIGNALS_H_
