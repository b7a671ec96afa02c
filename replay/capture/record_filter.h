// Which records of a capture a reader hands out.
#ifndef TAPEDECK_REPLAY_CAPTURE_RECORD_FILTER_H_
#define TAPEDECK_REPLAY_CAPTURE_RECORD_FILTER_H_

#include "absl/status/status.h"
#include "replay/capture/record.h"

namespace tapedeck::capture {

class RecordFilter {
 public:
  virtual ~RecordFilter() = default;
  // Whether `record` is to be seen. Depends on the record alone, so that a capture may be read more
  // than once with the same filter.
  virtual bool Admits(const Record& record) = 0;
  // Why the filter could not judge some record, which it then did not admit. OK otherwise.
  virtual absl::Status status() const { return absl::OkStatus(); }
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_RECORD_FILTER_H_
