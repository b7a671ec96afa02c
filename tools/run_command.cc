// tapedeck run: scripts in packetdrill's language.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/lab/script_run.h"
#include "replay/trace/trace_printer.h"
#include "tools/commands.h"
#include "tools/run_outputs.h"
#include "tools/seed_flag.h"
#include "tools/worker_processes.h"

namespace tapedeck::tools {

namespace {

using Clock = std::chrono::steady_clock;
using Outcome = ScriptRunResult::Outcome;

struct RunFlags {
  std::vector<std::string> paths;
  unsigned jobs = 0;
  bool tolerance = false;
  std::vector<std::string> options;  // "--name=value" as a script has them
  std::string mode;
  std::vector<std::string> defines;
  std::string mtu;
  std::string mss;
  std::string tolerance_usecs;
  std::string tolerance_percent;
  std::string seed = "5eed0001";
  bool no_leftovers = false;
  int verbose = 0;
  OutputFlags outputs;
  bool json = false;
};

void ComplainOfRun(const std::string& line) {
  std::fprintf(stderr, "tapedeck run: %s\n", line.c_str());
}

absl::Status SetScriptOptions(const RunFlags& flags, ScriptOptions* options) {
  absl::Status status;
  const auto set = [&](const char* name, const std::string& value) {
    if (!value.empty()) status.Update(options->Set(name, value));
  };
  set("ip_version", flags.mode);
  set("mtu", flags.mtu);
  set("mss", flags.mss);
  set("tolerance_usecs", flags.tolerance_usecs);
  set("tolerance_percent", flags.tolerance_percent);
  for (const std::string& define : flags.defines) set("define", define);
  return status;
}

absl::StatusOr<ScriptRunOptions> MakeRunOptions(const RunFlags& flags) {
  ScriptRunOptions options;
  const absl::StatusOr<uint64_t> seed = ParseSeed(flags.seed);
  if (!seed.ok()) return seed.status();
  options.seed = *seed;
  options.tolerance = flags.tolerance ? TolerancePolicy::kKernel : TolerancePolicy::kExact;
  options.check_leftovers = !flags.no_leftovers;
  const absl::Status status = SetScriptOptions(flags, &options.script);
  if (!status.ok()) return status;
  return options;
}

// What a worker has made of one script.
struct Run1 {
  std::string trace;  // with -v
  absl::StatusOr<ScriptRunResult> result = absl::UnknownError("");
  double wall_s = 0;
};

// A trace as text, in memory: scripts run at once and are printed one after another.
class TextFile {
 public:
  TextFile() : file_(open_memstream(&text_, &size_)) {}
  ~TextFile() {
    std::fclose(file_);
    std::free(text_);  // NOLINT(cppcoreguidelines-no-malloc): made by open_memstream
  }
  TextFile(const TextFile&) = delete;
  TextFile& operator=(const TextFile&) = delete;
  std::FILE* file() { return file_; }
  std::string Take() {
    std::fflush(file_);
    return {text_, size_};
  }

 private:
  char* text_ = nullptr;
  size_t size_ = 0;
  std::FILE* file_;
};

report::ReportInput MakeScriptReport(const RunFlags& flags, const std::string& path,
                                     const ScriptRunResult& result) {
  report::ReportInput input;
  input.title = FileName(path);
  input.held = result.outcome != Outcome::kFailed;
  input.verdict = result.outcome == Outcome::kPassed    ? "the script's expectations are met"
                  : result.outcome == Outcome::kSkipped ? "skipped: " + result.message
                                                        : result.message;
  input.digest = result.digest;
  input.command = absl::StrCat("tapedeck run --seed ", flags.seed, " ", input.title);
  input.figures = {{"steps", absl::StrCat(result.steps)}};
  return input;
}

// One script, with its trace printed and written as the flags say.
void RunOne(const RunFlags& flags, const std::string& path, ScriptRunOptions options, Arena* arena,
            Run1* run) {
  TextFile text;
  TracePrinter printer(text.file(), flags.verbose >= 3   ? TracePrinter::Detail::kAll
                                    : flags.verbose == 2 ? TracePrinter::Detail::kFrames
                                                         : TracePrinter::Detail::kChanges);
  RunOutputs outputs(flags.outputs);
  if (flags.verbose > 0 || flags.outputs.any()) {
    options.observe = [&](Recorder& recorder, SimTime) {
      if (flags.verbose > 0) {
        printer.PrintHeader();
        recorder.AddObserver(&printer);
      }
      CaptureOutput::Options capture;
      capture.comments = {path};
      capture.bare_ip = true;
      return outputs.Start(recorder, capture);
    };
  }
  const Clock::time_point start = Clock::now();
  run->result = RunScriptFile(path, options, arena);
  run->wall_s = std::chrono::duration<double>(Clock::now() - start).count();
  if (run->result.ok()) {
    const absl::Status written = outputs.Finish(MakeScriptReport(flags, path, *run->result));
    if (!written.ok()) run->result = written;
  }
  run->trace = text.Take();
}

const char* OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kPassed:
      return "passed";
    case Outcome::kFailed:
      return "failed";
    case Outcome::kSkipped:
      return "skipped";
  }
  return "";
}

