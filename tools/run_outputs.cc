#include "tools/run_outputs.h"

#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/capture/output_file.h"
#include "replay/report/chrome_trace.h"
#include "replay/report/ladder.h"
#include "replay/report/xplot.h"

namespace tapedeck::tools {

namespace {

// Frames of a flow that a ladder shows.
constexpr size_t kLadderFramesMax = 100'000;

absl::Status WriteText(const std::string& path, const std::string& text) {
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(path);
  if (!file.ok()) return file.status();
  const absl::Status written =
      file->Append({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  return written.ok() ? file->Close() : written;
}

}  // namespace

void AddOutputFlags(CLI::App* sub, OutputFlags* flags) {
  sub->add_option("-o,--out", flags->out,
                  "Write both directions as pcapng, each frame with what became of it")
      ->type_name("FILE");
  sub->add_option("--report", flags->report, "Write a page about the run: HTML, self-contained")
      ->type_name("FILE");
  sub->add_option("--timeline", flags->timeline,
                  "Write a timeline for Perfetto or chrome://tracing: JSON")
      ->type_name("FILE");
  sub->add_option("--ladder", flags->ladder, "Write each flow as a ladder: text; \"-\" prints it")
      ->type_name("FILE");
  sub->add_option("--xplot", flags->xplot,
                  "Write time-sequence graphs for xplot: PREFIX1.out.xpl, PREFIX1.in.xpl, ...")
      ->type_name("PREFIX");
}

absl::Status RunOutputs::Start(Recorder& recorder, const CaptureOutput::Options& capture) {
  if (wants_log()) recorder.AddObserver(&log_);
  if (!flags_.timeline.empty()) recorder.ListenToDma(&log_);
  if (flags_.out.empty()) return absl::OkStatus();
  absl::StatusOr<CaptureOutput> created = CaptureOutput::Create(flags_.out, capture);
  if (!created.ok()) return created.status();
  capture_.emplace(*std::move(created));
  recorder.AddObserver(&*capture_);
  return absl::OkStatus();
}

absl::Status RunOutputs::WriteGraphs() const {
  absl::Status status;
  for (size_t i = 0; i < log_.flows().size(); ++i) {
    for (const int side : {0, 1}) {
      const std::string graph = report::XplotText(log_, log_.flows()[i], side);
      if (graph.empty()) continue;
      status.Update(WriteText(
          absl::StrFormat("%s%d.%s.xpl", flags_.xplot, i + 1, side == 0 ? "out" : "in"), graph));
    }
  }
  return status;
}

absl::Status RunOutputs::Finish(const report::ReportInput& input) {
  absl::Status status;
  if (capture_.has_value()) status.Update(capture_->Close());
  if (!wants_log()) return status;
  log_.Finish();
  if (!flags_.report.empty()) {
    status.Update(WriteText(flags_.report, report::HtmlReport(input, log_)));
  }
  if (!flags_.timeline.empty()) {
    status.Update(WriteText(flags_.timeline, report::ChromeTraceJson(log_)));
  }
  if (!flags_.ladder.empty()) {
    status.Update(WriteText(flags_.ladder, report::LadderText(log_, kLadderFramesMax)));
  }
  if (!flags_.xplot.empty()) status.Update(WriteGraphs());
  return status;
}

std::string FileName(const std::string& path) {
  const size_t slash = path.find_last_of('/');
  return slash == std::string::npos ? path : path.substr(slash + 1);
}

}  // namespace tapedeck::tools
