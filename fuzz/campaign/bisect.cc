#include "fuzz/campaign/bisect.h"

#include <filesystem>
#include <map>
#include <sstream>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/signature.h"
#include "replay/outside/child_process.h"

namespace tapedeck::fuzz {
namespace {

constexpr int kRunSecondsMax = 300;

absl::StatusOr<std::string> Git(const std::string& root, std::vector<std::string> words) {
  std::vector<std::string> argv = {"git", "-C", root};
  argv.insert(argv.end(), words.begin(), words.end());
  const absl::StatusOr<ChildResult> child = RunChild(argv);
  if (!child.ok()) return child.status();
  if (child->exit_code == 0) return child->out;
  return absl::InvalidArgumentError(absl::StrCat(ShellLine(argv), ": ", child->err));
}

// "HASH SUBJECT" of the commits behind `good` up to `bad`, oldest first.
absl::StatusOr<std::vector<std::string>> CommitsBetween(const std::string& root,
                                                        const BisectOptions& options) {
  const absl::StatusOr<std::string> text =
      Git(root, {"log", "--first-parent", "--reverse", "--format=%h %s",
                 absl::StrCat(options.good, "..", options.bad)});
  if (!text.ok()) return text.status();
  std::vector<std::string> commits;
  std::istringstream lines(*text);
  for (std::string line; std::getline(lines, line);) commits.push_back(line);
  if (!commits.empty()) return commits;
  return absl::InvalidArgumentError(
      absl::StrCat("no commit is behind ", options.good, " and in ", options.bad));
}

// Runs one input in builds of commits, in a work tree of its own.
class CommitTester {
 public:
  CommitTester(const CrashInput& input, const std::string& signature, const BisectOptions& options)
      : input_(input), signature_(signature), options_(options) {}

  absl::Status SetUp(const std::string& root) {
    if (absl::Status made = MakeFolder(options_.folder); !made.ok()) return made;
    std::error_code error;
    tree_ = std::filesystem::absolute(options_.folder, error).string() + "/tree";
    file_ = std::filesystem::absolute(options_.folder, error).string() + "/input";
    if (!std::filesystem::exists(tree_, error)) {
      const auto added = Git(root, {"worktree", "add", "--detach", tree_, options_.bad});
      if (!added.ok()) return added.status();
    }
    return WriteBytes(file_, input_.bytes);
  }

  absl::StatusOr<CommitState> Test(const std::string& commit) {
    const std::string hash = commit.substr(0, commit.find(' '));
    if (const auto out = Git(tree_, {"checkout", "--quiet", "--detach", hash}); !out.ok()) {
      return out.status();
    }
    std::string seen;
    const CommitState state = Judge(&seen);
    if (options_.tell) options_.tell(absl::StrCat(seen, "  ", commit));
    return state;
  }

 private:
  CommitState Judge(std::string* seen) {
    *seen = "not built";
    const absl::StatusOr<Workspace> workspace = Workspace::Find(tree_);
    if (!workspace.ok()) return CommitState::kUnknown;
    const absl::StatusOr<std::string> replayer =
        workspace->Build(options_.preset, input_.target + "_replayer", /*renew=*/true);
    if (!replayer.ok()) return CommitState::kUnknown;
    // As every version of it can be run.
    const absl::StatusOr<ChildResult> run =
        RunChild({*replayer, file_},
                 {"ASAN_OPTIONS=detect_leaks=0:handle_abort=0",
                  "UBSAN_OPTIONS=print_summary=1:report_error_type=1"},
                 kRunSecondsMax);
    if (!run.ok()) return CommitState::kUnknown;
    const bool by_signal = run->exit_code > 128;
    const std::string signature =
        SignatureOf(run->err, {.signal = by_signal ? run->exit_code - 128 : 0,
                               .exit_code = by_signal ? 0 : run->exit_code});
    *seen = signature.empty() ? "holds" : signature;
    if (signature.empty()) return CommitState::kGood;
    return signature == signature_ ? CommitState::kBad : CommitState::kUnknown;
  }

  const CrashInput& input_;
  const std::string& signature_;
  const BisectOptions& options_;
  std::string tree_;
  std::string file_;
};

}  // namespace

absl::StatusOr<FirstBad> FindFirstBad(
    size_t commits, const std::function<absl::StatusOr<CommitState>(size_t)>& test) {
  std::map<size_t, CommitState> known = {{commits - 1, CommitState::kBad}};
  FirstBad range{0, commits - 1};
  while (range.first < range.last) {
    // The commit nearest to the middle that has not been found to be unknown.
    const size_t middle = range.first + (range.last - range.first) / 2;
    std::pair<bool, size_t> next{false, 0};
    for (size_t i = range.first; i < range.last; ++i) {
      const auto distance = [&](size_t at) { return at > middle ? at - middle : middle - at; };
      if (known.contains(i)) continue;
      if (!next.first || distance(i) < distance(next.second)) next = {true, i};
    }
    if (!next.first) break;  // unknown ones are all that is left
    const absl::StatusOr<CommitState> state = test(next.second);
    if (!state.ok()) return state.status();
    known[next.second] = *state;
    if (*state == CommitState::kBad) range.last = next.second;
    if (*state == CommitState::kGood) range.first = next.second + 1;
  }
  return range;
}

absl::StatusOr<std::vector<std::string>> Bisect(const Workspace& workspace, const CrashInput& input,
                                                const std::string& signature,
                                                const BisectOptions& options) {
  absl::StatusOr<std::vector<std::string>> commits = CommitsBetween(workspace.root(), options);
  if (!commits.ok()) return commits.status();
  CommitTester tester(input, signature, options);
  if (absl::Status status = tester.SetUp(workspace.root()); !status.ok()) return status;
  const absl::StatusOr<FirstBad> range =
      FindFirstBad(commits->size(), [&](size_t i) { return tester.Test((*commits)[i]); });
  if (!range.ok()) return range.status();
  return std::vector<std::string>(commits->begin() + static_cast<std::ptrdiff_t>(range->first),
                                  commits->begin() + static_cast<std::ptrdiff_t>(range->last) + 1);
}

}  // namespace tapedeck::fuzz
