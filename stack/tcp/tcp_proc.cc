#include "stack/tcp/tcp_proc.h"

#include <algorithm>
#include <cinttypes>

#include "stack/core/seq_file.h"
#include "stack/tcp/inet_hashinfo.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/request_sock.h"
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
  IpAddress src, dest;
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

// The family of the socket that a node is or will be.
uint16_t FamilyOf(const inet_ehash_node* node) {
  if (node->state == TCP_TIME_WAIT) return static_cast<inet_timewait_sock*>(node->owner)->tw_family;
  if (node->state == TCP_NEW_SYN_RECV) {
    return static_cast<request_sock*>(node->owner)->rsk_ops->family;
  }
  return static_cast<sock*>(node->owner)->sk_family;
}

uint64_t ToClock(uint32_t hz, uint64_t jiffies) { return jiffies * kUserHz / hz; }

class Table {
 public:
  Table(net& net, uint16_t family, std::string* text)
      : net_(net), family_(family), text_(text), hz_(net_tcp(net).ticks.hz) {}

  void ShowHeader() {
    if (family_ == kAfInet) {
      Pad("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  "
          "timeout inode");
    } else {
      *text_ +=
          "  sl  local_address                         remote_address                        st "
          "tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";
    }
  }
  void Show(inet_ehash_node* node) {
    if (FamilyOf(node) != family_) return;
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
  // IPv4's lines have one width.
  void Pad(std::string line) {
    if (family_ == kAfInet) line.resize(std::max(line.size(), kLineBytes), ' ');
    *text_ += line;
    *text_ += '\n';
  }
  IpAddress Shown(const IpAddress& address) const {
    return family_ == kAfInet6 ? IpAddress(address.v6()) : address;
  }

  net& net_;
  uint16_t family_;
  std::string* text_;
  uint32_t hz_;
  int number_ = 0;
};

std::string Table::Format(const Line& line) {
  const Jiffies now = net_.jiffies();
  const Jiffies left = line.timer.expires > now ? line.timer.expires - now : 0;
  std::string text;
  seq_printf(&text, "%4d: ", number_++);
  seq_address(&text, Shown(line.src));
  seq_printf(&text, ":%04X ", line.srcp);
  seq_address(&text, Shown(line.dest));
  seq_printf(&text, ":%04X %02X %08X:%08X %02X:%08" PRIX64 " %08X %5u %8d %u %u %016X", line.destp,
             line.state, line.tx_queue, line.rx_queue, static_cast<unsigned>(line.timer.kind),
             ToClock(hz_, left), line.retransmits, line.uid, static_cast<int>(line.probes),
             line.inode, line.refcnt, 0U);
  return text;
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
  line.src = tp->inet_rcv_saddr;
  line.dest = tp->inet_daddr;
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
  seq_printf(&text, " %" PRIu64 " %" PRIu64 " %u %u %" PRId64, ToClock(hz_, tp->icsk_rto),
             ToClock(hz_, tp->icsk_ack.ato), quick | (inet_csk_in_pingpong_mode(sk) ? 1U : 0U),
             tcp_snd_cwnd(tp), last);
  Pad(text);
}

Line LineOf(const inet_ehash_node& node) {
  Line line;
  line.src = node.rcv_saddr;
  line.dest = node.daddr;
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

void ShowSockets(net& net, uint16_t family, std::string* text) {
  Table table(net, family, text);
  table.ShowHeader();
  ShowAll(tcp_hashinfo(net).lhash2, &table);
  ShowAll(tcp_hashinfo(net).ehash, &table);
}

}  // namespace

void tcp4_seq_show(net& net, std::string* text) { ShowSockets(net, kAfInet, text); }

void tcp6_seq_show(net& net, std::string* text) { ShowSockets(net, kAfInet6, text); }

}  // namespace tapedeck
