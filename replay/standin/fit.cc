#include "replay/standin/fit.h"

#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "replay/standin/stand_in.h"

namespace tapedeck::standin {
namespace {

// What L may have been, the likeliest first.
struct Candidate {
  uint32_t hz = 0;
  const char* sysctl = nullptr;  // that is set to 0
  const char* what = "";
};
constexpr Candidate kCandidates[] = {
    {0, nullptr, "the usual"},
    {250, nullptr, "L's clock ticks 250 times a second"},
    {100, nullptr, "L's clock ticks 100 times a second"},
    {0, "net/ipv4/tcp_early_retrans", "L sends no tail loss probes"},
    {0, "net/ipv4/tcp_recovery", "L does not tell losses by time (RACK)"},
};

void Apply(const Candidate& candidate, Plan* plan) {
  plan->hz = candidate.hz;
  if (candidate.sysctl != nullptr) plan->sysctls.emplace_back(candidate.sysctl, "0");
}

// What our host sent again, and P had to be modelled for, beyond the capture.
uint64_t NeedlessRecovery(const Plan& plan, const std::function<bool()>& stop) {
  StandInOptions options;
  options.stop = stop;
  LabHostOptions host;
  host.driver.eitr = 0;
  options.lab.hosts = {host};
  const absl::StatusOr<StandInResult> run = RunPlan(plan, options, {});
  if (!run.ok()) return std::numeric_limits<uint64_t>::max();
  uint64_t needless = 0;
  for (size_t i = 0; i < run->flows.size(); ++i) {
    needless += run->comparisons[i].retransmissions_more + run->flows[i].modelled_acks;
  }
  return needless;
}

}  // namespace

void FitRecovery(Plan* plan, const std::function<bool()>& stop) {
  if (plan->stimuli.size() > kFitPacketsMax || !HasUsableFlows(*plan)) return;
  const uint32_t hz = plan->hz;
  const size_t sysctls = plan->sysctls.size();
  const Candidate* best = nullptr;
  uint64_t usual = 0;
  uint64_t least = std::numeric_limits<uint64_t>::max();
  for (const Candidate& candidate : kCandidates) {
    Apply(candidate, plan);
    const uint64_t needless = NeedlessRecovery(*plan, stop);
    plan->hz = hz;
    plan->sysctls.resize(sysctls);
    if (best == nullptr) usual = needless;
    if (needless < least) best = &candidate;
    least = std::min(least, needless);
    if (least == 0) break;
    if (stop && stop()) return;
  }
  if (best == &kCandidates[0]) return;
  Apply(*best, plan);
  plan->guesses.push_back(absl::StrCat(best->what, ": otherwise it would have recovered ",
                                       usual - least, " times more often"));
}

}  // namespace tapedeck::standin
