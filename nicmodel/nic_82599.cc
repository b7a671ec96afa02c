#include "nicmodel/nic_82599.h"

#include <cstring>
#include <optional>

namespace tapedeck::nic {

Nic82599::Nic82599(DeviceBus& bus, const NicConfig& config)
    : chip_(bus, config, EitrUnit(config.speed)),
      mac_(chip_),
      rx_(chip_, mac_),
      tx_(chip_, mac_),
      registers_(bus.world().arena(), chip_.config),
      stats_(chip_.counters),
      config_space_(chip_.config),
      writes_(bus.world().kmalloc()),
      wake_(EventKind::kDevice, bus.world().NewEventSource(), &Nic82599::OnWake, this),
      wire_(EventKind::kWire, wake_.source, &Nic82599::OnWire, this) {
  CHECK(config.rx_queues >= 1 && config.rx_queues <= 128);
  CHECK(config.tx_queues >= 1 && config.tx_queues <= 128);
  chip_.slot = bus.Attach(this);
  now_ = bus.world().now();
  mac_.Reset(now_);
  Reschedule();
}

// DPDK's and the kernel's figures agree on 2.048 us; ten times that at 100 Mb/s
// (datasheet 7.3.2.1.1).
Duration Nic82599::EitrUnit(LinkSpeed speed) {
  return speed < LinkSpeed::k1G ? Duration::Nanoseconds(20'480) : Duration::Nanoseconds(2'048);
}

[[gnu::flatten]] SimTime Nic82599::WireRx(SimTime first_bit, const WireFrame& frame) {
  const bool was_quiet = rx_.next_arrival() == SimTime::Never();
  const SimTime start = rx_.WireRx(Later(first_bit, now_), frame);
  // Behind frames that are yet to come, another changes nothing about what happens next.
  if (was_quiet) Reschedule();
  return start;
}

void Nic82599::SetCable(SimTime at, bool plugged) {
  AdvanceTo(at);
  mac_.SetCable(at, plugged);
  next_change_ = SimTime::Zero();
  Reschedule();
}

void Nic82599::Progress(SimTime time) {
  while (true) {
    // Registers and the link only change between runs.
    const SimTime write_at = writes_.empty() ? SimTime::Never() : writes_.front().at;
    const SimTime change_at = mac_.next_change();
    const SimTime late_at = chip_.late.next();
    const SimTime next = Earlier(Earlier(write_at, change_at), late_at);
    if (next > time || next == SimTime::Never()) break;
    Run(next);
    now_ = Later(now_, next);
    if (late_at == next) {
      DoLate();
    } else if (change_at <= write_at) {
      mac_.Change();
    } else {
      const PostedWrite write = writes_.front();
      writes_.pop_front();
      ApplyWrite(write);
    }
  }
  Run(time);
  now_ = Later(now_, time);
}

void Nic82599::Run(SimTime time) {
  if (NextAct() > time) return;
  while (true) {
    const SimTime until = rx_.Receive(time);
    Act(until);
    if (!rx_.room_undecided()) break;
    rx_.DecideRoom();
  }
  rx_.Commit(time);
  tx_.Commit(time);
}

// The device's own actions share the PCIe link, so they are taken strictly in order of time; at
// equal times a receive write comes first, so that a message of the same instant covers it.
void Nic82599::Act(SimTime time) {
  while (true) {
    const SimTime rx = rx_.next_issue();
    const SimTime tx = tx_.next();
    const SimTime irq = chip_.irq.next_fire();
    if (rx <= tx && rx <= irq) {
      if (rx > time || rx == SimTime::Never()) return;
      rx_.Issue();
    } else if (tx <= irq) {
      if (tx > time) return;
      // At the time of a message it is still its turn, at that of a receive write no more.
      tx_.Act(Earlier(rx, Earlier(irq, time) + Duration{1}));
    } else {
      if (irq > time) return;
      SendMessage();
    }
  }
}

void Nic82599::SendMessage() {
  const SimTime at = chip_.irq.next_fire();
  const int vector = chip_.irq.Fire();
  const SimTime sent_at = chip_.pcie.WriteMessage(at);
  chip_.TellDma(DmaKind::kMessage, at, sent_at, static_cast<uint32_t>(vector), 0,
                kMsixMessageBytes);
  const std::optional<Fault> fault = chip_.faults.Happens(FaultPoint::kMessage);
  if (!fault.has_value() || fault->kind == FaultKind::kRepeat) {
    chip_.bus.SendMsix(chip_.slot, sent_at, vector);
  }
  if (fault.has_value() && fault->kind != FaultKind::kLose) {
    chip_.late.Add({.at = sent_at + fault->delay, .vector = vector});
  }
}

// What a fault has put off until now, happens.
void Nic82599::DoLate() {
  const LateAct act = chip_.late.Take();
  if (act.vector != LateAct::kNoVector) return chip_.bus.SendMsix(chip_.slot, act.at, act.vector);
  uint8_t* const memory = chip_.bus.DeviceWrite(chip_.slot, act.at, act.address, act.bytes);
  if (memory != nullptr) std::memcpy(memory, act.data, act.bytes);
}

void Nic82599::WriteFromOutside(SimTime at, uint32_t offset, uint32_t value) {
  const SimTime behind = writes_.empty() ? now_ : writes_.back().at;
  MmioWrite32(Later(at, behind), kBarRegisters, offset, value);
}

uint32_t Nic82599::ReadFromOutside(SimTime at, uint32_t offset) {
  const SimTime behind = writes_.empty() ? now_ : writes_.back().at;
  return MmioRead32(Later(at, behind), kBarRegisters, offset);
}

void Nic82599::SendSpuriousMessage(SimTime at, int vector) {
  AdvanceTo(at);
  chip_.bus.SendMsix(chip_.slot, Later(at, now_), vector);
}

void Nic82599::OnWake(Event* event, SimTime now) {
  Nic82599* const nic = static_cast<NicEvent*>(event)->nic;
  nic->wake_at_ = SimTime::Never();
  nic->next_change_ = SimTime::Zero();  // whatever there is to do, the next wake-up is to be found
  nic->AdvanceTo(now);
}

void Nic82599::OnWire(Event* event, SimTime now) {
  Nic82599* const nic = static_cast<NicEvent*>(event)->nic;
  // This event counts as queued until its frames leave, so that nobody schedules it for them again.
  const bool changes = now >= nic->next_change_;
  if (changes) nic->Progress(now);
  nic->now_ = Later(nic->now_, now);
  nic->wire_at_ = SimTime::Never();
  while (nic->tx_.next_first_bit() <= now) nic->TransmitOne();
  // Where nothing else has happened, a frame less changes nothing for those behind it but when they
  // come to the wire.
  if (changes || nic->tx_.pending_frames() == 0) {
    nic->Reschedule();
  } else {
    nic->RescheduleWire();
  }
}

void Nic82599::TransmitOne() {
  const bool sent = tx_.Depart();
  const TxPath::Outgoing& outgoing = tx_.outgoing();
  if (sent && mac_.loopback()) {
    ++chip_.counters.tx_loopback;
    WireRx(outgoing.first_bit, outgoing.frame);
  } else if (sent && sink_ != nullptr) {
    sink_->Transmit(outgoing.first_bit, outgoing.last_bit, outgoing.frame);
  } else {
    chip_.world.packets().Free(outgoing.frame.buffer);
  }
  tx_.PopOutgoing();
}

// The earliest time at which a message may leave.
SimTime Nic82599::NextMessage() const {
  const SimTime fire = chip_.irq.next_fire();
  const SimTime gate = chip_.irq.EarliestQueueMessage();
  const bool other = chip_.irq.OtherEnabled(kEicrRxMiss | kEicrPciException);
  if (gate == SimTime::Never() && !other) return fire;
  // For a cause that is yet to come: not before that, nor before a counter that is still running.
  const SimTime cause = Earlier(rx_.EarliestCause(), tx_.next());
  if (other || cause == SimTime::Never()) return Earlier(fire, cause);
  return Earlier(fire, Later(cause, gate));
}

SimTime Nic82599::NextWake() const {
  SimTime next = Earlier(NextMessage(), mac_.next_change());
  next = Earlier(next, Earlier(wake_write_, chip_.late.next()));
  // A frame may have come to wait for descriptors since their tail was written.
  if (rx_.blocked() && !writes_.empty()) next = Earlier(next, writes_.front().at);
  // While a frame waits for the wire, its event comes before anything that is still to be read can
  // leave.
  if (tx_.pending_frames() == 0) next = Earlier(next, tx_.next_request());
  return next;
}

void Nic82599::Reschedule() {
  const SimTime wake = NextWake();
  if (wake != wake_at_) {
    wake_at_ = wake;
    Schedule(&wake_, wake);
  }
  RescheduleWire();
  next_change_ = Earlier(NextAct(), Earlier(mac_.next_change(), chip_.late.next()));
  if (!writes_.empty()) next_change_ = Earlier(next_change_, writes_.front().at);
}

void Nic82599::RescheduleWire() {
  const SimTime first_bit = tx_.next_first_bit();
  if (first_bit == wire_at_) return;
  wire_at_ = first_bit;
  Schedule(&wire_, first_bit);
}

// What the device has passed already happens now.
void Nic82599::Schedule(NicEvent* event, SimTime at) {
  chip_.world.device_events().Schedule(event, Later(at, chip_.world.now()));
}

bool Nic82599::Stat(std::string_view name, uint64_t* value) const {
  if (name == "interrupts") {
    *value = chip_.irq.messages();
  } else if (name == "pcie_up_bytes") {
    *value = chip_.pcie.up_bytes();
  } else if (name == "pcie_down_bytes") {
    *value = chip_.pcie.down_bytes();
  } else if (name == "rx_queued") {
    *value = rx_.pending_frames();
  } else if (name == "tx_queued") {
    *value = tx_.pending_frames();
  } else {
    return chip_.counters.Get(name, value);
  }
  return true;
}

}  // namespace tapedeck::nic
