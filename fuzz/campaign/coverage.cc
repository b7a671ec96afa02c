#include "fuzz/campaign/coverage.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/html.h"
#include "replay/outside/child_process.h"

namespace tapedeck::fuzz {
namespace {

constexpr int kMergeSeconds = 3600;
constexpr char kCoveragePreset[] = "coverage";
// A command line holds about two megabytes.
constexpr size_t kFilesACall = 4000;

std::string LastLine(const std::string& text) {
  std::string last;
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    if (!line.empty()) last = line;
  }
  return last;
}

// Runs a tool of LLVM; its output.
absl::StatusOr<std::string> RunTool(const std::vector<std::string>& argv) {
  const absl::StatusOr<ChildResult> child = RunChild(argv, {}, kMergeSeconds);
  if (!child.ok()) return child.status();
  if (child->exit_code == 0) return child->out;
  return absl::UnavailableError(absl::StrCat(argv[0], ": ", LastLine(child->err)));
}

absl::StatusOr<std::string> CoverageTotals(const std::string& program, const std::string& profile) {
  const absl::StatusOr<std::string> text =
      RunTool({"llvm-cov-19", "export", "-summary-only", "-instr-profile=" + profile, program});
  if (!text.ok()) return text.status();
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded()) return absl::UnavailableError("llvm-cov-19 export: no JSON");
  const auto& totals = json["data"][0]["totals"];
  std::string line;
  for (const char* what : {"lines", "functions", "branches"}) {
    absl::StrAppendFormat(&line, "%s%s %.1f %% (%d of %d)", line.empty() ? "" : ", ", what,
                          totals[what]["percent"].get<double>(), totals[what]["covered"].get<int>(),
                          totals[what]["count"].get<int>());
  }
  return line;
}

}  // namespace

absl::StatusOr<size_t> MergeInto(const std::string& fuzzer, const std::string& out,
                                 const std::vector<std::string>& paths) {
  const absl::StatusOr<std::vector<std::string>> files = ListAllInputs(paths);
  if (!files.ok()) return files.status();
  std::vector<std::string> argv = {fuzzer, "-merge=1", "-timeout=20", "-rss_limit_mb=4096", out};
  std::error_code error;
  for (const std::string& path : paths) {
    if (std::filesystem::is_directory(path, error)) {
      argv.push_back(path);
    } else {
      return absl::InvalidArgumentError(absl::StrCat(path, ": a merge is of folders"));
    }
  }
  // A crash is an input that a merge leaves out, not its end.
  const absl::StatusOr<ChildResult> child =
      RunChild(argv, {"ASAN_OPTIONS=detect_leaks=0"}, kMergeSeconds);
  if (!child.ok()) return child.status();
  if (child->exit_code != 0) {
    return absl::UnavailableError(absl::StrCat(fuzzer, " -merge=1: ", LastLine(child->err)));
  }
  return files->size();
}

std::set<std::string> ParseStates(const std::string& printed) {
  std::set<std::string> states;
  std::istringstream lines(printed);
  for (std::string line; std::getline(lines, line);) {
    if (line.starts_with("  ")) states.insert(line.substr(2));
  }
  return states;
}

absl::StatusOr<std::set<std::string>> StatesOf(const std::string& replayer,
                                               const std::vector<std::string>& files) {
  std::set<std::string> states;
  for (size_t at = 0; at < files.size(); at += kFilesACall) {
    std::vector<std::string> argv = {replayer, "--state-map"};
    argv.insert(
        argv.end(), files.begin() + static_cast<std::ptrdiff_t>(at),
        files.begin() + static_cast<std::ptrdiff_t>(std::min(files.size(), at + kFilesACall)));
    const absl::StatusOr<ChildResult> child = RunChild(argv, {}, kMergeSeconds);
    if (!child.ok()) return child.status();
    if (child->exit_code != 0) {
      return absl::UnavailableError(
          absl::StrCat(replayer, " --state-map: ", LastLine(child->out), LastLine(child->err)));
    }
    states.merge(ParseStates(child->out));
  }
  return states;
}

std::string StatesPage(const std::string& title, const std::set<std::string>& states) {
  std::map<std::string, std::vector<std::string>> by_feature;
  for (const std::string& state : states) {
    const size_t space = state.find(' ');
    by_feature[state.substr(0, space)].push_back(
        space == std::string::npos ? "" : state.substr(space + 1));
  }
  std::string body = absl::StrCat("<p>", states.size(), " facts that some run showed.</p>\n");
  for (const auto& [feature, facts] : by_feature) {
    absl::StrAppend(&body, "<h2>", HtmlText(feature), " (", facts.size(),
                    ")</h2>\n<ul class=facts>");
    for (const std::string& fact : facts) absl::StrAppend(&body, "<li>", HtmlText(fact), "</li>");
    absl::StrAppend(&body, "</ul>\n");
  }
  return HtmlPage(title, body);
}

absl::StatusOr<CoverageSummary> WriteCoverage(const Workspace& workspace, const std::string& target,
                                              const std::vector<std::string>& paths,
                                              const std::string& out) {
  const absl::StatusOr<std::vector<std::string>> files = ListAllInputs(paths);
  if (!files.ok()) return files.status();
  const absl::StatusOr<std::string> program =
      workspace.Build(kCoveragePreset, target + "_replayer");
  if (!program.ok()) return program.status();
  if (absl::Status status = MakeFolder(out); !status.ok()) return status;
  const std::string raw = out + "/coverage.profraw";
  const std::string profile = out + "/coverage.profdata";
  std::vector<std::string> argv = {*program};
  argv.insert(argv.end(), paths.begin(), paths.end());
  const absl::StatusOr<ChildResult> ran =
      RunChild(argv, {"LLVM_PROFILE_FILE=" + raw}, kMergeSeconds);
  if (!ran.ok()) return ran.status();
  if (ran->exit_code != 0) {
    return absl::FailedPreconditionError(absl::StrCat(
        "an input breaks a promise, and no coverage is written: ", LastLine(ran->out)));
  }
  CoverageSummary summary;
  summary.inputs = files->size();
  for (const std::vector<std::string>& tool : std::vector<std::vector<std::string>>{
           {"llvm-profdata-19", "merge", "-sparse", raw, "-o", profile},
           {"llvm-cov-19", "show", "-format=html", "-instr-profile=" + profile,
            "-output-dir=" + out, "-show-branches=count", *program}}) {
    if (const absl::StatusOr<std::string> done = RunTool(tool); !done.ok()) return done.status();
  }
  const absl::StatusOr<std::string> totals = CoverageTotals(*program, profile);
  if (!totals.ok()) return totals.status();
  summary.totals = *totals;
  const absl::StatusOr<std::set<std::string>> states = StatesOf(*program, *files);
  if (!states.ok()) return states.status();
  summary.states = states->size();
  std::error_code error;
  std::filesystem::remove(raw, error);
  const absl::Status written =
      WriteText(out + "/states.html", StatesPage(target + ": states", *states));
  if (!written.ok()) return written;
  return summary;
}

}  // namespace tapedeck::fuzz
