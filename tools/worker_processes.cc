#include "tools/worker_processes.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <map>
#include <new>
#include <utility>
#include <vector>

namespace tapedeck::tools {

namespace {

constexpr unsigned kWorkersMax = 256;

// What all processes see.
struct Shared {
  std::atomic<size_t> next{0};                 // the task to be taken next
  std::atomic<size_t> current[kWorkersMax]{};  // the task that each worker is at
};

// How an answer begins in a worker's pipe.
struct AnswerHeader {
  uint64_t task;
  uint64_t bytes;
};

bool WriteAll(int fd, const void* data, size_t bytes) {
  const auto* at = static_cast<const char*>(data);
  while (bytes > 0) {
    const ssize_t written = write(fd, at, bytes);
    if (written <= 0) return false;
    at += written;
    bytes -= static_cast<size_t>(written);
  }
  return true;
}

// What has been written to the file, which is empty afterwards.
std::string TakeErrors(int fd) {
  std::string text;
  const off_t bytes = lseek(fd, 0, SEEK_END);
  if (bytes <= 0) return text;
  text.resize(static_cast<size_t>(bytes));
  const ssize_t read = pread(fd, text.data(), text.size(), 0);
  text.resize(read < 0 ? 0 : static_cast<size_t>(read));
  lseek(fd, 0, SEEK_SET);
  if (ftruncate(fd, 0) != 0) text += "(these lines may come again)\n";
  return text;
}

class Pool {
 public:
  Pool(size_t count, const std::function<std::string(size_t)>& task,
       const std::function<void(size_t, const TaskResult&)>& done, bool catch_errors)
      : count_(count), task_(task), done_(done), catch_errors_(catch_errors) {}

  bool Run(unsigned workers) {
    void* const memory =
        mmap(nullptr, sizeof(Shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED) return false;
    shared_ = new (memory) Shared;
    workers_.resize(workers);
    bool made = true;
    for (unsigned i = 0; i < workers; ++i) made = Start(i) && made;
    while (ReadSome()) {
    }
    munmap(memory, sizeof(Shared));
    return made;
  }

 private:
  struct Worker {
    pid_t pid = -1;
    int fd = -1;           // what it answers
    int errors_fd = -1;    // what its task has written to stderr, where that is caught
    std::string received;  // of it, and not understood yet
  };

  bool Start(unsigned i) {
    int ends[2];
    if (pipe(ends) != 0) return false;
    const int errors_fd = catch_errors_ ? memfd_create("stderr", MFD_CLOEXEC) : -1;
    // What is still in our buffer is ours to print.
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      for (const Worker& other : workers_) {
        if (other.fd >= 0) close(other.fd);
      }
      close(ends[0]);
      // Nobody waits for the tasks of a parent that is gone.
      prctl(PR_SET_PDEATHSIG, SIGKILL);
      Work(i, ends[1], errors_fd);
    }
    close(ends[1]);
    if (pid < 0) {
      close(ends[0]);
      if (errors_fd >= 0) close(errors_fd);
      return false;
    }
    workers_[i] = {pid, ends[0], errors_fd, {}};
    return true;
  }

  [[noreturn]] void Work(unsigned i, int fd, int errors_fd) {
    const int stderr_fd = errors_fd >= 0 ? dup(STDERR_FILENO) : -1;
    if (errors_fd >= 0) dup2(errors_fd, STDERR_FILENO);
    while (true) {
      const size_t task = shared_->next++;
      if (task >= count_) _exit(0);
      shared_->current[i] = task;
      const std::string answer = task_(task);
      std::fflush(nullptr);
      if (errors_fd >= 0) {
        const std::string errors = TakeErrors(errors_fd);
        WriteAll(stderr_fd, errors.data(), errors.size());
      }
      const AnswerHeader header{task, answer.size()};
      if (!WriteAll(fd, &header, sizeof(header)) || !WriteAll(fd, answer.data(), answer.size())) {
        _exit(1);
      }
    }
  }

  // Waits for workers and hears them; false where none is left.
  bool ReadSome() {
    std::vector<::pollfd> fds;
    for (const Worker& worker : workers_) {
      if (worker.fd >= 0) fds.push_back({worker.fd, POLLIN, 0});
    }
    if (fds.empty()) return false;
    poll(fds.data(), fds.size(), -1);
    for (const ::pollfd& ready : fds) {
      if (ready.revents == 0) continue;
      for (unsigned i = 0; i < workers_.size(); ++i) {
        if (workers_[i].fd == ready.fd) Hear(i);
      }
    }
    return true;
  }

  void Hear(unsigned i) {
    Worker& worker = workers_[i];
    char buffer[65536];
    const ssize_t bytes = read(worker.fd, buffer, sizeof(buffer));
    if (bytes > 0) {
      worker.received.append(buffer, static_cast<size_t>(bytes));
      while (TakeAnswer(worker)) {
      }
      return;
    }
    close(worker.fd);
    worker.fd = -1;
    int status = 0;
    waitpid(worker.pid, &status, 0);
    TaskResult result;
    if (worker.errors_fd >= 0) {
      result.errors = TakeErrors(worker.errors_fd);
      close(worker.errors_fd);
    }
    if (WIFSIGNALED(status)) result.signal = WTERMSIG(status);
    if (WIFEXITED(status)) result.exit_code = WEXITSTATUS(status);
    if (!result.crashed()) return;
    Note(shared_->current[i], std::move(result));
    Start(i);
  }

  bool TakeAnswer(Worker& worker) {
    AnswerHeader header;
    if (worker.received.size() < sizeof(header)) return false;
    std::memcpy(&header, worker.received.data(), sizeof(header));
    const size_t whole = sizeof(header) + static_cast<size_t>(header.bytes);
    if (worker.received.size() < whole) return false;
    Note(static_cast<size_t>(header.task),
         {worker.received.substr(sizeof(header), static_cast<size_t>(header.bytes)), 0, 0, {}});
    worker.received.erase(0, whole);
    return true;
  }

  void Note(size_t task, TaskResult result) {
    results_[task] = std::move(result);
    for (auto first = results_.find(next_done_); first != results_.end();
         first = results_.find(next_done_)) {
      done_(next_done_++, first->second);
      results_.erase(first);
    }
  }

  size_t count_;
  const std::function<std::string(size_t)>& task_;
  const std::function<void(size_t, const TaskResult&)>& done_;
  bool catch_errors_;
  Shared* shared_ = nullptr;
  std::vector<Worker> workers_;
  std::map<size_t, TaskResult> results_;  // those that others must come before
  size_t next_done_ = 0;
};

}  // namespace

std::string TaskResult::CrashText() const {
  if (signal != 0) return strsignal(signal);
  return exit_code != 0 ? "exit code " + std::to_string(exit_code) : "";
}

bool RunInProcesses(size_t count, unsigned workers, const std::function<std::string(size_t)>& task,
                    const std::function<void(size_t, const TaskResult&)>& done, bool catch_errors) {
  Pool pool(count, task, done, catch_errors);
  return pool.Run(workers < kWorkersMax ? workers : kWorkersMax);
}

}  // namespace tapedeck::tools
