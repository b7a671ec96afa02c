#include "fuzz/mutate/idioms.h"

#include "fuzz/mutate/statements.h"

namespace tapedeck::fuzz {

namespace {

struct Story {
  std::string_view name;
  std::string_view text;
};

constexpr Story kStories[] = {
    {"accept a connection", R"(
        0    segment 0 SYN mss 1460 sackok wscale 7
        +1ms segment 0 ACK
        +0   accept(5, ..., ...) = 8?
     )"},
    {"accept a connection with timestamps", R"(
        0    segment 1 SYN mss 1460 sackok ts 0 0 wscale 7
        +1ms segment 1 ACK ts 0 0
        +0   accept(5, ..., ...) = 8?
     )"},
    {"accept a connection of IPv6", R"(
        0    socket(AF_INET6, SOCK_STREAM, IPPROTO_TCP) = 7?
        +0   setsockopt(7, SOL_SOCKET, SO_REUSEADDR, [1], 4) = ?
        +0   bind(7, {sa_family=AF_INET6, sin_port=htons(8080), sin_addr=inet_addr("2001:db8::1")}, 28) = ?
        +0   listen(7, 5) = ?
        +0   segment 2 SYN v6 mss 1440
        +1ms segment 2 ACK v6
        +0   accept(7, ..., ...) = 8?
     )"},
    {"connect", R"(
        0    socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 6?
        +0   connect(6, ..., ...) = ?
        +1ms segment 0 SYN|ACK mss 1460 sackok wscale 7
        +0   write(6, ..., 1000) = ?
     )"},
    {"connect and open simultaneously", R"(
        0    socket(..., SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 6?
        +0   connect(6, ..., ...) = ?
        +1ms segment 0 SYN
        +1ms segment 0 SYN|ACK seq -1
     )"},
    {"write and lose", R"(
        0    write(8, ..., 8192) = ?
        +1ms segment 0 ACK ack -6744 sack 1448 6744
        +1ms segment 0 ACK ack -6744 sack 1448 6744
        +300ms segment 0 ACK
     )"},
    {"write until it waits", R"(
        0    write(8, ..., 65536) = ?
        +1ms segment 0 ACK win 0
        +1   segment 0 ACK win 0
        +3   segment 0 ACK win 65535
     )"},
    {"receive around a hole", R"(
        0    segment 0 PSH|ACK seq 1000 len 1000
        +0   segment 0 PSH|ACK seq 3000 len 1000
        +1ms segment 0 PSH|ACK len 1000
        +1ms segment 0 PSH|ACK seq 0 len 4096
        +0   read(8, ..., 16384) = ?
     )"},
    {"urgent data", R"(
        0    segment 0 URG|ACK len 100 urg 100
        +0   recv(8, ..., 1, MSG_OOB) = ?
        +0   read(8, ..., 100) = ?
     )"},
    {"the peer closes", R"(
        0    segment 0 FIN|ACK
        +0   read(8, ..., 100) = ?
        +1ms close(8) = ?
        +1ms segment 0 ACK
     )"},
    {"the host closes", R"(
        0    close(8) = ?
        +1ms segment 0 ACK
        +1ms segment 0 FIN|ACK
        +1ms segment 0 SYN
        +60  pause
     )"},
    {"both close", R"(
        0    shutdown(8, SHUT_WR) = ?
        +0   segment 0 FIN|ACK ack -1
        +1ms segment 0 ACK
     )"},
    {"the peer resets", R"(
        0    segment 0 PSH|ACK len 100
        +0   segment 0 RST
        +0   read(8, ..., 100) = ?
        +0   write(8, ..., 100) = ?
     )"},
    {"silence", R"(
        0    setsockopt(8, SOL_SOCKET, SO_KEEPALIVE, [1], 4) = ?
        +0   setsockopt(8, SOL_TCP, TCP_KEEPIDLE, [1], 4) = ?
        +0   setsockopt(8, SOL_TCP, TCP_KEEPINTVL, [1], 4) = ?
        +10  pause
     )"},
    {"datagrams", R"(
        0    socket(..., SOCK_DGRAM, IPPROTO_UDP) = 6?
        +0   connect(6, ..., ...) = ?
        +0   sendto(6, ..., 2048, 0, NULL, 0) = ?
        +0   recvfrom(6, ..., 100, MSG_DONTWAIT, ..., ...) = ?
     )"},
    {"wait for events", R"(
        0    epoll_create(1) = 9?
        +0   epoll_ctl(9, EPOLL_CTL_ADD, 5, {events=EPOLLIN, fd=5}) = ?
        +0   epoll_wait(9, {events=EPOLLIN, fd=5}, 1, 1000) = ?
     )"},
    {"a datagram comes while somebody waits in recvfrom", R"(
        0    setsockopt(3, SOL_SOCKET, SO_RCVTIMEO, [0, 0, 100000, 0], 16) = ?
        +0...0.1 recvfrom(3, ..., 100, 0, ..., ...) = ?
        +50ms frame repair { 020000000001 020000000101 0800 4500 0024 0001 4000 4011 0000 c0000265 c0000201
                 1f901f90 0010 1234 0001020304050607 }
        +100ms pause
     )"},
    {"a datagram comes while somebody waits in poll", R"(
        0...0.1 poll([{fd=3, events=POLLIN}], 1, 100) = ?
        +50ms frame repair { 020000000001 020000000101 0800 4500 0024 0001 4000 4011 0000 c0000265 c0000201
                 1f901f90 0010 1234 0001020304050607 }
        +100ms pause
     )"},
    {"a datagram comes while somebody waits for events", R"(
        0    epoll_create(1) = 9?
        +0   epoll_ctl(9, EPOLL_CTL_ADD, 3, {events=EPOLLIN, fd=3}) = ?
        +0...0.1 epoll_wait(9, {events=EPOLLIN, fd=3}, 1, 100) = ?
        +50ms frame repair { 020000000001 020000000101 0800 4500 0024 0001 4000 4011 0000 c0000265 c0000201
                 1f901f90 0010 1234 0001020304050607 }
        +100ms pause
     )"},
    {"a datagram is looked at before it is read", R"(
        0    frame repair { 020000000001 020000000101 0800 4500 0024 0001 4000 4011 0000 c0000265 c0000201
                 1f901f90 0010 1234 0001020304050607 }
        +1ms recvfrom(3, ..., 4, MSG_PEEK|MSG_DONTWAIT, ..., ...) = ?
        +0   recvfrom(3, ..., 100, MSG_DONTWAIT, ..., ...) = ?
     )"},
    {"datagrams of IPv6, which may be merged", R"(
        0    socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) = 7?
        +0   bind(7, {sa_family=AF_INET6, sin_port=htons(9000), sin_addr=inet_addr("2001:db8::1")}, 28) = ?
        +0   setsockopt(7, SOL_UDP, UDP_GRO, [1], 4) = ?
        +0   frame repair { 020000000001 020000000101 86dd 60000000 0010 1140
                 20010db8000000000000000000000065 20010db8000000000000000000000001 2710 2328 0010 0000 0001020304050607 }
        +0   frame repair { 020000000001 020000000101 86dd 60000000 0010 1140
                 20010db8000000000000000000000065 20010db8000000000000000000000001 2710 2328 0010 0000 0001020304050607 }
        +1ms recvfrom(7, ..., 100, MSG_DONTWAIT, ..., ...) = ?
     )"},
};

}  // namespace

std::span<const Idiom> Idioms() {
  static const std::vector<Idiom> idioms = [] {
    std::vector<Idiom> all;
    for (const Story& story : kStories) all.push_back({story.name, ParseStatements(story.text)});
    return all;
  }();
  return idioms;
}

}  // namespace tapedeck::fuzz
