#include "fuzz/watchdog.h"

#include <pthread.h>
#include <signal.h>
#include <sys/time.h>

#include <cstdlib>

#include "fuzz/oracles.h"
#include "stack/base/check.h"

namespace tapedeck::fuzz {

namespace {

// Of processor time that the same input has been running; the slowest take a tenth of one under
// sanitizers.
constexpr int kTicksMax = 4;

// A signal handler has nothing else to look at.
volatile sig_atomic_t running;
volatile sig_atomic_t ticks;

[[noreturn, gnu::noinline]] void InputDoesNotEnd() {
  ReportBroken("WORK", "ends", "input");
  std::abort();
}

// A process that was forked has none of the timers of the one that it comes from: a replayer that
// judges forks for each input.
void Tick() {
  const itimerval every_second = {.it_interval = {.tv_sec = 1, .tv_usec = 0},
                                  .it_value = {.tv_sec = 1, .tv_usec = 0}};
  CHECK_EQ(setitimer(ITIMER_VIRTUAL, &every_second, nullptr), 0);
}

void OnTick(int) {
  if (running == 0) return;
  ticks = ticks + 1;
  if (ticks > kTicksMax) InputDoesNotEnd();
}

}  // namespace

void StartWatchdog() {
  struct sigaction action = {};
  action.sa_handler = OnTick;
  action.sa_flags = SA_RESTART;
  CHECK_EQ(sigaction(SIGVTALRM, &action, nullptr), 0);
  Tick();
  CHECK_EQ(pthread_atfork(nullptr, nullptr, Tick), 0);
}

void WatchedInputBegins() {
  ticks = 0;
  running = 1;
}

void WatchedInputEnds() { running = 0; }

}  // namespace tapedeck::fuzz
