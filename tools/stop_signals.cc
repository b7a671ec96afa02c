#include "tools/stop_signals.h"

#include <atomic>
#include <csignal>

namespace tapedeck::tools {

namespace {

// A handler can reach nothing else.
std::atomic<bool> stop_wanted{false};

void WantStop(int) { stop_wanted = true; }

}  // namespace

StopSignals::StopSignals() {
  stop_wanted = false;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, WantStop);
}

StopSignals::~StopSignals() {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) std::signal(signal, SIG_DFL);
}

bool StopSignals::Wanted() { return stop_wanted; }

}  // namespace tapedeck::tools
