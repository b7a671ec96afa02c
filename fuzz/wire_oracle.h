// The WIRE oracle: every frame that a host sends must be one that a strict receiver takes. Written
// apart from the stack's parsers and codecs, from the RFCs alone: a mistake there must not hide
// itself here.
#ifndef TAPEDECK_FUZZ_WIRE_ORACLE_H_
#define TAPEDECK_FUZZ_WIRE_ORACLE_H_

#include <cstdint>
#include <span>

#include "replay/trace/recorder.h"

namespace tapedeck::fuzz {

// Which rule a frame breaks, and in which layer; nullptrs where it breaks none.
struct WireFault {
  const char* rule = nullptr;    // "checksum"
  const char* object = nullptr;  // "ipv4"
};
// `frame`: without FCS. Only what the host itself must get right is judged: addresses, ports and
// hop limits may be what a user or a peer made them.
WireFault CheckWire(std::span<const uint8_t> frame);

// The same of a frame that a router passes on, which but for its hop limit and the header's
// checksum is as its sender made it.
WireFault CheckPassedOn(std::span<const uint8_t> frame);

// Judges every frame that leaves a NIC. WIRE:<rule>:<object>.
class WireOracle : public TraceObserver {
 public:
  // Off while users may write headers of their own: raw and packet sockets send what they like.
  void set_judging(bool judging) { judging_ = judging; }
  // Without memory for a packet of its own a FIN joins what is not acknowledged (tcp_send_fin), be
  // that a SYN; and is all that is left of it once the SYN is acknowledged.
  void set_memory_fails(bool fails) { memory_fails_ = fails; }
  // A user wants UDP over IPv6 without checksums (RFC 6935; UDP_NO_CHECK6_TX).
  void set_leaves_out_checksums(bool leaves_out) { leaves_out_checksums_ = leaves_out; }
  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

 private:
  bool IsAllowed(const WireFault& fault) const;

  bool judging_ = true;
  bool memory_fails_ = false;
  bool leaves_out_checksums_ = false;
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_WIRE_ORACLE_H_
