#include "nicmodel/rss.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "nicmodel/descriptors.h"
#include "nicmodel/registers.h"
#include "stack/base/byteorder.h"

namespace tapedeck::nic {

namespace {

// MRQC's field enables.
constexpr uint32_t kFieldTcpIpv4 = 1U << 16;
constexpr uint32_t kFieldIpv4 = 1U << 17;
constexpr uint32_t kFieldIpv6 = 1U << 20;
constexpr uint32_t kFieldTcpIpv6 = 1U << 21;
constexpr uint32_t kFieldUdpIpv4 = 1U << 22;
constexpr uint32_t kFieldUdpIpv6 = 1U << 23;

struct FrameKind {
  RssType type;
  size_t address_bytes;  // both addresses
  bool ports;
};

// TCP before UDP before IP alone (datasheet 7.1.2.8.1).
FrameKind KindOf(uint32_t mrqc, uint16_t packet_type) {
  if ((packet_type & kPacketIpv4) != 0) {
    if ((packet_type & kPacketTcp) != 0 && (mrqc & kFieldTcpIpv4) != 0) {
      return {RssType::kTcpIpv4, 8, true};
    }
    if ((packet_type & kPacketUdp) != 0 && (mrqc & kFieldUdpIpv4) != 0) {
      return {RssType::kUdpIpv4, 8, true};
    }
    if ((mrqc & kFieldIpv4) != 0) return {RssType::kIpv4, 8, false};
  } else if ((packet_type & kPacketIpv6) != 0) {
    if ((packet_type & kPacketTcp) != 0 && (mrqc & kFieldTcpIpv6) != 0) {
      return {RssType::kTcpIpv6, 32, true};
    }
    if ((packet_type & kPacketUdp) != 0 && (mrqc & kFieldUdpIpv6) != 0) {
      return {RssType::kUdpIpv6, 32, true};
    }
    if ((mrqc & kFieldIpv6) != 0) return {RssType::kIpv6, 32, false};
  }
  return {RssType::kNone, 0, false};
}

}  // namespace

void Rss::Reset() {
  mrqc_ = 0;
  std::memset(key_, 0, sizeof key_);
  std::memset(reta_, 0, sizeof reta_);
}

void Rss::BuildTable() {
  if (table_ == nullptr) table_ = arena_.NewTrackedArray<Table>(1);
  arena_.Wrote(table_, sizeof(Table));
  std::fill(std::begin(flows_), std::end(flows_), Flow{});
  // Bit i of the input adds key bits [i, i + 32).
  uint8_t key[kKeyWords * 4 + 8] = {};
  for (int i = 0; i < kKeyWords; ++i) StoreLe32(key + i * 4, key_[i]);
  for (size_t nibble = 0; nibble < 2 * kInputBytesMax; ++nibble) {
    const size_t first_bit = nibble * 4;
    const uint64_t bits = LoadBe64(key + first_bit / 8) << (first_bit % 8);
    uint32_t* const add = table_->add[nibble];
    // What each of the four bits adds, the last first.
    const auto bit0 = static_cast<uint32_t>(bits >> 29);
    const auto bit1 = static_cast<uint32_t>(bits >> 30);
    const auto bit2 = static_cast<uint32_t>(bits >> 31);
    const auto bit3 = static_cast<uint32_t>(bits >> 32);
    const uint32_t high[4] = {0, bit2, bit3, bit2 ^ bit3};
    for (size_t i = 0; i < 4; ++i) {
      add[4 * i] = high[i];
      add[4 * i + 1] = high[i] ^ bit0;
      add[4 * i + 2] = high[i] ^ bit1;
      add[4 * i + 3] = high[i] ^ bit0 ^ bit1;
    }
  }
}

uint32_t Rss::HashWord(size_t index, uint32_t word) const {
  const auto* const add = &table_->add[8 * index];
  return add[0][word >> 28] ^ add[1][word >> 24 & 0xf] ^ add[2][word >> 20 & 0xf] ^
         add[3][word >> 16 & 0xf] ^ add[4][word >> 12 & 0xf] ^ add[5][word >> 8 & 0xf] ^
         add[6][word >> 4 & 0xf] ^ add[7][word & 0xf];
}

uint32_t Rss::Hash(std::span<const uint8_t> input) const {
  uint32_t hash = 0;
  for (size_t i = 0; i < input.size() / 4; ++i) hash ^= HashWord(i, LoadBe32(&input[4 * i]));
  return hash;
}

uint32_t Rss::HashIpv4Flow(const uint8_t* addresses, uint32_t ports) {
  const uint32_t source = LoadBe32(addresses);
  const uint32_t destination = LoadBe32(addresses + 4);
  Flow& flow = flows_[(source ^ ports ^ ports >> 16) % kFlows];
  if (flow.source != source || flow.destination != destination || flow.ports != ports) {
    flow = {source, destination, ports,
            HashWord(0, source) ^ HashWord(1, destination) ^ HashWord(2, ports)};
  }
  return flow.hash;
}

RssResult Rss::Classify(std::span<const uint8_t> frame, const RxParse& parse) {
  const FrameKind kind = KindOf(mrqc_, parse.packet_type);
  if (kind.type == RssType::kNone) return {};
  // Source and destination address lie side by side, and so do the ports.
  const size_t addresses_at = parse.l3_offset + size_t{kind.address_bytes == 8 ? 12U : 8U};
  // Ports of 0 add nothing to a hash.
  const uint32_t ports = kind.ports ? LoadBe32(&frame[parse.ports_offset]) : 0;
  const uint32_t hash =
      kind.address_bytes == 8
          ? HashIpv4Flow(&frame[addresses_at], ports)
          : Hash(frame.subspan(addresses_at, kind.address_bytes)) ^ HashWord(8, ports);
  return {kind.type, hash, reta_[hash & 0x7f]};
}

bool Rss::Read(uint32_t offset, uint32_t* value) const {
  if (offset == kMrqc || offset == kMrqcAlias) {
    *value = mrqc_;
    return true;
  }
  if (offset >= kRssrkAlias && offset < kRssrkAlias + sizeof key_) offset += kRssrk - kRssrkAlias;
  if (offset >= kRssrk && offset < kRssrk + sizeof key_) {
    *value = key_[(offset - kRssrk) / 4];
    return true;
  }
  if (offset >= kRetaAlias && offset < kRetaAlias + sizeof reta_) offset += kReta - kRetaAlias;
  if (offset >= kReta && offset < kReta + sizeof reta_) {
    *value = LoadLe32(&reta_[offset - kReta]);
    return true;
  }
  return false;
}

bool Rss::Write(uint32_t offset, uint32_t value) {
  if (offset == kMrqc || offset == kMrqcAlias) {
    mrqc_ = value;
    if (enabled()) BuildTable();
    return true;
  }
  if (offset >= kRssrkAlias && offset < kRssrkAlias + sizeof key_) offset += kRssrk - kRssrkAlias;
  if (offset >= kRssrk && offset < kRssrk + sizeof key_) {
    key_[(offset - kRssrk) / 4] = value;
    if (enabled()) BuildTable();
    return true;
  }
  if (offset >= kRetaAlias && offset < kRetaAlias + sizeof reta_) offset += kReta - kRetaAlias;
  if (offset >= kReta && offset < kReta + sizeof reta_) {
    StoreLe32(&reta_[offset - kReta], value & 0x0f0f0f0f);
    return true;
  }
  return false;
}

}  // namespace tapedeck::nic
