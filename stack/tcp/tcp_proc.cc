#include "stack/tcp/tcp_proc.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>

#include "stack/base/mib.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_cong.h"

namespace tapedeck {
namespace {

constexpr uint32_t kUserHz = 100;
constexpr size_t kLineBytes = 149;  // lines are padded with spaces to this width

// tr: which timer runs.
enum class TimerKind : uint8_t { kNone, kRetransmit, kKeepalive, kTimeWait, kProbe };

struct TimerState {
  TimerKind kind;
  Jiffies expires;
};

// One line, in fields; what a kind of entry does not know stays zero.
struct Line {
  Ipv4Address src, dest;
  uint16_t srcp = 0, destp = 0;
  uint8_t state = 0;
  uint32_t tx_queue = 0, rx_queue = 0;
  TimerState timer{};
  uint32_t retransmits = 0;
  uint32_t uid = 0;
  uint32_t probes = 0;
  uint32_t inode = 0;
  uint32_t refcnt = 0;
};

// An address as Linux prints it: its wire bytes as a number of this (little-endian) machine.
uint32_t AsPrinted(Ipv4Address address) { return LoadLe32(address.bytes().data()); }

uint64_t ToClock(uint32_t hz, uint64_t jiffies) { return jiffies * kUserHz / hz; }

class Table {
 public:
  Table(net& net, std::string* text) : net_(net), text_(text), hz_(net_tcp(net).ticks.hz) {}

  void ShowHeader() {
    Pad("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
        "timeout inode");
  }
  void Show(inet_ehash_node* node) {
    if (!node->rcv_saddr.is_v4()) return;
    if (node->state == TCP_TIME_WAIT) {
      ShowTimewait(inet_twsk(node));
    } else if (node->state == TCP_NEW_SYN_RECV) {
      ShowRequest(inet_reqsk(node));
    } else {
      ShowSock(static_cast<sock*>(node->owner));
    }
  }

 private:
  void ShowSock(sock* sk);
  void ShowRequest(request_sock* req);
  void ShowTimewait(inet_timewait_sock* tw);
  std::string Format(const Line& line);
  void Pad(std::string line) {
    line.resize(std::max(line.size(), kLineBytes), ' ');
    *text_ += line;
    *text_ += '\n';
  }

