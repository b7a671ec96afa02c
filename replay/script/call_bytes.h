// System calls in the bytes spelling: one operation each, kCallOpBase and the number of its name.
#ifndef TAPEDECK_REPLAY_SCRIPT_CALL_BYTES_H_
#define TAPEDECK_REPLAY_SCRIPT_CALL_BYTES_H_

#include <cstdint>

#include "replay/script/byte_record.h"
#include "replay/script/syscall_step.h"

namespace tapedeck {

inline constexpr uint8_t kCallOpBase = 0x10;

// Reads the operands of the call with operation `op`, made by `host`. False if there is none.
bool ReadCall(RecordReader& reader, uint8_t op, uint8_t host, SyscallStep& call);

uint8_t OpOf(const SyscallStep& call);
// Writes the operands. False, having written something or other, if operands cannot say what the
// call is. REQUIRES: `call` is well-formed.
bool WriteCall(RecordWriter& writer, uint8_t host, const SyscallStep& call);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_CALL_BYTES_H_
