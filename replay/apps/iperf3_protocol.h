// What an iperf3 client and server say to each other beside the data: over a TCP connection, one
// byte a state, and between some of them JSON texts behind a length of four bytes. Source: iperf
// 3.12, src/iperf_api.h and the wire (there is no specification).
#ifndef TAPEDECK_REPLAY_APPS_IPERF3_PROTOCOL_H_
#define TAPEDECK_REPLAY_APPS_IPERF3_PROTOCOL_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "stack/base/byteorder.h"

namespace tapedeck {

// Every connection begins with this: 36 letters of the client's choice and a zero byte, the same
// for all connections of a test.
inline constexpr size_t kIperf3CookieBytes = 37;

enum class Iperf3State : int8_t {
  kTestStart = 1,
  kTestRunning = 2,
  kTestEnd = 4,
  kParamExchange = 9,
  kCreateStreams = 10,
  kServerTerminate = 11,
  kClientTerminate = 12,
  kExchangeResults = 13,
  kDisplayResults = 14,
  kIperfStart = 15,
  kIperfDone = 16,
  kAccessDenied = -1,
  kServerError = -2,  // followed by an error of iperf3's and an errno, four bytes each
};

// iperf3's own error numbers, of which a client makes words (iperf_api.h).
enum class Iperf3Error : uint32_t {
  kParameters = 114,  // IERECVPARAMS
  kAccept = 111,      // IEACCEPT
};

// A stream's first datagram, and what it is answered with, as they lie on the wire.
inline constexpr uint8_t kIperf3UdpHello[4] = {0x39, 0x38, 0x37, 0x36};
inline constexpr uint8_t kIperf3UdpReply[4] = {0x36, 0x37, 0x38, 0x39};
// What clients before 3.11 take for the answer: 987654321, little-endian.
inline constexpr uint8_t kIperf3UdpOldReply[4] = {0xb1, 0x68, 0xde, 0x3a};

// In front of every datagram of a test: when it was sent and its number from 1.
struct Iperf3Datagram {
  be32 seconds;
  be32 microseconds;
  be32 count;      // of 32 bits
  be32 count_low;  // with udp_counters_64bit, `count` is the upper half
};
static_assert(sizeof(Iperf3Datagram) == 16);

inline constexpr int kIperf3StreamsMax = 128;
inline constexpr uint32_t kIperf3JsonBytesMax = 64 * 1024;
inline constexpr uint32_t kIperf3BlockBytesMax = 1 << 20;
inline constexpr uint32_t kIperf3DatagramBytesMin = sizeof(Iperf3Datagram);
inline constexpr uint32_t kIperf3DatagramBytesMax = 65'507;

// What a client asks for.
struct Iperf3Parameters {
  bool udp = false;
  bool reverse = false;        // the server sends
  bool bidirectional = false;  // both do, each on `streams` streams
  bool counters_64bit = false;
  bool no_delay = false;
  int streams = 1;                    // 1 .. kIperf3StreamsMax, over both directions
  uint32_t block_bytes = 128 * 1024;  // of one write
  uint64_t bits_per_second = 0;       // 0: as fast as it goes

  int receiving() const { return reverse && !bidirectional ? 0 : streams; }
  int sending() const { return reverse || bidirectional ? streams : 0; }
};
// False where `json` is no such text or asks for more than there is.
bool ParseIperf3Parameters(std::string_view json, Iperf3Parameters* parameters);

// What is known of a stream at the end of a test.
struct Iperf3StreamResult {
  int id = 0;
  uint64_t bytes = 0;
  int64_t retransmits = -1;  // -1: unknown
  uint64_t jitter_ns = 0;
  uint64_t packets = 0;
  uint64_t lost = 0;
};
// The server's report over a test of `duration_us`.
std::string Iperf3ResultsJson(std::span<const Iperf3StreamResult> streams, bool sends,
                              uint64_t duration_us);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_APPS_IPERF3_PROTOCOL_H_
