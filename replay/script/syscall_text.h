// The text spelling of system calls and what they must return.
#ifndef TAPEDECK_REPLAY_SCRIPT_SYSCALL_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_SYSCALL_TEXT_H_

#include <string>

#include "replay/script/syscall_step.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

// "bind(3, ..., ...) = 0". Leaves `returns_after` alone, which stands before it.
void ParseSyscall(TextParser& parser, SyscallStep& call);
void PrintSyscall(std::string& out, const SyscallStep& call);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SYSCALL_TEXT_H_
