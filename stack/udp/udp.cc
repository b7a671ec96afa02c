#include "stack/udp/udp.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/datagram.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/ip_sockopt.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/protocol.h"
#include "stack/udp/udp_gro.h"
#include "stack/udp/udp_impl.h"
#include "stack/udp/udp_input.h"
#include "stack/udp/udp_offload.h"
#include "stack/udp/udp_output.h"
#include "stack/udp/udp_queue.h"
#include "stack/udp/udp_recv.h"
#include "stack/udp/udp_sockopt.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

// nr_free_buffer_pages() of a machine with 4 GiB, from which Linux derives udp_mem.
constexpr int64_t kFreePages = 1 << 20;

const net_protocol kUdpProtocol = {
    .handler = udp_rcv,
    .err_handler = udp_err,
    .early_demux = udp_v4_early_demux,
    .gso_segment = udp4_ufo_fragment,
    .gro_receive = udp4_gro_receive,
    .gro_complete = udp4_gro_complete,
};

// --- Life. ---

sock* Alloc(net& net, uint16_t family) { return net_udp(net).sockets.New(net, family, &udp_prot); }
int Init(sock* sk) {
  sk->sk_destruct = udp_destruct_sock;
  return 0;
}
void Destroy(sock* sk) {
  // Whoever looks on sees a dead socket before its cork goes.
  sock_set_flag(sk, SOCK_DEAD);
  udp_flush_pending_frames(sk);
  udp_encap_release(sk);
}

// --- Addresses. ---

int Connect(sock* sk, const void* addr, uint32_t addr_len) {
  const int err = __ip4_datagram_connect(inet_sk(sk), addr, addr_len);
  if (err != 0) return err;
  net_udp(sk->sk_net).has_connected = true;
  udp_lib_rehash(sk);
  return 0;
}
// --- Calls. ---

int Setsockopt(sock* sk, int level, int optname, const void* optval, uint32_t optlen) {
  return level == kSolUdp ? udp_lib_setsockopt(sk, optname, optval, optlen, udp_push_pending_frames)
                          : ip_setsockopt(sk, level, optname, optval, optlen);
}
int Getsockopt(sock* sk, int level, int optname, void* optval, uint32_t* optlen) {
  return level == kSolUdp ? udp_lib_getsockopt(sk, optname, optval, optlen)
                          : ip_getsockopt(sk, level, optname, optval, optlen);
}

void TakeMemSettings(void* context) {
  auto* const ns = static_cast<netns_udp*>(context);
  for (int i = 0; i < 3; ++i) ns->memory.sysctl_mem[i] = ns->udp_mem[i];
}

void ListSettings(SysctlFiles& files, void* owner) {
  netns_udp& ns = *static_cast<netns_udp*>(owner);
  files.AddInt("net/ipv4/udp_early_demux", &ns.early_demux, 0, 1);
  SysctlEntry* const mem = files.AddInt("net/ipv4/udp_mem", ns.udp_mem, 0, INT32_MAX, 3);
  mem->changed = TakeMemSettings;
  mem->context = &ns;
  files.AddInt("net/ipv4/udp_rmem_min", &ns.udp_rmem_min, 1, INT32_MAX);
  files.AddInt("net/ipv4/udp_wmem_min", &ns.udp_wmem_min, 1, INT32_MAX);
}

}  // namespace

const proto udp_prot = {
    .name = "UDP",
    .alloc = Alloc,
    .free = udp_free,
    .init = Init,
    .destroy = Destroy,
    .close = udp_lib_close,
    .connect = Connect,
    .disconnect = udp_disconnect,
    .accept = nullptr,
    .ioctl = udp_ioctl,
    .shutdown = nullptr,
    .setsockopt = Setsockopt,
    .getsockopt = Getsockopt,
    .sendmsg = udp_sendmsg,
    .recvmsg = udp_recvmsg,
    .bind = nullptr,
    .poll = udp_poll,
    .backlog_rcv = nullptr,
    .release_cb = nullptr,
    .hash = nullptr,
    .unhash = udp_lib_unhash,
    .get_port = udp_v4_get_port,
    .memory = udp_memory,
};

void udp_free(sock* sk) { net_udp(sk->sk_net).sockets.Delete(udp_sk(sk)); }

void udp_destruct_sock(sock* sk) {
  dst_release(udp_sk(sk)->sk_rx_dst);
  udp_sk(sk)->sk_rx_dst = nullptr;
  udp_destruct_common(sk);
  inet_sock_destruct(sk);
}

void udp_lib_close(sock* sk, SimTime /*linger_until*/) { sk_common_release(sk); }

int udp_disconnect(sock* sk, uint32_t /*flags*/) {
  __ip4_datagram_disconnect(inet_sk(sk));
  if ((sk->sk_userlocks & SOCK_BINDPORT_LOCK) == 0) {
    udp_lib_unhash(sk);
    inet_sk(sk)->inet_sport = be16{};
  } else {
    udp_lib_rehash(sk);
  }
  return 0;
}

int udp_ioctl(sock* sk, uint32_t command, int* argument) {
  switch (command) {
    case kSiocoutq:
      *argument = static_cast<int>(sk_wmem_alloc_get(sk));
      return 0;
    case kSiocinq:
      *argument = std::max(0, first_packet_length(sk));
      return 0;
    default:
      return -ENOTTY;
  }
}

// Readable only where a datagram with a right checksum waits. (Linux spares itself the look for
// non-blocking sockets, whose readers then find nothing.)
uint32_t udp_poll(sock* sk) {
  uint32_t mask = datagram_poll(sk);
  if (!skb_queue_empty(&udp_sk(sk)->reader_queue)) mask |= EPOLLIN | EPOLLRDNORM;
  if ((mask & EPOLLRDNORM) != 0 && (sk->sk_shutdown & RCV_SHUTDOWN) == 0 &&
      first_packet_length(sk) < 0) {
    mask &= ~uint32_t{EPOLLIN | EPOLLRDNORM};
  }
  return mask;
}

proto_memory* udp_memory(net& net) { return &net_udp(net).memory; }

netns_udp::netns_udp(net& its_net)
    : host_net(its_net),
      sockets(its_net.world.arena(), "UDP"),
      ehash_secret(its_net.kernel.prng().Next32()),
      prng(its_net.world.NewPrng()) {
  // udp_init: an eighth of free memory is where pressure begins.
  constexpr int64_t kLimit = kFreePages / 8;
  udp_mem[0] = static_cast<int32_t>(kLimit / 4 * 3);
  udp_mem[1] = static_cast<int32_t>(kLimit);
  udp_mem[2] = udp_mem[0] * 2;
  memory.rmem_min = &udp_rmem_min;
  memory.wmem_min = &udp_wmem_min;
  TakeMemSettings(this);
}

void udp_init(net& net) {
  CHECK(net.udp == nullptr);
  net.udp = net.world.arena().New<netns_udp>(net);
  udp_table_track(net);
  net.kernel.sysctl().AddOwner(ListSettings, net.udp);
  CHECK_EQ(inet_add_protocol(net, &kUdpProtocol, wire::kIpProtoUdp), 0);
}

void udp_exit(net& net) { CHECK_EQ(inet_del_protocol(net, &kUdpProtocol, wire::kIpProtoUdp), 0); }

}  // namespace tapedeck
