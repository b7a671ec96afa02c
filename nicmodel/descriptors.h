// Descriptors as they lie in host memory, little-endian. Source: Intel 82599 datasheet 7.1.6
// (receive), 7.2.3 (transmit).
#ifndef TAPEDECK_NICMODEL_DESCRIPTORS_H_
#define TAPEDECK_NICMODEL_DESCRIPTORS_H_

#include <cstdint>

#include "stack/base/byteorder.h"

namespace tapedeck::nic {

inline constexpr uint32_t kDescriptorBytes = 16;
inline constexpr uint32_t kDescriptorWords = kDescriptorBytes / sizeof(uint32_t);

// Advanced receive descriptor, as software writes it.
struct RxDescriptorRead {
  le64 pkt_addr;
  le64 hdr_addr;
};
static_assert(sizeof(RxDescriptorRead) == kDescriptorBytes);

// Advanced receive descriptor, as the device writes it back.
struct RxDescriptorWriteBack {
  le32 type_and_header;  // RSS type 3:0, packet type 16:4, RSCCNT 20:17, HDR_LEN 30:21, SPH 31
  le32 rss_hash;
  le32 status_error;  // extended status 19:0, extended error 31:20
  le16 length;
  le16 vlan;
};
static_assert(sizeof(RxDescriptorWriteBack) == kDescriptorBytes);

enum RxStatus : uint32_t {
  kRxDd = 1U << 0,
  kRxEop = 1U << 1,
  kRxVp = 1U << 3,     // VLAN tag stripped into `vlan`
  kRxUdpCs = 1U << 4,  // UDP checksum was checked
  kRxL4Cs = 1U << 5,   // L4 checksum was checked
  kRxIpCs = 1U << 6,   // IPv4 header checksum was checked
  kRxPif = 1U << 7,    // accepted by the multicast hash or promiscuously, not by an exact filter
  kRxLb = 1U << 18,    // looped back
};
enum RxError : uint32_t {
  kRxErrorRxe = 1U << 29,  // MAC error: CRC, length, symbol (only with FCTRL.SBP)
  kRxErrorL4e = 1U << 30,
  kRxErrorIpe = 1U << 31,
};

// Bits of the packet type field.
enum PacketType : uint16_t {
  kPacketIpv4 = 1U << 0,
  kPacketIpv4Options = 1U << 1,
  kPacketIpv6 = 1U << 2,
  kPacketIpv6Extensions = 1U << 3,
  kPacketTcp = 1U << 4,
  kPacketUdp = 1U << 5,
  kPacketSctp = 1U << 6,
};

// Transmit descriptors: the second quad word tells which kind it is.
struct TxDescriptor {
  uint64_t low = 0;
  uint64_t high = 0;
};
static_assert(sizeof(TxDescriptor) == kDescriptorBytes);

inline constexpr uint64_t kTxDd = uint64_t{1} << 32;  // in `high`, written back

// Fields of `high` that all kinds have. Legacy: length 15:0, CSO 23:16, command 31:24, status
// 35:32, CSS 47:40, VLAN 63:48. Advanced: DTALEN 15:0, MAC 19:18, DTYP 23:20, DCMD 31:24, STA
// 35:32, IDX 38:36, CC 39, POPTS 45:40, PAYLEN 63:46.
enum TxCommand : uint32_t {  // bits of the byte at 31:24
  kTxEop = 1U << 0,
  kTxIfcs = 1U << 1,
  kTxLegacyIc = 1U << 2,  // legacy only: insert a checksum at CSO over the bytes from CSS on
  kTxRs = 1U << 3,
  kTxDext = 1U << 5,
  kTxVle = 1U << 6,
  kTxTse = 1U << 7,  // advanced only
};
inline constexpr uint32_t kTxDtypContext = 2;
inline constexpr uint32_t kTxDtypData = 3;

constexpr uint32_t TxCommandOf(const TxDescriptor& d) { return d.high >> 24 & 0xff; }
constexpr uint32_t TxDtypOf(const TxDescriptor& d) { return d.high >> 20 & 0xf; }
constexpr uint32_t TxLengthOf(const TxDescriptor& d) { return d.high & 0xffff; }
constexpr uint32_t TxContextIndexOf(const TxDescriptor& d) { return d.high >> 36 & 0x7; }
constexpr bool TxInsertsIpChecksum(const TxDescriptor& d) { return (d.high >> 40 & 1) != 0; }
constexpr bool TxInsertsL4Checksum(const TxDescriptor& d) { return (d.high >> 41 & 1) != 0; }
constexpr uint32_t TxPayloadLengthOf(const TxDescriptor& d) {
  return static_cast<uint32_t>(d.high >> 46);
}

// A context descriptor, decoded (datasheet 7.2.3.2.3).
struct TxContext {
  uint16_t ip_bytes = 0;  // IPLEN
  uint8_t mac_bytes = 0;  // MACLEN
  uint8_t l4_bytes = 0;   // L4LEN
  uint16_t vlan = 0;
  uint16_t mss = 0;
  uint8_t l4_type = 0;  // L4T: 0 UDP, 1 TCP, 2 SCTP
  bool ipv4 = false;
  bool valid = false;
};
inline constexpr uint8_t kTxL4Udp = 0;
inline constexpr uint8_t kTxL4Tcp = 1;

constexpr TxContext DecodeTxContext(const TxDescriptor& d) {
  TxContext context;
  context.ip_bytes = static_cast<uint16_t>(d.low & 0x1ff);
  context.mac_bytes = static_cast<uint8_t>(d.low >> 9 & 0x7f);
  context.vlan = static_cast<uint16_t>(d.low >> 16);
  const auto tucmd = static_cast<uint32_t>(d.high >> 9 & 0x7ff);
  context.ipv4 = (tucmd >> 1 & 1) != 0;
  context.l4_type = static_cast<uint8_t>(tucmd >> 2 & 3);
  context.l4_bytes = static_cast<uint8_t>(d.high >> 40);
  context.mss = static_cast<uint16_t>(d.high >> 48);
  context.valid = true;
  return context;
}

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_DESCRIPTORS_H_
