// TCP connections of a listener, step by step beside a small reference model of each (tcp_model.h).
//
// Input: the bytes spelling of a Script, of which segments from up to four peers and the calls of a
// server are played, some milliseconds after each other; all else is left out. Property: whenever
// all is quiet the state, the next expected number and what can be read are what the model says,
// and so is what each read returned; and what holds for `stack`.
#include <algorithm>
#include <array>
#include <cerrno>
#include <cinttypes>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "fuzz/oracles.h"
#include "fuzz/script_input.h"
#include "fuzz/segment_view.h"
#include "fuzz/stage.h"
#include "fuzz/target.h"
#include "fuzz/tcp_model.h"
#include "replay/script/addresses.h"
#include "stack/host.h"
#include "stack/socket/file.h"
#include "stack/socket/sock_diag.h"
#include "stack/socket/socket.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::fuzz {
namespace {

// As many segments a buffer has room for, whatever they carry.
constexpr size_t kStepsMax = 40;
constexpr uint8_t kFlows = 4;
// Long enough for everything to come to rest, too short for any timer that ends something.
constexpr Duration kGapMin = Duration::Milliseconds(1);
constexpr Duration kGapMax = Duration::Milliseconds(20);
constexpr uint16_t kFlags =
    wire::kTcpFin | wire::kTcpSyn | wire::kTcpRst | wire::kTcpPsh | wire::kTcpAck;

// Descriptor 5 is a TCP listener on the script's port.
std::string Prelude() {
  return absl::StrCat(kBindDatagrams, kSayHello, kOpenListener, "+1 pause\n");
}

// --- The part of a script that models know ---

bool IsKnown(const SyscallStep& call) {
  switch (call.name) {
    case SyscallName::kAccept:
    case SyscallName::kRead:
    case SyscallName::kWrite:
    case SyscallName::kShutdown:
    case SyscallName::kClose:
      return true;
    default:
      return false;
  }
}

SegmentStep Plain(const SegmentStep& segment) {
  SegmentStep plain;
  plain.flow = segment.flow % kFlows;
  plain.flags = segment.flags & kFlags;
  plain.seq = segment.seq;
  plain.ack = segment.ack;
  plain.window = segment.window;
  plain.payload_bytes = std::min<uint32_t>(segment.payload_bytes, 1000);
  plain.window_shift = segment.window_shift;
  plain.sack_permitted = segment.sack_permitted;
  return plain;
}

Script Known(const Script& script) {
  Script known;
  for (const Step& step : script.steps) {
    Step kept;
    kept.delay = std::clamp(step.delay, kGapMin, kGapMax);
    if (const auto* const segment = std::get_if<SegmentStep>(&step.what)) {
      kept.what = Plain(*segment);
    } else if (const auto* const call = std::get_if<SyscallStep>(&step.what);
               call != nullptr && IsKnown(*call)) {
      SyscallStep plain = *call;
      plain.returns_after.reset();
      if (call->name == SyscallName::kShutdown) plain.arguments[1].value = kShutWrite;
      // A read of nothing says nothing, and so does one to nowhere.
      if (call->name == SyscallName::kRead) {
        plain.arguments[1] = Expression::Ellipsis();
        if (plain.arguments[2].value == 0) plain.arguments[2].value = 1;
      }
      kept.what = std::move(plain);
    } else {
      continue;
    }
    known.steps.push_back(std::move(kept));
  }
  return known;
}

// --- Verdicts, by their names: how engines and reports tell them apart. ---

[[noreturn, gnu::noinline]] void ModelStateFailed(TcpModel::State expected, int found) {
  ReportBroken("MODEL", "state", "tcp_sock");
  std::fprintf(stderr, "%s by the model, and in state %d\n", TcpModel::NameOf(expected), found);
  std::abort();
}
[[noreturn, gnu::noinline]] void ModelNumberFailed(const TcpModel& model, uint32_t found) {
  ReportBroken("MODEL", "rcv_nxt", "tcp_sock");
  std::fprintf(stderr, "%s: %" PRIu32 " by the model, and stands at %" PRIu32 "\n",
               TcpModel::NameOf(model.state()), model.rcv_nxt(), found);
  std::abort();
}
[[noreturn, gnu::noinline]] void ModelBytesFailed(const TcpModel& model, uint32_t found) {
  ReportBroken("MODEL", "readable", "tcp_sock");
  std::fprintf(stderr, "%s: %" PRIu32 " bytes by the model, and has %" PRIu32 "\n",
               TcpModel::NameOf(model.state()), model.readable_bytes(), found);
  std::abort();
}
[[noreturn, gnu::noinline]] void ModelReadFailed(const TcpModel& model, int64_t result) {
  ReportBroken("MODEL", "read", "tcp_sock");
  std::fprintf(stderr, "%s, %" PRIu32 " bytes by the model, and a read ends with %" PRId64 "\n",
               TcpModel::NameOf(model.state()), model.readable_bytes(), result);
  std::abort();
}

// TCP_* of a state; 0 where the connection has no socket that is looked for.
int NumberOf(TcpModel::State state) {
  switch (state) {
    case TcpModel::State::kSynReceived:
      return TCP_SYN_RECV;
    case TcpModel::State::kEstablished:
      return TCP_ESTABLISHED;
    case TcpModel::State::kFinWait1:
      return TCP_FIN_WAIT1;
    case TcpModel::State::kFinWait2:
      return TCP_FIN_WAIT2;
    case TcpModel::State::kClosing:
      return TCP_CLOSING;
    case TcpModel::State::kTimeWait:
      return TCP_TIME_WAIT;
    case TcpModel::State::kCloseWait:
      return TCP_CLOSE_WAIT;
    case TcpModel::State::kLastAck:
      return TCP_LAST_ACK;
    case TcpModel::State::kListen:
    case TcpModel::State::kClosed:
      return 0;
  }
  return 0;
}

// The models of an input's connections, by the peers' ports and addresses.
class Models : public TraceObserver {
 public:
  explicit Models(Lab& lab) : lab_(lab) {}

