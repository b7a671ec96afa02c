// tools/differential: generated cases through our stack and this machine's kernel.
#include <sys/utsname.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/differential/captures.h"
#include "replay/differential/generate.h"
#include "replay/differential/judge.h"
#include "replay/differential/known_differences.h"
#include "tools/commands.h"
#include "tools/worker_processes.h"

namespace tapedeck::tools {

namespace {

using differential::Judge;
using differential::Kind;
using differential::KnownDifferences;
using Clock = std::chrono::steady_clock;

constexpr int kExitSkipped = 77;
constexpr uint64_t kCasesDefault = 10'000;
// More than a second allows.
constexpr double kCasesPerSecondMax = 50'000;
// A case of a capture takes a namespace of its own, and so a hundred times as long as others: among
// other kinds it comes only every so many turns.
constexpr uint64_t kCaptureTurns = 16;
// Cases that a worker takes at a time.
constexpr uint64_t kChunkCases = 200;

struct Flags {
  std::optional<uint64_t> cases;
  std::string seed = "5eed0001";
  std::vector<std::string> kinds;
  unsigned jobs = 0;
  double seconds = 0;
  std::string known;
  std::string only;  // KIND:NUMBER
  std::string captures;
  int findings_max = 20;
};

void Complain(const std::string& line) { std::fprintf(stderr, "differential: %s\n", line.c_str()); }

std::string Release() {
  utsname name = {};
  uname(&name);
  return name.release;
}

absl::StatusOr<KnownDifferences> ReadKnown(const Flags& flags) {
  if (flags.known.empty()) return KnownDifferences();
  return KnownDifferences::Read(flags.known, Release());
}

// What a worker has seen in its cases.
struct Tally {
  uint64_t cases = 0;
  uint64_t explained = 0;
  uint64_t unsteady = 0;
  uint64_t differing = 0;
  std::map<std::string, uint64_t> findings;    // by signature
  std::map<std::string, std::string> reports;  // the first of each

