#include "replay/lab/script_playback.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "replay/lab/lab.h"
#include "replay/lab/script_hosts.h"
#include "replay/lab/tun_lab.h"
#include "replay/lab/tun_player.h"

namespace tapedeck {

namespace {

template <typename... Whats>
bool IsOneOf(const Step& step) {
  return (std::holds_alternative<Whats>(step.what) || ...);
}

// Frames, segments, hosts and what is done to NICs are what the packetdrill language does not know:
// such a script is for hosts with NICs.
bool IsRaw(const Script& script) {
  return std::any_of(script.steps.begin(), script.steps.end(), [](const Step& step) {
    return step.host != 0 || step.nic != 0 ||
           IsOneOf<FrameStep, SegmentStep, LinkStep, NicRegisterStep, NicFaultStep,
                   SpuriousInterruptStep, SnapshotStep>(step);
  });
}

// Of a script that was cut short in its step number `begun`: the promise is the fuzzers', too.
Verdict EndlessWork(const Script& script, size_t begun, uint64_t work_max) {
  return {.step = begun,
          .line = begun == 0 ? 0 : script.steps[begun - 1].line,
          .difference = absl::StrCat("WORK:ends: cut short after ", work_max,
                                     " steps of the main loop: what is asked for has no end")};
}

// What came of a script that is over, for both kinds of Lab. `player` is gone afterwards.
template <typename AnyLab, typename Player>
PlaybackResult JudgeScript(const Script& script, const ScriptPlaybackOptions& options, AnyLab& lab,
                           bool cut_short, std::optional<Player>* player) {
  PlaybackResult result;
  const size_t begun = (*player)->begun();
  const Verdict verdict =
      cut_short ? EndlessWork(script, begun, options.work_max) : (*player)->verdict();
  if (options.judged && !verdict.held()) {
    result.problems.push_back(
        verdict.line == 0
            ? absl::StrCat(options.name, ": ", verdict.difference)
            : absl::StrCat(options.name, ":", verdict.line, ": ", verdict.difference));
  } else if (cut_short) {
    result.summary.push_back(absl::StrCat("cut short in step ", begun, " of ", script.steps.size(),
                                          " after ", options.work_max, " steps of the main loop"));
  }
  if (options.trace) result.digest = lab.recorder().digest().ToString();
  result.events = lab.recorder().digest().events();
  // The end of the Lab is not part of the run.
  lab.world().set_trace_sink(nullptr);
  player->reset();
  if (options.check_leftovers) {
    lab.Shutdown();
    const std::vector<std::string> left = lab.Leftovers();
    if (!left.empty() && result.problems.empty()) {
      result.problems.push_back(absl::StrCat(options.name, ": after its end the host still holds ",
                                             absl::StrJoin(left, ", ")));
    }
  }
  if (!result.problems.empty()) result.outcome = PlaybackResult::Outcome::kFailed;
  return result;
}

// What the script of a Playback needs and what nobody can do with it.
class ScriptPlaybackBase : public Playback {
 public:
  std::unique_ptr<State> Take() override { return nullptr; }
  void Restore(const State&) override { CHECK(false); }

 protected:
  ScriptPlaybackBase(Script script, const ScriptPlaybackOptions& options)
      : script_(std::move(script)), options_(options) {}
  const Script script_;
  const ScriptPlaybackOptions options_;
};

TunLabOptions TunOptions(const ScriptPlaybackOptions& options) {
  TunLabOptions lab;
  lab.seed = options.seed;
  lab.costs = options.costs;
  lab.trace = options.trace;
  lab.observer = options.hooks.observer;
  lab.edits = options.hooks.edits;
  return lab;
}

class TunPlayback final : public ScriptPlaybackBase {
 public:
  TunPlayback(Script script, const PlaySettings& settings, const ScriptPlaybackOptions& options,
              Arena* arena)
      : ScriptPlaybackBase(std::move(script), options),
        settings_(settings),
        lab_(settings_, TunOptions(options), arena) {
    player_.emplace(lab_, script_, settings_);
    steps_ = lab_.world().steps();
  }

