// Parts of a Script that have no operation of their own in the bytes spelling: they are said in the
// text spelling, one statement a record.
#ifndef TAPEDECK_REPLAY_SCRIPT_TEXT_BYTES_H_
#define TAPEDECK_REPLAY_SCRIPT_TEXT_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "replay/script/byte_record.h"
#include "replay/script/script.h"

namespace tapedeck {

inline constexpr uint8_t kOpText = 0x0f;
inline constexpr size_t kTextBytesMax = 64 * 1024;

// Reads the rest of the record as one statement. A step is returned; an option and the command line
// at the beginning or at the end become part of `script`; what is none of these is skipped.
std::optional<Step> ReadText(RecordReader& reader, Script& script);

// Records for the options and for the command lines that are not steps.
absl::Status WriteTextBeforeSteps(RecordWriter& writer, const Script& script);
absl::Status WriteTextAfterSteps(RecordWriter& writer, const Script& script);
// InvalidArgument where the text does not give the step back: it is too long.
absl::Status WriteTextStep(RecordWriter& writer, const Step& step);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_TEXT_BYTES_H_
