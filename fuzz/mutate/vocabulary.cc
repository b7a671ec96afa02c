#include "fuzz/mutate/vocabulary.h"

#include "fuzz/mutate/statements.h"

namespace tapedeck::fuzz {

namespace {

// Of each option whose value is more than a number, of each control message, of each call that has
// no operands. Descriptors are replaced by those that the script has.
constexpr std::string_view kStatements = R"(
    0    recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0}, 0) = ?
    +0   recvmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 1}, {..., 4096}], msg_flags=0}, MSG_DONTWAIT) = ?
    +0   recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0}, MSG_ERRQUEUE) = ?
    +0   recvmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_IP, cmsg_type=IP_TTL, cmsg_data=64}]}, MSG_DONTWAIT) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(2)=[{..., 100}, {..., 1400}], msg_flags=0}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 4000}], msg_flags=0}, MSG_ZEROCOPY) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 4000}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_UDP, cmsg_type=UDP_SEGMENT, cmsg_data=1000}]}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_IP, cmsg_type=IP_TTL, cmsg_data=1}, {cmsg_level=SOL_IP, cmsg_type=IP_TOS, cmsg_data=2}]}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_IP, cmsg_type=IP_PKTINFO, cmsg_data=[2, inet_addr("192.0.2.1"), 0]}]}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_IP, cmsg_type=IP_RETOPTS, cmsg_data="\x07\x07\x04\x00\x00\x00\x00\x00"}]}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_SOCKET, cmsg_type=SO_MARK, cmsg_data=1}, {cmsg_level=SOL_SOCKET, cmsg_type=SO_TIMESTAMPING, cmsg_data=3}]}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_SOCKET, cmsg_type=SO_TXTIME, cmsg_data=[1000000000, 0]}]}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 2000}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_IPV6, cmsg_type=IPV6_HOPLIMIT, cmsg_data=1}, {cmsg_level=SOL_IPV6, cmsg_type=IPV6_TCLASS, cmsg_data=2},
             {cmsg_level=SOL_IPV6, cmsg_type=IPV6_DONTFRAG, cmsg_data=1}]}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_IPV6, cmsg_type=IPV6_PKTINFO, cmsg_data=[inet_addr("2001:db8::1"), 2]}]}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 2000}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_IPV6, cmsg_type=IPV6_HOPOPTS, cmsg_data="\x00\x00\x05\x02\x00\x00\x01\x00"},
             {cmsg_level=SOL_IPV6, cmsg_type=IPV6_DSTOPTS, cmsg_data="\x00\x00\x01\x04\x00\x00\x00\x00"}]}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_IPV6, cmsg_type=IPV6_RTHDR, cmsg_data=[0x01020200, 0, inet_addr("2001:db8::65")]}]}, 0) = ?
    +0   sendmsg(3, {msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0, msg_control=[
             {cmsg_level=SOL_IPV6, cmsg_type=IPV6_FLOWINFO, cmsg_data=0x01000000}]}, 0) = ?
    +0   recvmmsg(3, [{msg_hdr={msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0}, msg_len=100},
             {msg_hdr={msg_name(...)=..., msg_iov(1)=[{..., 2000}], msg_flags=0}, msg_len=100}], 2, MSG_WAITFORONE, NULL) = ?
    +0   recvmmsg(3, [{msg_hdr={msg_name(...)=..., msg_iov(1)=[{..., 1}], msg_flags=0}, msg_len=1},
             {msg_hdr={msg_name(...)=..., msg_iov(1)=[{..., 1472}], msg_flags=0}, msg_len=1}], 2, 0, {tv_sec=0, tv_nsec=1000000}) = ?
    +0   sendmmsg(3, [{msg_hdr={msg_name(...)=..., msg_iov(1)=[{..., 100}], msg_flags=0}, msg_len=100},
             {msg_hdr={msg_name(...)=..., msg_iov(1)=[{..., 1472}], msg_flags=0}, msg_len=1472}], 2, 0) = ?
    +0   sendmmsg(3, [{msg_hdr={msg_name(...)=..., msg_iov(2)=[{..., 1}, {..., 2000}], msg_flags=0}, msg_len=2001},
             {msg_hdr={msg_name(...)=..., msg_iov(1)=[{..., 0}], msg_flags=0, msg_control=[
                 {cmsg_level=SOL_UDP, cmsg_type=UDP_SEGMENT, cmsg_data=1000}]}, msg_len=0}], 2, MSG_MORE) = ?
    +0   socketpair(AF_UNIX, SOCK_STREAM, 0, [3, 4]) = 0
    +0   socketpair(AF_UNIX, SOCK_DGRAM, 0, [3, 4]) = 0
    +0   readv(3, [{..., 10}, {..., 1000}], 2) = ?
    +0   writev(3, [{..., 1460}, {..., 1}], 2) = ?
    +0   fcntl(3, F_SETFL, O_RDWR|O_NONBLOCK) = ?
    +0   fcntl(3, F_SETFL, O_RDWR) = ?
    +0   fcntl(3, F_GETFL) = ?
    +0   fcntl(3, F_SETFD, FD_CLOEXEC) = ?
    +0   ioctl(3, SIOCINQ, [0]) = ?
    +0   ioctl(3, SIOCOUTQ, [0]) = ?
    +0   ioctl(3, SIOCATMARK, [0]) = ?
    +0   ioctl(3, FIONBIO, [1]) = ?
    +0   getsockopt(3, SOL_SOCKET, SO_ERROR, [0], [4]) = ?
    +0   getsockopt(3, SOL_TCP, TCP_MAXSEG, [0], [4]) = ?
    +0   getsockopt(3, SOL_TCP, TCP_INFO, [0], [232]) = ?
    +0   getsockopt(3, SOL_TCP, TCP_CONGESTION, [0], [16]) = ?
    +0   getsockopt(3, SOL_IP, IP_OPTIONS, [0], [40]) = ?
    +0   getsockopt(3, SOL_IP, IP_MSFILTER, [inet_addr("239.1.2.3"), 0, 0, 4], [32]) = ?
    +0   getsockopt(3, SOL_IPV6, IPV6_2292PKTOPTIONS, [0], [256]) = ?
    +0   getsockopt(3, SOL_IPV6, IPV6_PATHMTU, [0], [32]) = ?
    +0   getsockopt(3, SOL_IPV6, IPV6_FLOWLABEL_MGR, [0], [32]) = ?
    +0   setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=0}, 8) = ?
    +0   setsockopt(3, SOL_SOCKET, SO_LINGER, {onoff=1, linger=5}, 8) = ?
    +0   setsockopt(3, SOL_SOCKET, SO_RCVTIMEO, [0, 0, 100000, 0], 16) = ?
    +0   setsockopt(3, SOL_SOCKET, SO_SNDTIMEO, [1, 0, 0, 0], 16) = ?
    +0   setsockopt(3, SOL_SOCKET, SO_BINDTODEVICE, "eth0", 4) = ?
    +0   setsockopt(3, SOL_SOCKET, SO_TXTIME, [1, 3], 8) = ?
    +0   setsockopt(3, SOL_TCP, TCP_CONGESTION, "reno", 5) = ?
    +0   setsockopt(3, SOL_TCP, TCP_CONGESTION, "cubic", 6) = ?
    +0   setsockopt(3, SOL_TCP, TCP_CONGESTION, "bbr", 4) = ?
    +0   setsockopt(3, SOL_TCP, TCP_CONGESTION, "dctcp", 6) = ?
    +0   setsockopt(3, SOL_TCP, TCP_FASTOPEN_KEY, [1, 2, 3, 4], 16) = ?
    +0   setsockopt(3, SOL_TCP, TCP_MD5SIG, [2, inet_addr("192.0.2.101"), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
             0, 0, 0, 0, 0, 0, 0, 0, 0x00030000, 0, 0x00636261], 216) = ?
    +0   setsockopt(3, SOL_TCP, TCP_REPAIR_WINDOW, [0, 0, 0, 65535, 0], 20) = ?
    +0   setsockopt(3, SOL_TCP, TCP_REPAIR_OPTIONS, [2, 1000, 3, 7, 4, 0, 8, 0], 32) = ?
    +0   setsockopt(3, SOL_IP, IP_OPTIONS, "\x94\x04\x00\x00\x07\x07\x04\x00\x00\x00\x00\x00", 12) = ?
    +0   setsockopt(3, SOL_IP, IP_OPTIONS, "\x83\x07\x04\xc0\x00\x02\x66\x00", 8) = ?
    +0   setsockopt(3, SOL_IP, IP_OPTIONS, "\x44\x0c\x05\x00\x00\x00\x00\x00\x00\x00\x00\x00", 12) = ?
    +0   setsockopt(3, SOL_IP, IP_MULTICAST_IF, [0, inet_addr("192.0.2.1"), 2], 12) = ?
    +0   setsockopt(3, SOL_IP, IP_ADD_MEMBERSHIP, [inet_addr("239.1.2.3"), 0], 8) = ?
    +0   setsockopt(3, SOL_IP, IP_DROP_MEMBERSHIP, [inet_addr("239.1.2.3"), 0], 8) = ?
    +0   setsockopt(3, SOL_IP, IP_ADD_SOURCE_MEMBERSHIP, [inet_addr("239.1.2.3"), 0, inet_addr("192.0.2.101")], 12) = ?
    +0   setsockopt(3, SOL_IP, IP_DROP_SOURCE_MEMBERSHIP, [inet_addr("239.1.2.3"), 0, inet_addr("192.0.2.101")], 12) = ?
    +0   setsockopt(3, SOL_IP, IP_BLOCK_SOURCE, [inet_addr("239.1.2.3"), 0, inet_addr("192.0.2.101")], 12) = ?
    +0   setsockopt(3, SOL_IP, IP_UNBLOCK_SOURCE, [inet_addr("239.1.2.3"), 0, inet_addr("192.0.2.101")], 12) = ?
    +0   setsockopt(3, SOL_IP, IP_MSFILTER, [inet_addr("239.1.2.3"), 0, 1, 1, inet_addr("192.0.2.101")], 20) = ?
    +0   setsockopt(3, SOL_IP, MCAST_JOIN_GROUP, [2, 0, 2, inet_addr("239.1.2.3")], 136) = ?
    +0   setsockopt(3, SOL_IP, MCAST_LEAVE_GROUP, [2, 0, 2, inet_addr("239.1.2.3")], 136) = ?
    +0   setsockopt(3, SOL_IPV6, MCAST_JOIN_SOURCE_GROUP, [2, 0, 10, 0, inet_addr("ff02::1:2"), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
             0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, inet_addr("2001:db8::65")], 264) = ?
    +0   setsockopt(3, SOL_IPV6, MCAST_BLOCK_SOURCE, [2, 0, 10, 0, inet_addr("ff02::1:2"), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
             0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10, 0, inet_addr("2001:db8::65")], 264) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_JOIN_GROUP, [inet_addr("ff02::1:2"), 2], 20) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_LEAVE_GROUP, [inet_addr("ff02::1:2"), 2], 20) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_JOIN_ANYCAST, [inet_addr("2001:db8::aa"), 2], 20) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_LEAVE_ANYCAST, [inet_addr("2001:db8::aa"), 2], 20) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_PKTINFO, [inet_addr("2001:db8::1"), 2], 20) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_HOPOPTS, "\x00\x00\x05\x02\x00\x00\x01\x00", 8) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_DSTOPTS, "\x00\x00\x01\x04\x00\x00\x00\x00", 8) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_RTHDRDSTOPTS, "\x00\x00\x01\x04\x00\x00\x00\x00", 8) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_RTHDR, [0x01020200, 0, inet_addr("2001:db8::65")], 24) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_FLOWLABEL_MGR, [inet_addr("2001:db8::65"), 0x01000000, 0x00010100, 0, 0], 32) = ?
    +0   setsockopt(3, SOL_IPV6, IPV6_FLOWLABEL_MGR, [inet_addr("2001:db8::65"), 0x01000000, 0x00000001, 0, 0], 32) = ?
    +0   setsockopt(3, SOL_RAW, ICMP_FILTER, [0xfffffffe], 4) = ?
    +0   setsockopt(3, SOL_ICMPV6, ICMPV6_FILTER, [-1, -1, -1, -1, 0, 0, 0, 0], 32) = ?
    +0   open("/tmp/sendfile-30000", O_RDONLY) = 10?
    +0   sendfile(3, 10, [0], 4096) = ?
    +0   sendfile(3, 10, NULL, 100) = ?
    +0   pipe([8, 9]) = 0
    +0   splice(3, NULL, 9, NULL, 1000, 0) = ?
    +0   splice(8, NULL, 3, NULL, 1000, SPLICE_F_MORE) = ?
    +0   epoll_create(1) = 9?
    +0   epoll_ctl(9, EPOLL_CTL_ADD, 3, {events=EPOLLIN, fd=3}) = ?
    +0   epoll_ctl(9, EPOLL_CTL_ADD, 3, {events=EPOLLIN|EPOLLOUT|EPOLLET, fd=3}) = ?
    +0   epoll_ctl(9, EPOLL_CTL_ADD, 3, {events=EPOLLIN|EPOLLONESHOT, fd=3}) = ?
    +0   epoll_ctl(9, EPOLL_CTL_ADD, 3, {events=EPOLLIN|EPOLLEXCLUSIVE, fd=3}) = ?
    +0   epoll_ctl(9, EPOLL_CTL_MOD, 3, {events=EPOLLOUT, fd=3}) = ?
    +0   epoll_ctl(9, EPOLL_CTL_DEL, 3, {events=0, fd=3}) = ?
    +0   epoll_wait(9, {events=EPOLLIN, fd=3}, 1, 0) = ?
    +0   epoll_wait(9, {events=EPOLLIN, fd=3}, 1, 1000) = ?
    +0   select(6, {fds=[3, 5]}, NULL, NULL, {tv_sec=0, tv_usec=1000}) = ?
    +0   select(6, {fds=[3]}, {fds=[3]}, NULL, {tv_sec=1, tv_usec=0}) = ?
)";

}  // namespace

const std::vector<Step>& Vocabulary() {
  static const std::vector<Step> steps = ParseStatements(kStatements);
  return steps;
}

}  // namespace tapedeck::fuzz
