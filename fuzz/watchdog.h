// WORK:ends:input. An input whose run never ends: a loop within one step of the main loop, which no
// count of steps sees. Told by the processor time that the process has used, in seconds, since no
// input takes one; nothing else is decided by a clock.
#ifndef TAPEDECK_FUZZ_WATCHDOG_H_
#define TAPEDECK_FUZZ_WATCHDOG_H_

namespace tapedeck::fuzz {

// Starts to watch. Of a process there is one watch, and SIGVTALRM is its own.
void StartWatchdog();
// From here to WatchedInputEnds() an input runs.
void WatchedInputBegins();
void WatchedInputEnds();

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_WATCHDOG_H_
