// Edits of a frame's bytes that keep what they do not mean to change: header lengths and length
// fields follow. Checksums do not: frames have a flag for these.
#ifndef TAPEDECK_FUZZ_MUTATE_FRAME_EDIT_H_
#define TAPEDECK_FUZZ_MUTATE_FRAME_EDIT_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <utility>
#include <vector>

namespace tapedeck::fuzz {

// Where an IP packet lies in an Ethernet frame: offsets of bytes. Padding may follow `end`.
struct IpFrame {
  size_t network = 0;
  bool v4 = false;
  size_t transport = 0;  // of a first fragment or whole packet: what IP carries
  uint8_t protocol = 0;  // of IPv6: of the header behind the fixed one
  size_t end = 0;
};

// nullopt where there is none, or where its lengths do not hold together.
std::optional<IpFrame> FindIp(std::span<const uint8_t> frame);

// Where the payload of UDP, TCP and others begins (the latter right at `transport`).
size_t PayloadOf(std::span<const uint8_t> frame, const IpFrame& ip);

// Puts `bytes` where [at, at + erased) was, which lies within the IP packet, and has IP's and UDP's
// lengths follow; padding goes. False, and nothing has changed, where that is too long.
bool ReplaceInIp(std::vector<uint8_t>& frame, const IpFrame& ip, size_t at, size_t erased,
                 std::span<const uint8_t> bytes);

// Replaces the options of IPv4, or of TCP over it or IPv6, padded with zeros to 32 bits. REQUIRES:
// at most 40 bytes; SetTcpOptions: ip.protocol is TCP's.
bool SetIpv4Options(std::vector<uint8_t>& frame, const IpFrame& ip, std::vector<uint8_t> options);
bool SetTcpOptions(std::vector<uint8_t>& frame, const IpFrame& ip, std::vector<uint8_t> options);
// Puts an extension header of this kind behind the fixed header of IPv6; what it has behind its
// length is padded with zeros to a multiple of 8 bytes. False, and nothing has changed, where the
// packet is too long then. REQUIRES: !ip.v4, at most 1,000 bytes.
bool InsertExtHeader(std::vector<uint8_t>& frame, const IpFrame& ip, uint8_t kind,
                     std::vector<uint8_t> bytes);
// The bytes of TCP's options; empty where the header says none or is cut short.
std::vector<uint8_t> TcpOptionsOf(std::span<const uint8_t> frame, const IpFrame& ip);

// The two fragments of an IPv4 packet, the first with `bytes` of what it carries, a multiple of 8;
// the second begins `overlap` bytes earlier, a multiple of 8, too. REQUIRES: ip.v4, and bytes lie
// on both sides; overlap < bytes.
std::pair<std::vector<uint8_t>, std::vector<uint8_t>> FragmentIpv4(std::span<const uint8_t> frame,
                                                                   const IpFrame& ip, size_t bytes,
                                                                   size_t overlap);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_MUTATE_FRAME_EDIT_H_
