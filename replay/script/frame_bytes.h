// Frames in the bytes spelling: raw, or as one of the templates of frame_template.h.
#ifndef TAPEDECK_REPLAY_SCRIPT_FRAME_BYTES_H_
#define TAPEDECK_REPLAY_SCRIPT_FRAME_BYTES_H_

#include <array>
#include <cstdint>
#include <variant>
#include <vector>

#include "replay/script/byte_record.h"
#include "replay/script/frame_template.h"
#include "stack/base/ip_address.h"

namespace tapedeck {

// A frame as it is.
struct RawFrame {
  std::vector<uint8_t> bytes;
};

// How a frame is spelled. The place of an alternative and kFrameOpBase make its operation.
using FramePlan = std::variant<RawFrame, UdpTemplate, ArpTemplate, IcmpTemplate, Ipv4Template>;
inline constexpr uint8_t kFrameOpBase = 0x01;

// The shortest spelling of these bytes for a frame that reaches `host`: RawFrame unless a template
// builds exactly them.
FramePlan PlanFrame(std::span<const uint8_t> bytes, uint8_t host);
std::vector<uint8_t> BuildFrame(const FramePlan& plan, uint8_t host);

// Reads the operands that operation `op` has. False if that is no frame.
bool ReadFramePlan(RecordReader& reader, uint8_t op, uint8_t host, FramePlan& plan);
// Writes the operands and ends the record.
void WriteFramePlan(RecordWriter& writer, uint8_t host, const FramePlan& plan);

// The IPv4 addresses around `host` that one operand byte can name: its own, its peers', other
// hosts', and those that no host can have.
using AddressChoices = std::array<int32_t, 13>;
AddressChoices AddressChoicesOf(uint8_t host);
// Ports that one operand byte can name.
extern const Choices kPortChoices;

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_FRAME_BYTES_H_
