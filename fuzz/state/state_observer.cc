#include "fuzz/state/state_observer.h"

#include <bit>
#include <variant>

#include "fuzz/state/step_event.h"
#include "stack/core/neighbour.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::fuzz {

namespace {

constexpr size_t kNudNone = 8;  // behind the numbers of NUD_*'s bits

size_t NudIndex(uint64_t state) {
  return state == 0 ? kNudNone : static_cast<size_t>(std::countr_zero(state));
}

size_t PairCoordinate(CallGroup group, CallResult result) {
  return static_cast<size_t>(group) * (static_cast<size_t>(CallResult::kError) + 1) +
         static_cast<size_t>(result);
}

}  // namespace

void StateObserver::Begin() {
  map_.Clear();
  paths_ = {};
  tcp_states_ = 0;
  last_call_ = 0;
  maxima_ = {};
  Look();
}

void StateObserver::AfterStep(const Step& step) {
  const size_t event = StepEventOf(step);
  // What a call found is what was there when it was made (Observe).
  if (!std::holds_alternative<SyscallStep>(step.what)) Look();
  for (uint32_t left = tcp_states_; left != 0; left &= left - 1) {
    map_.Hit(StateFeature::kTcpEvent, static_cast<size_t>(std::countr_zero(left)), event);
  }
}

void StateObserver::End() {
  Look();
  for (size_t queue = 0; queue < maxima_.size(); ++queue) {
    if (maxima_[queue] != 0) map_.Hit(StateFeature::kMaximum, queue, BitsOf(maxima_[queue]));
  }
}

void StateObserver::Look() {
  tcp_states_ = 0;
  for (int i = 0; i < lab_.hosts(); ++i) {
    struct Looking {
      StateObserver* observer;
      uint64_t sockets;
    } looking = {this, 0};
    sock_diag_for_each(
        lab_.host(i).network(),
        [](const sock_diag_entry& entry, void* context) {
          auto* const its = static_cast<Looking*>(context);
          ++its->sockets;
          its->observer->LookAt(entry);
        },
        &looking);
    Raise(StateQueue::kSockets, looking.sockets);
  }
}

void StateObserver::LookAt(const sock_diag_entry& entry) {
  if (entry.protocol != wire::kIpProtoTcp) {
    Raise(StateQueue::kDatagrams, entry.rqueue);
    return;
  }
  tcp_states_ |= 1U << entry.state;
  if (entry.state == TCP_LISTEN) {
    Raise(StateQueue::kAccept, entry.rqueue);
  } else if (entry.sk != nullptr) {
    Raise(StateQueue::kReceive, entry.rqueue);
    Raise(StateQueue::kSend, entry.wqueue);
    LookAtTcp(entry.sk);
  }
}

void StateObserver::LookAtTcp(const sock* sk) {
  const tcp_sock* const tp = tcp_sk(sk);
  const size_t delayed_ack = tp->icsk_delack_timer.pending() ? 1 : 0;
  const size_t keepalive = tp->icsk_keepalive_timer.pending() ? 2 : 0;
  map_.Hit(StateFeature::kTcpTimers, sk->sk_state, tp->icsk_pending, delayed_ack | keepalive);
  map_.Hit(StateFeature::kTcpRecovery, tp->icsk_ca_state, tp->icsk_pending);
  Raise(StateQueue::kRetransmit, tp->packets_out);
  Raise(StateQueue::kWindow, tp->snd_cwnd);
  Raise(StateQueue::kBackoff, tp->icsk_backoff);
  if (tp->out_of_order_queue.node != nullptr) Raise(StateQueue::kOutOfOrder, sk->sk_rmem_alloc);
}

void StateObserver::Observe(uint64_t, const TraceEvent& event, const FrameLedger&) {
  switch (event.kind) {
    case TraceKind::kDrop:
    case TraceKind::kNicDrop:
      map_.Hit(StateFeature::kDrop, event.args[1]);
      return;
    case TraceKind::kSockState:
      NoteSockState(event);
      return;
    case TraceKind::kSyscallEnter:
      Look();
      return;
    case TraceKind::kSyscallExit:
      NoteCallExit(event);
      return;
    case TraceKind::kNeighState:
      map_.Hit(StateFeature::kNeighbour, NudIndex(event.args[1]), NudIndex(event.args[2]));
      return;
    case TraceKind::kNapiPoll:
      map_.Hit(StateFeature::kPoll, BitsOf(event.args[1]), event.args[3] != 0 ? 1 : 0);
      return;
    case TraceKind::kDeviceFault:
      map_.Hit(StateFeature::kDeviceFault, event.args[1]);
      return;
    case TraceKind::kTcpRetransmit:
      map_.Hit(StateFeature::kTcpRetransmit, PathOf(event.args[0], event.host).last, event.args[3]);
      return;
    case TraceKind::kWireTx:
      ++maxima_[static_cast<size_t>(StateQueue::kFramesOut)];
      return;
    case TraceKind::kForward:
      ++maxima_[static_cast<size_t>(StateQueue::kForwarded)];
      return;
    default:
      return;  // what says nothing about a state
  }
}

StateObserver::Path& StateObserver::PathOf(uint64_t socket, uint8_t host) {
  return paths_[socket % kSockets][host % kHosts];
}

void StateObserver::NoteSockState(const TraceEvent& event) {
  Path& path = PathOf(event.args[0], event.host);
  map_.Hit(StateFeature::kTcpPath, path.before, event.args[1], event.args[2]);
  path = {static_cast<uint8_t>(event.args[1]), static_cast<uint8_t>(event.args[2])};
}

void StateObserver::NoteCallExit(const TraceEvent& event) {
  const auto result = static_cast<int64_t>(event.args[2]);
  const size_t call = PairCoordinate(CallGroupOf(event.args[0]), CallResultOf(result));
  map_.Hit(StateFeature::kCall, CallIndex(event.args[0]), CallOutcome(result));
  map_.Hit(StateFeature::kCallPair, call, last_call_);
  last_call_ = call;
}

}  // namespace tapedeck::fuzz
