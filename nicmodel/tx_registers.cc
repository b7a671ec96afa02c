// The transmit path's registers.
#include "nicmodel/tx_path.h"

namespace tapedeck::nic {

namespace {

constexpr uint32_t kRingsMax = 128;

bool InRingBlock(uint32_t offset) {
  return offset >= kTxRing && offset < kTxRing + kRingsMax * kTxRingStride;
}

}  // namespace

// The queue and field that `offset` in the ring block means; nullptr where the queue or the field
// is not there.
TxRing* TxPath::RingAt(uint32_t offset, uint32_t* field) const {
  const uint32_t queue = (offset - kTxRing) / kTxRingStride;
  *field = (offset - kTxRing) % kTxRingStride;
  const bool known = *field <= kTdh || *field == kTdt || *field == kTxDctl || *field >= kTdwbal;
  return known && queue < chip_.config.tx_queues ? &rings_[queue] : nullptr;
}

// What registers say about all packets.
void TxPath::TakeSettings() {
  settings_.vlan_ethertype = static_cast<uint16_t>(dmatxctl_ >> 16);
  settings_.first_flags_mask = static_cast<uint16_t>(dtxtcpflgl_ & 0xfff);
  settings_.middle_flags_mask = static_cast<uint16_t>(dtxtcpflgl_ >> 16 & 0xfff);
  settings_.last_flags_mask = static_cast<uint16_t>(dtxtcpflgh_ & 0xfff);
}

bool TxPath::Read(uint32_t offset, uint32_t* value) const {
  if (InRingBlock(offset)) {
    uint32_t field = 0;
    const TxRing* const ring = RingAt(offset, &field);
    if (ring == nullptr) return false;
    *value = ring->Read(field);
    return true;
  }
  if (offset >= kTxPbSize && offset < kTxPbSize + sizeof txpbsize_) {
    *value = txpbsize_[(offset - kTxPbSize) / 4];
    return true;
  }
  switch (offset) {
    case kDmaTxCtl:
      *value = dmatxctl_;
      return true;
    case kDtxTcpFlgL:
      *value = dtxtcpflgl_;
      return true;
    case kDtxTcpFlgH:
      *value = dtxtcpflgh_;
      return true;
    default:
      return false;
  }
}

bool TxPath::Write(SimTime at, uint32_t offset, uint32_t value) {
  if (InRingBlock(offset)) {
    uint32_t field = 0;
    TxRing* const ring = RingAt(offset, &field);
    if (ring == nullptr) return false;
    ring->Write(at, field, value);
    if (field == kTdt) {
      Update(at);
      return true;
    }
    CountFlushing();
    // A queue that is switched off in the middle of a packet takes the packet with it.
    if (ring == current_ && !ring->enabled()) {
      assembler_.Abort();
      current_ = nullptr;
      skipping_ = false;
      offset_ = 0;
    }
    Update(at);
    return true;
  }
  if (offset >= kTxPbSize && offset < kTxPbSize + sizeof txpbsize_) {
    txpbsize_[(offset - kTxPbSize) / 4] = value & 0xffc00;
    Update(at);
    return true;
  }
  switch (offset) {
    case kDmaTxCtl:
      dmatxctl_ = value;
      TakeSettings();
      Update(at);
      return true;
    case kDtxTcpFlgL:
      dtxtcpflgl_ = value;
      TakeSettings();
      return true;
    case kDtxTcpFlgH:
      dtxtcpflgh_ = value;
      TakeSettings();
      return true;
    default:
      return false;
  }
}

}  // namespace tapedeck::nic
