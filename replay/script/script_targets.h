// What inputs of fuzz targets (fuzz/targets.txt) are: which have scripts, and which of those
// faults.
#ifndef TAPEDECK_REPLAY_SCRIPT_SCRIPT_TARGETS_H_
#define TAPEDECK_REPLAY_SCRIPT_SCRIPT_TARGETS_H_

#include <string_view>

namespace tapedeck {

// Whether inputs of `target` are the bytes spelling of scripts (bytes.h); others read files.
constexpr bool PlaysScripts(std::string_view target) {
  return target != "capture" && target != "plan" && target != "script_text";
}

// Whether new steps of its inputs may be faults.
constexpr bool TakesFaults(std::string_view target) {
  return target == "pair" || target == "driver" || target == "timed";
}

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SCRIPT_TARGETS_H_
