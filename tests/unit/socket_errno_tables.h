// What Linux answers to each call in each state of a socket: one table for each kind, a column for
// each state, a row for each call. A cell is the result or the name of the error; of poll,
// poll_after_shut and epoll_add it is the mask of events. '-': not tested.
//
// Found by asking the kernel (6.18): a program that makes a socket of each state over loopback,
// non-blocking, in a network namespace of its own (a SYN to a silent address for "connecting", 20
// ms for packets to arrive), makes one call on it and closes everything. States and calls are those
// of socket_errno_table_test.cc.
#ifndef TAPEDECK_TESTS_UNIT_SOCKET_ERRNO_TABLES_H_
#define TAPEDECK_TESTS_UNIT_SOCKET_ERRNO_TABLES_H_

namespace tapedeck {

// clang-format off
// TCP sockets without a connection.
inline constexpr char kTcpBeforeConnection[] = R"(
call            fresh       bound       listen   listen_ready connecting refused
bind            0           EINVAL      EINVAL   EINVAL       EINVAL     0
bind_unspec     0           EINVAL      EINVAL   EINVAL       EINVAL     0
connect         EINPROGRESS EINPROGRESS EISCONN  EISCONN      EALREADY   ECONNREFUSED
connect_short   EINVAL      EINVAL      EISCONN  EISCONN      EALREADY   ECONNREFUSED
connect_unspec  0           0           0        0            0          0
listen          0           0           0        0            EINVAL     EINVAL
accept          EINVAL      EINVAL      EAGAIN   0            EINVAL     EINVAL
getsockname     0           0           0        0            0          0
getpeername     ENOTCONN    ENOTCONN    ENOTCONN ENOTCONN     ENOTCONN   ENOTCONN
peername_opt    ENOTCONN    ENOTCONN    ENOTCONN ENOTCONN     0          0
read            ENOTCONN    ENOTCONN    ENOTCONN ENOTCONN     EAGAIN     ECONNREFUSED
read_0          0           0           0        0            0          0
readv_0         0           0           0        0            0          0
write           EPIPE       EPIPE       EPIPE    EPIPE        EAGAIN     ECONNREFUSED
write_0         EPIPE       EPIPE       EPIPE    EPIPE        EAGAIN     ECONNREFUSED
writev_0        0           0           0        0            0          0
send            EPIPE       EPIPE       EPIPE    EPIPE        EAGAIN     ECONNREFUSED
send_oob        EPIPE       EPIPE       EPIPE    EPIPE        EAGAIN     ECONNREFUSED
sendto          EPIPE       EPIPE       EPIPE    EPIPE        EAGAIN     ECONNREFUSED
sendto_short    EPIPE       EPIPE       EPIPE    EPIPE        EAGAIN     ECONNREFUSED
sendmsg_many    EMSGSIZE    EMSGSIZE    EMSGSIZE EMSGSIZE     EMSGSIZE   EMSGSIZE
sendmmsg        EPIPE       EPIPE       EPIPE    EPIPE        EAGAIN     ECONNREFUSED
recv            ENOTCONN    ENOTCONN    ENOTCONN ENOTCONN     EAGAIN     ECONNREFUSED
recv_0          ENOTCONN    ENOTCONN    ENOTCONN ENOTCONN     EAGAIN     ECONNREFUSED
recv_peek       ENOTCONN    ENOTCONN    ENOTCONN ENOTCONN     EAGAIN     ECONNREFUSED
recv_oob        EINVAL      EINVAL      ENOTCONN ENOTCONN     EINVAL     EINVAL
recv_errqueue   EAGAIN      EAGAIN      EAGAIN   EAGAIN       EAGAIN     EAGAIN
recv_trunc      ENOTCONN    ENOTCONN    ENOTCONN ENOTCONN     EAGAIN     ECONNREFUSED
recv_waitall    ENOTCONN    ENOTCONN    ENOTCONN ENOTCONN     EAGAIN     ECONNREFUSED
recvmmsg        ENOTCONN    ENOTCONN    ENOTCONN ENOTCONN     EAGAIN     ECONNREFUSED
shut_rd         ENOTCONN    ENOTCONN    0        0            0          ENOTCONN
shut_wr         ENOTCONN    ENOTCONN    0        0            0          ENOTCONN
shut_rdwr       ENOTCONN    ENOTCONN    0        0            0          ENOTCONN
shut_3          EINVAL      EINVAL      EINVAL   EINVAL       EINVAL     EINVAL
siocinq         0           0           EINVAL   EINVAL       0          0
siocoutq        0           0           EINVAL   EINVAL       0          1
siocoutqnsd     0           0           EINVAL   EINVAL       0          0
siocatmark      0           0           0        0            0          0
fionbio         0           0           0        0            0          0
so_error        0           0           0        0            0          111
so_acceptconn   0           0           1        1            0          0
so_type         1           1           1        1            1          1
poll            0x114       0x114       0        0x41         0          0x215d
poll_after_shut 0x2155      0x2155      0x114    0x114        0x11c      0x215d
epoll_self      EINVAL      EINVAL      EINVAL   EINVAL       EINVAL     EINVAL
epoll_add       0x10        0x10        0        0x1          0          0x19
splice_in       ENOTCONN    ENOTCONN    ENOTCONN ENOTCONN     EAGAIN     ECONNREFUSED
sendfile_out    EPIPE       EPIPE       EPIPE    EPIPE        EAGAIN     ECONNREFUSED
setfl_get       2           2           2        2            2          2
)";

