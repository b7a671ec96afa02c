#include "replay/outside/child_process.h"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstring>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "stack/base/check.h"

namespace tapedeck {

namespace {

using Clock = std::chrono::steady_clock;

std::vector<char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  pointers.reserve(strings.size() + 1);
  for (const std::string& string : strings) pointers.push_back(const_cast<char*>(string.c_str()));
  pointers.push_back(nullptr);
  return pointers;
}

std::vector<std::string> WithOwnEnvironment(const std::vector<std::string>& added) {
  std::vector<std::string> all;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('=') + 1);
    bool replaced = false;
    for (const std::string& one : added)
      replaced = replaced || one.compare(0, name.size(), name) == 0;
    if (!replaced) all.push_back(text);
  }
  all.insert(all.end(), added.begin(), added.end());
  return all;
}

// The reading end of a child's output, and what has come.
struct Reader {
  int fd = -1;
  std::string* into = nullptr;
};

// Reads from both until both are at their end; false where the time was over first.
bool ReadAll(std::array<Reader, 2>& readers, Clock::time_point deadline) {
  while (readers[0].fd >= 0 || readers[1].fd >= 0) {
    std::array<pollfd, 2> polled = {{{readers[0].fd, POLLIN, 0}, {readers[1].fd, POLLIN, 0}}};
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - Clock::now()).count();
    if (left <= 0) return false;
    if (poll(polled.data(), polled.size(), static_cast<int>(left)) < 0 && errno != EINTR) break;
    for (size_t i = 0; i < readers.size(); ++i) {
      if (polled[i].revents == 0) continue;
      std::array<char, 65536> buffer;
      const ssize_t n = read(readers[i].fd, buffer.data(), buffer.size());
      if (n > 0) readers[i].into->append(buffer.data(), static_cast<size_t>(n));
      if (n > 0 || (n < 0 && errno == EINTR)) continue;
      close(readers[i].fd);
      readers[i].fd = -1;
    }
  }
  return true;
}

}  // namespace

absl::StatusOr<ChildResult> RunChild(const std::vector<std::string>& argv,
                                     const std::vector<std::string>& environment, int seconds_max) {
  std::array<std::array<int, 2>, 2> pipes;
  for (std::array<int, 2>& ends : pipes) CHECK_EQ(pipe2(ends.data(), O_CLOEXEC), 0);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, pipes[0][1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, pipes[1][1], STDERR_FILENO);
  const std::vector<std::string> all = WithOwnEnvironment(environment);
  pid_t pid = -1;
  const int error = posix_spawnp(&pid, argv[0].c_str(), &actions, nullptr, Pointers(argv).data(),
                                 Pointers(all).data());
  posix_spawn_file_actions_destroy(&actions);
  for (const std::array<int, 2>& ends : pipes) close(ends[1]);
  if (error != 0) {
    for (const std::array<int, 2>& ends : pipes) close(ends[0]);
    return absl::NotFoundError(absl::StrCat(argv[0], ": ", std::strerror(error)));
  }
  ChildResult result;
  std::array<Reader, 2> readers = {{{pipes[0][0], &result.out}, {pipes[1][0], &result.err}}};
  const bool ended = ReadAll(readers, Clock::now() + std::chrono::seconds(seconds_max));
  if (!ended) kill(pid, SIGKILL);
  for (const Reader& reader : readers) {
    if (reader.fd >= 0) close(reader.fd);
  }
  int status = 0;
  while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (!ended) {
    return absl::DeadlineExceededError(
        absl::StrCat(ShellLine(argv), ": not over after ", seconds_max, " s"));
  }
  result.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  return result;
}

void BecomeProgram(const std::vector<std::string>& argv) {
  execvp(argv[0].c_str(), Pointers(argv).data());
}

std::string OwnProgram() {
  std::error_code error;
  return std::filesystem::read_symlink("/proc/self/exe", error).string();
}

std::string ShellLine(const std::vector<std::string>& argv) {
  std::string line;
  for (const std::string& word : argv) {
    const bool plain = !word.empty() && word.find_first_not_of(
                                            "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                            "0123456789_-+=:,./@%") == std::string::npos;
    absl::StrAppend(&line, line.empty() ? "" : " ");
    if (plain) {
      line += word;
      continue;
    }
    line += '\'';
    for (const char c : word) line += c == '\'' ? std::string("'\\''") : std::string(1, c);
    line += '\'';
  }
  return line;
}

}  // namespace tapedeck
