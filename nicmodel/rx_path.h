// From the wire to host memory. Source: Intel 82599 datasheet 7.1, and nicmodel.md 2.2-2.5 for the
// times.
//
//   wire --last bit--> MAC checks, filters, RSS --> packet buffer --descriptor--> PCIe write of
//   data and descriptor
//                                                   (RXPBSIZE)                    --> visible in
//                                                   host memory
//
// A frame is stored whole before it moves on. There is room for it or not when its first bit
// arrives: without, it is missed (MPC). The packet buffer is one queue: a frame whose receive queue
// has no descriptor is dropped with SRRCTL.DROP_EN, and otherwise stays at the front and blocks
// every other queue until software adds descriptors.
//
// Frames may be handed over long before they arrive. Nothing happens then: the device computes what
// has happened when somebody looks (Receive, Issue, Commit), from the times alone, so a frame costs
// no event. Left out: several packet buffers (traffic classes), flow control.
#ifndef TAPEDECK_NICMODEL_RX_PATH_H_
#define TAPEDECK_NICMODEL_RX_PATH_H_

#include <cstdint>
#include <span>

#include "nicmodel/chip.h"
#include "nicmodel/fifo.h"
#include "nicmodel/mac_link.h"
#include "nicmodel/rss.h"
#include "nicmodel/rx_filter.h"
#include "nicmodel/rx_parse.h"
#include "nicmodel/rx_ring.h"
#include "nicmodel/wire.h"

namespace tapedeck::nic {

class RxPath {
 public:
  RxPath(Chip& chip, MacLink& mac);
  RxPath(const RxPath&) = delete;
  RxPath& operator=(const RxPath&) = delete;

  // Registers to their defaults; what is in the packet buffer is lost.
  void Reset(SimTime at);

  // A frame's first bit arrives at `first_bit`, or when the wire is free after the frame before.
  // Returns when it does.
  SimTime WireRx(SimTime first_bit, const WireFrame& frame);

  // --- What happens by itself, in this order of calls for one `time`. ---
  // Takes in the frames that have ended by `time`. Stops early where room for a frame depends on
  // what is written to host memory until its first bit: then room_undecided(), and the result is
  // the time of that bit; else `time`.
  SimTime Receive(SimTime time);
  bool room_undecided() const { return room_undecided_; }
  // REQUIRES: room_undecided(), and Issue has been called for everything due by then.
  void DecideRoom();

  // When the next write to host memory starts; Never() where none can.
  SimTime next_issue() const { return next_issue_; }
  // Starts it. REQUIRES: next_issue() != Never().
  void Issue();

  // Makes visible in host memory what has arrived there by `time`.
  void Commit(SimTime time) {
    while (posted_count_ != 0 && posted_[posted_first_].visible_at <= time) CommitOldest();
  }
  // When Commit has something to do next.
  SimTime next_commit() const {
    return posted_count_ == 0 ? SimTime::Never() : posted_[posted_first_].visible_at;
  }
  // The next frame to come starts.
  SimTime next_arrival() const {
    return arrivals_.empty() ? SimTime::Never() : arrivals_.front().first_bit;
  }

  // No receive cause can be raised before this time, whatever arrives from what was handed over so
  // far.
  SimTime EarliestCause() const;
  // Whether a frame waits for software to add descriptors.
  bool blocked() const { return waiting_ != 0 && next_issue_ == SimTime::Never(); }
  // Frames handed over that are not in host memory yet.
  uint32_t pending_frames() const { return arrivals_.size() + stored_.size(); }

  // False where `offset` is not one of ours.
  bool Read(uint32_t offset, uint32_t* value) const;
  bool Write(SimTime at, uint32_t offset, uint32_t value);

 private:
  static constexpr uint32_t kPostedMax = 64;

  struct Arrival {
    SimTime first_bit;
    SimTime last_bit;
    WireFrame frame;
    bool room_decided = false;
    bool room = false;
  };
  // A frame in the packet buffer.
  struct Stored {
    WireFrame frame;
    SimTime ready_at;
    RxParse parse;
    uint32_t rss_hash = 0;
    uint32_t bytes = 0;   // as host memory gets it: padded, tag stripped
    uint32_t issued = 0;  // of them, on their way to host memory
    uint32_t units = 0;   // of the packet buffer
    uint32_t status = 0;  // descriptor status and error bits known on arrival
    uint8_t queue = 0;
    uint8_t rss_type = 0;
    bool strip_tag = false;
    bool dropped = false;
  };
  // A buffer's worth of a frame, and its descriptor, on their way to host memory.
  struct Posted {
    SimTime read_out_at;  // out of the packet buffer
    SimTime visible_at;
    RxRing::Slot slot;
    uint32_t offset;
    uint32_t bytes;
    uint32_t units;  // that are free then: all of the frame's with its last piece, else 0
    bool last;
  };

  static uint32_t WireBytes(const WireFrame& frame);
  static uint32_t UnitsOf(uint32_t frame_bytes);

  // rx_path.cc: the MAC's side.
  void TakeIn(Arrival& arrival);
  bool GoodOnWire(const Arrival& arrival, uint32_t frame_bytes);
  void Store(const Arrival& arrival, uint32_t frame_bytes, RxFilter::Verdict verdict);
  void CountGood(const uint8_t* dst, uint32_t frame_bytes);
  void Drop(SimTime at, const WireFrame& frame, DropReason reason, uint64_t* counter);
  void Release(const WireFrame& frame) {
    if (frame.buffer.data != nullptr) chip_.world.packets().Free(frame.buffer);
  }

  // rx_dma.cc: the host's side.
  void UpdateNextIssue();
  void IssuePiece(Stored& stored, RxRing& ring);
  void DropWaiting(Stored& stored, DropReason reason, uint64_t* counter);
  void CommitOldest();
  void PopDropped();
  uint32_t WriteData(const Stored& stored, const Posted& posted);
  static void CopyRange(const Stored& stored, uint8_t* dst, uint32_t offset, uint32_t bytes);
  bool WriteDescriptor(const Stored& stored, const Posted& posted, uint32_t l4_status);

  // rx_registers.cc.
  RxRing* RingAt(uint32_t offset, uint32_t* field) const;
  bool InRingBlock(uint32_t offset) const;

  Chip& chip_;
  MacLink& mac_;
  RxFilter filter_;
  Rss rss_;
  RxRing* rings_;
  uint32_t rxctrl_ = 0;
  uint32_t rxcsum_ = 0;
  uint32_t rdrxctl_ = 0;
  uint32_t secrxctrl_ = 0;
  uint32_t rxpbsize_[8] = {};

  SimTime wire_free_;
  Fifo<Arrival> arrivals_;
  Fifo<Stored> stored_;
  Fifo<Stored>::Cursor issue_;  // the next to issue
  uint32_t waiting_ = 0;        // frames at and behind issue_
  uint32_t held_units_ = 0;     // of the packet buffer, of all stored frames
  bool room_undecided_ = false;
  SimTime last_issue_;
  SimTime next_issue_ = SimTime::Never();

  Posted posted_[kPostedMax];
  uint32_t posted_first_ = 0;
  uint32_t posted_count_ = 0;
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_RX_PATH_H_
