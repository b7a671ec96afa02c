#include "replay/recording/recording_format.h"

#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace tapedeck {

namespace {

constexpr absl::string_view kRecordingMagic = "tapedeck recording ";
constexpr absl::string_view kRecordingVersion = "1";
constexpr absl::string_view kMarkPrefix = "tapedeck mark ";
constexpr absl::string_view kEndPrefix = "tapedeck end ";

}  // namespace

std::string RecordingHeaderText(const RecordingHeader& header) {
  return absl::StrCat(kRecordingMagic, kRecordingVersion, "\nbuild ", header.build, "\nepoch ",
                      header.epoch_ns, "\nsettings ", LiveSettingsText(header.settings));
}

bool IsRecordingHeader(absl::string_view comment) {
  return absl::StartsWith(comment, kRecordingMagic);
}

absl::StatusOr<RecordingHeader> ParseRecordingHeader(absl::string_view comment) {
  const std::vector<std::string> lines = absl::StrSplit(comment, '\n');
  if (lines[0] != absl::StrCat(kRecordingMagic, kRecordingVersion)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", lines[0], "\": this build reads version ", kRecordingVersion));
  }
  RecordingHeader header;
  for (size_t i = 1; i < lines.size(); ++i) {
    absl::string_view line = lines[i];
    if (absl::ConsumePrefix(&line, "build ")) {
      header.build = std::string(line);
    } else if (absl::ConsumePrefix(&line, "epoch ")) {
      if (!absl::SimpleAtoi(line, &header.epoch_ns) || header.epoch_ns < 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("epoch ", line, ": expected nanoseconds since 1970"));
      }
    } else if (absl::ConsumePrefix(&line, "settings ")) {
      absl::StatusOr<LiveSettings> settings = ParseLiveSettings(line);
      if (!settings.ok()) return settings.status();
      header.settings = *std::move(settings);
    }
  }
  return header;
}

std::string RecordingMarkText(const RecordingMark& mark) {
  return absl::StrCat(mark.end ? kEndPrefix : kMarkPrefix, mark.time_ns, " ", mark.events, " ",
                      mark.digest);
}

std::optional<RecordingMark> ParseRecordingMark(absl::string_view comment) {
  RecordingMark mark;
  mark.end = absl::ConsumePrefix(&comment, kEndPrefix);
  if (!mark.end && !absl::ConsumePrefix(&comment, kMarkPrefix)) return std::nullopt;
  const std::vector<std::string> words = absl::StrSplit(comment, ' ');
  if (words.size() != 3 || !absl::SimpleAtoi(words[0], &mark.time_ns) ||
      !absl::SimpleAtoi(words[1], &mark.events)) {
    return std::nullopt;
  }
  mark.digest = words[2];
  return mark;
}

}  // namespace tapedeck
