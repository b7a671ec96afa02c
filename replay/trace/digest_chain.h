// A run's digest event by event: a link for each, made of the link before and the event. Two runs
// are the same up to some event and different from there on, so the first difference is found by
// bisection, without the events themselves.
#ifndef TAPEDECK_REPLAY_TRACE_DIGEST_CHAIN_H_
#define TAPEDECK_REPLAY_TRACE_DIGEST_CHAIN_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/trace/recorder.h"
#include "stack/base/trace_event.h"

namespace tapedeck {

// The link of `event`, whose predecessor's is `before` (0: none): XXH3_64 of `before` and the
// event's words, as Digest::Add has them. In digest.cc.
uint64_t ChainLink(uint64_t before, const TraceEvent& event);

// Links of events 1, 2, ...; of events that are played again they are the same.
class DigestChain : public TraceObserver {
 public:
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;
  const std::vector<uint64_t>& links() const { return links_; }

 private:
  std::vector<uint64_t> links_;
};

// The number of the first event in which the two differ, one being there and the other not
// included; nullopt where they are equal.
std::optional<uint64_t> FirstDifference(std::span<const uint64_t> a, std::span<const uint64_t> b);

// A side file: the line "tapedeck digest chain 1\n", then each link in 8 bytes, little-endian.
absl::Status WriteDigestChain(const std::string& path, std::span<const uint64_t> links);
// DataLoss, with file and offset, where it is none.
absl::StatusOr<std::vector<uint64_t>> ReadDigestChain(const std::string& path);
// Whether a file begins like one.
bool IsDigestChain(const std::string& path);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_DIGEST_CHAIN_H_
