// The receive path's host side: descriptors, PCIe writes, and what becomes visible when.
#include <algorithm>
#include <cstring>

#include "nicmodel/descriptors.h"
#include "nicmodel/rx_checksum.h"
#include "nicmodel/rx_path.h"

namespace tapedeck::nic {

namespace {

constexpr uint32_t kAddressesBytes = 12;  // what stands before a VLAN tag
constexpr uint32_t kTagBytes = 4;

}  // namespace

void RxPath::UpdateNextIssue() {
  next_issue_ = SimTime::Never();
  if (waiting_ == 0) return;
  const Stored& stored = stored_.At(issue_);
  const RxRing& ring = rings_[stored.queue];
  SimTime at = Later(stored.ready_at, last_issue_);
  // No credit for another posted write: the oldest has to arrive first.
  if (posted_count_ == chip_.config.posted_writes) {
    at = Later(at, posted_[posted_first_].visible_at);
  }
  if (ring.enabled()) {
    const SimTime descriptor_at = ring.DescriptorReadyAt(at);
    // Blocked until software adds descriptors, unless it is to be dropped.
    if (descriptor_at == SimTime::Never() && (!ring.drops_when_empty() || stored.issued != 0))
      return;
    if (descriptor_at != SimTime::Never()) at = descriptor_at;
  }
  next_issue_ = at;
}

void RxPath::Issue() {
  last_issue_ = next_issue_;
  Stored& stored = stored_.At(issue_);
  RxRing& ring = rings_[stored.queue];
  if (!ring.enabled()) {
    DropWaiting(stored, SKB_DROP_REASON_NIC_RX_DISABLED, &chip_.counters.rx_disabled);
  } else if (ring.DescriptorReadyAt(last_issue_) == SimTime::Never()) {
    ++chip_.counters.queue[chip_.rx_stat_queue[stored.queue]].rx_dropped;
    DropWaiting(stored, SKB_DROP_REASON_NIC_NO_BUFFER, &chip_.counters.rx_no_descriptor);
  } else {
    IssuePiece(stored, ring);
  }
  UpdateNextIssue();
}

void RxPath::DropWaiting(Stored& stored, DropReason reason, uint64_t* counter) {
  Drop(last_issue_, stored.frame, reason, counter);
  stored.dropped = true;
  // Its pieces under way, the newest, are lost with it.
  while (posted_count_ != 0 && !posted_[(posted_first_ + posted_count_ - 1) % kPostedMax].last) {
    --posted_count_;
  }
  held_units_ -= stored.units;
  --waiting_;
  stored_.Advance(issue_);
  PopDropped();
}

void RxPath::PopDropped() {
  while (!stored_.empty() && stored_.front().dropped) stored_.pop_front();
}

void RxPath::IssuePiece(Stored& stored, RxRing& ring) {
  if (posted_count_ == chip_.config.posted_writes) CommitOldest();
  const uint32_t bytes = std::min(stored.bytes - stored.issued, ring.buffer_bytes());
  const SimTime sent_at = chip_.pcie.WriteTwo(last_issue_, bytes, kDescriptorBytes);
  const bool last = stored.issued + bytes == stored.bytes;
  posted_[(posted_first_ + posted_count_++) % kPostedMax] = {
      .read_out_at = sent_at,
      .visible_at = sent_at + chip_.pcie.write_latency(),
      .slot = ring.Use(last_issue_),
      .offset = stored.issued,
      .bytes = bytes,
      .units = last ? stored.units : 0,
      .last = last};
  stored.issued += bytes;
  if (!last) return;
  --waiting_;
  stored_.Advance(issue_);
  // The cause is set when the descriptor is handed to PCIe; a message follows it on the link, so it
  // never arrives first.
  chip_.irq.RaiseRx(stored.queue, last_issue_);
}

void RxPath::CommitOldest() {
  const Posted& posted = posted_[posted_first_];
  const Stored& stored = stored_.front();
  const uint32_t l4_status = WriteData(stored, posted);
  const bool arrived = WriteDescriptor(stored, posted, l4_status);
  if (posted.last) {
    Counters& counters = chip_.counters;
    if (arrived) {
      const uint32_t octets = stored.bytes + kFcsBytes;
      ++counters.rx_host_frames;
      counters.rx_host_octets += octets;
      Counters::Queue& queue = counters.queue[chip_.rx_stat_queue[stored.queue]];
      ++queue.rx_frames;
      queue.rx_octets += octets;
      Release(stored.frame);
    } else {
      Drop(posted.visible_at, stored.frame, SKB_DROP_REASON_NIC_DMA_FAULT, &counters.rx_dma_faults);
    }
    held_units_ -= posted.units;
    stored_.pop_front();
    PopDropped();
  }
  posted_first_ = (posted_first_ + 1) % kPostedMax;
  --posted_count_;
}

// Copies the piece to its buffer, and returns what the descriptor says about the checksums: with
// the last piece only. Where the buffer is not mapped the bytes go nowhere (the fault has been
// reported) and the device does not notice.
uint32_t RxPath::WriteData(const Stored& stored, const Posted& posted) {
  uint8_t* const dst =
      chip_.bus.DeviceWrite(chip_.slot, posted.visible_at, posted.slot.buffer, posted.bytes);
  if (dst != nullptr) chip_.bus.SetFrameId(posted.slot.buffer, stored.frame.frame_id);
  const RxParse& parse = stored.parse;
  const std::span<const uint8_t> frame = stored.frame.bytes;
  const bool whole = posted.bytes == frame.size() && !stored.strip_tag;
  wsum l4_sum = 0;
  if (whole && dst != nullptr && parse.l4_bytes != 0) {
    l4_sum = CopyAndSumL4(dst, frame, parse);
  } else {
    if (dst != nullptr) CopyRange(stored, dst, posted.offset, posted.bytes);
    if (posted.last && parse.l4_bytes != 0) l4_sum = SumL4(frame, parse);
  }
  if (!posted.last) return 0;

  uint32_t status = 0;
  if ((parse.packet_type & kPacketIpv4) != 0) {
    status |= parse.ipv4_checksum_bad ? uint32_t{kRxIpCs} | kRxErrorIpe : uint32_t{kRxIpCs};
  }
  if (parse.l4_bytes != 0) {
    status |=
        (parse.packet_type & kPacketUdp) != 0 ? uint32_t{kRxL4Cs} | kRxUdpCs : uint32_t{kRxL4Cs};
    if (!L4ChecksumGood(frame, parse, l4_sum)) status |= kRxErrorL4e;
  }
  if ((status & (uint32_t{kRxErrorIpe} | kRxErrorL4e)) != 0) ++chip_.counters.rx_checksum_errors;
  return status;
}

// Bytes [offset, offset + bytes) of what the host gets: without the tag if it is stripped, with
// padding.
void RxPath::CopyRange(const Stored& stored, uint8_t* dst, uint32_t offset, uint32_t bytes) {
  const std::span<const uint8_t> frame = stored.frame.bytes;
  if (stored.strip_tag && offset < kAddressesBytes) {
    const uint32_t n = std::min(bytes, kAddressesBytes - offset);
    std::memcpy(dst, &frame[offset], n);
    dst += n;
    offset += n;
    bytes -= n;
  }
  const size_t from = size_t{offset} + (stored.strip_tag ? kTagBytes : 0);
  const size_t there = from < frame.size() ? std::min<size_t>(bytes, frame.size() - from) : 0;
  if (there != 0) std::memcpy(dst, &frame[from], there);
  if (bytes != there) std::memset(dst + there, 0, bytes - there);
}

// False where the descriptor's memory is not mapped: then nobody ever learns of the frame.
bool RxPath::WriteDescriptor(const Stored& stored, const Posted& posted, uint32_t l4_status) {
  uint8_t* const descriptor = chip_.bus.DeviceWrite(chip_.slot, posted.visible_at,
                                                    posted.slot.descriptor, kDescriptorBytes);
  if (descriptor == nullptr) return false;
  uint32_t status = kRxDd;
  uint64_t vlan = 0;
  uint64_t type = 0;
  uint64_t hash = 0;
  if (posted.last) {
    status |= kRxEop | stored.status | l4_status;
    type = static_cast<uint64_t>(stored.parse.packet_type) << 4;
    // The field holds the hash or the fragment checksum, of which the model has the hash only.
    if ((rxcsum_ & kRxCsumPcsd) != 0) {
      type |= stored.rss_type;
      hash = stored.rss_hash;
    }
    if (stored.strip_tag) {
      status |= kRxVp;
      vlan = stored.parse.vlan_tci;
    }
  }
  StoreLe64(descriptor, type | hash << 32);
  StoreLe64(descriptor + 8, status | static_cast<uint64_t>(posted.bytes) << 32 | vlan << 48);
  return true;
}

}  // namespace tapedeck::nic
