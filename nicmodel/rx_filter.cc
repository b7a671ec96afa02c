#include "nicmodel/rx_filter.h"

#include "stack/base/byteorder.h"

namespace tapedeck::nic {

namespace {

constexpr uint64_t kAddressMask = 0xffff'ffff'ffff;
constexpr uint64_t kValid = uint64_t{kRahValid} << 32;

// Six bytes as RAL/RAH hold them: the first byte lowest.
uint64_t AddressOf(const uint8_t* mac) {
  return LoadLe32(mac) | static_cast<uint64_t>(LoadLe16(mac + 4)) << 32;
}

}  // namespace

void RxFilter::Reset() {
  fctrl_ = 0;
  vlnctrl_ = 0x8100;
  mcstctrl_ = 0;
  for (uint64_t& address : address_) address = 0;
  for (uint32_t& word : mta_) word = 0;
  for (uint32_t& word : vfta_) word = 0;
  address_[0] = AddressOf(mac_.data()) | kValid;
  addresses_used_ = 1;
}

RxFilter::Verdict RxFilter::AcceptAddress(const uint8_t* dst) const {
  const uint64_t wanted = AddressOf(dst);
  if (wanted == kAddressMask) {
    if ((fctrl_ & kFctrlBam) != 0) return Verdict::kExact;
  } else {
    for (uint32_t i = 0; i < addresses_used_; ++i) {
      if ((address_[i] & (kAddressMask | kValid)) == (wanted | kValid)) return Verdict::kExact;
    }
  }
  const bool multicast = (dst[0] & 1) != 0;
  if (multicast && ((fctrl_ & kFctrlMpe) != 0 || MulticastHashHit(dst))) return Verdict::kInexact;
  return !multicast && (fctrl_ & kFctrlUpe) != 0 ? Verdict::kInexact : Verdict::kReject;
}

// Twelve bits of the address' upper end, chosen by MCSTCTRL.MO (datasheet 8.2.3.7.7).
bool RxFilter::MulticastHashHit(const uint8_t* dst) const {
  if ((mcstctrl_ & kMcstCtrlMfe) == 0) return false;
  const uint64_t address = AddressOf(dst);
  const auto hash = static_cast<uint32_t>(address >> (36 - (mcstctrl_ & 3)) & 0xfff);
  return (mta_[hash / 32] >> (hash % 32) & 1) != 0;
}

bool RxFilter::Read(uint32_t offset, uint32_t* value) const {
  switch (offset) {
    case kFctrl:
      *value = fctrl_;
      return true;
    case kVlnCtrl:
      *value = vlnctrl_;
      return true;
    case kMcstCtrl:
      *value = mcstctrl_;
      return true;
    default:
      break;
  }
  if (offset >= kRalAlias && offset < kRalAlias + 16 * 8) offset += kRal - kRalAlias;
  if (offset >= kRal && offset < kRal + kAddresses * 8) {
    const uint64_t entry = address_[(offset - kRal) / 8];
    *value = static_cast<uint32_t>((offset & 4) != 0 ? entry >> 32 : entry);
    return true;
  }
  if (offset >= kMta && offset < kMta + kTableWords * 4) {
    *value = mta_[(offset - kMta) / 4];
    return true;
  }
  if (offset >= kVfta && offset < kVfta + kTableWords * 4) {
    *value = vfta_[(offset - kVfta) / 4];
    return true;
  }
  return false;
}

bool RxFilter::Write(uint32_t offset, uint32_t value) {
  switch (offset) {
    case kFctrl:
      fctrl_ = value;
      return true;
    case kVlnCtrl:
      vlnctrl_ = value;
      return true;
    case kMcstCtrl:
      mcstctrl_ = value;
      return true;
    default:
      break;
  }
  if (offset >= kRalAlias && offset < kRalAlias + 16 * 8) offset += kRal - kRalAlias;
  if (offset >= kRal && offset < kRal + kAddresses * 8) {
    const uint32_t index = (offset - kRal) / 8;
    uint64_t& entry = address_[index];
    entry = (offset & 4) != 0 ? (entry & 0xffffffff) | static_cast<uint64_t>(value) << 32
                              : (entry & ~uint64_t{0xffffffff}) | value;
    if ((entry & kValid) != 0 && index >= addresses_used_) addresses_used_ = index + 1;
    while (addresses_used_ != 0 && (address_[addresses_used_ - 1] & kValid) == 0) --addresses_used_;
    return true;
  }
  if (offset >= kMta && offset < kMta + kTableWords * 4) {
    mta_[(offset - kMta) / 4] = value;
    return true;
  }
  if (offset >= kVfta && offset < kVfta + kTableWords * 4) {
    vfta_[(offset - kVfta) / 4] = value;
    return true;
  }
  return false;
}

}  // namespace tapedeck::nic
