// Chooses records of a capture: by number, by time, and by an expression in the language of tcpdump
// and Wireshark's capture filters (pcap-filter(7)), which libpcap compiles for each link type.
#ifndef TAPEDECK_REPLAY_FILTER_SELECTION_H_
#define TAPEDECK_REPLAY_FILTER_SELECTION_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/capture/record_filter.h"

namespace tapedeck {

// Record numbers of a file, from 1, both ends included.
struct RecordRange {
  uint64_t first = 1;
  uint64_t last = UINT64_MAX;
  friend bool operator==(const RecordRange&, const RecordRange&) = default;
};

// A moment, from the first record of the file or since 1970.
struct CaptureMoment {
  int64_t ns = 0;
  bool is_absolute = false;
  friend bool operator==(const CaptureMoment&, const CaptureMoment&) = default;
};

struct Selection {
  std::string expression;            // empty: all
  std::vector<RecordRange> records;  // empty: all
  std::optional<CaptureMoment> from;
  std::optional<CaptureMoment> to;  // itself included

  bool empty() const {
    return expression.empty() && records.empty() && !from.has_value() && !to.has_value();
  }
};

// "7", "3-9", "3-", "-9", joined by commas.
absl::StatusOr<std::vector<RecordRange>> ParseRecordRanges(std::string_view text);
// "1.5": seconds from the first record; "2023-11-14T22:13:20.5Z": a time in UTC. Nanoseconds at
// most; a finer fraction is an error.
absl::StatusOr<CaptureMoment> ParseCaptureMoment(std::string_view text);

// The filter, null for an empty selection. An error names what libpcap does not understand of the
// expression. Link types that the expression does not fit show when such a record comes: it is not
// admitted, and status() of the filter says why.
absl::StatusOr<std::shared_ptr<capture::RecordFilter>> MakeRecordFilter(const Selection& selection);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_FILTER_SELECTION_H_
