// Numbers with units, as lab files have them. Nothing is rounded: what does not come out even is no
// such number.
#ifndef TAPEDECK_REPLAY_LAB_FILE_UNITS_H_
#define TAPEDECK_REPLAY_LAB_FILE_UNITS_H_

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "stack/base/time.h"

namespace tapedeck {

// "10ms", "1.5us", "2s", "30ns".
std::optional<Duration> ParseLabDuration(absl::string_view text);
// "100Mbit", "1Gbit", "9600bit", "56kbit": bits a second, units of 1000.
std::optional<uint64_t> ParseLabRate(absl::string_view text);
// "1%", "0.05%", "200ppm": parts per million, at most all of them.
std::optional<uint32_t> ParseLabShare(absl::string_view text);
// "1500", "64k", "10M", "1G": units of 1024.
std::optional<uint64_t> ParseLabBytes(absl::string_view text);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_FILE_UNITS_H_
