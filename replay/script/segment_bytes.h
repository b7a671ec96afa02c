// Relative TCP segments in the bytes spelling: operation kSegmentOp.
#ifndef TAPEDECK_REPLAY_SCRIPT_SEGMENT_BYTES_H_
#define TAPEDECK_REPLAY_SCRIPT_SEGMENT_BYTES_H_

#include <cstdint>

#include "replay/script/byte_record.h"
#include "replay/script/segment_step.h"

namespace tapedeck {

inline constexpr uint8_t kSegmentOp = 0x06;

// Values that one operand byte can name: likely and nasty ones.
extern const Choices kSegmentFlagChoices;
extern const Choices kSegmentLengthChoices;
extern const Choices kDistanceChoices;  // bytes of sequence space
extern const Choices kStampChoices;     // ticks of a clock of milliseconds
extern const Choices kWindowChoices;
extern const Choices kMssChoices;
extern const Choices kShiftChoices;
extern const Choices kUrgentChoices;

void ReadSegment(RecordReader& reader, SegmentStep& segment);
void WriteSegment(RecordWriter& writer, const SegmentStep& segment);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SEGMENT_BYTES_H_
