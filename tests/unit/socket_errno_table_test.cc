// Each call in each state of a socket against Linux's answer (socket_errno_tables.h).
#include <gtest/gtest.h>

#include <array>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "socket_errno_tables.h"  // beside this file
#include "socket_host.h"          // beside this file

namespace tapedeck {
namespace {

constexpr Ipv4Address kLoopback{127, 0, 0, 1};
constexpr uint16_t kListenerPort = 7000;
constexpr uint16_t kUdpPort = 7001;
constexpr uint16_t kClosedPort = 1;

// One host with a listener and a UDP socket to talk to, one socket in a state, and the far end of
// its connection.
class Table {
 public:
  Table() {
    // A script's file for sendfile.
    EXPECT_EQ(sys().ram_files().Put("/ten", BytesFrom("0123456789")), 0);
    host.Socket();  // takes descriptor 3, so that no result looks like a descriptor of ours
    listener = Listener(kListenerPort);
    udp = host.BoundUdp(kUdpPort, kLoopback);
  }

  Syscalls& sys() { return host.sys(); }
  Thread& thread() { return *host.thread; }
  // What has been sent arrives.
  void Settle() { host.RunFor(Duration::Milliseconds(20)); }

  int Tcp() { return host.Socket(SOCK_STREAM | static_cast<int>(SOCK_NONBLOCK)); }
  int Bound(int type) {
    const int fd = host.Socket(type | static_cast<int>(SOCK_NONBLOCK));
    EXPECT_EQ(host.Bind(fd, At(kLoopback, 0)), 0);
    return fd;
  }
  int Listener(uint16_t port) {
    const int fd = Tcp();
    EXPECT_EQ(host.Bind(fd, At(kLoopback, port)), 0);
    EXPECT_EQ(sys().Listen(thread(), fd, 64).RunNow(), 0);
    return fd;
  }
  int64_t Accept(int fd) { return sys().Accept4(thread(), fd, nullptr, 0).RunNow(); }
  int Connected() {
    const int fd = Tcp();
    EXPECT_EQ(host.Connect(fd, At(kLoopback, kListenerPort)), -EINPROGRESS);
    Settle();
    EXPECT_EQ(host.Connect(fd, At(kLoopback, kListenerPort)), 0);
    far = static_cast<int>(Accept(listener));
    EXPECT_GT(far, 0);
    return fd;
  }
  int Pair(int type) {
    int fds[2] = {};
    EXPECT_EQ(sys().Socketpair(thread(), kAfUnix, type, 0, fds).RunNow(), 0);
    far = fds[1];
    return fds[0];
  }
  int PipeEnd(int end) {
    int fds[2] = {};
    EXPECT_EQ(sys().Pipe(thread(), fds).RunNow(), 0);
    far = fds[1 - end];
    return fds[end];
  }
  void SixteenBytes() {
    EXPECT_EQ(sys().Write(thread(), far, BytesFrom("0123456789abcdef")).RunNow(), 16);
    Settle();
  }
  void Shutdown(int fd, int how) {
    EXPECT_EQ(sys().Shutdown(thread(), fd, how).RunNow(), 0);
    Settle();
  }

