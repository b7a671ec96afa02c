// Frames in the words of a golden: what the protocol says, without what a seed or a clock chose.
//
// TCP is told in packetdrill's notation, with sequence numbers and timestamps counted from the
// connection's first. A capture may hold what the captured host had sent beside what the host
// under test sends now; numbers nearer to the captured host's are marked with a `c`. What lies
// in no number of the protocol is left out: IPv4 identifications, flow labels, checksums that are
// right. Payload that the host sends appears as a hash.
#ifndef TAPEDECK_REPLAY_REGRESS_FRAME_WORDS_H_
#define TAPEDECK_REPLAY_REGRESS_FRAME_WORDS_H_

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>

#include "stack/base/ip_address.h"
#include "stack/wire/tcp.h"

namespace tapedeck::regress {

class FrameWords {
 public:
  // The words of the next frame of the run: an Ethernet frame, or with `bare_ip` an IP packet.
  // `sent`: by the host under test. Any bytes have words.
  std::string Describe(std::span<const uint8_t> bytes, bool bare_ip, bool sent);

 private:
  // Where the numbers of one direction of a connection begin: those that came in, and those that
  // the host under test sends.
  struct Origin {
    std::optional<uint32_t> came;
    std::optional<uint32_t> sent;
  };
  struct Direction {
    Origin sequence;
    Origin clock;  // timestamps
  };
  struct Ends {
    IpAddress source;
    IpAddress destination;
    uint16_t source_port = 0;
    uint16_t destination_port = 0;
  };

  std::string Ip(std::span<const uint8_t> packet, bool sent);
  std::string Ipv4(std::span<const uint8_t> packet, bool sent);
  std::string Ipv6(std::span<const uint8_t> packet, bool sent);
  std::string Tcp(const IpAddress& source, const IpAddress& destination,
                  std::span<const uint8_t> segment, bool sent);
  std::string TcpOptions(std::span<const uint8_t> options, Direction& own, Direction& peer,
                         bool sent);
  Direction& DirectionOf(const Ends& ends);

  // `value` counted from its origin, the nearer where there are two; the first value of all is
  // `first`. With `sent` it was the host under test that chose the number.
  static std::string Number(uint32_t value, Origin& origin, bool sent, uint32_t first);

  std::map<std::string, Direction> directions_;
};

}  // namespace tapedeck::regress

#endif  // TAPEDECK_REPLAY_REGRESS_FRAME_WORDS_H_
