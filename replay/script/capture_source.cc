#include "replay/script/capture_source.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/script/plain_ethernet.h"
#include "replay/script/script.h"

namespace tapedeck {
namespace {

constexpr Duration kBackwardsTolerated = Duration::Milliseconds(1);
constexpr Duration kClockJump = Duration::Seconds(86'400);

std::string Frames(uint64_t count) {
  return count == 1 ? "1 frame" : absl::StrCat(count, " frames");
}

}  // namespace

// Once a frame: in one piece.
[[gnu::flatten]] bool CaptureSource::Next(TimedFrame* frame) {
  capture::Record record;
  while (reader_.Next(record) == capture::ReadResult::kRecord) {
    if (counts_.records++ == 0) start_ns_ = last_ns_ = record.time_ns;
    if (IsPlainEthernet(record)) [[likely]] {
      counts_.truncated += record.truncated();
      frame->bytes = {record.data.data(), record.data.size()};
      frame->stable = reader_.stable();
    } else if (!TakeOther(record, frame)) {
      continue;
    }
    ++counts_.frames;
    frame->time = TimeOf(record.time_ns);
    frame->file_index = record.index;
    return true;
  }
  return false;
}

bool CaptureSource::TakeOther(const capture::Record& record, TimedFrame* frame) {
  capture::EthernetFrame ethernet;
  const capture::SkipReason reason = capture::ToEthernet(record, ethernet);
  if (reason != capture::SkipReason::kNone) {
    ++counts_.skipped[static_cast<size_t>(reason)];
    return false;
  }
  counts_.truncated += ethernet.truncated();
  counts_.synthesised += ethernet.synthesised;
  counts_.fcs_stripped += ethernet.fcs_stripped_bytes != 0;
  frame->bytes = ethernet.synthesised ? Build(ethernet) : ethernet.payload;
  frame->stable = !ethernet.synthesised && reader_.stable();
  return true;
}

std::span<const uint8_t> CaptureSource::Build(const capture::EthernetFrame& ethernet) {
  const size_t frame_bytes = ethernet.size_bytes();
  if (built_.size() < frame_bytes) built_.resize(frame_bytes);
  ethernet.CopyTo(built_);
  return std::span<const uint8_t>(built_).first(frame_bytes);
}

SimTime CaptureSource::TimeOf(int64_t time_ns) {
  // Unsigned, so that the distance of the farthest times fits.
  const auto last = static_cast<uint64_t>(last_ns_);
  const auto present = static_cast<uint64_t>(time_ns);
  if (time_ns < last_ns_) [[unlikely]] {
    StepBack(Duration::Nanoseconds(last - present), time_ns);
    return SimTime::At(since_start_);
  }
  Duration gap = Duration::Nanoseconds(present - last);
  if (gap > kClockJump) [[unlikely]] {
    ++counts_.clock_jumps;
    gap = kClockJump;
  }
  last_ns_ = time_ns;
  since_start_ += gap;
  if (since_start_ > kScriptDurationMax) [[unlikely]] {
    ++counts_.beyond_end;
    since_start_ = kScriptDurationMax;
  }
  return SimTime::At(since_start_);
}

void CaptureSource::StepBack(Duration by, int64_t time_ns) {
  if (by > kClockJump) {
    ++counts_.clock_jumps;
    last_ns_ = time_ns;
  } else {
    ++counts_.backwards;
    counts_.backwards_max = std::max(counts_.backwards_max, by);
  }
}

std::vector<std::string> Warnings(const CaptureSourceCounts& counts) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < counts.skipped.size(); ++i) {
    if (counts.skipped[i] == 0) continue;
    const char* const text = SkipReasonText(static_cast<capture::SkipReason>(i));
    lines.push_back(absl::StrCat(Frames(counts.skipped[i]), " skipped: ", text));
  }
  if (counts.truncated != 0) {
    lines.push_back(absl::StrCat(Frames(counts.truncated),
                                 " not captured whole (snaplen): injected as short as captured"));
  }
  if (counts.backwards_max > kBackwardsTolerated) {
    lines.push_back(absl::StrFormat("time goes backwards %u times, by up to %u.%03u ms: held",
                                    counts.backwards, counts.backwards_max.ms(),
                                    counts.backwards_max.us() % 1'000));
  }
  if (counts.clock_jumps != 0) {
    lines.push_back(absl::StrFormat(
        "the clock jumps by more than a day %u times: no time passes backwards, a day forwards",
        counts.clock_jumps));
  }
  if (counts.beyond_end != 0) {
    lines.push_back(absl::StrCat(Frames(counts.beyond_end), " later than ",
                                 kScriptDurationMax.seconds() / 86'400,
                                 " days after the first record: injected then"));
  }
  return lines;
}

}  // namespace tapedeck
