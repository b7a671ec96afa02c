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
    {"a neighbour solicits", R"(
        0    frame repair { 3333ff000001 020000000101 86dd 60000000 0020 3aff
                 20010db8000000000000000000000065 ff0200000000000000000001ff000001
                 8700 0000 00000000 20010db8000000000000000000000001 0101 020000000101 }
        +0   frame repair { 020000000001 020000000101 86dd 60000000 0020 3aff
                 20010db8000000000000000000000065 20010db8000000000000000000000001
                 8700 0000 00000000 20010db8000000000000000000000001 0101 020000000101 }
     )"},
    {"a neighbour advertises", R"(
        0    frame repair { 020000000001 020000000101 86dd 60000000 0020 3aff
                 20010db8000000000000000000000065 20010db8000000000000000000000001
                 8800 0000 60000000 20010db8000000000000000000000065 0201 020000000102 }
        +0   frame repair { 333300000001 020000000101 86dd 60000000 0020 3aff
                 20010db8000000000000000000000065 ff020000000000000000000000000001
                 8800 0000 20000000 20010db8000000000000000000000065 0201 020000000103 }
     )"},
    {"somebody else has the address", R"(
        0    frame repair { 3333ff000001 020000000101 86dd 60000000 0018 3aff
                 00000000000000000000000000000000 ff0200000000000000000001ff000001
                 8700 0000 00000000 20010db8000000000000000000000001 }
        +0   frame repair { 333300000001 020000000101 86dd 60000000 0020 3aff
                 20010db8000000000000000000000001 ff020000000000000000000000000001
                 8800 0000 20000000 20010db8000000000000000000000001 0201 020000000109 }
     )"},
    {"a router advertises", R"(
        0    frame repair { 333300000001 020000000101 86dd 60000000 0058 3aff
                 fe80000000000000000000fffe000101 ff020000000000000000000000000001
                 8600 0000 4000 0708 00000000 00000000 0101 020000000101 0501 0000 00000500
                 0304 40c0 00015180 00003840 00000000 20010db8000100000000000000000000 1803 4000 00000e10 20010db8000200000000000000000000 }
        +1   frame repair { 333300000001 020000000101 86dd 60000000 0058 3aff
                 fe80000000000000000000fffe000101 ff020000000000000000000000000001
                 8600 0000 4000 0000 00000000 00000000 0101 020000000101 0501 0000 00000500
                 0304 40c0 00000000 00000000 00000000 20010db8000100000000000000000000 1803 4000 00000e10 20010db8000200000000000000000000 }
     )"},
    {"a router advertises for a short time", R"(
        0    frame repair { 333300000001 020000000101 86dd 60000000 0058 3aff
                 fe80000000000000000000fffe000101 ff020000000000000000000000000001
                 8600 0000 4000 0003 00000000 00000000 0101 020000000101 0501 0000 00000500
                 0304 40c0 0000000a 00000005 00000000 20010db8000100000000000000000000 1803 4000 00000e10 20010db8000200000000000000000000 }
        +4   pause
        +0   frame repair { 333300000001 020000000101 86dd 60000000 0058 3aff
                 fe80000000000000000000fffe000101 ff020000000000000000000000000001
                 8600 0000 4000 0003 00000000 00000000 0101 020000000101 0501 0000 00000500
                 0304 40c0 0000000a 00000005 00000000 20010db8000100000000000000000000 1803 4000 00000e10 20010db8000200000000000000000000 }
        +20  pause
     )"},
    {"a router redirects over IPv6", R"(
        0    frame repair { 333300000001 020000000101 86dd 60000000 0058 3aff
                 fe80000000000000000000fffe000101 ff020000000000000000000000000001
                 8600 0000 4000 0708 00000000 00000000 0101 020000000101 0501 0000 00000500
                 0304 40c0 00015180 00003840 00000000 20010db8000100000000000000000000 1803 4000 00000e10 20010db8000200000000000000000000 }
        +0   socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) = 7?
        +0   sendto(7, ..., 10, 0, {sa_family=AF_INET6, sin_port=htons(53), sin_addr=inet_addr("2001:db8:9::1")}, 28) = ?
        +1ms frame repair { 020000000001 020000000101 86dd 60000000 006c 3aff
                 fe80000000000000000000fffe000101 20010db8000000000000000000000001
                 8900 0000 00000000 fe80000000000000000000fffe000102 20010db8000900000000000000000001 0201 020000000102 0408 0000 00000000
                 60000000 0012 1140 20010db8000000000000000000000001 20010db8000900000000000000000001 1f90 0035 0012 0000 00010203 }
        +0   sendto(7, ..., 10, 0, {sa_family=AF_INET6, sin_port=htons(53), sin_addr=inet_addr("2001:db8:9::1")}, 28) = ?
     )"},
    {"a router redirects", R"(
        0    sendto(3, ..., 10, 0, {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("198.51.100.9")}, 16) = ?
        +1ms frame repair { 020000000001 020000000101 0800 4500 0038 0000 4000 4001 0000 c0000265 c0000201 
                 0501 0000 c0000266 4500 0026 0000 4000 4011 0000 c0000201 c6336409 1f90 0035 0012 0000 }
     )"},
    {"a packet is too big over IPv6", R"(
        0    sendto(3, ..., 1400, 0, {sa_family=AF_INET6, sin_port=htons(53), sin_addr=inet_addr("2001:db8::65")}, 28) = ?
        +1ms frame repair { 020000000001 020000000101 86dd 60000000 0038 3a40
                 20010db8000000000000000000000065 20010db8000000000000000000000001
                 0200 0000 00000500 60000000 0580 1140 20010db8000000000000000000000001 20010db8000000000000000000000065 1f90 0035 0580 0000 }
     )"},
    {"an error comes for IPv6", R"(
        0    frame repair { 020000000001 020000000101 86dd 60000000 0038 3a40
                 20010db8000000000000000000000065 20010db8000000000000000000000001
                 0104 0000 00000000 60000000 0012 1140 20010db8000000000000000000000001 20010db8000000000000000000000065 1f90 1f90 0012 0000 }
        +0   frame repair { 020000000001 020000000101 86dd 60000000 0044 3a40
                 20010db8000000000000000000000065 20010db8000000000000000000000001
                 0401 0000 00000006 60000000 0020 0640 20010db8000000000000000000000001 20010db8000000000000000000000065 1f90 1f90 00000000 00000000 50000000 00000000 }
     )"},
    {"an echo request over IPv6", R"(
        0    frame repair { 020000000001 020000000101 86dd 60000000 0010 3a40
                 20010db8000000000000000000000065 20010db8000000000000000000000001
                 8000 0000 0001 0001 00010203 04050607 }
        +0   frame repair { 333300000001 020000000101 86dd 60000000 0010 3a40
                 20010db8000000000000000000000065 ff020000000000000000000000000001
                 8000 0000 0001 0002 00010203 04050607 }
     )"},
    {"a router asks for groups", R"(
        0    setsockopt(3, SOL_IP, IP_ADD_MEMBERSHIP, [inet_addr("239.1.2.3"), 0], 8) = ?
        +0   frame repair { 01005e000001 020000000101 0800 4600 0020 0000 4000 0102 0000 c0000265 e0000001 94040000
                 1164 0000 00000000 }
        +0   frame repair { 01005e010203 020000000101 0800 4600 0028 0000 4000 0102 0000 c0000265 ef010203 94040000
                 110a 0000 ef010203 027d 0001 c0000265 }
        +10  frame repair { 01005e010203 020000000101 0800 4600 0020 0000 4000 0102 0000 c0000265 ef010203 94040000
                 1600 0000 ef010203 }
     )"},
    {"a router asks for groups of IPv6", R"(
        0    socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) = 7?
        +0   setsockopt(7, SOL_IPV6, IPV6_JOIN_GROUP, [inet_addr("ff02::1:2"), 2], 20) = ?
        +0   frame repair { 333300000001 020000000101 86dd 60000000 0020 0001
                 fe80000000000000000000fffe000101 ff020000000000000000000000000001
                 3a00 05020000 0100 8200 0000 03e8 0000 00000000000000000000000000000000 }
        +0   frame repair { 333300010002 020000000101 86dd 60000000 0034 0001
                 fe80000000000000000000fffe000101 ff020000000000000000000000010002
                 3a00 05020000 0100 8200 0000 0064 0000 ff020000000000000000000000010002 027d 0001 20010db8000000000000000000000065 }
        +10  frame repair { 333300010002 020000000101 86dd 60000000 0020 0001
                 fe80000000000000000000fffe000101 ff020000000000000000000000010002
                 3a00 05020000 0100 8300 0000 0000 0000 ff020000000000000000000000010002 }
     )"},
    {"datagrams to a group", R"(
        0    setsockopt(3, SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, [inet_addr("239.1.2.3"), 0, inet_addr("192.0.2.101")], 12) = ?
        +0   frame repair { 01005e010203 020000000101 0800 4500 0024 0000 4000 0111 0000 c0000265 ef010203 
                 1f90 1f90 0010 0000 00010203 04050607 }
        +0   frame repair { 01005e010203 020000000101 0800 4500 0024 0000 4000 0111 0000 c0000266 ef010203 
                 1f90 1f90 0010 0000 00010203 04050607 }
        +0   sendto(3, ..., 100, 0, {sa_family=AF_INET, sin_port=htons(8080), sin_addr=inet_addr("239.1.2.3")}, 16) = ?
     )"},
    {"fragments over IPv6", R"(
        0    frame repair { 020000000001 020000000101 86dd 60000000 0018 2c40
                 20010db8000000000000000000000065 20010db8000000000000000000000001
                 1100 0001 0000 0001 1f90 1f90 0018 0000 00010203 04050607 }
        +0   frame repair { 020000000001 020000000101 86dd 60000000 0010 2c40
                 20010db8000000000000000000000065 20010db8000000000000000000000001
                 1100 0010 0000 0001 08090a0b 0c0d0e0f }
     )"},
    {"options in front of a datagram over IPv6", R"(
        0    frame repair { 020000000001 020000000101 86dd 60000000 0038 0040
                 20010db8000000000000000000000065 20010db8000000000000000000000001
                 3c00 01040000 0000 2b00 01040000 0000 1102 0200 00000000 20010db8000000000000000000000001 1f90 1f90 0010 0000 00010203 04050607 }
     )"},
    {"an ARP request and a conflict", R"(
        0    frame { ffffffffffff 020000000101 0806 0001 0800 0604 0001 020000000101 c0000265 000000000000 c0000201 }
        +0   frame { ffffffffffff 020000000109 0806 0001 0800 0604 0001 020000000109 c0000201 000000000000 c0000201 }
     )"},
    {"connect over IPv6", R"(
        0    socket(AF_INET6, SOCK_STREAM|SOCK_NONBLOCK, IPPROTO_TCP) = 6?
        +0   connect(6, {sa_family=AF_INET6, sin_port=htons(8080), sin_addr=inet_addr("2001:db8::65")}, 28) = ?
        +1ms segment 0 SYN|ACK v6 mss 1440 sackok wscale 7
        +0   write(6, ..., 1000) = ?
        +1ms segment 0 PSH|ACK v6 len 100
        +1ms segment 0 FIN|ACK v6
     )"},
    {"datagrams over IPv6 with what is known of them", R"(
        0    socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP) = 7?
        +0   bind(7, {sa_family=AF_INET6, sin_port=htons(9000), sin_addr=inet_addr("::")}, 28) = ?
        +0   setsockopt(7, SOL_IPV6, IPV6_RECVPKTINFO, [1], 4) = ?
        +0   setsockopt(7, SOL_IPV6, IPV6_RECVHOPLIMIT, [1], 4) = ?
        +0   frame repair { 020000000001 020000000101 86dd 60000000 0010 1140
                 20010db8000000000000000000000065 20010db8000000000000000000000001
                 1f90 2328 0010 0000 00010203 04050607 }
        +1ms recvmsg(7, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_IPV6, cmsg_type=IPV6_HOPLIMIT, cmsg_data=64}]}, MSG_DONTWAIT) = ?
        +0   sendto(7, ..., 3000, 0, {sa_family=AF_INET6, sin_port=htons(53), sin_addr=inet_addr("2001:db8::65")}, 28) = ?
     )"},
    {"a raw socket", R"(
        0    socket(AF_INET, SOCK_RAW, IPPROTO_ICMP) = 7?
        +0   sendto(7, ..., 100, 0, {sa_family=AF_INET, sin_port=htons(0), sin_addr=inet_addr("192.0.2.101")}, 16) = ?
        +0   socket(AF_INET6, SOCK_RAW, IPPROTO_ICMPV6) = 8?
        +0   sendto(8, ..., 100, 0, {sa_family=AF_INET6, sin_port=htons(0), sin_addr=inet_addr("2001:db8::65")}, 28) = ?
        +1ms recvfrom(7, ..., 100, MSG_DONTWAIT, ..., ...) = ?
        +0   recvfrom(8, ..., 100, MSG_DONTWAIT, ..., ...) = ?
     )"},
    {"ping over IPv6", R"(
        0    socket(AF_INET6, SOCK_DGRAM, IPPROTO_ICMPV6) = 7?
        +0   connect(7, {sa_family=AF_INET6, sin_port=htons(0), sin_addr=inet_addr("2001:db8::65")}, 28) = ?
        +0   write(7, "\x80\x00\x00\x00\x00\x00\x00\x01", 8) = ?
        +1ms recvfrom(7, ..., 100, MSG_DONTWAIT, ..., ...) = ?
     )"},
    {"a file through a connection", R"(
        0    open("/tmp/sendfile-30000", O_RDONLY) = 10?
        +0   sendfile(8, 10, [0], 20000) = ?
        +0   pipe([11, 12]) = 0
        +0   splice(10, NULL, 12, NULL, 4096, 0) = ?
        +0   splice(11, NULL, 8, NULL, 4096, SPLICE_F_MORE) = ?
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
