// The TCP header (RFC 9293 3.1, RFC 3168, AccECN's AE bit). Field names as in the kernel's struct
// tcphdr. Options: tcp_options.h.
#ifndef TAPEDECK_STACK_WIRE_TCP_H_
#define TAPEDECK_STACK_WIRE_TCP_H_

#include <cstdint>
#include <span>
#include <string>

#include "stack/base/byteorder.h"
#include "stack/base/seqnum.h"
#include "stack/wire/parse.h"
#include "stack/wire/pseudo_header.h"

namespace tapedeck::wire {

inline constexpr size_t kTcpOptionsMax = 40;
inline constexpr size_t kTcpHeaderMax = 60;
inline constexpr uint8_t kTcpWindowScaleMax = 14;  // RFC 7323 2.3

// Flags as TcpHeader::flags() returns them. CWR, ECE and AE together are AccECN's ACE counter.
inline constexpr uint16_t kTcpFin = 0x001;
inline constexpr uint16_t kTcpSyn = 0x002;
inline constexpr uint16_t kTcpRst = 0x004;
inline constexpr uint16_t kTcpPsh = 0x008;
inline constexpr uint16_t kTcpAck = 0x010;
inline constexpr uint16_t kTcpUrg = 0x020;
inline constexpr uint16_t kTcpEce = 0x040;
inline constexpr uint16_t kTcpCwr = 0x080;
inline constexpr uint16_t kTcpAe = 0x100;
inline constexpr uint16_t kTcpReservedMask = 0xe00;  // must be zero
inline constexpr uint16_t kTcpFlagsMask = 0xfff;     // everything beside the data offset

struct TcpHeader {
  be16 source{};
  be16 dest{};
  be32 seq{};
  be32 ack_seq{};
  be16 doff_flags{};  // data offset in 32-bit words (4 bits), reserved (3), flags (9)
  be16 window{};      // not scaled
  be16 check{};
  be16 urg_ptr{};

  constexpr SeqNum sequence() const { return SeqNum(seq.host()); }
  constexpr SeqNum acknowledgment() const { return SeqNum(ack_seq.host()); }

  constexpr uint8_t doff() const { return static_cast<uint8_t>(doff_flags.host() >> 12); }
  constexpr size_t header_bytes() const { return size_t{4} * doff(); }
  constexpr void set_doff(uint8_t words) {
    doff_flags = static_cast<uint16_t>((words & 0xf) << 12 | flags());
  }

  constexpr uint16_t flags() const { return doff_flags.host() & kTcpFlagsMask; }
  constexpr void set_flags(uint16_t value) {
    doff_flags =
        static_cast<uint16_t>((doff_flags.host() & ~kTcpFlagsMask) | (value & kTcpFlagsMask));
  }
  constexpr bool has(uint16_t flag) const { return (doff_flags.host() & flag) != 0; }
  constexpr bool fin() const { return has(kTcpFin); }
  constexpr bool syn() const { return has(kTcpSyn); }
  constexpr bool rst() const { return has(kTcpRst); }
  constexpr bool psh() const { return has(kTcpPsh); }
  constexpr bool ack() const { return has(kTcpAck); }
  constexpr bool urg() const { return has(kTcpUrg); }
  constexpr bool ece() const { return has(kTcpEce); }
  constexpr bool cwr() const { return has(kTcpCwr); }
  constexpr bool ae() const { return has(kTcpAe); }
  // AccECN's three-bit counter of CE marks: AE, CWR, ECE from high to low.
  constexpr uint8_t ace() const { return static_cast<uint8_t>(doff_flags.host() >> 6 & 7); }
};
static_assert(sizeof(TcpHeader) == 20 && alignof(TcpHeader) == 1);
inline constexpr uint32_t kTcpHeaderBytes = sizeof(TcpHeader);  // without options

struct TcpView {
  const TcpHeader* header = nullptr;
  std::span<const uint8_t> options{};
  std::span<const uint8_t> payload{};

  // Sequence numbers this segment uses: its payload, and one each for SYN and FIN.
  uint32_t SequenceLength() const {
    return static_cast<uint32_t>(payload.size()) + header->syn() + header->fin();
  }
};

// `segment` is all that IP delivered. Errors: kTruncated, kHeaderLength (doff < 5),
// kHeaderBeyondData.
Parsed<TcpView> ParseTcp(std::span<const uint8_t> segment);

bool TcpChecksumOk(const PseudoHeader& pseudo, std::span<const uint8_t> segment);
// REQUIRES: segment.size() >= 20.
void FillTcpChecksum(const PseudoHeader& pseudo, std::span<uint8_t> segment);

// Writes header and options, these padded to 32 bits with end-of-list, and sets doff; check is
// taken as given. Returns the header's bytes, 0 where there is no room or options exceed 40 bytes.
size_t EmitTcp(std::span<uint8_t> out, TcpHeader header, std::span<const uint8_t> options = {});

// "S.", ".", "FP.", "none": tcpdump's letters, with e for AE.
std::string TcpFlagsToString(uint16_t flags);

// "Flags [S.], seq 1, ack 2, win 65535, options [mss 1460,sackOK], length 0"
std::string TextWithoutPorts(const TcpView& view);
// The same after "40001 > 80: ".
std::string ToString(const TcpView& view);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_TCP_H_
