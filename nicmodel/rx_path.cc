#include "nicmodel/rx_path.h"

#include <algorithm>

#include "nicmodel/descriptors.h"
#include "nicmodel/frame_layout.h"
#include "nicmodel/wire_timing.h"

namespace tapedeck::nic {

namespace {

constexpr uint32_t kRxPbSizeReset = 512U << 10;  // KB in bits 19:10: all of it in buffer 0

}  // namespace

RxPath::RxPath(Chip& chip, MacLink& mac)
    : chip_(chip),
      mac_(mac),
      filter_(chip.config.mac),
      rss_(chip.world.arena()),
      rings_(chip.world.arena().NewArray<RxRing>(chip.config.rx_queues)),
      byte_time_ps_(ByteTime(chip.config.speed).ps),
      frames_(chip.world.kmalloc()),
      receive_(frames_.Begin()),
      issue_(frames_.Begin()) {
  CHECK(chip.config.posted_writes >= 1 && chip.config.posted_writes <= kPostedMax);
  for (uint32_t q = 0; q < chip.config.rx_queues; ++q) rings_[q].Init(&chip, q);
  Reset(SimTime::Zero());
}

void RxPath::Reset(SimTime at) {
  filter_.Reset();
  rss_.Reset();
  for (uint32_t q = 0; q < chip_.config.rx_queues; ++q) rings_[q].Reset();
  rxctrl_ = rxcsum_ = rdrxctl_ = secrxctrl_ = 0;
  std::fill(std::begin(rxpbsize_), std::end(rxpbsize_), 0);
  rxpbsize_[0] = kRxPbSizeReset;
  posted_count_ = 0;
  // What has been taken in is lost; what is still to come, comes.
  for (; frames_.size() != coming_; frames_.pop_front()) {
    Frame& frame = frames_.front();
    if (!frame.dropped) {
      Drop(at, frame, SKB_DROP_REASON_NIC_RX_DISABLED, &chip_.counters.rx_reset);
    }
  }
  waiting_ = stored_ = held_units_ = 0;
  next_issue_ = SimTime::Never();
}

uint32_t RxPath::WireBytes(const WireFrame& frame) {
  const auto bytes = static_cast<uint32_t>(frame.bytes.size());
  return (frame.flags & kWirePad) != 0 ? std::max(bytes, kFrameBytesMin) : bytes;
}

// Bytes of packet buffer: rounded up to 16, and 16 of status.
uint32_t RxPath::UnitsOf(uint32_t frame_bytes) { return ((frame_bytes + 15) & ~15U) + 16; }

SimTime RxPath::WireRx(SimTime first_bit, const WireFrame& wire) {
  const SimTime start = Later(first_bit, wire_free_);
  const uint32_t wire_bytes = WireBytes(wire);
  const uint32_t end_bytes = kPreambleBytes + wire_bytes + kFcsBytes;
  Frame& frame = frames_.Push();
  frame.wire = wire;
  frame.first_bit = start;
  frame.last_bit = start + Duration{byte_time_ps_ * end_bytes};
  frame.bytes = wire_bytes;
  frame.units = UnitsOf(wire_bytes);
  frame.room_decided = frame.dropped = false;
  wire_free_ = frame.last_bit + Duration{byte_time_ps_ * kInterFrameGapBytes};
  if (++coming_ == 1) SetNextArrival(&frame);
  return start;
}

void RxPath::SetNextArrival(const Frame* frame) {
  next_first_bit_ = frame == nullptr ? SimTime::Never() : frame->first_bit;
  next_last_bit_ = frame == nullptr ? SimTime::Never() : frame->last_bit;
}

[[gnu::flatten]] SimTime RxPath::ReceiveDue(SimTime time) {
  Frame* next = &frames_.At(receive_);
  while (next != nullptr && next->first_bit <= time) {
    Frame& frame = *next;
    if (!frame.room_decided) {
      // Every frame that is still held, even if it has long been read out, is counted here; if it
      // fits so, it fits.
      if (held_units_ + frame.units > rxpbsize_[0]) {
        room_undecided_ = true;
        return frame.first_bit;
      }
      frame.room = frame.room_decided = true;
    }
    if (frame.last_bit > time) break;
    frames_.Advance(receive_);
    next = --coming_ == 0 ? nullptr : &frames_.At(receive_);
    SetNextArrival(next);
    TakeIn(frame);
  }
  return time;
}

void RxPath::DecideRoom() {
  Frame& frame = frames_.At(receive_);
  uint32_t held = held_units_;
  for (uint32_t i = 0; i < posted_count_; ++i) {
    const Posted& posted = posted_[(posted_first_ + i) % kPostedMax];
    if (posted.read_out_at <= frame.first_bit) held -= posted.units;
  }
  frame.room = held + frame.units <= rxpbsize_[0];
  frame.room_decided = true;
  room_undecided_ = false;
}

void RxPath::Drop(SimTime at, Frame& frame, DropReason reason, uint64_t* counter) {
  ++*counter;
  chip_.TraceDrop(at, frame.wire.frame_id, reason, frame.wire.bytes.size());
  Release(frame.wire);
  frame.dropped = true;
}

// A frame's last bit is in: state of the registers and of the link is taken now.
void RxPath::TakeIn(Frame& frame) {
  const uint32_t wire_bytes = frame.bytes;
  Counters& counters = chip_.counters;
  ++counters.rx_frames;
  counters.rx_frame_octets += wire_bytes + kFcsBytes;
  chip_.TraceFrame(TraceKind::kWireRx, frame.last_bit, frame.wire.frame_id, frame.first_bit,
                   frame.wire.flags, frame.wire.bytes);
  if (!mac_.up() || (rxctrl_ & kRxCtrlRxEn) == 0 || (secrxctrl_ & kSecRxCtrlRxDis) != 0) {
    Drop(frame.last_bit, frame, SKB_DROP_REASON_NIC_RX_DISABLED, &counters.rx_disabled);
  } else if (GoodOnWire(frame)) {
    const RxFilter::Verdict verdict = filter_.AcceptAddress(frame.wire.bytes.data());
    if (verdict == RxFilter::Verdict::kReject) {
      Drop(frame.last_bit, frame, SKB_DROP_REASON_NIC_FILTER, &counters.rx_filtered);
    } else {
      Store(frame, verdict);
    }
  }
  if (frame.dropped) PopDropped();
}

// The MAC's checks. False where the frame has been dropped.
bool RxPath::GoodOnWire(Frame& frame) {
  const uint32_t wire_bytes = frame.bytes;
  Counters& counters = chip_.counters;
  const bool bad_fcs = (frame.wire.flags & kWireBadFcs) != 0;
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  uint64_t* counter = nullptr;
  if (wire_bytes < kFrameBytesMin || frame.wire.bytes.size() < kEthernetBytes) {
    reason = SKB_DROP_REASON_NIC_RUNT;
    counter = bad_fcs ? &counters.rx_fragments : &counters.rx_runts;
  } else if (wire_bytes + kFcsBytes > mac_.max_frame_octets() + kTagBytes) {
    reason = SKB_DROP_REASON_NIC_OVERSIZE;
    counter = bad_fcs ? &counters.rx_jabber : &counters.rx_oversize;
  } else if ((frame.wire.flags & kWireCarrierError) != 0) {
    reason = SKB_DROP_REASON_NIC_FCS;
    counter = &counters.rx_symbol_errors;
  } else if (bad_fcs && !filter_.store_bad_frames()) {
    reason = SKB_DROP_REASON_NIC_FCS;
    counter = &counters.rx_crc_errors;
  } else {
    ++counters.rx_no_filter_frames;
    counters.rx_no_filter_octets += wire_bytes + kFcsBytes;
    return true;
  }
  Drop(frame.last_bit, frame, reason, counter);
  return false;
}

void RxPath::Store(Frame& frame, RxFilter::Verdict verdict) {
  const uint32_t wire_bytes = frame.bytes;
  const std::span<const uint8_t> bytes = frame.wire.bytes;
  Counters& counters = chip_.counters;
  ParseRx(bytes, filter_.vlan_ethertype(), &frame.parse);
  const RxParse& parse = frame.parse;
  // The four bytes that GoodOnWire allowed are a tag's.
  if (!parse.vlan && wire_bytes + kFcsBytes > mac_.max_frame_octets()) {
    return Drop(frame.last_bit, frame, SKB_DROP_REASON_NIC_OVERSIZE, &counters.rx_oversize);
  }
  if (parse.vlan && !filter_.AcceptVlan(parse.vlan_tci)) {
    return Drop(frame.last_bit, frame, SKB_DROP_REASON_NIC_FILTER, &counters.rx_filtered);
  }
  RssResult rss;
  if (rss_.enabled()) rss = rss_.Classify(bytes, parse);
  if (rss.queue >= chip_.config.rx_queues || !rings_[rss.queue].enabled()) {
    return Drop(frame.last_bit, frame, SKB_DROP_REASON_NIC_RX_DISABLED, &counters.rx_disabled);
  }
  if (!frame.room) {
    chip_.irq.RaiseOther(kEicrRxMiss, frame.last_bit);
    return Drop(frame.last_bit, frame, SKB_DROP_REASON_NIC_MISSED, &counters.rx_missed);
  }
  CountGood(bytes.data(), wire_bytes);
  frame.queue = rss.queue;
  frame.rss_hash = rss.hash;
  frame.rss_type = static_cast<uint8_t>(rss.type);
  frame.strip_tag = parse.vlan && rings_[rss.queue].strips_vlan();
  frame.bytes = frame.strip_tag ? wire_bytes - kTagBytes : wire_bytes;
  frame.issued = 0;
  frame.status = verdict == RxFilter::Verdict::kInexact ? uint32_t{kRxPif} : 0;
  if ((frame.wire.flags & kWireBadFcs) != 0) frame.status |= kRxErrorRxe;
  held_units_ += frame.units;
  ++stored_;
  if (++waiting_ == 1) UpdateNextIssue();
}

void RxPath::CountGood(const uint8_t* dst, uint32_t wire_bytes) {
  Counters& counters = chip_.counters;
  ++counters.rx_size[Counters::SizeBin(wire_bytes + kFcsBytes)];
  counters.rx_good_octets += wire_bytes + kFcsBytes;
  if ((dst[0] & 1) == 0) return;
  const bool broadcast = std::all_of(dst, dst + 6, [](uint8_t byte) { return byte == 0xff; });
  ++(broadcast ? counters.rx_broadcast : counters.rx_multicast);
}

SimTime RxPath::EarliestCause() const {
  SimTime earliest = next_issue_;
  if (coming_ == 0) return earliest;
  if (chip_.irq.OtherEnabled(kEicrRxMiss)) earliest = Earlier(earliest, next_last_bit_);
  // What arrives queues up behind what waits.
  if (waiting_ == 0) earliest = Earlier(earliest, next_last_bit_ + chip_.config.rx_mac_phy_delay);
  return earliest;
}

}  // namespace tapedeck::nic
