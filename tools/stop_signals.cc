#include "tools/stop_signals.h"

#include <atomic>
#include <csignal>

namespace tapedeck::tools {

namespace {

// A handler can reach nothing else.
std::atomic<bool> stop_wanted{false};

void WantStop(int) { stop_wanted = true; }

}  // namespace

StopSignals::StopSignals(bool interrupts_calls) {
  stop_wanted = false;
  struct sigaction action = {};
  action.sa_handler = WantStop;
  action.sa_flags = interrupts_calls ? 0 : SA_RESTART;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) sigaction(signal, &action, nullptr);
}

StopSignals::~StopSignals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
}

bool StopSignals::Wanted() { return stop_wanted; }

}  // namespace tapedeck::tools
