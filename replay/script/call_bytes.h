// System calls in the bytes spelling: one operation each, kCallOpBase and the call's place in
// CallStep::call.
#ifndef TAPEDECK_REPLAY_SCRIPT_CALL_BYTES_H_
#define TAPEDECK_REPLAY_SCRIPT_CALL_BYTES_H_

#include <cstdint>

#include "replay/script/byte_record.h"
#include "replay/script/script.h"

namespace tapedeck {

inline constexpr uint8_t kCallOpBase = 0x10;

// Reads the operands of the call with operation `op`, made by `host`. False if there is none.
bool ReadCall(RecordReader& reader, uint8_t op, uint8_t host, CallStep& call);

uint8_t OpOf(const CallStep& call);
// Writes the operands. REQUIRES: `call` is well-formed.
void WriteCall(RecordWriter& writer, uint8_t host, const CallStep& call);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_CALL_BYTES_H_