  void Begin() {
    models_.clear();
    peers_by_fd_.clear();
    readers_.clear();
    judging_ = listening_ = true;
  }
  void End() { judging_ = false; }

  // All is quiet.
  void Compare() {
    if (!judging_) return;
    lab_.recorder().digest();  // events that are only written down are looked at
    std::map<Peer, sock_diag_entry> found;
    sock_diag_for_each(
        lab_.host(0).network(),
        [](const sock_diag_entry& entry, void* context) {
          if (entry.protocol != wire::kIpProtoTcp || entry.state == TCP_LISTEN) return;
          (*static_cast<std::map<Peer, sock_diag_entry>*>(context))[PeerOf(entry)] = entry;
        },
        &found);
    for (const auto& [peer, model] : models_) {
      const auto its = found.find(peer);
      CompareOne(model, its == found.end() ? nullptr : &its->second);
    }
  }

  void Observe(uint64_t, const TraceEvent& event, const FrameLedger&) override {
    if (!judging_) return;
    if (event.kind == TraceKind::kWireRx || event.kind == TraceKind::kWireTx) NoteFrame(event);
    if (event.kind == TraceKind::kSyscallEnter) NoteEntry(event);
    if (event.kind == TraceKind::kSyscallExit) NoteExit(event);
  }

 private:
  using Peer = std::pair<std::array<uint8_t, 4>, uint16_t>;  // address and port

  static Peer PeerOf(const sock_diag_entry& entry) {
    if (!entry.peer.address.is_v4()) return {};
    return {entry.peer.address.v4().bytes(), entry.peer.port.host()};
  }

  void NoteFrame(const TraceEvent& event) {
    SegmentView segment;
    if (FindSegment(event.bytes, &segment) != Carries::kSegment || segment.v6) return;
    const bool received = event.kind == TraceKind::kWireRx;
    const auto address = received ? segment.source : segment.destination;
    const Peer peer = {{address[0], address[1], address[2], address[3]},
                       received ? segment.source_port : segment.destination_port};
    // Without a listener no connection begins.
    if (!listening_ && !models_.contains(peer)) models_[peer].Close();
    if (received) {
      models_[peer].Receive(segment);
    } else {
      models_[peer].Send(segment);
    }
  }

  // A read may outlive its descriptor, whose number then means something else.
  void NoteEntry(const TraceEvent& event) {
    readers_.erase(event.args[3]);
    if (static_cast<SyscallNumber>(event.args[0]) != SyscallNumber::kRead) return;
    const auto peer = peers_by_fd_.find(static_cast<int>(event.args[1]));
    if (peer != peers_by_fd_.end()) readers_[event.args[3]] = peer->second;
  }

