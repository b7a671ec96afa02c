// Datagram sockets in /proc/net (udp4_seq_show, udp6_seq_show, sockstat_seq_show).
#include <cinttypes>

#include "stack/core/seq_file.h"
#include "stack/socket/proc_net.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp.h"
#include "stack/udp/udp.h"

namespace tapedeck {
namespace {

constexpr size_t kUdpLineBytes = 127;

// What follows the addresses in a line of datagram sockets: state, queues, user, identity.
void ShowDatagramTail(const inet_sock* sk, std::string* text) {
  seq_printf(text, " %02X %08X:%08X %02X:%08lX %08X %5u %8d %u %u %016X %u", sk->sk_state,
             sk->sk_wmem_alloc - 1, sk->sk_rmem_alloc, 0U, 0UL, 0U, sk->sk_uid, 0, sk->sk_id,
             sk->sk_refcnt, 0U, sk->sk_drops);
}

void ShowUdp(const udp_sock* sk, uint32_t bucket, std::string* text) {
  const bool v6 = sk->sk_family == kAfInet6;
  const auto shown = [&](const IpAddress& address) {
    return v6 ? IpAddress(address.v6()) : address;
  };
  const size_t start = text->size();
  seq_printf(text, "%5u: ", bucket);
  seq_address(text, shown(sk->inet_rcv_saddr));
  seq_printf(text, ":%04X ", sk->inet_sport.host());
  seq_address(text, shown(sk->inet_daddr));
  seq_printf(text, ":%04X", sk->inet_dport.host());
  ShowDatagramTail(sk, text);
  seq_pad(text, start, v6 ? 0 : kUdpLineBytes);
}

void ShowTable(net& net, uint16_t family, std::string* text) {
  const udp_table& table = net_udp(net).table;
  for (uint32_t i = 0; i < udp_table::kSlots; ++i) {
    for (const udp_sock& sk : table.hash[i].sockets) {
      if (sk.sk_family == family) ShowUdp(&sk, i, text);
    }
  }
}

uint32_t CountUdp(net& net, uint16_t family) {
  uint32_t count = 0;
  for (const udp_hslot& slot : net_udp(net).table.hash) {
    for (const udp_sock& sk : slot.sockets) count += sk.sk_family == family ? 1 : 0;
  }
  return count;
}

}  // namespace

void udp4_seq_show(net& net, std::string* text) {
  const size_t start = text->size();
  *text +=
      "   sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
      "inode ref pointer drops";
  seq_pad(text, start, kUdpLineBytes);
  ShowTable(net, kAfInet, text);
}

void udp6_seq_show(net& net, std::string* text) {
  *text +=
      "  sl  local_address                         remote_address                        st "
      "tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";
  ShowTable(net, kAfInet6, text);
}

void sockstat_seq_show(net& net, std::string* text) {
  const netns_tcp& tcp = net_tcp(net);
  const tcp_ledger ledger = tcp_objects(net);
  seq_printf(text, "sockets: used %" PRIu64 "\n", net.live_socks);
  seq_printf(text,
             "TCP: inuse %" PRIu64 " orphan %" PRId64 " tw %" PRIu64 " alloc %" PRIu64
             " mem %" PRId64 "\n",
             ledger.socks, static_cast<int64_t>(tcp.orphan_count), ledger.timewaits, ledger.socks,
             tcp.memory.allocated_pages);
  seq_printf(text, "UDP: inuse %u mem %" PRId64 "\n", CountUdp(net, kAfInet),
             net_udp(net).memory.allocated_pages);
}

}  // namespace tapedeck
