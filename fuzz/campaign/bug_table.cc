// Of bug_trials.h: what is read and what is shown.
#include <algorithm>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fuzz/campaign/bug_trials.h"
#include "fuzz/campaign/survival.h"
#include "replay/trace/stable_sort.h"

namespace tapedeck::fuzz {
namespace {

constexpr char kBugColumns[] = "id\tlayer\ttarget\toracle";

std::vector<std::string> SplitTabs(const std::string& line) {
  std::vector<std::string> fields;
  std::istringstream in(line);
  for (std::string field; std::getline(in, field, '\t');) fields.push_back(field);
  return fields;
}

// What the trials of one bug under one engine come to.
struct BugLine {
  std::string bug;
  std::string engine;
  size_t trials = 0;
  std::vector<Trial> reached;
  std::vector<Trial> triggered;
  std::vector<Trial> found;
  std::vector<Trial> detected;
  std::set<std::string> others;  // signatures that are not the bug's

  size_t Found(const std::vector<Trial>& of) const {
    return static_cast<size_t>(
        std::count_if(of.begin(), of.end(), [](const Trial& trial) { return trial.found; }));
  }
};

Trial TrialOf(const std::optional<uint64_t>& when, uint64_t executions) {
  return {when.value_or(executions), when.has_value()};
}

std::string Cell(const BugLine& line, const std::vector<Trial>& of) {
  const std::optional<uint64_t> median = MedianExecutions(of);
  return absl::StrFormat("%2d/%d %9s", line.Found(of), line.trials,
                         median ? absl::StrCat(*median) : "-");
}

// "3 bugs tried: 3 reached, 2 triggered, 2 found by an engine, 1 by the promise that is named".
std::string Sum(const std::vector<PlantedBug>& bugs, const std::vector<BugTrial>& trials) {
  std::set<std::string> tried;
  std::set<std::string> reached;
  std::set<std::string> triggered;
  std::set<std::string> found;
  std::set<std::string> detected;
  for (const PlantedBug& bug : bugs) {
    for (const BugTrial& trial : trials) {
      if (trial.bug != bug.id) continue;
      tried.insert(bug.id);
      if (trial.reached) reached.insert(bug.id);
      if (trial.triggered) triggered.insert(bug.id);
      if (trial.found(bug)) found.insert(bug.id);
      if (trial.signature == bug.oracle) detected.insert(bug.id);
    }
  }
  return absl::StrFormat(
      "%d bugs tried: %d reached, %d triggered, %d found by an engine, %d by the promise that is "
      "named\n",
      tried.size(), reached.size(), triggered.size(), found.size(), detected.size());
}

}  // namespace

absl::StatusOr<std::vector<PlantedBug>> ParseBugTable(std::string_view text,
                                                      const std::string& name) {
  std::vector<PlantedBug> bugs;
  std::istringstream lines{std::string(text)};
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.empty() || line[0] == '#') continue;
    if (number == 1 && line == kBugColumns) continue;
    const std::vector<std::string> fields = SplitTabs(line);
    if (fields.size() != 4) {
      return absl::InvalidArgumentError(absl::StrCat(name, ":", number,
                                                     ": expected id, layer, target, oracle, found ",
                                                     fields.size(), " columns"));
    }
    bugs.push_back({fields[0], fields[1], fields[2], fields[3]});
  }
  return bugs;
}

std::string TrialJson(const BugTrial& trial) {
  nlohmann::ordered_json json;
  json["bug"] = trial.bug;
  json["engine"] = trial.engine;
  json["seed"] = trial.seed;
  json["executions"] = trial.executions;
  if (trial.reached) json["reached"] = *trial.reached;
  if (trial.triggered) json["triggered"] = *trial.triggered;
  json["signature"] = trial.signature;
  if (trial.clean_holds) json["clean"] = "holds";
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

std::vector<BugTrial> ParseTrials(std::string_view text) {
  std::vector<BugTrial> trials;
  std::istringstream lines{std::string(text)};
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) continue;
    BugTrial trial;
    trial.bug = json.value("bug", "");
    trial.engine = json.value("engine", "");
    trial.seed = json.value("seed", uint64_t{0});
    trial.executions = json.value("executions", uint64_t{0});
    trial.signature = json.value("signature", "");
    trial.clean_holds = json.value("clean", "") == "holds";
    if (json.contains("reached")) trial.reached = json["reached"].get<uint64_t>();
    if (json.contains("triggered")) trial.triggered = json["triggered"].get<uint64_t>();
    trials.push_back(std::move(trial));
  }
  return trials;
}

void ParseMarks(std::string_view text, BugTrial* trial) {
  std::istringstream words{std::string(text)};
  std::string what;
  uint64_t number = 0;
  while (words >> what >> number) {
    std::optional<uint64_t>* const when = what == "reached"     ? &trial->reached
                                          : what == "triggered" ? &trial->triggered
                                                                : nullptr;
    if (when != nullptr && (!when->has_value() || **when > number)) *when = number;
  }
}

std::string BugTable(const std::vector<PlantedBug>& bugs, const std::vector<BugTrial>& trials) {
  std::vector<BugLine> lines;
  for (const PlantedBug& bug : bugs) {
    for (const char* engine : {"libfuzzer", "afl"}) {
      BugLine line{bug.id, engine, 0, {}, {}, {}, {}, {}};
      for (const BugTrial& trial : trials) {
        if (trial.bug != bug.id || trial.engine != engine) continue;
        const bool detected = trial.signature == bug.oracle;
        ++line.trials;
        line.reached.push_back(TrialOf(trial.reached, trial.executions));
        line.triggered.push_back(TrialOf(trial.triggered, trial.executions));
        line.found.push_back({trial.executions, trial.found(bug)});
        line.detected.push_back({trial.executions, detected});
        if (!detected && !trial.signature.empty()) line.others.insert(trial.signature);
      }
      if (line.trials != 0) lines.push_back(std::move(line));
    }
  }
  StableSort(&lines, [](const BugLine& a, const BugLine& b) {
    const auto key = [](const BugLine& line) {
      return std::tuple(line.Found(line.found) != 0,
                        ~MedianExecutions(line.found).value_or(UINT64_MAX));
    };
    return key(a) < key(b);
  });
  std::string text = absl::StrFormat("%-22s %-9s  %-15s %-15s %-15s %-15s\n", "bug", "engine",
                                     "reached", "triggered", "found", "detected");
  for (const BugLine& line : lines) {
    absl::StrAppendFormat(&text, "%-22s %-9s  %-15s %-15s %-15s %-15s", line.bug, line.engine,
                          Cell(line, line.reached), Cell(line, line.triggered),
                          Cell(line, line.found), Cell(line, line.detected));
    for (const std::string& other : line.others) absl::StrAppend(&text, "  also ", other);
    absl::StrAppend(&text, "\n");
  }
  absl::StrAppend(&text, Sum(bugs, trials));
  return text;
}

}  // namespace tapedeck::fuzz
