#include "nicmodel/rx_checksum.h"

#include <cstring>

#include "nicmodel/descriptors.h"
#include "nicmodel/frame_layout.h"
#include "stack/base/byteorder.h"

namespace tapedeck::nic {

namespace {

constexpr size_t kSmallFrameBytes = 256;

}  // namespace

wsum CopyAndSumL4(uint8_t* dst, std::span<const uint8_t> frame, const RxParse& parse) {
  // Few bytes: one copy is cheaper than three, and reading them once more costs little.
  if (frame.size() <= kSmallFrameBytes) {
    std::memcpy(dst, frame.data(), frame.size());
    return SumL4(frame, parse);
  }
  const size_t end = size_t{parse.l4_offset} + parse.l4_bytes;
  std::memcpy(dst, frame.data(), parse.l4_offset);
  const wsum sum =
      csum_and_copy(dst + parse.l4_offset, frame.data() + parse.l4_offset, parse.l4_bytes);
  if (end != frame.size()) std::memcpy(dst + end, frame.data() + end, frame.size() - end);
  return sum;
}

wsum SumL4(std::span<const uint8_t> frame, const RxParse& parse) {
  return csum_partial(frame.subspan(parse.l4_offset, parse.l4_bytes), 0);
}

bool L4ChecksumGood(std::span<const uint8_t> frame, const RxParse& parse, wsum l4_sum) {
  const uint8_t* const ip = &frame[parse.l3_offset];
  const uint8_t protocol = (parse.packet_type & kPacketTcp) != 0 ? kProtocolTcp : kProtocolUdp;
  uint64_t sum = uint64_t{l4_sum} + parse.l4_bytes + protocol;
  if ((parse.packet_type & kPacketIpv4) != 0) {
    sum += uint64_t{LoadBe32(ip + 12)} + LoadBe32(ip + 16);
  } else {
    for (size_t i = 8; i < 40; i += 4) sum += LoadBe32(ip + i);
  }
  return csum_from64to16(sum) == 0xffff;
}

}  // namespace tapedeck::nic
