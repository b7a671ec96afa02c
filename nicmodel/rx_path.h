// From the wire to host memory. Source: Intel 82599 datasheet 7.1 (what) and config.h (when).
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
#include "nicmodel/fault.h"
#include "nicmodel/fifo.h"
#include "nicmodel/mac_link.h"
#include "nicmodel/rss.h"
#include "nicmodel/rx_filter.h"
#include "nicmodel/rx_parse.h"
#include "nicmodel/rx_ring.h"
#include "nicmodel/wire.h"
#include "stack/base/checksum.h"

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
  SimTime wire_free() const { return wire_free_; }

  // --- What happens by itself, in this order of calls for one `time`. ---
  // Takes in the frames that have ended by `time`. Stops early where room for a frame depends on
  // what is written to host memory until its first bit: then room_undecided(), and the result is
  // the time of that bit; else `time`.
  SimTime Receive(SimTime time) {
    return coming_ == 0 || next_first_bit_ > time ? time : ReceiveDue(time);
  }
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
  // The next frame to come: its first bit.
  SimTime next_arrival() const { return next_first_bit_; }

  // No receive cause can be raised before this time, whatever arrives from what was handed over so
  // far.
  SimTime EarliestCause() const;
  // Whether a frame waits for software to add descriptors.
  bool blocked() const { return waiting_ != 0 && next_issue_ == SimTime::Never(); }
  // Frames handed over that are neither in host memory nor dropped yet.
  uint32_t pending_frames() const { return coming_ + stored_; }

  // False where `offset` is not one of ours.
  bool Read(uint32_t offset, uint32_t* value) const;
  bool Write(SimTime at, uint32_t offset, uint32_t value);

 private:
  static constexpr uint32_t kPostedMax = 64;

  // A frame from the time it is handed over until it is in host memory. The lower part is known
  // when its last bit is in.
  struct Frame {
    WireFrame wire;
    SimTime first_bit;
    SimTime last_bit;
    uint32_t bytes;  // on the wire; when stored, as host memory gets it: padded, tag stripped
    uint32_t units;  // of the packet buffer
    bool room_decided;
    bool room;
    bool dropped;

    bool strip_tag;
    uint8_t queue;
    uint8_t rss_type;
    RxParse parse;
    uint32_t rss_hash;
    uint32_t issued;  // of them, on their way to host memory
    uint32_t status;  // descriptor status and error bits known on arrival
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
    bool faulty;  // the descriptor's write goes wrong:
    Fault fault;
  };

  static uint32_t WireBytes(const WireFrame& frame);
  static uint32_t UnitsOf(uint32_t frame_bytes);

  // What every frame passes is put together into three functions (ReceiveDue, Issue, CommitOldest)
  // by the compiler: they are `flatten`, and what few frames meet is `noinline`.

  // rx_path.cc: the MAC's side.
  [[gnu::noinline]] SimTime ReceiveDue(SimTime time);
  // `frame` is the one at receive_, nullptr where there is none.
  void SetNextArrival(const Frame* frame);
  void TakeIn(Frame& frame);
  bool GoodOnWire(Frame& frame);
  void Store(Frame& frame, RxFilter::Verdict verdict);
  void CountGood(const uint8_t* dst, uint32_t wire_bytes);
  [[gnu::noinline]] void Drop(SimTime at, Frame& frame, DropReason reason, uint64_t* counter);
  void PopDropped() {
    while (!frames_.empty() && frames_.front().dropped) frames_.pop_front();
  }
  void Release(const WireFrame& frame) {
    if (frame.buffer.data != nullptr) chip_.world.packets().Free(frame.buffer);
  }

  // rx_dma.cc: the host's side.
  void UpdateNextIssue();
  void IssuePiece(Frame& frame, RxRing& ring);
  [[gnu::noinline]] void DropWaiting(Frame& frame, DropReason reason, uint64_t* counter);
  [[gnu::noinline]] void CommitOldest();
  void CountToHost(const Frame& frame);
  uint32_t WriteData(const Frame& frame, const Posted& posted);
  uint32_t ChecksumStatus(const Frame& frame, wsum l4_sum);
  static void CopyRange(const Frame& frame, uint8_t* dst, uint32_t offset, uint32_t bytes);
  [[gnu::noinline]] void PlanFault(Posted& posted);
  [[gnu::noinline]] void Spoil(const Posted& posted, uint8_t* descriptor);
  bool WriteDescriptor(const Frame& frame, const Posted& posted, uint32_t l4_status);

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

  uint64_t byte_time_ps_;
  SimTime wire_free_;
  // All frames, in order: [front .. posted .. issue_ .. waiting .. receive_ .. coming .. back];
  // dropped ones among them go when they reach the front.
  Fifo<Frame> frames_;
  Fifo<Frame>::Cursor receive_;  // the next to be taken in
  Fifo<Frame>::Cursor issue_;    // the next to issue, or a dropped one before it
  uint32_t coming_ = 0;          // frames at and behind receive_
  uint32_t waiting_ = 0;         // frames between issue_ and receive_ that are not dropped
  uint32_t stored_ = 0;          // waiting and posted: in the packet buffer
  uint32_t held_units_ = 0;      // of the packet buffer, by stored frames
  SimTime next_first_bit_ = SimTime::Never();  // of the frame at receive_
  SimTime next_last_bit_ = SimTime::Never();
  bool room_undecided_ = false;
  SimTime last_issue_;
  SimTime next_issue_ = SimTime::Never();

  Posted posted_[kPostedMax];
  uint32_t posted_first_ = 0;
  uint32_t posted_count_ = 0;
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_RX_PATH_H_
