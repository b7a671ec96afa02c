#include "fuzz/tcp_oracle.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <optional>
#include <utility>

#include "fuzz/oracles.h"
#include "fuzz/skb_queue.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/inet_sock.h"
#include "stack/ipv6/ipv6_sock.h"
#include "stack/tcp/tcp.h"
#include "stack/tcp/tcp_ack.h"
#include "stack/tcp/tcp_queues.h"

namespace tapedeck::fuzz {

namespace {

// The rule that a socket breaks; nullptr: none.
using Rule = const char*;

constexpr Jiffies kRtoMaxSeconds = 120;  // TCP_RTO_MAX

// --- Sequence space ---

// A read to nowhere (EFAULT) steps over the urgent byte before it fails; then it is still queued.
bool IsSteppedOver(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const sk_buff* const first = skb_peek(&sk->sk_receive_queue);
  return first != nullptr && !TCP_SKB_CB(first)->seq.After(tp->urg_seq) &&
         tp->copied_seq == tp->urg_seq + 1;
}

// An urgent byte that was not read, or not yet heard of, is behind what was read. Once a FIN has
// come nothing can be said: its number may be the urgent one, and Linux then waits for a byte there
// for ever (tcp_recvmsg_locked, found_fin_ok).
bool UrgentByteIsRead(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  return (tp->urg_data & (TCP_URG_NOTYET | TCP_URG_VALID)) != 0 && !sock_flag(sk, SOCK_DONE) &&
         tp->copied_seq.After(tp->urg_seq) && !IsSteppedOver(sk);
}

Rule CheckOrder(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  if (tp->snd_una.After(tp->snd_nxt)) return "snd_una_at_most_snd_nxt";
  // Of TCP_FASTOPEN_CONNECT nothing is numbered before the first data.
  const bool begun = !inet_sk(sk)->defer_connect;
  if (begun && tp->snd_nxt.After(tp->write_seq)) return "snd_nxt_at_most_write_seq";
  if (tp->copied_seq.After(tp->rcv_nxt)) return "copied_seq_at_most_rcv_nxt";
  if (tp->rcv_wup.After(tp->rcv_nxt)) return "rcv_wup_at_most_rcv_nxt";
  if (tp->snd_cwnd == 0) return "cwnd_above_zero";
  // RFC 7323 2.3: the largest field with the largest scale.
  if (tp->snd_wnd > uint32_t{65535} << 14) return "snd_wnd_at_most_1_gib";
  if (UrgentByteIsRead(sk)) return "urgent_byte_is_unread";
  // The first one comes from what earlier connections have measured, times three and as it is
  // (tcp_init_metrics); only the timer is cut.
  // A lower maximum (TCP_RTO_MAX_MS) holds from the next timeout on, so this is the highest there
  // is. What is counted while a request is still there are SYN-ACKs, whose timeout is its own.
  const Jiffies rto_max = sk->sk_net.kernel.hz() * kRtoMaxSeconds;
  const bool timed_out = tp->icsk_retransmits != 0 && tp->fastopen_rsk == nullptr;
  if (timed_out && tp->icsk_rto > rto_max) return "rto_at_most_its_maximum";
  return nullptr;
}

// --- Queues ---

// Sent segments follow each other from snd_una (or before it) to snd_nxt, and are as many as
// counted.
Rule CheckSent(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  uint32_t packets = 0;
  uint32_t sent_again = 0;
  const sk_buff* before = nullptr;
  for (const sk_buff* skb = tcp_rtx_queue_head(sk); skb != nullptr;
       skb = skb_rb_next(const_cast<sk_buff*>(skb))) {
    packets += tcp_skb_pcount(skb);
    if ((TCP_SKB_CB(skb)->sacked & TCPCB_SACKED_RETRANS) != 0) sent_again += tcp_skb_pcount(skb);
    // What is acknowledged is still there where memory failed to cut it off, and may go in pieces.
    if (before != nullptr && TCP_SKB_CB(before)->end_seq != TCP_SKB_CB(skb)->seq &&
        TCP_SKB_CB(before)->end_seq.After(tp->snd_una)) {
      return "sent_segments_follow_each_other";
    }
    before = skb;
  }
  if (packets != tp->packets_out) return "packets_out_counted";
  if (before != nullptr && TCP_SKB_CB(before)->end_seq != tp->snd_nxt) return "sent_up_to_snd_nxt";
  if (tp->sacked_out + tp->lost_out > tp->packets_out) return "left_out_at_most_packets_out";
  // It may be more: what an undo took for spurious and a timeout finds lost is counted twice, as in
  // Linux (tcp_mark_skb_lost, tcp_retransmit_skb's "retrans_out leaked").
  if (tp->retrans_out < sent_again) return "retrans_out_counted";
  return nullptr;
}

// In order up to rcv_nxt; what is ahead lies beyond it, sorted (tcp_data_queue_ofo).
Rule CheckReceived(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const sk_buff* before = nullptr;
  for (const sk_buff* skb = skb_peek(&sk->sk_receive_queue); skb != nullptr;
       skb = skb_queue_is_last(&sk->sk_receive_queue, skb) ? nullptr : skb->next) {
    if (before != nullptr && TCP_SKB_CB(skb)->seq.After(TCP_SKB_CB(before)->end_seq)) {
      return "received_segments_leave_no_hole";
    }
    before = skb;
  }
  if (before != nullptr && TCP_SKB_CB(before)->end_seq.After(tp->rcv_nxt)) {
    return "received_up_to_rcv_nxt";
  }
  const sk_buff* ahead = skb_rb_first(&tp->out_of_order_queue);
  if (ahead != nullptr && TCP_SKB_CB(ahead)->seq.AtOrBefore(tp->rcv_nxt)) {
    return "out_of_order_is_ahead";
  }
  while (ahead != nullptr) {
    const sk_buff* const next = skb_rb_next(const_cast<sk_buff*>(ahead));
    // They may overlap, and one that has grown by coalescing may cover the next ones, as in Linux.
    if (next != nullptr && TCP_SKB_CB(next)->seq.AtOrBefore(TCP_SKB_CB(ahead)->seq)) {
      return "out_of_order_is_sorted";
    }
    ahead = next;
  }
  return nullptr;
}

// --- Memory ---

uint64_t TruesizeOfTree(const rb_root* root) {
  uint64_t sum = 0;
  for (sk_buff* skb = skb_rb_first(root); skb != nullptr; skb = skb_rb_next(skb)) {
    sum += skb->truesize;
  }
  return sum;
}

// Of the packet that is kept for IPV6_2292PKTOPTIONS.
uint64_t TruesizeOfPktoptions(const sock* sk) {
  const ipv6_pinfo* const np = sk->sk_family == kAfInet6 ? inet6_sk(sk) : nullptr;
  return np != nullptr && np->pktoptions != nullptr ? np->pktoptions->truesize : 0;
}

bool ChargedIsHeld(const sock* sk) {
  return sk->sk_rmem_alloc ==
         TruesizeOf(&sk->sk_receive_queue) + ReceivedInErrors(&sk->sk_error_queue) +
             TruesizeOfTree(&tcp_sk(sk)->out_of_order_queue) + TruesizeOfPktoptions(sk);
}

// --- Timers ---

// What was sent and not acknowledged is sent again some time (RFC 9293 3.8.1).
bool WillSendAgain(const sock* sk) {
  const inet_connection_sock* const icsk = inet_csk(sk);
  if (tcp_sk(sk)->packets_out == 0) return true;
  return icsk->icsk_pending != 0 && icsk->icsk_retransmit_timer.pending();
}

// What waits because the peer's window is closed or nothing is acknowledged any more is tried again
// some time (RFC 9293 3.8.6.1).
bool WillProbe(const sock* sk) {
  constexpr uint32_t kSending = 1U << TCP_ESTABLISHED | 1U << TCP_CLOSE_WAIT | 1U << TCP_FIN_WAIT1 |
                                1U << TCP_CLOSING | 1U << TCP_LAST_ACK;
  const inet_connection_sock* const icsk = inet_csk(sk);
  const tcp_sock* const tp = tcp_sk(sk);
  if ((kSending >> sk->sk_state & 1) == 0 || tp->packets_out != 0) return true;
  if (tcp_send_head(sk) == nullptr) return true;
  // Or the pace, or a queue of the host's own, has it wait.
  if (tp->pacing_timer.active() || (tp->tsq_flags & TSQF_THROTTLED) != 0) return true;
  return icsk->icsk_pending != 0 && icsk->icsk_retransmit_timer.pending();
}

// --- Closing ---

// A close that throws away what was not read says so with a reset (RFC 2525 2.17): no orphan is
// left that goes on as if all had been read. What a peer sends behind its FIN, of which the FIN's
// number is a part, may still come in; a close empties the queue.
bool TellsOfUnread(const sock* sk) {
  constexpr uint32_t kClosing =
      1U << TCP_FIN_WAIT1 | 1U << TCP_FIN_WAIT2 | 1U << TCP_CLOSING | 1U << TCP_LAST_ACK;
  const tcp_sock* const tp = tcp_sk(sk);
  if (!sock_flag(sk, SOCK_DEAD) || (kClosing >> sk->sk_state & 1) == 0) return true;
  const bool fin_received = sk->sk_state == TCP_CLOSING || sk->sk_state == TCP_LAST_ACK;
  if (fin_received && !skb_queue_empty(&sk->sk_receive_queue)) return true;
  return tp->copied_seq.AtOrAfter(tp->rcv_nxt - uint32_t{fin_received});
}

// --- Verdict. Not inline, and by their names: how engines and reports tell them apart. ---

void PrintSocket(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  std::fprintf(stderr,
               "socket %" PRIu32
               " state %u snd_una %u snd_nxt %u write_seq %u rcv_nxt %u "
               "copied_seq %u packets_out %u rmem %u\n",
               sk->sk_id, sk->sk_state, tp->snd_una.value(), tp->snd_nxt.value(),
               tp->write_seq.value(), tp->rcv_nxt.value(), tp->copied_seq.value(), tp->packets_out,
               sk->sk_rmem_alloc);
}

[[noreturn, gnu::noinline]] void TcpInvariantFailed(Rule rule, const sock* sk) {
  ReportBroken("INV", rule, "tcp_sock");
  PrintSocket(sk);
  std::abort();
}
[[noreturn, gnu::noinline]] void TcpMemoryFailed(const sock* sk) {
  ReportBroken("RES", "charged_is_held", "tcp_sock");
  PrintSocket(sk);
  std::abort();
}
[[noreturn, gnu::noinline]] void TcpTimerFailed(const sock* sk) {
  ReportBroken("LIVE", "retransmit_timer", "tcp_sock");
  PrintSocket(sk);
  std::abort();
}
[[noreturn, gnu::noinline]] void TcpProbeTimerFailed(const sock* sk) {
  ReportBroken("LIVE", "probe_timer", "tcp_sock");
  PrintSocket(sk);
  std::abort();
}
[[noreturn, gnu::noinline]] void TcpUnreadFailed(const sock* sk) {
  ReportBroken("RFC", "reset_for_unread", "tcp_sock");
  PrintSocket(sk);
  std::abort();
}
[[noreturn, gnu::noinline]] void TcpStreamFailed(const sock* sk, uint32_t position, uint8_t byte) {
  ReportBroken("STREAM", "bytes", "tcp_sock");
  std::fprintf(stderr, "byte %u of the peer's stream is %02x, not %02x\n", position, byte,
               PeerStreamByte(position));
  PrintSocket(sk);
  std::abort();
}

// --- Bytes ---

void CheckStreamOf(const sock* sk, SeqNum peer_isn) {
  const tcp_sock* const tp = tcp_sk(sk);
  for (const sk_buff* skb = skb_peek(&sk->sk_receive_queue); skb != nullptr;
       skb = skb_queue_is_last(&sk->sk_receive_queue, skb) ? nullptr : skb->next) {
    const SeqNum seq = TCP_SKB_CB(skb)->seq;
    // A FIN that data joined (tcp_ooo_try_coalesce) has a number and no byte, somewhere in between.
    bool fin_to_come = (TCP_SKB_CB(skb)->tcp_flags & TCPHDR_FIN) != 0;
    uint32_t fin = 0;
    for (uint32_t offset = 0; offset < skb->len;) {
      std::array<uint8_t, 512> bytes;
      const uint32_t count = std::min<uint32_t>(skb->len - offset, bytes.size());
      if (skb_copy_bits(skb, offset, bytes.data(), count) != 0) {
        TcpInvariantFailed("received_bytes_are_there", sk);
      }
      for (uint32_t i = 0; i < count; ++i) {
        // What was read already may have been overlapped by later bytes.
        if ((seq + offset + i).Before(tp->copied_seq)) continue;
        auto position = static_cast<uint32_t>(seq + offset + i - peer_isn) - 1 + fin;
        if (bytes[i] != PeerStreamByte(position) && std::exchange(fin_to_come, false)) {
          fin = 1;
          ++position;
        }
        if (bytes[i] != PeerStreamByte(position)) TcpStreamFailed(sk, position, bytes[i]);
      }
      offset += count;
    }
  }
}

}  // namespace

void CheckTcpSocket(const sock* sk) {
  if (sk->sk_state == TCP_LISTEN || sk->sk_state == TCP_CLOSE) return;
  for (const Rule rule : {CheckOrder(sk), CheckSent(sk), CheckReceived(sk)}) {
    if (rule != nullptr) TcpInvariantFailed(rule, sk);
  }
  if (!ChargedIsHeld(sk)) TcpMemoryFailed(sk);
  if (!WillSendAgain(sk)) TcpTimerFailed(sk);
  if (!WillProbe(sk)) TcpProbeTimerFailed(sk);
  if (!TellsOfUnread(sk)) TcpUnreadFailed(sk);
}

void CheckTcpStream(uint8_t host, const sock_diag_entry& entry, const PeerFlows& flows) {
  const std::optional<SeqNum> isn =
      flows.PeerIsn(host, entry.peer.address, entry.peer.port.host(), entry.local.port.host());
  if (isn.has_value()) CheckStreamOf(entry.sk, *isn);
}

}  // namespace tapedeck::fuzz