  std::string Settings() const override {
    return absl::StrCat("script on tun0  ", std::string(IpVersionName(settings_.ip_version)),
                        "  mtu ", settings_.mtu_bytes, "  tolerance ", settings_.tolerance.ns(),
                        " ns");
  }
  World& world() override { return lab_.world(); }
  Recorder& recorder() override { return lab_.recorder(); }
  int hosts() const override { return 1; }
  Host& host(int) override { return lab_.host(); }
  // Packets and timers alone: every step ends by itself.
  bool Advance() override { return !OutOfWork() && player_->PlayNext(); }
  PlaybackResult Finish() override {
    std::string output = absl::StrCat(player_->warnings(), player_->output());
    PlaybackResult result = JudgeScript(script_, options_, lab_, OutOfWork(), &player_);
    result.output = std::move(output);
    return result;
  }

 private:
  bool OutOfWork() { return lab_.world().steps() - steps_ >= options_.work_max; }

  const PlaySettings settings_;
  TunLab lab_;
  std::optional<TunPlayer> player_;
  uint64_t steps_ = 0;  // of the main loop, before the script
};

LabOptions NicLabOptions(const Script& script, const ScriptPlaybackOptions& options) {
  uint8_t hosts = 1;
  for (const Step& step : script.steps) {
    hosts = std::max(hosts, static_cast<uint8_t>(step.host + 1));
  }
  LabOptions lab;
  lab.costs = options.costs;
  lab.seed = options.seed;
  lab.trace = options.trace;
  lab.observer = options.hooks.observer;
  lab.edits = options.hooks.edits;
  for (uint8_t host = 0; host < hosts; ++host) {
    lab.hosts.push_back(ScriptHostOptions(host));
    if (options.nics) lab.hosts.back().address6 = HostIpv6(host);
  }
  return lab;
}

class NicPlayback final : public ScriptPlaybackBase {
 public:
  NicPlayback(Script script, const ScriptPlaybackOptions& options, Arena* arena)
      : ScriptPlaybackBase(std::move(script), options),
        lab_(NicLabOptions(script_, options), arena) {
    for (int host = 0; host < lab_.hosts(); ++host) {
      lab_.port(host).AnswerArp(&peers_, Duration::Microseconds(50));
    }
    player_.emplace(lab_, script_);
    player_->LimitWork(options_.work_max);
  }

  std::string Settings() const override {
    return absl::StrCat("script on NICs  hosts ", lab_.hosts());
  }
  World& world() override { return lab_.world(); }
  Recorder& recorder() override { return lab_.recorder(); }
  int hosts() const override { return lab_.hosts(); }
  Host& host(int i) override { return lab_.host(i); }
  bool Advance() override { return player_->PlayNext(); }
  PlaybackResult Finish() override {
    return JudgeScript(script_, options_, lab_, player_->out_of_work(), &player_);
  }

 private:
  const ScriptPeers peers_;
  Lab lab_;
  std::optional<ScriptPlayer> player_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<Playback>> OpenScriptPlayback(Script script,
                                                             const ScriptPlaybackOptions& options,
                                                             Arena* arena) {
  if (options.nics || IsRaw(script)) {
    return std::make_unique<NicPlayback>(std::move(script), options, arena);
  }
  const absl::StatusOr<PlaySettings> settings = MakePlaySettings(script.options, options.tolerance);
  if (!settings.ok()) {
    return absl::InvalidArgumentError(
        absl::StrCat(options.name, ": ", settings.status().message()));
  }
  if (settings->ip_version != options.ip_version.value_or(settings->ip_version)) {
    return absl::FailedPreconditionError(absl::StrCat(
        options.name, ": is for ", std::string(IpVersionName(settings->ip_version)), " only"));
  }
  return std::make_unique<TunPlayback>(std::move(script), *settings, options, arena);
}

}  // namespace tapedeck
