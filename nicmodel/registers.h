// Register offsets in BAR0 and their bits, under the datasheet's names (Intel 82599 datasheet,
// chapter 8). Only what the model gives a meaning; registers that are merely read back are in
// register_file.cc.
#ifndef TAPEDECK_NICMODEL_REGISTERS_H_
#define TAPEDECK_NICMODEL_REGISTERS_H_

#include <cstdint>

namespace tapedeck::nic {

// --- General (8.2.3.1). ---
inline constexpr uint32_t kCtrl = 0x00000;
inline constexpr uint32_t kCtrlAlias = 0x00004;
inline constexpr uint32_t kCtrlGioMasterDisable = 1U << 2;
inline constexpr uint32_t kCtrlLnkRst = 1U << 3;
inline constexpr uint32_t kCtrlRst = 1U << 26;
inline constexpr uint32_t kStatus = 0x00008;
inline constexpr uint32_t kStatusLanId = 3U << 2;
inline constexpr uint32_t kStatusLinkUp = 1U << 7;
inline constexpr uint32_t kStatusGioMasterEnable = 1U << 19;

// --- EEPROM, semaphores (8.2.3.2, 8.2.3.4). ---
inline constexpr uint32_t kEec = 0x10010;
inline constexpr uint32_t kEecRequest = 1U << 6;
inline constexpr uint32_t kEecGrant = 1U << 7;
inline constexpr uint32_t kEecPresent = 1U << 8;
inline constexpr uint32_t kEecAutoReadDone = 1U << 9;
inline constexpr uint32_t kEerd = 0x10014;
inline constexpr uint32_t kEerdStart = 1U << 0;
inline constexpr uint32_t kEerdDone = 1U << 1;
inline constexpr uint32_t kSwsm = 0x10140;
inline constexpr uint32_t kSwsmSmbi = 1U << 0;
inline constexpr uint32_t kSwsmSwesmbi = 1U << 1;
inline constexpr uint32_t kFwsm = 0x10148;
inline constexpr uint32_t kFactps = 0x10150;
inline constexpr uint32_t kSwFwSync = 0x10160;
inline constexpr uint32_t kPbacl = 0x110c0;

// --- Interrupts (8.2.3.5). ---
inline constexpr uint32_t kEicr = 0x00800;
inline constexpr uint32_t kEics = 0x00808;
inline constexpr uint32_t kEiac = 0x00810;
inline constexpr uint32_t kEims = 0x00880;
inline constexpr uint32_t kEimc = 0x00888;
inline constexpr uint32_t kEiam = 0x00890;
inline constexpr uint32_t kGpie = 0x00898;
inline constexpr uint32_t kGpieMultipleMsix = 1U << 4;
inline constexpr uint32_t kGpieOcd = 1U << 5;     // read of EICR clears the other causes only
inline constexpr uint32_t kGpieEimen = 1U << 6;   // EICS interrupts at once, past EITR
inline constexpr uint32_t kGpieEiame = 1U << 30;  // automask when a message is sent
inline constexpr uint32_t kEicsEx = 0x00a90;      // [2], vectors 31:0 and 63:32
inline constexpr uint32_t kEimsEx = 0x00aa0;
inline constexpr uint32_t kEimcEx = 0x00ab0;
inline constexpr uint32_t kEiamEx = 0x00ad0;
inline constexpr uint32_t kIvar = 0x00900;  // [64]
inline constexpr uint32_t kIvarMisc = 0x00a00;
inline constexpr uint32_t kIvarValid = 0x80;
inline constexpr uint32_t kEitr = 0x00820;      // [24]
inline constexpr uint32_t kEitrHigh = 0x12300;  // vectors 24 and up
inline constexpr uint32_t kEitrCounterWriteDisable = 1U << 31;
inline constexpr uint32_t kEicrRtxQueue = 0xffff;
inline constexpr uint32_t kEicrOther = 0x7fff0000;
inline constexpr uint32_t kEicrRxMiss = 1U << 17;
inline constexpr uint32_t kEicrPciException = 1U << 18;
inline constexpr uint32_t kEicrLsc = 1U << 20;
inline constexpr uint32_t kEicrTcpTimer = 1U << 30;

// --- Receive (8.2.3.7, 8.2.3.8). ---
inline constexpr uint32_t kRxCsum = 0x05000;
inline constexpr uint32_t kRxCsumPcsd =
    1U << 13;  // RSS hash in the descriptor instead of the fragment checksum
inline constexpr uint32_t kFctrl = 0x05080;
inline constexpr uint32_t kFctrlSbp = 1U << 1;
inline constexpr uint32_t kFctrlMpe = 1U << 8;
inline constexpr uint32_t kFctrlUpe = 1U << 9;
inline constexpr uint32_t kFctrlBam = 1U << 10;
inline constexpr uint32_t kVlnCtrl = 0x05088;
inline constexpr uint32_t kVlnCtrlVfe = 1U << 30;
inline constexpr uint32_t kMcstCtrl = 0x05090;
inline constexpr uint32_t kMcstCtrlMfe = 1U << 2;
inline constexpr uint32_t kMta = 0x05200;       // [128]
inline constexpr uint32_t kRalAlias = 0x05400;  // RAL, RAH of the first 16
inline constexpr uint32_t kRal = 0x0a200;       // [128] pairs
inline constexpr uint32_t kRahValid = 1U << 31;
inline constexpr uint32_t kVfta = 0x0a000;  // [128]
inline constexpr uint32_t kMrqc = 0x05818;
inline constexpr uint32_t kMrqcAlias = 0x0ec80;
inline constexpr uint32_t kRssrk = 0x05c80;  // [10]
inline constexpr uint32_t kRssrkAlias = 0x0eb80;
inline constexpr uint32_t kReta = 0x05c00;  // [32]
inline constexpr uint32_t kRetaAlias = 0x0eb00;
inline constexpr uint32_t kRxCtrl = 0x03000;
inline constexpr uint32_t kRxCtrlRxEn = 1U << 0;
inline constexpr uint32_t kRdRxCtl = 0x02f00;
inline constexpr uint32_t kRdRxCtlDmaIdone = 1U << 3;
inline constexpr uint32_t kRxPbSize = 0x03c00;  // [8], KB in 19:10
inline constexpr uint32_t kSecRxCtrl = 0x08d00;
inline constexpr uint32_t kSecRxCtrlRxDis = 1U << 1;
inline constexpr uint32_t kSecRxStat = 0x08d04;
inline constexpr uint32_t kSecRxStatRdy = 1U << 0;

// A receive queue's block: 0x01000 + 0x40 n for n < 64, 0x0d000 + 0x40 (n - 64) above.
inline constexpr uint32_t kRxRing = 0x01000;
inline constexpr uint32_t kRxRingHigh = 0x0d000;
inline constexpr uint32_t kRxRingStride = 0x40;
inline constexpr uint32_t kRdbal = 0x00;
inline constexpr uint32_t kRdbah = 0x04;
inline constexpr uint32_t kRdlen = 0x08;
inline constexpr uint32_t kDcaRxCtrl = 0x0c;
inline constexpr uint32_t kRdh = 0x10;
inline constexpr uint32_t kSrrCtl = 0x14;
inline constexpr uint32_t kSrrCtlDropEn = 1U << 28;
inline constexpr uint32_t kRdt = 0x18;
inline constexpr uint32_t kRxDctl = 0x28;
inline constexpr uint32_t kRxDctlEnable = 1U << 25;
inline constexpr uint32_t kRxDctlVme = 1U << 30;
inline constexpr uint32_t kRscCtl = 0x2c;
inline constexpr uint32_t kSrrCtlAlias = 0x02100;     // [16]
inline constexpr uint32_t kDcaRxCtrlAlias = 0x02200;  // [16]

// --- Transmit (8.2.3.9). ---
inline constexpr uint32_t kDmaTxCtl = 0x04a80;
inline constexpr uint32_t kDmaTxCtlTe = 1U << 0;
inline constexpr uint32_t kDtxTcpFlgL = 0x04a88;
inline constexpr uint32_t kDtxTcpFlgH = 0x04a8c;
inline constexpr uint32_t kTxPbSize = 0x0cc00;  // [8], KB in 19:10
inline constexpr uint32_t kTxRing = 0x06000;    // 0x40 a queue, 128 queues
inline constexpr uint32_t kTxRingStride = 0x40;
inline constexpr uint32_t kTdbal = 0x00;
inline constexpr uint32_t kTdbah = 0x04;
inline constexpr uint32_t kTdlen = 0x08;
inline constexpr uint32_t kDcaTxCtrl = 0x0c;
inline constexpr uint32_t kTdh = 0x10;
inline constexpr uint32_t kTdt = 0x18;
inline constexpr uint32_t kTxDctl = 0x28;
inline constexpr uint32_t kTxDctlEnable = 1U << 25;
inline constexpr uint32_t kTxDctlSwFlsh = 1U << 26;
inline constexpr uint32_t kTdwbal = 0x38;
inline constexpr uint32_t kTdwbalEnable = 1U << 0;
inline constexpr uint32_t kTdwbah = 0x3c;

// --- MAC and link (8.2.3.22). ---
inline constexpr uint32_t kHlreg0 = 0x04240;
inline constexpr uint32_t kHlreg0JumboEn = 1U << 2;
inline constexpr uint32_t kHlreg0TxPadEn = 1U << 10;
inline constexpr uint32_t kHlreg0Lpbk = 1U << 15;
inline constexpr uint32_t kHlreg1 = 0x04244;
inline constexpr uint32_t kMaxFrs = 0x04268;  // largest frame with FCS in 31:16
inline constexpr uint32_t kAutoc = 0x042a0;
inline constexpr uint32_t kAutocRestartAn = 1U << 12;
inline constexpr uint32_t kLinks = 0x042a4;
inline constexpr uint32_t kLinksUp = 1U << 30;
inline constexpr uint32_t kLinksSpeedShift = 28;
inline constexpr uint32_t kAnlp1 = 0x042b0;
inline constexpr uint32_t kMsca = 0x0425c;
inline constexpr uint32_t kMscaCommand = 1U << 30;
inline constexpr uint32_t kMsrwd = 0x04260;

// --- Statistics maps (8.2.3.23). ---
inline constexpr uint32_t kRqsmr = 0x02300;  // [32]
inline constexpr uint32_t kTqsm = 0x08600;   // [32]

// --- MSI-X structures in BAR3. ---
inline constexpr uint32_t kMsixTable = 0x0000;  // 16 bytes a vector
inline constexpr uint32_t kMsixPba = 0x2000;
inline constexpr uint32_t kMsixVectorMasked = 1U << 0;

}  // namespace tapedeck::nic

#endif  // TAPEDECK_NICMODEL_REGISTERS_H_
