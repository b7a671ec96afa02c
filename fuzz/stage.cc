#include "fuzz/stage.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"
#include "fuzz/oracles.h"
#include "fuzz/script_input.h"
#include "fuzz/socket_oracle.h"
#include "fuzz/stage_observer.h"
#include "fuzz/tcp_oracle.h"
#include "fuzz/time_oracle.h"
#include "fuzz/variation.h"
#include "fuzz/watchdog.h"
#include "replay/lab/script_player.h"
#include "replay/script/text.h"
#include "stack/base/check.h"
#include "stack/socket/sock_diag.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::fuzz {

namespace {

// In a host's ledger.
constexpr std::string_view kDmaMappings = "DMA mappings";
constexpr std::string_view kTimers = "timers";

// Of these the number at rest is no single one.
bool IsCountedApart(std::string_view name) { return name == kDmaMappings || name == kTimers; }

// What the process was told to vary; a replayer sets it.
Variation& WantedVariation() {
  static Variation variation;
  return variation;
}

// Nothing of the input says how long something lasts, keeps a NIC from working, or has a FIN fail.
bool IsLeftAlone(const ScriptTraits& traits) {
  return !traits.interrupts_held_up && !traits.goes_back && !traits.changes_settings &&
         !traits.fails_allocations;
}

LabOptions Varied(LabOptions options) {
  options.arena.fill = WantedVariation().fill;
  return options;
}

// A connection sends again what it began to send again longer ago than half the way around its
// clock (of milliseconds, mostly): to Linux that lies ahead, and it goes on until the clock is
// around (retransmits_timed_out()).
bool AnyRetransmitsAroundClock(net& net) {
  bool found = false;
  sock_diag_for_each(
      net,
      [](const sock_diag_entry& entry, void* context) {
        if (entry.protocol != wire::kIpProtoTcp || entry.sk == nullptr) return;
        const tcp_sock* const tp = tcp_sk(entry.sk);
        if (tp->retrans_stamp == 0 || tp->icsk_retransmits == 0) return;
        const auto ago = static_cast<int32_t>(tcp_time_stamp_ts(tp) - tp->retrans_stamp);
        if (ago < 0) *static_cast<bool*>(context) = true;
      },
      &found);
  return found;
}

// What nobody may hold for ever when all is closed and nothing comes, who holds before what is
// held. The rest of a ledger is what hosts have learnt, and keep.
constexpr std::string_view kPassing[] = {
    "time-wait sockets",
    "connection requests",
    "fragment queues",
    "IPv6 fragment queues",
    "socks",
    "sockets",
    "files",
    "threads",
    "sk_buffs",
};

}  // namespace

Stage::Stage(const LabOptions& options, const std::function<void(Lab&)>& configure,
             std::string_view prelude, std::function<void(Lab&)> afterwards)
    : lab_(Varied(options)), afterwards_(std::move(afterwards)) {
  CHECK_LE(lab_.hosts(), kHostsMax);
  configure(lab_);
  for (int host = 0; host < lab_.hosts() && lab_.has_ports(); ++host) {
    for (int nic = 0; nic < lab_.nics(host); ++nic) {
      lab_.port(host, nic).AnswerArp(&peers_, Duration::Microseconds(50));
    }
  }
  const absl::StatusOr<Script> script = ParseScript(prelude, "prelude");
  CHECK(script.ok());
  {
    ScriptPlayer player(lab_, *script);
    player.Play();
    CHECK(player.verdict().held());
    names_ = player.names();
    flows_ = player.flows();
  }
  // First, for what a device has read wrongly comes out wrong.
  lab_.recorder().AddObserver(&nics_);
  lab_.recorder().AddObserver(&wire_);
  lab_.recorder().AddObserver(&state_);
  lab_.recorder().AddObserver(&segments_);
  lab_.recorder().AddObserver(&replies_);
  lab_.recorder().AddObserver(&datagrams_);
  lab_.recorder().Restore({});
  calls_.Attach(lab_);
  lab_.Take(&start_);
  EndApplications();
  at_rest_ = Held();
  lab_.Restore(start_);
  AttachObservers(lab_.recorder(), lab_.hosts());
  StartWatchdog();
}

