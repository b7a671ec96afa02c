#include "replay/capture/findings.h"

#include "absl/strings/str_format.h"

namespace tapedeck::capture {
namespace {

// A file can be all warnings; a reader of them cannot.
constexpr size_t kWarningsMax = 100;

}  // namespace

std::string Findings::At(uint64_t offset_bytes, std::string_view text) const {
  return absl::StrFormat("%s:%d: %s", name_, offset_bytes, text);
}

void Findings::Warn(uint64_t offset_bytes, std::string_view text) {
  if (warnings_.size() < kWarningsMax) warnings_.push_back(At(offset_bytes, text));
}

void Findings::WarnOnce(Oddity oddity, uint64_t offset_bytes, std::string_view text) {
  if (counts_[static_cast<size_t>(oddity)]++ == 0) Warn(offset_bytes, text);
}

ReadResult Findings::Damage(uint64_t offset_bytes, std::string_view text) {
  if (damage_.ok()) damage_ = absl::DataLossError(At(offset_bytes, text));
  return ReadResult::kDamaged;
}

}  // namespace tapedeck::capture
