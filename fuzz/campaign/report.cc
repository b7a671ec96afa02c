#include "fuzz/campaign/report.h"

#include <algorithm>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/html.h"
#include "fuzz/campaign/judge.h"
#include "fuzz/campaign/observed_run.h"
#include "fuzz/campaign/to_test.h"
#include "fuzz/campaign/triage.h"

namespace tapedeck::fuzz {
namespace {

namespace fs = std::filesystem;

constexpr size_t kLadderLines = 60;

// The files in `folder` whose names begin and end so, sorted.
std::vector<std::string> FilesNamed(const std::string& folder, std::string_view begin,
                                    std::string_view end) {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const std::string name = entry.path().filename().string();
    if (name.starts_with(begin) && name.ends_with(end)) files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  return files;
}

absl::Status ReadDescription(const std::string& file, ReportTarget* target) {
  const absl::StatusOr<std::string> text = ReadText(file);
  if (!text.ok()) return text.status();
  const auto json = nlohmann::json::parse(*text, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("target") || !json.contains("jobs")) {
    return absl::InvalidArgumentError(absl::StrCat(file, ": no description of a campaign"));
  }
  target->name = json.value("target", "");
  for (const auto& job : json["jobs"]) {
    target->jobs.push_back(
        absl::StrCat(job.value("name", ""), ": build ", job.value("program", "").substr(0, 12)));
  }
  return absl::OkStatus();
}

absl::Status ReadBugs(const Workspace& workspace, const std::string& out, ReportTarget* target) {
  const std::vector<std::string> crashes = ListInputs(out + "/crashes");
  if (crashes.empty()) return absl::OkStatus();
  const absl::StatusOr<std::string> replayer = workspace.Replayer(target->name, "");
  if (!replayer.ok()) return replayer.status();
  const auto judge = ReplayerJudge::Start(*replayer);
  if (!judge.ok()) return judge.status();
  const absl::StatusOr<std::vector<Bug>> bugs = SortBugs(**judge, crashes);
  if (!bugs.ok()) return bugs.status();
  for (const Bug& bug : *bugs) {
    const absl::StatusOr<CrashInput> input = LoadCrashInput(workspace, bug.files[0], target->name);
    if (!input.ok()) return input.status();
    const absl::StatusOr<ObservedRun> run = ObserveInput(*replayer, input->bytes);
    if (!run.ok()) return run.status();
    target->bugs.push_back(
        {bug.signature, bug.files.size(), InputName(input->bytes), DescribeInput(*input),
         LadderLines(run->events),
         absl::StrCat("tapedeck repro --target ", target->name, " ", BaseName(bug.files[0]))});
  }
  return absl::OkStatus();
}

// A line through `value` of all samples, scaled into a box of 1000 by 200.
std::string Polyline(const std::vector<CampaignSample>& samples,
                     const std::function<double(const CampaignSample&)>& value, const char* colour,
                     double seconds_max, double value_max) {
  std::string points;
  for (const CampaignSample& sample : samples) {
    absl::StrAppendFormat(&points, "%.0f,%.0f ", 1000 * sample.seconds / std::max(1.0, seconds_max),
                          195 - 190 * value(sample) / std::max(1.0, value_max));
  }
  return absl::StrCat("<polyline fill=none stroke=", colour, " stroke-width=2 points=\"", points,
                      "\"/>");
}

std::string Plot(const ReportTarget& target, const char* title,
                 const std::function<double(const CampaignSample&)>& value) {
  constexpr const char* kColours[] = {"#2a6fbb", "#c0392b", "#2a7d2a", "#8e44ad", "#b9770e"};
  double seconds_max = 0;
  double value_max = 0;
  for (const auto& worker : target.workers) {
    for (const CampaignSample& sample : worker) {
      seconds_max = std::max(seconds_max, sample.seconds);
      value_max = std::max(value_max, value(sample));
    }
  }
  if (value_max == 0) return "";
  std::string svg = absl::StrFormat(
      "<h3>%s: %.0f after %.0f s</h3>\n<svg viewBox=\"0 0 1000 200\" preserveAspectRatio=none>",
      title, value_max, seconds_max);
  for (size_t i = 0; i < target.workers.size(); ++i) {
    absl::StrAppend(&svg, Polyline(target.workers[i], value, kColours[i % std::size(kColours)],
                                   seconds_max, value_max));
  }
  return svg + "</svg>\n";
}

std::string Preformatted(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) absl::StrAppend(&text, HtmlText(line), "\n");
  return absl::StrCat("<pre>", text, "</pre>\n");
}

std::string BugSection(const ReportBug& bug) {
  std::string html = absl::StrFormat(
      "<h3 class=broken>%s</h3>\n<p>%d inputs; the smallest is %s.</p>\n<pre>%s</pre>\n",
      HtmlText(bug.signature), bug.inputs, bug.name, HtmlText(bug.command));
  absl::StrAppend(&html, "<details open><summary>What it says</summary>", Preformatted(bug.says),
                  "</details>\n");
  if (!bug.ladder.empty()) {
    absl::StrAppend(&html, "<details><summary>What happened</summary>", Preformatted(bug.ladder),
                    "</details>\n");
  }
  return html;
}

// The sum of the last samples of all workers.
CampaignSample Total(const ReportTarget& target) {
  CampaignSample total;
  for (const auto& worker : target.workers) {
    if (worker.empty()) continue;
    const CampaignSample& last = worker.back();
    total.seconds = std::max(total.seconds, last.seconds);
    total.executions += last.executions;
    total.edges = std::max(total.edges, last.edges);
    total.states = std::max(total.states, last.states);
    total.corpus = std::max(total.corpus, last.corpus);
    total.crashes = std::max(total.crashes, last.crashes);
  }
  if (total.seconds > 0) total.per_second = static_cast<double>(total.executions) / total.seconds;
  return total;
}

std::string SummaryTable(const std::vector<ReportTarget>& targets) {
  std::string html =
      "<table><tr><th>target<th class=figure>seconds<th class=figure>runs<th class=figure>a second"
      "<th class=figure>edges<th class=figure>states<th class=figure>inputs<th class=figure>bugs\n";
  for (const ReportTarget& target : targets) {
    const CampaignSample total = Total(target);
    absl::StrAppendFormat(&html, "<tr><td><a href=\"#%s\">%s</a>", target.name, target.name);
    for (const double figure :
         {total.seconds, static_cast<double>(total.executions), total.per_second,
          static_cast<double>(total.edges), static_cast<double>(total.states),
          static_cast<double>(total.corpus), static_cast<double>(target.bugs.size())}) {
      absl::StrAppendFormat(&html, "<td class=figure>%.0f", figure);
    }
    absl::StrAppend(&html, "\n");
  }
  return html + "</table>\n";
}

}  // namespace