  void Add(const Tally& other) {
    cases += other.cases;
    explained += other.explained;
    unsteady += other.unsteady;
    differing += other.differing;
    for (const auto& [signature, count] : other.findings) findings[signature] += count;
    for (const auto& [signature, report] : other.reports) reports.emplace(signature, report);
  }
};

std::string ToAnswer(const Tally& tally) {
  nlohmann::json json;
  json["cases"] = tally.cases;
  json["explained"] = tally.explained;
  json["unsteady"] = tally.unsteady;
  json["differing"] = tally.differing;
  json["findings"] = tally.findings;
  json["reports"] = tally.reports;
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

Tally FromAnswer(const std::string& answer) {
  const auto json = nlohmann::json::parse(answer);
  Tally tally;
  tally.cases = json["cases"];
  tally.explained = json["explained"];
  tally.unsteady = json["unsteady"];
  tally.differing = json["differing"];
  tally.findings = json["findings"].get<std::map<std::string, uint64_t>>();
  tally.reports = json["reports"].get<std::map<std::string, std::string>>();
  return tally;
}

struct Plan {
  uint64_t seed = 0;
  uint64_t cases = 0;
  std::vector<const Kind*> kinds;
  KnownDifferences known;
  std::vector<differential::Capture> captures;
  Clock::time_point until = Clock::time_point::max();
};

absl::StatusOr<Plan> MakePlan(const Flags& flags) {
  Plan plan;
  size_t used = 0;
  try {
    plan.seed = std::stoull(flags.seed, &used, 16);
  } catch (const std::exception&) {
    used = 0;
  }
  if (used == 0 || used != flags.seed.size()) {
    return absl::InvalidArgumentError(
        absl::StrCat("--seed ", flags.seed, ": expected up to 16 hexadecimal digits"));
  }
  for (const std::string& name : flags.kinds) {
    const Kind* const kind = differential::FindKind(name);
    if (kind == nullptr) {
      return absl::InvalidArgumentError(absl::StrCat("--kind ", name, ": there is none"));
    }
    if (kind->needs_captures && flags.captures.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("--kind ", name, ": needs --captures"));
    }
    plan.kinds.push_back(kind);
  }
  if (!flags.captures.empty()) {
    absl::StatusOr<std::vector<differential::Capture>> captures =
        differential::ReadCaptures(flags.captures);
    if (!captures.ok()) return captures.status();
    plan.captures = *std::move(captures);
  }
  if (plan.kinds.empty()) {
    for (const Kind& kind : differential::Kinds()) {
      if (!kind.needs_captures || !plan.captures.empty()) plan.kinds.push_back(&kind);
    }
  }
  absl::StatusOr<KnownDifferences> known = ReadKnown(flags);
  if (!known.ok()) return known.status();
  plan.known = *std::move(known);
  plan.cases = flags.cases.value_or(kCasesDefault);
  if (flags.seconds > 0) {
    const auto cases_max = static_cast<uint64_t>(flags.seconds * kCasesPerSecondMax);
    plan.cases = flags.cases.value_or(cases_max);
    plan.until = Clock::now() + std::chrono::milliseconds(int64_t(flags.seconds * 1000));
  }
  return plan;
}

// Cases [first, end) of all: number n is of kind n modulo their count.
Tally TryCases(const Plan& plan, Judge& judge, uint64_t first, uint64_t end) {
  Tally tally;
  for (uint64_t n = first; n < end && Clock::now() < plan.until; ++n) {
    const Kind& kind = *plan.kinds[n % plan.kinds.size()];
    uint64_t number = n / plan.kinds.size();
    if (kind.needs_captures && plan.kinds.size() > 1) {
      if (number % kCaptureTurns != 0) continue;
      number /= kCaptureTurns;
    }
    const Judge::Verdict verdict = judge.Try({&kind, plan.seed, number});
    ++tally.cases;
    tally.explained += verdict.explained;
    tally.unsteady += verdict.unsteady;
    if (verdict.same) continue;
    ++tally.differing;
    for (const differential::Finding& finding : verdict.findings) {
      const std::string key = absl::StrCat(kind.name, ": ", finding.signature);
      ++tally.findings[key];
      if (finding.report.empty()) continue;
      tally.reports.emplace(key, absl::StrFormat("%stools/differential --only %s:%d --seed %x\n",
                                                 finding.report, kind.name, number, plan.seed));
    }
  }
  return tally;
}

void Print(const Tally& tally, int findings_max, double seconds) {
  int printed = 0;
  for (const auto& [signature, count] : tally.findings) {
    absl::PrintF("DIFFERS %d x %s\n", count, signature);
    const auto report = tally.reports.find(signature);
    if (report == tally.reports.end() || printed >= findings_max) continue;
    absl::PrintF("%s\n", report->second);
    ++printed;
  }
  absl::PrintF(
      "%d cases: %d the same, %d with known differences, %d differ, %d unsteady; %.0f cases/s\n",
      tally.cases, tally.cases - tally.explained - tally.differing, tally.explained,
      tally.differing, tally.unsteady, static_cast<double>(tally.cases) / std::max(seconds, 1e-3));
}

int ShowOne(const Flags& flags, const Plan& plan) {
  const size_t colon = flags.only.find(':');
  const Kind* const kind = differential::FindKind(flags.only.substr(0, colon));
  if (kind == nullptr || colon == std::string::npos) {
    Complain("--only wants KIND:NUMBER");
    return kExitUsage;
  }
  absl::StatusOr<std::unique_ptr<Judge>> judge = Judge::Create(plan.known, plan.captures);
  if (!judge.ok()) {
    Complain(std::string(judge.status().message()));
    return kExitSkipped;
  }
  if (kind->needs_captures && plan.captures.empty()) {
    Complain("--only: that kind needs --captures");
    return kExitUsage;
  }
  const uint64_t number = std::stoull(flags.only.substr(colon + 1));
  absl::PrintF("%s", (*judge)->Show({kind, plan.seed, number}));
  return kExitHeld;
}

// Whether the judge can work here: tried in a process of its own, as it changes the process.
bool CanRun(const Plan& plan, std::string* why) {
  bool can = false;
  const auto probe = [&](size_t) {
    const absl::StatusOr<std::unique_ptr<Judge>> judge = Judge::Create(plan.known, plan.captures);
    return judge.ok() ? std::string() : std::string(judge.status().message());
  };
  RunInProcesses(1, 1, probe, [&](size_t, const TaskResult& result) {
    *why = result.crashed() ? "it crashed" : result.answer;
    can = why->empty();
  });
  return can;
}

int RunDifferential(Flags flags) {
  const absl::StatusOr<Plan> plan = MakePlan(flags);
  if (!plan.ok()) {
    Complain(std::string(plan.status().message()));
    return kExitUsage;
  }
  if (!flags.only.empty()) return ShowOne(flags, *plan);
  std::string why;
  if (!CanRun(*plan, &why)) {
    Complain(absl::StrCat("skipped: ", why));
    return kExitSkipped;
  }
  if (flags.jobs == 0) flags.jobs = std::max(1U, std::thread::hardware_concurrency());
  absl::PrintF("seed %x  kernel %s  kinds %d\n", plan->seed, Release(), plan->kinds.size());
  std::fflush(stdout);  // the workers inherit what is not yet written

  const Clock::time_point start = Clock::now();
  std::unique_ptr<Judge> judge;  // a worker's own, for all its cases
  Tally tally;
  bool crashed = false;
  const auto task = [&](size_t i) {
    if (Clock::now() >= plan->until) return ToAnswer({});
    if (judge == nullptr) judge = *Judge::Create(plan->known, plan->captures);
    const uint64_t first = i * kChunkCases;
    return ToAnswer(TryCases(*plan, *judge, first, std::min(first + kChunkCases, plan->cases)));
  };
  const auto done = [&](size_t i, const TaskResult& result) {
    if (!result.crashed()) return tally.Add(FromAnswer(result.answer));
    crashed = true;
    absl::PrintF("CRASHED among cases %d to %d\n", i * kChunkCases, (i + 1) * kChunkCases - 1);
  };
  const uint64_t chunks = (plan->cases + kChunkCases - 1) / kChunkCases;
  if (!RunInProcesses(chunks, flags.jobs, task, done)) {
    Complain("no process can be made");
    return kExitUsage;
  }
  Print(tally, flags.findings_max, std::chrono::duration<double>(Clock::now() - start).count());
  return tally.findings.empty() && !crashed ? kExitHeld : kExitFailed;
}

std::string Footer() {
  std::string footer = "Kinds:\n";
  for (const Kind& kind : differential::Kinds()) {
    absl::StrAppendFormat(&footer, "  %-14s %s\n", kind.name, kind.what);
  }
  absl::StrAppend(&footer,
                  "\nExit codes: 0 no unexplained difference, 1 there is one, 2 wrong flags, 77 "
                  "skipped: not possible here.");
  return footer;
}

void AddFlags(CLI::App& app, Flags* flags) {
  app.name("tools/differential");
  app.footer(Footer());
  app.add_option("--cases", flags->cases, "How many [10000]")->type_name("N");
  app.add_option("--seconds", flags->seconds,
                 "Stop after so long; without --cases as many as that allows")
      ->type_name("S");
  app.add_option("--seed", flags->seed, "Of the cases, hexadecimal")
      ->capture_default_str()
      ->type_name("HEX");
  app.add_option("--kind", flags->kinds, "Of these kinds alone")->type_name("KIND");
  app.add_option("-j,--jobs", flags->jobs, "Processes [one a CPU]")
      ->check(CLI::Range(1, 256))
      ->type_name("N");
  app.add_option("--known", flags->known, "The file of known differences")->type_name("FILE");
  app.add_option("--captures", flags->captures, "A folder of captures, for cases made of them")
      ->type_name("DIR");
  app.add_option("--only", flags->only, "Play one case and print it whole")
      ->type_name("KIND:NUMBER");
  app.add_option("--findings", flags->findings_max, "How many differing cases are printed whole")
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace
}  // namespace tapedeck::tools

int main(int argc, char** argv) {
  using namespace tapedeck::tools;
  CLI::App app{
      "The same frames and system calls go into our stack and, through TAP devices in a network "
      "namespace of its\n"
      "own, into this machine's kernel. What both send, what their calls return and by how much "
      "their counters rise\n"
      "must be the same, but for what the file of known differences explains. Needs root.\n"};
  Flags flags;
  AddFlags(app, &flags);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    if (error.get_exit_code() == 0) return app.exit(error);
    Complain(error.what());
    return kExitUsage;
  }
  return RunDifferential(flags);
}
