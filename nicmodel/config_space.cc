#include "nicmodel/config_space.h"

#include "nicmodel/registers.h"

namespace tapedeck::nic {

namespace {

constexpr uint32_t kVendorIntel = 0x8086;
constexpr uint32_t kClassEthernetRevision1 = 0x02000001;
constexpr uint32_t kStatusCapabilities = 1U << 20;
constexpr uint32_t kPowerManagement = 0x40;
constexpr uint32_t kPcieCapability = 0xa0;
constexpr uint32_t kBar0Bytes = 128 * 1024;
constexpr uint32_t kBar3Bytes = 16 * 1024;
constexpr uint32_t kMsixBar = 3;

}  // namespace

ConfigSpace::ConfigSpace(const NicConfig& config) {
  words_[0x00 / 4] = kVendorIntel | uint32_t{config.device_id} << 16;
  words_[0x04 / 4] = kStatusCapabilities;
  words_[0x08 / 4] = kClassEthernetRevision1;
  words_[0x2c / 4] = kVendorIntel;
  words_[0x34 / 4] = kPowerManagement;
  words_[kPowerManagement / 4] = 0x0003'0001 | kMsixCapability << 8;
  words_[kMsixCapability / 4] = 0x11 | kPcieCapability << 8 | (config.vectors - 1U) << 16;
  words_[kMsixCapability / 4 + 1] = kMsixTable | kMsixBar;
  words_[kMsixCapability / 4 + 2] = kMsixPba | kMsixBar;
  words_[kPcieCapability / 4] = 0x0002'0010;  // version 2, endpoint, last capability
  words_[0xac / 4] = 0x0000'0082;             // link capabilities: 5 GT/s, eight lanes
  words_[0xb0 / 4] = 0x0082'0000;             // link status: the same
}

uint32_t ConfigSpace::WritableBits(uint32_t word) {
  switch (word * 4) {
    case 0x04:
      return 0x0000'0546;  // memory, bus master, parity, SERR, INTx disable
    case 0x0c:
      return 0x0000'00ff;  // cache line size
    case 0x10:
      return ~(kBar0Bytes - 1);  // a size: its low bits stay 0
    case 0x1c:
      return ~(kBar3Bytes - 1);
    case 0x3c:
      return 0x0000'00ff;  // interrupt line
    case kPowerManagement + 4:
      return 0x0000'0103;
    case kMsixCapability:
      return 0xc000'0000;  // enable, function mask
    case kPcieCapability + 8:
      return 0x0000'ffff;
    default:
      return 0;
  }
}

uint32_t ConfigSpace::Read(uint32_t offset, int bytes) const {
  if (offset / 4 >= kWords) return 0;
  const uint32_t value = words_[offset / 4] >> (offset % 4 * 8);
  return bytes == 4 ? value : value & ((1U << (bytes * 8)) - 1);
}

void ConfigSpace::Write(uint32_t offset, int bytes, uint32_t value) {
  if (offset / 4 >= kWords) return;
  const uint32_t shift = offset % 4 * 8;
  const uint32_t lanes = bytes == 4 ? ~0U : ((1U << (bytes * 8)) - 1) << shift;
  const uint32_t mask = lanes & WritableBits(offset / 4);
  words_[offset / 4] = (words_[offset / 4] & ~mask) | (value << shift & mask);
}

}  // namespace tapedeck::nic
