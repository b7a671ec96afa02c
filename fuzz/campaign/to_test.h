// An input as a test that people read: a script, a GoogleTest; and what it says, record by record.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_TO_TEST_H_
#define TAPEDECK_FUZZ_CAMPAIGN_TO_TEST_H_

#include <string>
#include <vector>

#include "fuzz/campaign/crash_input.h"
#include "fuzz/campaign/observed_run.h"

namespace tapedeck::fuzz {

// What the input says, a line for each record, line of text, or packet.
std::vector<std::string> DescribeInput(const CrashInput& input);

// The text spelling, with frames described and a comment that says of which target and what it
// breaks. LoadCrashInput() reads it back. REQUIRES: input.kind() == InputKind::kScript.
std::string ScriptText(const CrashInput& input, const ObservedRun& run);

// A GoogleTest that runs the input through its target and expects it to hold, for a program that
// links <target>_target.cc: `tapedeck_fuzz_test()` in fuzz/CMakeLists.txt makes one.
std::string GtestText(const CrashInput& input, const ObservedRun& run, const std::string& name);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_TO_TEST_H_
