// Writes classic pcap, little-endian, one link type, no comments: for tools that read nothing else.
#ifndef TAPEDECK_REPLAY_CAPTURE_PCAP_WRITER_H_
#define TAPEDECK_REPLAY_CAPTURE_PCAP_WRITER_H_

#include <cstdint>
#include <span>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/capture/link_type.h"
#include "replay/capture/output_file.h"

namespace tapedeck::capture {

enum class PcapResolution : uint8_t { kMicroseconds, kNanoseconds };

struct PcapFileOptions {
  LinkType link_type = LinkType::kEthernet;
  PcapResolution resolution = PcapResolution::kNanoseconds;
  uint32_t snaplen_bytes = 262144;
};

// The same calls give the same bytes. Nothing is known to be on disk before Close() returns OK.
class PcapWriter {
 public:
  static absl::StatusOr<PcapWriter> Create(OutputFile file, const PcapFileOptions& options);

  // `time_ns` since 1970, cut to the file's resolution. Error: the disk's, or a time that the
  // format cannot hold (below 0 or after 2106). REQUIRES: original_length_bytes >= data.size().
  absl::Status Write(int64_t time_ns, std::span<const uint8_t> data,
                     uint32_t original_length_bytes);
  absl::Status Close() { return file_.Close(); }

 private:
  PcapWriter(OutputFile file, PcapResolution resolution)
      : file_(std::move(file)), resolution_(resolution) {}

  OutputFile file_;
  PcapResolution resolution_;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_PCAP_WRITER_H_
