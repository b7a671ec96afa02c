#include "fuzz/campaign/engine_job.h"

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "fuzz/campaign/files.h"
#include "fuzz/input_ring.h"

namespace tapedeck::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr int kInputSeconds = 20;  // an input that runs longer is a finding
constexpr double kStopSeconds = 15;
constexpr int kLibFuzzerCrash = 77;  // exit codes of its own: -error_exitcode
constexpr int kLibFuzzerTimeout = 70;
constexpr int kInterrupted = 128 + 2;
constexpr int kLibFuzzerInterrupted = 72;

// The end of a file, which may be long.
std::string Tail(const std::string& path, std::streamoff bytes_max) {
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) return "";
  const std::streamoff size = file.tellg();
  file.seekg(std::max<std::streamoff>(0, size - bytes_max));
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

std::vector<std::string> FilesIn(const std::string& folder) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    if (entry.is_regular_file(error)) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class LibFuzzerJob final : public EngineJob {
 public:
  explicit LibFuzzerJob(JobOptions options) : EngineJob(std::move(options)) {}

  const char* engine() const override { return "libfuzzer"; }
  std::string QueueFolder() const override { return options_.corpus; }
  bool IsExpectedEnd(int code) const override {
    return code == 0 || code == 1 || code == kLibFuzzerCrash || code == kLibFuzzerTimeout ||
           code == kLibFuzzerInterrupted || code == kInterrupted;
  }

  EngineProgress Progress() override {
    const auto now = ParseLibFuzzerLog(Tail(LogFile(), 1 << 16));
    if (!now.has_value()) return last_;
    // Every start counts from 0 again.
    if (now->executions < current_) before_ += current_;
    current_ = now->executions;
    last_ = *now;
    last_.executions += before_;
    return last_;
  }

 protected:
  std::vector<std::string> Argv() const override {
    std::vector<std::string> argv = {
        options_.program,
        // Another start must not do again what led to the last crash.
        absl::StrCat("-seed=", options_.seed + static_cast<uint64_t>(1000 * starts_)),
        absl::StrCat("-timeout=", kInputSeconds),
        "-rss_limit_mb=4096",
        "-reload=1",
        "-print_final_stats=1",
        absl::StrCat("-artifact_prefix=", options_.crashes, "/"),
    };
    if (options_.seconds != 0) argv.push_back(absl::StrCat("-max_total_time=", options_.seconds));
    if (options_.executions != 0) argv.push_back(absl::StrCat("-runs=", options_.executions));
    if (!options_.dictionary.empty()) argv.push_back("-dict=" + options_.dictionary);
    argv.push_back(options_.corpus);
    argv.insert(argv.end(), options_.seeds.begin(), options_.seeds.end());
    return argv;
  }
  std::vector<std::string> Environment() const override {
    return {"ASAN_OPTIONS=detect_leaks=0:handle_abort=1", "UBSAN_OPTIONS=print_stacktrace=1"};
  }

 private:
  EngineProgress last_;
  uint64_t before_ = 0;   // executions of starts that are over
  uint64_t current_ = 0;  // and of this one
};

class AflJob final : public EngineJob {
 public:
  explicit AflJob(JobOptions options) : EngineJob(std::move(options)) {}

  const char* engine() const override { return "afl"; }
  std::string QueueFolder() const override { return Own() + "/queue"; }
  bool IsExpectedEnd(int code) const override { return code == 0 || code == kInterrupted; }

  EngineProgress Progress() override {
    if (const auto now = ParseAflPlot(Tail(Own() + "/plot_data", 1 << 20))) last_ = *now;
    last_.crashes = crashes_;
    return last_;
  }

  size_t CollectCrashes() override {
    size_t found = 0;
    for (const char* kind : {"crashes", "hangs"}) {
      for (const std::string& file : FilesIn(absl::StrCat(Own(), "/", kind))) {
        if (BaseName(file).starts_with("README")) continue;
        const auto bytes = ReadBytes(file);
        if (!bytes.ok()) continue;
        const std::string name = absl::StrCat(
            options_.crashes, kind[0] == 'c' ? "/crash-" : "/timeout-", InputName(*bytes));
        std::error_code error;
        if (fs::exists(name, error)) continue;
        found += WriteBytes(name, *bytes).ok();
      }
    }
    crashes_ += found;
    return found;
  }