RunResult Stage::Run(std::span<const uint8_t> input) {
  const std::optional<Script> script = ScriptOf(input);
  return script.has_value() ? Run(*script) : RunResult();
}

RunResult Stage::Run(const Script& script) {
  WatchedInputBegins();
  const ScriptTraits traits = TraitsOf(script);
  const uint64_t steps = lab_.world().steps();
  const SimTime began = lab_.world().now();
  const Played played = Play(script, traits);
  if (afterwards_) afterwards_(lab_);
  EndApplications();
  // One whose registers somebody else writes may interrupt for ever.
  if (!traits.nic_lies) {
    const RunWork work = {.steps = lab_.world().steps() - steps,
                          .frames_out = replies_.frames_out(),
                          .lasted = lab_.world().now() - began};
    CheckWorkBounded(work, script, lab_.has_ports());
  }
  const uint64_t digest = lab_.recorder().digest().value();
  // Taking the host down costs more than most inputs. Where as much is held as after no input at
  // all, nothing has leaked.
  if (!AtRest() && IsLeftAlone(traits)) CheckComesToRest();
  if (!AtRest()) {
    lab_.Shutdown();
    CheckNothingLeft(lab_);
  }
  // Hosts that are back to back send each other frames of which nobody knows how many they are.
  const uint64_t in = lab_.recorder().ledger().frames_in();
  if (!traits.nic_lies) {
    CheckFramesAccounted(lab_.recorder(), lab_.has_ports() ? played.frames : in);
  }
  // Not before the next input: what is put back depends on this one, and so would that one's
  // coverage.
  lab_.Restore(start_);
  WatchedInputEnds();
  return {played.cut_short ? RunResult::End::kCutShort : RunResult::End::kWhole, digest};
}

void Stage::CheckBetweenSteps(const PeerFlows& flows, uint64_t steps) {
  timely_ = punctual_ && lab_.world().idle();
  segments_.ForgetSockets();
  for (int i = 0; i < lab_.hosts(); ++i) {
    struct Context {
      Stage* stage;
      const PeerFlows& flows;
      uint8_t host;
    } context = {this, flows, static_cast<uint8_t>(i)};
    sock_diag_for_each(
        lab_.host(i).network(),
        [](const sock_diag_entry& entry, void* pointer) {
          const auto* const its = static_cast<const Context*>(pointer);
          its->stage->CheckSocket(its->host, entry, its->flows);
        },
        &context);
  }
  CheckNeighbours(lab_, timely_);
  if (timely_) calls_.CheckWaiting(lab_.world().now());
  replies_.CheckEffort(steps);
  if (look_) look_();
}

void Stage::CheckSocket(uint8_t host, const sock_diag_entry& entry, const PeerFlows& flows) {
  if (entry.sk == nullptr) return;
  if (entry.protocol == wire::kIpProtoTcp) {
    CheckTcpSocket(entry.sk);
    if (timely_) CheckTcpTimers(entry.sk);
    if (streams_) CheckTcpStream(host, entry, flows);
    segments_.NoteSocket(host, entry);
  } else if (entry.protocol == wire::kIpProtoUdp) {
    CheckUdpSocket(entry.sk);
    CheckWatchers(entry.sk);
    datagrams_.Check(host, entry.sk);
  }
}

void Stage::Begin(const ScriptTraits& traits) {
  // What has never happened has been seen all the same.
  const bool goes_back = traits.goes_back || RunVariation().detour;
  const bool honest = !traits.makes_headers && !traits.nic_lies;
  const bool judging = honest && !goes_back;
  punctual_ = !traits.interrupts_held_up && !goes_back;
  streams_ = judging && !traits.sends_other_bytes;
  nics_.Begin(!traits.nic_lies, goes_back);
  calls_.Begin(punctual_);
  wire_.set_judging(honest);
  wire_.set_memory_fails(traits.fails_allocations);
  wire_.set_leaves_out_checksums(traits.leaves_out_checksums);
  segments_.Begin(judging, punctual_);
  replies_.Begin(judging && lab_.has_ports());
  datagrams_.Begin(!traits.nic_lies);
  state_.Begin();
}

