// The MAC's settings and the state of its link. Source: Intel 82599 datasheet 3.7, 8.2.3.22.
//
// The link comes up `link_up_delay` after power-on, a reset, a restart of auto-negotiation or a
// cable that is plugged in, always at the configured speed. There is no PHY behind MDIO (KX4 is a
// backplane).
#ifndef TAPEDECK_NICMODEL_MAC_LINK_H_
#define TAPEDECK_NICMODEL_MAC_LINK_H_

#include <cstdint>

#include "nicmodel/chip.h"
#include "nicmodel/registers.h"

namespace tapedeck::nic {

class MacLink {
 public:
  explicit MacLink(Chip& chip) : chip_(chip) {}

  // Register defaults, and the link restarts.
  void Reset(SimTime at);
  // The link goes down, where it is up, and comes up again after the delay.
  void Restart(SimTime at);
  // The cable is plugged in or pulled out.
  void SetCable(SimTime at, bool plugged);

  bool up() const { return up_; }
  // When the link will come up; Never() where nothing is to change.
  SimTime next_change() const { return up_at_; }
  // REQUIRES: next_change() has come.
  void Change();

  // The longest frame that is received, with FCS; a VLAN tag adds four bytes.
  uint32_t max_frame_octets() const {
    return (hlreg0_ & kHlreg0JumboEn) != 0 ? maxfrs_ >> 16 : kStandardFrameOctets;
  }
  bool pads_short_frames() const { return (hlreg0_ & kHlreg0TxPadEn) != 0; }
  bool loopback() const { return (hlreg0_ & kHlreg0Lpbk) != 0; }

  bool Read(uint32_t offset, uint32_t* value) const;
  bool Write(SimTime at, uint32_t offset, uint32_t value);

 private:
  static constexpr uint32_t kStandardFrameOctets = 1518;

  void SetUp(SimTime at, bool up);
  uint32_t Links() const;

  Chip& chip_;
  bool plugged_ = true;
  bool up_ = false;
  SimTime up_at_ = SimTime::Never();
  uint32_t hlreg0_ = 0;
  uint32_t maxfrs_ = 0;
  uint32_t autoc_ = 0;
  uint32_t msca_ = 0;
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_MAC_LINK_H_
