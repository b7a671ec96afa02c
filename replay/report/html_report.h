// One self-contained HTML page about a run: no network, opens from a file. Light and dark, tables
// that sort, plots that zoom.
#ifndef TAPEDECK_REPLAY_REPORT_HTML_REPORT_H_
#define TAPEDECK_REPLAY_REPORT_HTML_REPORT_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "replay/report/run_log.h"

namespace tapedeck::report {

// How near a flow of a stand-in run came to the captured end.
struct FidelityRow {
  std::string flow;
  std::string grade;
  std::string reason;            // empty for the best
  std::string first_difference;  // in protocol words; empty where there is none
};

// What the page says beside what the log holds. Nothing here may be a date, a path of the machine
// or anything else that differs from run to run.
struct ReportInput {
  std::string title;    // the case: a file's name without folders
  bool held = false;    // the verdict
  std::string verdict;  // in a sentence
  std::string digest;
  std::string command;                                       // that repeats the run
  std::vector<std::pair<std::string, std::string>> figures;  // name and value, in order
  std::vector<std::string> settings;
  std::vector<std::string> violations;
  std::vector<std::string> warnings;
  std::vector<std::string> guesses;
  std::vector<FidelityRow> fidelity;
  std::string divergence;  // side by side, as text
};

// The page. The same bytes for the same input and log.
std::string HtmlReport(const ReportInput& input, const RunLog& log);

}  // namespace tapedeck::report

#endif  // TAPEDECK_REPLAY_REPORT_HTML_REPORT_H_
