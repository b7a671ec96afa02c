#include "fuzz/campaign/campaign.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <system_error>
#include <thread>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "fuzz/campaign/coverage.h"
#include "fuzz/campaign/files.h"
#include "fuzz/input_ring.h"
#include "replay/script/script_targets.h"

namespace tapedeck::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr auto kLook = std::chrono::milliseconds(250);
constexpr double kShareSeconds = 5;
constexpr double kStatesSeconds = 15;
// A target whose every run breaks at once would start for ever.
constexpr int kStartsMax = 1000;
constexpr int kFailedStartsMax = 3;
// Inputs whose states are looked at in one go, so that the engines are not held up.
constexpr size_t kStatesInputsMax = 500;

double NowSeconds() {
  const auto now = std::chrono::steady_clock::now().time_since_epoch();
  return std::chrono::duration<double>(now).count();
}

// The end of a log, for the message of an engine that cannot run.
std::string LogEnd(const std::string& path) {
  const absl::StatusOr<std::string> text = ReadText(path);
  if (!text.ok()) return "";
  constexpr size_t kShown = 1500;
  return text->size() > kShown ? text->substr(text->size() - kShown) : *text;
}

absl::Status CopyInputs(const std::vector<std::string>& folders, const std::string& to) {
  for (const std::string& folder : folders) {
    for (const std::string& file : ListInputs(folder)) {
      const absl::StatusOr<std::vector<uint8_t>> bytes = ReadBytes(file);
      if (!bytes.ok()) return bytes.status();
      const absl::Status written = WriteBytes(absl::StrCat(to, "/", InputName(*bytes)), *bytes);
      if (!written.ok()) return written;
    }
  }
  // afl-fuzz starts from at least one.
  if (ListInputs(to).empty()) return WriteBytes(to + "/one-record", std::vector<uint8_t>{0x7e});
  return absl::OkStatus();
}

}  // namespace

std::string SampleText(const CampaignSample& s) {
  return absl::StrFormat("%.0f s  %d runs, %.0f/s  %d edges  %s states  %d inputs  %d crashes%s",
                         s.seconds, s.executions, s.per_second, s.edges,
                         s.states == 0 ? "-" : absl::StrCat(s.states), s.corpus, s.crashes,
                         s.cut_short == 0 ? "" : absl::StrCat("  ", s.cut_short, " cut short"));
}

std::string SampleJson(const CampaignSample& s) {
  nlohmann::ordered_json json;
  json["seconds"] = static_cast<uint64_t>(s.seconds);
  json["executions"] = s.executions;
  json["per_second"] = static_cast<uint64_t>(s.per_second);
  json["edges"] = s.edges;
  json["states"] = s.states;
  json["corpus"] = s.corpus;
  json["crashes"] = s.crashes;
  json["cut_short"] = s.cut_short;
  return json.dump();
}

absl::StatusOr<std::unique_ptr<Campaign>> Campaign::Create(const Workspace& workspace,
                                                           const CampaignOptions& options) {
  if (absl::Status status = workspace.CheckTarget(options.target); !status.ok()) return status;
  std::unique_ptr<Campaign> campaign(new Campaign);
  campaign->options_ = options;
  // Engines run in folders of their own.
  std::error_code error;
  campaign->options_.out = fs::absolute(options.out, error).lexically_normal().string();
  const std::string& out = campaign->options_.out;
  for (const char* folder : {"/corpus", "/crashes", "/jobs", "/afl"}) {
    if (absl::Status made = MakeFolder(out + folder); !made.ok()) return made;
  }
  if (absl::Status added = campaign->AddJobs(workspace); !added.ok()) return added;
  const absl::StatusOr<std::string> replayer = workspace.Replayer(options.target, "");
  if (replayer.ok()) campaign->replayer_ = *replayer;
  if (absl::Status written = campaign->WriteDescription(); !written.ok()) return written;
  return campaign;
}

