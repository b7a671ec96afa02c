#include "stack/socket/sock_diag.h"

#include <algorithm>

#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/inet_timewait_sock.h"
#include "stack/tcp/request_sock.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/udp/udp.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

sock_diag_entry EntryOf(inet_sock* sk) {
  sock_diag_entry entry;
  entry.protocol = sk->sk_protocol;
  entry.state = sk->sk_state;
  entry.local = {sk->inet_rcv_saddr, sk->inet_sport};
  entry.peer = {sk->inet_daddr, sk->inet_dport};
  entry.sk = sk;
  return entry;
}

sock_diag_entry EntryOfTcp(tcp_sock* tp) {
  sock_diag_entry entry = EntryOf(tp);
  if (tp->sk_state == TCP_LISTEN) {
    entry.rqueue = tp->sk_ack_backlog;
    entry.wqueue = tp->sk_max_ack_backlog;
  } else {
    entry.rqueue = static_cast<uint32_t>(std::max(tp->rcv_nxt - tp->copied_seq, 0));
    entry.wqueue = static_cast<uint32_t>(tp->write_seq - tp->snd_una);
  }
  return entry;
}

// A request, or a time-wait socket.
sock_diag_entry EntryOfMini(const inet_ehash_node& node) {
  sock_diag_entry entry;
  entry.protocol = wire::kIpProtoTcp;
  const bool timewait = node.state == TCP_TIME_WAIT;
  entry.state =
      timewait ? static_cast<inet_timewait_sock*>(node.owner)->tw_substate : uint8_t{TCP_SYN_RECV};
  entry.local = {node.rcv_saddr, be16(node.num)};
  entry.peer = {node.daddr, node.dport};
  return entry;
}

void VisitTcp(GrowingHash<inet_ehash_node>& hash, sock_diag_visit visit, void* context) {
  hash.ForEach([&](const inet_ehash_node& node) {
    const bool mini = node.state == TCP_TIME_WAIT || node.state == TCP_NEW_SYN_RECV;
    visit(mini ? EntryOfMini(node) : EntryOfTcp(tcp_sk(static_cast<sock*>(node.owner))), context);
  });
}

}  // namespace

void sock_diag_for_each(net& net, sock_diag_visit visit, void* context) {
  VisitTcp(tcp_hashinfo(net).lhash2, visit, context);
  VisitTcp(tcp_hashinfo(net).ehash, visit, context);
  udp_table& table = net_udp(net).table;
  ForEachSlot(table.used, [&](uint32_t slot) {
    for (udp_sock& sk : table.hash[slot].sockets) {
      sock_diag_entry entry = EntryOf(&sk);
      entry.rqueue = sk.sk_rmem_alloc;
      entry.wqueue = sk.sk_wmem_alloc - 1;
      visit(entry, context);
    }
  });
}

}  // namespace tapedeck
