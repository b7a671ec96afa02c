// The window that is offered to the peer (RFC 9293 3.8.6).
#include <algorithm>
#include <bit>

#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_input.h"
#include "stack/tcp/tcp_output_internal.h"

namespace tapedeck {

namespace {

constexpr int64_t kWindowFieldMax = 65535;

int64_t AlignUp(int64_t a, int64_t power_of_two) { return (a + power_of_two - 1) & -power_of_two; }
int64_t AlignDown(int64_t a, int64_t power_of_two) { return a & -power_of_two; }

// What the choice of a window works with, in bytes.
struct Space {
  int64_t free;     // room in the receive buffer
  int64_t allowed;  // the whole of it
  int64_t full;     // as much of it as may be offered
  int64_t mss;      // of the peer's segments
  int64_t scale;    // unit of the window field
};

// Less than half of the buffer is free: ACKs need not hurry, and under pressure the window grows no
// further.
void NoteShortage(sock* sk) {
  tcp_sk(sk)->icsk_ack.quick = 0;
  if (sk_under_memory_pressure(sk)) tcp_adjust_rcv_ssthresh(sk);
}

// Without scaling the window is a multiple of MSS, and stays where it is while it is near enough:
// header prediction likes it so.
int64_t UnscaledWindow(const tcp_sock* tp, const Space& space, int64_t free) {
  const int64_t window = tp->rcv_wnd;
  if (window <= free - space.mss || window > free) return free - free % space.mss;
  if (space.mss == space.full && free > window + (space.full >> 1)) return free;
  return window;
}

// The window where it must not shrink (RFC 9293 3.8.6.2.2: no silly windows).
int64_t SteadyWindow(sock* sk, const Space& space) {
  const tcp_sock* const tp = tcp_sk(sk);
  int64_t free = space.free;
  if (free < space.full >> 1) {
    NoteShortage(sk);
    free = AlignDown(free, space.scale);
    // Closed in time: with a large window the MSS test alone would come when memory is used up.
    if (free < space.allowed >> 4 || free < space.mss) return 0;
  }
  free = std::min<int64_t>(free, tp->rcv_ssthresh);
  // Rounded up, so that scaling does not make it zero.
  if (tp->rx_opt.rcv_wscale != 0) return AlignUp(free, space.scale);
  return UnscaledWindow(tp, space, free);
}

// The window where it may shrink (tcp_shrink_window).
int64_t ShrinkingWindow(sock* sk, const Space& space) {
  int64_t free = AlignDown(space.free, space.scale);
  if (free < space.full >> 1) {
    NoteShortage(sk);
    if (free < space.allowed >> 4 || free < space.mss || free < space.scale) return 0;
  }
  const int64_t ssthresh = tcp_sk(sk)->rcv_ssthresh;
  return free > ssthresh ? AlignUp(ssthresh, space.scale) : free;
}

bool MayShrink(const sock* sk) {
  return tcp_sysctl(sk).shrink_window != 0 && tcp_sk(sk)->rx_opt.rcv_wscale != 0;
}

void SetWindow(tcp_sock* tp, uint32_t window) {
  tp->rcv_wnd = window;
  tp->rcv_wup = tp->rcv_nxt;
  tcp_update_max_rcv_wnd_seq(tp);
}

}  // namespace

uint32_t __tcp_select_window(sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  Space space = {.free = tcp_space(sk),
                 .allowed = tcp_full_space(sk),
                 .full = 0,
                 .mss = tp->icsk_ack.rcv_mss,
                 .scale = int64_t{1} << tp->rx_opt.rcv_wscale};
  space.full = std::min<int64_t>(tp->window_clamp, space.allowed);
  if (space.mss > space.full) {
    space.mss = space.full;
    if (space.mss <= 0) return 0;
  }
  const int64_t window = MayShrink(sk) ? ShrinkingWindow(sk, space) : SteadyWindow(sk, space);
  return static_cast<uint32_t>(window);
}

uint16_t tcp_select_window(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  // What has just come could not be queued.
  if ((tp->icsk_ack.pending & ICSK_ACK_NOMEM) != 0) {
    tp->pred_flags = 0;
    SetWindow(tp, 0);
    return 0;
  }
  const uint32_t old_win = tp->rcv_wnd;
  const uint32_t cur_win = tcp_receive_window(tp);
  const uint8_t scale = tp->rx_opt.rcv_wscale;
  uint32_t new_win = __tcp_select_window(sk);
  if (new_win < cur_win && !MayShrink(sk)) {
    // What was offered stays offered.
    if (new_win == 0) NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPWantZeroWindowAdv);
    new_win = static_cast<uint32_t>(AlignUp(cur_win, int64_t{1} << scale));
  }
  SetWindow(tp, new_win);
  const bool signed_peer = scale == 0 && tcp_sysctl(sk).workaround_signed_windows != 0;
  const int64_t field_max = signed_peer ? int64_t{MAX_TCP_WINDOW} : kWindowFieldMax << scale;
  const auto field = static_cast<uint16_t>(std::min<int64_t>(new_win, field_max) >> scale);
  if (field == 0) {
    tp->pred_flags = 0;
    if (old_win != 0) NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPToZeroWindowAdv);
  } else if (old_win == 0) {
    NET_INC_STATS(sk->sk_net, TcpExtMib::kTCPFromZeroWindowAdv);
  }
  return field;
}

void tcp_select_initial_window(const sock* sk, int space_in, uint32_t mss, uint32_t* rcv_wnd,
                               uint32_t* window_clamp, bool wscale_ok, uint8_t* rcv_wscale,
                               uint32_t init_rcv_wnd) {
  const tcp_settings& settings = tcp_sysctl(sk);
  const uint32_t clamp = *window_clamp != 0 ? *window_clamp : kWindowFieldMax << TCP_MAX_WSCALE;
  uint32_t space = std::min(clamp, static_cast<uint32_t>(std::max(space_in, 0)));
  if (space > mss) space = RoundDown(space, mss);
  // Without scaling the peer might take the field for a signed number.
  *rcv_wnd = settings.workaround_signed_windows != 0 ? std::min(space, MAX_TCP_WINDOW) : space;
  if (init_rcv_wnd != 0) *rcv_wnd = std::min(*rcv_wnd, init_rcv_wnd * mss);
  *rcv_wscale = 0;
  if (wscale_ok) {
    // For the largest window that there might ever be.
    space = std::max(space, static_cast<uint32_t>(settings.rmem[2]));
    space = std::max(space, sk->sk_net.core.rmem_max);
    space = std::min(space, clamp);
    const int scale = static_cast<int>(std::bit_width(space)) - 16;
    *rcv_wscale = static_cast<uint8_t>(std::clamp<int>(scale, 0, TCP_MAX_WSCALE));
  }
  *window_clamp = std::min(static_cast<uint32_t>(kWindowFieldMax) << *rcv_wscale, clamp);
}

}  // namespace tapedeck