  SocketHost host;
  int listener = -1;
  int udp = -1;
  int far = -1;
  bool datagrams = false;
};

// --- States. ---

using MakeState = int (*)(Table& t);

const std::map<std::string, MakeState>& TcpStates() {
  static const auto* const kStates = new std::map<std::string, MakeState>{
      {"fresh", [](Table& t) { return t.Tcp(); }},
      {"bound", [](Table& t) { return t.Bound(SOCK_STREAM); }},
      {"listen", [](Table& t) { return t.Listener(7002); }},
      {"listen_ready",
       [](Table& t) {
         const int fd = t.Listener(7002);
         t.far = t.Tcp();
         t.host.Connect(t.far, At(kLoopback, 7002));
         t.Settle();
         return fd;
       }},
      {"connecting",
       [](Table& t) {
         const int fd = t.Tcp();
         t.host.Connect(fd, At(kPeer, 80));
         return fd;
       }},
      {"refused",
       [](Table& t) {
         const int fd = t.Tcp();
         t.host.Connect(fd, At(kLoopback, kClosedPort));
         t.Settle();
         return fd;
       }},
      {"established", [](Table& t) { return t.Connected(); }},
      {"data",
       [](Table& t) {
         const int fd = t.Connected();
         t.SixteenBytes();
         return fd;
       }},
      {"shut_rd",
       [](Table& t) {
         const int fd = t.Connected();
         t.Shutdown(fd, kShutRead);
         return fd;
       }},
      {"shut_wr",
       [](Table& t) {
         const int fd = t.Connected();
         t.Shutdown(fd, kShutWrite);
         return fd;
       }},
      {"peer_fin",
       [](Table& t) {
         const int fd = t.Connected();
         t.Shutdown(t.far, kShutWrite);
         return fd;
       }},
      {"both_fin",
       [](Table& t) {
         const int fd = t.Connected();
         t.Shutdown(t.far, kShutWrite);
         t.Shutdown(fd, kShutWrite);
         return fd;
       }},
      {"reset",
       [](Table& t) {
         const int fd = t.Connected();
         const user_linger linger = {1, 0};
         t.sys()
             .Setsockopt(t.thread(), t.far, kSolSocket, kSoLinger, &linger, sizeof(linger))
             .RunNow();
         t.host.Close(t.far);
         t.Settle();
         return fd;
       }},
  };
  return *kStates;
}

int UdpTo(Table& t, uint16_t port) {
  t.datagrams = true;
  const int fd = t.Bound(SOCK_DGRAM);
  EXPECT_EQ(t.host.Connect(fd, At(kLoopback, port)), 0);
  return fd;
}

const std::map<std::string, MakeState>& UdpStates() {
  static const auto* const kStates = new std::map<std::string, MakeState>{
      {"fresh",
       [](Table& t) {
         t.datagrams = true;
         return t.host.Socket(SOCK_DGRAM | static_cast<int>(SOCK_NONBLOCK));
       }},
      {"bound",
       [](Table& t) {
         t.datagrams = true;
         return t.Bound(SOCK_DGRAM);
       }},
      {"connected", [](Table& t) { return UdpTo(t, kUdpPort); }},
      {"data",
       [](Table& t) {
         const int fd = UdpTo(t, kUdpPort);
         t.host.Sendto(t.udp, BytesFrom("0123456789abcdef"), t.host.NameOf(fd));
         t.Settle();
         return fd;
       }},
      {"refused",
       [](Table& t) {
         const int fd = UdpTo(t, kClosedPort);
         t.host.Send(fd, BytesFrom("x"));
         t.Settle();
         return fd;
       }},
      {"shut",
       [](Table& t) {
         const int fd = UdpTo(t, kUdpPort);
         t.Shutdown(fd, kShutBoth);
         return fd;
       }},
  };
  return *kStates;
}

const std::map<std::string, MakeState>& UnixStates() {
  static const auto* const kStates = new std::map<std::string, MakeState>{
      {"stream", [](Table& t) { return t.Pair(SOCK_STREAM); }},
      {"data",
       [](Table& t) {
         const int fd = t.Pair(SOCK_STREAM);
         t.SixteenBytes();
         return fd;
       }},
      {"peer_closed",
       [](Table& t) {
         const int fd = t.Pair(SOCK_STREAM);
         t.host.Close(t.far);
         return fd;
       }},
      {"dgram", [](Table& t) { return t.Pair(SOCK_DGRAM); }},
      {"dgram_gone",
       [](Table& t) {
         const int fd = t.Pair(SOCK_DGRAM);
         t.host.Close(t.far);
         return fd;
       }},
      {"seq", [](Table& t) { return t.Pair(SOCK_SEQPACKET); }},
  };
  return *kStates;
}

const std::map<std::string, MakeState>& OtherStates() {
  static const auto* const kStates = new std::map<std::string, MakeState>{
      {"pipe_r", [](Table& t) { return t.PipeEnd(0); }},
      {"pipe_data",
       [](Table& t) {
         const int fd = t.PipeEnd(0);
         t.SixteenBytes();
         return fd;
       }},
      {"pipe_r_gone",
       [](Table& t) {
         const int fd = t.PipeEnd(0);
         t.host.Close(t.far);
         return fd;
       }},
      {"pipe_w", [](Table& t) { return t.PipeEnd(1); }},
      {"pipe_w_gone",
       [](Table& t) {
         const int fd = t.PipeEnd(1);
         t.host.Close(t.far);
         return fd;
       }},
      {"epoll",
       [](Table& t) { return static_cast<int>(t.sys().EpollCreate1(t.thread(), 0).RunNow()); }},
  };
  return *kStates;
}

// --- Calls. ---

using MakeCall = int64_t (*)(Table& t, int fd);

SockAddr Helper(const Table& t) { return At(kLoopback, t.datagrams ? kUdpPort : kListenerPort); }
SockAddr HelperCutShort(const Table& t) {
  SockAddr address = Helper(t);
  address.length = 8;
  return address;
}
int64_t Receive(Table& t, int fd, size_t bytes, uint32_t flags) {
  Bytes buffer(bytes);
  return t.sys().Recvfrom(t.thread(), fd, buffer, flags).RunNow();
}
int64_t ReceivePairs(Table& t, int fd, bool send) {
  Bytes first = BytesFrom("abc");
  Bytes second = BytesFrom("def");
  const iovec pieces[2] = {{first.data(), 3}, {second.data(), 3}};
  mmsghdr messages[2];
  messages[0].msg_hdr.msg_iov = {&pieces[0], 1};
  messages[1].msg_hdr.msg_iov = {&pieces[1], 1};
  return send ? t.sys().Sendmmsg(t.thread(), fd, messages, MSG_NOSIGNAL).RunNow()
              : t.sys().Recvmmsg(t.thread(), fd, messages, 0).RunNow();
}
int64_t IoctlValue(Table& t, int fd, uint32_t command) {
  int value = 0;
  const int64_t err = t.sys().Ioctl(t.thread(), fd, command, &value).RunNow();
  return err != 0 ? err : value;
}
const iovec kNothing[1025] = {};

const std::map<std::string, MakeCall>& Calls() {
  static const auto* const kCalls = new std::map<std::string, MakeCall>{
      {"bind", [](Table& t, int fd) { return t.host.Bind(fd, At(kLoopback, 0)); }},
      {"bind_unspec", [](Table& t, int fd) { return t.host.Bind(fd, SockAddr::Unspec()); }},
      {"connect", [](Table& t, int fd) { return t.host.Connect(fd, Helper(t)); }},
      {"connect_short", [](Table& t, int fd) { return t.host.Connect(fd, HelperCutShort(t)); }},
      {"connect_unspec", [](Table& t, int fd) { return t.host.Connect(fd, SockAddr::Unspec()); }},
      {"listen", [](Table& t, int fd) { return t.sys().Listen(t.thread(), fd, 5).RunNow(); }},
      {"accept",
       [](Table& t, int fd) {
         const int64_t result = t.Accept(fd);
         return result < 0 ? result : 0;
       }},
      {"getsockname",
       [](Table& t, int fd) {
         SockAddr name;
         return t.sys().Getsockname(t.thread(), fd, &name).RunNow();
       }},
      {"getpeername",
       [](Table& t, int fd) {
         SockAddr name;
         return t.sys().Getpeername(t.thread(), fd, &name).RunNow();
       }},
      {"peername_opt",
       [](Table& t, int fd) {
         uint8_t name[16];
         uint32_t length = sizeof(name);
         return t.sys().Getsockopt(t.thread(), fd, kSolSocket, kSoPeername, name, &length).RunNow();
       }},
      {"read",
       [](Table& t, int fd) {
         Bytes buffer(10);
         return t.sys().Read(t.thread(), fd, buffer).RunNow();
       }},
      {"read_0", [](Table& t, int fd) { return t.sys().Read(t.thread(), fd, {}).RunNow(); }},
      {"readv_0",
       [](Table& t, int fd) { return t.sys().Readv(t.thread(), fd, {kNothing, 2}).RunNow(); }},
      {"write",
       [](Table& t, int fd) {
         return t.sys().Write(t.thread(), fd, BytesFrom("0123456789")).RunNow();
       }},
      {"write_0", [](Table& t, int fd) { return t.sys().Write(t.thread(), fd, {}).RunNow(); }},
      {"writev_0",
       [](Table& t, int fd) { return t.sys().Writev(t.thread(), fd, {kNothing, 2}).RunNow(); }},
      {"send",
       [](Table& t, int fd) { return t.host.Send(fd, BytesFrom("0123456789"), MSG_NOSIGNAL); }},
      {"send_oob",
       [](Table& t, int fd) { return t.host.Send(fd, BytesFrom("0"), MSG_OOB | MSG_NOSIGNAL); }},
      {"sendto",
       [](Table& t, int fd) {
         return t.host.Sendto(fd, BytesFrom("0123456789"), Helper(t), MSG_NOSIGNAL);
       }},
      {"sendto_short",
       [](Table& t, int fd) {
         return t.host.Sendto(fd, BytesFrom("0123456789"), HelperCutShort(t), MSG_NOSIGNAL);
       }},
      {"sendmsg_many",
       [](Table& t, int fd) {
         user_msghdr msg;
         msg.msg_iov = kNothing;
         return t.sys().Sendmsg(t.thread(), fd, &msg, MSG_NOSIGNAL).RunNow();
       }},
      {"sendmmsg", [](Table& t, int fd) { return ReceivePairs(t, fd, true); }},
      {"recv", [](Table& t, int fd) { return Receive(t, fd, 10, 0); }},
      {"recv_0", [](Table& t, int fd) { return Receive(t, fd, 0, 0); }},
      {"recv_peek", [](Table& t, int fd) { return Receive(t, fd, 10, MSG_PEEK); }},
      {"recv_oob", [](Table& t, int fd) { return Receive(t, fd, 1, MSG_OOB); }},
      {"recv_errqueue", [](Table& t, int fd) { return Receive(t, fd, 10, MSG_ERRQUEUE); }},
      {"recv_trunc", [](Table& t, int fd) { return Receive(t, fd, 10, MSG_TRUNC); }},
      {"recv_waitall", [](Table& t, int fd) { return Receive(t, fd, 40, MSG_WAITALL); }},
      {"recvmmsg", [](Table& t, int fd) { return ReceivePairs(t, fd, false); }},
      {"shut_rd",
       [](Table& t, int fd) { return t.sys().Shutdown(t.thread(), fd, kShutRead).RunNow(); }},
      {"shut_wr",
       [](Table& t, int fd) { return t.sys().Shutdown(t.thread(), fd, kShutWrite).RunNow(); }},
      {"shut_rdwr",
       [](Table& t, int fd) { return t.sys().Shutdown(t.thread(), fd, kShutBoth).RunNow(); }},
      {"shut_3", [](Table& t, int fd) { return t.sys().Shutdown(t.thread(), fd, 3).RunNow(); }},
      {"siocinq", [](Table& t, int fd) { return IoctlValue(t, fd, kSiocinq); }},
      {"siocoutq", [](Table& t, int fd) { return IoctlValue(t, fd, kSiocoutq); }},
      {"siocoutqnsd", [](Table& t, int fd) { return IoctlValue(t, fd, kSiocoutqnsd); }},
      {"siocatmark", [](Table& t, int fd) { return IoctlValue(t, fd, kSiocatmark); }},
      {"fionbio", [](Table& t, int fd) { return IoctlValue(t, fd, kFionbio); }},
      {"so_error", [](Table& t, int fd) { return t.host.GetInt(fd, kSolSocket, kSoError); }},
      {"so_acceptconn",
       [](Table& t, int fd) { return t.host.GetInt(fd, kSolSocket, kSoAcceptconn); }},
      {"so_type", [](Table& t, int fd) { return t.host.GetInt(fd, kSolSocket, kSoType); }},
      {"poll",
       [](Table& t, int fd) { return int64_t{static_cast<uint16_t>(t.host.PollNow(fd, 0x3fff))}; }},
      {"poll_after_shut",
       [](Table& t, int fd) {
         t.sys().Shutdown(t.thread(), fd, kShutBoth).RunNow();
         t.Settle();
         return int64_t{static_cast<uint16_t>(t.host.PollNow(fd, 0x3fff))};
       }},
      {"epoll_self",
       [](Table& t, int fd) {
         const epoll_event event = {EPOLLIN, 0};
         return t.sys().EpollCtl(t.thread(), fd, kEpollCtlAdd, fd, &event).RunNow();
       }},
      {"epoll_add",
       [](Table& t, int fd) {
         const auto ep = static_cast<int>(t.sys().EpollCreate1(t.thread(), 0).RunNow());
         const epoll_event event = {EPOLLIN, 0};
         t.sys().EpollCtl(t.thread(), ep, kEpollCtlAdd, fd, &event).RunNow();
         epoll_event out[2];
         const int64_t n = t.sys().EpollWait(t.thread(), ep, out, Duration{}).RunNow();
         return n == 1 ? int64_t{out[0].events} : 0;
       }},
      {"splice_in",
       [](Table& t, int fd) {
         int fds[2] = {};
         t.sys().Pipe(t.thread(), fds).RunNow();
         return t.sys().Splice(t.thread(), fd, nullptr, fds[1], nullptr, 10, 0).RunNow();
       }},
      {"sendfile_out",
       [](Table& t, int fd) {
         const auto in = static_cast<int>(t.sys().Open(t.thread(), "/ten", kORdonly).RunNow());
         return t.sys().Sendfile(t.thread(), fd, in, nullptr, 10).RunNow();
       }},
      {"setfl_get",
       [](Table& t, int fd) {
         t.sys().Fcntl(t.thread(), fd, kFSetfl, 0).RunNow();
         return t.sys().Fcntl(t.thread(), fd, kFGetfl, 0).RunNow();
       }},
  };
  return *kCalls;
}

// --- The comparison. ---

std::string ErrorName(int64_t error) {
  static const auto* const kNames =
      new std::map<int64_t, std::string>{{EAGAIN, "EAGAIN"},
                                         {EALREADY, "EALREADY"},
                                         {EBADF, "EBADF"},
                                         {ECONNREFUSED, "ECONNREFUSED"},
                                         {ECONNRESET, "ECONNRESET"},
                                         {EDESTADDRREQ, "EDESTADDRREQ"},
                                         {EINPROGRESS, "EINPROGRESS"},
                                         {EINVAL, "EINVAL"},
                                         {EISCONN, "EISCONN"},
                                         {EMSGSIZE, "EMSGSIZE"},
                                         {ENOTCONN, "ENOTCONN"},
                                         {ENOTSOCK, "ENOTSOCK"},
                                         {ENOTTY, "ENOTTY"},
                                         {EOPNOTSUPP, "EOPNOTSUPP"},
                                         {EPIPE, "EPIPE"}};
  const auto found = kNames->find(error);
  return found == kNames->end() ? "errno " + std::to_string(error) : found->second;
}

std::string Cell(const std::string& call, int64_t result) {
  if (result < 0) return ErrorName(-result);
  const bool mask = call == "poll" || call == "poll_after_shut" || call == "epoll_add";
  std::ostringstream text;
  if (mask && result != 0) text << "0x" << std::hex;
  text << result;
  return text.str();
}

void Compare(const char* table, const std::map<std::string, MakeState>& states) {
  std::istringstream lines(table);
  std::string line;
  std::getline(lines, line);  // behind the opening quote
  std::getline(lines, line);
  std::istringstream head(line);
  std::vector<std::string> columns;
  for (std::string word; head >> word;) columns.push_back(word);
  while (std::getline(lines, line)) {
    std::istringstream row(line);
    std::string call;
    row >> call;
    for (size_t column = 1; column < columns.size(); ++column) {
      std::string expected;
      row >> expected;
      if (expected == "-") continue;
      Table t;
      const int fd = states.at(columns[column])(t);
      EXPECT_EQ(Cell(call, Calls().at(call)(t, fd)), expected) << call << " in " << columns[column];
    }
  }
}

TEST(SocketErrnoTable, TcpWithoutAConnection) { Compare(kTcpBeforeConnection, TcpStates()); }
TEST(SocketErrnoTable, TcpConnections) { Compare(kTcpConnection, TcpStates()); }
TEST(SocketErrnoTable, Udp) { Compare(kUdp, UdpStates()); }
TEST(SocketErrnoTable, PairsOfUnixSockets) { Compare(kUnix, UnixStates()); }
TEST(SocketErrnoTable, WhatIsNoSocket) { Compare(kOthers, OtherStates()); }

}  // namespace
}  // namespace tapedeck
