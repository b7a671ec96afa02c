// The bytes spelling of a Script: what fuzzers mutate.
//
//   script   = { record END }                 the last END may be missing
//   record   = op [ host ] delay operands     an empty record is nothing
//
// Within a record the bytes END 7e and ESC 7d are written as ESC and the byte with bit 5 turned, as
// HDLC does (RFC 1662 4.2). There is no length and no count of records: whatever a mutation does to
// a record, the next END is where the next one begins. Operands past the end of their record are
// zero, and zeros at the end are not written; superfluous bytes are ignored.
//
//   op       operation in the low seven bits; bit 7: a byte follows, host in its low half, NIC in
//            its high one
//   delay    below f0: (low four bits) * 10 ^ (high four bits) nanoseconds, so 0 to 17 days
//            f0 and above: eight bytes, picoseconds, little-endian as all integers are
//   choice   below f0: an entry of a table, modulo its size; zero is the likeliest value
//            f0 and above: four bytes, any other value
//   fd       below f0: descriptor 3 to 10 (modulo 8); f0 and above: two bytes, descriptor + 1
//   address  00 default, 01 null, 02 IPv4 (choice of address, choice of port), 03 IPv6 (16 bytes,
//            choice of port); bit 7: then a choice of length
//   result   00 anything, 01 value (choice; for socket its fd), 02 an error (choice of errno);
//            bit 2: then the delay after which the call returns
//
//   op  step              operands
//   00  pause             -
//   01  frame, raw        flags, then all the rest of the record
//   02  frame, UDP        flags, choices of source and destination address, of source and
//                         destination port and of payload length, first payload byte, variation
//   03  frame, ARP        flags, choice of operation, of sender's and target's address, variation
//   04  frame, ICMP echo  flags, choices of source and destination, of type, code, id and sequence
//                         (two bytes each), choice of data length, first data byte, variation
//   05  frame, IPv4       flags, choices of source and destination, of protocol, variation, then
//                         the payload
//   06  segment           flow (modulo 16; bit 7: IPv6), choices of flags, of payload length, of
//   the
//                         distances of sequence number and acknowledgement, of window; which
//                         options follow (segment_bytes.cc) and these; what is wrong with it
//   07  link              01: up, 00: down
//   08  NIC register      action (modulo 5), choice of offset, of value
//   09  NIC fault         point (modulo 6), kind (modulo 4), choice of which time; of one that
//   delays
//                         or repeats its delay, of one that changes choice of word and of bits
//   0a  interrupt         vector (modulo 64)
//   0b  failing memory    kind (modulo 3), choice of which time
//   0c  sysctl            path (modulo the size of its table), choice of a number
//   0d  snapshot          00: save, 01: restore
//   0e  CPU busy          delay, CPU (modulo 16)
//   0f  text              neither host nor delay: all the rest of the record is one statement of
//                         the text spelling, an option, a command line or a step
//   10  socket            fd, choices of domain, type, protocol; result
//   11  bind              fd, address; result
//   12  connect           fd, address; result
//   13  sendto            fd, choice of length, choice of flags, address; result
//   14  recvfrom          fd, choice of length, choice of flags, address; result
//   15  poll              number of entries (modulo 17), for each fd, choice of events, and 00 or
//                         01 and a choice of revents; choice of timeout; result
//   16  close             fd; result
//   17  listen            fd, choice of backlog; result
//   18  accept            fd of the new one, fd, address; result
//   19  accept4           fd of the new one, fd, address, choice of type; result
//   1a  read              fd, choice of length; result           (1e: write)
//   1c  recv              fd, choice of length, choice of flags; result        (20: send)
//   24  shutdown          fd, choice of an int; result
//   26  setsockopt        fd, an option that has an int (modulo the size of their table), choice of
//                         its value; result
//   27  getsockname       fd, address; result                    (28: getpeername)
//   2d  epoll_create      fd of the new one, choice of an int; result
//   30  dup               fd of the new one, fd; result
//
// Whatever else a Script holds, and any of these steps in a form that its operands cannot say, is
// spelled as text.
//
// flags: bit 0 wrong FCS, bit 1 checksums repaired. variation: bits of frame_template.h. Tables:
// frame_bytes.cc, argument_bytes.cc, call_bytes.cc, fault_bytes.cc. A record with any other op, and
// one whose frame would exceed the bounds below, is skipped.
//
//   10 7e                       +0 socket(AF_INET, SOCK_DGRAM, IPPROTO_IP) = 3?
//   11 7e                       +0 bind(3, ..., ...) = ?
//   02 61 00 00 00 01 00 07 7e  1 ms later a datagram of 100 bytes from the first peer, port 53, to
//                               the host, port 8080
//   14 00 00 06 7e              +0 recvfrom(3, ..., 100, 0, ..., ...) = ?
//
// What this is bad at: a frame that no template fits costs all its bytes, and a byte 7e that a
// mutation puts into one cuts it there. A byte that changes in a text mostly makes it nothing.
#ifndef TAPEDECK_REPLAY_SCRIPT_BYTES_H_
#define TAPEDECK_REPLAY_SCRIPT_BYTES_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/script/script.h"

namespace tapedeck {

// What a decoded script holds at most, whatever the bytes: a template of ten bytes makes a frame of
// 16 KiB.
inline constexpr size_t kDecodedStepsMax = 4096;
inline constexpr size_t kDecodedFrameBytesMax = size_t{1} << 20;

// The script that `bytes` spell. Total: any bytes spell one, and the result is well-formed. Delays
// beyond kScriptDurationMax in sum are cut.
Script DecodeScript(std::span<const uint8_t> bytes);

// The canonical bytes: DecodeScript() gives `script` back, and scripts that are equal down to the
// spelling of their numbers have equal bytes.
// ResourceExhausted where that cannot be, because the script is beyond the bounds above or has a
// statement that is longer than 64 KiB.
// REQUIRES: ValidateScript(script).ok().
absl::StatusOr<std::vector<uint8_t>> EncodeScript(const Script& script);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_BYTES_H_
