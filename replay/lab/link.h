// A path between two NICs that is not a perfect cable: delay, a bottleneck with its queue, loss,
// duplication, reordering, corruption (as netem and tbf would do it). One object per direction, in
// the arena.
#ifndef TAPEDECK_REPLAY_LAB_LINK_H_
#define TAPEDECK_REPLAY_LAB_LINK_H_

#include <cstdint>

#include "nicmodel/nic_82599.h"
#include "nicmodel/wire.h"
#include "stack/base/prng.h"
#include "stack/base/time.h"
#include "stack/kernel/event_queue.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/world.h"

namespace tapedeck {

// The whole fault model of one direction. A share is in parts per million of frames, each drawn for
// itself.
struct LinkOptions {
  Duration delay = Duration::Nanoseconds(5);  // propagation; 1 m of copper
  uint64_t rate_bits_per_second = 0;          // of the bottleneck; 0: none
  uint32_t queue_frames = 1000;               // that wait for the bottleneck; more are dropped
  uint32_t loss_ppm = 0;
  // Which frames are lost besides: bit n of it frame n, from the lowest on, again and again.
  uint64_t loss_pattern = 0;
  uint32_t duplicate_ppm = 0;
  uint32_t reorder_ppm = 0;  // these arrive `reorder_delay` late, behind others
  Duration reorder_delay = Duration::Milliseconds(1);
  uint32_t corrupt_ppm = 0;  // one bit behind the Ethernet header is wrong, and no FCS tells
  bool plantable = false;    // faults will be planted (Link::Plant): never a plain cable

  // Whether a plain cable does the same.
  bool IsPlain() const;
};

class Link : public nic::WireSink {
 public:
  Link(World& world, nic::Nic82599& to, const LinkOptions& options);
  void Transmit(SimTime first_bit, SimTime last_bit, const nic::WireFrame& frame) override;

  // Something will happen to one of the next frames (nic::FaultPoint::kWire).
  void Plant(const nic::Fault& fault) { faults_.Plant(fault); }

  struct Counts {
    uint64_t frames = 0;  // that entered
    uint64_t lost = 0;
    uint64_t overflowed = 0;
    uint64_t duplicated = 0;
    uint64_t reordered = 0;
    uint64_t corrupted = 0;
  };
  const Counts& counts() const { return counts_; }

 private:
  // A frame on its way: first in the bottleneck's queue (where there is one), then in flight.
  struct InFlight : Event {
    using Event::Event;
    Link* link = nullptr;
    nic::WireFrame frame;
    Duration after_bottleneck;
    bool queued_here = false;
  };
  static void OnDue(Event* event, SimTime now);

  bool Draw(uint32_t share_ppm);
  bool Lose();
  void Drop(SimTime at, const nic::WireFrame& frame);
  nic::WireFrame Copy(const nic::WireFrame& frame);
  void Corrupt(nic::WireFrame* frame);
  // A frame of the link's own that may be written.
  void MakeOwn(nic::WireFrame* frame);
  void Change(nic::WireFrame* frame, const nic::Fault& fault);
  void SendTwin(SimTime at, const nic::WireFrame& frame);
  void Send(SimTime at, const nic::WireFrame& frame);

  World& world_;
  nic::Nic82599& to_;
  LinkOptions options_;
  nic::FaultPlan faults_;
  SlabCache<InFlight> in_flight_;
  Prng prng_;
  uint16_t event_source_;
  SimTime free_at_;       // the bottleneck, of all that is queued
  uint32_t waiting_ = 0;  // frames in its queue
  Counts counts_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_LINK_H_
