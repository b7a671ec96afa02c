#include "fuzz/campaign/bug_trials.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <list>
#include <system_error>
#include <thread>
#include <tuple>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/process.h"
#include "fuzz/campaign/signature.h"
#include "replay/outside/child_process.h"

namespace tapedeck::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr int kBuildVariantSeconds = 3600;
constexpr int kReplaySeconds = 1800;
constexpr double kTrialStopSeconds = 10;

// The number behind `name` in a file of "name : value" or "name: value" lines.
uint64_t NumberInFile(const std::string& file, std::string_view name) {
  const absl::StatusOr<std::string> text = ReadText(file);
  if (!text.ok()) return 0;
  const size_t at = text->rfind(name);
  if (at == std::string::npos) return 0;
  const size_t first = text->find_first_of("0123456789", at + name.size());
  if (first == std::string::npos) return 0;
  uint64_t value = 0;
  const size_t last = text->find_first_not_of("0123456789", first);
  return absl::SimpleAtoi(text->substr(first, last - first), &value) ? value : 0;
}

// One trial that runs.
struct Running {
  BugTrial trial;
  PlantedBug bug;
  std::string folder;
  Process process;
};

class Trials {
 public:
  Trials(const Workspace& workspace, const BugTrialOptions& options)
      : workspace_(workspace), options_(options) {}

  absl::StatusOr<std::vector<BugTrial>> Run(const std::vector<PlantedBug>& bugs) {
    std::error_code error;
    out_ = fs::absolute(options_.out, error).string();
    if (absl::Status made = MakeFolder(out_); !made.ok()) return made;
    const std::string file = out_ + "/trials.jsonl";
    const absl::StatusOr<std::string> before = ReadText(file);
    if (before.ok()) done_ = ParseTrials(*before);
    log_.open(file, std::ios::app);
    for (unsigned seed = 1; seed <= options_.seeds; ++seed) {
      for (const PlantedBug& bug : bugs) {
        if (absl::Status status = RunBug(bug, seed); !status.ok()) return status;
      }
    }
    while (!running_.empty()) Wait();
    return done_;
  }

 private:
  bool stopped() const { return options_.stop && options_.stop(); }

  bool IsDone(const BugTrial& trial) const {
    return std::any_of(done_.begin(), done_.end(), [&](const BugTrial& other) {
      return std::tie(other.bug, other.engine, other.seed) ==
             std::tie(trial.bug, trial.engine, trial.seed);
    });
  }

  bool IsFound(const PlantedBug& bug) const {
    return std::any_of(done_.begin(), done_.end(), [&](const BugTrial& trial) {
      return trial.bug == bug.id && trial.found(bug);
    });
  }

  absl::Status RunBug(const PlantedBug& bug, unsigned seed) {
    for (const std::string& engine : options_.engines) {
      const BugTrial trial{bug.id, engine, seed, 0, {}, {}, {}, false};
      if (IsDone(trial)) continue;
      while (running_.size() >= options_.jobs) Wait();
      if (stopped() || (options_.until_found && IsFound(bug))) continue;
      if (absl::Status status = Start(bug, trial); !status.ok()) return status;
    }
    return absl::OkStatus();
  }

  std::string Seeds(const std::string& target) const {
    return absl::StrCat(workspace_.root(), "/corpus/fuzz/", target);
  }

  // The program of a bug for an engine ("plain": a replayer), built once.
  absl::StatusOr<std::string> Program(const std::string& id, const std::string& engine) {
    const std::string path = absl::StrCat(out_, "/programs/", id, "-", engine);
    std::error_code error;
    if (fs::exists(path, error)) return path;
    if (absl::Status made = MakeFolder(out_ + "/programs"); !made.ok()) return made;
    if (options_.tell) options_.tell(absl::StrCat("building ", id, " for ", engine));
    std::vector<std::string> argv = {workspace_.root() + "/tools/bugs", "build", id, "--engine",
                                     engine};
    if (!options_.base.empty() && engine == "libfuzzer") {
      argv.insert(argv.end(), {"--base", options_.base});
    }
    argv.push_back(path);
    const absl::StatusOr<ChildResult> built = RunChild(argv, {}, kBuildVariantSeconds);
    if (!built.ok()) return built.status();
    if (built->exit_code == 0) return path;
    return absl::UnavailableError(absl::StrCat("tools/bugs build ", id, ": ", built->err));
  }

