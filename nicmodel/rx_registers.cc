// The receive path's registers.
#include "nicmodel/rx_path.h"

namespace tapedeck::nic {

namespace {

constexpr uint32_t kRingsLow = 64;  // in the lower of the two blocks
constexpr uint32_t kAliased = 16;   // queues whose SRRCTL and DCA_RXCTRL have a second address

}  // namespace

bool RxPath::InRingBlock(uint32_t offset) const {
  return (offset >= kRxRing && offset < kRxRing + kRingsLow * kRxRingStride) ||
         (offset >= kRxRingHigh && offset < kRxRingHigh + kRingsLow * kRxRingStride) ||
         (offset >= kSrrCtlAlias && offset < kSrrCtlAlias + kAliased * 4) ||
         (offset >= kDcaRxCtrlAlias && offset < kDcaRxCtrlAlias + kAliased * 4);
}

// The queue and field that `offset` in a ring block means; nullptr where the queue or the field is
// not there.
RxRing* RxPath::RingAt(uint32_t offset, uint32_t* field) const {
  uint32_t queue = 0;
  if (offset >= kRxRingHigh) {
    queue = kRingsLow + (offset - kRxRingHigh) / kRxRingStride;
    *field = (offset - kRxRingHigh) % kRxRingStride;
  } else if (offset >= kDcaRxCtrlAlias) {
    queue = (offset - kDcaRxCtrlAlias) / 4;
    *field = kDcaRxCtrl;
  } else if (offset >= kSrrCtlAlias) {
    queue = (offset - kSrrCtlAlias) / 4;
    *field = kSrrCtl;
  } else {
    queue = (offset - kRxRing) / kRxRingStride;
    *field = (offset - kRxRing) % kRxRingStride;
  }
  const bool known = *field <= kRdt || *field == kRxDctl || *field == kRscCtl;
  return known && queue < chip_.config.rx_queues ? &rings_[queue] : nullptr;
}

bool RxPath::Read(uint32_t offset, uint32_t* value) const {
  if (InRingBlock(offset)) {
    uint32_t field = 0;
    const RxRing* const ring = RingAt(offset, &field);
    if (ring == nullptr) return false;
    *value = ring->Read(field);
    return true;
  }
  if (offset >= kRxPbSize && offset < kRxPbSize + sizeof rxpbsize_) {
    *value = rxpbsize_[(offset - kRxPbSize) / 4];
    return true;
  }
  switch (offset) {
    case kRxCtrl:
      *value = rxctrl_;
      return true;
    case kRxCsum:
      *value = rxcsum_;
      return true;
    case kRdRxCtl:
      *value = rdrxctl_ | kRdRxCtlDmaIdone;
      return true;
    case kSecRxCtrl:
      *value = secrxctrl_;
      return true;
    // The security block stands before the packet buffer: it is drained as soon as it is off.
    case kSecRxStat:
      *value = (secrxctrl_ & kSecRxCtrlRxDis) != 0 ? kSecRxStatRdy : 0;
      return true;
    default:
      return filter_.Read(offset, value) || rss_.Read(offset, value);
  }
}

bool RxPath::Write(SimTime at, uint32_t offset, uint32_t value) {
  if (InRingBlock(offset)) {
    uint32_t field = 0;
    RxRing* const ring = RingAt(offset, &field);
    if (ring == nullptr) return false;
    ring->Write(at, field, value);
    // What waits may now go on, but not before now.
    last_issue_ = Later(last_issue_, at);
    UpdateNextIssue();
    return true;
  }
  if (offset >= kRxPbSize && offset < kRxPbSize + sizeof rxpbsize_) {
    rxpbsize_[(offset - kRxPbSize) / 4] = value & 0xffc00;
    return true;
  }
  switch (offset) {
    case kRxCtrl:
      rxctrl_ = value;
      return true;
    case kRxCsum:
      rxcsum_ = value;
      return true;
    case kRdRxCtl:
      rdrxctl_ = value & ~kRdRxCtlDmaIdone;
      return true;
    case kSecRxCtrl:
      secrxctrl_ = value;
      return true;
    case kSecRxStat:
      return true;
    default:
      return filter_.Write(offset, value) || rss_.Write(offset, value);
  }
}

}  // namespace tapedeck::nic
