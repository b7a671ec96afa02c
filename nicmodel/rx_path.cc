#include "nicmodel/rx_path.h"

#include <algorithm>

#include "nicmodel/descriptors.h"
#include "nicmodel/wire_timing.h"

namespace tapedeck::nic {

namespace {

constexpr uint32_t kEthernetBytes = 14;
constexpr uint32_t kTagBytes = 4;
constexpr uint32_t kRxPbSizeReset = 512U << 10;  // KB in bits 19:10: all of it in buffer 0

}  // namespace

RxPath::RxPath(Chip& chip, MacLink& mac)
    : chip_(chip),
      mac_(mac),
      filter_(chip.config.mac),
      rss_(chip.world.arena()),
      rings_(chip.world.arena().NewArray<RxRing>(chip.config.rx_queues)),
      arrivals_(chip.world.kmalloc()),
      stored_(chip.world.kmalloc()),
      issue_(stored_.Begin()) {
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
  for (; !stored_.empty(); stored_.pop_front()) {
    const Stored& stored = stored_.front();
    if (stored.dropped) continue;
    Drop(at, stored.frame, SKB_DROP_REASON_NIC_RX_DISABLED, &chip_.counters.rx_reset);
  }
  waiting_ = held_units_ = 0;
  next_issue_ = SimTime::Never();
}

uint32_t RxPath::WireBytes(const WireFrame& frame) {
  const auto bytes = static_cast<uint32_t>(frame.bytes.size());
  return (frame.flags & kWirePad) != 0 ? std::max(bytes, kFrameBytesMin) : bytes;
}

// Bytes of packet buffer: rounded up to 16, and 16 of status.
uint32_t RxPath::UnitsOf(uint32_t frame_bytes) { return ((frame_bytes + 15) & ~15U) + 16; }

SimTime RxPath::WireRx(SimTime first_bit, const WireFrame& frame) {
  const SimTime start = Later(first_bit, wire_free_);
  const uint32_t bytes = WireBytes(frame);
  const SimTime end = start + FrameTime(chip_.config.speed, bytes);
  wire_free_ = start + FrameSlot(chip_.config.speed, bytes);
  arrivals_.push_back({start, end, frame});
  return start;
}

SimTime RxPath::Receive(SimTime time) {
  while (!arrivals_.empty()) {
    Arrival& arrival = arrivals_.front();
    if (arrival.first_bit > time) break;
    if (!arrival.room_decided) {
      // Every frame that is still held, even if it has long been read out, is counted here; if it
      // fits so, it fits.
      if (held_units_ + UnitsOf(WireBytes(arrival.frame)) > rxpbsize_[0]) {
        room_undecided_ = true;
        return arrival.first_bit;
      }
      arrival.room = arrival.room_decided = true;
    }
    if (arrival.last_bit > time) break;
    TakeIn(arrival);
    arrivals_.pop_front();
  }
  return time;
}

void RxPath::DecideRoom() {
  Arrival& arrival = arrivals_.front();
  uint32_t held = held_units_;
  for (uint32_t i = 0; i < posted_count_; ++i) {
    const Posted& posted = posted_[(posted_first_ + i) % kPostedMax];
    if (posted.read_out_at <= arrival.first_bit) held -= posted.units;
  }
  arrival.room = held + UnitsOf(WireBytes(arrival.frame)) <= rxpbsize_[0];
  arrival.room_decided = true;
  room_undecided_ = false;
}

void RxPath::Drop(SimTime at, const WireFrame& frame, DropReason reason, uint64_t* counter) {
  ++*counter;
  chip_.TraceDrop(at, frame.frame_id, reason, frame.bytes.size());
  Release(frame);
}

// A frame's last bit is in: state of the registers and of the link is taken now.
void RxPath::TakeIn(Arrival& arrival) {
  const uint32_t bytes = WireBytes(arrival.frame);
  Counters& counters = chip_.counters;
  ++counters.rx_frames;
  counters.rx_frame_octets += bytes + kFcsBytes;
  chip_.TraceFrame(TraceKind::kWireRx, arrival.last_bit, arrival.frame.frame_id, arrival.first_bit,
                   arrival.frame.flags, arrival.frame.bytes);
  if (!mac_.up() || (rxctrl_ & kRxCtrlRxEn) == 0 || (secrxctrl_ & kSecRxCtrlRxDis) != 0) {
    return Drop(arrival.last_bit, arrival.frame, SKB_DROP_REASON_NIC_RX_DISABLED,
                &counters.rx_disabled);
  }
  if (!GoodOnWire(arrival, bytes)) return;
  const RxFilter::Verdict verdict = filter_.AcceptAddress(arrival.frame.bytes.data());
  if (verdict == RxFilter::Verdict::kReject) {
    return Drop(arrival.last_bit, arrival.frame, SKB_DROP_REASON_NIC_FILTER, &counters.rx_filtered);
  }
  Store(arrival, bytes, verdict);
}

// The MAC's checks. False where the frame has been dropped.
bool RxPath::GoodOnWire(const Arrival& arrival, uint32_t bytes) {
  Counters& counters = chip_.counters;
  const bool bad_fcs = (arrival.frame.flags & kWireBadFcs) != 0;
  DropReason reason = SKB_DROP_REASON_NOT_SPECIFIED;
  uint64_t* counter = nullptr;
  if (bytes < kFrameBytesMin || arrival.frame.bytes.size() < kEthernetBytes) {
    reason = SKB_DROP_REASON_NIC_RUNT;
    counter = bad_fcs ? &counters.rx_fragments : &counters.rx_runts;
  } else if (bytes + kFcsBytes > mac_.max_frame_octets() + kTagBytes) {
    reason = SKB_DROP_REASON_NIC_OVERSIZE;
    counter = bad_fcs ? &counters.rx_jabber : &counters.rx_oversize;
  } else if ((arrival.frame.flags & kWireCarrierError) != 0) {
    reason = SKB_DROP_REASON_NIC_FCS;
    counter = &counters.rx_symbol_errors;
  } else if (bad_fcs && !filter_.store_bad_frames()) {
    reason = SKB_DROP_REASON_NIC_FCS;
    counter = &counters.rx_crc_errors;
  } else {
    ++counters.rx_no_filter_frames;
    counters.rx_no_filter_octets += bytes + kFcsBytes;
    return true;
  }
  Drop(arrival.last_bit, arrival.frame, reason, counter);
  return false;
}

void RxPath::Store(const Arrival& arrival, uint32_t bytes, RxFilter::Verdict verdict) {
  const WireFrame& frame = arrival.frame;
  Counters& counters = chip_.counters;
  const RxParse parse = ParseRx(frame.bytes, filter_.vlan_ethertype());
  // The four bytes that GoodOnWire allowed are a tag's.
  if (!parse.vlan && bytes + kFcsBytes > mac_.max_frame_octets()) {
    return Drop(arrival.last_bit, frame, SKB_DROP_REASON_NIC_OVERSIZE, &counters.rx_oversize);
  }
  if (parse.vlan && !filter_.AcceptVlan(parse.vlan_tci)) {
    return Drop(arrival.last_bit, frame, SKB_DROP_REASON_NIC_FILTER, &counters.rx_filtered);
  }
  RssResult rss;
  if (rss_.enabled()) rss = rss_.Classify(frame.bytes, parse);
  if (rss.queue >= chip_.config.rx_queues || !rings_[rss.queue].enabled()) {
    return Drop(arrival.last_bit, frame, SKB_DROP_REASON_NIC_RX_DISABLED, &counters.rx_disabled);
  }
  if (!arrival.room) {
    chip_.irq.RaiseOther(kEicrRxMiss, arrival.last_bit);
    return Drop(arrival.last_bit, frame, SKB_DROP_REASON_NIC_MISSED, &counters.rx_missed);
  }
  CountGood(frame.bytes.data(), bytes);

  Stored& stored = stored_.push_back({});
  stored.frame = frame;
  stored.ready_at = arrival.last_bit + chip_.config.rx_mac_phy_delay;
  stored.parse = parse;
  stored.queue = rss.queue;
  stored.rss_hash = rss.hash;
  stored.rss_type = static_cast<uint8_t>(rss.type);
  stored.strip_tag = parse.vlan && rings_[rss.queue].strips_vlan();
  stored.bytes = stored.strip_tag ? bytes - kTagBytes : bytes;
  stored.units = UnitsOf(bytes);
  if (verdict == RxFilter::Verdict::kInexact) stored.status |= kRxPif;
  if ((frame.flags & kWireBadFcs) != 0) stored.status |= kRxErrorRxe;
  held_units_ += stored.units;
  if (++waiting_ == 1) UpdateNextIssue();
}

void RxPath::CountGood(const uint8_t* dst, uint32_t bytes) {
  Counters& counters = chip_.counters;
  ++counters.rx_size[Counters::SizeBin(bytes + kFcsBytes)];
  counters.rx_good_octets += bytes + kFcsBytes;
  if ((dst[0] & 1) == 0) return;
  const bool broadcast = std::all_of(dst, dst + 6, [](uint8_t byte) { return byte == 0xff; });
  ++(broadcast ? counters.rx_broadcast : counters.rx_multicast);
}

SimTime RxPath::EarliestCause() const {
  SimTime earliest = next_issue_;
  if (arrivals_.empty()) return earliest;
  const SimTime last_bit = arrivals_.front().last_bit;
  if (chip_.irq.OtherEnabled(kEicrRxMiss)) earliest = Earlier(earliest, last_bit);
  // What arrives queues up behind what waits.
  if (waiting_ == 0) earliest = Earlier(earliest, last_bit + chip_.config.rx_mac_phy_delay);
  return earliest;
}

}  // namespace tapedeck::nic
