#include "tools/recording.h"

#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "replay/recording/recording_replay.h"
#include "replay/trace/trace_printer.h"
#include "tools/commands.h"
#include "tools/counts.h"
#include "tools/stop_signals.h"

namespace tapedeck::tools {

namespace {

using RecordingClock = std::chrono::steady_clock;

void ComplainOfRecording(const std::string& line) {
  std::fprintf(stderr, "tapedeck replay: %s\n", line.c_str());
}

void PrintRecordingJson(const std::string& file, const RecordingTape& tape,
                        const LiveReport& report, bool interrupted, double wall_s) {
  nlohmann::ordered_json json;
  json["file"] = file;
  json["mode"] = "recording";
  json["complete"] = tape.complete();
  json["frames_in"] = report.frames_in;
  json["frames_out"] = report.frames_out;
  json["delivered"] = report.delivered;
  json["dropped"] = report.dropped;
  json["queued"] = report.queued;
  json["interrupts"] = report.interrupts;
  json["polls"] = report.polls;
  json["events"] = report.events;
  for (const LiveReport::ServiceReport& service : report.services) {
    json["services"].push_back({{"name", ServiceName(service.service.kind)},
                                {"port", service.service.port},
                                {"connections", service.counts.connections},
                                {"requests", service.counts.requests},
                                {"bytes_in", service.counts.bytes_in},
                                {"bytes_out", service.counts.bytes_out}});
  }
  json["virtual_ns"] = report.virtual_time.ns();
  json["wall_ns"] = static_cast<uint64_t>(wall_s * 1e9);
  json["digest"] = report.digest;
  json["warnings"] = tape.warnings;
  json["violations"] = report.violations;
  json["interrupted"] = interrupted;
  absl::PrintF("%s\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

report::ReportInput RecordingReport(const std::string& file, const RecordingTape& tape,
                                    const LiveReport& run, bool interrupted) {
  report::ReportInput input;
  input.title = FileName(file);
  input.held = run.violations.empty();
  input.verdict = !input.held   ? "the run is another one"
                  : interrupted ? "the run was interrupted"
                                : "the run is the one that was recorded";
  input.digest = run.digest;
  input.command = absl::StrCat("tapedeck replay ", input.title);
  input.figures = {{"frames in", absl::StrCat(run.frames_in)},
                   {"delivered", absl::StrCat(run.delivered)},
                   {"dropped", absl::StrCat(Total(run.dropped))},
                   {"frames out", absl::StrCat(run.frames_out)},
                   {"events", absl::StrCat(run.events)}};
  input.settings = {LiveSettingsText(tape.header.settings)};
  input.warnings = tape.warnings;
  input.violations = run.violations;
  return input;
}

// What a replay of `tape` shows: all that was recorded, as far as it goes.
std::string CoverageText(const RecordingTape& tape) {
  if (tape.complete()) {
    return absl::StrFormat("recording of %d frames in, %d out, %d digests\n",
                           tape.items.size() - tape.marks.size(), tape.outputs.size(),
                           tape.marks.size());
  }
  return absl::StrFormat(
      "recording that was cut short: %d frames in, %d out, %d digests and none at its end\n",
      tape.items.size() - tape.marks.size(), tape.outputs.size(), tape.marks.size());
}

}  // namespace

void PrintLiveReport(const LiveReport& report, double wall_s, bool interrupted) {
  absl::PrintF("frames in %d = delivered %d + dropped %d%s + queued %d\n", report.frames_in,
               report.delivered, Total(report.dropped), CountsText(report.dropped), report.queued);
  absl::PrintF("frames out %d  own packets dropped %d\ninterrupts %d  polls %d  events %d\n",
               report.frames_out, report.dropped_own, report.interrupts, report.polls,
               report.events);
  for (const LiveReport::ServiceReport& service : report.services) {
    absl::PrintF("%s\n", ServiceReportText(service));
  }
  absl::PrintF("virtual %.6f s  wall %.3f s\n",
               static_cast<double>(report.virtual_time.ns()) * 1e-9, wall_s);
  for (const std::string& violation : report.violations) absl::PrintF("violated: %s\n", violation);
  absl::PrintF("%s  digest %s\n", VerdictWord(report.violations, interrupted), report.digest);
}

int ReplayRecordingFile(const RecordingFlags& flags, const std::string& file) {
  LiveRunOptions options;
  options.memory.fill = flags.fill;
  const absl::StatusOr<std::unique_ptr<RecordingReplay>> opened =
      RecordingReplay::Open(file, options);
  if (!opened.ok()) {
    ComplainOfRecording(std::string(opened.status().message()));
    return kExitUsage;
  }
  RecordingReplay& replay = **opened;
  const RecordingTape& tape = replay.tape();
  const std::string settings = replay.Settings();
  Recorder& recorder = replay.recorder();
  TracePrinter printer(stdout, flags.verbose >= 3   ? TracePrinter::Detail::kAll
                               : flags.verbose == 2 ? TracePrinter::Detail::kFrames
                                                    : TracePrinter::Detail::kChanges);
  if (!flags.json) absl::PrintF("%s\n%s\n%s", file, settings, CoverageText(tape));
  if (flags.verbose > 0 && !flags.json) {
    printer.PrintHeader();
    recorder.AddObserver(&printer);
  }
  RunOutputs outputs(flags.outputs);
  CaptureOutput::Options capture;
  capture.comments = {settings};
  capture.epoch_ns = tape.header.epoch_ns;
  absl::Status written = outputs.Start(recorder, capture);
  const RecordingClock::time_point start = RecordingClock::now();
  const StopSignals signals;
  const bool interrupted = PlayToEnd(replay, StopSignals::Wanted, [] {});
  const double wall_s = std::chrono::duration<double>(RecordingClock::now() - start).count();
  replay.Finish();
  const LiveReport& report = replay.report();
  if (written.ok()) written = outputs.Finish(RecordingReport(file, tape, report, interrupted));
  if (!written.ok()) {
    ComplainOfRecording(std::string(written.message()));
    return kExitUsage;
  }
  for (const std::string& warning : tape.warnings) {
    ComplainOfRecording(absl::StrCat("warning: ", warning));
  }
  if (flags.json) {
    PrintRecordingJson(file, tape, report, interrupted, wall_s);
  } else {
    PrintLiveReport(report, wall_s, interrupted);
  }
  return ExitCodeOf(report.violations.empty(), interrupted);
}

}  // namespace tapedeck::tools
