#include "replay/lab/tun_player.h"

#include <algorithm>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/lab/fault_steps.h"
#include "replay/lab/packet_match.h"
#include "replay/script/text.h"
#include "stack/kernel/kernel.h"
#include "stack/wire/ipv4.h"

namespace tapedeck {

namespace {

// How much later than expected a packet is still waited for, so that a failure can tell when it
// came.
constexpr Duration kLatePacket = Duration::Seconds(2);
// How long anything is waited for that may come at any time.
constexpr Duration kAnyTime = Duration::Seconds(200);

std::string Indented(const char* label, const std::string& time, const std::string& text) {
  return absl::StrFormat("\n%10s %s %s", label, time, text);
}

// A packet that was seen, as the script would write it: what `expected` does not speak of is not
// shown either.
PacketStep Shown(const PacketStep& expected, const LivePacket& seen) {
  PacketStep shown = seen.packet;
  const IpFields::TosCheck check = expected.ip.tos_check;
  shown.ip.tos_check = check == IpFields::TosCheck::kEct01 ? IpFields::TosCheck::kEcn : check;
  if (check != IpFields::TosCheck::kTos) shown.ip.tos &= wire::kEcnMask;
  if (check == IpFields::TosCheck::kNone) shown.ip.tos = 0;
  if (!expected.ip.ttl.has_value()) shown.ip.ttl.reset();
  if (!expected.ip.flow_label.has_value()) shown.ip.flow_label.reset();
  auto* const tcp = std::get_if<TcpPacket>(&shown.what);
  const auto* const wanted = std::get_if<TcpPacket>(&expected.what);
  if (tcp == nullptr || wanted == nullptr) return shown;
  tcp->ace = wanted->ace;
  if (!wanted->window.has_value()) tcp->window.reset();
  if (!wanted->options.has_value()) tcp->options.reset();
  return shown;
}

}  // namespace

TunPlayer::TunPlayer(TunLab& lab, const Script& script, const PlaySettings& settings)
    : lab_(lab),
      script_(script),
      settings_(settings),
      sockets_(settings),
      commands_(lab.host(), settings.local),
      start_(lab.world().now()),
      now_(start_) {}

TunPlayer::~TunPlayer() {
  Kernel& kernel = lab_.host().kernel();
  // Threads leave their wait queues before the calls give up the sockets that have these.
  for (ScriptCall* const call : waiting_) kernel.DeleteThread(&call->thread());
  for (Thread* const thread : idle_) kernel.DeleteThread(thread);
}

Verdict TunPlayer::Play() {
  while (PlayNext()) {
  }
  return verdict_;
}

bool TunPlayer::PlayNext() {
  if (over_) return false;
  if (!begun_) {
    Begin();
  } else if (verdict_.held() && number_ < script_.steps.size()) {
    PlayStep(script_.steps[number_]);
  } else {
    End();
  }
  return true;
}

void TunPlayer::Begin() {
  begun_ = true;
  if (script_.init.has_value()) {
    const absl::Status status = commands_.Run(*script_.init);
    if (!status.ok()) {
      Fail(0, std::string(status.message()));
      over_ = true;
      return;
    }
  }
  const Duration tick = lab_.host().kernel().tick();
  const uint64_t ticks = (lab_.world().now().ps + tick.ps - 1) / tick.ps;
  start_ = now_ = SimTime::At(tick * ticks);
}

void TunPlayer::PlayStep(const Step& step) {
  ++number_;
  const When when = TimeOf(step);
  if (std::visit([&](const auto& what) { return Do(step, what, when); }, step.what)) CollectEnded();
  last_time_ = when.time;
  const auto* const packet = std::get_if<PacketStep>(&step.what);
  last_inbound_ = packet != nullptr && packet->inbound();
  now_ = now_ + settings_.step_time;
}

void TunPlayer::End() {
  over_ = true;
  if (verdict_.held()) FinishCalls();
  if (!script_.cleanup.has_value()) return;
  const absl::Status status = commands_.Run(*script_.cleanup);
  if (!status.ok()) Fail(script_.steps.size(), std::string(status.message()));
}

// --- Time. ---

TunPlayer::When TunPlayer::TimeOf(const Step& step) const {
  When when;
  when.any = step.base == TimeBase::kAny;
  SimTime base = now_;
  if (step.base == TimeBase::kStart) {
    base = start_;
  } else if (last_inbound_ && last_time_.has_value()) {
    // Packets that come in one after another count from each other, not from how late they were.
    const auto* const packet = std::get_if<PacketStep>(&step.what);
    if (packet != nullptr && packet->inbound()) base = *last_time_;
  }
  when.time = base + step.delay;
  if (step.range.has_value()) when.range_end = when.time + *step.range;
  return when;
}

std::string TunPlayer::TimeText(SimTime time) const {
  const uint64_t ns = (time - start_).ns();
  return absl::StrFormat("%d.%06d", ns / 1'000'000'000, ns / 1'000 % 1'000'000);
}

bool TunPlayer::TimeHolds(const When& when, SimTime actual, const char* what) {
  if (when.any) return true;
  const Duration gap = last_time_.has_value() ? when.time - *last_time_ : Duration();
  const Duration tolerance = settings_.ToleranceFor(gap);
  const SimTime latest = when.range_end.value_or(when.time) + tolerance;
  if (actual <= latest && actual + tolerance >= when.time) return true;
  std::string expected = TimeText(when.time);
  if (when.range_end.has_value()) absl::StrAppend(&expected, "~", TimeText(*when.range_end));
  return Fail(absl::StrFormat("%s: expected at %s, happened at %s (tolerance %d us)", what,
                              expected, TimeText(actual), tolerance.us()));
}

bool TunPlayer::WaitUntil(const When& when, const char* what) {
  now_ = Later(when.time, now_);
  lab_.world().RunUntil(now_);
  if (!CollectEnded()) return false;
  return number_ == 1 || TimeHolds(when, now_, what);
}

void TunPlayer::Settle() { lab_.world().RunUntil(now_); }

// --- Steps. ---

bool TunPlayer::Do(const Step&, const PauseStep&, const When& when) {
  return WaitUntil(when, "pause");
}

bool TunPlayer::Do(const Step&, const AllocationFailureStep& what, const When& when) {
  if (!WaitUntil(when, "failing allocation")) return false;
  DoAllocationFailure(lab_.host(), what);
  return true;
}

bool TunPlayer::Do(const Step&, const SysctlStep& what, const When& when) {
  if (!WaitUntil(when, "sysctl")) return false;
  const absl::Status status = DoSysctl(lab_.host(), what);
  return status.ok() || Fail(std::string(status.message()));
}

bool TunPlayer::Do(const Step&, const CpuBusyStep& what, const When& when) {
  if (!WaitUntil(when, "busy CPU")) return false;
  DoCpuBusy(lab_.host(), what, lab_.world().now());
  return true;
}

bool TunPlayer::Do(const Step&, const CommandStep& command, const When& when) {
  if (!WaitUntil(when, "command")) return false;
  const absl::Status status = commands_.Run(command);
  now_ = Later(now_, lab_.world().now());
  Settle();
  return status.ok() || Fail(std::string(status.message()));
}

bool TunPlayer::Do(const Step& step, const PacketStep& packet, const When& when) {
  ScriptConnection* connection = sockets_.ForScriptPacket(packet);
  if (connection == nullptr) return Fail("no socket of the script can have this packet");
  if (!packet.inbound()) return Expect(step, packet, *connection, when);
  if (!WaitUntil(when, "inbound packet")) return false;
  return Inject(packet, *connection);
}

bool TunPlayer::Inject(const PacketStep& packet, ScriptConnection& connection) {
  const absl::StatusOr<PacketStep> live = ToLiveNumbers(packet, connection, settings_);
  if (!live.ok()) return Fail(std::string(live.status().message()));
  const absl::StatusOr<std::vector<uint8_t>> bytes =
      EncodePacket(*live, {connection.remote, connection.local});
  if (!bytes.ok()) return Fail(std::string(bytes.status().message()));
  const int error = lab_.Inject(*bytes, settings_.mss_bytes);
  if (error != 0) return Fail(absl::StrCat("tun0 refuses the packet: errno ", -error));
  Settle();
  return true;
}

bool TunPlayer::Do(const Step&, const CodeStep& code, const When& when) {
  if (!WaitUntil(when, "code")) return false;
  for (std::vector<uint8_t>& info : info_) info.clear();
  const absl::Status status =
      code_.Run(code, [this](std::string_view name) { return LookUp(name); });
  return status.ok() || Fail(std::string(status.message()));
}

std::optional<int64_t> TunPlayer::LookUp(std::string_view name) {
  const InfoField* const field = FindInfoField(name);
  if (field == nullptr) return CodeConstant(name);
  std::vector<uint8_t>& info = info_[static_cast<size_t>(field->source)];
  if (info.empty()) {
    const ScriptConnection* const connection = sockets_.current();
    if (connection == nullptr || connection->fd < 0) return std::nullopt;
    struct Option {
      int level;
      int name;
    };
    constexpr Option kOptions[kInfoSources] = {{6, 11}, {6, 26}, {1, 55}};
    const Option option = kOptions[static_cast<size_t>(field->source)];
    constexpr uint32_t kInfoBytes = 512;
    info.assign(kInfoBytes, 0);
    uint32_t length = kInfoBytes;
    Thread* const thread = TakeThread();
    const int64_t result =
        lab_.host()
            .syscalls()
            .Getsockopt(*thread, connection->fd, option.level, option.name, info.data(), &length)
            .RunNow();
    idle_.push_back(thread);
    if (result < 0) {
      info.clear();
      return std::nullopt;
    }
  }
  return ReadInfoField(*field, info);
}

// --- Packets that the host sends. ---

std::optional<TunPlayer::Sighting> TunPlayer::NextSent(const PacketStep& expected,
                                                       SimTime deadline) {
  while (lab_.RunUntilSent(deadline)) {
    const SentPacket sent = std::move(lab_.sent().front());
    lab_.sent().pop_front();
    std::optional<LivePacket> live = DecodePacket(sent.bytes);
    if (!live.has_value() || !sockets_.Takes(*live, expected)) continue;
    return Sighting{ToScriptNumbers(*live, *sockets_.current()), sent.time};
  }
  return std::nullopt;
}

// Segments one after another may be one packet of the script.
bool TunPlayer::Gather(const PacketStep& expected, SimTime deadline, Sighting* seen) {
  const auto* const tcp = std::get_if<TcpPacket>(&expected.what);
  const auto* const udp = std::get_if<UdpPacket>(&expected.what);
  const uint32_t wanted = tcp != nullptr   ? tcp->payload_bytes
                          : udp != nullptr ? udp->payload_bytes
                                           : 0U;
  uint32_t bytes = 0;
  std::optional<Sighting> first;
  while (true) {
    std::optional<Sighting> next = NextSent(expected, deadline);
    if (!next.has_value()) {
      const std::string why =
          absl::StrCat(first.has_value() ? "no more packets until " : "no packet until ",
                       TimeText(lab_.world().now()));
      return Fail(Ladder(why, expected, first.has_value() ? seen : nullptr, nullptr));
    }
    if (first.has_value() && !(first->packet.ends == next->packet.ends)) {
      // What came first was of an older connection to the same peer, and of no interest.
      first.reset();
      bytes = 0;
    }
    if (first.has_value()) {
      const std::string why = CompareSegments(seen->packet, next->packet, wanted - bytes);
      if (!why.empty()) {
        return Fail(Ladder(absl::StrCat("segments do not make up one packet: ", why), expected,
                           seen, &*next));
      }
    } else {
      first = next;
    }
    bytes += next->packet.payload_bytes;
    *seen = *std::move(next);
    const bool icmp = std::holds_alternative<IcmpPacket>(seen->packet.packet.what);
    if (icmp || bytes >= wanted || settings_.strict_segments) break;
    if (seen->packet.packet.what.index() != expected.what.index()) break;
  }
  if (bytes != first->packet.payload_bytes) {
    seen->packet = MergeSegments(first->packet, seen->packet, bytes);
  }
  return true;
}

std::string TunPlayer::Ladder(const std::string& why, const PacketStep& expected,
                              const Sighting* found, const Sighting* then) const {
  std::string text =
      absl::StrCat(why, Indented("expected", TimeText(last_expected_), PrintPacket(expected)));
  if (found != nullptr) {
    absl::StrAppend(&text, Indented("found", TimeText(found->time),
                                    PrintPacket(Shown(expected, found->packet))));
  }
  if (then != nullptr) {
    absl::StrAppend(
        &text, Indented("then", TimeText(then->time), PrintPacket(Shown(expected, then->packet))));
  }
  return text;
}

bool TunPlayer::Differs(const Step& step, const Sighting& seen, const std::string& why) {
  const auto& expected = std::get<PacketStep>(step.what);
  const std::string difference =
      Ladder(absl::StrCat("outbound packet: ", why), expected, &seen, nullptr);
  if (!settings_.non_fatal_packet) return Fail(difference);
  absl::StrAppend(&warnings_, "line ", step.line, ": ", difference, "\n");
  return true;
}

bool TunPlayer::Expect(const Step& step, const PacketStep& packet, ScriptConnection& connection,
                       const When& when) {
  last_expected_ = when.time;
  const Duration gap = last_time_.has_value() ? when.time - *last_time_ : Duration();
  const Duration late = when.any ? kAnyTime : kLatePacket + settings_.ToleranceFor(gap);
  const SimTime deadline = Later(when.range_end.value_or(when.time), now_) + late;
  Sighting seen;
  if (!Gather(packet, deadline, &seen)) return false;
  now_ = Later(now_, seen.time);
  Settle();
  const auto* const tcp = std::get_if<TcpPacket>(&packet.what);
  const auto* const udp = std::get_if<UdpPacket>(&packet.what);
  const uint32_t wanted = tcp != nullptr   ? tcp->payload_bytes
                          : udp != nullptr ? udp->payload_bytes
                                           : seen.packet.payload_bytes;
  std::string why = ComparePacket(packet, &seen.packet, &connection, settings_, when.time - start_);
  if (why.empty() && seen.packet.payload_bytes != wanted) {
    why = absl::StrCat("payload: expected ", wanted, " bytes, found ", seen.packet.payload_bytes);
  }
  if (!why.empty()) return Differs(step, seen, why);
  if (when.any) return true;
  const SimTime latest = when.range_end.value_or(when.time);
  const Duration tolerance = settings_.ToleranceFor(gap);
  if (seen.time <= latest + tolerance && seen.time + tolerance >= when.time) return true;
  return Differs(step, seen,
                 absl::StrFormat("its time: expected %s, found %s (tolerance %d us)",
                                 TimeText(when.time), TimeText(seen.time), tolerance.us()));
}

// --- System calls. ---

Thread* TunPlayer::TakeThread() {
  if (idle_.empty()) return lab_.host().kernel().NewThread(0);
  Thread* const thread = idle_.back();
  idle_.pop_back();
  return thread;
}

bool TunPlayer::Do(const Step&, const SyscallStep& step, const When& when) {
  if (!WaitUntil(when, "system call")) return false;
  const Expression* const fd = step.arguments.empty() ? nullptr : step.arguments.data();
  const CallDefaults defaults{
      .domain = settings_.domain(),
      .own = settings_.bind_endpoint(),
      .peer = settings_.connect_endpoint(),
      .ping = fd != nullptr && fd->is_integer() &&
              sockets_.IsPing(names_.Real(0, static_cast<int32_t>(fd->value))),
      .clock = {start_, settings_.tolerance}};
  Thread* const thread = TakeThread();
  calls_.push_back(std::make_unique<ScriptCall>(step, number_, /*host=*/0, *thread, defaults));
  ScriptCall& call = *calls_.back();
  const absl::Status status = call.Start(lab_.host().syscalls(), names_, now_);
  if (!status.ok()) {
    idle_.push_back(thread);
    return Fail(std::string(status.message()));
  }
  NoteConnect(call);
  waiting_.push_back(&call);
  // Until it has ended or sleeps: then its thread is on no run queue.
  World& world = lab_.world();
  while (!call.ended() && thread->ListNode<>::linked()) world.Step(SimTime::Never());
  Settle();
  if (call.ended() || step.returns_after.has_value()) return CollectEnded();
  // It delays the script, though nobody said so.
  const SimTime give_up = now_ + kAnyTime;
  while (!call.ended() && world.Step(give_up)) {
  }
  if (!call.ended()) return Fail(absl::StrCat("it still waits at ", TimeText(give_up)));
  now_ = Later(now_, call.ended_at());
  Settle();
  return CollectEnded();
}

void TunPlayer::NoteConnect(const ScriptCall& call) {
  const SyscallName name = call.step().name;
  const bool sends = name == SyscallName::kSendto || name == SyscallName::kSendmsg ||
                     name == SyscallName::kSendmmsg;
  if (name != SyscallName::kConnect && !(sends && call.has_address())) return;
  const int32_t fd = call.fd();
  if (fd >= 0) sockets_.OnConnect(fd, call.address());
}

void TunPlayer::NoteResult(const ScriptCall& call) {
  const SyscallStep& step = call.step();
  const auto result = static_cast<int32_t>(call.result());
  if (result < 0) return;
  if (const std::optional<size_t> pair = FdPairArgumentOf(step.name)) {
    const Expression& ends = step.arguments[*pair];
    for (size_t i = 0; i < 2 && i < ends.items.size(); ++i) {
      names_.Set(0, static_cast<int32_t>(ends.items[i].value), call.fd_pair()[i]);
    }
  }
  if (ReturnsFd(step.name) && step.fd != kFdNone) names_.Set(0, step.fd, result);
  switch (step.name) {
    case SyscallName::kSocket:
      return sockets_.OnSocket(result, call.socket_protocol());
    case SyscallName::kAccept:
    case SyscallName::kAccept4:
      return sockets_.OnAccept(result, call.address());
    case SyscallName::kBind:
      return sockets_.OnBind(call.fd(), call.address());
    case SyscallName::kListen:
      return sockets_.OnListen(call.fd());
    case SyscallName::kClose:
      sockets_.OnClose(call.fd());
      return names_.Forget(0, static_cast<int32_t>(step.arguments[0].value));
    default:
      return;
  }
}

bool TunPlayer::CheckEnded(const ScriptCall& call) {
  const SyscallStep& step = call.step();
  const std::string why = call.Difference();
  if (!why.empty()) {
    Step expected = script_.steps[call.number() - 1];
    Step actual = expected;
    actual.what = call.Actual();
    return Fail(call.number(),
                absl::StrCat("system call: ", why, "\n  expected ", PrintStep(expected),
                             "\n     found ", PrintStep(actual)));
  }
  if (!step.returns_after.has_value()) return true;
  const Duration tolerance = settings_.ToleranceFor(*step.returns_after);
  const SimTime due = call.made_at() + *step.returns_after;
  if (call.ended_at() <= due + tolerance && call.ended_at() + tolerance >= due) return true;
  return Fail(
      call.number(),
      absl::StrFormat("system call return: expected at %s, happened at %s (tolerance %d us)",
                      TimeText(due), TimeText(call.ended_at()), tolerance.us()));
}

bool TunPlayer::CollectEnded() {
  bool held = true;
  size_t still_waiting = 0;
  for (ScriptCall* const call : waiting_) {
    if (!call->ended()) {
      waiting_[still_waiting++] = call;
      continue;
    }
    NoteResult(*call);
    idle_.push_back(&call->thread());
    held = CheckEnded(*call) && held;
  }
  waiting_.resize(still_waiting);
  return held;
}

bool TunPlayer::FinishCalls() {
  SimTime last = now_;
  for (const ScriptCall* const call : waiting_) {
    const Duration blocks = call->step().returns_after.value_or(Duration());
    last = Later(last, call->made_at() + blocks + settings_.ToleranceFor(blocks));
  }
  lab_.world().RunUntil(Later(last, lab_.world().now()));
  if (!CollectEnded()) return false;
  if (waiting_.empty()) return true;
  return Fail(waiting_[0]->number(), absl::StrCat("it still waits at ", TimeText(last)));
}

bool TunPlayer::Fail(size_t number, std::string difference) {
  if (!verdict_.held()) return false;
  verdict_.step = number;
  verdict_.line = number == 0 ? 0 : script_.steps[number - 1].line;
  verdict_.difference = std::move(difference);
  return false;
}

}  // namespace tapedeck
