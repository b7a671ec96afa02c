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

// /proc/net/snmp6, Ip6* and Icmp6*: the kernel counts both parts of IPv4's group in one.
#define TAPEDECK_IP6_MIB(X) \
  X(InReceives) X(InHdrErrors) X(InTooBigErrors) X(InNoRoutes) X(InAddrErrors) \
  X(InUnknownProtos) X(InTruncatedPkts) X(InDiscards) X(InDelivers) X(OutForwDatagrams) \
  X(OutRequests) X(OutDiscards) X(OutNoRoutes) X(ReasmTimeout) X(ReasmReqds) X(ReasmOKs) \
  X(ReasmFails) X(FragOKs) X(FragFails) X(FragCreates) X(InMcastPkts) X(OutMcastPkts) \
  X(InOctets) X(OutOctets) X(InMcastOctets) X(OutMcastOctets) X(InBcastOctets) \
  X(OutBcastOctets) X(InNoECTPkts) X(InECT1Pkts) X(InECT0Pkts) X(InCEPkts) X(OutTransmits)

#define TAPEDECK_ICMP6_MIB(X) \
  X(InMsgs) X(InErrors) X(OutMsgs) X(OutErrors) X(InCsumErrors) X(OutRateLimitHost)

#define TAPEDECK_UDP_MIB(X) \
  X(InDatagrams) X(NoPorts) X(InErrors) X(OutDatagrams) X(RcvbufErrors) X(SndbufErrors) \
  X(InCsumErrors) X(IgnoredMulti) X(MemErrors)

#define TAPEDECK_TCP_MIB(X) \
  X(RtoAlgorithm) X(RtoMin) X(RtoMax) X(MaxConn) X(ActiveOpens) X(PassiveOpens) X(AttemptFails) \
  X(EstabResets) X(CurrEstab) X(InSegs) X(OutSegs) X(RetransSegs) X(InErrs) X(OutRsts) \
  X(InCsumErrors)

#define TAPEDECK_TCPEXT_MIB(X) \
  X(SyncookiesSent) X(SyncookiesRecv) X(SyncookiesFailed) X(EmbryonicRsts) X(PruneCalled) \
  X(RcvPruned) X(OfoPruned) X(OutOfWindowIcmps) X(LockDroppedIcmps) X(ArpFilter) X(TW) \
  X(TWRecycled) X(TWKilled) X(PAWSActive) X(PAWSEstab) X(BeyondWindow) X(TSEcrRejected) \
  X(PAWSOldAck) X(PAWSTimewait) X(DelayedACKs) X(DelayedACKLocked) X(DelayedACKLost) \
  X(ListenOverflows) X(ListenDrops) X(TCPHPHits) X(TCPPureAcks) X(TCPHPAcks) X(TCPRenoRecovery) \
  X(TCPSackRecovery) X(TCPSACKReneging) X(TCPSACKReorder) X(TCPRenoReorder) X(TCPTSReorder) \
  X(TCPFullUndo) X(TCPPartialUndo) X(TCPDSACKUndo) X(TCPLossUndo) X(TCPLostRetransmit) \
  X(TCPRenoFailures) X(TCPSackFailures) X(TCPLossFailures) X(TCPFastRetrans) \
  X(TCPSlowStartRetrans) X(TCPTimeouts) X(TCPLossProbes) X(TCPLossProbeRecovery) \
  X(TCPRenoRecoveryFail) X(TCPSackRecoveryFail) X(TCPRcvCollapsed) X(TCPBacklogCoalesce) \
  X(TCPDSACKOldSent) X(TCPDSACKOfoSent) X(TCPDSACKRecv) X(TCPDSACKOfoRecv) X(TCPAbortOnData) \
  X(TCPAbortOnClose) X(TCPAbortOnMemory) X(TCPAbortOnTimeout) X(TCPAbortOnLinger) \
  X(TCPAbortFailed) X(TCPMemoryPressures) X(TCPMemoryPressuresChrono) X(TCPSACKDiscard) \
  X(TCPDSACKIgnoredOld) X(TCPDSACKIgnoredNoUndo) X(TCPSpuriousRTOs) X(TCPMD5NotFound) \
  X(TCPMD5Unexpected) X(TCPMD5Failure) X(TCPSackShifted) X(TCPSackMerged) \
  X(TCPSackShiftFallback) X(TCPBacklogDrop) X(PFMemallocDrop) X(TCPMinTTLDrop) \
  X(TCPDeferAcceptDrop) X(IPReversePathFilter) X(TCPTimeWaitOverflow) X(TCPReqQFullDoCookies) \
  X(TCPReqQFullDrop) X(TCPRetransFail) X(TCPRcvCoalesce) X(TCPOFOQueue) X(TCPOFODrop) \
  X(TCPOFOMerge) X(TCPChallengeACK) X(TCPSYNChallenge) X(TCPFastOpenActive) \
  X(TCPFastOpenActiveFail) X(TCPFastOpenPassive) X(TCPFastOpenPassiveFail) \
  X(TCPFastOpenListenOverflow) X(TCPFastOpenCookieReqd) X(TCPFastOpenBlackhole) \
  X(TCPSpuriousRtxHostQueues) X(BusyPollRxPackets) X(TCPAutoCorking) X(TCPFromZeroWindowAdv) \
  X(TCPToZeroWindowAdv) X(TCPWantZeroWindowAdv) X(TCPSynRetrans) X(TCPOrigDataSent) \
  X(TCPHystartTrainDetect) X(TCPHystartTrainCwnd) X(TCPHystartDelayDetect) \
  X(TCPHystartDelayCwnd) X(TCPACKSkippedSynRecv) X(TCPACKSkippedPAWS) X(TCPACKSkippedSeq) \
  X(TCPACKSkippedFinWait2) X(TCPACKSkippedTimeWait) X(TCPACKSkippedChallenge) X(TCPWinProbe) \
  X(TCPKeepAlive) X(TCPMTUPFail) X(TCPMTUPSuccess) X(TCPDelivered) X(TCPDeliveredCE) \
  X(TCPAckCompressed) X(TCPZeroWindowDrop) X(TCPRcvQDrop) X(TCPWqueueTooBig) \
  X(TCPFastOpenPassiveAltKey) X(TcpTimeoutRehash) X(TcpDuplicateDataRehash) X(TCPDSACKRecvSegs) \
  X(TCPDSACKIgnoredDubious) X(TCPMigrateReqSuccess) X(TCPMigrateReqFailure) X(TCPPLBRehash) \
  X(TCPAORequired) X(TCPAOBad) X(TCPAOKeyNotFound) X(TCPAOGood) X(TCPAODroppedIcmps)
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
enum class Ip6Mib { TAPEDECK_IP6_MIB(X) kCount };
enum class Icmp6Mib { TAPEDECK_ICMP6_MIB(X) kCount };
enum class UdpMib { TAPEDECK_UDP_MIB(X) kCount };
enum class TcpMib { TAPEDECK_TCP_MIB(X) kCount };
enum class TcpExtMib { TAPEDECK_TCPEXT_MIB(X) kCount };
#undef X

// "InReceives". REQUIRES: not kCount.
const char* MibName(IpMib item);
const char* MibName(IpExtMib item);
const char* MibName(IcmpMib item);
const char* MibName(Ip6Mib item);
const char* MibName(Icmp6Mib item);
const char* MibName(UdpMib item);
const char* MibName(TcpMib item);
const char* MibName(TcpExtMib item);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_BASE_MIB_H_