nlohmann::ordered_json ToJson(const std::string& file, const Run1& run) {
  nlohmann::ordered_json json;
  json["file"] = file;
  if (run.result.ok()) {
    json["outcome"] = OutcomeName(run.result->outcome);
    if (!run.result->message.empty()) json["message"] = run.result->message;
    if (!run.result->output.empty()) json["output"] = run.result->output;
    json["steps"] = run.result->steps;
  } else {
    json["error"] = std::string(run.result.status().message());
  }
  json["wall_ns"] = static_cast<uint64_t>(run.wall_s * 1e9);
  return json;
}

std::string ToText(const nlohmann::ordered_json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

// How a worker answers.
std::string ToAnswer(const std::string& file, const Run1& run) {
  nlohmann::ordered_json answer;
  answer["json"] = ToJson(file, run);
  answer["trace"] = run.trace;
  return ToText(answer);
}

// What is known of a script that ended its process.
nlohmann::ordered_json CrashJson(const std::string& file, const TaskResult& result) {
  nlohmann::ordered_json json;
  json["file"] = file;
  json["outcome"] = OutcomeName(Outcome::kFailed);
  json["message"] = absl::StrCat(file, ": it crashed: ", result.CrashText());
  return json;
}

void PrintText(const nlohmann::ordered_json& json, const std::string& trace) {
  if (json.contains("error")) return ComplainOfRun(json["error"].get<std::string>());
  absl::PrintF("%s%s", trace, json.value("output", ""));
  absl::PrintF("%-7s %s\n", json["outcome"].get<std::string>(), json["file"].get<std::string>());
  if (json.contains("message")) absl::PrintF("%s\n", json["message"].get<std::string>());
}

struct Counts {
  uint64_t passed = 0;
  uint64_t failed = 0;
  uint64_t skipped = 0;
  bool unreadable = false;
};

void Count(const nlohmann::ordered_json& json, Counts* counts) {
  const std::string outcome = json.value("outcome", "");
  counts->passed += outcome == OutcomeName(Outcome::kPassed);
  counts->failed += outcome == OutcomeName(Outcome::kFailed);
  counts->skipped += outcome == OutcomeName(Outcome::kSkipped);
  if (json.contains("error")) counts->unreadable = true;
}

int RunScripts(RunFlags flags) {
  const absl::StatusOr<ScriptRunOptions> options = MakeRunOptions(flags);
  const absl::StatusOr<std::vector<std::string>> files = FindScripts(flags.paths);
  for (const absl::Status& status : {options.status(), files.status()}) {
    if (status.ok()) continue;
    ComplainOfRun(std::string(status.message()));
    return kExitUsage;
  }
  if (flags.outputs.any() && files->size() > 1) {
    ComplainOfRun("files are written of the run of one script, and several were given");
    return kExitUsage;
  }
  if (flags.jobs == 0) flags.jobs = std::max(1U, std::thread::hardware_concurrency());
  Counts counts;
  std::unique_ptr<Arena> arena;  // a worker's own, for all its scripts
  const auto run = [&](size_t i) {
    if (arena == nullptr) arena = std::make_unique<Arena>();
    Run1 one;
    RunOne(flags, (*files)[i], *options, arena.get(), &one);
    return ToAnswer((*files)[i], one);
  };
  const auto done = [&](size_t i, const TaskResult& result) {
    nlohmann::ordered_json json;
    std::string trace;
    if (result.crashed()) {
      json = CrashJson((*files)[i], result);
    } else {
      const auto answer = nlohmann::ordered_json::parse(result.answer);
      json = answer["json"];
      trace = answer["trace"].get<std::string>();
    }
    Count(json, &counts);
    if (flags.json) {
      absl::PrintF("%s\n", ToText(json));
    } else {
      PrintText(json, trace);
    }
  };
  const auto jobs = static_cast<unsigned>(std::min<size_t>(flags.jobs, files->size()));
  if (!RunInProcesses(files->size(), jobs, run, done)) {
    ComplainOfRun("no process can be made");
    return kExitUsage;
  }
  if (flags.json) {
    nlohmann::ordered_json json;
    json["passed"] = counts.passed;
    json["failed"] = counts.failed;
    json["skipped"] = counts.skipped;
    absl::PrintF("%s\n", json.dump());
  } else {
    absl::PrintF("%d passed, %d failed, %d skipped\n", counts.passed, counts.failed,
                 counts.skipped);
  }
  if (counts.unreadable) return kExitUsage;
  return counts.failed == 0 ? kExitHeld : kExitFailed;
}

}  // namespace