absl::Status Campaign::AddJobs(const Workspace& workspace) {
  const unsigned engines = static_cast<unsigned>(options_.libfuzzer) + options_.afl;
  const unsigned jobs = std::max(options_.jobs, engines);
  unsigned afl_jobs = 0;
  for (unsigned i = 0; i < jobs; ++i) {
    const bool is_afl = options_.afl && (!options_.libfuzzer || i % 2 == 1);
    // Of all that share a folder one is the main instance: the first, or that of the first worker.
    const bool is_main =
        is_afl && afl_jobs == 0 &&
        (options_.worker.empty() || options_.worker.ends_with("-0") || options_.worker == "0");
    afl_jobs += is_afl;
    if (absl::Status added = AddJob(workspace, is_afl ? "afl" : "libfuzzer", i, is_main);
        !added.ok()) {
      return added;
    }
  }
  return absl::OkStatus();
}

absl::Status Campaign::AddJob(const Workspace& workspace, const char* engine, unsigned number,
                              bool is_main) {
  const bool is_afl = std::string_view(engine) == "afl";
  const absl::StatusOr<std::string> program =
      is_afl ? workspace.AflProgram(options_.target)
             : workspace.LibFuzzerProgram(options_.target, options_.plain);
  if (!program.ok()) return program.status();
  JobOptions job;
  job.name =
      absl::StrCat(options_.worker.empty() ? "" : options_.worker + "-", engine, "-", number);
  job.program = *program;
  job.folder = absl::StrCat(options_.out, "/jobs/", job.name);
  job.corpus = options_.out + "/corpus";
  job.crashes = CrashFolder();
  job.afl_sync = options_.out + "/afl";
  job.seeds = workspace.SeedFolders(options_.target);
  job.dictionary = workspace.Dictionary(options_.target);
  job.seed = options_.seed + number;
  job.is_main = is_main;
  job.seconds = options_.seconds;
  job.executions = options_.executions;
  if (absl::Status made = MakeFolder(job.folder); !made.ok()) return made;
  if (is_afl) {
    absl::StatusOr<std::string> mutator = workspace.AflMutator(options_.target);
    if (!mutator.ok()) return mutator.status();
    job.mutator = *std::move(mutator);
    job.faults = TakesFaults(options_.target);
    if (absl::Status copied = CopyInputs(job.seeds, job.folder + "/seeds"); !copied.ok()) {
      return copied;
    }
  }
  jobs_.push_back(MakeEngineJob(engine, std::move(job)));
  return absl::OkStatus();
}

absl::Status Campaign::WriteDescription() const {
  nlohmann::ordered_json json;
  json["target"] = options_.target;
  json["seed"] = options_.seed;
  for (const auto& job : jobs_) {
    nlohmann::ordered_json one;
    one["name"] = job->options().name;
    one["engine"] = job->engine();
    one["program"] = BuildIdOf(job->options().program);
    one["command"] = absl::StrJoin(job->CommandLine(), " ");
    json["jobs"].push_back(one);
  }
  const std::string name = options_.worker.empty() ? "campaign" : "campaign-" + options_.worker;
  return WriteText(absl::StrCat(options_.out, "/", name, ".json"), json.dump(2) + "\n");
}

absl::Status Campaign::Run(const std::function<bool()>& stop,
                           const std::function<void(const CampaignSample&)>& show) {
  started_ = NowSeconds();
  for (const auto& job : jobs_) {
    if (absl::Status status = job->Start(); !status.ok()) return status;
  }
  const std::string name = options_.worker.empty() ? "progress" : "progress-" + options_.worker;
  std::ofstream progress(absl::StrCat(options_.out, "/", name, ".jsonl"), std::ios::app);
  double shared = started_;
  double shown = started_;
  double counted = started_;
  absl::Status status;
  while (!stop()) {
    std::this_thread::sleep_for(kLook);
    const double now = NowSeconds();
    if (options_.seconds != 0 && now - started_ >= static_cast<double>(options_.seconds)) break;
    const absl::StatusOr<bool> going = KeepJobsGoing();
    if (!going.ok()) status = going.status();
    if (!going.ok() || !*going) break;
    if (now - shared >= kShareSeconds) {
      shared = now;
      ShareFinds();
      progress << SampleJson(Sample()) << std::endl;
    }
    if (now - counted >= kStatesSeconds) {
      counted = now;
      CountStates();
    }
    if (now - shown >= 1) {
      shown = now;
      show(Sample());
    }
    if (options_.crashes_max != 0 && Crashes().size() >= options_.crashes_max) break;
  }
  for (const auto& job : jobs_) job->Stop();
  ShareFinds();
  CountStates();
  progress << SampleJson(Sample()) << std::endl;
  return status;
}

