// The 82599 as its driver sees it: the registers and descriptors that stack/drivers/ixgbe uses,
// under their datasheet names. Written from the datasheet's register chapter, apart from the device
// model's own tables, so that a wrong offset on either side shows. Source: Intel 82599 10 GbE
// Controller Datasheet, sections 7.1, 7.2, 7.3 and 8.2.
#ifndef TAPEDECK_STACK_DRIVERS_IXGBE_HW_H_
#define TAPEDECK_STACK_DRIVERS_IXGBE_HW_H_

#include <cstdint>

#include "stack/base/byteorder.h"

namespace tapedeck::ixgbe {

inline constexpr uint16_t kVendorId = 0x8086;
inline constexpr uint16_t kDeviceIdKx4 = 0x10f7;
inline constexpr uint16_t kDeviceIdSfp = 0x10fb;

// PCI configuration space.
inline constexpr uint32_t kPciCommand = 0x04;
inline constexpr uint32_t kPciCommandMemory = 1U << 1;
inline constexpr uint32_t kPciCommandMaster = 1U << 2;
inline constexpr uint32_t kPciMsixCapability = 0x70;  // message control in the high half
inline constexpr uint32_t kPciMsixEnable = 1U << 31;

// BAR 3: the MSI-X table, 16 bytes a vector.
inline constexpr int kMsixBar = 3;
inline constexpr uint32_t MsixAddressLow(uint32_t v) { return v * 16; }
inline constexpr uint32_t MsixAddressHigh(uint32_t v) { return v * 16 + 4; }
inline constexpr uint32_t MsixData(uint32_t v) { return v * 16 + 8; }
inline constexpr uint32_t MsixVectorControl(uint32_t v) { return v * 16 + 12; }

// General.
inline constexpr uint32_t CTRL = 0x00000;
inline constexpr uint32_t CTRL_GIO_DIS = 1U << 2;
inline constexpr uint32_t CTRL_LNK_RST = 1U << 3;
inline constexpr uint32_t CTRL_RST = 1U << 26;
inline constexpr uint32_t STATUS = 0x00008;
inline constexpr uint32_t STATUS_GIO = 1U << 19;  // master requests are enabled
inline constexpr uint32_t CTRL_EXT = 0x00018;
inline constexpr uint32_t CTRL_EXT_DRV_LOAD = 1U << 28;
inline constexpr uint32_t CTRL_EXT_NS_DIS = 1U << 16;
inline constexpr uint32_t EEC = 0x10010;
inline constexpr uint32_t EEC_ARD = 1U << 9;  // EEPROM auto-read is done
inline constexpr uint32_t RDRXCTL = 0x02f00;
inline constexpr uint32_t RDRXCTL_CRCSTRIP = 1U << 1;
inline constexpr uint32_t RDRXCTL_DMAIDONE = 1U << 3;

// Link.
inline constexpr uint32_t AUTOC = 0x042a0;
inline constexpr uint32_t AUTOC_AN_RESTART = 1U << 12;
inline constexpr uint32_t LINKS = 0x042a4;
inline constexpr uint32_t LINKS_UP = 1U << 30;
inline constexpr uint32_t LINKS_SPEED_SHIFT = 28;  // 3: 10 Gb/s, 2: 1 Gb/s, 1: 100 Mb/s

// Interrupts.
inline constexpr uint32_t EICR = 0x00800;
inline constexpr uint32_t EICS = 0x00808;
inline constexpr uint32_t EICR_LSC = 1U << 20;
inline constexpr uint32_t EICR_OTHER = 1U << 31;
inline constexpr uint32_t EIMS = 0x00880;
inline constexpr uint32_t EIMC = 0x00888;
inline constexpr uint32_t EIAC = 0x00810;
inline constexpr uint32_t EIAM = 0x00890;
inline constexpr uint32_t GPIE = 0x00898;
inline constexpr uint32_t GPIE_MSIX_MODE = 1U << 4;
inline constexpr uint32_t GPIE_OCD = 1U << 5;
inline constexpr uint32_t GPIE_EIAME = 1U << 30;
inline constexpr uint32_t GPIE_PBA_SUPPORT = 1U << 31;
inline constexpr uint32_t EITR(uint32_t v) {
  return v < 24 ? 0x00820 + v * 4 : 0x12300 + (v - 24) * 4;
}
inline constexpr uint32_t EITR_CNT_WDIS = 1U << 31;
inline constexpr uint32_t IVAR(uint32_t queue) { return 0x00900 + (queue / 2) * 4; }
inline constexpr uint32_t IVAR_MISC = 0x00a00;
inline constexpr uint32_t IVAR_ALLOC_VAL = 0x80;

// Receive.
inline constexpr uint32_t FCTRL = 0x05080;
inline constexpr uint32_t FCTRL_MPE = 1U << 8;
inline constexpr uint32_t FCTRL_UPE = 1U << 9;
inline constexpr uint32_t FCTRL_BAM = 1U << 10;
inline constexpr uint32_t MTA(uint32_t word) { return 0x05200 + word * 4; }
inline constexpr uint32_t MCSTCTRL = 0x05090;
inline constexpr uint32_t MCSTCTRL_MFE = 1U << 2;
inline constexpr uint32_t VLNCTRL = 0x05088;
inline constexpr uint32_t VLNCTRL_VFE = 1U << 30;
inline constexpr uint32_t RAL(uint32_t n) { return 0x0a200 + n * 8; }
inline constexpr uint32_t RAH(uint32_t n) { return 0x0a204 + n * 8; }
inline constexpr uint32_t RAH_AV = 1U << 31;
inline constexpr uint32_t RXCSUM = 0x05000;
inline constexpr uint32_t RXCSUM_PCSD =
    1U << 13;  // the descriptor carries the RSS hash, not the fragment checksum
inline constexpr uint32_t RXCTRL = 0x03000;
inline constexpr uint32_t RXCTRL_RXEN = 1U << 0;
inline constexpr uint32_t HLREG0 = 0x04240;
inline constexpr uint32_t HLREG0_TXCRCEN = 1U << 0;
inline constexpr uint32_t HLREG0_RXCRCSTRP = 1U << 1;
inline constexpr uint32_t HLREG0_JUMBOEN = 1U << 2;
inline constexpr uint32_t HLREG0_TXPADEN = 1U << 10;
inline constexpr uint32_t MAXFRS = 0x04268;
inline constexpr uint32_t MAXFRS_SHIFT = 16;
inline constexpr uint32_t RXPBSIZE(uint32_t n) { return 0x03c00 + n * 4; }
inline constexpr uint32_t RX_QUEUE(uint32_t q) {
  return q < 64 ? 0x01000 + q * 0x40 : 0x0d000 + (q - 64) * 0x40;
}
inline constexpr uint32_t RDBAL(uint32_t q) { return RX_QUEUE(q); }
inline constexpr uint32_t RDBAH(uint32_t q) { return RX_QUEUE(q) + 0x04; }
inline constexpr uint32_t RDLEN(uint32_t q) { return RX_QUEUE(q) + 0x08; }
inline constexpr uint32_t RDH(uint32_t q) { return RX_QUEUE(q) + 0x10; }
inline constexpr uint32_t SRRCTL(uint32_t q) { return RX_QUEUE(q) + 0x14; }
// SRRCTL bits 4:0, BSIZEPKT, count KiB.
inline constexpr uint32_t SRRCTL_DESCTYPE_ADV_ONEBUF = 1U << 25;
inline constexpr uint32_t SRRCTL_DROP_EN = 1U << 28;
inline constexpr uint32_t RDT(uint32_t q) { return RX_QUEUE(q) + 0x18; }
inline constexpr uint32_t RXDCTL(uint32_t q) { return RX_QUEUE(q) + 0x28; }
inline constexpr uint32_t RXDCTL_ENABLE = 1U << 25;
inline constexpr uint32_t RXDCTL_VME = 1U << 30;
inline constexpr uint32_t MRQC = 0x05818;
inline constexpr uint32_t MRQC_RSSEN = 1;
inline constexpr uint32_t MRQC_RSS_FIELD_IPV4_TCP = 1U << 16;
inline constexpr uint32_t MRQC_RSS_FIELD_IPV4 = 1U << 17;
inline constexpr uint32_t MRQC_RSS_FIELD_IPV6 = 1U << 20;
inline constexpr uint32_t MRQC_RSS_FIELD_IPV6_TCP = 1U << 21;
inline constexpr uint32_t RSSRK(uint32_t word) { return 0x05c80 + word * 4; }
inline constexpr uint32_t RETA(uint32_t word) { return 0x05c00 + word * 4; }

// Transmit.
inline constexpr uint32_t DMATXCTL = 0x04a80;
inline constexpr uint32_t DMATXCTL_TE = 1U << 0;
inline constexpr uint32_t RTTDCS = 0x04900;
inline constexpr uint32_t RTTDCS_ARBDIS = 1U << 6;
inline constexpr uint32_t TXPBSIZE(uint32_t n) { return 0x0cc00 + n * 4; }
inline constexpr uint32_t TX_QUEUE(uint32_t q) { return 0x06000 + q * 0x40; }
inline constexpr uint32_t TDBAL(uint32_t q) { return TX_QUEUE(q); }
inline constexpr uint32_t TDBAH(uint32_t q) { return TX_QUEUE(q) + 0x04; }
inline constexpr uint32_t TDLEN(uint32_t q) { return TX_QUEUE(q) + 0x08; }
inline constexpr uint32_t TDH(uint32_t q) { return TX_QUEUE(q) + 0x10; }
inline constexpr uint32_t TDT(uint32_t q) { return TX_QUEUE(q) + 0x18; }
inline constexpr uint32_t TXDCTL(uint32_t q) { return TX_QUEUE(q) + 0x28; }
inline constexpr uint32_t TXDCTL_ENABLE = 1U << 25;
inline constexpr uint32_t TXDCTL_HTHRESH_SHIFT = 8;
inline constexpr uint32_t TXDCTL_WTHRESH_SHIFT = 16;

// Statistics, cleared on read.
inline constexpr uint32_t CRCERRS = 0x04000;
inline constexpr uint32_t MPC(uint32_t n) { return 0x03fa0 + n * 4; }
inline constexpr uint32_t RLEC = 0x04040;
inline constexpr uint32_t MPRC = 0x0407c;
inline constexpr uint32_t RUC = 0x040a4;
inline constexpr uint32_t ROC = 0x040ac;
inline constexpr uint32_t QPRDC(uint32_t q) { return 0x01430 + q * 0x40; }

// An advanced receive descriptor: what software writes, and what the device writes over it (7.1.6).
union RxDesc {
  struct {
    le64 pkt_addr;
    le64 hdr_addr;
  } read;
  struct {
    le32 pkt_info;      // RSS type 3:0, packet type 16:4
    le32 rss;           // hash, or IP identification and fragment checksum
    le32 status_error;  // status 19:0, error 31:20
    le16 length;
    le16 vlan;
  } wb;
};
static_assert(sizeof(RxDesc) == 16);
inline constexpr uint32_t RXD_STAT_DD = 1U << 0;
inline constexpr uint32_t RXD_STAT_EOP = 1U << 1;
inline constexpr uint32_t RXD_STAT_VP = 1U << 3;
inline constexpr uint32_t RXD_STAT_L4CS = 1U << 5;
inline constexpr uint32_t RXD_STAT_IPCS = 1U << 6;
inline constexpr uint32_t RXD_ERR_L4E = 1U << 30;
inline constexpr uint32_t RXD_ERR_IPE = 1U << 31;
inline constexpr uint32_t RXD_ERR_RXE = 1U << 29;
inline constexpr uint32_t RXD_RSSTYPE_MASK = 0xf;
inline constexpr uint32_t RXD_RSSTYPE_L4 =
    1U << 1 | 1U << 3 | 1U << 6 | 1U << 7 | 1U << 8 | 1U << 9;
inline constexpr uint32_t RXD_PKTTYPE_UDP = 1U << 9;  // of pkt_info: packet type bit 5

// An advanced transmit descriptor: data or context (7.2.3.2).
union TxDesc {
  struct {
    le64 buffer_addr;
    le32 cmd_type_len;
    le32 olinfo_status;
  } read;
  struct {
    le64 reserved;
    le32 nxtseq_seed;
    le32 status;
  } wb;
  struct {
    le32 vlan_macip_lens;
    le32 seqnum_seed;
    le32 type_tucmd_mlhl;
    le32 mss_l4len_idx;
  } context;
};
static_assert(sizeof(TxDesc) == 16);
inline constexpr uint32_t TXD_DTYP_CTXT = 2U << 20;
inline constexpr uint32_t TXD_DTYP_DATA = 3U << 20;
inline constexpr uint32_t TXD_DCMD_EOP = 1U << 24;
inline constexpr uint32_t TXD_DCMD_IFCS = 1U << 25;
inline constexpr uint32_t TXD_DCMD_RS = 1U << 27;
inline constexpr uint32_t TXD_DCMD_DEXT = 1U << 29;
inline constexpr uint32_t TXD_DCMD_VLE = 1U << 30;
inline constexpr uint32_t TXD_DCMD_TSE = 1U << 31;
inline constexpr uint32_t TXD_STAT_DD = 1U << 0;
inline constexpr uint32_t TXD_CC = 1U << 7;  // olinfo: the context is checked
inline constexpr uint32_t TXD_POPTS_IXSM = 1U << 8;
inline constexpr uint32_t TXD_POPTS_TXSM = 1U << 9;
inline constexpr uint32_t TXD_PAYLEN_SHIFT = 14;
inline constexpr uint32_t TXD_MACLEN_SHIFT = 9;
inline constexpr uint32_t TXD_VLAN_SHIFT = 16;
inline constexpr uint32_t TXD_TUCMD_IPV4 = 1U << 10;
inline constexpr uint32_t TXD_TUCMD_L4T_UDP = 0U << 11;
inline constexpr uint32_t TXD_TUCMD_L4T_TCP = 1U << 11;
inline constexpr uint32_t TXD_TUCMD_L4T_SCTP = 2U << 11;
inline constexpr uint32_t TXD_L4LEN_SHIFT = 8;
inline constexpr uint32_t TXD_MSS_SHIFT = 16;
inline constexpr uint32_t kTxBytesPerDescMax = 16 * 1024;

}  // namespace tapedeck::ixgbe

#endif  // TAPEDECK_STACK_DRIVERS_IXGBE_HW_H_
