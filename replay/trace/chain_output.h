// Writes the digest of a run after every event, a line each, so that the first event in which two
// runs differ is the first line in which their files do:
//
//   17 9f3a6c0b8d1e2f47      0.011014664  0 neigh    192.0.2.1 NONE -> STALE
#ifndef TAPEDECK_REPLAY_TRACE_CHAIN_OUTPUT_H_
#define TAPEDECK_REPLAY_TRACE_CHAIN_OUTPUT_H_

#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/capture/output_file.h"
#include "replay/trace/digest.h"
#include "replay/trace/recorder.h"

namespace tapedeck {

// It must see all events of a run from the first, the building of the Lab included.
class ChainOutput : public TraceObserver {
 public:
  // Nothing takes the name `path` before Close.
  static absl::StatusOr<ChainOutput> Create(const std::string& path);

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

  // The first error of any write is returned here.
  absl::Status Close();

 private:
  explicit ChainOutput(capture::OutputFile file) : file_(std::move(file)) {}

  capture::OutputFile file_;
  Digest digest_;
  absl::Status status_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_TRACE_CHAIN_OUTPUT_H_
