// PCI configuration space of the 82599: a type 0 header with BAR0 (registers, 128 KB) and BAR3
// (MSI-X, 16 KB), and the power management, MSI-X and PCI Express capabilities. Source: Intel 82599
// datasheet 9.3.
#ifndef TAPEDECK_NICMODEL_CONFIG_SPACE_H_
#define TAPEDECK_NICMODEL_CONFIG_SPACE_H_

#include <cstdint>

#include "nicmodel/config.h"

namespace tapedeck::nic {

class ConfigSpace {
 public:
  static constexpr uint32_t kMsixCapability = 0x70;  // datasheet 9.3.8

  explicit ConfigSpace(const NicConfig& config);

  // `bytes` = 1, 2 or 4; `offset` is a multiple of it. Beyond the 256 bytes reads are 0 and writes
  // are ignored.
  uint32_t Read(uint32_t offset, int bytes) const;
  void Write(uint32_t offset, int bytes, uint32_t value);

  bool msix_enabled() const { return (words_[kMsixCapability / 4] >> 31 & 1) != 0; }
  bool msix_masked() const { return (words_[kMsixCapability / 4] >> 30 & 1) != 0; }

 private:
  static constexpr uint32_t kWords = 64;
  static uint32_t WritableBits(uint32_t word);

  uint32_t words_[kWords] = {};
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_CONFIG_SPACE_H_
