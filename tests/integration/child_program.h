// The `tapedeck` program in a process of its own: how it ends, and how much memory it takes.
#ifndef TAPEDECK_TESTS_INTEGRATION_CHILD_PROGRAM_H_
#define TAPEDECK_TESTS_INTEGRATION_CHILD_PROGRAM_H_

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace tapedeck {

// A command that another process runs, its messages going to a file.
class Child {
 public:
  // `prepare` runs in the child.
  Child(const std::vector<std::string>& arguments, const std::string& messages,
        const std::function<void()>& prepare) {
    pid_ = fork();
    if (pid_ != 0) return;
    const int out = open(messages.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    dup2(out, STDOUT_FILENO);
    dup2(out, STDERR_FILENO);
    prepare();
    std::vector<char*> argv = {const_cast<char*>(TAPEDECK_PROGRAM)};
    for (const std::string& argument : arguments)
      argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    execv(TAPEDECK_PROGRAM, argv.data());
    _exit(127);
  }
  void Send(int signal) const { kill(pid_, signal); }
  // What waitpid() says of it, and the most memory it had, in KiB.
  std::pair<int, long> WaitAndMeasure() const {
    int status = 0;
    rusage usage = {};
    EXPECT_EQ(wait4(pid_, &status, 0, &usage), pid_);
    return {status, usage.ru_maxrss};
  }
  // What waitpid() says of it.
  int Wait() const {
    int status = 0;
    EXPECT_EQ(waitpid(pid_, &status, 0), pid_);
    return status;
  }

 private:
  pid_t pid_ = -1;
};

inline void Limit(int resource, rlim_t value) {
  const rlimit limit = {value, value};
  setrlimit(static_cast<__rlimit_resource_t>(resource), &limit);
}

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_INTEGRATION_CHILD_PROGRAM_H_
