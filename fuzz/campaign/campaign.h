// Engines at work on one target, for a time: what they find is shared, kept and counted.
//
//   OUT/corpus/         every input that reached anything new, by its SHA-1
//   OUT/crashes/        inputs that broke a promise (crash-...), or ran too long (timeout-...);
//                       NAME.ring/ has the inputs that the same process ran before, oldest first
//   OUT/jobs/JOB/       an engine's log and state; OUT/afl/ is what AFL++'s instances share
//   OUT/progress.jsonl  a line a sample; OUT/campaign.json what was run
//
// A campaign in the same folder goes on where the last one ended, however that came about.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_CAMPAIGN_H_
#define TAPEDECK_FUZZ_CAMPAIGN_CAMPAIGN_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "fuzz/campaign/engine_job.h"
#include "fuzz/campaign/workspace.h"

namespace tapedeck::fuzz {

struct CampaignOptions {
  std::string target;
  std::string out;
  bool libfuzzer = true;
  bool afl = false;
  unsigned jobs = 1;        // processes at work, at least one an engine
  uint64_t seconds = 0;     // 0: until stopped
  uint64_t executions = 0;  // of each job; 0: without a limit
  uint64_t seed = 1;
  bool plain = false;        // libFuzzer without sanitizers
  std::string worker;        // of several that share OUT: jobs are called WORKER-...
  unsigned crashes_max = 0;  // end after so many; 0: go on
};

// How it stands. Figures of the jobs are summed; edges and corpus are the greatest of a job's.
struct CampaignSample {
  double seconds = 0;  // since the start
  uint64_t executions = 0;
  double per_second = 0;
  uint64_t edges = 0;
  uint64_t states = 0;  // facts of the state map; 0: not known
  uint64_t corpus = 0;  // inputs in OUT/corpus
  uint64_t crashes = 0;
  uint64_t cut_short = 0;  // runs that made more work than one may have (RunResult)
};
// "12 s  24012 runs, 2001/s  2374 edges  112 states  759 inputs  0 crashes  3 cut short"
std::string SampleText(const CampaignSample& sample);
std::string SampleJson(const CampaignSample& sample);

class Campaign {
 public:
  // Builds what is needed and makes the folders.
  static absl::StatusOr<std::unique_ptr<Campaign>> Create(const Workspace& workspace,
                                                          const CampaignOptions& options);

  // Runs until the time is over, `stop` says so, or all is done. `show` is told every second.
  absl::Status Run(const std::function<bool()>& stop,
                   const std::function<void(const CampaignSample&)>& show);

  const CampaignSample& last() const { return last_; }
  // Names in OUT/crashes, sorted.
  std::vector<std::string> Crashes() const;
  std::string CrashFolder() const { return options_.out + "/crashes"; }

 private:
  Campaign() = default;
  absl::Status AddJobs(const Workspace& workspace);
  absl::Status AddJob(const Workspace& workspace, const char* engine, unsigned number,
                      bool is_main);
  absl::Status WriteDescription() const;
  // Starts again what has ended, unless it ended for good. False: all have.
  absl::StatusOr<bool> KeepJobsGoing();
  // What AFL++ has found goes to the corpus; what broke, with its ring, to the crashes.
  void ShareFinds();
  void SaveRings();
  CampaignSample Sample();
  void CountStates();

  CampaignOptions options_;
  std::vector<std::unique_ptr<EngineJob>> jobs_;
  std::set<const EngineJob*> done_;
  std::set<std::string> shared_;  // files of queues that are in the corpus
  std::set<std::string> ringed_;  // crashes whose ring is saved, or is not there
  std::string replayer_;          // that tells states; empty: there is none
  std::set<std::string> states_;
  std::set<std::string> states_of_;  // inputs whose states are counted
  double started_ = 0;
  CampaignSample last_;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_CAMPAIGN_H_
