// Work shared out to processes, so that all CPUs take part, and a task that brings its process down
// (a failed CHECK) ends alone.
#ifndef TAPEDECK_TOOLS_WORKER_PROCESSES_H_
#define TAPEDECK_TOOLS_WORKER_PROCESSES_H_

#include <cstddef>
#include <functional>
#include <string>

namespace tapedeck::tools {

// What became of a task.
struct TaskResult {
  std::string answer;  // what the task returned
  int signal = 0;      // that ended its process: then there is no answer
  int exit_code = 0;   // ... or with which it ended itself, as sanitizers do
  std::string errors;  // with catch_errors, of such a task: what it wrote to stderr

  bool crashed() const { return signal != 0 || exit_code != 0; }
  // "Aborted", "exit code 1"; empty for a task that has answered.
  std::string CrashText() const;
};

// Runs `task(0)` to `task(count - 1)` in `workers` processes that are forked off this one, and
// hands their results to `done`, here, in the order of their numbers and as soon as they are there.
// Tasks are taken in that order; each process keeps what its tasks leave in memory. With
// `catch_errors` what tasks write to stderr is theirs: it is in the result of one that crashed, and
// comes out once the task is done of any other. False where no process can be made.
bool RunInProcesses(size_t count, unsigned workers, const std::function<std::string(size_t)>& task,
                    const std::function<void(size_t, const TaskResult&)>& done,
                    bool catch_errors = false);

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_WORKER_PROCESSES_H_
