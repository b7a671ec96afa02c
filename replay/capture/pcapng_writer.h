// Writes pcapng: one little-endian section, any interfaces, frames with all that Wireshark shows
// beside them. Source: draft-ietf-opsawg-pcapng. Seen with tshark 4.0: frame.comment,
// frame.packet_flags_direction, frame.packet_id, frame.interface_queue, frame.drop_count,
// frame.verdict.ebpf_xdp.
#ifndef TAPEDECK_REPLAY_CAPTURE_PCAPNG_WRITER_H_
#define TAPEDECK_REPLAY_CAPTURE_PCAPNG_WRITER_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/capture/link_type.h"
#include "replay/capture/output_file.h"
#include "replay/capture/record.h"

namespace tapedeck::capture {

// What stands at the head of the file. Empty strings are left out. No date and no path belongs in
// here: equal runs write equal files.
struct SectionHeader {
  std::string hardware;
  std::string operating_system;
  std::string application;
  std::vector<std::string> comments;
};

struct InterfaceHeader {
  LinkType link_type = LinkType::kEthernet;
  uint32_t snaplen_bytes = 0;  // 0: no limit
  std::string name;
  std::string description;
};

// A value for programs rather than people, under the Private Enterprise Number kCustomPen
// (format.h).
struct CustomValue {
  bool is_text = true;
  std::span<const uint8_t> bytes;
};

// XDP's verdicts as epb_verdict carries them (linux/bpf.h, enum xdp_action).
inline constexpr uint64_t kXdpDrop = 1;
inline constexpr uint64_t kXdpPass = 2;

// A frame to write. The views need to live only until Write() returns.
struct OutputPacket {
  uint32_t interface_index = 0;  // what AddInterface() returned
  int64_t time_ns = 0;           // since 1970, or since the start of the run; not negative
  std::span<const uint8_t> data;
  uint32_t original_length_bytes = 0;  // at least data.size()
  Direction direction = Direction::kUnknown;
  uint16_t link_errors =
      0;  // bits 16-31 of epb_flags: 0x0100 CRC, 0x0080 too long, 0x0040 too short, ...
  std::optional<uint64_t> drop_count;  // frames lost since the one before on this interface
  std::optional<uint64_t> packet_id;
  std::optional<uint32_t> queue;
  std::optional<uint64_t> xdp_verdict;
  std::span<const std::string_view> comments;
  std::span<const CustomValue> custom;
};

struct InterfaceStatistics {
  uint32_t interface_index = 0;
  int64_t time_ns = 0;
  uint64_t received = 0;
  uint64_t dropped = 0;
  std::span<const std::string_view> comments;
};

// The same calls give the same bytes. Every call returns the disk's error if there was one;
// InvalidArgument names what the format cannot hold (an option longer than 65535 bytes, a negative
// time), and then nothing of that call is written. Nothing is known to be on disk before Close()
// returns OK.
class PcapngWriter {
 public:
  static absl::StatusOr<PcapngWriter> Create(OutputFile file, const SectionHeader& section);

  // Returns the interface's index, from 0. May be called at any time before the interface's first
  // packet.
  absl::StatusOr<uint32_t> AddInterface(const InterfaceHeader& interface);
  // REQUIRES: the interface exists, and the original length is not below that of `data`.
  absl::Status Write(const OutputPacket& packet);
  absl::Status Write(const InterfaceStatistics& statistics);
  // A block that a reader kept, as it is. False, with nothing written, when it came from a
  // big-endian section: the inside of a block that we do not know cannot be turned round.
  absl::StatusOr<bool> Write(const OtherBlock& block);
  // Hands what was written to the system: it is in the file even if the program is killed.
  absl::Status Flush() { return file_.Flush(); }
  absl::Status Close() { return file_.Close(); }

 private:
  explicit PcapngWriter(OutputFile file) : file_(std::move(file)) {}

  // A block is built in block_ and appended to the file as one piece.
  void Begin(uint32_t type);
  void PutU16(uint16_t value);
  void PutU32(uint32_t value);
  void PutTime(int64_t time_ns);
  void PutPadded(std::span<const uint8_t> bytes);
  void PutOption(uint16_t code, std::span<const uint8_t> value);
  void PutOption(uint16_t code, std::string_view text);
  void PutOption32(uint16_t code, uint32_t value);
  void PutOption64(uint16_t code, uint64_t value);
  void PutPacketOptions(const OutputPacket& packet);
  // Ends the options, if there are any, and the block.
  absl::Status End();

  OutputFile file_;
  std::vector<uint8_t> block_;  // reused, so that a frame costs no allocation
  size_t options_start_ = 0;    // where the options of block_ begin
  bool too_long_ = false;       // an option of block_ does not fit its 16-bit length
  uint32_t interface_count_ = 0;
};

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_PCAPNG_WRITER_H_