// TCP connections and what remains of them.
inline constexpr char kTcpConnection[] = R"(
call            established data     shut_rd  shut_wr  peer_fin both_fin reset
bind            EINVAL      EINVAL   EINVAL   EINVAL   EINVAL   0        0
bind_unspec     EINVAL      EINVAL   EINVAL   EINVAL   EINVAL   0        0
connect         EISCONN     EISCONN  EISCONN  EISCONN  EISCONN  EISCONN  EISCONN
connect_short   EISCONN     EISCONN  EISCONN  EISCONN  EISCONN  EISCONN  EISCONN
connect_unspec  0           0        0        0        0        0        0
listen          EINVAL      EINVAL   EINVAL   EINVAL   EINVAL   EINVAL   EINVAL
accept          EINVAL      EINVAL   EINVAL   EINVAL   EINVAL   EINVAL   EINVAL
getsockname     0           0        0        0        0        0        0
getpeername     0           0        0        0        0        ENOTCONN ENOTCONN
peername_opt    0           0        0        0        0        0        0
read            EAGAIN      10       0        EAGAIN   0        0        ECONNRESET
read_0          0           0        0        0        0        0        0
readv_0         0           0        0        0        0        0        0
write           10          10       10       EPIPE    10       EPIPE    ECONNRESET
write_0         0           0        0        EPIPE    0        EPIPE    ECONNRESET
writev_0        0           0        0        0        0        0        0
send            10          10       10       EPIPE    10       EPIPE    ECONNRESET
send_oob        1           1        1        EPIPE    1        EPIPE    ECONNRESET
sendto          10          10       10       EPIPE    10       EPIPE    ECONNRESET
sendto_short    10          10       10       EPIPE    10       EPIPE    ECONNRESET
sendmsg_many    EMSGSIZE    EMSGSIZE EMSGSIZE EMSGSIZE EMSGSIZE EMSGSIZE EMSGSIZE
sendmmsg        2           2        2        EPIPE    2        EPIPE    ECONNRESET
recv            EAGAIN      10       0        EAGAIN   0        0        ECONNRESET
recv_0          EAGAIN      0        0        EAGAIN   0        0        ECONNRESET
recv_peek       EAGAIN      10       0        EAGAIN   0        0        ECONNRESET
recv_oob        EINVAL      EINVAL   EINVAL   EINVAL   EINVAL   EINVAL   EINVAL
recv_errqueue   EAGAIN      EAGAIN   EAGAIN   EAGAIN   EAGAIN   EAGAIN   EAGAIN
recv_trunc      EAGAIN      10       0        EAGAIN   0        0        ECONNRESET
recv_waitall    EAGAIN      16       0        EAGAIN   0        0        ECONNRESET
recvmmsg        EAGAIN      2        2        EAGAIN   2        2        ECONNRESET
shut_rd         0           0        0        0        0        ENOTCONN ENOTCONN
shut_wr         0           0        0        0        0        ENOTCONN ENOTCONN
shut_rdwr       0           0        0        0        0        ENOTCONN ENOTCONN
shut_3          EINVAL      EINVAL   EINVAL   EINVAL   EINVAL   EINVAL   EINVAL
siocinq         0           16       0        0        0        0        0
siocoutq        0           0        0        0        0        0        0
siocoutqnsd     0           0        0        0        0        0        0
siocatmark      0           0        0        0        0        0        0
fionbio         0           0        0        0        0        0        0
so_error        0           0        0        0        0        0        104
so_acceptconn   0           0        0        0        0        0        0
so_type         1           1        1        1        1        1        1
poll            0x104       0x145    0x2145   0x104    0x2145   0x2155   0x215d
poll_after_shut 0x2155      0x2155   0x2155   0x2155   0x2155   0x2155   0x215d
epoll_self      EINVAL      EINVAL   EINVAL   EINVAL   EINVAL   EINVAL   EINVAL
epoll_add       0           0x1      0x1      0        0x1      0x11     0x19
splice_in       EAGAIN      10       0        EAGAIN   0        0        ECONNRESET
sendfile_out    10          10       10       EPIPE    10       EPIPE    ECONNRESET
setfl_get       2           2        2        2        2        2        2
)";

