// Which received frames the NIC keeps: destination address and VLAN. Source: Intel 82599
// datasheet 7.1.1. Left out: virtual machine pools, EtherType, 5-tuple and flow director filters.
#ifndef TAPEDECK_NICMODEL_RX_FILTER_H_
#define TAPEDECK_NICMODEL_RX_FILTER_H_

#include <cstdint>

#include "nicmodel/config.h"
#include "nicmodel/registers.h"

namespace tapedeck::nic {

class RxFilter {
 public:
  enum class Verdict : uint8_t {
    kReject,
    kExact,    // an address of the RAL/RAH table, or broadcast
    kInexact,  // multicast hash or a promiscuous mode: software has to look again (PIF)
  };

  explicit RxFilter(const MacAddress& mac) : mac_(mac) { Reset(); }

  // Power-on state: RAL/RAH 0 holds the EEPROM's address, everything else is off.
  void Reset();

  // `dst` is a frame's first six bytes.
  Verdict AcceptAddress(const uint8_t* dst) const;
  // Whether VLAN `tci` may pass; for tagged frames only.
  bool AcceptVlan(uint16_t tci) const {
    if ((vlnctrl_ & kVlnCtrlVfe) == 0) return true;
    const uint32_t id = tci & 0xfff;
    return (vfta_[id / 32] >> (id % 32) & 1) != 0;
  }
  // The EtherType that marks a VLAN tag.
  uint16_t vlan_ethertype() const { return static_cast<uint16_t>(vlnctrl_); }
  bool store_bad_frames() const { return (fctrl_ & kFctrlSbp) != 0; }

  bool Read(uint32_t offset, uint32_t* value) const;
  bool Write(uint32_t offset, uint32_t value);

 private:
  static constexpr uint32_t kAddresses = 128;
  static constexpr uint32_t kTableWords = 128;

  [[gnu::noinline]] bool MulticastHashHit(const uint8_t* dst) const;

  MacAddress mac_;
  uint32_t fctrl_;
  uint32_t vlnctrl_;
  uint32_t mcstctrl_;
  uint32_t addresses_used_;       // one past the last valid RAH
  uint64_t address_[kAddresses];  // RAL in the low half, RAH in the high half
  uint32_t mta_[kTableWords];
  uint32_t vfta_[kTableWords];
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_RX_FILTER_H_
