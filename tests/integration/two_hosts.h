// Two hosts, two NICs and a cable, each with an address of both families, and a pair of UDP
// applications: one asks, the other sends back what it was asked.
#ifndef TAPEDECK_TESTS_INTEGRATION_TWO_HOSTS_H_
#define TAPEDECK_TESTS_INTEGRATION_TWO_HOSTS_H_

#include <array>
#include <cstddef>
#include <cstdint>

#include "replay/lab/lab.h"

namespace tapedeck {

inline constexpr Ipv4Address kClient{10, 0, 0, 1};
inline constexpr Ipv4Address kServer{10, 0, 0, 2};
inline constexpr Ipv6Address kClient6(std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, 1});
inline constexpr Ipv6Address kServer6(std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, 2});
inline constexpr MacAddress kServerMac{2, 0, 0, 0, 0, 2};
inline constexpr uint16_t kEchoPort = 7;

// Host 0 is the client, host 1 the server.
LabOptions TwoHosts();

// What the client saw. It lies in the Lab's memory, so that a snapshot takes it along.
struct EchoResult {
  int sent = 0;
  int echoed = 0;
  int wrong = 0;
  int64_t last_error = 0;
};

// Sends back every datagram that comes to kEchoPort of any address of `server`'s family.
void SpawnEchoServer(Lab& lab, const IpAddress& server);

// Asks `rounds` times with datagrams of 1 to `max_bytes` bytes and compares what comes back;
// kEchoBytesMax is the limit. The result goes on while it runs.
inline constexpr size_t kEchoBytesMax = 3000;
EchoResult* SpawnEchoClient(Lab& lab, const IpAddress& server, int rounds, size_t max_bytes);

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_INTEGRATION_TWO_HOSTS_H_
