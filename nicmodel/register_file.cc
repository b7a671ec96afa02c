#include "nicmodel/register_file.h"

#include <algorithm>
#include <cstring>
#include <iterator>

namespace tapedeck::nic {

namespace {

struct PlainRange {
  uint32_t first;
  uint32_t count;  // of 32-bit registers
  uint32_t reset = 0;
};

// Read back what was written. Sorted by offset.
constexpr PlainRange kPlain[] = {
    {0x00018, 1},              // CTRL_EXT
    {0x00020, 1},              // ESDP
    {0x00028, 1},              // I2CCTL
    {0x00048, 1},              // FRTIMER
    {0x0004c, 1},              // TCPTIMER
    {0x00200, 1},              // LEDCTL
    {0x00894, 1},              // EITRSEL
    {0x02140, 8},              // RTRPT4C
    {0x02430, 1, 0x6},         // RTRPCS
    {0x02f04, 1},              // PFQDE
    {0x03008, 1},              // PFCTOP
    {0x03020, 1},              // RTRUP2TC
    {0x03028, 1},              // RSCDBU
    {0x03190, 8},              // QDE and its neighbours, as drivers clear them
    {0x03200, 4},              // FCTTV
    {0x03220, 8},              // FCRTL
    {0x03260, 8},              // FCRTH
    {0x032a0, 1},              // FCRTV
    {0x03d00, 1},              // FCCFG
    {0x04244, 1},              // HLREG1
    {0x04248, 1},              // PAP
    {0x0424c, 1},              // MACA
    {0x04250, 1},              // APAE
    {0x04254, 1},              // ARD
    {0x04258, 1},              // AIS
    {0x04264, 1},              // MLADD
    {0x0426c, 1},              // TREG
    {0x04288, 1},              // PCSS1
    {0x0428c, 1},              // PCSS2
    {0x04290, 1},              // XPCSS
    {0x04294, 1},              // MFLCN
    {0x04298, 1},              // SERDESC
    {0x0429c, 1},              // MACS
    {0x042a8, 1, 0x000a0000},  // AUTOC2
    {0x042ac, 1},              // AUTOC3
    {0x042b4, 1},              // ANLP2
    {0x04330, 1},              // MACC
    {0x04900, 1},              // RTTDCS
    {0x04904, 1},              // RTTDQSEL
    {0x04908, 1},              // RTTDT1C
    {0x04910, 8},              // RTTDT2C
    {0x04950, 8},              // TXPBTHRESH
    {0x04980, 2},              // RTTBCNRM, RTTBCNRC
    {0x05008, 1},              // RFCTL
    {0x05078, 1, 0x81000000},  // EXVET
    {0x05128, 8},              // ETQF
    {0x05188, 1},              // TSYNCRXCTL
    {0x051b0, 1},              // PFVTCTL
    {0x051e0, 2},              // PFVFRE
    {0x05480, 16},             // PSRTYPE, second address of the first 16
    {0x05800, 1},              // WUC
    {0x05808, 1},              // WUFC
    {0x05810, 1},              // WUS
    {0x05820, 1},              // MANC
    {0x05838, 1},              // IPAV
    {0x05a80, 8},              // IMIR
    {0x05aa0, 8},              // IMIREXT
    {0x05ac0, 1},              // IMIRVP
    {0x08000, 64},             // PFVMVIR
    {0x08100, 1, 0x10},        // DTXMXSZRQ
    {0x08110, 2},              // PFVFTE
    {0x08120, 1},              // MTQC
    {0x08200, 8},              // PFVFSPOOF
    {0x08220, 1},              // PFDTXGSWC
    {0x08800, 1, 0x4},         // SECTXCTRL
    {0x08804, 1, 0x1},         // SECTXSTAT: ready
    {0x08808, 1, 0x250},       // SECTXBUFFAF
    {0x08810, 1, 0x1001},      // SECTXMINIFG
    {0x0a600, 256},            // MPSAR
    {0x0c800, 1},              // RTTUP2TC
    {0x0cd00, 1},              // RTTPCS
    {0x0cd20, 8},              // RTTPT2C
    {0x0ce00, 1, 0x1},         // TFCS
    {0x0ea00, 64},             // PSRTYPE
    {0x0ec00, 8},              // ETQS
    {0x0ec30, 1},              // SYNQF
    {0x0f000, 64},             // PFVML2FLT
    {0x0f100, 64},             // PFVLVF
    {0x0f200, 128},            // PFVLVFB
    {0x0f400, 128},            // PFUTA
    {0x11000, 1},              // GCR
    {0x11050, 1},              // GCR_EXT
    {0x11074, 1},              // DCA_CTRL
    {0x110b0, 2},              // PICAUSE, PIENA
    {0x110c0, 8},              // PBACL
};

constexpr uint32_t PlainWords() {
  uint32_t words = 0;
  for (const PlainRange& range : kPlain) words += range.count;
  return words;
}

constexpr bool PlainIsSorted() {
  uint32_t end = 0;
  for (const PlainRange& range : kPlain) {
    if (range.first < end) return false;
    end = range.first + range.count * 4;
  }
  return true;
}
static_assert(PlainIsSorted());

// Index of the word for `offset`; -1 where it is not in the table.
int PlainIndex(uint32_t offset) {
  uint32_t word = 0;
  for (const PlainRange& range : kPlain) {
    if (offset < range.first) return -1;
    if (offset < range.first + range.count * 4) {
      return static_cast<int>(word + (offset - range.first) / 4);
    }
    word += range.count;
  }
  return -1;
}

constexpr uint32_t kEepromWords = 0x40;
constexpr uint16_t kEepromSum = 0xbaba;

}  // namespace

RegisterFile::RegisterFile(Arena& arena, const NicConfig& config)
    : arena_(arena), config_(config), plain_(arena.NewTrackedArray<uint32_t>(PlainWords())) {
  Reset(SimTime::Zero());
  reset_done_ = SimTime::Zero();  // power-on is over
}

void RegisterFile::Reset(SimTime at) {
  ctrl_ = 0;
  reset_done_ = at + config_.reset_time;
  eec_request_ = eerd_ = swsm_ = sw_fw_sync_ = 0;
  arena_.Wrote(plain_, sizeof(*plain_) * PlainWords());
  std::memset(plain_, 0, sizeof(*plain_) * PlainWords());
  uint32_t word = 0;
  for (const PlainRange& range : kPlain) {
    if (range.reset != 0) std::fill_n(plain_ + word, range.count, range.reset);
    word += range.count;
  }
}

bool RegisterFile::Read(SimTime at, uint32_t offset, bool link_up, uint32_t* value) {
  switch (offset) {
    case kCtrl:
    case kCtrlAlias:
      *value = ctrl_ | (at < reset_done_ ? kCtrlRst : 0);
      return true;
    case kStatus:
      *value = (link_up ? kStatusLinkUp : 0) |
               ((ctrl_ & kCtrlGioMasterDisable) == 0 ? kStatusGioMasterEnable : 0);
      return true;
    case kEec:
      *value = kEecPresent | kEecAutoReadDone | eec_request_ | (eec_request_ != 0 ? kEecGrant : 0);
      return true;
    case kEerd:
      *value = eerd_;
      return true;
    case kSwsm:
      // Reading it takes the semaphore: the reader who sees SMBI clear has it.
      *value = swsm_;
      swsm_ |= kSwsmSmbi;
      return true;
    case kSwFwSync:
      *value = sw_fw_sync_;
      return true;
    case kFwsm:
    case kFactps:
      *value = 0;
      return true;  // no firmware; both functions in D0
    default:
      break;
  }
  const int index = PlainIndex(offset);
  if (index < 0) return false;
  *value = plain_[index];
  return true;
}

bool RegisterFile::Write(uint32_t offset, uint32_t value) {
  switch (offset) {
    case kCtrl:
    case kCtrlAlias:
      ctrl_ = value & ~(kCtrlRst | kCtrlLnkRst);
      return true;
    case kStatus:
    case kFwsm:
    case kFactps:
      return true;
    case kEec:
      eec_request_ = value & kEecRequest;
      return true;
    case kEerd: {
      if ((value & kEerdStart) == 0) return true;
      const uint32_t index = value >> 2 & 0x3fff;
      eerd_ = (value & 0xfffc) | kEerdDone | static_cast<uint32_t>(EepromWord(index)) << 16;
      return true;
    }
    case kSwsm:
      swsm_ = value & (kSwsmSmbi | kSwsmSwesmbi);
      return true;
    case kSwFwSync:
      sw_fw_sync_ = value;
      return true;
    default:
      break;
  }
  const int index = PlainIndex(offset);
  if (index < 0) return false;
  arena_.Wrote(&plain_[index], sizeof(*plain_));
  plain_[index] = value;
  return true;
}

uint16_t RegisterFile::EepromContent(uint32_t index) const {
  const MacAddress& mac = config_.mac;
  switch (index) {
    case 0x00:
    case 0x01:
    case 0x02:
      return static_cast<uint16_t>(mac[2 * index] | mac[2 * index + 1] << 8);
    case 0x0b:
      return config_.device_id;
    case 0x0c:
      return 0x8086;
    default:
      return 0xffff;  // a pointer to nothing
  }
}

uint16_t RegisterFile::EepromWord(uint32_t index) const {
  if (index != kEepromWords - 1) return EepromContent(index);
  uint16_t sum = 0;
  for (uint32_t i = 0; i + 1 < kEepromWords; ++i)
    sum = static_cast<uint16_t>(sum + EepromContent(i));
  return static_cast<uint16_t>(kEepromSum - sum);
}

}  // namespace tapedeck::nic