absl::StatusOr<ReportTarget> ReadCampaign(const Workspace& workspace, const std::string& out) {
  ReportTarget target;
  const std::vector<std::string> descriptions = FilesNamed(out, "campaign", ".json");
  if (descriptions.empty()) {
    return absl::NotFoundError(absl::StrCat(out, ": no campaign has run here"));
  }
  for (const std::string& file : descriptions) {
    if (absl::Status status = ReadDescription(file, &target); !status.ok()) return status;
  }
  for (const std::string& file : FilesNamed(out, "progress", ".jsonl")) {
    const absl::StatusOr<std::string> text = ReadText(file);
    if (!text.ok()) return text.status();
    target.workers.push_back(ParseProgress(*text));
  }
  if (absl::Status status = ReadBugs(workspace, out, &target); !status.ok()) return status;
  return target;
}

std::vector<std::string> LadderLines(const std::vector<std::string>& events) {
  std::vector<std::string> lines;
  for (const std::string& event : events) {
    // "   17      0.000360000     0 wire     < IP ...".
    const bool is_frame = event.find(" wire ") != std::string::npos;
    const bool is_call = event.find(" syscall ") != std::string::npos;
    if (!is_frame && !is_call) continue;
    std::string line = event;
    const size_t mark = event.find_first_of("<>");
    if (is_frame && mark != std::string::npos) {
      line.replace(mark, 1, event[mark] == '<' ? "  ────▶ " : "◀────   ");
    }
    lines.push_back(std::move(line));
  }
  if (lines.size() > kLadderLines) {
    lines.erase(lines.begin(), lines.end() - static_cast<std::ptrdiff_t>(kLadderLines));
  }
  return lines;
}

std::vector<CampaignSample> ParseProgress(std::string_view text) {
  std::vector<CampaignSample> samples;
  std::istringstream lines{std::string(text)};
  double before = 0;  // a campaign that was resumed counts its seconds anew
  for (std::string line; std::getline(lines, line);) {
    const auto json = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!json.is_object()) continue;
    CampaignSample sample;
    sample.seconds = json.value("seconds", 0.0) + before;
    if (!samples.empty() && sample.seconds < samples.back().seconds) {
      before = samples.back().seconds;
      sample.seconds = json.value("seconds", 0.0) + before;
    }
    sample.executions = json.value("executions", uint64_t{0});
    sample.per_second = json.value("per_second", 0.0);
    sample.edges = json.value("edges", uint64_t{0});
    sample.states = json.value("states", uint64_t{0});
    sample.corpus = json.value("corpus", uint64_t{0});
    sample.crashes = json.value("crashes", uint64_t{0});
    sample.cut_short = json.value("cut_short", uint64_t{0});
    samples.push_back(sample);
  }
  return samples;
}

std::string ReportPage(const std::vector<ReportTarget>& targets) {
  std::string body = SummaryTable(targets);
  for (const ReportTarget& target : targets) {
    absl::StrAppend(&body, "<h2 id=\"", target.name, "\">", HtmlText(target.name), "</h2>\n");
    absl::StrAppend(&body, Preformatted(target.jobs));
    absl::StrAppend(&body, Plot(target, "edges", [](const CampaignSample& s) {
      return static_cast<double>(s.edges);
    }));
    absl::StrAppend(&body, Plot(target, "states", [](const CampaignSample& s) {
      return static_cast<double>(s.states);
    }));
    absl::StrAppend(
        &body, Plot(target, "runs a second", [](const CampaignSample& s) { return s.per_second; }));
    for (const ReportBug& bug : target.bugs) absl::StrAppend(&body, BugSection(bug));
    if (target.bugs.empty()) absl::StrAppend(&body, "<p class=held>No promise was broken.</p>\n");
  }
  return HtmlPage("Tapedeck: fuzzing", body);
}

}  // namespace tapedeck::fuzz
