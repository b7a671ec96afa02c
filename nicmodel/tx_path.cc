#include "nicmodel/tx_path.h"

#include <algorithm>

#include "nicmodel/wire_timing.h"

namespace tapedeck::nic {

namespace {

constexpr uint32_t kTxPbSizeReset = 160U << 10;  // KB in bits 19:10: all of it in buffer 0

bool IsContext(const TxDescriptor& descriptor) {
  return (TxCommandOf(descriptor) & kTxDext) != 0 && TxDtypOf(descriptor) == kTxDtypContext;
}

}  // namespace

TxPath::TxPath(Chip& chip, MacLink& mac)
    : chip_(chip),
      mac_(mac),
      rings_(chip.world.arena().NewArray<TxRing>(chip.config.tx_queues)),
      assembler_(chip.world.packets()),
      byte_time_ps_(ByteTime(chip.config.speed).ps),
      completions_(chip.world.kmalloc()),
      visible_(chip.world.kmalloc()),
      draining_(chip.world.kmalloc()),
      outgoing_(chip.world.kmalloc()) {
  for (uint32_t q = 0; q < chip.config.tx_queues; ++q) rings_[q].Init(&chip, q);
  Reset(SimTime::Zero());
}

void TxPath::Reset(SimTime at) {
  for (uint32_t q = 0; q < chip_.config.tx_queues; ++q) rings_[q].Reset();
  dmatxctl_ = 0x8100U << 16;
  dtxtcpflgl_ = 0x0f760ff6;  // FIN and PSH in the last segment only, CWR in the first only
  dtxtcpflgh_ = 0x00000f7f;
  TakeSettings();
  std::fill(std::begin(txpbsize_), std::end(txpbsize_), 0);
  txpbsize_[0] = kTxPbSizeReset;
  assembler_.Abort();
  current_ = nullptr;
  skipping_ = false;
  offset_ = frame_id_ = 0;
  while (!completions_.empty()) completions_.pop_front();
  while (!visible_.empty()) visible_.pop_front();
  while (!draining_.empty()) draining_.pop_front();
  for (; !outgoing_.empty(); outgoing_.pop_front()) {
    const WireFrame& frame = outgoing_.front().frame;
    ++chip_.counters.tx_aborted;
    chip_.TraceDrop(at, frame.frame_id, SKB_DROP_REASON_NIC_TX_ABORT, frame.bytes.size());
    chip_.world.packets().Free(frame.buffer);
  }
  held_bytes_ = 0;
  flushing_ = 0;
  next_ = next_request_ = SimTime::Never();
}

void TxPath::Update(SimTime at) {
  last_act_ = Later(last_act_, at);
  next_request_ = NextRequest(last_act_);
  next_ = Earlier(next_request_, NextWriteBack());
}

[[gnu::noinline]] TxRing* TxPath::ChooseRingInTurns(SimTime at) {
  const uint32_t queues = chip_.config.tx_queues;
  TxRing* best = nullptr;
  SimTime best_ready = SimTime::Never();
  for (uint32_t i = 0; i < queues && best_ready != at; ++i) {
    TxRing& ring = rings_[turn_ + i < queues ? turn_ + i : turn_ + i - queues];
    if (!ring.has_work()) continue;
    const SimTime ready = ring.DescriptorReadyAt(at);
    if (ready >= best_ready) continue;
    best = &ring;
    best_ready = ready;
  }
  return best;
}

SimTime TxPath::NextRequest(SimTime at) {
  if ((dmatxctl_ & kDmaTxCtlTe) == 0) return SimTime::Never();
  TxRing* const ring = ChooseRing(at);
  if (ring == nullptr || !ring->enabled()) return SimTime::Never();
  SimTime ready = ring->DescriptorReadyAt(at);
  if (ready == SimTime::Never()) return ready;
  const TxDescriptor& descriptor = ring->Peek();
  if (IsContext(descriptor)) return ready;
  ready = Later(ready, chip_.pcie.NextReadAt());
  // A packet's data is only asked for when there is room for its next frame.
  if (!assembler_.busy() && !skipping_) {
    return RoomFor(
        TxAssembler::FrameBytesOf(descriptor, ring->context(TxContextIndexOf(descriptor))), ready);
  }
  return assembler_.segmenting() ? RoomFor(TxAssembler::kFrameBytesMax, ready) : ready;
}

// From `at` on, when `bytes` more fit into the packet buffer. Frames that it waits for still lie
// there: another look before they have left must find them.
SimTime TxPath::RoomFor(uint32_t bytes, SimTime at) {
  if (held_bytes_ + bytes <= txpbsize_[0]) return at;
  uint32_t held = held_bytes_;
  auto cursor = draining_.Begin();
  for (uint32_t i = 0; i < draining_.size(); ++i) {
    const Draining& oldest = draining_.At(cursor);
    if (oldest.last_bit > at) {
      if (held + bytes <= txpbsize_[0]) break;
      at = oldest.last_bit;
    }
    held -= oldest.bytes;
    draining_.Advance(cursor);
  }
  return at;
}

// Once a packet: in one piece, like RxPath's three. What few packets meet is `noinline`.
[[gnu::flatten]] void TxPath::Act(SimTime others) {
  const SimTime at = next_;
  last_act_ = Later(last_act_, at);
  if (next_request_ != at) {
    bool told = WriteBack();
    // A write-back gives nobody work; but among several queues time alone may change whose turn it
    // is.
    if (next_request_ != SimTime::Never() && chip_.config.tx_queues != 1) return Update(at);
    next_ = Earlier(next_request_, NextWriteBack());
    // Descriptors that are finished one after the other are counted in one go.
    while (!told && next_ < others && next_ != next_request_) {
      last_act_ = Later(last_act_, next_);
      told = WriteBack();
      next_ = Earlier(next_request_, NextWriteBack());
    }
    return;
  }
  // A context takes no time: what is behind it is asked for at once, before anything else happens.
  do {
    Request();
    next_request_ = NextRequest(last_act_);
  } while (next_request_ == at);
  next_ = Earlier(next_request_, NextWriteBack());
}

// A context, or the reads of a packet: as many as can be requested now.
void TxPath::Request() {
  const SimTime at = next_request_;
  TxRing& ring = *ChooseRing(at);
  if (current_ == nullptr) {
    current_ = &ring;
    turn_ = ring.queue() + 1 == chip_.config.tx_queues ? 0 : ring.queue() + 1;
  }
  do {
    const TxDescriptor descriptor = ring.Front(at);
    if (IsContext(descriptor)) {
      ring.context(TxContextIndexOf(descriptor)) = DecodeTxContext(descriptor);
      ring.Consume(at);
      if (!assembler_.busy() && !skipping_) current_ = nullptr;
      return;
    }
    if (!assembler_.busy() && !skipping_) BeginPacket(ring, descriptor);
    if (!skipping_) ReadData(descriptor);
    if (skipping_ || offset_ == TxLengthOf(descriptor)) FinishDescriptor(ring, descriptor);
    // For the rest of a packet that is one frame there is room; NextRequest says when else.
  } while (current_ != nullptr && !assembler_.segmenting() && ring.has_ready() &&
           chip_.pcie.NextReadAt() <= at);
}

void TxPath::BeginPacket(TxRing& ring, const TxDescriptor& first) {
  settings_.pad = mac_.pads_short_frames();
  offset_ = 0;
  frame_id_ = 0;
  frame_id_read_ = false;
  data_at_ = next_request_;
  const bool known_type = (TxCommandOf(first) & kTxDext) == 0 || TxDtypOf(first) == kTxDtypData;
  if (known_type && assembler_.Begin(first, ring.context(TxContextIndexOf(first)), settings_)) {
    if (assembler_.segmenting()) ++chip_.counters.tx_segmented_packets;
    return;
  }
  AbortPacket(ring);
}

// The packet's descriptors are inconsistent: they are used up, and no frame comes of them.
[[gnu::noinline]] void TxPath::AbortPacket(TxRing& ring) {
  assembler_.Abort();
  skipping_ = true;
  ++chip_.counters.tx_aborted;
  chip_.ReportDescriptorFault(next_request_, ring.base(), kDescriptorBytes);
  chip_.TraceDrop(next_request_, frame_id_, SKB_DROP_REASON_NIC_TX_ABORT, 0);
}

void TxPath::ReadData(const TxDescriptor& descriptor) {
  const uint32_t left = TxLengthOf(descriptor) - offset_;
  const uint32_t bytes = std::min(left, chip_.config.max_read_request_bytes);
  if (bytes == 0) return;
  const dma_addr_t address = descriptor.low + offset_;
  uint32_t frame_id = 0;
  const uint8_t* const from =
      chip_.bus.DeviceRead(chip_.slot, next_request_, address, bytes, &frame_id);
  if (!frame_id_read_) frame_id_ = frame_id;
  frame_id_read_ = true;
  data_at_ = chip_.pcie.Read(next_request_, bytes);
  chip_.TellDma(DmaKind::kTxRead, next_request_, data_at_, current_->queue(), frame_id_, bytes);
  if (from == nullptr) chip_.irq.RaiseOther(kEicrPciException, next_request_);
  offset_ += bytes;
  for (uint32_t appended = 0; appended < bytes;) {
    appended += assembler_.Append(from == nullptr ? nullptr : from + appended, bytes - appended);
    if (assembler_.frame_ready()) Plan();
  }
}

void TxPath::FinishDescriptor(TxRing& ring, const TxDescriptor& descriptor) {
  const uint32_t index = ring.Consume(next_request_);
  const uint32_t command = TxCommandOf(descriptor);
  offset_ = 0;
  if ((command & kTxRs) != 0) {
    completions_.push_back({data_at_, static_cast<uint16_t>(ring.queue()),
                            static_cast<uint16_t>(index), ring.generation()});
  }
  if ((command & kTxEop) == 0) return;
  if (!skipping_) {
    if (assembler_.End()) {
      if (assembler_.frame_ready()) Plan();
    } else {
      AbortPacket(ring);
    }
  }
  skipping_ = false;
  current_ = nullptr;
}

// The frame is whole at data_at_: it gets the next free slot of the wire.
void TxPath::Plan() {
  Outgoing& outgoing = outgoing_.Push();
  assembler_.Take(&outgoing.frame);
  // Segments after the first are frames of their own.
  outgoing.frame.frame_id = frame_id_ != 0 ? frame_id_ : chip_.world.NewFrameId();
  if (assembler_.segmenting()) frame_id_ = 0;
  const auto bytes = static_cast<uint32_t>(outgoing.frame.bytes.size());
  outgoing.first_bit = Later(data_at_ + chip_.config.tx_mac_phy_delay, wire_free_);
  outgoing.last_bit =
      outgoing.first_bit + Duration{byte_time_ps_ * (kPreambleBytes + bytes + kFcsBytes)};
  outgoing.queue = static_cast<uint8_t>(current_->queue());
  wire_free_ = outgoing.last_bit + Duration{byte_time_ps_ * kInterFrameGapBytes};
  // Frames that have left are forgotten here, once a frame: until then they count as held, which
  // RoomFor only looks into when it matters.
  for (; !draining_.empty() && draining_.front().last_bit <= last_act_; draining_.pop_front()) {
    held_bytes_ -= draining_.front().bytes;
  }
  held_bytes_ += bytes;
  draining_.push_back({outgoing.last_bit, bytes});
}

bool TxPath::Depart() {
  const Outgoing& outgoing = outgoing_.front();
  const WireFrame& frame = outgoing.frame;
  if (!mac_.up() && !mac_.loopback()) {
    ++chip_.counters.tx_aborted;
    chip_.TraceDrop(outgoing.first_bit, frame.frame_id, SKB_DROP_REASON_NIC_TX_ABORT,
                    frame.bytes.size());
    return false;
  }
  CountSent(outgoing);
  chip_.TraceFrame(TraceKind::kWireTx, outgoing.last_bit, frame.frame_id, outgoing.first_bit,
                   frame.flags, frame.bytes);
  return true;
}

void TxPath::CountSent(const Outgoing& outgoing) {
  Counters& counters = chip_.counters;
  const std::span<const uint8_t> bytes = outgoing.frame.bytes;
  const auto octets = static_cast<uint32_t>(bytes.size()) + kFcsBytes;
  ++counters.tx_frames;
  counters.tx_octets += octets;
  ++counters.tx_size[Counters::SizeBin(octets)];
  Counters::Queue& queue = counters.queue[chip_.tx_stat_queue[outgoing.queue]];
  ++queue.tx_frames;
  queue.tx_octets += octets;
  if ((bytes[0] & 1) == 0) return;
  const bool broadcast =
      std::all_of(bytes.begin(), bytes.begin() + 6, [](uint8_t byte) { return byte == 0xff; });
  ++(broadcast ? counters.tx_broadcast : counters.tx_multicast);
}

}  // namespace tapedeck::nic
