#include "nicmodel/register_names.h"

#include <algorithm>
#include <iterator>

#include "nicmodel/registers.h"

namespace tapedeck::nic {

namespace {

// Of two names for one register the first is the one that is printed.
constexpr RegisterName kNames[] = {
    {"CTRL", kCtrl},
    {"STATUS", kStatus},
    {"CTRL_EXT", 0x00018},
    {"EEC", kEec},
    {"EERD", kEerd},
    {"SWSM", kSwsm},
    {"FWSM", kFwsm},
    {"FACTPS", kFactps},
    {"SW_FW_SYNC", kSwFwSync},

    {"EICR", kEicr},
    {"EICS", kEics},
    {"EIMS", kEims},
    {"EIMC", kEimc},
    {"EIAC", kEiac},
    {"EIAM", kEiam},
    {"EITR", kEitr, 24},
    {"GPIE", kGpie},
    {"IVAR", kIvar, 64},
    {"IVAR_MISC", kIvarMisc},
    {"EICS_EX", kEicsEx, 2},
    {"EIMS_EX", kEimsEx, 2},
    {"EIMC_EX", kEimcEx, 2},
    {"EIAM_EX", kEiamEx, 2},

    {"RXCSUM", kRxCsum},
    {"FCTRL", kFctrl},
    {"VLNCTRL", kVlnCtrl},
    {"MCSTCTRL", kMcstCtrl},
    {"MTA", kMta, 128},
    {"RAL", kRal, 128, 8},
    {"RAH", kRal + 4, 128, 8},
    {"VFTA", kVfta, 128},
    {"MRQC", kMrqc},
    {"RSSRK", kRssrk, 10},
    {"RETA", kReta, 32},
    {"RXCTRL", kRxCtrl},
    {"RDRXCTL", kRdRxCtl},
    {"RXPBSIZE", kRxPbSize, 8},
    {"SECRXCTRL", kSecRxCtrl},
    {"SECRXSTAT", kSecRxStat},
    {"RDBAL", kRxRing + kRdbal, 64, kRxRingStride},
    {"RDBAH", kRxRing + kRdbah, 64, kRxRingStride},
    {"RDLEN", kRxRing + kRdlen, 64, kRxRingStride},
    {"RDH", kRxRing + kRdh, 64, kRxRingStride},
    {"SRRCTL", kRxRing + kSrrCtl, 64, kRxRingStride},
    {"RDT", kRxRing + kRdt, 64, kRxRingStride},
    {"RXDCTL", kRxRing + kRxDctl, 64, kRxRingStride},
    {"RSCCTL", kRxRing + kRscCtl, 64, kRxRingStride},

    {"DMATXCTL", kDmaTxCtl},
    {"DTXTCPFLGL", kDtxTcpFlgL},
    {"DTXTCPFLGH", kDtxTcpFlgH},
    {"TXPBSIZE", kTxPbSize, 8},
    {"TDBAL", kTxRing + kTdbal, 128, kTxRingStride},
    {"TDBAH", kTxRing + kTdbah, 128, kTxRingStride},
    {"TDLEN", kTxRing + kTdlen, 128, kTxRingStride},
    {"TDH", kTxRing + kTdh, 128, kTxRingStride},
    {"TDT", kTxRing + kTdt, 128, kTxRingStride},
    {"TXDCTL", kTxRing + kTxDctl, 128, kTxRingStride},
    {"TDWBAL", kTxRing + kTdwbal, 128, kTxRingStride},
    {"TDWBAH", kTxRing + kTdwbah, 128, kTxRingStride},

    {"HLREG0", kHlreg0},
    {"HLREG1", kHlreg1},
    {"MAXFRS", kMaxFrs},
    {"AUTOC", kAutoc},
    {"LINKS", kLinks},
    {"ANLP1", kAnlp1},
    {"MSCA", kMsca},
    {"MSRWD", kMsrwd},
    {"RQSMR", kRqsmr, 32},
    {"TQSM", kTqsm, 32},

    {"CRCERRS", 0x04000},
    {"MPC", 0x03fa0, 8},
    {"QPRDC", 0x01430, 16, kRxRingStride},
};

const RegisterName* FindName(std::string_view name) {
  const auto found = std::find_if(std::begin(kNames), std::end(kNames),
                                  [&](const RegisterName& known) { return known.name == name; });
  return found == std::end(kNames) ? nullptr : &*found;
}

}  // namespace

std::optional<uint32_t> FindRegister(std::string_view name, uint32_t index) {
  const RegisterName* const found = FindName(name);
  if (found == nullptr || index >= found->count) return std::nullopt;
  return found->offset + index * found->stride;
}

uint32_t RegisterCount(std::string_view name) {
  const RegisterName* const found = FindName(name);
  return found == nullptr ? 0 : found->count;
}

std::string RegisterNameOf(uint32_t offset) {
  for (const RegisterName& known : kNames) {
    if (offset < known.offset) continue;
    const uint32_t behind = offset - known.offset;
    if (behind % known.stride != 0 || behind / known.stride >= known.count) continue;
    std::string name(known.name);
    if (known.count > 1) name += "(" + std::to_string(behind / known.stride) + ")";
    return name;
  }
  return "";
}

}  // namespace tapedeck::nic
