// The operands of faults and settings (fault_step.h) in the bytes spelling.
#ifndef TAPEDECK_REPLAY_SCRIPT_FAULT_BYTES_H_
#define TAPEDECK_REPLAY_SCRIPT_FAULT_BYTES_H_

#include <cstdint>
#include <optional>

#include "replay/script/byte_record.h"
#include "replay/script/script.h"

namespace tapedeck {

// Their operations, one behind another.
inline constexpr uint8_t kFaultOpBase = 0x07;
inline constexpr uint8_t kFaultOps = 8;

// Reads the operands of `op` into step.what. REQUIRES: kFaultOpBase <= op < kFaultOpBase +
// kFaultOps.
void ReadFault(RecordReader& reader, uint8_t op, Step& step);

// The operation of a step that is one of these and that operands can say.
std::optional<uint8_t> FaultOpOf(const Step& step);
// Writes its operands. REQUIRES: FaultOpOf(step).has_value().
void WriteFault(RecordWriter& writer, const Step& step);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_FAULT_BYTES_H_
