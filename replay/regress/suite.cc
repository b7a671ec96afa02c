#include "replay/regress/suite.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <span>
#include <system_error>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "replay/capture/output_file.h"
#include "replay/regress/difference.h"
#include "replay/regress/golden.h"
#include "replay/regress/line_diff.h"

namespace tapedeck::regress {

namespace {

absl::StatusOr<std::string> ReadGolden(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": no such golden"));
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

std::string DiffOf(const std::string& path, const std::string& before, const std::string& after) {
  const std::vector<std::string> a = absl::StrSplit(before, '\n');
  const std::vector<std::string> b = absl::StrSplit(after, '\n');
  const std::string name = before.empty() ? std::string("/dev/null") : path;
  return absl::StrCat("--- ", name, "\n+++ ", path, "\n", UnifiedDiff(a, b));
}

// What the golden would be were it made now, without another reason.
std::string Remade(const Golden& golden, const RunText& run) {
  Golden now = MakeGolden(run, &golden, "");
  now.reasons = golden.reasons;
  return GoldenText(now);
}

void Fail(std::string message, CaseReport* report) {
  report->verdict = Verdict::kFailed;
  report->message = std::move(message);
}

// A case that has no golden.
void JudgeNew(const CaseFile& one, const PlayedCase& run, const JudgeOptions& options,
              CaseReport* report) {
  report->verdict = Verdict::kNew;
  if (!options.update) return;
  report->new_golden = GoldenText(MakeGolden(run.text, nullptr, options.reason));
  if (options.diff) report->diff = DiffOf(one.golden, "", report->new_golden);
}

void Compare(const CaseFile& one, const PlayedCase& run, const std::string& text,
             const JudgeOptions& options, CaseReport* report) {
  const absl::StatusOr<Golden> golden = ParseGolden(text, one.golden);
  if (!golden.ok()) return Fail(std::string(golden.status().message()), report);
  const std::optional<Difference> difference = FindDifference(*golden, run.text);
  if (!difference.has_value()) return;
  Fail(absl::StrCat("first difference ", difference->first), report);
  report->columns = difference->columns;
  if (options.update) {
    report->new_golden = GoldenText(MakeGolden(run.text, &*golden, options.reason));
    report->diff = DiffOf(one.golden, text, report->new_golden);
  } else if (options.diff) {
    report->diff = DiffOf(one.golden, text, Remade(*golden, run.text));
  }
}

}  // namespace

const char* VerdictName(Verdict verdict) {
  switch (verdict) {
    case Verdict::kPassed:
      return "passed";
    case Verdict::kFailed:
      return "failed";
    case Verdict::kNew:
      return "new";
    case Verdict::kSkipped:
      return "skipped";
  }
  return "";
}

CaseReport Judge(const CaseFile& one, const PlayedCase& run,
                 const absl::StatusOr<std::string>& golden, const JudgeOptions& options) {
  CaseReport report;
  report.digest = run.digest;
  report.virtual_ns = run.virtual_ns;
  if (run.outcome == PlayedCase::Outcome::kSkipped) {
    report.verdict = Verdict::kSkipped;
    report.message = run.message;
  } else if (run.outcome == PlayedCase::Outcome::kFailed) {
    Fail(run.message, &report);
  } else if (!golden.ok()) {
    JudgeNew(one, run, options, &report);
  } else {
    Compare(one, run, *golden, options, &report);
  }
  return report;
}

CaseReport RunCase(const CaseFile& one, const JudgeOptions& options, uint64_t events_max) {
  CaseReport report;
  const absl::StatusOr<CaseSettings> settings = ReadSettings(one);
  if (!settings.ok()) {
    Fail(std::string(settings.status().message()), &report);
    return report;
  }
  report.message = ReasonToSkip(*settings);
  if (!report.message.empty()) {
    report.verdict = Verdict::kSkipped;
    return report;
  }
  const PlayedCase run = PlayCase(one, *settings, events_max);
  if (settings->golden) return Judge(one, run, ReadGolden(one.golden), options);
  report = Judge(one, run, absl::NotFoundError("it wants none"), {});
  if (report.verdict == Verdict::kNew) report.verdict = Verdict::kPassed;
  return report;
}

absl::Status WriteGolden(const std::string& path, std::string_view text) {
  std::error_code error;
  const std::filesystem::path folder = std::filesystem::path(path).parent_path();
  if (!folder.empty()) std::filesystem::create_directories(folder, error);
  if (error) return absl::UnknownError(absl::StrCat(folder.string(), ": ", error.message()));
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(path);
  if (!file.ok()) return file.status();
  const std::span bytes(reinterpret_cast<const uint8_t*>(text.data()), text.size());
  if (absl::Status status = file->Append(bytes); !status.ok()) return status;
  return file->Close();
}

}  // namespace tapedeck::regress
