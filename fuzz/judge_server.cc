#include "fuzz/judge_server.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>
#include <cstdlib>
#include <memory>
#include <span>
#include <vector>

#include "fuzz/judge_protocol.h"
#include "fuzz/target.h"

namespace tapedeck::fuzz {
namespace {

constexpr uint32_t kRequestBytesMax = 1U << 26;

bool ReadAll(int fd, void* data, size_t bytes) {
  auto* at = static_cast<char*>(data);
  while (bytes > 0) {
    const ssize_t got = read(fd, at, bytes);
    if (got <= 0) return false;
    at += got;
    bytes -= static_cast<size_t>(got);
  }
  return true;
}

bool WriteAll(int fd, const void* data, size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t put = write(fd, at, bytes);
    if (put <= 0) return false;
    at += put;
    bytes -= static_cast<size_t>(put);
  }
  return true;
}

// What a run tells the process that waits for it.
struct Shared {
  RunResult result;
  bool ended = false;
};

[[noreturn]] void RunForked(std::span<const uint8_t> input, uint32_t seconds_max, int errors_fd,
                            Shared* shared) {
  // Nothing here is worth a core file, and an abort is what is waited for.
  const ::rlimit none = {0, 0};
  setrlimit(RLIMIT_CORE, &none);
  dup2(errors_fd, STDERR_FILENO);
  dup2(errors_fd, STDOUT_FILENO);  // which is the protocol's
  if (seconds_max != 0) alarm(seconds_max);
  shared->result = RunInput(input);
  shared->ended = true;
  _exit(0);
}

std::vector<char> TakeErrors(int fd) {
  const off_t end = lseek(fd, 0, SEEK_END);
  std::vector<char> errors(static_cast<size_t>(std::clamp<off_t>(end, 0, kJudgeErrorBytesMax)));
  const ssize_t got = pread(fd, errors.data(), errors.size(), 0);
  errors.resize(got < 0 ? 0 : static_cast<size_t>(got));
  return errors;
}

// False where no process can be made or the other side is gone.
bool JudgeInput(std::span<const uint8_t> input, uint32_t seconds_max, Shared* shared) {
  *shared = {};
  const int errors_fd = memfd_create("errors", MFD_CLOEXEC);
  if (errors_fd < 0) return false;
  const pid_t pid = fork();
  if (pid == 0) RunForked(input, seconds_max, errors_fd, shared);
  int status = 0;
  if (pid < 0 || waitpid(pid, &status, 0) != pid) return false;
  JudgeAnswer answer;
  if (WIFSIGNALED(status)) answer.signal = static_cast<uint32_t>(WTERMSIG(status));
  if (WIFEXITED(status)) answer.exit_code = static_cast<uint32_t>(WEXITSTATUS(status));
  // A run that ends its process by itself, and says that all is well, has not run.
  if (WIFEXITED(status) && answer.exit_code == 0 && !shared->ended) answer.exit_code = 1;
  if (shared->ended) answer.end = static_cast<uint32_t>(shared->result.end);
  answer.digest = shared->result.digest;
  const std::vector<char> errors = TakeErrors(errors_fd);
  close(errors_fd);
  answer.error_bytes = static_cast<uint32_t>(errors.size());
  return WriteAll(STDOUT_FILENO, &answer, sizeof(answer)) &&
         WriteAll(STDOUT_FILENO, errors.data(), errors.size());
}

}  // namespace

int ServeJudge() {
  void* const memory =
      mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return 2;
  auto* const shared = new (memory) Shared;
  RunInput({});  // sets the target up, once for all
  JudgeRequest request;
  while (ReadAll(STDIN_FILENO, &request, sizeof(request))) {
    if (request.input_bytes > kRequestBytesMax) return 2;
    const auto input = std::make_unique_for_overwrite<uint8_t[]>(request.input_bytes);
    if (!ReadAll(STDIN_FILENO, input.get(), request.input_bytes)) return 2;
    if (!JudgeInput({input.get(), request.input_bytes}, request.seconds_max, shared)) return 2;
  }
  return 0;
}

}  // namespace tapedeck::fuzz
