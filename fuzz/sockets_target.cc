// The system call surface: many threads' calls, on sockets of every kind that lead to each other
// over the loopback device, pipes and epoll instances.
//
// Input: the bytes spelling of a Script; each call that does not return at once is a thread that
// waits while the next is made. Property: no CHECK fails and the promises of oracles.h hold.
#include <cstdint>
#include <span>
#include <string_view>

#include "fuzz/readiness_oracle.h"
#include "fuzz/script_input.h"
#include "fuzz/stage.h"
#include "fuzz/target.h"

namespace tapedeck::fuzz {
namespace {

// Descriptor 3 is a listener on the script's port, 4 is connected to 5 over it; 6 is a UDP socket
// that is connected to itself, 7 an epoll instance that watches 4, 5 and 6, 8 and 9 a pipe.
constexpr std::string_view kPrelude = R"(
    0    socket(..., SOCK_STREAM, IPPROTO_TCP) = 3
    +0   bind(3, ..., ...) = 0
    +0   listen(3, 8) = 0
    +0   socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 4
    +0   connect(4, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("192.0.2.1")}, 16)
             = -1 EINPROGRESS
    +1ms accept(3, ..., ...) = 5
    +0   socket(..., SOCK_DGRAM, IPPROTO_UDP) = 6
    +0   bind(6, ..., ...) = 0
    +0   connect(6, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("192.0.2.1")}, 16)
             = 0
    +0   epoll_create(1) = 7
    +0   epoll_ctl(7, EPOLL_CTL_ADD, 4, {events=EPOLLIN|EPOLLOUT, fd=4}) = 0
    +0   epoll_ctl(7, EPOLL_CTL_ADD, 5, {events=EPOLLIN|EPOLLET, fd=5}) = 0
    +0   epoll_ctl(7, EPOLL_CTL_ADD, 6, {events=EPOLLIN, fd=6}) = 0
    +0   pipe([8, 9]) = 0
    +1   pause
)";

LabOptions TwoCpus() {
  LabOptions options = SmallLab();
  options.hosts[0].cpus = 2;
  return options;
}

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  static Stage stage(TwoCpus(), [](Lab&) {}, kPrelude, CheckReadiness);
  return stage.Run(input);
}

}  // namespace tapedeck::fuzz
