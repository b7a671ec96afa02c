// Two hosts and their TCP applications, for tests: how they are set up, run until every client is
// through, watched, and taken down.
#ifndef TAPEDECK_TESTS_INTEGRATION_TCP_LAB_H_
#define TAPEDECK_TESTS_INTEGRATION_TCP_LAB_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <string_view>

#include "replay/lab/lab.h"
#include "replay/lab/tcp_apps.h"
#include "stack/tcp/tcp_uapi.h"

namespace tapedeck {

inline constexpr Ipv4Address kTcpLabAddress[2] = {Ipv4Address{10, 0, 0, 1},
                                                  Ipv4Address{10, 0, 0, 2}};
inline constexpr uint16_t kTcpLabPort = 80;
constexpr MacAddress TcpLabMac(int host) { return {2, 0, 0, 0, 0, static_cast<uint8_t>(host + 1)}; }

// Two hosts back to back over `link` in both directions.
LabOptions TcpLabOptions(const LinkOptions& link = {});

class TcpLab {
 public:
  // `arena`: as in Lab.
  explicit TcpLab(const LabOptions& options, Arena* arena = nullptr);

  Lab& lab() { return lab_; }
  net& network(int host) { return lab_.host(host).network(); }
  SimTime now() { return lab_.world().now(); }
  // What host `i`'s servers and clients have done.
  const AppCounts& server(int i) const { return counts_[i]->server; }
  const AppCounts& client(int i) const { return counts_[i]->client; }

  // Writes a setting of host `i`; it must be there and take `text`.
  void Set(int i, std::string_view path, std::string_view text);
  // A server on host `i`, on kTcpLabPort.
  void Serve(int i, uint32_t receive_buffer_bytes = 0);
  // A client on host `i` of the server on the other one.
  void Ask(int i, const AppPlan& plan, uint64_t seed);

  void RunFor(Duration duration) { lab_.world().RunUntil(now() + duration); }
  // Runs until every client is through and its server has answered what it asked. A liveness watch
  // in virtual time: fails, with the sockets of both hosts, where nothing moved for 300 s.
  ::testing::AssertionResult RunClients();
  // Every byte came right, no call failed, and both sides agree on how many there were.
  ::testing::AssertionResult AllIsRight() const;
  // Ends everything: nothing may be left.
  ::testing::AssertionResult Shutdown();

  std::string Digest() { return lab_.recorder().digest().ToString(); }
  // TCP_INFO of descriptor `fd` of host `i`, which is a TCP socket.
  tcp_info Info(int i, int fd);
  // Both hosts' sockets as /proc/net/tcp, and what their applications have done.
  std::string Describe();

 private:
  struct Counts {
    AppCounts server;
    AppCounts client;
  };
  uint64_t Progress() const;
  // Every client is through, and the servers have noticed.
  bool Settled() const;

  Lab lab_;
  Counts* counts_[2];
};

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_INTEGRATION_TCP_LAB_H_