// UDP.
inline constexpr char kUdp[] = R"(
call            fresh        bound        connected  data       refused      shut
bind            0            EINVAL       EINVAL     EINVAL     EINVAL       EINVAL
bind_unspec     0            EINVAL       EINVAL     EINVAL     EINVAL       EINVAL
connect         0            0            0          0          0            0
connect_short   EINVAL       EINVAL       EINVAL     EINVAL     EINVAL       EINVAL
connect_unspec  0            0            0          0          0            0
listen          EOPNOTSUPP   EOPNOTSUPP   EOPNOTSUPP EOPNOTSUPP EOPNOTSUPP   EOPNOTSUPP
accept          EOPNOTSUPP   EOPNOTSUPP   EOPNOTSUPP EOPNOTSUPP EOPNOTSUPP   EOPNOTSUPP
getsockname     0            0            0          0          0            0
getpeername     ENOTCONN     ENOTCONN     0          0          0            0
peername_opt    ENOTCONN     ENOTCONN     0          0          0            0
read            EAGAIN       EAGAIN       EAGAIN     10         ECONNREFUSED EAGAIN
read_0          0            0            0          0          0            0
readv_0         0            0            0          0          0            0
write           EDESTADDRREQ EDESTADDRREQ 10         10         ECONNREFUSED EPIPE
write_0         EDESTADDRREQ EDESTADDRREQ 0          0          ECONNREFUSED EPIPE
writev_0        0            0            0          0          0            0
send            EDESTADDRREQ EDESTADDRREQ 10         10         ECONNREFUSED EPIPE
send_oob        EOPNOTSUPP   EOPNOTSUPP   EOPNOTSUPP EOPNOTSUPP EOPNOTSUPP   EOPNOTSUPP
sendto          10           10           10         10         ECONNREFUSED EPIPE
sendto_short    EINVAL       EINVAL       EINVAL     EINVAL     EINVAL       EINVAL
sendmsg_many    EMSGSIZE     EMSGSIZE     EMSGSIZE   EMSGSIZE   EMSGSIZE     EMSGSIZE
sendmmsg        EDESTADDRREQ EDESTADDRREQ 2          2          ECONNREFUSED EPIPE
recv            EAGAIN       EAGAIN       EAGAIN     10         ECONNREFUSED EAGAIN
recv_0          EAGAIN       EAGAIN       EAGAIN     0          ECONNREFUSED EAGAIN
recv_peek       EAGAIN       EAGAIN       EAGAIN     10         ECONNREFUSED EAGAIN
recv_oob        EAGAIN       EAGAIN       EAGAIN     1          ECONNREFUSED EAGAIN
recv_errqueue   EAGAIN       EAGAIN       EAGAIN     EAGAIN     EAGAIN       EAGAIN
recv_trunc      EAGAIN       EAGAIN       EAGAIN     16         ECONNREFUSED EAGAIN
recv_waitall    EAGAIN       EAGAIN       EAGAIN     16         ECONNREFUSED EAGAIN
recvmmsg        EAGAIN       EAGAIN       EAGAIN     1          ECONNREFUSED EAGAIN
shut_rd         ENOTCONN     ENOTCONN     0          0          0            0
shut_wr         ENOTCONN     ENOTCONN     0          0          0            0
shut_rdwr       ENOTCONN     ENOTCONN     0          0          0            0
shut_3          EINVAL       EINVAL       EINVAL     EINVAL     EINVAL       EINVAL
siocinq         0            0            0          16         0            0
siocoutq        0            0            0          0          0            0
siocoutqnsd     ENOTTY       ENOTTY       ENOTTY     ENOTTY     ENOTTY       ENOTTY
siocatmark      ENOTTY       ENOTTY       ENOTTY     ENOTTY     ENOTTY       ENOTTY
fionbio         0            0            0          0          0            0
so_error        0            0            0          0          111          0
so_acceptconn   0            0            0          0          0            0
so_type         2            2            2          2          2            2
poll            0x304        0x304        0x304      0x345      0x30c        0x2355
poll_after_shut 0x2355       0x2355       0x2355     0x2355     0x235d       0x2355
epoll_self      EINVAL       EINVAL       EINVAL     EINVAL     EINVAL       EINVAL
epoll_add       0            0            0          0x1        0x8          0x11
splice_in       EAGAIN       EAGAIN       EAGAIN     10         ECONNREFUSED EAGAIN
sendfile_out    EDESTADDRREQ EDESTADDRREQ 10         10         ECONNREFUSED EPIPE
setfl_get       2            2            2          2          2            2
)";

