#include "nicmodel/tx_assembler.h"

#include <algorithm>
#include <cstring>

#include "nicmodel/frame_layout.h"
#include "nicmodel/wire_timing.h"
#include "stack/base/byteorder.h"

namespace tapedeck::nic {

namespace {

constexpr uint32_t kTcpChecksumAt = 16;
constexpr uint32_t kUdpChecksumAt = 6;
constexpr uint32_t kHeaderBytesMax = 512;  // of a packet for TSO: the smallest packet buffer

uint32_t HeaderBytesOf(const TxContext& context) {
  return uint32_t{context.mac_bytes} + context.ip_bytes + context.l4_bytes;
}

bool IsTso(const TxDescriptor& d) {
  return (TxCommandOf(d) & (kTxDext | kTxTse)) == (kTxDext | kTxTse);
}

bool HeadersMakeSense(const TxContext& context) {
  const uint32_t l4_min = context.l4_type == kTxL4Tcp ? kTcpBytesMin : kUdpBytes;
  return context.mac_bytes >= 14 && context.ip_bytes >= (context.ipv4 ? 20 : 40) &&
         context.l4_bytes >= l4_min && context.l4_type <= kTxL4Tcp && context.mss != 0 &&
         HeaderBytesOf(context) <= kHeaderBytesMax &&
         HeaderBytesOf(context) + context.mss <= TxAssembler::kFrameBytesMax;
}

}  // namespace

uint32_t TxAssembler::FrameBytesOf(const TxDescriptor& first, const TxContext& context) {
  if (IsTso(first)) return HeaderBytesOf(context) + context.mss + kTagBytes;
  if ((TxCommandOf(first) & kTxDext) != 0) return TxPayloadLengthOf(first) + kTagBytes;
  const bool whole = (TxCommandOf(first) & kTxEop) != 0;
  return (whole ? TxLengthOf(first) : kFrameBytesMax) + kTagBytes;
}

bool TxAssembler::Begin(const TxDescriptor& first, const TxContext& context,
                        const Settings& settings) {
  const uint32_t command = TxCommandOf(first);
  settings_ = settings;
  context_ = context;
  legacy_ = (command & kTxDext) == 0;
  tse_ = IsTso(first);
  vle_ = (command & kTxVle) != 0;
  ixsm_ = !legacy_ && (TxInsertsIpChecksum(first) || (tse_ && context.ipv4));
  txsm_ = !legacy_ && (TxInsertsL4Checksum(first) || tse_);
  if (!legacy_ && (vle_ || ixsm_ || txsm_) && !context.valid) return false;
  if (tse_ && !HeadersMakeSense(context)) return false;
  if (legacy_) {
    context_.vlan = static_cast<uint16_t>(first.high >> 48);
    txsm_ = (command & kTxLegacyIc) != 0;
    legacy_checksum_at_ = static_cast<uint8_t>(first.high >> 16);
    l4_at_ = static_cast<uint32_t>(first.high >> 40 & 0xff);
    checksum_at_ = legacy_checksum_at_;
  } else {
    l4_at_ = uint32_t{context.mac_bytes} + context.ip_bytes;
    checksum_at_ = l4_at_ + (context.l4_type == kTxL4Tcp ? kTcpChecksumAt : kUdpChecksumAt);
  }
  if (!legacy_ && context_.l4_type > kTxL4Tcp) txsm_ = false;  // SCTP: left out
  header_bytes_ = tse_ ? HeaderBytesOf(context) : 0;
  expected_ = legacy_ ? 0 : TxPayloadLengthOf(first) + header_bytes_;
  const uint32_t frame_bytes = FrameBytesOf(first, context) - kTagBytes;
  if (frame_bytes > kFrameBytesMax || (!legacy_ && expected_ == 0)) return false;
  busy_ = true;
  frame_ready_ = false;
  appended_ = segment_ = 0;
  frame_end_ = tse_ ? std::min(frame_bytes, expected_) : frame_bytes;
  if (tse_) header_ = NewBuffer(kHeaderBytesMax);
  StartSegment();
  return true;
}

// The chip's memory does not run out as the host's may: an allocation failure that was injected and
// lands here is passed over (it happens once).
PacketBuffer TxAssembler::NewBuffer(uint32_t bytes) {
  PacketBuffer buffer = packets_.Alloc(bytes);
  if (buffer.data == nullptr) buffer = packets_.Alloc(bytes);
  CHECK(buffer.data != nullptr);
  return buffer;
}

void TxAssembler::StartSegment() {
  frame_ = NewBuffer(kTagBytes + std::max(frame_end_, kFrameBytesMin));
  frame_bytes_ = 0;
  l4_sum_ = 0;
  if (!tse_ || segment_ == 0) return;  // the first one's headers come with the data
  // The others start with a copy of them; the last one is shorter.
  std::memcpy(frame_.data + kTagBytes, header_.data, header_bytes_);
  frame_bytes_ = header_bytes_;
  frame_end_ = header_bytes_ + std::min<uint32_t>(context_.mss, expected_ - appended_);
}

uint32_t TxAssembler::Append(const uint8_t* from, uint32_t bytes) {
  const uint32_t room = frame_end_ - frame_bytes_;
  // Bytes that no frame has room for are counted, so that End sees the disagreement.
  if (room == 0) {
    appended_ += bytes;
    return bytes;
  }
  const uint32_t n = std::min(bytes, room);
  Copy(from, n);
  appended_ += n;
  if (tse_ && frame_bytes_ == frame_end_) FinishFrame();
  return n;
}

// Sums what lies behind l4_at_ of a frame without segmentation; segments are summed when their
// headers are known.
void TxAssembler::Copy(const uint8_t* from, uint32_t bytes) {
  uint8_t* const to = frame_.data + kTagBytes + frame_bytes_;
  const uint32_t start = frame_bytes_;
  frame_bytes_ += bytes;
  const uint32_t before = std::min(bytes, start < l4_at_ ? l4_at_ - start : 0);
  const uint32_t summed = txsm_ && !tse_ ? bytes - before : 0;
  if (from == nullptr) {
    std::memset(to, 0xff, bytes);
  } else if (summed == 0) {
    std::memcpy(to, from, bytes);
  } else if (before != 0) {
    std::memcpy(to, from, before);
  }
  if (summed == 0) return;
  const wsum sum = from == nullptr ? csum_partial({to + before, summed}, 0)
                                   : csum_and_copy(to + before, from + before, summed);
  l4_sum_ = csum_block_add(l4_sum_, sum, start + before - l4_at_);
}

bool TxAssembler::End() {
  // TSO packets have finished their last frame with their last byte.
  const bool complete =
      expected_ == 0 ? appended_ <= frame_end_ && appended_ != 0 : appended_ == expected_;
  if (!complete) {
    Abort();
    return false;
  }
  if (!tse_) FinishFrame();
  busy_ = false;
  return true;
}

void TxAssembler::FinishFrame() {
  if (tse_) FinishSegmentHeaders();
  if (ixsm_) InsertIpChecksum();
  if (txsm_) InsertL4Checksum();
  if (settings_.pad && frame_bytes_ < kFrameBytesMin) {
    std::memset(frame_.data + kTagBytes + frame_bytes_, 0, kFrameBytesMin - frame_bytes_);
    frame_bytes_ = kFrameBytesMin;
  }
  frame_end_ = frame_bytes_;
  vle_ = vle_ && frame_bytes_ >= kAddressesBytes;
  if (vle_) InsertTag();
  frame_ready_ = true;
}

// What differs from segment to segment (datasheet 7.2.4.7): lengths, IPv4 identification, TCP
// sequence number and flags.
[[gnu::noinline]] void TxAssembler::FinishSegmentHeaders() {
  uint8_t* const frame = frame_.data + kTagBytes;
  if (segment_ == 0) std::memcpy(header_.data, frame, header_bytes_);
  uint8_t* const ip = frame + context_.mac_bytes;
  uint8_t* const l4 = frame + l4_at_;
  if (context_.ipv4) {
    StoreBe16(ip + 2, static_cast<uint16_t>(frame_bytes_ - context_.mac_bytes));
    StoreBe16(ip + 4, static_cast<uint16_t>(LoadBe16(ip + 4) + segment_));
  } else {
    StoreBe16(ip + 4, static_cast<uint16_t>(frame_bytes_ - l4_at_ + context_.ip_bytes - 40));
  }
  const bool first = segment_ == 0;
  const bool last = appended_ == expected_;
  if (context_.l4_type == kTxL4Tcp) {
    StoreBe32(l4 + 4, LoadBe32(l4 + 4) + segment_ * context_.mss);
    uint16_t mask = settings_.middle_flags_mask;
    if (first) mask = settings_.first_flags_mask;
    if (last) mask = settings_.last_flags_mask;
    // A packet of one segment keeps what either end may have.
    if (first && last) mask = settings_.first_flags_mask | settings_.last_flags_mask;
    // The data offset in the upper four bits stays.
    StoreBe16(l4 + 12, static_cast<uint16_t>(LoadBe16(l4 + 12) & (0xf000 | mask)));
  } else {
    StoreBe16(l4 + 4, static_cast<uint16_t>(frame_bytes_ - l4_at_));
  }
  // Software has left the pseudo-header's sum, without the length, in the checksum field.
  l4_sum_ = csum_add(csum_partial({l4, frame_bytes_ - l4_at_}, 0), frame_bytes_ - l4_at_);
}

[[gnu::noinline]] void TxAssembler::InsertIpChecksum() {
  const uint32_t at = context_.mac_bytes;
  if (at + 20 > frame_bytes_ || at + context_.ip_bytes > frame_bytes_ || context_.ip_bytes < 20) {
    return;
  }
  uint8_t* const ip = frame_.data + kTagBytes + at;
  StoreBe16(ip + 10, 0);
  StoreBe16(ip + 10, csum_fold(csum_partial({ip, context_.ip_bytes}, 0)));
}

void TxAssembler::InsertL4Checksum() {
  if (checksum_at_ + 2 > frame_bytes_ || l4_at_ > frame_bytes_) return;
  uint16_t checksum = csum_fold(l4_sum_);
  if (!legacy_ && context_.l4_type == kTxL4Udp && checksum == 0) checksum = kCsumMangled0;
  StoreBe16(frame_.data + kTagBytes + checksum_at_, checksum);
}

// The tag goes behind the addresses, which move into the room before the frame.
[[gnu::noinline]] void TxAssembler::InsertTag() {
  std::memmove(frame_.data, frame_.data + kTagBytes, kAddressesBytes);
  StoreBe16(frame_.data + kAddressesBytes, settings_.vlan_ethertype);
  StoreBe16(frame_.data + kAddressesBytes + 2, context_.vlan);
}

void TxAssembler::Take(WireFrame* frame) {
  CHECK(frame_ready_);
  frame->buffer = frame_;
  frame->bytes = vle_ ? std::span<const uint8_t>(frame_.data, frame_bytes_ + kTagBytes)
                      : std::span<const uint8_t>(frame_.data + kTagBytes, frame_bytes_);
  frame->frame_id = 0;
  frame->flags = 0;
  frame_ = {};
  frame_ready_ = false;
  if (tse_) {
    ++segment_;
    if (appended_ < expected_) {
      StartSegment();
    } else {
      FreeBuffer(&header_);
    }
  }
}

void TxAssembler::FreeBuffer(PacketBuffer* buffer) {
  if (buffer->data != nullptr) packets_.Free(*buffer);
  *buffer = {};
}

[[gnu::noinline]] void TxAssembler::Abort() {
  FreeBuffer(&frame_);
  FreeBuffer(&header_);
  busy_ = frame_ready_ = false;
}

}  // namespace tapedeck::nic
