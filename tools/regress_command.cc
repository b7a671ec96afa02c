// tapedeck regress: every case of a folder beside its golden.
#include <fnmatch.h>
#include <sys/time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "replay/capture/output_file.h"
#include "replay/regress/case_files.h"
#include "replay/regress/junit.h"
#include "replay/regress/suite.h"
#include "tools/commands.h"
#include "tools/worker_processes.h"

namespace tapedeck::tools {

namespace {

using regress::CaseFile;
using regress::CaseReport;
using regress::NamedReport;
using SteadyClock = std::chrono::steady_clock;
using CaseVerdict = regress::Verdict;

// Of processor time: what hangs without a single event, no count of events would end.
constexpr time_t kProcessorSecondsMax = 600;

struct RegressFlags {
  std::vector<std::string> paths;
  unsigned jobs = 0;
  std::string filter;
  std::string shard;
  std::string goldens;
  std::string reason;
  bool update = false;
  bool strict = false;
  bool diff = false;
  bool list = false;
  bool quiet = false;
  bool json = false;
  std::string junit;
  uint64_t events_max = 50'000'000;
};

void ComplainOfRegress(const std::string& line) {
  std::fprintf(stderr, "tapedeck regress: %s\n", line.c_str());
}

struct Shard {
  unsigned index = 1;
  unsigned count = 1;
};

absl::StatusOr<Shard> ParseShard(const std::string& text) {
  Shard shard;
  if (text.empty()) return shard;
  const std::vector<std::string> parts = absl::StrSplit(text, '/');
  if (parts.size() != 2 || !absl::SimpleAtoi(parts[0], &shard.index) ||
      !absl::SimpleAtoi(parts[1], &shard.count) || shard.index == 0 || shard.index > shard.count) {
    return absl::InvalidArgumentError(
        absl::StrCat("--shard ", text, ": expected I/N with I from 1 to N"));
  }
  return shard;
}

absl::Status CheckFlags(const RegressFlags& flags) {
  if (flags.update && flags.reason.empty()) {
    return absl::InvalidArgumentError(
        "--update needs --reason TEXT: why what the stack does has changed; the goldens keep it");
  }
  if (!flags.update && !flags.reason.empty()) {
    return absl::InvalidArgumentError("--reason is for --update");
  }
  if (flags.reason.find('\n') != std::string::npos) {
    return absl::InvalidArgumentError("--reason: expected one line, found several");
  }
  return absl::OkStatus();
}

// The cases that the flags name.
absl::StatusOr<std::vector<CaseFile>> ChooseCases(RegressFlags flags) {
  if (absl::Status status = CheckFlags(flags); !status.ok()) return status;
  const absl::StatusOr<Shard> shard = ParseShard(flags.shard);
  if (!shard.ok()) return shard.status();
  if (flags.paths.empty()) {
    flags.paths.emplace_back(std::filesystem::is_directory("corpus") ? "corpus" : ".");
  }
  absl::StatusOr<std::vector<CaseFile>> cases = regress::FindCases(flags.paths, flags.goldens);
  if (!cases.ok()) return cases;
  std::erase_if(*cases, [&](const CaseFile& one) {
    return (!flags.filter.empty() && fnmatch(flags.filter.c_str(), one.name.c_str(), 0) != 0) ||
           !regress::InShard(one, shard->index, shard->count);
  });
  if (cases->empty() && shard->count == 1) {
    return absl::NotFoundError(
        absl::StrCat("--filter ", flags.filter, ": no case has such a name"));
  }
  return cases;
}

std::string ToLine(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// How a worker answers, and how that is read.
std::string AnswerOf(const CaseReport& report, uint64_t wall_ns) {
  nlohmann::ordered_json json;
  json["verdict"] = static_cast<int>(report.verdict);
  json["message"] = report.message;
  json["columns"] = report.columns;
  json["diff"] = report.diff;
  json["new_golden"] = report.new_golden;
  json["digest"] = report.digest;
  json["virtual_ns"] = report.virtual_ns;
  json["wall_ns"] = wall_ns;
  return ToLine(json);
}

struct Finished {
  CaseReport report;
  uint64_t wall_ns = 0;
};

Finished ReadAnswer(const std::string& answer) {
  const auto json = nlohmann::ordered_json::parse(answer);
  Finished finished;
  finished.report.verdict = static_cast<CaseVerdict>(json["verdict"].get<int>());
  finished.report.message = json["message"].get<std::string>();
  finished.report.columns = json["columns"].get<std::string>();
  finished.report.diff = json["diff"].get<std::string>();
  finished.report.new_golden = json["new_golden"].get<std::string>();
  finished.report.digest = json["digest"].get<std::string>();
  finished.report.virtual_ns = json["virtual_ns"].get<uint64_t>();
  finished.wall_ns = json["wall_ns"].get<uint64_t>();
  return finished;
}

// What a case that ended its process has failed by.
Finished CrashOf(const TaskResult& result) {
  Finished finished;
  finished.report.verdict = CaseVerdict::kFailed;
  std::string& message = finished.report.message;
  if (result.signal == SIGVTALRM) {
    message = absl::StrCat("no end after ", kProcessorSecondsMax, " s of processor time");
  } else {
    message = absl::StrCat("it crashed: ", result.CrashText());
  }
  if (!result.errors.empty()) absl::StrAppend(&message, "\n", result.errors);
  return finished;
}

// What one worker does first with each case: an alarm in its own time, and signals as usual.
void PrepareWorker() {
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const itimerval alarm{.it_interval = {}, .it_value = {kProcessorSecondsMax, 0}};
  setitimer(ITIMER_VIRTUAL, &alarm, nullptr);
}

// Signals that end the command are kept until a case is done, so that no golden is cut off.
class HeldSignals {
 public:
  HeldSignals() {
    sigemptyset(&set_);
    sigaddset(&set_, SIGINT);
    sigaddset(&set_, SIGTERM);
    sigprocmask(SIG_BLOCK, &set_, &before_);
  }
  ~HeldSignals() { sigprocmask(SIG_SETMASK, &before_, nullptr); }
  HeldSignals(const HeldSignals&) = delete;
  HeldSignals& operator=(const HeldSignals&) = delete;

  static bool Came() {
    sigset_t pending;
    sigpending(&pending);
    return sigismember(&pending, SIGINT) != 0 || sigismember(&pending, SIGTERM) != 0;
  }

 private:
  sigset_t set_;
  sigset_t before_;
};

// The run of a suite: prints each case as it ends, writes goldens, counts.
class Suite {
 public:
  Suite(const RegressFlags& flags, std::vector<CaseFile> cases)
      : flags_(flags), cases_(std::move(cases)) {
    for (const CaseFile& one : cases_) name_width_ = std::max(name_width_, one.path.size());
    name_width_ = std::min<size_t>(name_width_, 60);
  }

  int Run();

 private:
  std::string Play(size_t i) const;
  void Done(size_t i, const TaskResult& result);
  // False where the golden cannot be written.
  bool Update(const CaseFile& one, CaseReport* report);
  void Print(const CaseFile& one, const Finished& finished) const;
  void PrintJson(const CaseFile& one, const Finished& finished) const;
  void ShowProgress() const;
  void PrintSummary() const;
  bool WriteJunit() const;
  size_t Count(CaseVerdict verdict) const { return counts_[static_cast<size_t>(verdict)]; }

  const RegressFlags& flags_;
  std::vector<CaseFile> cases_;
  size_t name_width_ = 0;
  size_t counts_[regress::kVerdicts] = {};
  size_t updated_ = 0;
  bool unwritable_ = false;
  std::vector<NamedReport> reports_;  // for --junit
};

std::string Suite::Play(size_t i) const {
  PrepareWorker();
  const regress::JudgeOptions options{
      .update = flags_.update, .reason = flags_.reason, .diff = flags_.diff};
  const SteadyClock::time_point start = SteadyClock::now();
  const CaseReport report = regress::RunCase(cases_[i], options, flags_.events_max);
  const auto wall =
      std::chrono::duration_cast<std::chrono::nanoseconds>(SteadyClock::now() - start);
  return AnswerOf(report, static_cast<uint64_t>(wall.count()));
}

bool Suite::Update(const CaseFile& one, CaseReport* report) {
  if (report->new_golden.empty()) return true;
  const absl::Status written = regress::WriteGolden(one.golden, report->new_golden);
  if (!written.ok()) {
    report->verdict = CaseVerdict::kFailed;
    report->message = std::string(written.message());
    return false;
  }
  report->verdict = CaseVerdict::kPassed;
  ++updated_;
  return true;
}

void Suite::Done(size_t i, const TaskResult& result) {
  const CaseFile& one = cases_[i];
  // A worker that the user's ^C has ended tells nothing of its case.
  if (HeldSignals::Came()) {
    PrintSummary();
    ComplainOfRegress(absl::StrFormat("interrupted after %d of %d cases", i, cases_.size()));
    std::fflush(nullptr);
    _exit(kExitInterrupted);
  }
  Finished finished = result.crashed() ? CrashOf(result) : ReadAnswer(result.answer);
  if (!Update(one, &finished.report)) unwritable_ = true;
  ++counts_[static_cast<size_t>(finished.report.verdict)];
  if (flags_.json) {
    PrintJson(one, finished);
  } else {
    Print(one, finished);
  }
  ShowProgress();
  if (!flags_.junit.empty()) reports_.push_back({one.name, std::move(finished.report)});
}

std::string Indented(const std::string& text) {
  std::string out;
  for (const absl::string_view line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
    absl::StrAppend(&out, "    ", line, "\n");
  }
  return out;
}

void Suite::Print(const CaseFile& one, const Finished& finished) const {
  const CaseReport& report = finished.report;
  const bool updated = !report.new_golden.empty() && report.verdict == CaseVerdict::kPassed;
  if (flags_.quiet && report.verdict == CaseVerdict::kPassed && !updated) return;
  std::string line =
      absl::StrFormat("%-7s %-*s", updated ? "updated" : regress::VerdictName(report.verdict),
                      static_cast<int>(name_width_), one.path);
  if (!report.digest.empty()) {
    absl::StrAppendFormat(&line, " %12.6f s %8.3f s wall  %s",
                          static_cast<double>(report.virtual_ns) * 1e-9,
                          static_cast<double>(finished.wall_ns) * 1e-9, report.digest);
  }
  line.erase(line.find_last_not_of(' ') + 1);
  absl::PrintF("%s\n", line);
  if (!report.message.empty()) absl::PrintF("%s", Indented(report.message));
  if (report.diff.empty()) {
    absl::PrintF("%s", Indented(report.columns));
  } else {
    absl::PrintF("%s", report.diff);
  }
  std::fflush(stdout);
}

void Suite::PrintJson(const CaseFile& one, const Finished& finished) const {
  const CaseReport& report = finished.report;
  nlohmann::ordered_json json;
  json["case"] = one.path;
  json["verdict"] = regress::VerdictName(report.verdict);
  if (!report.new_golden.empty()) json["updated"] = one.golden;
  if (!report.message.empty()) json["message"] = report.message;
  if (!report.columns.empty()) json["columns"] = report.columns;
  if (!report.diff.empty()) json["diff"] = report.diff;
  if (!report.digest.empty()) json["digest"] = report.digest;
  json["virtual_ns"] = report.virtual_ns;
  json["wall_ns"] = finished.wall_ns;
  absl::PrintF("%s\n", ToLine(json));
  std::fflush(stdout);
}

void Suite::ShowProgress() const {
  if (isatty(STDERR_FILENO) == 0) return;
  size_t done = 0;
  for (const size_t count : counts_) done += count;
  if (done == cases_.size()) {
    std::fprintf(stderr, "\r%*s\r", 40, "");
  } else {
    std::fprintf(stderr, "%zu of %zu, %zu failed \r", done, cases_.size(),
                 Count(CaseVerdict::kFailed));
  }
}

void Suite::PrintSummary() const {
  if (flags_.json) {
    nlohmann::ordered_json json;
    json["passed"] = Count(CaseVerdict::kPassed);
    json["failed"] = Count(CaseVerdict::kFailed);
    json["new"] = Count(CaseVerdict::kNew);
    json["skipped"] = Count(CaseVerdict::kSkipped);
    absl::PrintF("%s\n", ToLine(json));
    return;
  }
  if (updated_ != 0)
    absl::PrintF("%d goldens written: look at them before they are kept\n", updated_);
  if (Count(CaseVerdict::kNew) != 0) {
    absl::PrintF(
        "new cases have no golden and were judged by their own verdict; what they did is kept by\n"
        "    tapedeck regress --update --reason 'first run'%s%s\n",
        flags_.paths.empty() ? "" : " ",
        flags_.paths.empty() ? "" : absl::StrJoin(flags_.paths, " "));
  }
  absl::PrintF("%d passed, %d failed, %d new, %d skipped\n", Count(CaseVerdict::kPassed),
               Count(CaseVerdict::kFailed), Count(CaseVerdict::kNew), Count(CaseVerdict::kSkipped));
}

bool Suite::WriteJunit() const {
  if (flags_.junit.empty()) return true;
  const std::string text = regress::JunitText(reports_);
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(flags_.junit);
  absl::Status status = file.status();
  if (status.ok()) {
    status = file->Append({reinterpret_cast<const uint8_t*>(text.data()), text.size()});
  }
  if (status.ok()) status = file->Close();
  if (!status.ok()) ComplainOfRegress(std::string(status.message()));
  return status.ok();
}

int Suite::Run() {
  const HeldSignals held;
  const unsigned jobs =
      flags_.jobs != 0 ? flags_.jobs : std::max(1U, std::thread::hardware_concurrency());
  const bool ran = RunInProcesses(
      cases_.size(), static_cast<unsigned>(std::min<size_t>(jobs, cases_.size())),
      [this](size_t i) { return Play(i); },
      [this](size_t i, const TaskResult& result) { Done(i, result); }, /*catch_errors=*/true);
  if (!ran) {
    ComplainOfRegress("no process can be made");
    return kExitUsage;
  }
  PrintSummary();
  if (!WriteJunit() || unwritable_) return kExitUsage;
  const bool held_all = Count(CaseVerdict::kFailed) == 0;
  return held_all && !(flags_.strict && Count(CaseVerdict::kNew) != 0) ? kExitHeld : kExitFailed;
}

int RunRegress(const RegressFlags& flags) {
  absl::StatusOr<std::vector<CaseFile>> cases = ChooseCases(flags);
  if (!cases.ok()) {
    ComplainOfRegress(std::string(cases.status().message()));
    return kExitUsage;
  }
  if (flags.list) {
    for (const CaseFile& one : *cases) absl::PrintF("%s\n", one.path);
    return kExitHeld;
  }
  return Suite(flags, *std::move(cases)).Run();
}

constexpr const char* kRegressFooter =
    R"(Every capture, script and fuzz input below DIR is played, and what the stack did is compared with its golden: a
text beside the case (CASE.golden), or in the nearest folder `goldens`. A case without a golden is `new` and is
judged by its own verdict: frames accounted for, nothing leaked, a script's expectations met. So any folder of
captures is a regression suite at once.

Cases:
  captures   *.pcap, *.pcapng, *.cap, each also with .gz or .zst, as `tapedeck replay` plays them
  plans      *.plan, as `tapedeck replay` plays them
  scripts    *.pkt, as `tapedeck run` plays them
  inputs     files named as fuzzers name them, and files without a dot in a folder `fuzz` or `regress`

Output: one line a case, in the order of their names: verdict, name, virtual time, wall time, digest. Under one that
failed, the first difference in the words of the protocol, and golden and now in two columns around it; with --diff
all of it as `diff -u`. The last line is `N passed, N failed, N new, N skipped`.

A golden has what the host under test did: frames with sequence numbers from 1, what became of each that came in,
states, drops, calls, retransmissions, and all counters at the end. What a seed chose is left out, and lines that
are alike are folded, with hashes, so that it can be reviewed. --update rewrites the goldens of cases that are new or
differ, shows each difference, and adds the --reason to them. A run that did not hold makes no golden.

CASE.toml beside a case, or regress.toml in its folder or above, says what is special:
  skip = "why"       requires = ["stand-in"]    golden = false      host = "192.0.2.2"    mode = "ipv6"
  seed = "5eed0002"  hz = 250                   frames = 1000       settle = 60           tolerance = true

Examples:
  tapedeck regress captures/
  tapedeck regress --update --reason 'ACKs are thinned (RFC 9293 3.8.6.3)' captures/
  tapedeck regress --shard 2/4 --junit results.xml corpus

Exit codes: 0 no case failed, 1 one did (with --strict: or is new), 2 wrong flags or a golden that cannot be written,
130 interrupted.)";

}  // namespace

Run AddRegressCommand(CLI::App& app, CLI::App** subcommand) {
  auto flags = std::make_shared<RegressFlags>();
  CLI::App* const sub =
      app.add_subcommand("regress", "Play a folder of captures and scripts beside their goldens");
  *subcommand = sub;
  sub->footer(kRegressFooter);
  sub->add_option("paths", flags->paths, "Folders and cases [corpus, or this folder]")
      ->type_name("DIR|FILE");
  sub->add_flag("--update", flags->update, "Make goldens of cases that are new or differ");
  sub->add_option("--reason", flags->reason, "With --update: why; the goldens keep it")
      ->type_name("TEXT");
  sub->add_flag("--strict", flags->strict, "A case without a golden fails the run");
  sub->add_flag("--diff", flags->diff, "Print whole differences, as diff -u does");
  sub->add_option("--goldens", flags->goldens, "Where goldens are, by the names of the cases")
      ->type_name("DIR");
  sub->add_option("--filter", flags->filter, "Only cases whose name below DIR matches")
      ->type_name("GLOB");
  sub->add_option("--shard", flags->shard, "Only part I of N; new cases move no others")
      ->type_name("I/N");
  sub->add_flag("--list", flags->list, "Print the cases and play none");
  sub->add_option("-j,--jobs", flags->jobs, "Cases at a time [one a CPU]")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  sub->add_option("--timeout", flags->events_max, "Events of its trace after which a case fails")
      ->capture_default_str()
      ->check(CLI::PositiveNumber)
      ->type_name("N");
  sub->add_flag("-q,--quiet", flags->quiet, "No lines for cases that passed");
  sub->add_flag("--json", flags->json, "One JSON object a case, and one that sums up");
  sub->add_option("--junit", flags->junit,
                  "Write the results as JUnit XML too; its times are virtual")
      ->type_name("FILE");
  return [flags] { return RunRegress(*flags); };
}

}  // namespace tapedeck::tools
