// Our cases, by what they need. Each function adds its cases to a suite.
#ifndef TAPEDECK_TESTS_BENCH_CASES_H_
#define TAPEDECK_TESTS_BENCH_CASES_H_

#include "tests/bench/suite.h"

namespace tapedeck::bench {

// The capture reader alone.
void AddCaptureCases(Suite& suite);
// Parts on their own: checksum, digest, event queue, slab caches.
void AddComponentCases(Suite& suite);
// The NIC model alone.
void AddNicCases(Suite& suite);
// A datagram's way through one host, and through the stack alone.
void AddPathCases(Suite& suite);
// Connections over one host, and over the stack alone.
void AddTcpCases(Suite& suite);
// Lookups of routes, and a router.
void AddRouteCases(Suite& suite);
// A script of packetdrill's language from its text to its verdict.
void AddScriptCases(Suite& suite);
// Labs as a whole: building, snapshots, raw replay.
void AddLabCases(Suite& suite);
// Stand-ins, and the debugger behind a million events.
void AddReplayCases(Suite& suite);
// Inputs of the fuzz target, without a fuzzing engine.
void AddFuzzCases(Suite& suite);

}  // namespace tapedeck::bench

#endif  // TAPEDECK_TESTS_BENCH_CASES_H_
