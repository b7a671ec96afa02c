// Results as JUnit XML, which continuous integration shows.
#ifndef TAPEDECK_REPLAY_REGRESS_JUNIT_H_
#define TAPEDECK_REPLAY_REGRESS_JUNIT_H_

#include <span>
#include <string>

#include "replay/regress/suite.h"

namespace tapedeck::regress {

struct NamedReport {
  std::string name;
  CaseReport report;
};

// One <testsuite> of all cases; the folder of each is its classname. `time` is virtual seconds, so
// that equal runs make equal files. New cases pass.
std::string JunitText(std::span<const NamedReport> reports);

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_JUNIT_H_
