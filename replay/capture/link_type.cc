#include "replay/capture/link_type.h"

namespace tapedeck::capture {

std::string LinkTypeName(LinkType link_type) {
  switch (link_type) {
    case LinkType::kNull:
      return "NULL";
    case LinkType::kEthernet:
      return "EN10MB";
    case LinkType::kPpp:
      return "PPP";
    case LinkType::kRaw12:
      return "RAW(12)";
    case LinkType::kRaw14:
      return "RAW(14)";
    case LinkType::kPppHdlc:
      return "PPP_SERIAL";
    case LinkType::kPppPppd:
      return "PPP_PPPD";
    case LinkType::kPppEther:
      return "PPP_ETHER";
    case LinkType::kRaw:
      return "RAW";
    case LinkType::kIeee80211:
      return "IEEE802_11";
    case LinkType::kLoop:
      return "LOOP";
    case LinkType::kLinuxSll:
      return "LINUX_SLL";
    case LinkType::kIeee80211Radiotap:
      return "IEEE802_11_RADIO";
    case LinkType::kIpv4:
      return "IPV4";
    case LinkType::kIpv6:
      return "IPV6";
    case LinkType::kNflog:
      return "NFLOG";
    case LinkType::kIpoib:
      return "IPOIB";
    case LinkType::kUpperPdu:
      return "WIRESHARK_UPPER_PDU";
    case LinkType::kLinuxSll2:
      return "LINUX_SLL2";
  }
  return "LINKTYPE_" + std::to_string(static_cast<unsigned>(link_type));
}

}  // namespace tapedeck::capture
