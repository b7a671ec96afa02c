#include "replay/capture/options.h"

#include <algorithm>

#include "replay/capture/format.h"

namespace tapedeck::capture {
namespace {

constexpr size_t kOptionHeaderBytes = 4;
constexpr size_t kPenBytes = 4;
constexpr size_t kXdpVerdictBytes = 1 + 8;  // who judged, then the verdict

}  // namespace

bool OptionReader::Next(Option& option) {
  if (rest_.size() < kOptionHeaderBytes) {
    overrun_ = !rest_.empty();
    rest_ = {};
    return false;
  }
  option.code = order_.U16(rest_.data());
  const size_t length = order_.U16(rest_.data() + 2);
  rest_ = rest_.subspan(kOptionHeaderBytes);
  if (option.code == kOptionEnd || length > rest_.size()) {
    overrun_ = option.code != kOptionEnd;
    rest_ = {};
    return false;
  }
  option.value = rest_.first(length);
  rest_ = rest_.subspan(std::min(PaddedTo4(length), rest_.size()));
  return true;
}

PacketMetadata MetadataOf(const Record& record) {
  PacketMetadata metadata;
  OptionReader reader(record.options, record.order);
  Option option;
  while (reader.Next(option)) {
    const std::span<const uint8_t> value = option.value;
    switch (option.code) {
      case kOptionComment:
        metadata.comments.push_back(option.text());
        break;
      case kPacketFlags:
        if (value.size() == 4)
          metadata.link_errors = record.order.U32(value.data()) >> kFlagsErrorsShift;
        break;
      case kPacketDropCount:
        if (value.size() == 8) metadata.drop_count = record.order.U64(value.data());
        break;
      case kPacketId:
        if (value.size() == 8) metadata.packet_id = record.order.U64(value.data());
        break;
      case kPacketQueue:
        if (value.size() == 4) metadata.queue = record.order.U32(value.data());
        break;
      case kPacketVerdict:
        if (value.size() == kXdpVerdictBytes && value[0] == kVerdictXdp) {
          metadata.xdp_verdict = record.order.U64(value.data() + 1);
        }
        break;
      case kOptionCustomText:
      case kOptionCustomTextNotCopied:
      case kOptionCustomBytes:
      case kOptionCustomBytesNotCopied:
        if (value.size() >= kPenBytes) {
          const bool is_text =
              option.code == kOptionCustomText || option.code == kOptionCustomTextNotCopied;
          metadata.custom.push_back(
              {record.order.U32(value.data()), is_text, value.subspan(kPenBytes)});
        }
        break;
      default:  // options of later drafts and of other writers
        break;
    }
  }
  return metadata;
}

}  // namespace tapedeck::capture
