// SNMP counters: one enumeration per MIB group, names as /proc/net/snmp and /proc/net/netstat print
// them (RFC 4293, 4022, 4113 and the kernel's extensions, net/ipv4/proc.c). A group is a plain
// array in `struct net`.
#ifndef TAPEDECK_STACK_BASE_MIB_H_
#define TAPEDECK_STACK_BASE_MIB_H_

#include <cstddef>
#include <cstdint>

namespace tapedeck {

// clang-format off
#define TAPEDECK_IP_MIB(X) \
  X(InReceives) X(InHdrErrors) X(InTooBigErrors) X(InNoRoutes) X(InAddrErrors) \
  X(InUnknownProtos) X(InTruncatedPkts) X(InDiscards) X(InDelivers) X(OutForwDatagrams) \
  X(OutRequests) X(OutDiscards) X(OutNoRoutes) X(ReasmTimeout) X(ReasmReqds) X(ReasmOKs) \
  X(ReasmFails) X(FragOKs) X(FragFails) X(FragCreates)

#define TAPEDECK_IPEXT_MIB(X) \
  X(InMcastPkts) X(OutMcastPkts) X(InBcastPkts) X(OutBcastPkts) X(InOctets) X(OutOctets) \
  X(InMcastOctets) X(OutMcastOctets) X(InBcastOctets) X(OutBcastOctets) X(InCsumErrors) \
  X(InNoECTPkts) X(InECT1Pkts) X(InECT0Pkts) X(InCEPkts) X(ReasmOverlaps) X(OutTransmits)

#define TAPEDECK_ICMP_MIB(X) \
  X(InMsgs) X(InErrors) X(InCsumErrors) X(InDestUnreachs) X(InTimeExcds) X(InParmProbs) \
  X(InSrcQuenchs) X(InRedirects) X(InEchos) X(InEchoReps) X(InTimestamps) X(InTimestampReps) \
  X(InAddrMasks) X(InAddrMaskReps) X(OutMsgs) X(OutErrors) X(OutRateLimitGlobal) \
  X(OutRateLimitHost) X(OutDestUnreachs) X(OutTimeExcds) X(OutParmProbs) X(OutSrcQuenchs) \
  X(OutRedirects) X(OutEchos) X(OutEchoReps) X(OutTimestamps) X(OutTimestampReps) \
  X(OutAddrMasks) X(OutAddrMaskReps)

#define TAPEDECK_UDP_MIB(X) \
  X(InDatagrams) X(NoPorts) X(InErrors) X(OutDatagrams) X(RcvbufErrors) X(SndbufErrors) \
  X(InCsumErrors) X(IgnoredMulti) X(MemErrors)

#define TAPEDECK_TCP_MIB(X) \
  X(RtoAlgorithm) X(RtoMin) X(RtoMax) X(MaxConn) X(ActiveOpens) X(PassiveOpens) X(AttemptFails) \
  X(EstabResets) X(CurrEstab) X(InSegs) X(OutSegs) X(RetransSegs) X(InErrs) X(OutRsts) \
  X(InCsumErrors)
// clang-format on

// One counter group. `Item` is the group's enumeration, whose last member is kCount.
template <typename Item>
class Mib {
 public:
  static constexpr size_t kItems = static_cast<size_t>(Item::kCount);

  void Inc(Item item) { Add(item, 1); }
  void Dec(Item item) { --values_[static_cast<size_t>(item)]; }
  void Add(Item item, uint64_t n) { values_[static_cast<size_t>(item)] += n; }
  uint64_t Get(Item item) const { return values_[static_cast<size_t>(item)]; }

 private:
  uint64_t values_[kItems] = {};
};

#define X(name) k##name,
enum class IpMib { TAPEDECK_IP_MIB(X) kCount };
enum class IpExtMib { TAPEDECK_IPEXT_MIB(X) kCount };
enum class IcmpMib { TAPEDECK_ICMP_MIB(X) kCount };
enum class UdpMib { TAPEDECK_UDP_MIB(X) kCount };
enum class TcpMib { TAPEDECK_TCP_MIB(X) kCount };
#undef X

// "InReceives". REQUIRES: not kCount.
const char* MibName(IpMib item);
const char* MibName(IpExtMib item);
const char* MibName(IcmpMib item);
const char* MibName(UdpMib item);
const char* MibName(TcpMib item);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_MIB_H_