// Pairs of AF_UNIX. '-': urgent data, which pairs here do not have.
inline constexpr char kUnix[] = R"(
call            stream   data     peer_closed dgram      dgram_gone   seq
bind            EINVAL   EINVAL   EINVAL      EINVAL     EINVAL       EINVAL
bind_unspec     EINVAL   EINVAL   EINVAL      EINVAL     EINVAL       EINVAL
connect         EINVAL   EINVAL   EINVAL      EINVAL     EINVAL       EINVAL
connect_short   EINVAL   EINVAL   EINVAL      EINVAL     EINVAL       EINVAL
connect_unspec  EINVAL   EINVAL   EINVAL      0          0            EINVAL
listen          EINVAL   EINVAL   EINVAL      EOPNOTSUPP EOPNOTSUPP   EINVAL
accept          EINVAL   EINVAL   EINVAL      EOPNOTSUPP EOPNOTSUPP   EINVAL
getsockname     0        0        0           0          0            0
getpeername     0        0        0           0          0            0
peername_opt    EINVAL   EINVAL   EINVAL      EINVAL     EINVAL       EINVAL
read            EAGAIN   10       0           EAGAIN     EAGAIN       EAGAIN
read_0          0        0        0           0          0            0
readv_0         0        0        0           0          0            0
write           10       10       EPIPE       10         ECONNREFUSED 10
write_0         0        0        EPIPE       0          ECONNREFUSED 0
writev_0        0        0        0           0          0            0
send            10       10       EPIPE       10         ECONNREFUSED 10
send_oob        -        -        -           -          -            -
sendto          EISCONN  EISCONN  EISCONN     EINVAL     EINVAL       10
sendto_short    EISCONN  EISCONN  EISCONN     EINVAL     EINVAL       10
sendmsg_many    EMSGSIZE EMSGSIZE EMSGSIZE    EMSGSIZE   EMSGSIZE     EMSGSIZE
sendmmsg        2        2        EPIPE       2          ECONNREFUSED 2
recv            EAGAIN   10       0           EAGAIN     EAGAIN       EAGAIN
recv_0          EAGAIN   0        0           EAGAIN     EAGAIN       EAGAIN
recv_peek       EAGAIN   10       0           EAGAIN     EAGAIN       EAGAIN
recv_oob        -        -        -           -          -            -
recv_errqueue   EAGAIN   10       0           EAGAIN     EAGAIN       EAGAIN
recv_trunc      EAGAIN   10       0           EAGAIN     EAGAIN       EAGAIN
recv_waitall    EAGAIN   16       0           EAGAIN     EAGAIN       EAGAIN
recvmmsg        EAGAIN   2        2           EAGAIN     EAGAIN       EAGAIN
shut_rd         0        0        0           0          0            0
shut_wr         0        0        0           0          0            0
shut_rdwr       0        0        0           0          0            0
shut_3          EINVAL   EINVAL   EINVAL      EINVAL     EINVAL       EINVAL
siocinq         0        16       0           0          0            0
siocoutq        0        0        0           0          0            0
siocoutqnsd     ENOTTY   ENOTTY   ENOTTY      ENOTTY     ENOTTY       ENOTTY
siocatmark      -        -        -           -          -            -
fionbio         0        0        0           0          0            0
so_error        0        0        0           0          0            0
so_acceptconn   0        0        0           0          0            0
so_type         1        1        1           2          2            5
poll            0x304    0x345    0x2355      0x304      0x304        0x304
poll_after_shut 0x2355   0x2355   0x2355      0x2355     0x2355       0x2355
epoll_self      EINVAL   EINVAL   EINVAL      EINVAL     EINVAL       EINVAL
epoll_add       0        0x1      0x11        0          0            0
splice_in       EAGAIN   10       0           EAGAIN     EAGAIN       EAGAIN
sendfile_out    10       10       EPIPE       10         ECONNREFUSED 10
setfl_get       2        2        2           2          2            2
)";

