// The files that a subcommand can write about a run: capture, report, timeline, ladder, graphs.
#ifndef TAPEDECK_TOOLS_RUN_OUTPUTS_H_
#define TAPEDECK_TOOLS_RUN_OUTPUTS_H_

#include <CLI/CLI.hpp>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "replay/report/html_report.h"
#include "replay/report/run_log.h"
#include "replay/trace/capture_output.h"
#include "replay/trace/recorder.h"

namespace tapedeck::tools {

struct OutputFlags {
  std::string out;       // pcapng
  std::string report;    // HTML
  std::string timeline;  // Chrome/Perfetto JSON
  std::string ladder;    // text
  std::string xplot;     // what the names of the graphs begin with

  bool any() const {
    return !out.empty() || !report.empty() || !timeline.empty() || !ladder.empty() ||
           !xplot.empty();
  }
};
void AddOutputFlags(CLI::App* sub, OutputFlags* flags);

// Those of one run. Nothing bears its name before Finish.
class RunOutputs {
 public:
  explicit RunOutputs(const OutputFlags& flags) : flags_(flags) {}
  RunOutputs(const RunOutputs&) = delete;
  RunOutputs& operator=(const RunOutputs&) = delete;

  // Before the first event. The recorder must not outlive this.
  absl::Status Start(Recorder& recorder, const CaptureOutput::Options& capture);
  // When the run is over. The first error; what could be written is there all the same.
  absl::Status Finish(const report::ReportInput& input);

 private:
  bool wants_log() const {
    return !flags_.report.empty() || !flags_.timeline.empty() || !flags_.ladder.empty() ||
           !flags_.xplot.empty();
  }
  absl::Status WriteGraphs() const;

  OutputFlags flags_;
  std::optional<CaptureOutput> capture_;
  report::RunLog log_;
};

// The last part of a path: what a report may say of it.
std::string FileName(const std::string& path);

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_RUN_OUTPUTS_H_