  void NoteExit(const TraceEvent& event) {
    const auto fd = static_cast<int>(event.args[1]);
    const auto result = static_cast<int64_t>(event.args[2]);
    switch (static_cast<SyscallNumber>(event.args[0])) {
      case SyscallNumber::kAccept:
        if (result >= 0) NoteAccepted(static_cast<int>(result));
        return;
      case SyscallNumber::kRead:
        if (const auto peer = readers_.find(event.args[3]); peer != readers_.end()) {
          CheckRead(models_[peer->second], result);
        }
        return;
      case SyscallNumber::kShutdown:
        if (const auto peer = peers_by_fd_.find(fd); peer != peers_by_fd_.end() && result == 0) {
          models_[peer->second].Shutdown();
        }
        return;
      case SyscallNumber::kClose:
        if (result == 0) NoteClosed(fd);
        return;
      default:
        return;
    }
  }

  static void CheckRead(TcpModel& model, int64_t result) {
    if (model.sure() && result != -EINTR && !model.MayRead(result)) ModelReadFailed(model, result);
  }

  void NoteClosed(int fd) {
    const auto peer = peers_by_fd_.find(fd);
    if (peer == peers_by_fd_.end()) return CloseListener();
    models_[peer->second].Close();
    peers_by_fd_.erase(peer);
  }

  // Connections that nobody has accepted end with it.
  void CloseListener() {
    for (auto& [peer, model] : models_) {
      const bool accepted =
          std::any_of(peers_by_fd_.begin(), peers_by_fd_.end(),
                      [&whose = peer](const auto& open) { return open.second == whose; });
      if (!accepted) model.Close();
    }
    listening_ = false;
  }

  void NoteAccepted(int fd) {
    const file* const its = lab_.host(0).syscalls().files().fcheck(fd);
    const socket* const accepted = its == nullptr ? nullptr : sock_from_file(its);
    if (accepted == nullptr || accepted->sk == nullptr) return;
    struct Search {
      const sock* sk;
      std::optional<Peer> found;
    } search = {accepted->sk, std::nullopt};
    sock_diag_for_each(
        lab_.host(0).network(),
        [](const sock_diag_entry& entry, void* context) {
          auto* const looking = static_cast<Search*>(context);
          if (entry.sk == looking->sk) looking->found = PeerOf(entry);
        },
        &search);
    if (search.found.has_value()) peers_by_fd_[fd] = *search.found;
  }

  static void CompareOne(const TcpModel& model, const sock_diag_entry* entry) {
    if (!model.sure()) return;
    const int expected = NumberOf(model.state());
    if (expected == 0) return;
    if (entry == nullptr || entry->state != expected) {
      ModelStateFailed(model.state(), entry == nullptr ? 0 : entry->state);
    }
    if (entry->sk == nullptr) return;
    const tcp_sock* const tp = tcp_sk(entry->sk);
    if (tp->rcv_nxt.value() != model.rcv_nxt()) ModelNumberFailed(model, tp->rcv_nxt.value());
    // Until a read has come to it, a FIN is counted.
    const uint32_t with_fin = model.readable_bytes() + (model.fin_received() ? 1 : 0);
    if (entry->rqueue != model.readable_bytes() && entry->rqueue != with_fin) {
      ModelBytesFailed(model, entry->rqueue);
    }
  }

  Lab& lab_;
  bool judging_ = false;
  bool listening_ = true;
  std::map<Peer, TcpModel> models_;
  std::map<int, Peer> peers_by_fd_;
  std::map<uint64_t, Peer> readers_;  // by their threads
};

// The stage, and the models beside it.
struct Modelled {
  Modelled() {
    stage.lab().recorder().AddObserver(&models);
    stage.CallBetweenSteps([this] { models.Compare(); });
  }
  Stage stage{SmallLab(), [](Lab&) {}, Prelude(), [this](Lab&) { models.End(); }};
  Models models{stage.lab()};
};

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  static Modelled modelled;
  const std::optional<Script> script = ScriptOf(input);
  if (!script.has_value()) return {};
  const Script known = Known(*script);
  if (known.steps.size() > kStepsMax) return {};
  modelled.models.Begin();
  return modelled.stage.Run(known);
}

}  // namespace tapedeck::fuzz
