// The options of pcapng blocks: code, length, value padded to 32 bits, up to opt_endofopt or the
// end of the block.
#ifndef TAPEDECK_REPLAY_CAPTURE_OPTIONS_H_
#define TAPEDECK_REPLAY_CAPTURE_OPTIONS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "replay/capture/file_order.h"
#include "replay/capture/record.h"

namespace tapedeck::capture {

struct Option {
  uint16_t code = 0;
  std::span<const uint8_t> value;  // without its padding

  std::string_view text() const {
    return {reinterpret_cast<const char*>(value.data()), value.size()};
  }
};

// Walks an option area. Never reads past it.
class OptionReader {
 public:
  OptionReader(std::span<const uint8_t> area, FileOrder order) : rest_(area), order_(order) {}

  // The next option into `option`. False at opt_endofopt, at the end of the area, or at an option
  // that runs past it; overrun() tells the last from the others.
  bool Next(Option& option);
  bool overrun() const { return overrun_; }

 private:
  std::span<const uint8_t> rest_;
  FileOrder order_;
  bool overrun_ = false;
};

// A custom option: whose it is by Private Enterprise Number, and what it says.
struct CustomOption {
  uint32_t pen = 0;
  bool is_text = false;
  std::span<const uint8_t> value;
};

// What the options of a packet block say beyond what Record carries.
struct PacketMetadata {
  std::vector<std::string_view> comments;  // point into the reader's bytes
  uint32_t link_errors = 0;                // epb_flags, bits 16-31, moved down
  std::optional<uint64_t> packet_id;
  std::optional<uint32_t> queue;
  std::optional<uint64_t> drop_count;   // frames lost between this one and the one before
  std::optional<uint64_t> xdp_verdict;  // epb_verdict of type Linux XDP; 1 is XDP_DROP
  std::vector<CustomOption> custom;
};

// Decodes `record.options`. Options of a wrong length are left out, as are those behind an overrun.
// Allocates; not for every frame of a large file.
PacketMetadata MetadataOf(const Record& record);

}  // namespace tapedeck::capture

#endif  // TAPEDECK_REPLAY_CAPTURE_OPTIONS_H_
