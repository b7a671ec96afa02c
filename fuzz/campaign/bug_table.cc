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
      BugLine line{bug.id, engine, 0, {}, {}, {}, {}};
      for (const BugTrial& trial : trials) {
        if (trial.bug != bug.id || trial.engine != engine) continue;
        const bool detected = trial.signature == bug.oracle;
        ++line.trials;
        line.reached.push_back(TrialOf(trial.reached, trial.executions));
        line.triggered.push_back(TrialOf(trial.triggered, trial.executions));
        line.detected.push_back({trial.executions, detected});
        if (!detected && !trial.signature.empty()) line.others.insert(trial.signature);
      }
      if (line.trials != 0) lines.push_back(std::move(line));
    }
  }
  StableSort(&lines, [](const BugLine& a, const BugLine& b) {
    const auto key = [](const BugLine& line) {
      return std::tuple(line.Found(line.detected) != 0,
                        ~MedianExecutions(line.detected).value_or(UINT64_MAX));
    };
    return key(a) < key(b);
  });
  std::string text = absl::StrFormat("%-22s %-9s  %-15s %-15s %-15s\n", "bug", "engine", "reached",
                                     "triggered", "detected");
  for (const BugLine& line : lines) {
    absl::StrAppendFormat(&text, "%-22s %-9s  %-15s %-15s %-15s", line.bug, line.engine,
                          Cell(line, line.reached), Cell(line, line.triggered),
                          Cell(line, line.detected));
    for (const std::string& other : line.others) absl::StrAppend(&text, "  also ", other);
    absl::StrAppend(&text, "\n");
  }
  return text;
}

}  // namespace tapedeck::fuzz
