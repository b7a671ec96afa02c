// A log of a host's system calls, in strace's form (strace -f -ttt -T).
//
//      [1] 10.000000 socket(AF_INET, SOCK_STREAM, IPPROTO_TCP) = 3 <0.000000>
//      [1] 10.200000 accept(3, {sa_family=AF_INET, ...}, [16]) = 4 <0.100000>
#ifndef TAPEDECK_REPLAY_LAB_STRACE_H_
#define TAPEDECK_REPLAY_LAB_STRACE_H_

#include <cstdio>
#include <map>
#include <string>

#include "stack/socket/system_call.h"

namespace tapedeck {

class StraceLog : public SyscallTracer {
 public:
  // `out` must outlive the log. Buffers are shown up to `string_bytes_max` bytes (strace -s).
  StraceLog(std::FILE* out, size_t string_bytes_max)
      : out_(out), string_bytes_max_(string_bytes_max) {}

  void Entered(const SystemCall& call, SimTime time) override;
  void Ended(const SystemCall& call, int64_t result, SimTime time) override;
  // The run is over: calls that have not ended are shown as "<unfinished ...>".
  void Finish();

  // Calls that have ended, and those of them that failed, by name.
  struct Count {
    uint64_t calls = 0;
    uint64_t errors = 0;
  };
  const std::map<std::string, Count>& counts() const { return counts_; }

 private:
  struct Open {
    SimTime entered;
    std::string call;  // "recvfrom(3"
  };

  std::FILE* out_;
  size_t string_bytes_max_;
  std::map<int, Open> open_;  // by thread
  std::map<std::string, Count> counts_;
};

// "sendto(3, \"abc\", 3, 0, NULL, 0)": what a call was given, and, of one that has ended with
// `result`, what it has filled in.
std::string StraceCallText(const SyscallArgs& args, int64_t result, size_t string_bytes_max);
// "-1 EAGAIN", "3".
std::string StraceResultText(int64_t result);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_STRACE_H_
