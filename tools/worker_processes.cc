#include "tools/worker_processes.h"

#include <poll.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
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

class Pool {
 public:
  Pool(size_t count, const std::function<std::string(size_t)>& task,
       const std::function<void(size_t, const TaskResult&)>& done)
      : count_(count), task_(task), done_(done) {}

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
    std::string received;  // of it, and not understood yet
  };

  bool Start(unsigned i) {
    int ends[2];
    if (pipe(ends) != 0) return false;
    // What is still in our buffer is ours to print.
    std::fflush(nullptr);
    const pid_t pid = fork();
    if (pid == 0) {
      for (const Worker& other : workers_) {
        if (other.fd >= 0) close(other.fd);
      }
      close(ends[0]);
      Work(i, ends[1]);
    }
    close(ends[1]);
    if (pid < 0) {
      close(ends[0]);
      return false;
    }
    workers_[i] = {pid, ends[0], {}};
    return true;
  }

  [[noreturn]] void Work(unsigned i, int fd) {
    while (true) {
      const size_t task = shared_->next++;
      if (task >= count_) _exit(0);
      shared_->current[i] = task;
      const std::string answer = task_(task);
      std::fflush(nullptr);
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
    if (!WIFSIGNALED(status)) return;
    Note(shared_->current[i], {{}, WTERMSIG(status)});
    Start(i);
  }

  bool TakeAnswer(Worker& worker) {
    AnswerHeader header;
    if (worker.received.size() < sizeof(header)) return false;
    std::memcpy(&header, worker.received.data(), sizeof(header));
    const size_t whole = sizeof(header) + static_cast<size_t>(header.bytes);
    if (worker.received.size() < whole) return false;
    Note(static_cast<size_t>(header.task),
         {worker.received.substr(sizeof(header), static_cast<size_t>(header.bytes)), 0});
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
  Shared* shared_ = nullptr;
  std::vector<Worker> workers_;
  std::map<size_t, TaskResult> results_;  // those that others must come before
  size_t next_done_ = 0;
};

}  // namespace

bool RunInProcesses(size_t count, unsigned workers, const std::function<std::string(size_t)>& task,
                    const std::function<void(size_t, const TaskResult&)>& done) {
  Pool pool(count, task, done);
  return pool.Run(workers < kWorkersMax ? workers : kWorkersMax);
}

}  // namespace tapedeck::tools
