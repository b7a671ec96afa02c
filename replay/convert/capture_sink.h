// Where captured records go: a pcapng or a pcap file, with all that it can carry, and a list of
// what it could not.
#ifndef TAPEDECK_REPLAY_CONVERT_CAPTURE_SINK_H_
#define TAPEDECK_REPLAY_CONVERT_CAPTURE_SINK_H_

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/capture/capture_reader.h"
#include "replay/capture/output_file.h"
#include "replay/capture/pcap_writer.h"
#include "replay/capture/pcapng_writer.h"
#include "replay/convert/anonymise.h"

namespace tapedeck {

enum class CaptureFormat : uint8_t { kPcap, kPcapng };

// What was in the input and is not in the output.
struct CaptureLosses {
  uint64_t metadata = 0;         // records whose comments, direction, queue, ... had no place
  uint64_t foreign_options = 0;  // custom options under others' numbers
  uint64_t interfaces = 0;       // names of so many interfaces
  uint64_t other_blocks = 0;     // pcapng blocks without frames
  uint64_t fcs = 0;              // records that lost their frame check sequence
  uint64_t made_ethernet = 0;    // records whose link-layer header was replaced
  uint64_t not_ethernet = 0;     // records left out since they have no way to Ethernet
  uint64_t unknown_link = 0;     // records left out since nobody knows where their addresses are

  // A line for each kind that occurred.
  std::vector<std::string> Lines() const;
};

struct CaptureSinkOptions {
  CaptureFormat format = CaptureFormat::kPcapng;
  std::optional<uint64_t> anonymise_seed;
};

// Records of one or several readers into one file. The first record of each interface adds it.
class CaptureSink {
 public:
  // `file` is written by Close() at the latest.
  CaptureSink(capture::OutputFile file, const CaptureSinkOptions& options);

  // Writes the record that `reader` has just read. Interfaces of different readers stay apart. An
  // error is the disk's, or names what the format cannot hold: a second link type in a pcap file,
  // a time before 1970.
  absl::Status Write(const capture::CaptureReader& reader, const capture::Record& record);
  // What `reader` has besides records, once it has been read to its end.
  absl::Status Finish(const capture::CaptureReader& reader);
  // Gives the file its name.
  absl::Status Close();

  const CaptureLosses& losses() const { return losses_; }
  uint64_t records() const { return records_; }

 private:
  // An interface of an input, and which of the output it became.
  struct Interface {
    const capture::CaptureReader* reader = nullptr;
    uint32_t index = 0;
    uint32_t output = 0;
  };

  // Opens the file at the first record, or at the end of an empty input.
  absl::Status Start(const capture::CaptureReader* reader, const capture::Record* record);
  absl::StatusOr<uint32_t> InterfaceOf(const capture::CaptureReader& reader,
                                       const capture::Record& record);
  absl::Status WritePcap(const capture::Record& record, std::span<const uint8_t> data);
  absl::Status WritePcapng(const capture::CaptureReader& reader, const capture::Record& record,
                           std::span<const uint8_t> data);
  // The pcapng blocks without frames that `reader` has met since it was last asked.
  absl::Status WriteOtherBlocks(const capture::CaptureReader& reader);

  CaptureSinkOptions options_;
  std::optional<Anonymiser> anonymiser_;
  std::optional<capture::OutputFile> file_;  // until Start()
  std::optional<capture::PcapWriter> pcap_;
  std::optional<capture::PcapngWriter> pcapng_;
  capture::LinkType link_type_ = capture::LinkType::kEthernet;  // of the pcap file
  std::vector<Interface> interfaces_;
  std::vector<std::pair<const capture::CaptureReader*, size_t>> blocks_written_;
  std::vector<uint8_t> frame_;  // scratch
  CaptureLosses losses_;
  uint64_t records_ = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_CONVERT_CAPTURE_SINK_H_
