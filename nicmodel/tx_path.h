// From host memory to the wire. Source: Intel 82599 datasheet 7.2 (what) and config.h (when).
//
//   descriptor --read--> data, MRRS bytes a read, as many reads under way as there are tags -->
//   packet buffer (TXPBSIZE)
//     --> frame whole: wire, a slot each --> first bit: the sink has it
//     --> data read: write-back (RS) --> interrupt cause
//
// Reads are requested and host memory is looked at in the order of their times, by whoever looks
// first (Act); a frame gets its place on the wire when its last read is requested. Queues take
// turns, a packet each. Left out: traffic classes and rate limits (RTTD*), deficit idle count.
#ifndef TAPEDECK_NICMODEL_TX_PATH_H_
#define TAPEDECK_NICMODEL_TX_PATH_H_

#include <cstdint>

#include "nicmodel/chip.h"
#include "nicmodel/fifo.h"
#include "nicmodel/mac_link.h"
#include "nicmodel/tx_assembler.h"
#include "nicmodel/tx_ring.h"
#include "nicmodel/wire.h"

namespace tapedeck::nic {

class TxPath {
 public:
  TxPath(Chip& chip, MacLink& mac);
  TxPath(const TxPath&) = delete;
  TxPath& operator=(const TxPath&) = delete;

  // Registers to their defaults; what is in the packet buffer is lost.
  void Reset(SimTime at);

  // --- What happens by itself. ---
  // When the next read or write-back starts; Never() where nothing is to do.
  SimTime next() const { return next_; }
  // When the next read starts. While frames wait for the wire it need not be done then: what comes
  // of it can only leave after them.
  SimTime next_request() const { return next_request_; }
  // Does what is next, and what follows from it before `others`, when others act on what this unit
  // looks at. REQUIRES: next() != Never().
  [[gnu::noinline]] void Act(SimTime others);
  // Makes visible in host memory the write-backs that have arrived there by `time`.
  void Commit(SimTime time) {
    while (!visible_.empty() && visible_.front().visible_at <= time) CommitOldest();
  }
  SimTime next_commit() const {
    return visible_.empty() ? SimTime::Never() : visible_.front().visible_at;
  }

  // The next frame for the wire: its first bit; Never() where none waits.
  SimTime next_first_bit() const {
    return outgoing_.empty() ? SimTime::Never() : outgoing_.front().first_bit;
  }
  struct Outgoing {
    SimTime first_bit;
    SimTime last_bit;
    WireFrame frame;
    uint8_t queue;
  };
  // Counts and traces the frame that goes onto the wire now. False where it is not to be sent,
  // because the link is down. REQUIRES: one waits.
  bool Depart();
  const Outgoing& outgoing() const { return outgoing_.front(); }
  // Forgets it; its buffer has a new owner.
  void PopOutgoing() { outgoing_.pop_front(); }

  // Frames that wait for the wire.
  uint32_t pending_frames() const { return outgoing_.size(); }

  // Moderation was changed, on which write-backs may wait.
  void InterruptsChanged(SimTime at) {
    if (flushing_ != 0) Update(at);
  }

  // False where `offset` is not one of ours.
  bool Read(uint32_t offset, uint32_t* value) const;
  bool Write(SimTime at, uint32_t offset, uint32_t value);

 private:
  // A descriptor with RS whose data will be here at `at`.
  struct Completion {
    SimTime at;
    uint16_t queue;
    uint16_t index;
    uint16_t generation;
  };
  // A word on its way to host memory.
  struct StatusWrite {
    SimTime visible_at;
    dma_addr_t address;
    uint32_t value;
  };
  // A frame that occupies the packet buffer until its last bit has left.
  struct Draining {
    SimTime last_bit;
    uint32_t bytes;
  };

  // tx_path.cc: reads and frames.
  void Update(SimTime at);
  SimTime NextRequest(SimTime at);
  // The ring whose packet is being read, or else the one that can start a packet first, in turns.
  // nullptr where none has work.
  TxRing* ChooseRing(SimTime at) {
    if (current_ != nullptr) return current_;
    if (chip_.config.tx_queues == 1) return rings_[0].has_work() ? &rings_[0] : nullptr;
    return ChooseRingInTurns(at);
  }
  TxRing* ChooseRingInTurns(SimTime at);
  SimTime RoomFor(uint32_t bytes, SimTime at);
  void Request();
  void BeginPacket(TxRing& ring, const TxDescriptor& first);
  void ReadData(const TxDescriptor& descriptor);
  void FinishDescriptor(TxRing& ring, const TxDescriptor& descriptor);
  void Plan();
  void AbortPacket(TxRing& ring);
  void CountSent(const Outgoing& outgoing);

  // tx_write_back.cc.
  // The next completion, or the expiry of the EITR counter that flushes a ring's finished
  // descriptors.
  SimTime NextWriteBack() const {
    const SimTime next = completions_.empty() ? SimTime::Never() : completions_.front().at;
    return flushing_ == 0 ? next : Earlier(next, NextFlush());
  }
  SimTime NextFlush() const;
  // False where a descriptor was finished that waits for others, so that nobody heard of it.
  bool WriteBack();
  [[gnu::noinline]] void Flush();
  void WriteBackFinished(TxRing& ring, SimTime at);
  void PostStatus(StatusWrite write);
  [[gnu::noinline]] void PostFaulty(StatusWrite write);
  void CommitOldest();
  void CountFlushing();

  // tx_registers.cc.
  void TakeSettings();
  TxRing* RingAt(uint32_t offset, uint32_t* field) const;

  Chip& chip_;
  MacLink& mac_;
  TxRing* rings_;
  TxAssembler assembler_;
  TxAssembler::Settings settings_;
  uint32_t dmatxctl_ = 0;
  uint32_t dtxtcpflgl_ = 0;
  uint32_t dtxtcpflgh_ = 0;
  uint32_t txpbsize_[8] = {};

  // The packet whose data is being read.
  TxRing* current_ = nullptr;  // the ring whose turn it is
  uint32_t turn_ = 0;          // the queue that is asked first for the next packet
  bool skipping_ = false;      // its descriptors make no sense: they are used up without a frame
  uint32_t offset_ = 0;        // into the current descriptor's data
  uint32_t frame_id_ = 0;      // of its first descriptor's buffer; 0 when used
  bool frame_id_read_ = false;
  SimTime data_at_;  // when what was requested so far is here

  SimTime last_act_;
  SimTime next_request_ = SimTime::Never();
  SimTime next_ = SimTime::Never();
  uint64_t byte_time_ps_;
  SimTime wire_free_;
  uint32_t held_bytes_ = 0;  // of the packet buffer
  Fifo<Completion> completions_;
  Fifo<StatusWrite> visible_;
  Fifo<Draining> draining_;
  Fifo<Outgoing> outgoing_;
  uint32_t flushing_ = 0;  // rings with finished descriptors that wait for WTHRESH
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_TX_PATH_H_
