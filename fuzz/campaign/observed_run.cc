#include "fuzz/campaign/observed_run.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/signature.h"
#include "fuzz/observe.h"
#include "replay/outside/child_process.h"
#include "stack/base/hash.h"

namespace tapedeck::fuzz {
namespace {

constexpr int kRunSeconds = 120;
constexpr int kSignalExit = 128;  // as RunChild has it
constexpr int kUsageExit = 2;

// A file for one run of a replayer, gone afterwards.
class ScratchFile {
 public:
  static absl::StatusOr<ScratchFile> Create(std::span<const uint8_t> bytes) {
    std::string path = (std::filesystem::temp_directory_path() / "tapedeck-input-XXXXXX").string();
    const int fd = mkstemp(path.data());
    if (fd < 0) return absl::UnavailableError(absl::StrCat(path, ": cannot be made"));
    close(fd);
    ScratchFile file(path);
    if (absl::Status written = WriteBytes(path, bytes); !written.ok()) return written;
    return file;
  }
  ScratchFile(ScratchFile&& other) noexcept : path_(std::exchange(other.path_, "")) {}
  ScratchFile& operator=(ScratchFile&&) = delete;
  ~ScratchFile() {
    std::error_code error;
    if (!path_.empty()) std::filesystem::remove(path_, error);
  }
  const std::string& path() const { return path_; }

 private:
  explicit ScratchFile(std::string path) : path_(std::move(path)) {}
  std::string path_;
};

const std::vector<std::string>& RunEnvironment() {
  static const std::vector<std::string> environment = {
      "ASAN_OPTIONS=detect_leaks=0:handle_abort=0",
      "UBSAN_OPTIONS=print_stacktrace=1:print_summary=1:report_error_type=1",
      // A build that counts coverage would leave a profile in the working directory.
      "LLVM_PROFILE_FILE=/dev/null"};
  return environment;
}

RunEnd EndOfChild(int exit_code) {
  if (exit_code > kSignalExit) return {.signal = exit_code - kSignalExit};
  return {.exit_code = exit_code};
}

}  // namespace

bool SameRun(const ObservedRun& a, const ObservedRun& b) {
  return a.signature == b.signature && a.cut_short == b.cut_short &&
         a.trace_digest == b.trace_digest;
}

bool SameUntilSanitizer(const ObservedRun& a, const ObservedRun& b) {
  const auto ended_by_sanitizer = [](const ObservedRun& run) {
    return run.signature.starts_with("ASAN:") || run.signature.starts_with("UBSAN:");
  };
  if (a.signature == b.signature || ended_by_sanitizer(a) == ended_by_sanitizer(b)) return false;
  const std::vector<std::string>& first = ended_by_sanitizer(a) ? a.events : b.events;
  const std::vector<std::string>& all = ended_by_sanitizer(a) ? b.events : a.events;
  return first.size() <= all.size() && std::equal(first.begin(), first.end(), all.begin());
}

absl::StatusOr<ObservedRun> ObserveInput(const std::string& replayer,
                                         std::span<const uint8_t> input) {
  const absl::StatusOr<ScratchFile> file = ScratchFile::Create(input);
  if (!file.ok()) return file.status();
  absl::StatusOr<ChildResult> child =
      RunChild({replayer, "--trace", file->path()}, RunEnvironment(), kRunSeconds);
  // A target without a Lab has no trace: it is run as it is.
  if (child.ok() && child->exit_code == kUsageExit) {
    child = RunChild({replayer, file->path()}, RunEnvironment(), kRunSeconds);
    if (child.ok()) child->out.clear();
  }
  if (!child.ok()) return child.status();
  ObservedRun run;
  run.errors = child->err;
  run.cut_short = child->exit_code == kCutShortExit;
  if (run.cut_short) child->exit_code = 0;
  run.signature = SignatureOf(child->err, EndOfChild(child->exit_code));
  std::istringstream lines(child->out);
  for (std::string line; std::getline(lines, line);) run.events.push_back(line);
  const auto* const text = reinterpret_cast<const uint8_t*>(child->out.data());
  run.trace_digest = absl::StrFormat("%016x", SipHash24({text, child->out.size()}, {}));
  return run;
}

absl::Status WriteCaptureOfRun(const std::string& replayer, std::span<const uint8_t> input,
                               const ObservedRun& run, const std::string& path) {
  if (run.events.empty()) {
    return absl::FailedPreconditionError("the run has no event: there is nothing to capture");
  }
  const absl::StatusOr<ScratchFile> file = ScratchFile::Create(input);
  if (!file.ok()) return file.status();
  const absl::StatusOr<ChildResult> child = RunChild(
      {replayer, "--capture", path, "--until", std::to_string(run.events.size()), file->path()},
      RunEnvironment(), kRunSeconds);
  if (!child.ok()) return child.status();
  if (child->exit_code == 0) return absl::OkStatus();
  return absl::UnavailableError(absl::StrCat(path, ": ", child->err));
}

}  // namespace tapedeck::fuzz