Stage::Played Stage::Play(const Script& script, const ScriptTraits& traits) {
  Begin(traits);
  ScriptPlayer player(lab_, script, names_, flows_);
  player.LimitWork(kInputWorkMax);
  size_t played = 0;
  for (; player.PlayNext(); ++played) {
    CheckBetweenSteps(player.flows(), played + 1);
    if (played < script.steps.size()) state_.AfterStep(script.steps[played]);
    if (RunVariation().detour && played == script.steps.size() / 2) player.Detour(kDetour);
  }
  Settle();
  CheckBetweenSteps(player.flows(), played);
  if (!traits.interrupts_held_up) {
    // A timer may have sent something just now, whose interrupt is on its way.
    if (!RingsServed(lab_)) Settle();
    CheckRingsServed(lab_);
  }
  state_.End();
  return {.frames = player.frames(), .cut_short = player.out_of_work()};
}

void Stage::Settle() {
  SimTime now = lab_.world().now();
  for (int i = 0; i < lab_.hosts(); ++i) {
    Kernel& kernel = lab_.host(i).kernel();
    for (int k = 0; k < kernel.cpus(); ++k) now = Later(now, kernel.cpu(k).now());
  }
  lab_.world().RunUntil(now + kSettle);
}

void Stage::EndApplications() {
  for (int i = 0; i < lab_.hosts(); ++i) lab_.host(i).syscalls().CloseAll();
  Settle();
}

Stage::Holdings Stage::Held() {
  Holdings held = {};
  uint64_t mappings = 0;
  size_t next = 0;
  for (int i = 0; i < lab_.hosts(); ++i) {
    mappings += lab_.host(i).kernel().bus().live_mappings();
    LedgerEntry entries[Host::kLedgerEntriesMax];
    const int count = lab_.host(i).Ledger(entries);
    for (int k = 0; k < count; ++k) {
      if (entries[k].name == kTimers) held.timers += entries[k].held;
      if (!IsCountedApart(entries[k].name)) held.others[next++] = entries[k].held;
    }
  }
  held.packet_buffers = lab_.world().packets().live_objects();
  held.mappings_without_buffer = mappings - held.packet_buffers;
  return held;
}

bool Stage::AtRest() {
  if (lab_.recorder().ledger().queued() != 0) return false;
  const Holdings held = Held();
  return held.others == at_rest_.others &&
         held.mappings_without_buffer == at_rest_.mappings_without_buffer &&
         held.packet_buffers <= at_rest_.packet_buffers && held.timers <= at_rest_.timers;
}

const char* Stage::HeldTooLong() {
  const auto end = std::end(kPassing);
  auto found = end;
  size_t next = 0;
  for (int i = 0; i < lab_.hosts(); ++i) {
    LedgerEntry entries[Host::kLedgerEntriesMax];
    const int count = lab_.host(i).Ledger(entries);
    for (int k = 0; k < count; ++k) {
      if (IsCountedApart(entries[k].name)) continue;
      if (entries[k].held <= at_rest_.others[next++]) continue;
      found = std::min(found, std::find(std::begin(kPassing), end, entries[k].name));
    }
  }
  return found == end ? nullptr : found->data();
}

void Stage::CheckComesToRest() {
  // Most is over after the minute of TIME_WAIT; what is sent again is given up after 16 minutes.
  for (const uint64_t minutes : {uint64_t{2}, uint64_t{18}, uint64_t{100}}) {
    if (HeldTooLong() == nullptr) return;
    lab_.world().RunUntil(lab_.world().now() + Duration::Seconds(minutes * 60));
  }
  for (int i = 0; i < lab_.hosts(); ++i) {
    if (AnyRetransmitsAroundClock(lab_.host(i).network())) return;
  }
  CheckRests(HeldTooLong(), lab_);
}

void VaryRuns(const Variation& variation) { WantedVariation() = variation; }

const Variation& RunVariation() { return WantedVariation(); }

}  // namespace tapedeck::fuzz
