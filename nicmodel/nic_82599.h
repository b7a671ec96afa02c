// The Intel 82599 10 Gigabit Ethernet controller (8086:10F7) as a device on the bus: the units
// joined together, register writes in their order, and the two events that others can see.
// README.md says what is modelled and what is left out.
//
// The device is lazy. Register writes, frames on the wire and DMA are worked through when somebody
// looks (AdvanceTo) or when something leaves the device: a message (wake_) or a frame (wire_). What
// happens, and when, does not depend on how often anybody looks.
#ifndef TAPEDECK_NICMODEL_NIC_82599_H_
#define TAPEDECK_NICMODEL_NIC_82599_H_

#include <cstdint>
#include <string_view>

#include "nicmodel/chip.h"
#include "nicmodel/config.h"
#include "nicmodel/config_space.h"
#include "nicmodel/fifo.h"
#include "nicmodel/mac_link.h"
#include "nicmodel/register_file.h"
#include "nicmodel/rx_path.h"
#include "nicmodel/stats.h"
#include "nicmodel/tx_path.h"
#include "nicmodel/wire.h"
#include "stack/kernel/bus.h"

namespace tapedeck::nic {

class Nic82599 final : public PciDevice {
 public:
  // Attaches itself to `bus`. To be made in the world's arena. REQUIRES: counts within the limits
  // in config.h.
  Nic82599(DeviceBus& bus, const NicConfig& config);
  Nic82599(const Nic82599&) = delete;
  Nic82599& operator=(const Nic82599&) = delete;

  int slot() const { return chip_.slot; }
  const NicConfig& config() const { return chip_.config; }

  // --- The wire. ---
  // Who gets the frames that are sent; nullptr: nobody.
  void set_sink(WireSink* sink) { sink_ = sink; }
  // Who is told of every transfer over PCIe from now on; nullptr: nobody.
  void set_dma_listener(DmaListener* listener) { chip_.dma_listener = listener; }
  // A frame for the receiver: its first bit arrives at `first_bit`, which may lie in the future, or
  // when the wire is free after the frame handed over before; returns when. Calls come in the order
  // of arrival. Ownership of frame.buffer, if any, goes to the NIC; bytes elsewhere have to stay
  // until the frame is in host memory or dropped. A time that the device has passed already means
  // now: hand frames over in device events, or early.
  SimTime WireRx(SimTime first_bit, const WireFrame& frame);
  // When the wire towards the receiver is free after all frames handed over so far.
  SimTime wire_rx_free() const { return rx_.wire_free(); }
  // The cable is pulled out or plugged in again.
  void SetCable(SimTime at, bool plugged);
  bool link_up() const { return mac_.up(); }

  // --- Faults from outside (fault.h). Host drivers and wires know nothing of them. ---
  // From now on something will go wrong once.
  void Plant(const Fault& fault) { chip_.faults.Plant(fault); }
  // Nothing of what was planted will go wrong any more.
  void ForgetFaults() { chip_.faults = FaultPlan(); }
  // A register of BAR0 is written or read at `at` by somebody else than the driver: firmware, a
  // management controller, a stray particle. Behind the driver's writes that are under way.
  // `offset`: a multiple of 4.
  void WriteFromOutside(SimTime at, uint32_t offset, uint32_t value);
  uint32_t ReadFromOutside(SimTime at, uint32_t offset);
  // A message for which there is no cause leaves at `at`.
  void SendSpuriousMessage(SimTime at, int vector);

  // --- PciDevice. ---
  uint32_t MmioRead32(SimTime at, int bar, uint32_t offset) override;
  void MmioWrite32(SimTime at, int bar, uint32_t offset, uint32_t value) override;
  uint32_t ConfigRead(uint32_t offset, int bytes) override;
  void ConfigWrite(uint32_t offset, int bytes, uint32_t value) override;
  void AdvanceTo(SimTime time) override {
    if (time < next_change_) {
      now_ = Later(now_, time);
    } else {
      Advance(time);
    }
  }

  // --- What the model knows, as of the last time somebody looked. ---
  // A counter by name: those of stats.h, and "interrupts", "pcie_up_bytes", "pcie_down_bytes",
  // "rx_queued", "tx_queued". False where there is none.
  bool Stat(std::string_view name, uint64_t* value) const;
  const Counters& counters() const { return chip_.counters; }

 private:
  struct NicEvent : Event {
    NicEvent(EventKind kind_in, uint16_t source_in, Callback run_in, Nic82599* nic_in)
        : Event(kind_in, source_in, run_in), nic(nic_in) {}
    Nic82599* nic;
  };
  struct PostedWrite {
    SimTime at;
    uint32_t offset;
    uint32_t value;
    int bar;
  };

  static constexpr int kBarRegisters = 0;

  static Duration EitrUnit(LinkSpeed speed);
  static void OnWake(Event* event, SimTime now);
  static void OnWire(Event* event, SimTime now);

  // AdvanceTo where something happens on the way.
  void Advance(SimTime time) {
    Progress(time);
    Reschedule();
  }
  // Its own part: others hear nothing of it until Reschedule.
  void Progress(SimTime time);
  // Everything that happens by itself until `time`, with the registers as they are.
  void Run(SimTime time);
  // When it has something to do next.
  SimTime NextAct() const {
    const SimTime rx = Earlier(rx_.next_arrival(), Earlier(rx_.next_issue(), rx_.next_commit()));
    const SimTime tx = Earlier(tx_.next(), tx_.next_commit());
    return Earlier(chip_.irq.next_fire(), Earlier(rx, tx));
  }
  void Act(SimTime time);
  void SendMessage();
  void TransmitOne();
  void DoLate();

  void ApplyWrite(const PostedWrite& write);
  void WriteRegister(SimTime at, uint32_t offset, uint32_t value);
  void WriteControl(SimTime at, uint32_t value);
  void ResetDevice(SimTime at);
  uint32_t ReadRegister(SimTime at, uint32_t offset);
  bool StatQueueMap(uint32_t offset, uint8_t** map) const;
  bool NeedsWake(const PostedWrite& write) const;

  // The times at which the device has to run again for others' sake.
  void Reschedule();
  void RescheduleWire();
  void Schedule(NicEvent* event, SimTime at);
  SimTime NextWake() const;
  SimTime NextMessage() const;

  Chip chip_;
  MacLink mac_;
  RxPath rx_;
  TxPath tx_;
  RegisterFile registers_;
  StatRegisters stats_;
  ConfigSpace config_space_;
  WireSink* sink_ = nullptr;

  SimTime now_;          // everything until here has happened
  SimTime next_change_;  // nothing happens by itself before
  Fifo<PostedWrite> writes_;
  SimTime wake_write_ =
      SimTime::Never();                 // the first posted write that may have an effect for others
  SimTime wake_at_ = SimTime::Never();  // where wake_ and wire_ are scheduled
  SimTime wire_at_ = SimTime::Never();
  NicEvent wake_;
  NicEvent wire_;
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_NIC_82599_H_