  net& net_;
  std::string* text_;
  uint32_t hz_;
  int number_ = 0;
};

std::string Table::Format(const Line& line) {
  const Jiffies now = net_.jiffies();
  const Jiffies left = line.timer.expires > now ? line.timer.expires - now : 0;
  char text[160];
  const int bytes = std::snprintf(
      text, sizeof(text),
      "%4d: %08X:%04X %08X:%04X %02X %08X:%08X %02X:%08" PRIX64 " %08X %5u %8d %u %u %016X",
      number_++, AsPrinted(line.src), line.srcp, AsPrinted(line.dest), line.destp, line.state,
      line.tx_queue, line.rx_queue, static_cast<unsigned>(line.timer.kind), ToClock(hz_, left),
      line.retransmits, line.uid, static_cast<int>(line.probes), line.inode, line.refcnt, 0U);
  return std::string(text, static_cast<size_t>(bytes));
}

TimerState TimerOf(const tcp_sock* tp, Jiffies now) {
  switch (tp->icsk_pending) {
    case ICSK_TIME_RETRANS:
    case ICSK_TIME_REO_TIMEOUT:
    case ICSK_TIME_LOSS_PROBE:
      return {TimerKind::kRetransmit, tp->icsk_retransmit_timer.expires};
    case ICSK_TIME_PROBE0:
      return {TimerKind::kProbe, tp->icsk_retransmit_timer.expires};
    default:
      break;
  }
  if (tp->icsk_keepalive_timer.pending()) {
    return {TimerKind::kKeepalive, tp->icsk_keepalive_timer.expires};
  }
  return {TimerKind::kNone, now};
}

void Table::ShowSock(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const bool listens = sk->sk_state == TCP_LISTEN;
  Line line;
  line.src = tp->inet_rcv_saddr.v4();
  line.dest = tp->inet_daddr.is_v4() ? tp->inet_daddr.v4() : kIpv4Any;
  line.srcp = tp->inet_sport.host();
  line.destp = tp->inet_dport.host();
  line.state = sk->sk_state;
  line.tx_queue = static_cast<uint32_t>(tp->write_seq - tp->snd_una);
  line.rx_queue = listens ? sk->sk_ack_backlog
                          : static_cast<uint32_t>(std::max(tp->rcv_nxt - tp->copied_seq, 0));
  line.timer = TimerOf(tp, net_.jiffies());
  line.retransmits = tp->icsk_retransmits;
  line.uid = sk->sk_uid;
  line.probes = tp->icsk_probes_out;
  line.inode = sk->sk_socket != nullptr ? sk->sk_id : 0;
  line.refcnt = sk->sk_refcnt;
  std::string text = Format(line);

  int64_t last = -1;
  if (listens) {
    last = tp->icsk_accept_queue.fastopenq.max_qlen;
  } else if (!tcp_in_initial_slowstart(tp)) {
    last = tp->snd_ssthresh;
  }
  const uint32_t quick = uint32_t{tp->icsk_ack.quick} << 1;
  char tail[80];
  std::snprintf(tail, sizeof(tail), " %" PRIu64 " %" PRIu64 " %u %u %" PRId64,
                ToClock(hz_, tp->icsk_rto), ToClock(hz_, tp->icsk_ack.ato),
                quick | (inet_csk_in_pingpong_mode(sk) ? 1U : 0U), tcp_snd_cwnd(tp), last);
  Pad(text + tail);
}

Line LineOf(const inet_ehash_node& node) {
  Line line;
  line.src = node.rcv_saddr.v4();
  line.dest = node.daddr.v4();
  line.srcp = node.num;
  line.destp = node.dport.host();
  return line;
}

void Table::ShowRequest(request_sock* req) {
  Line line = LineOf(req->node);
  line.state = TCP_SYN_RECV;
  line.timer = {TimerKind::kRetransmit, req->rsk_timer.expires};
  line.retransmits = req->num_timeout;
  line.uid = req->rsk_listener != nullptr ? req->rsk_listener->sk_uid : 0;
  Pad(Format(line));
}

void Table::ShowTimewait(inet_timewait_sock* tw) {
  Line line = LineOf(tw->node);
  line.state = tw->tw_substate;
  line.timer = {TimerKind::kTimeWait, tw->tw_timer.expires};
  line.refcnt = tw->tw_refcnt;
  Pad(Format(line));
}

void ShowAll(GrowingHash<inet_ehash_node>& hash, Table* table) {
  for (uint32_t i = 0; i < hash.size(); ++i) {
    for (inet_ehash_node& node : hash.bucket(i)) table->Show(&node);
  }
}

// "Tcp: InSegs ...\nTcp: 1 ...\n".
template <typename Item>
void ShowMib(const char* group, const Mib<Item>& mib, std::string* text) {
  std::string values = std::string(group) + ":";
  *text += values;
  for (size_t i = 0; i < Mib<Item>::kItems; ++i) {
    const auto item = static_cast<Item>(i);
    *text += ' ';
    *text += MibName(item);
    // MaxConn of -1 is what makes them signed.
    values += ' ' + std::to_string(static_cast<int64_t>(mib.Get(item)));
  }
  *text += '\n' + values + '\n';
}

}  // namespace

void tcp4_seq_show(net& net, std::string* text) {
  Table table(net, text);
  table.ShowHeader();
  ShowAll(tcp_hashinfo(net).lhash2, &table);
  ShowAll(tcp_hashinfo(net).ehash, &table);
}

void snmp_seq_show_tcp(const net& net, std::string* text) { ShowMib("Tcp", net.tcp_mib, text); }

void netstat_seq_show_tcpext(const net& net, std::string* text) {
  ShowMib("TcpExt", net.tcp_ext_mib, text);
}

}  // namespace tapedeck