  absl::Status Start(const PlantedBug& bug, const BugTrial& trial) {
    const absl::StatusOr<std::string> program = Program(bug.id, trial.engine);
    if (!program.ok()) return program.status();
    const std::string folder =
        absl::StrCat(out_, "/trials/", bug.id, "-", trial.engine, "-", trial.seed);
    std::error_code error;
    fs::remove_all(folder, error);
    for (const char* name : {"/corpus", "/crashes"}) {
      if (absl::Status made = MakeFolder(folder + name); !made.ok()) return made;
    }
    Process::Options process;
    const std::string dictionary = workspace_.Dictionary(bug.target);
    process.argv = trial.engine == "afl"
                       ? AflArguments(*program, folder, Seeds(bug.target), trial)
                       : LibFuzzerArguments(*program, folder, Seeds(bug.target), trial);
    if (!dictionary.empty()) AddDictionary(dictionary, trial.engine, &process.argv);
    process.environment = {"TAPEDECK_BUG_MARKS=" + folder + "/marks",
                           "ASAN_OPTIONS=detect_leaks=0:abort_on_error=1:symbolize=0",
                           "UBSAN_OPTIONS=print_summary=1:report_error_type=1",
                           "AFL_SKIP_CPUFREQ=1",
                           "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1",
                           "AFL_NO_UI=1",
                           "AFL_NO_AFFINITY=1",
                           "AFL_BENCH_UNTIL_CRASH=1"};
    if (trial.engine == "afl") {
      const absl::StatusOr<std::string> mutator = workspace_.AflMutator(bug.target);
      if (!mutator.ok()) return mutator.status();
      if (!mutator->empty()) {
        process.environment.push_back("AFL_CUSTOM_MUTATOR_LIBRARY=" + *mutator);
        process.environment.push_back("TAPEDECK_DICTIONARY=" + dictionary);
      }
    }
    process.output = folder + "/log";
    absl::StatusOr<Process> started = Process::Start(process);
    if (!started.ok()) return started.status();
    running_.push_back({trial, bug, folder, *std::move(started)});
    return absl::OkStatus();
  }

  std::vector<std::string> LibFuzzerArguments(const std::string& program, const std::string& folder,
                                              const std::string& seeds,
                                              const BugTrial& trial) const {
    return {program,
            absl::StrCat("-seed=", trial.seed),
            absl::StrCat("-runs=", options_.executions),
            absl::StrCat("-max_total_time=", options_.seconds),
            absl::StrCat("-max_len=", options_.input_bytes),
            "-timeout=20",
            "-print_final_stats=1",
            absl::StrCat("-artifact_prefix=", folder, "/crashes/"),
            folder + "/corpus",
            seeds};
  }

  std::vector<std::string> AflArguments(const std::string& program, const std::string& folder,
                                        const std::string& seeds, const BugTrial& trial) const {
    std::vector<std::string> argv = {"afl-fuzz",
                                     "-i",
                                     seeds,
                                     "-o",
                                     folder + "/afl",
                                     "-s",
                                     std::to_string(trial.seed),
                                     "-E",
                                     std::to_string(options_.executions),
                                     "-t",
                                     "20000"};
    if (options_.seconds != 0) {
      argv.insert(argv.end(), {"-V", std::to_string(options_.seconds)});
    }
    argv.insert(argv.end(), {"--", program});
    return argv;
  }

  static void AddDictionary(const std::string& dictionary, const std::string& engine,
                            std::vector<std::string>* argv) {
    if (engine == "afl") {
      argv->insert(argv->begin() + 1, {"-x", dictionary});
    } else {
      argv->insert(argv->begin() + 1, "-dict=" + dictionary);
    }
  }

