#include "fuzz/oracles.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <iterator>
#include <string>

#include "replay/trace/frame_ledger.h"
#include "stack/host.h"

namespace tapedeck::fuzz {

namespace {

// The largest datagram leaves in 45 fragments, of which each is sent, put on the wire and cleaned
// up.
constexpr uint64_t kStepsAStep = 400;
// A write of 4 MiB is 3000 segments, each acknowledged, and on a bad path sent again.
constexpr uint64_t kStepsAStepBackToBack = 100'000;
// Sent, put on the wire, cleaned up; how many may be sent is another bound (AMPL).
constexpr uint64_t kStepsAFrame = 4;
// Timers that run for ever have periods of seconds; retries have ends.
constexpr uint64_t kStepsASecond = 100;
constexpr uint64_t kStepsARun = 1'000;

// What is still held, by name; nullptr where nothing is.
const char* HeldObject(Lab& lab) {
  for (int i = 0; i < lab.hosts(); ++i) {
    LedgerEntry entries[Host::kLedgerEntriesMax];
    const int count = lab.host(i).Ledger(entries);
    for (int k = 0; k < count; ++k) {
      if (entries[k].held != 0) return entries[k].name;
    }
  }
  World& world = lab.world();
  if (world.packets().live_objects() != 0) return "packet_buffer";
  if (world.device_events().size() + world.cpu_events().size() != 0) return "event";
  return nullptr;
}

bool IsSame(const TraceEvent& a, const TraceEvent& b, bool same_times) {
  return a.kind == b.kind && a.host == b.host && std::equal(a.args, std::end(a.args), b.args) &&
         (!same_times || a.time == b.time);
}

void PrintSeen(const char* side, const TraceEvent* event) {
  if (event == nullptr) {
    std::fprintf(stderr, "%s  nothing more\n", side);
    return;
  }
  std::fprintf(stderr, "%s  %" PRIu64 ".%012" PRIu64 " s  %s", side,
               event->time.ps / 1'000'000'000'000, event->time.ps % 1'000'000'000'000,
               GetTraceKindInfo(event->kind).name);
  for (const uint64_t argument : event->args) {
    std::fprintf(stderr, " %" PRId64, static_cast<int64_t>(argument));
  }
  std::fprintf(stderr, "\n");
}

}  // namespace

void ReportBroken(const char* oracle, const char* rule, const char* object) {
  // One word, whatever a ledger calls its objects.
  std::string word = object;
  std::replace(word.begin(), word.end(), ' ', '_');
  std::fprintf(stderr, "ASSERTION FAILED: %s:%s:%s\n", oracle, rule, word.c_str());
}

[[gnu::noinline]] void CheckFramesAccounted(const Recorder& recorder, uint64_t sent) {
  const FrameLedger& ledger = recorder.ledger();
  if (ledger.frames_in() == sent && ledger.delivered() + ledger.dropped() == sent) return;
  ReportBroken("RES", "accounted", "frame");
  std::fprintf(stderr,
               "%" PRIu64 " frames sent, %" PRIu64 " in, %" PRIu64 " delivered, %" PRIu64
               " dropped\n",
               sent, ledger.frames_in(), ledger.delivered(), ledger.dropped());
  std::abort();
}

[[gnu::noinline]] void CheckNothingLeft(Lab& lab) {
  const char* const object = HeldObject(lab);
  if (object == nullptr) return;
  ReportBroken("RES", "empty", object);
  for (const std::string& line : lab.Leftovers()) std::fprintf(stderr, "%s\n", line.c_str());
  std::abort();
}

[[gnu::noinline]] void CheckRests(const char* object, Lab& lab) {
  if (object == nullptr) return;
  ReportBroken("RES", "rests", object);
  for (const std::string& line : lab.Leftovers()) std::fprintf(stderr, "%s\n", line.c_str());
  std::abort();
}

[[gnu::noinline]] void CheckWorkBounded(const RunWork& work, const Script& script, bool peers) {
  // Calls that wait last longer than the script says, and time may be set back.
  Duration scripted;
  for (const Step& step : script.steps) scripted += step.delay;
  const Duration lasted = std::max(work.lasted, scripted);
  const uint64_t steps_max = kStepsARun +
                             script.steps.size() * (peers ? kStepsAStep : kStepsAStepBackToBack) +
                             work.frames_out * kStepsAFrame + lasted.seconds() * kStepsASecond;
  if (work.steps <= steps_max) return;
  ReportBroken("WORK", "bounded", "steps");
  std::fprintf(stderr, "%" PRIu64 " steps, at most %" PRIu64 "\n", work.steps, steps_max);
  std::abort();
}

[[gnu::noinline]] void CheckDriverRecovers(bool recovered, const char* object) {
  if (recovered) return;
  ReportBroken("DRIVER", "recovers", object);
  std::abort();
}

[[gnu::noinline]] void CheckSameForApplications(std::span<const TraceEvent> plain,
                                                std::span<const TraceEvent> changed,
                                                bool same_times) {
  size_t same = 0;
  const size_t both = std::min(plain.size(), changed.size());
  while (same < both && IsSame(plain[same], changed[same], same_times)) ++same;
  if (same == plain.size() && same == changed.size()) return;
  ReportBroken("META", "same", "application");
  std::fprintf(stderr, "event %zu of what applications saw\n", same + 1);
  PrintSeen("plain  ", same < plain.size() ? &plain[same] : nullptr);
  PrintSeen("changed", same < changed.size() ? &changed[same] : nullptr);
  std::abort();
}

}  // namespace tapedeck::fuzz
