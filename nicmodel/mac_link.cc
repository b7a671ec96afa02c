#include "nicmodel/mac_link.h"

namespace tapedeck::nic {

namespace {

constexpr uint32_t kHlreg0Reset =
    0x0000ec03 & ~kHlreg0Lpbk;  // CRC and padding inserted, CRC stripped
constexpr uint32_t kMaxFrsReset = 1518U << 16;
constexpr uint32_t kAutocReset = 0xc09c6004;  // LMS: KX4/KX/KR auto-negotiation
constexpr uint32_t kAnlp1Done =
    0x00000001;  // auto-negotiation state: not idle (a driver's reset waits for it)

}  // namespace

void MacLink::Reset(SimTime at) {
  hlreg0_ = kHlreg0Reset;
  maxfrs_ = kMaxFrsReset;
  autoc_ = kAutocReset;
  msca_ = 0;
  Restart(at);
}

void MacLink::Restart(SimTime at) {
  SetUp(at, false);
  up_at_ = plugged_ ? at + chip_.config.link_up_delay : SimTime::Never();
}

void MacLink::SetCable(SimTime at, bool plugged) {
  if (plugged == plugged_) return;
  plugged_ = plugged;
  Restart(at);
}

void MacLink::Change() {
  const SimTime at = up_at_;
  up_at_ = SimTime::Never();
  SetUp(at, true);
}

void MacLink::SetUp(SimTime at, bool up) {
  if (up == up_) return;
  up_ = up;
  ++chip_.counters.link_changes;
  chip_.irq.RaiseOther(kEicrLsc, at);
}

// Speed field: 3 for 10 Gb/s and what has no code of its own above it, 2 for 1 Gb/s, 1 for 100 Mb/s
// and below.
uint32_t MacLink::Links() const {
  if (!up_) return 0;
  uint32_t speed = 3;
  if (chip_.config.speed < LinkSpeed::k10G) speed = 2;
  if (chip_.config.speed < LinkSpeed::k1G) speed = 1;
  return kLinksUp | speed << kLinksSpeedShift;
}

bool MacLink::Read(uint32_t offset, uint32_t* value) const {
  switch (offset) {
    case kHlreg0:
      *value = hlreg0_;
      return true;
    case kMaxFrs:
      *value = maxfrs_;
      return true;
    case kAutoc:
      *value = autoc_;
      return true;
    case kLinks:
      *value = Links();
      return true;
    case kAnlp1:
      *value = kAnlp1Done;
      return true;
    case kMsca:
      *value = msca_;
      return true;
    case kMsrwd:
      *value = 0xffff0000;
      return true;  // all ones in the data read: no PHY answers
    default:
      return false;
  }
}

bool MacLink::Write(SimTime at, uint32_t offset, uint32_t value) {
  switch (offset) {
    case kHlreg0:
      hlreg0_ = value;
      return true;
    case kMaxFrs:
      maxfrs_ = value & 0xffff0000;
      return true;
    case kAutoc:
      autoc_ = value & ~kAutocRestartAn;  // clears itself
      if ((value & kAutocRestartAn) != 0) Restart(at);
      return true;
    case kMsca:
      msca_ = value & ~kMscaCommand;
      return true;  // MDIO cycles end at once
    case kLinks:
    case kAnlp1:
    case kMsrwd:
      return true;
    default:
      return false;
  }
}

}  // namespace tapedeck::nic
