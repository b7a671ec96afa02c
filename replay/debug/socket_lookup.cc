#include "replay/debug/socket_lookup.h"

#include <algorithm>

#include "replay/trace/stable_sort.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/socket/file.h"
#include "stack/socket/sock_diag.h"
#include "stack/socket/socket.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

ObjectKind KindOf(const sock* sk) {
  if (sk->sk_protocol == wire::kIpProtoTcp && sk->sk_type == SOCK_STREAM) return ObjectKind::kTcp;
  if (sk->sk_protocol == wire::kIpProtoUdp && sk->sk_type == SOCK_DGRAM) return ObjectKind::kUdp;
  return ObjectKind::kSock;
}

sock* SockOfFd(Host& host, int fd) {
  const file* const file = host.syscalls().files().fcheck(fd);
  const socket* const socket = file == nullptr ? nullptr : sock_from_file(file);
  if (socket == nullptr || socket->sk == nullptr) return nullptr;
  const bool internet = socket->sk->sk_family == kAfInet || socket->sk->sk_family == kAfInet6;
  return internet ? socket->sk : nullptr;
}

sock* FindConnection(Host& host, const Endpoint& local, const Endpoint& remote) {
  net& net = host.network();
  const uint32_t hash =
      inet_ehashfn(net, local.address, local.port.host(), remote.address, remote.port);
  for (const inet_ehash_node& node : tcp_hashinfo(net).ehash.bucket(hash)) {
    const bool mini = node.state == TCP_TIME_WAIT || node.state == TCP_NEW_SYN_RECV;
    if (!mini && node.hash == hash && node.num == local.port.host() && node.dport == remote.port &&
        node.daddr == remote.address && node.rcv_saddr == local.address) {
      return static_cast<sock*>(node.owner);
    }
  }
  return nullptr;
}

std::vector<FoundSock> AllSocks(Host& host) {
  std::vector<FoundSock> found;
  for (int fd = 0; fd < host.syscalls().files().max_fds; ++fd) {
    if (sock* const sk = SockOfFd(host, fd)) found.push_back({sk, fd});
  }
  sock_diag_for_each(
      host.network(),
      [](const sock_diag_entry& entry, void* context) {
        if (entry.sk != nullptr) {
          static_cast<std::vector<FoundSock>*>(context)->push_back({entry.sk, -1});
        }
      },
      &found);
  // One with a descriptor comes before its twin without, and the lowest descriptor first.
  StableSort(&found,
             [](const FoundSock& a, const FoundSock& b) { return a.sk->sk_id < b.sk->sk_id; });
  const auto twin = [](const FoundSock& a, const FoundSock& b) { return a.sk == b.sk; };
  found.erase(std::unique(found.begin(), found.end(), twin), found.end());
  return found;
}

Endpoint LocalEnd(const sock* sk) {
  const inet_sock* const inet = inet_sk(sk);
  return {inet->inet_rcv_saddr, be16(inet->inet_num)};
}

Endpoint RemoteEnd(const sock* sk) { return {inet_sk(sk)->inet_daddr, inet_sk(sk)->inet_dport}; }

}  // namespace tapedeck