// What is no socket.
inline constexpr char kOthers[] = R"(
call            pipe_r   pipe_data pipe_r_gone pipe_w   pipe_w_gone epoll
bind            ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
bind_unspec     ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
connect         ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
connect_short   ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
connect_unspec  ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
listen          ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
accept          ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
getsockname     ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
getpeername     ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
peername_opt    ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
read            EAGAIN   10        0           EBADF    EBADF       EINVAL
read_0          0        0         0           EBADF    EBADF       EINVAL
readv_0         0        0         0           EBADF    EBADF       EINVAL
write           EBADF    EBADF     EBADF       10       EPIPE       EINVAL
write_0         EBADF    EBADF     EBADF       0        0           EINVAL
writev_0        EBADF    EBADF     EBADF       0        0           EINVAL
send            ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
send_oob        ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
sendto          ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
sendto_short    ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
sendmsg_many    ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
sendmmsg        ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
recv            ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
recv_0          ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
recv_peek       ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
recv_oob        ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
recv_errqueue   ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
recv_trunc      ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
recv_waitall    ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
recvmmsg        ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
shut_rd         ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
shut_wr         ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
shut_rdwr       ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
shut_3          ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
siocinq         0        16        0           0        0           EINVAL
siocoutq        ENOTTY   ENOTTY    ENOTTY      ENOTTY   ENOTTY      EINVAL
siocoutqnsd     ENOTTY   ENOTTY    ENOTTY      ENOTTY   ENOTTY      EINVAL
siocatmark      ENOTTY   ENOTTY    ENOTTY      ENOTTY   ENOTTY      EINVAL
fionbio         0        0         0           0        0           0
so_error        ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
so_acceptconn   ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
so_type         ENOTSOCK ENOTSOCK  ENOTSOCK    ENOTSOCK ENOTSOCK    ENOTSOCK
poll            0        0x41      0x10        0x104    0x10c       0
poll_after_shut 0        0x41      0x10        0x104    0x10c       0
epoll_self      EINVAL   EINVAL    EINVAL      EINVAL   EINVAL      EINVAL
epoll_add       0        0x1       0x10        0        0x8         0
splice_in       EAGAIN   10        0           EBADF    EBADF       EINVAL
sendfile_out    EBADF    EBADF     EBADF       10       EPIPE       EINVAL
setfl_get       0        0         0           1        1           2
)";

// clang-format on

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_UNIT_SOCKET_ERRNO_TABLES_H_