  // Until one has ended, or all are to.
  void Wait() {
    while (true) {
      const bool stop = stopped();
      for (auto it = running_.begin(); it != running_.end(); ++it) {
        if (!stop && !it->process.Poll().has_value()) continue;
        if (stop) it->process.Stop(kTrialStopSeconds);
        if (!stop) Finish(*it);  // one that was stopped is to be run again
        running_.erase(it);
        return;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    }
  }

  void Finish(const Running& running) {
    BugTrial trial = running.trial;
    const std::string& folder = running.folder;
    const bool is_afl = trial.engine == "afl";
    trial.executions = is_afl ? NumberInFile(folder + "/afl/default/fuzzer_stats", "execs_done")
                              : NumberInFile(folder + "/log", "stat::number_of_executed_units:");
    if (const absl::StatusOr<std::string> marks = ReadText(folder + "/marks"); marks.ok()) {
      ParseMarks(*marks, &trial);
    }
    std::vector<std::string> crashes;
    for (const std::string& file :
         ListInputs(is_afl ? folder + "/afl/default/crashes" : folder + "/crashes")) {
      if (!BaseName(file).starts_with("README")) crashes.push_back(file);
    }
    if (crashes.empty() && trial.executions == 0) {
      const std::string line =
          absl::StrCat(trial.bug, ": ", trial.engine, " ran nothing: see ", folder, "/log");
      return options_.tell ? options_.tell(line) : void();
    }
    if (crashes.empty()) {
      const std::string found = is_afl ? folder + "/afl/default/queue" : folder + "/corpus";
      JudgeInputs(running.bug, {found, Seeds(running.bug.target)}, &trial);
    } else {
      JudgeCrash(running.bug, crashes[0], &trial);
    }
    log_ << TrialJson(trial) << std::endl;
    if (options_.tell) options_.tell(TrialJson(trial));
    done_.push_back(std::move(trial));
  }

  // What the crash breaks when it runs alone, and whether it holds without the bug.
  void JudgeCrash(const PlantedBug& bug, const std::string& file, BugTrial* trial) {
    const absl::StatusOr<std::string> program = Program(bug.id, trial->engine);
    trial->signature = program.ok() ? SignatureOfRun(*program, file) : "unknown";
    if (trial->signature.empty()) return JudgeInputs(bug, {file}, trial);
    trial->clean_holds = SignatureOfRun(Clean(bug, trial->engine, "_fuzzer"), file).empty();
  }

  // An engine's program runs the files that it is told of.
  static std::string SignatureOfRun(const std::string& program, const std::string& file) {
    const absl::StatusOr<ChildResult> run =
        RunChild({program, file},
                 {"ASAN_OPTIONS=detect_leaks=0:symbolize=1:handle_abort=0",
                  "UBSAN_OPTIONS=print_stacktrace=1:print_summary=1:report_error_type=1"},
                 kReplaySeconds);
    return run.ok() ? SignatureOf(run->err, {.exit_code = run->exit_code}) : "unknown";
  }

  // A program of the build that variants are made of: it is there when a variant is.
  std::string Clean(const PlantedBug& bug, const std::string& engine, const char* kind) const {
    const bool is_afl = engine == "afl";
    const std::string base = is_afl                                       ? "/build/bugs-afl"
                             : options_.base.empty() || engine == "plain" ? "/build/bugs"
                                                                          : "";
    return absl::StrCat(base.empty() ? options_.base : workspace_.root() + base, "/bin/",
                        bug.target, kind);
  }

  // What determinism promises is about several runs of one input: each twice in a process and with
  // a detour, in memory that is filled with zeros and with ones.
  void JudgeInputs(const PlantedBug& bug, const std::vector<std::string>& paths, BugTrial* trial) {
    if (!bug.oracle.starts_with("DET:")) return;
    const absl::StatusOr<std::string> replayer = Program(bug.id, "plain");
    if (!replayer.ok()) return;
    trial->signature = SignatureOfReplays(*replayer, paths);
    trial->clean_holds = !trial->signature.empty() &&
                         SignatureOfReplays(Clean(bug, "plain", "_replayer"), paths).empty();
  }

  static std::string SignatureOfReplays(const std::string& replayer,
                                        const std::vector<std::string>& paths) {
    std::string before;
    for (const char* fill : {"0", "255"}) {
      std::vector<std::string> argv = {replayer, "--fill", fill};
      argv.insert(argv.end(), paths.begin(), paths.end());
      const absl::StatusOr<ChildResult> run =
          RunChild(argv, {"ASAN_OPTIONS=detect_leaks=0"}, kReplaySeconds);
      if (!run.ok()) return "unknown";
      if (run->exit_code != 0) return SignatureOf(run->err, {.exit_code = run->exit_code});
      if (!before.empty() && before != run->out) return "DET:processes:digest";
      before = run->out;
    }
    return "";
  }

  const Workspace& workspace_;
  const BugTrialOptions& options_;
  std::string out_;
  std::ofstream log_;
  std::vector<BugTrial> done_;
  std::list<Running> running_;
};

}  // namespace

absl::StatusOr<std::vector<BugTrial>> RunBugTrials(const Workspace& workspace,
                                                   const std::vector<PlantedBug>& bugs,
                                                   const BugTrialOptions& options) {
  std::vector<PlantedBug> wanted;
  for (const PlantedBug& bug : bugs) {
    const bool is_named =
        std::find(options.ids.begin(), options.ids.end(), bug.id) != options.ids.end();
    if (options.ids.empty() || is_named) wanted.push_back(bug);
  }
  if (!options.ids.empty() && wanted.size() != options.ids.size()) {
    return absl::InvalidArgumentError("a bug that was named is not in fuzz/bugs/bugs.tsv");
  }
  return Trials(workspace, options).Run(wanted);
}

}  // namespace tapedeck::fuzz
