#include "fuzz/stage.h"

#include <algorithm>
#include <variant>

#include "absl/status/statusor.h"
#include "fuzz/oracles.h"
#include "fuzz/stage_observer.h"
#include "fuzz/tcp_oracle.h"
#include "replay/lab/fault_steps.h"
#include "replay/lab/script_player.h"
#include "replay/script/symbols.h"
#include "replay/script/text.h"
#include "stack/base/check.h"

namespace tapedeck::fuzz {

namespace {

constexpr std::string_view kDmaMappings = "DMA mappings";  // in a host's ledger

// A call makes a socket whose user may write headers of any kind: neither stream nor datagram, or
// of a family other than IP.
bool MayMakeHeaders(const Script& script) {
  return std::any_of(script.steps.begin(), script.steps.end(), [](const Step& step) {
    const auto* const call = std::get_if<SyscallStep>(&step.what);
    if (call == nullptr || call->name != SyscallName::kSocket) return false;
    const int64_t type = call->arguments[1].value & kSockTypeMask;
    return type != kSockStream && type != kSockDgram;
  });
}

}  // namespace

Stage::Stage(const LabOptions& options, const std::function<void(Lab&)>& configure,
             std::string_view prelude)
    : lab_(options) {
  CHECK_LE(lab_.hosts(), kHostsMax);
  configure(lab_);
  for (int i = 0; i < lab_.hosts(); ++i) {
    lab_.port(i).AnswerArp(&peers_, Duration::Microseconds(50));
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
  lab_.recorder().AddObserver(&wire_);
  lab_.recorder().AddObserver(&state_);
  lab_.recorder().Restore({});
  lab_.Take(&start_);
  EndApplications();
  at_rest_ = Held();
  lab_.Restore(start_);
  AttachObservers(lab_.recorder(), lab_.hosts());
}

uint64_t Stage::Run(const Script& script) {
  const uint64_t steps = lab_.world().steps();
  const uint64_t frames = Play(script);
  EndApplications();
  CheckWorkBounded(lab_.world().steps() - steps, script);
  const bool nic_lies = HasLyingNic(script);
  if (!nic_lies) CheckDmaAllowed(lab_.recorder());
  const uint64_t digest = lab_.recorder().digest().value();
  // Taking the host down costs more than most inputs. Where as much is held as after no input at
  // all, nothing has leaked.
  if (lab_.recorder().ledger().queued() != 0 || !AtRest()) {
    lab_.Shutdown();
    CheckNothingLeft(lab_);
  }
  if (!nic_lies) CheckFramesAccounted(lab_.recorder(), frames);
  // Not before the next input: what is put back depends on this one, and so would that one's
  // coverage.
  lab_.Restore(start_);
  return digest;
}

void Stage::CheckBetweenSteps(const PeerFlows& flows) {
  CheckTcpSockets(lab_);
  if (streams_) CheckTcpStreams(lab_, flows);
}

uint64_t Stage::Play(const Script& script) {
  wire_.set_judging(!MayMakeHeaders(script));
  streams_ = std::none_of(script.steps.begin(), script.steps.end(), [](const Step& step) {
    return std::holds_alternative<FrameStep>(step.what);
  });
  ScriptPlayer player(lab_, script, names_, flows_);
  state_.Begin();
  for (size_t played = 0; player.PlayNext(); ++played) {
    CheckBetweenSteps(player.flows());
    if (played < script.steps.size()) state_.AfterStep(script.steps[played]);
  }
  lab_.world().RunUntil(lab_.world().now() + kSettle);
  CheckBetweenSteps(player.flows());
  state_.End();
  return player.frames();
}

void Stage::EndApplications() {
  for (int i = 0; i < lab_.hosts(); ++i) lab_.host(i).syscalls().CloseAll();
  lab_.world().RunUntil(lab_.world().now() + kSettle);
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
      if (entries[k].name != kDmaMappings) held.others[next++] = entries[k].held;
    }
  }
  held.packet_buffers = lab_.world().packets().live_objects();
  held.mappings_without_buffer = mappings - held.packet_buffers;
  return held;
}

bool Stage::AtRest() {
  const Holdings held = Held();
  return held.others == at_rest_.others &&
         held.mappings_without_buffer == at_rest_.mappings_without_buffer &&
         held.packet_buffers <= at_rest_.packet_buffers;
}

}  // namespace tapedeck::fuzz
