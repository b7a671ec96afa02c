#include "fuzz/socket_oracle.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "fuzz/oracles.h"
#include "fuzz/skb_queue.h"
#include "fuzz/time_oracle.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"
#include "stack/core/socket.h"
#include "stack/socket/eventpoll.h"
#include "stack/socket/file.h"
#include "stack/udp/udp.h"
#include "stack/wire/udp.h"

namespace tapedeck::fuzz {

namespace {

[[noreturn, gnu::noinline]] void UdpMemoryFailed(const udp_sock* sk, uint64_t held) {
  ReportBroken("RES", "charged_is_held", "udp_sock");
  std::fprintf(stderr, "socket %" PRIu32 " is charged %" PRIu32 ", and holds %" PRIu64 "\n",
               sk->sk_id, sk->sk_rmem_alloc, held);
  std::abort();
}
[[noreturn, gnu::noinline]] void UdpLengthFailed(const udp_sock* sk, uint32_t said, uint32_t has) {
  ReportBroken("DGRAM", "length", "udp_sock");
  std::fprintf(stderr,
               "socket %" PRIu32 ": a datagram says %" PRIu32 " bytes, and has %" PRIu32 "\n",
               sk->sk_id, said, has);
  std::abort();
}
[[noreturn, gnu::noinline]] void WatcherNotTold(const sock* sk) {
  ReportBroken("LIVE", "told", "epoll_item");
  std::fprintf(stderr, "socket %" PRIu32 " has data\n", sk->sk_id);
  std::abort();
}
[[noreturn, gnu::noinline]] void NeighbourFailed(const neighbour* neigh) {
  ReportBroken("RES", "arp_queue_of_failed", "neighbour");
  std::fprintf(stderr, "%" PRIu32 " packets wait\n", neigh->arp_queue.qlen);
  std::abort();
}

// The truesize of all that lies in `list`, whose datagrams are looked at.
uint64_t HeldIn(const udp_sock* sk, const sk_buff_head* list) {
  uint64_t sum = 0;
  ForEachSkb(list, [sk, &sum](const sk_buff* skb) {
    sum += skb->truesize;
    // Several datagrams in one have a header that is the first one's.
    if (skb_is_gso(skb)) return;
    const uint32_t said =
        reinterpret_cast<const wire::UdpHeader*>(skb_transport_header(skb))->len.host();
    const uint32_t has = skb->len + static_cast<uint32_t>(wire::kUdpHeaderBytes);
    // 0 in a jumbogram (RFC 2675 4).
    if (said != has && said != 0) UdpLengthFailed(sk, said, has);
  });
  return sum;
}

// Whether what watches the socket would report data: on its list, or said already and not asked for
// again.
bool IsTold(const epitem* epi) {
  constexpr uint32_t kOnceOnly = EPOLLET | EPOLLONESHOT;
  const uint32_t events = epi->event.events;
  return epi->ready() || (events & EPOLLIN) == 0 || (events & kOnceOnly) != 0;
}

void CheckTable(neigh_table* tbl, bool timely) {
  if (tbl == nullptr) return;
  neigh_for_each(tbl, [timely](const neighbour* neigh) {
    if (timely) CheckNeighbourTimer(neigh);
    if (neigh->nud_state == NUD_FAILED && !skb_queue_empty(&neigh->arp_queue)) {
      NeighbourFailed(neigh);
    }
  });
}

}  // namespace

void CheckUdpSocket(const sock* any) {
  const udp_sock* const sk = udp_sk(any);
  // What a partial release has put off is still charged.
  const uint64_t held = HeldIn(sk, &sk->sk_receive_queue) + HeldIn(sk, &sk->reader_queue) +
                        ReceivedInErrors(&sk->sk_error_queue) + sk->forward_deficit;
  if (held != sk->sk_rmem_alloc) UdpMemoryFailed(sk, held);
}

void CheckWatchers(const sock* sk) {
  if (sk->sk_socket == nullptr || sk->sk_socket->file == nullptr) return;
  if (skb_queue_empty(&sk->sk_receive_queue)) return;
  const List<epitem, EpitemOfFileTag>& watchers = sk->sk_socket->file->f_ep;
  for (const epitem* epi = watchers.front(); epi != nullptr; epi = watchers.Next(epi)) {
    if (!IsTold(epi)) WatcherNotTold(sk);
  }
}

void CheckNeighbours(Lab& lab, bool timely) {
  for (int i = 0; i < lab.hosts(); ++i) {
    CheckTable(lab.host(i).network().arp_tbl, timely);
    CheckTable(lab.host(i).network().nd_tbl, timely);
  }
}

}  // namespace tapedeck::fuzz