 protected:
  std::vector<std::string> Argv() const override {
    std::vector<std::string> argv = {"afl-fuzz",
                                     "-i",
                                     options_.folder + "/seeds",
                                     "-o",
                                     options_.afl_sync,
                                     options_.is_main ? "-M" : "-S",
                                     options_.name,
                                     "-s",
                                     std::to_string(options_.seed),
                                     "-t",
                                     std::to_string(1000 * kInputSeconds)};
    const auto add = [&](const char* flag, std::string value) {
      argv.emplace_back(flag);
      argv.push_back(std::move(value));
    };
    if (options_.is_main) add("-F", options_.corpus);
    if (options_.seconds != 0) add("-V", std::to_string(options_.seconds));
    if (options_.executions != 0) add("-E", std::to_string(options_.executions));
    if (!options_.dictionary.empty()) add("-x", options_.dictionary);
    add("--", options_.program);
    return argv;
  }
  std::vector<std::string> Environment() const override {
    std::vector<std::string> environment = {"AFL_SKIP_CPUFREQ=1",
                                            "AFL_I_DONT_CARE_ABOUT_MISSING_CRASHES=1",
                                            "AFL_NO_UI=1", "AFL_NO_AFFINITY=1", "AFL_AUTORESUME=1"};
    if (options_.mutator.empty()) return environment;
    environment.push_back("AFL_CUSTOM_MUTATOR_LIBRARY=" + options_.mutator);
    if (!options_.dictionary.empty()) {
      environment.push_back("TAPEDECK_DICTIONARY=" + options_.dictionary);
    }
    if (options_.faults) environment.emplace_back("TAPEDECK_FAULTS=1");
    return environment;
  }

 private:
  std::string Own() const { return options_.afl_sync + "/" + options_.name; }

  EngineProgress last_;
  uint64_t crashes_ = 0;
};

// The number behind `name` in `line`.
std::optional<uint64_t> NumberBehind(std::string_view line, std::string_view name) {
  const size_t at = line.find(name);
  if (at == std::string_view::npos) return std::nullopt;
  size_t i = at + name.size();
  while (i < line.size() && line[i] == ' ') ++i;
  uint64_t value = 0;
  const size_t first = i;
  for (; i < line.size() && line[i] >= '0' && line[i] <= '9'; ++i) {
    value = 10 * value + static_cast<uint64_t>(line[i] - '0');
  }
  return i == first ? std::nullopt : std::optional(value);
}

std::vector<std::string> SplitFields(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, ',');) {
    const size_t first = field.find_first_not_of(" #");
    fields.push_back(first == std::string::npos ? "" : field.substr(first));
  }
  return fields;
}

}  // namespace

absl::Status EngineJob::Start() {
  Process::Options process;
  process.argv = Argv();
  process.environment = Environment();
  process.environment.push_back(absl::StrCat(kInputRingVariable, "=", RingFile()));
  process.output = LogFile();
  absl::StatusOr<Process> started = Process::Start(process);
  if (!started.ok()) return started.status();
  process_.emplace(*std::move(started));
  ++starts_;
  return absl::OkStatus();
}

void EngineJob::Stop() {
  if (process_) process_->Stop(kStopSeconds);
}

std::unique_ptr<EngineJob> MakeEngineJob(std::string_view engine, JobOptions options) {
  if (engine == "afl") return std::make_unique<AflJob>(std::move(options));
  return std::make_unique<LibFuzzerJob>(std::move(options));
}

std::optional<EngineProgress> ParseLibFuzzerLog(std::string_view log) {
  std::optional<EngineProgress> last;
  while (!log.empty()) {
    const size_t end = log.find('\n');
    const std::string_view line = log.substr(0, end);
    log = end == std::string_view::npos ? std::string_view() : log.substr(end + 1);
    const auto executions = NumberBehind(line, "#");
    const auto per_second = NumberBehind(line, "exec/s:");
    if (!line.starts_with("#") || !executions || !per_second) continue;
    last.emplace();
    last->executions = *executions;
    last->per_second = static_cast<double>(*per_second);
    last->edges = NumberBehind(line, "cov:").value_or(0);
    last->features = NumberBehind(line, "ft:").value_or(0);
    last->corpus = NumberBehind(line, "corp:").value_or(0);
  }
  return last;
}

std::optional<EngineProgress> ParseAflPlot(std::string_view plot) {
  std::istringstream lines{std::string(plot)};
  std::string header;
  std::string last;
  for (std::string line; std::getline(lines, line);) {
    (line.starts_with("#") ? header : last) = line;
  }
  const std::vector<std::string> names = SplitFields(header);
  const std::vector<std::string> fields = SplitFields(last);
  if (fields.empty() || names.size() != fields.size()) return std::nullopt;
  std::map<std::string, double> values;
  for (size_t i = 0; i < names.size(); ++i) {
    double value = 0;
    if (absl::SimpleAtod(fields[i], &value)) values[names[i]] = value;
  }
  EngineProgress progress;
  progress.executions = static_cast<uint64_t>(values["total_execs"]);
  progress.per_second = values["execs_per_sec"];
  progress.edges = static_cast<uint64_t>(values["edges_found"]);
  progress.corpus = static_cast<uint64_t>(values["corpus_count"]);
  progress.crashes = static_cast<uint64_t>(values["saved_crashes"] + values["saved_hangs"]);
  return progress;
}

}  // namespace tapedeck::fuzz
