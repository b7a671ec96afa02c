// Arguments of system calls as operands of the bytes spelling.
#ifndef TAPEDECK_REPLAY_SCRIPT_ARGUMENT_BYTES_H_
#define TAPEDECK_REPLAY_SCRIPT_ARGUMENT_BYTES_H_

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "replay/script/byte_record.h"
#include "replay/script/expression.h"
#include "replay/script/syscall_signature.h"

namespace tapedeck {

// A call has operands if all its arguments do. Arguments that belong together are one operand: an
// address and its length, poll's entries and their number, a socket option and its value.
bool HasOperands(std::span<const ArgumentKind> signature);

// Socket options whose value is a number: those that operands can say.
struct SocketOption {
  std::string_view level;  // "SOL_TCP"
  std::string_view name;   // "TCP_NODELAY"
};
std::span<const SocketOption> SocketOptions();
// A level or an option as an argument of setsockopt or getsockopt.
Expression SocketOptionArgument(std::string_view name);

// How many arguments the operand of the one of this kind says; 0: there is no such operand.
size_t ArgumentsOf(ArgumentKind kind);

// Appends the arguments of a call with this signature, made by `host`. REQUIRES: HasOperands().
void ReadArguments(RecordReader& reader, uint8_t host, std::span<const ArgumentKind> signature,
                   std::vector<Expression>& arguments);

// Writes them. False, having written something or other, if operands cannot say what they are.
bool WriteArguments(RecordWriter& writer, uint8_t host, std::span<const ArgumentKind> signature,
                    std::span<const Expression> arguments);

int32_t ReadFd(RecordReader& reader);
// REQUIRES: `fd` is in -1..kFdMax.
void WriteFd(RecordWriter& writer, int32_t fd);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_ARGUMENT_BYTES_H_
