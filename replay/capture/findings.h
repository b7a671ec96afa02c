// What a reader found wrong in a file: warnings, and at most one damage that ends the reading.
#ifndef TAPEDECK_REPLAY_CAPTURE_FINDINGS_H_
#define TAPEDECK_REPLAY_CAPTURE_FINDINGS_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "replay/capture/record.h"

namespace tapedeck::capture {

// Kinds of warning of which a file may hold thousands; the first of each kind in a file is told,
// all are counted.
enum class Oddity : uint8_t {
  kFractionTooLarge,  // microseconds above 999999
  kOriginalBelowCaptured,
  kCapturedAboveSnaplen,
  kTimeOutOfRange,
  kPacketOptions,
  kBlockLengthUnaligned,
  kStatistics,
  kCount,
};

class Findings {
 public:
  // `name` is what messages call the file.
  explicit Findings(std::string name) : name_(std::move(name)) {}

  // "name:offset: text"
  std::string At(uint64_t offset_bytes, std::string_view text) const;

  void Warn(uint64_t offset_bytes, std::string_view text);
  // Counts `oddity`; warns at its first occurrence.
  void WarnOnce(Oddity oddity, uint64_t offset_bytes, std::string_view text);
  // Keeps the first damage. Returns kDamaged, for the reader to return in turn.
  ReadResult Damage(uint64_t offset_bytes, std::string_view text);

  const std::string& name() const { return name_; }
  const std::vector<std::string>& warnings() const { return warnings_; }
  uint64_t count(Oddity oddity) const { return counts_[static_cast<size_t>(oddity)]; }
  const absl::Status& damage() const { return damage_; }

 private:
  std::string name_;
  std::vector<std::string> warnings_;
  uint64_t counts_[static_cast<size_t>(Oddity::kCount)] = {};
  absl::Status damage_;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_FINDINGS_H_
