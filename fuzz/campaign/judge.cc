#include "fuzz/campaign/judge.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "fuzz/campaign/signature.h"
#include "fuzz/judge_protocol.h"
#include "fuzz/target.h"

namespace tapedeck::fuzz {
namespace {

bool SendAll(int fd, const void* data, size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    // A judge that has died is an error of ours, not a signal.
    const ssize_t sent = send(fd, at, bytes, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent <= 0) return false;
    at += sent;
    bytes -= static_cast<size_t>(sent);
  }
  return true;
}

bool ReceiveAll(int fd, void* data, size_t bytes) {
  auto* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = recv(fd, at, bytes, 0);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

[[noreturn]] void BecomeJudge(const std::string& replayer, int fd) {
  setpgid(0, 0);  // a Ctrl-C is not for it
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  dup2(fd, STDIN_FILENO);
  dup2(fd, STDOUT_FILENO);
  // Reports of sanitizers name functions; leaks are the ledgers' to see.
  setenv("ASAN_OPTIONS", "detect_leaks=0:symbolize=1:handle_abort=0", 0);
  setenv("UBSAN_OPTIONS", "print_stacktrace=1:print_summary=1:report_error_type=1", 0);
  // A build that counts coverage would leave a profile in the working directory.
  setenv("LLVM_PROFILE_FILE", "/dev/null", 0);
  execl(replayer.c_str(), replayer.c_str(), "--judge", nullptr);
  _exit(127);
}

}  // namespace

absl::StatusOr<std::unique_ptr<ReplayerJudge>> ReplayerJudge::Start(const std::string& replayer,
                                                                    uint32_t seconds_max) {
  if (access(replayer.c_str(), X_OK) != 0) {
    return absl::NotFoundError(absl::StrCat(replayer, ": no such program"));
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return absl::UnavailableError(absl::StrCat("socketpair: ", strerror(errno)));
  }
  const pid_t pid = fork();
  if (pid == 0) BecomeJudge(replayer, ends[1]);
  close(ends[1]);
  if (pid < 0) {
    close(ends[0]);
    return absl::UnavailableError(absl::StrCat("fork: ", strerror(errno)));
  }
  std::unique_ptr<ReplayerJudge> judge(new ReplayerJudge);
  judge->replayer_ = replayer;
  judge->seconds_max_ = seconds_max;
  judge->pid_ = pid;
  judge->fd_ = ends[0];
  return judge;
}

ReplayerJudge::~ReplayerJudge() {
  close(fd_);
  kill(pid_, SIGKILL);
  int status = 0;
  waitpid(pid_, &status, 0);
}

absl::StatusOr<Judgement> ReplayerJudge::Run(std::span<const uint8_t> input) {
  const JudgeRequest request{.input_bytes = static_cast<uint32_t>(input.size()),
                             .seconds_max = seconds_max_};
  JudgeAnswer answer;
  Judgement judgement;
  bool heard =
      SendAll(fd_, &request, sizeof(request)) && SendAll(fd_, input.data(), input.size()) &&
      ReceiveAll(fd_, &answer, sizeof(answer)) && answer.error_bytes <= kJudgeErrorBytesMax;
  if (heard) {
    judgement.errors.resize(answer.error_bytes);
    heard = ReceiveAll(fd_, judgement.errors.data(), answer.error_bytes);
  }
  if (!heard) {
    return absl::UnavailableError(
        absl::StrCat(replayer_, " --judge: it does not answer; it may not be of this version"));
  }
  judgement.signal = static_cast<int>(answer.signal);
  judgement.exit_code = static_cast<int>(answer.exit_code);
  const auto end = static_cast<RunResult::End>(answer.end);
  if (end != RunResult::End::kOutOfBounds) judgement.digest = answer.digest;
  judgement.cut_short = end == RunResult::End::kCutShort;
  judgement.signature =
      SignatureOf(judgement.errors, {.signal = judgement.signal, .exit_code = judgement.exit_code});
  return judgement;
}

}  // namespace tapedeck::fuzz
