#include "replay/regress/play_case.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "replay/case/case.h"
#include "replay/regress/counter_lines.h"
#include "replay/regress/text_hash.h"
#include "replay/regress/trace_line.h"
#include "replay/regress/trace_lines.h"
#include "stack/base/drop_reason.h"

namespace tapedeck::regress {

namespace {

using Outcome = PlayedCase::Outcome;

PlayedCase NotPlayed(Outcome outcome, std::string message) {
  PlayedCase run;
  run.outcome = outcome;
  run.message = std::move(message);
  return run;
}

// Size and hash; empty where the file cannot be read, which those who play it say better.
std::string InputText(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  const std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  return absl::StrFormat("%d bytes %016x", text.size(), ChainHash(0, text));
}

CaseKind KindOfCase(const CaseFile& one) {
  switch (one.kind) {
    case CaseFile::Kind::kCapture:
      return CaseKind::kByName;  // what it is besides, its first bytes tell
    case CaseFile::Kind::kScript:
      return CaseKind::kScript;
    case CaseFile::Kind::kInput:
      return CaseKind::kBytes;
    case CaseFile::Kind::kPlan:
      return CaseKind::kStandIn;
  }
  return CaseKind::kByName;
}

absl::StatusOr<CaseOptions> MakeOptions(const CaseFile& one, const CaseSettings& settings) {
  CaseOptions options;
  options.kind = KindOfCase(one);
  options.seed = settings.seed;
  options.capture.lab.hosts.emplace_back().hz = settings.hz;
  options.capture.host = settings.host;
  options.capture.frames_max = settings.frames_max;
  options.capture.settle = Duration::Seconds(settings.settle_s);
  options.tolerance = settings.tolerance ? TolerancePolicy::kKernel : TolerancePolicy::kExact;
  if (settings.mode.empty()) return options;
  if (one.kind == CaseFile::Kind::kCapture) {
    if (settings.mode == "stand-in") options.kind = CaseKind::kStandIn;
    if (settings.mode == "raw" || settings.mode == "stand-in") return options;
    return absl::InvalidArgumentError(absl::StrCat(one.path, ": a capture has no mode `",
                                                   settings.mode, "`; there are raw and stand-in"));
  }
  absl::Status set = options.script.Set("ip_version", settings.mode);
  if (!set.ok()) return absl::InvalidArgumentError(absl::StrCat(one.path, ": ", set.message()));
  return options;
}

std::string LedgerLine(const FrameLedger& ledger) {
  std::vector<std::string> reasons;
  for (int i = 0; i < kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (ledger.dropped(reason) == 0) continue;
    reasons.push_back(absl::StrCat(DropReasonName(reason), " ", ledger.dropped(reason)));
  }
  return absl::StrFormat(
      "frames in %d = delivered %d + dropped %d%s + queued %d", ledger.frames_in(),
      ledger.delivered(), ledger.dropped(),
      reasons.empty() ? "" : absl::StrCat(" (", absl::StrJoin(reasons, ", "), ")"),
      ledger.queued());
}

// What the recorder has counted, and every host.
std::vector<std::string> Counters(Playback& playback, uint64_t virtual_ns) {
  const Recorder& recorder = playback.recorder();
  std::vector<std::string> lines;
  lines.push_back(LedgerLine(recorder.ledger()));
  lines.push_back(absl::StrFormat("frames out %d, own packets dropped %d",
                                  recorder.count(TraceKind::kWireTx),
                                  recorder.ledger().dropped_own()));
  lines.push_back(absl::StrFormat("interrupts %d, polls %d", recorder.count(TraceKind::kInterrupt),
                                  recorder.count(TraceKind::kNapiPoll)));
  lines.push_back(absl::StrCat("virtual ", SecondsText(virtual_ns), " s"));
  for (int i = 0; i < playback.hosts(); ++i) {
    if (playback.hosts() > 1) lines.push_back(absl::StrCat("host ", i));
    for (std::string& line : CounterLines(playback.host(i).network())) {
      lines.push_back(std::move(line));
    }
  }
  return lines;
}

// Plays all of it; false where it would not end.
bool PlayToEnd(Playback& playback, uint64_t events_max) {
  while (playback.recorder().digest().events() <= events_max) {
    if (!playback.Advance()) return true;
  }
  return false;
}

Outcome OutcomeOf(PlaybackResult::Outcome outcome) {
  switch (outcome) {
    case PlaybackResult::Outcome::kHeld:
      return Outcome::kHeld;
    case PlaybackResult::Outcome::kFailed:
      return Outcome::kFailed;
    case PlaybackResult::Outcome::kSkipped:
      return Outcome::kSkipped;
  }
  return Outcome::kFailed;
}

PlayedCase Play(Playback& playback, TraceLines& lines, uint64_t events_max) {
  PlayedCase run;
  const SimTime start = playback.world().now();
  const bool ended = PlayToEnd(playback, events_max);
  run.virtual_ns = (playback.world().now() - start).ns();
  run.text.play = playback.Settings();
  std::replace(run.text.play.begin(), run.text.play.end(), '\n', ' ');
  run.text.counters = Counters(playback, run.virtual_ns);
  run.text.trace = lines.Take();
  if (!ended) {
    run.outcome = Outcome::kFailed;
    run.message = absl::StrCat("no end after ", events_max, " events and ",
                               SecondsText(run.virtual_ns), " virtual seconds");
    return run;
  }
  const PlaybackResult result = playback.Finish();
  run.text.counters.insert(run.text.counters.end(), result.summary.begin(), result.summary.end());
  run.digest = result.digest;
  run.outcome = OutcomeOf(result.outcome);
  run.message = absl::StrJoin(result.problems, "\n");
  return run;
}

}  // namespace

PlayedCase PlayCase(const CaseFile& one, const CaseSettings& settings, uint64_t events_max) {
  const absl::StatusOr<CaseOptions> options = MakeOptions(one, settings);
  if (!options.ok()) return NotPlayed(Outcome::kFailed, std::string(options.status().message()));
  const absl::StatusOr<std::unique_ptr<Case>> opened = OpenCase(one.path, *options);
  if (!opened.ok()) return NotPlayed(Outcome::kFailed, std::string(opened.status().message()));
  TraceLines lines;
  Arena arena{Arena::Options{}};
  const absl::StatusOr<std::unique_ptr<Playback>> playback =
      (*opened)->Play({.observer = &lines}, &arena);
  if (!playback.ok()) {
    const bool skipped = playback.status().code() == absl::StatusCode::kFailedPrecondition;
    return NotPlayed(skipped ? Outcome::kSkipped : Outcome::kFailed,
                     std::string(playback.status().message()));
  }
  PlayedCase run = Play(**playback, lines, events_max);
  // A recording has its own.
  if ((*opened)->kind() != CaseKind::kRecording) {
    absl::StrAppendFormat(&run.text.play, "  seed %x", settings.seed);
  }
  run.text.input = InputText(one.path);
  return run;
}

}  // namespace tapedeck::regress
