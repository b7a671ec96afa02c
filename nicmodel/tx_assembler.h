// Makes frames of the bytes that a packet's descriptors point to: VLAN tag and checksums inserted,
// large packets cut into segments (TSO), short frames padded. Source: Intel 82599
// datasheet 7.2.3-7.2.5.
//
// Frames are built in place in the packet buffer that leaves on the wire. The transport checksum is
// summed while the bytes are copied. Left out: SCTP CRC, IPsec, MACsec, FCoE.
#ifndef TAPEDECK_NICMODEL_TX_ASSEMBLER_H_
#define TAPEDECK_NICMODEL_TX_ASSEMBLER_H_

#include <cstdint>

#include "nicmodel/descriptors.h"
#include "nicmodel/wire.h"
#include "stack/base/checksum.h"
#include "stack/kernel/slab.h"

namespace tapedeck::nic {

class TxAssembler {
 public:
  // Without FCS: the chip sends at most 15.5 KB (datasheet 1.3).
  static constexpr uint32_t kFrameBytesMax = 15'872 - 4;

  // Settings that are the same for all packets.
  struct Settings {
    uint16_t vlan_ethertype = 0x8100;  // DMATXCTL.VT
    uint16_t first_flags_mask =
        0xff6;  // DTXTCPFLGL, DTXTCPFLGH: TCP flags of the first, middle and last segment
    uint16_t middle_flags_mask = 0xf76;
    uint16_t last_flags_mask = 0xf7f;
    bool pad = true;
  };

  explicit TxAssembler(PacketPool& packets) : packets_(packets) {}
  TxAssembler(const TxAssembler&) = delete;
  TxAssembler& operator=(const TxAssembler&) = delete;

  bool busy() const { return busy_; }
  bool segmenting() const { return tse_; }

  // A packet's first data descriptor. False where it makes no sense (then nothing has begun): no
  // valid context where one is needed, too large, headers that are not there.
  bool Begin(const TxDescriptor& first, const TxContext& context, const Settings& settings);
  // The packet buffer space that the packet's next frame needs, if `first` is its first data
  // descriptor.
  static uint32_t FrameBytesOf(const TxDescriptor& first, const TxContext& context);

  // Takes up to `bytes` of the packet and returns how many, up to the end of a frame. `from` ==
  // nullptr: a stray read, all ones. REQUIRES: busy(), !frame_ready().
  uint32_t Append(const uint8_t* from, uint32_t bytes);
  // A whole frame is ready and has to be taken.
  bool frame_ready() const { return frame_ready_; }
  // The packet's last byte was appended. False where its descriptors do not agree about its length:
  // then it is gone.
  bool End();
  // Hands the frame over, with its buffer. REQUIRES: frame_ready().
  void Take(WireFrame* frame);
  // Forgets the packet.
  void Abort();

 private:
  PacketBuffer NewBuffer(uint32_t bytes);
  void StartSegment();
  void Copy(const uint8_t* from, uint32_t bytes);
  void FinishFrame();
  void FinishSegmentHeaders();
  void InsertIpChecksum();
  void InsertL4Checksum();
  void InsertTag();
  void FreeBuffer(PacketBuffer* buffer);

  PacketPool& packets_;
  Settings settings_;
  TxContext context_;
  bool busy_ = false;
  bool frame_ready_ = false;
  bool tse_ = false;
  bool ixsm_ = false;
  bool txsm_ = false;
  bool vle_ = false;
  bool legacy_ = false;
  uint8_t legacy_checksum_at_ = 0;
  uint32_t expected_ = 0;  // the packet's bytes by its first descriptor; 0 with legacy descriptors
  uint32_t appended_ = 0;  // of the packet
  uint32_t l4_at_ = 0;     // where the transport header starts, without the tag
  uint32_t checksum_at_ = 0;

  // The frame being built, from frame_.data + kTagBytes on: a tag goes in front.
  PacketBuffer frame_;
  uint32_t frame_bytes_ = 0;
  uint32_t frame_end_ = 0;  // where it is complete
  wsum l4_sum_ = 0;

  // TSO: the headers as they were given, and which segment this is.
  PacketBuffer header_;
  uint32_t header_bytes_ = 0;
  uint32_t segment_ = 0;
};

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_TX_ASSEMBLER_H_
