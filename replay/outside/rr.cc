#include "replay/outside/rr.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "replay/outside/child_process.h"

namespace tapedeck {

namespace {

namespace fs = std::filesystem;

constexpr int kProbeSeconds = 20;  // a recording that hangs is none

bool Has(const std::string& text, std::string_view part) {
  return text.find(part) != std::string::npos;
}

// The first line that says something, for a detail.
std::string FirstLine(const std::string& text) {
  size_t start = 0;
  while (start < text.size()) {
    size_t end = text.find('\n', start);
    if (end == std::string::npos) end = text.size();
    const std::string line = text.substr(start, end - start);
    if (line.find_first_not_of(" \t\r") != std::string::npos) return line;
    start = end + 1;
  }
  return "nothing was said";
}

// A directory that goes away with its contents.
class ScratchDirectory {
 public:
  ScratchDirectory() {
    std::string pattern = (fs::temp_directory_path() / "tapedeck-rr-XXXXXX").string();
    if (mkdtemp(pattern.data()) != nullptr) path_ = pattern;
  }
  ScratchDirectory(const ScratchDirectory&) = delete;
  ScratchDirectory& operator=(const ScratchDirectory&) = delete;
  ~ScratchDirectory() {
    std::error_code ignored;
    if (!path_.empty()) fs::remove_all(path_, ignored);
  }
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Standard output of a marked replay without its marks.
std::string Unmarked(const std::string& out) {
  std::string text;
  size_t start = 0;
  while (start < out.size()) {
    size_t end = out.find('\n', start);
    if (end == std::string::npos) end = out.size();
    const std::string line = out.substr(start, end - start);
    RrMarkedLine marked;
    absl::StrAppend(&text, ParseRrMarkedLine(line, &marked) ? marked.text : line, "\n");
    start = end + 1;
  }
  return text;
}

}  // namespace

const char* RrVerdictText(RrVerdict verdict) {
  switch (verdict) {
    case RrVerdict::kAvailable:
      return "available";
    case RrVerdict::kNotInstalled:
      return "not installed";
    case RrVerdict::kTooOldForProcessor:
      return "this version of rr is too old for the processor";
    case RrVerdict::kPerfForbidden:
      return "perf_event_paranoid is above 1 and there is no capability";
    case RrVerdict::kNoCounters:
      return "no hardware counters";
    case RrVerdict::kCountersReadZero:
      return "the hardware counters read zero";
    case RrVerdict::kPtraceForbidden:
      return "ptrace is forbidden";
    case RrVerdict::kZenLockMap:
      return "AMD Zen needs its SpecLockMap optimisation switched off";
    case RrVerdict::kSelfTestFailed:
      return "a recording of a program that only prints a line failed";
  }
  return "";
}

std::string RrProbe::ToString() const {
  if (available()) return absl::StrCat("rr: available (", detail, ")");
  return absl::StrCat("rr: unavailable (", RrVerdictText(verdict), ": ", detail, ")");
}

// Words of rr's own messages (PerfCounters.cc, util.cc of rr 5.6).
RrProbe JudgeRrAttempt(const RrAttempt& attempt) {
  const std::string& err = attempt.err;
  if (attempt.has_version && !attempt.has_incomplete) {
    return {RrVerdict::kAvailable, "a recording was made"};
  }
  if (Has(err, "SpecLockMap") || Has(err, "zen_workaround")) {
    return {RrVerdict::kZenLockMap, FirstLine(err)};
  }
  if (Has(err, "perf_event_paranoid") || (Has(err, "perf_event") && Has(err, "EACCES"))) {
    return {RrVerdict::kPerfForbidden, "perf_event_open: EACCES"};
  }
  if (Has(err, "counter") && (Has(err, "got 0") || Has(err, "read zero") || Has(err, "Got 0"))) {
    return {RrVerdict::kCountersReadZero, FirstLine(err)};
  }
  if (Has(err, "CPU type") && Has(err, "unknown")) {
    return {RrVerdict::kTooOldForProcessor, FirstLine(err)};
  }
  if (Has(err, "ENOENT") || Has(err, "PMU") || Has(err, "performance counters") ||
      Has(err, "HW_CPU") || Has(err, "Unable to open performance counter")) {
    return {RrVerdict::kNoCounters, "perf_event_open: ENOENT"};
  }
  if (Has(err, "ptrace") || Has(err, "PTRACE") || Has(err, "seccomp")) {
    return {RrVerdict::kPtraceForbidden, FirstLine(err)};
  }
  return {RrVerdict::kSelfTestFailed,
          absl::StrCat("exit status ", attempt.exit_code, ", ", FirstLine(err))};
}

RrAttempt LookAtRecording(const std::string& directory) {
  RrAttempt attempt;
  std::error_code none;
  attempt.has_version = fs::exists(fs::path(directory) / "version", none);
  attempt.has_incomplete = fs::exists(fs::path(directory) / "incomplete", none);
  return attempt;
}

RrProbe ProbeRr(const std::string& rr, const std::vector<std::string>& self_test) {
  const absl::StatusOr<ChildResult> version = RunChild({rr, "--version"}, {}, kProbeSeconds);
  if (!version.ok() || version->exit_code == 127) {
    return {RrVerdict::kNotInstalled, absl::StrCat("no program `", rr, "`")};
  }
  const ScratchDirectory scratch;
  if (scratch.path().empty()) return {RrVerdict::kSelfTestFailed, "no temporary directory"};
  const std::string directory = scratch.path() + "/trace";
  const absl::StatusOr<ChildResult> recorded =
      RunChild(RrRecordCommand(rr, directory, self_test), {}, kProbeSeconds);
  if (!recorded.ok()) {
    return {RrVerdict::kSelfTestFailed, std::string(recorded.status().message())};
  }
  RrAttempt attempt = LookAtRecording(directory);
  attempt.exit_code = recorded->exit_code;
  attempt.err = recorded->err;
  RrProbe probe = JudgeRrAttempt(attempt);
  if (!probe.available()) return probe;
  const absl::StatusOr<ChildResult> replayed =
      RunChild(RrPlayCommand(rr, directory), {}, kProbeSeconds);
  if (!replayed.ok() || Unmarked(replayed->out) != recorded->out) {
    return {RrVerdict::kSelfTestFailed, "the replay printed something else than the recording"};
  }
  probe.detail = FirstLine(version->out);
  return probe;
}

// --- Commands. ---

std::vector<std::string> RrRecordCommand(const std::string& rr, const std::string& directory,
                                         const std::vector<std::string>& program) {
  std::vector<std::string> argv = {rr,        "record",
                                   "-n",      "-o",
                                   directory, "--disable-avx-512",
                                   "-v",      "ASAN_OPTIONS=detect_leaks=0"};
  argv.insert(argv.end(), program.begin(), program.end());
  return argv;
}

std::vector<std::string> RrPlayCommand(const std::string& rr, const std::string& directory) {
  return {rr, "-M", "replay", "-a", directory};
}

std::vector<std::string> RrDebugCommand(const std::string& rr, const std::string& directory,
                                        const std::string& gdb_script) {
  if (gdb_script.empty()) return {rr, "-M", "replay", directory};
  return {rr, "-M", "replay", directory, "--", "-batch", "-ex", "continue", "-x", gdb_script};
}

std::vector<std::string> RrPackCommand(const std::string& rr, const std::string& directory) {
  return {rr, "pack", directory};
}

bool ParseRrMarkedLine(const std::string& line, RrMarkedLine* marked) {
  int pid = 0;
  unsigned long long event = 0;
  int length = 0;
  if (std::sscanf(line.c_str(), "[rr %d %llu]%n", &pid, &event, &length) != 2 || length == 0) {
    return false;
  }
  marked->rr_event = event;
  marked->text = line.substr(static_cast<size_t>(length));
  if (!marked->text.empty() && marked->text[0] == ' ') marked->text.erase(0, 1);
  return true;
}

}  // namespace tapedeck