absl::StatusOr<bool> Campaign::KeepJobsGoing() {
  for (const auto& job : jobs_) {
    const std::optional<int> end = job->Poll();
    if (!end.has_value() || done_.contains(job.get())) continue;
    SaveRings();
    const bool expected = job->IsExpectedEnd(*end);
    const double lived = NowSeconds() - started_;
    if (!expected && job->starts() >= kFailedStartsMax) {
      return absl::UnavailableError(
          absl::StrCat(job->options().name, " ended with ", *end, ":\n", LogEnd(job->LogFile())));
    }
    // An end without a crash is the limit in executions or time.
    const bool finished =
        *end == 0 && (options_.executions != 0 || options_.seconds != 0 || lived < 2);
    if (finished || job->starts() >= kStartsMax) {
      done_.insert(job.get());
      continue;
    }
    if (absl::Status status = job->Start(); !status.ok()) return status;
  }
  return done_.size() < jobs_.size();
}

void Campaign::ShareFinds() {
  for (const auto& job : jobs_) {
    job->CollectCrashes();
    if (job->QueueFolder() == options_.out + "/corpus") continue;
    for (const std::string& file : ListInputs(job->QueueFolder())) {
      if (!shared_.insert(file).second) continue;
      const absl::StatusOr<std::vector<uint8_t>> bytes = ReadBytes(file);
      if (!bytes.ok()) continue;
      const std::string name = absl::StrCat(options_.out, "/corpus/", InputName(*bytes));
      std::error_code error;
      if (!fs::exists(name, error)) WriteBytes(name, *bytes).IgnoreError();
    }
  }
  SaveRings();
}

void Campaign::SaveRings() {
  for (const std::string& name : Crashes()) {
    if (ringed_.contains(name)) continue;
    const absl::StatusOr<std::vector<uint8_t>> crash = ReadBytes(CrashFolder() + "/" + name);
    if (!crash.ok()) continue;
    ringed_.insert(name);
    for (const auto& job : jobs_) {
      for (int old = -1; old < InputRing::kOldRings; ++old) {
        const std::string file =
            old < 0 ? job->RingFile() : absl::StrCat(job->RingFile(), ".", old);
        const std::vector<std::vector<uint8_t>> ring = InputRing::Read(file);
        if (ring.empty() || ring.back() != *crash) continue;
        for (size_t i = 0; i < ring.size(); ++i) {
          WriteBytes(absl::StrFormat("%s/%s.ring/%02d", CrashFolder(), name, i), ring[i])
              .IgnoreError();
        }
      }
    }
  }
}

std::vector<std::string> Campaign::Crashes() const {
  std::vector<std::string> names;
  for (const std::string& file : ListInputs(CrashFolder())) names.push_back(BaseName(file));
  return names;
}

CampaignSample Campaign::Sample() {
  CampaignSample sample;
  sample.seconds = NowSeconds() - started_;
  for (const auto& job : jobs_) {
    const EngineProgress progress = job->Progress();
    sample.executions += progress.executions;
    sample.per_second += progress.per_second;
    sample.edges = std::max(sample.edges, progress.edges);
    sample.cut_short += InputRing::ReadCutShort(job->RingFile());
  }
  sample.states = states_.size();
  sample.corpus = ListInputs(options_.out + "/corpus").size();
  sample.crashes = Crashes().size();
  last_ = sample;
  return sample;
}

void Campaign::CountStates() {
  if (replayer_.empty()) return;
  std::vector<std::string> fresh;
  for (const std::string& file : ListInputs(options_.out + "/corpus")) {
    if (fresh.size() < kStatesInputsMax && states_of_.insert(file).second) fresh.push_back(file);
  }
  if (fresh.empty()) return;
  // An input of another build's may break a promise in this one: then its states are not counted.
  absl::StatusOr<std::set<std::string>> states = StatesOf(replayer_, fresh);
  if (states.ok()) states_.merge(*std::move(states));
}

}  // namespace tapedeck::fuzz
