// The device's registers: who has which, and the few that concern all units.
#include "nicmodel/nic_82599.h"
#include "stack/base/byteorder.h"

namespace tapedeck::nic {

namespace {

constexpr int kBarMsix = 3;
constexpr uint32_t kStatMapBytes = 128;

}  // namespace

uint32_t Nic82599::ConfigRead(uint32_t offset, int bytes) {
  return config_space_.Read(offset, bytes);
}

void Nic82599::ConfigWrite(uint32_t offset, int bytes, uint32_t value) {
  config_space_.Write(offset, bytes, value);
  chip_.irq.SetMsixControl(Later(now_, chip_.world.now()), config_space_.msix_enabled(),
                           config_space_.msix_masked());
  Reschedule();
}

uint32_t Nic82599::MmioRead32(SimTime at, int bar, uint32_t offset) {
  AdvanceTo(at);
  if (bar == kBarMsix) return chip_.irq.ReadMsix(at, offset);
  if (bar != kBarRegisters) return ~0U;
  const uint32_t value = ReadRegister(at, offset);
  Reschedule();  // some reads clear
  return value;
}

void Nic82599::MmioWrite32(SimTime at, int bar, uint32_t offset, uint32_t value) {
  const PostedWrite write = {at, offset, value, bar};
  writes_.push_back(write);
  next_change_ = Earlier(next_change_, at);
  if (at <= now_) return AdvanceTo(now_);
  if (!NeedsWake(write) || wake_write_ <= at) return;
  wake_write_ = at;
  Reschedule();
}

// More receive descriptors have no effect for others unless a frame waits for them: a poll's tail
// write costs no event.
bool Nic82599::NeedsWake(const PostedWrite& write) const {
  if (write.bar != kBarRegisters) return true;
  const bool rx_tail = write.offset >= kRxRing && write.offset < kRxRing + 64 * kRxRingStride &&
                       write.offset % kRxRingStride == kRdt;
  return !rx_tail || rx_.blocked();
}

void Nic82599::ApplyWrite(const PostedWrite& write) {
  if (wake_write_ <= write.at) {
    wake_write_ = writes_.empty() ? SimTime::Never() : writes_.front().at;
  }
  if (write.bar == kBarMsix) {
    chip_.irq.WriteMsix(write.at, write.offset, write.value);
  } else if (write.bar == kBarRegisters) {
    WriteRegister(write.at, write.offset, write.value);
  }
}

// RQSMR and TQSM: four queues' statistics queues a register, a byte each.
bool Nic82599::StatQueueMap(uint32_t offset, uint8_t** map) const {
  Chip& chip = const_cast<Chip&>(chip_);
  if (offset >= kRqsmr && offset < kRqsmr + kStatMapBytes) {
    *map = &chip.rx_stat_queue[offset - kRqsmr];
    return true;
  }
  if (offset >= kTqsm && offset < kTqsm + kStatMapBytes) {
    *map = &chip.tx_stat_queue[offset - kTqsm];
    return true;
  }
  return false;
}

uint32_t Nic82599::ReadRegister(SimTime at, uint32_t offset) {
  uint32_t value = 0;
  uint8_t* map = nullptr;
  if (chip_.irq.Read(at, offset, &value) || rx_.Read(offset, &value) || tx_.Read(offset, &value) ||
      mac_.Read(offset, &value) || registers_.Read(at, offset, mac_.up(), &value) ||
      stats_.Read(offset, &value)) {
    return value;
  }
  if (StatQueueMap(offset, &map)) return LoadLe32(map);
  ++chip_.counters.unknown_register_reads;
  return 0;
}

void Nic82599::WriteRegister(SimTime at, uint32_t offset, uint32_t value) {
  uint8_t* map = nullptr;
  if (offset == kCtrl || offset == kCtrlAlias) return WriteControl(at, value);
  // Tails are written most, those of transmit queues for each packet.
  if (tx_.Write(at, offset, value) || rx_.Write(at, offset, value)) return;
  if (chip_.irq.Write(at, offset, value)) return tx_.InterruptsChanged(at);
  if (mac_.Write(at, offset, value) || registers_.Write(offset, value)) return;
  if (StatQueueMap(offset, &map)) return StoreLe32(map, value & 0x0f0f0f0f);
  if (!StatRegisters::IsRegister(offset)) ++chip_.counters.unknown_register_writes;
}

void Nic82599::WriteControl(SimTime at, uint32_t value) {
  if ((value & (kCtrlRst | kCtrlLnkRst)) != 0) ResetDevice(at);
  registers_.Write(kCtrl, value);
}

// Software and link reset (datasheet 4.2.1.6): every unit but the PCIe side starts over.
void Nic82599::ResetDevice(SimTime at) {
  chip_.late.Clear();
  chip_.irq.Reset();
  rx_.Reset(at);
  tx_.Reset(at);
  registers_.Reset(at);
  for (uint8_t& queue : chip_.rx_stat_queue) queue = 0;
  for (uint8_t& queue : chip_.tx_stat_queue) queue = 0;
  mac_.Reset(at);
}

}  // namespace tapedeck::nic
