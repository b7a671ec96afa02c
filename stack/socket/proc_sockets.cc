// Datagram, raw and ping sockets in /proc/net (udp4_seq_show and its like, sockstat_seq_show).
#include <cinttypes>

#include "stack/core/seq_file.h"
#include "stack/socket/ping.h"
#include "stack/socket/proc_net.h"
#include "stack/socket/raw.h"
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

// One socket; `bucket` stands in a column of so many places, and a line has at least `line_bytes`.
struct LineFormat {
  int bucket_columns;
  size_t line_bytes;
};
void ShowDatagramSocket(const inet_sock* sk, uint32_t bucket, uint16_t source, uint16_t dest,
                        const LineFormat& format, std::string* text) {
  const bool v6 = sk->sk_family == kAfInet6;
  const auto shown = [&](const IpAddress& address) {
    return v6 ? IpAddress(address.v6()) : address;
  };
  const size_t start = text->size();
  seq_printf(text, "%*u: ", format.bucket_columns, bucket);
  seq_address(text, shown(sk->inet_rcv_saddr));
  seq_printf(text, ":%04X ", source);
  seq_address(text, shown(sk->inet_daddr));
  seq_printf(text, ":%04X", dest);
  ShowDatagramTail(sk, text);
  seq_pad(text, start, format.line_bytes);
}

constexpr LineFormat kPadded = {5, kUdpLineBytes};
constexpr LineFormat kPlain = {5, 0};
constexpr LineFormat kRaw4 = {4, 0};

// The number of a raw socket is its protocol, and its bucket our own: Linux's is a hash of it.
template <size_t kSlots>
void ShowRawTable(const List<raw_sock> (&table)[kSlots], const LineFormat& format,
                  std::string* text) {
  for (uint32_t i = 0; i < kSlots; ++i) {
    for (const raw_sock& sk : table[i]) {
      ShowDatagramSocket(&sk, i, sk.inet_num, 0, format, text);
    }
  }
}

void ShowPingTable(net& net, uint16_t family, const LineFormat& format, std::string* text) {
  const netns_ping& ping = *net.ping;
  for (uint32_t i = 0; i < netns_ping::kSlots; ++i) {
    for (const ping_sock& sk : ping.table[i]) {
      if (sk.sk_family != family) continue;
      ShowDatagramSocket(&sk, i, sk.inet_sport.host(), sk.inet_dport.host(), format, text);
    }
  }
}

// The headings of tables of IPv4, with the spaces that some put ahead, and of IPv6.
constexpr char kHeading4[] =
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout "
    "inode ref pointer drops";
constexpr char kHeading6[] =
    "  sl  local_address                         remote_address                        st "
    "tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode ref pointer drops\n";

void ShowTable(net& net, uint16_t family, std::string* text) {
  const udp_table& table = net_udp(net).table;
  for (uint32_t i = 0; i < udp_table::kSlots; ++i) {
    for (const udp_sock& sk : table.hash[i].sockets) {
      if (sk.sk_family != family) continue;
      ShowDatagramSocket(&sk, i, sk.inet_sport.host(), sk.inet_dport.host(),
                         family == kAfInet ? kPadded : kPlain, text);
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
  *text += ' ';
  *text += kHeading4;
  seq_pad(text, start, kUdpLineBytes);
  ShowTable(net, kAfInet, text);
}

void udp6_seq_show(net& net, std::string* text) {
  *text += kHeading6;
  ShowTable(net, kAfInet6, text);
}

void raw_seq_show(net& net, std::string* text) {
  *text += kHeading4;
  *text += '\n';
  ShowRawTable(net_raw(net).table4, kRaw4, text);
}

void raw6_seq_show(net& net, std::string* text) {
  *text += kHeading6;
  ShowRawTable(net_raw(net).table6, kPlain, text);
}

void ping_v4_seq_show(net& net, std::string* text) {
  const size_t start = text->size();
  *text += kHeading4;
  seq_pad(text, start, kUdpLineBytes);
  ShowPingTable(net, kAfInet, kPadded, text);
}

void ping_v6_seq_show(net& net, std::string* text) {
  *text += kHeading6;
  ShowPingTable(net, kAfInet6, kPlain, text);
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
