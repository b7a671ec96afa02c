// The receive path's host side: descriptors, PCIe writes, and what becomes visible when.
#include <algorithm>
#include <cstring>
#include <optional>

#include "nicmodel/descriptors.h"
#include "nicmodel/frame_layout.h"
#include "nicmodel/rx_checksum.h"
#include "nicmodel/rx_path.h"

namespace tapedeck::nic {

void RxPath::UpdateNextIssue() {
  next_issue_ = SimTime::Never();
  if (waiting_ == 0) return;
  const Frame* frame = &frames_.At(issue_);
  for (; frame->dropped; frame = &frames_.At(issue_)) frames_.Advance(issue_);
  const RxRing& ring = rings_[frame->queue];
  SimTime at = Later(frame->last_bit + chip_.config.rx_mac_phy_delay, last_issue_);
  // No credit for another posted write: the oldest has to arrive first.
  if (posted_count_ == chip_.config.posted_writes) {
    at = Later(at, posted_[posted_first_].visible_at);
  }
  if (ring.enabled()) {
    const SimTime descriptor_at = ring.DescriptorReadyAt(at);
    // Blocked until software adds descriptors, unless it is to be dropped.
    if (descriptor_at == SimTime::Never() && (!ring.drops_when_empty() || frame->issued != 0))
      return;
    if (descriptor_at != SimTime::Never()) at = descriptor_at;
  }
  next_issue_ = at;
}

[[gnu::flatten]] void RxPath::Issue() {
  last_issue_ = next_issue_;
  Frame& frame = frames_.At(issue_);
  RxRing& ring = rings_[frame.queue];
  if (!ring.enabled()) {
    DropWaiting(frame, SKB_DROP_REASON_NIC_RX_DISABLED, &chip_.counters.rx_disabled);
  } else if (ring.DescriptorReadyAt(last_issue_) == SimTime::Never()) {
    ++chip_.counters.queue[chip_.rx_stat_queue[frame.queue]].rx_dropped;
    DropWaiting(frame, SKB_DROP_REASON_NIC_NO_BUFFER, &chip_.counters.rx_no_descriptor);
  } else {
    IssuePiece(frame, ring);
  }
  UpdateNextIssue();
}

void RxPath::DropWaiting(Frame& frame, DropReason reason, uint64_t* counter) {
  Drop(last_issue_, frame, reason, counter);
  // Its pieces under way, the newest, are lost with it.
  while (posted_count_ != 0 && !posted_[(posted_first_ + posted_count_ - 1) % kPostedMax].last) {
    --posted_count_;
  }
  held_units_ -= frame.units;
  --stored_;
  --waiting_;
  frames_.Advance(issue_);
  PopDropped();
}

void RxPath::IssuePiece(Frame& frame, RxRing& ring) {
  if (posted_count_ == chip_.config.posted_writes) CommitOldest();
  const uint32_t bytes = std::min(frame.bytes - frame.issued, ring.buffer_bytes());
  const SimTime sent_at = chip_.pcie.WriteTwo(last_issue_, bytes, kDescriptorBytes);
  const bool last = frame.issued + bytes == frame.bytes;
  Posted& posted = posted_[(posted_first_ + posted_count_++) % kPostedMax];
  posted.read_out_at = sent_at;
  posted.visible_at = sent_at + chip_.pcie.write_latency();
  posted.slot = ring.Use(last_issue_);
  posted.offset = frame.issued;
  posted.bytes = bytes;
  posted.units = last ? frame.units : 0;
  posted.last = last;
  posted.faulty = false;
  if (!chip_.faults.empty()) PlanFault(posted);
  // One that is late holds up those behind it: posted writes stay in order.
  if (posted_count_ >= 2) {
    const Posted& before = posted_[(posted_first_ + posted_count_ - 2) % kPostedMax];
    posted.visible_at = Later(posted.visible_at, before.visible_at);
  }
  chip_.TellDma(DmaKind::kRxWrite, last_issue_, posted.visible_at, frame.queue, frame.wire.frame_id,
                bytes);
  frame.issued += bytes;
  if (!last) return;
  --waiting_;
  frames_.Advance(issue_);
  // The cause is set when the descriptor is handed to PCIe; a message follows it on the link, so it
  // never arrives first.
  chip_.irq.RaiseRx(frame.queue, last_issue_);
}

// How the write of the newest piece's descriptor goes wrong, if it does.
void RxPath::PlanFault(Posted& posted) {
  const std::optional<Fault> fault = chip_.faults.Happens(FaultPoint::kRxWriteBack);
  if (!fault.has_value()) return;
  posted.faulty = true;
  posted.fault = *fault;
  if (fault->kind == FaultKind::kDelay) posted.visible_at = posted.visible_at + fault->delay;
}

[[gnu::flatten]] void RxPath::CommitOldest() {
  const Posted& posted = posted_[posted_first_];
  Frame& frame = frames_.front();
  const uint32_t l4_status = WriteData(frame, posted);
  const bool arrived = WriteDescriptor(frame, posted, l4_status);
  if (posted.last) {
    if (arrived) {
      CountToHost(frame);
      Release(frame.wire);
    } else {
      Drop(posted.visible_at, frame, SKB_DROP_REASON_NIC_DMA_FAULT, &chip_.counters.rx_dma_faults);
    }
    held_units_ -= posted.units;
    --stored_;
    frames_.pop_front();
    PopDropped();
  }
  posted_first_ = (posted_first_ + 1) % kPostedMax;
  --posted_count_;
}

void RxPath::CountToHost(const Frame& frame) {
  const uint32_t octets = frame.bytes + kFcsBytes;
  ++chip_.counters.rx_host_frames;
  chip_.counters.rx_host_octets += octets;
  Counters::Queue& queue = chip_.counters.queue[chip_.rx_stat_queue[frame.queue]];
  ++queue.rx_frames;
  queue.rx_octets += octets;
}

// Copies the piece to its buffer, and returns what the descriptor says about the checksums: with
// the last piece only. Where the buffer is not mapped the bytes go nowhere (the fault has been
// reported) and the device does not notice.
uint32_t RxPath::WriteData(const Frame& frame, const Posted& posted) {
  uint8_t* const dst = chip_.bus.DeviceWrite(chip_.slot, posted.visible_at, posted.slot.buffer,
                                             posted.bytes, frame.wire.frame_id);
  const RxParse& parse = frame.parse;
  const std::span<const uint8_t> bytes = frame.wire.bytes;
  const bool whole = posted.bytes == bytes.size() && !frame.strip_tag;
  wsum l4_sum = 0;
  if (whole && dst != nullptr && parse.l4_bytes != 0) {
    l4_sum = CopyAndSumL4(dst, bytes, parse);
  } else {
    if (dst != nullptr) CopyRange(frame, dst, posted.offset, posted.bytes);
    if (posted.last && parse.l4_bytes != 0) l4_sum = SumL4(bytes, parse);
  }
  return posted.last ? ChecksumStatus(frame, l4_sum) : 0;
}

uint32_t RxPath::ChecksumStatus(const Frame& frame, wsum l4_sum) {
  const RxParse& parse = frame.parse;
  uint32_t status = 0;
  uint32_t errors = 0;
  if ((parse.packet_type & kPacketIpv4) != 0) {
    status |= kRxIpCs;
    if (parse.ipv4_checksum_bad) errors |= kRxErrorIpe;
  }
  if (parse.l4_bytes != 0) {
    status |= kRxL4Cs;
    if ((parse.packet_type & kPacketUdp) != 0) status |= kRxUdpCs;
    if (!L4ChecksumGood(frame.wire.bytes, parse, l4_sum)) errors |= kRxErrorL4e;
  }
  if (errors != 0) ++chip_.counters.rx_checksum_errors;
  return status | errors;
}

// Bytes [offset, offset + bytes) of what the host gets: without the tag if it is stripped, with
// padding.
void RxPath::CopyRange(const Frame& frame, uint8_t* dst, uint32_t offset, uint32_t bytes) {
  const std::span<const uint8_t> source = frame.wire.bytes;
  if (frame.strip_tag && offset < kAddressesBytes) {
    const uint32_t n = std::min(bytes, kAddressesBytes - offset);
    std::memcpy(dst, &source[offset], n);
    dst += n;
    offset += n;
    bytes -= n;
  }
  const size_t from = size_t{offset} + (frame.strip_tag ? kTagBytes : 0);
  const size_t there = from < source.size() ? std::min<size_t>(bytes, source.size() - from) : 0;
  if (there != 0) std::memcpy(dst, &source[from], there);
  if (bytes != there) std::memset(dst + there, 0, bytes - there);
}

// A descriptor that has just been written is not what it should be, or will be written again.
void RxPath::Spoil(const Posted& posted, uint8_t* descriptor) {
  const Fault& fault = posted.fault;
  if (fault.kind == FaultKind::kChange) {
    uint8_t* const word = descriptor + fault.word % kDescriptorWords * sizeof(uint32_t);
    StoreLe32(word, LoadLe32(word) ^ fault.flip);
  } else if (fault.kind == FaultKind::kRepeat) {
    LateAct again = {.at = posted.visible_at + fault.delay,
                     .address = posted.slot.descriptor,
                     .bytes = kDescriptorBytes};
    std::memcpy(again.data, descriptor, kDescriptorBytes);
    chip_.late.Add(again);
  }
}

// False where the write is lost or the descriptor's memory is not mapped: then nobody ever learns
// of the frame.
bool RxPath::WriteDescriptor(const Frame& frame, const Posted& posted, uint32_t l4_status) {
  if (posted.faulty && posted.fault.kind == FaultKind::kLose) return false;
  uint8_t* const descriptor = chip_.bus.DeviceWrite(chip_.slot, posted.visible_at,
                                                    posted.slot.descriptor, kDescriptorBytes);
  if (descriptor == nullptr) return false;
  uint32_t status = kRxDd;
  uint64_t vlan = 0;
  uint64_t type = 0;
  uint64_t hash = 0;
  if (posted.last) {
    status |= kRxEop | frame.status | l4_status;
    type = static_cast<uint64_t>(frame.parse.packet_type) << 4;
    // The field holds the hash or the fragment checksum, of which the model has the hash only.
    if ((rxcsum_ & kRxCsumPcsd) != 0) {
      type |= frame.rss_type;
      hash = frame.rss_hash;
    }
    if (frame.strip_tag) {
      status |= kRxVp;
      vlan = frame.parse.vlan_tci;
    }
  }
  StoreLe64(descriptor, type | hash << 32);
  StoreLe64(descriptor + 8, status | static_cast<uint64_t>(posted.bytes) << 32 | vlan << 48);
  if (posted.faulty) Spoil(posted, descriptor);
  return true;
}

}  // namespace tapedeck::nic
