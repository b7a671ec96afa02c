// What a NIC's cable leads to: another NIC, or a port where a player puts frames in and takes
// answers out. Objects live in the arena.
#ifndef TAPEDECK_REPLAY_LAB_CABLE_H_
#define TAPEDECK_REPLAY_LAB_CABLE_H_

#include <cstdint>
#include <span>

#include "nicmodel/nic_82599.h"
#include "nicmodel/wire.h"
#include "replay/lab/frame_edits.h"
#include "stack/base/ip_address.h"
#include "stack/kernel/event_queue.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/world.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

// A frame for a NIC's receiver. With `stable` the bytes outlive the Lab's next hours and are not
// copied. `flags`: of nic::WireFrame; short frames are padded.
inline nic::WireFrame StableWireFrame(uint32_t frame_id, std::span<const uint8_t> bytes,
                                      uint8_t flags) {
  nic::WireFrame frame;
  frame.bytes = bytes;
  frame.frame_id = frame_id;
  frame.flags = static_cast<uint8_t>(flags | nic::kWirePad);
  return frame;
}
nic::WireFrame MakeWireFrame(World& world, uint32_t frame_id, std::span<const uint8_t> bytes,
                             bool stable, uint8_t flags);

// One direction of a cable between two NICs: what is sent arrives unchanged, `delay` later.
class Cable : public nic::WireSink {
 public:
  Cable(nic::Nic82599& to, Duration delay) : to_(to), delay_(delay) {}
  void Transmit(SimTime first_bit, SimTime last_bit, const nic::WireFrame& frame) override;

 private:
  nic::Nic82599& to_;
  Duration delay_;
};

// Who answers a host's ARP requests and neighbour solicitations, where the far end of its cable is
// a capture: the addresses that the capture shows.
class Neighbours {
 public:
  virtual ~Neighbours() = default;
  // The MAC address at `address`; false where nobody has it.
  virtual bool Find(const IpAddress& address, MacAddress* mac) const = 0;
};

// Hears what a host sends.
class FrameListener {
 public:
  virtual ~FrameListener() = default;
  // The first bit of `frame` leaves host `host` at `first_bit`; its bytes are valid only now.
  virtual void OnFrame(uint8_t host, SimTime first_bit, std::span<const uint8_t> frame) = 0;
};

// The far end of a cable whose other side is a player.
class CapturePort : public nic::WireSink {
 public:
  // `edits` may be null; it must outlive the Lab.
  CapturePort(World& world, nic::Nic82599& nic, const FrameEdits* edits = nullptr);

  // ARP requests and neighbour solicitations are answered for `neighbours` (may be null), `delay`
  // after their last bit. It must outlive the Lab.
  void AnswerArp(const Neighbours* neighbours, Duration delay) {
    neighbours_ = neighbours;
    arp_delay_ = delay;
  }

  // Every frame of the host's is told to `listener` (may be null) from now on. It must outlive the
  // Lab or be taken back.
  void Listen(FrameListener* listener, uint8_t host) {
    listener_ = listener;
    host_ = host;
  }

  // A frame's first bit enters the cable at `first_bit`, or when the wire is free after the frame
  // before. Returns its id. With `stable` the bytes outlive the Lab's next hours and are not
  // copied.
  uint32_t Inject(SimTime first_bit, std::span<const uint8_t> bytes, bool stable, uint8_t flags) {
    if (!stable || edits_ != nullptr) return InjectAnyhow(first_bit, bytes, stable, flags);
    const uint32_t frame_id = world_.NewFrameId();
    nic_.WireRx(first_bit, StableWireFrame(frame_id, bytes, flags));
    return frame_id;
  }
  // When the wire is free after all frames so far.
  SimTime wire_free() const { return nic_.wire_rx_free(); }

  void Transmit(SimTime first_bit, SimTime last_bit, const nic::WireFrame& frame) override;

  uint64_t frames_out() const { return frames_out_; }

 private:
  // Inject of a frame that is copied, or may be edited.
  uint32_t InjectAnyhow(SimTime first_bit, std::span<const uint8_t> bytes, bool stable,
                        uint8_t flags);
  // Of one that `edit` is about.
  void InjectEdited(const FrameEdit& edit, uint32_t frame_id, SimTime first_bit,
                    std::span<const uint8_t> bytes, bool stable, uint8_t flags);
  // An answer on its way.
  struct Reply : Event {
    using Event::Event;
    CapturePort* port = nullptr;
    uint8_t bytes[86] = {};
    size_t size = 0;
  };
  // A frame that is held up.
  struct Delayed : Event {
    using Event::Event;
    CapturePort* port = nullptr;
    nic::WireFrame frame;
  };
  static void OnReply(Event* event, SimTime now);
  static void OnDelayed(Event* event, SimTime now);
  void MaybeAnswer(SimTime at, std::span<const uint8_t> frame);
  void MaybeAnswerArp(SimTime at, const wire::EthernetView& ethernet);
  void MaybeAnswerSolicitation(SimTime at, const wire::EthernetView& ethernet);
  // `bytes`: at most those of a Reply.
  void SendReply(SimTime at, std::span<const uint8_t> bytes);

  World& world_;
  nic::Nic82599& nic_;
  const Neighbours* neighbours_ = nullptr;
  Duration arp_delay_;
  FrameListener* listener_ = nullptr;
  uint8_t host_ = 0;
  const FrameEdits* edits_;
  SlabCache<Reply> replies_;
  SlabCache<Delayed> delayed_;
  uint16_t event_source_;
  uint64_t frames_out_ = 0;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_CABLE_H_