Run AddRunCommand(CLI::App& app, CLI::App** subcommand) {
  auto flags = std::make_shared<RunFlags>();
  CLI::App* const sub = app.add_subcommand("run", "Play scripts in packetdrill's language");
  *subcommand = sub;
  sub->footer(
      "Each script runs against a host of its own, with one tun device, whose other side is the "
      "script: packets that it\n"
      "injects, packets that the host must send, system calls with their results, assertions and "
      "settings. Time is\n"
      "virtual and nothing costs any, so what a script says of times must hold exactly; scripts "
      "written for a kernel in\n"
      "real time run with --tolerance. A script with frames or several hosts runs on hosts with "
      "NICs. One that asks\n"
      "for work without end (interrupts whose cause it keeps from being cleared) fails by "
      "WORK:ends "
      "after 50 million steps of\n"
      "the main loop.\n"
      "\n"
      "Output: one line a script, in the order of the files; under one that failed, its file and "
      "line, what was expected\n"
      "and what was found, both in the notation of scripts. The last line sums up.\n"
      "\n"
      "Examples:\n"
      "  tapedeck run handshake.pkt\n"
      "  tapedeck run -v --out run.pcapng handshake.pkt\n"
      "  tapedeck run --tolerance --json gtests/net/tcp\n"
      "\n"
      "Exit codes: 0 all scripts held, 1 one did not, 2 wrong flags, or a file that cannot be "
      "read.");
  sub->add_option("paths", flags->paths, "Scripts, and folders of scripts (*.pkt)")
      ->required()
      ->type_name("FILE|DIR");
  sub->add_option("-j,--jobs", flags->jobs, "Scripts at a time [one a CPU]")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  sub->add_flag("--tolerance", flags->tolerance,
                "Times may be off as packetdrill lets them: by 4 ms or 12.5 %");
  sub->add_option("--tolerance-usecs", flags->tolerance_usecs, "Times may be off by so much")
      ->type_name("N");
  sub->add_option("--tolerance-percent", flags->tolerance_percent,
                  "... or by this share of the time since the event before")
      ->type_name("P");
  sub->add_option("--mode", flags->mode, "What \"...\" means as a socket's domain [ipv4]")
      ->check(CLI::IsMember({"ipv4", "ipv4-mapped-ipv6", "ipv6"}));
  sub->add_option("--define", flags->defines, "A word that scripts use, and what it stands for")
      ->allow_extra_args(false)
      ->type_name("NAME=VALUE");
  sub->add_option("--mtu", flags->mtu, "MTU of the tun device [1500]")->type_name("BYTES");
  sub->add_option("--mss", flags->mss,
                  "Longer packets come in as GRO makes them of segments of this size")
      ->type_name("BYTES");
  sub->add_option("--seed", flags->seed, "Seed of all random numbers, hexadecimal")
      ->capture_default_str()
      ->type_name("HEX");
  sub->add_flag("--no-leftovers", flags->no_leftovers,
                "Do not take the host down afterwards to see whether anything is left");
  sub->add_flag("-v", flags->verbose,
                "Print state changes and drops; -vv packets too; -vvv all events");
  AddOutputFlags(sub, &flags->outputs);
  sub->add_flag("--json", flags->json, "One JSON object a script, and one that sums up");
  return [flags] { return RunScripts(*flags); };
}

}  // namespace tapedeck::tools
