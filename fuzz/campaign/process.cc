#include "fuzz/campaign/process.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <thread>

#include "absl/strings/str_cat.h"

namespace tapedeck::fuzz {
namespace {

int EndOf(int status) { return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status); }

[[noreturn]] void Become(const Process::Options& options, int output_fd) {
  setpgid(0, 0);
  prctl(PR_SET_PDEATHSIG, SIGTERM);
  dup2(output_fd, STDOUT_FILENO);
  dup2(output_fd, STDERR_FILENO);
  const int nothing = open("/dev/null", O_RDONLY);
  dup2(nothing, STDIN_FILENO);
  if (!options.directory.empty() && chdir(options.directory.c_str()) != 0) _exit(126);
  for (const std::string& entry : options.environment) {
    putenv(const_cast<char*>(entry.c_str()));
  }
  std::vector<char*> argv;
  for (const std::string& word : options.argv) argv.push_back(const_cast<char*>(word.c_str()));
  argv.push_back(nullptr);
  execvp(argv[0], argv.data());
  _exit(127);
}

}  // namespace

absl::StatusOr<Process> Process::Start(const Options& options) {
  const char* const output = options.output.empty() ? "/dev/null" : options.output.c_str();
  const int fd = open(output, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
  if (fd < 0) {
    return absl::UnavailableError(absl::StrCat(output, ": cannot be written: ", strerror(errno)));
  }
  const pid_t pid = fork();
  if (pid == 0) Become(options, fd);
  close(fd);
  if (pid < 0) {
    return absl::UnavailableError(
        absl::StrCat(options.argv[0], ": no process can be made: ", strerror(errno)));
  }
  setpgid(pid, pid);
  return Process(pid);
}

Process& Process::operator=(Process&& other) noexcept {
  if (this != &other) {
    if (pid_ >= 0 && !end_.has_value()) Stop(0);
    pid_ = std::exchange(other.pid_, -1);
    end_ = other.end_;
  }
  return *this;
}

Process::~Process() {
  if (pid_ >= 0 && !end_.has_value()) Stop(0);
}

std::optional<int> Process::Poll() {
  if (end_.has_value() || pid_ < 0) return end_;
  int status = 0;
  if (waitpid(pid_, &status, WNOHANG) == pid_) end_ = EndOf(status);
  return end_;
}

void Process::Interrupt() {
  if (pid_ >= 0 && !end_.has_value()) kill(-pid_, SIGINT);
}

int Process::Stop(double seconds) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point deadline = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                                        std::chrono::duration<double>(seconds));
  if (seconds > 0) Interrupt();
  while (!Poll().has_value() && Clock::now() < deadline) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  if (!end_.has_value()) {
    kill(-pid_, SIGKILL);
    int status = 0;
    if (waitpid(pid_, &status, 0) == pid_) end_ = EndOf(status);
  }
  return end_.value_or(-1);
}

}  // namespace tapedeck::fuzz
