// One engine at work on a target: a process that is begun again whenever it ends before its time,
// and what it says of its progress.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_ENGINE_JOB_H_
#define TAPEDECK_FUZZ_CAMPAIGN_ENGINE_JOB_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fuzz/campaign/process.h"

namespace tapedeck::fuzz {

struct EngineProgress {
  uint64_t executions = 0;
  double per_second = 0;
  uint64_t edges = 0;
  uint64_t features = 0;  // of libFuzzer: edges with their counts, and states
  uint64_t corpus = 0;
  uint64_t crashes = 0;
};

// What a job is told. Folders exist.
struct JobOptions {
  std::string name;                // "libfuzzer-0", "afl-1"
  std::string program;             // the target, built for the engine
  std::string folder;              // of its own: log, ring
  std::string corpus;              // shared by all jobs: read, and by libFuzzer written
  std::string crashes;             // gets inputs that break a promise
  std::string afl_sync;            // the folder that all of AFL++'s instances share
  std::vector<std::string> seeds;  // folders that are only read
  std::string dictionary;
  std::string mutator;  // of AFL++: a shared object; empty: its own mutations alone
  bool faults = false;  // new steps may be faults
  uint64_t seed = 1;
  bool is_main = false;     // of AFL++'s instances
  uint64_t seconds = 0;     // 0: until stopped
  uint64_t executions = 0;  // 0: without a limit
};

class EngineJob {
 public:
  virtual ~EngineJob() = default;
  EngineJob() = default;
  EngineJob(const EngineJob&) = delete;
  EngineJob& operator=(const EngineJob&) = delete;

  const JobOptions& options() const { return options_; }
  virtual const char* engine() const = 0;
  // Starts it, or goes on where it was.
  absl::Status Start();
  // How it ended, if it has; see Process.
  std::optional<int> Poll() { return process_ ? process_->Poll() : std::nullopt; }
  // Ends it; nothing that it has found is lost.
  void Stop();
  // What it has come to, over all its starts.
  virtual EngineProgress Progress() = 0;
  // Folders in which other jobs find what it has found.
  virtual std::string QueueFolder() const = 0;
  // Copies crashes and hangs that lie elsewhere to options().crashes; how many are new.
  virtual size_t CollectCrashes() { return 0; }
  // An end of this kind is a crash that was found, or the time that is over, not a failure.
  virtual bool IsExpectedEnd(int exit_code) const = 0;

  std::vector<std::string> CommandLine() const { return Argv(); }
  std::string LogFile() const { return options_.folder + "/log"; }
  std::string RingFile() const { return options_.folder + "/ring"; }
  int starts() const { return starts_; }

 protected:
  explicit EngineJob(JobOptions options) : options_(std::move(options)) {}
  virtual std::vector<std::string> Argv() const = 0;
  virtual std::vector<std::string> Environment() const = 0;

  JobOptions options_;
  int starts_ = 0;

 private:
  std::optional<Process> process_;
};

// `engine`: "libfuzzer" or "afl".
std::unique_ptr<EngineJob> MakeEngineJob(std::string_view engine, JobOptions options);

// --- What engines print, for tests ---

// The last line of libFuzzer's log that has figures: "#65536 pulse cov: 2374 ft: 6898 corp:
// 759/283Kb exec/s: 2093". Nothing where there is none.
std::optional<EngineProgress> ParseLibFuzzerLog(std::string_view log);
// The last line of AFL++'s plot_data, by the names in its first.
std::optional<EngineProgress> ParseAflPlot(std::string_view plot);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_ENGINE_JOB_H_
