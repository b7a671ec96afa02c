#include "replay/lab/raw_replay.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "replay/capture/capture_reader.h"
#include "replay/lab/frame_player.h"
#include "replay/lab/tcp_sink.h"
#include "replay/lab/udp_sink.h"
#include "replay/script/capture_source.h"
#include "replay/script/capture_summary.h"
#include "replay/script/frame_tape.h"

namespace tapedeck {

namespace {

// Captures name no host of ours where they hold no IP at all; then it is one of the documentation
// range.
constexpr Ipv4Address kNoHost{192, 0, 2, 1};

uint32_t HzOf(const RawReplayOptions& options) {
  return options.lab.hosts.empty() ? LabHostOptions{}.hz : options.lab.hosts[0].hz;
}

// What a capture has beside frames: PlaybackResult::summary.
std::vector<std::string> Summary(const RawReplayResult& result) {
  std::vector<std::string> lines;
  std::string skipped;
  for (const auto& [reason, count] : result.skipped) {
    absl::StrAppend(&skipped, " ", reason, " ", count);
  }
  if (!skipped.empty()) lines.push_back(absl::StrCat("records skipped:", skipped));
  lines.push_back(absl::StrFormat("read %d datagrams, %d connections, %d bytes of TCP",
                                  result.udp_datagrams_read, result.tcp_connections,
                                  result.tcp_bytes_read));
  return lines;
}

// The MAC addresses that a capture shows.
class CaptureNeighbours : public Neighbours {
 public:
  explicit CaptureNeighbours(const CaptureSummary& summary) : summary_(summary) {}
  bool Find(const IpAddress& address, MacAddress* mac) const override {
    const AddressSummary* const found = summary_.Find(address);
    if (found == nullptr) return false;
    const MacVote& vote =
        found->mac_as_source.mac().IsZero() ? found->mac_as_destination : found->mac_as_source;
    if (vote.mac().IsZero()) return false;
    *mac = vote.mac();
    return true;
  }

 private:
  const CaptureSummary& summary_;
};

// Of what can be read only once (a pipe, standard input), so much is looked at before the first
// frame is played: some ten thousands of small frames.
constexpr size_t kStreamSurveyBytes = size_t{4} << 20;

// Reads the capture once to learn who is in it; of what can be read only once, the beginning of
// `feed`.
absl::StatusOr<CaptureSummary> Survey(const std::string& file, capture::ByteFeed& feed,
                                      const capture::CaptureReaderOptions& options) {
  const auto reader = [&]() -> absl::StatusOr<capture::CaptureReader> {
    if (capture::IsReadOnce(file)) {
      return capture::CaptureReader::FromBytes(feed.From(0, kStreamSurveyBytes), file, options);
    }
    auto whole = capture::OpenByteFeed(file);
    if (!whole.ok()) return whole.status();
    return capture::CaptureReader::FromFeed(*std::move(whole), file, options);
  };
  absl::StatusOr<capture::CaptureReader> survey = reader();
  if (!survey.ok()) return survey.status();
  CaptureSummary summary = ScanCapture(*survey);
  if (summary.records == 0 && !survey->damage().ok()) return survey->damage();
  return summary;
}

// Who is under test: RawReplayResult::host, host_mac and the ports.
absl::Status ChooseHost(const CaptureSummary& summary, const RawReplayOptions& options,
                        RawReplayResult* result) {
  const AddressSummary* chosen =
      options.host.has_value() ? summary.Find(*options.host) : summary.BusiestReceiver();
  result->host = options.host.has_value() ? *options.host
                 : chosen != nullptr      ? chosen->address
                                          : IpAddress(kNoHost);
  if (options.host.has_value() && chosen == nullptr) {
    result->warnings.push_back(
        absl::StrCat("host ", options.host->ToString(), " does not occur in the capture"));
  }
  result->host_mac = LabHostOptions{}.mac;
  if (chosen != nullptr) {
    const MacVote& vote = chosen->mac_as_destination.mac().IsZero() ? chosen->mac_as_source
                                                                    : chosen->mac_as_destination;
    if (!vote.mac().IsZero()) result->host_mac = vote.mac();
    result->udp_ports = chosen->udp_source_ports;
    result->tcp_ports = chosen->tcp_listening_ports;
  }
  if (options.udp_ports.has_value()) result->udp_ports = *options.udp_ports;
  if (options.tcp_ports.has_value()) result->tcp_ports = *options.tcp_ports;
  return absl::OkStatus();
}

// What an Ethernet device may be given.
bool IsHostAddress(const Ipv6Address& address) {
  return !ipv6_addr_any(address) && !ipv6_addr_loopback(address) &&
         !ipv6_addr_is_multicast(address);
}

// The IPv6 address that goes with the host: its own, else the busiest at its MAC address, else the
// busiest. None in a capture without IPv6.
std::optional<Ipv6Address> ChooseIpv6(const CaptureSummary& summary,
                                      const RawReplayResult& result) {
  if (result.host.is_v6() && IsHostAddress(result.host.v6())) return result.host.v6();
  const AddressSummary* at_mac = nullptr;
  for (const AddressSummary& candidate : summary.addresses) {
    if (!candidate.address.is_v6() || !IsHostAddress(candidate.address.v6()) ||
        candidate.frames_received == 0 || candidate.mac_as_destination.mac() != result.host_mac) {
      continue;
    }
    if (at_mac == nullptr || candidate.frames_received > at_mac->frames_received) {
      at_mac = &candidate;
    }
  }
  if (at_mac == nullptr) at_mac = summary.BusiestReceiver(AddressFamily::kIpv6);
  if (at_mac == nullptr || !IsHostAddress(at_mac->address.v6())) return std::nullopt;
  return at_mac->address.v6();
}

LabOptions MakeLabOptions(const CaptureSummary& summary, const RawReplayOptions& options,
                          const RawReplayResult& result) {
  LabOptions lab = options.lab;
  if (lab.hosts.empty()) lab.hosts.emplace_back();
  LabHostOptions& host = lab.hosts[0];
  host.mac = result.host_mac;
  host.address = result.host.is_v4() ? result.host.v4() : kIpv4Any;
  host.prefix_length_bits = 32;
  host.address6 = ChooseIpv6(summary, result);
  host.prefix6_length_bits = 128;
  host.everything_on_link = true;
  return lab;
}

void Report(const std::string& file, const capture::CaptureReader& reader,
            const CaptureSource& source, const FramePlayer& player, RawReplayResult* result) {
  const CaptureSourceCounts& counts = source.counts();
  for (int i = 0; i < static_cast<int>(capture::SkipReason::kCount); ++i) {
    const auto reason = static_cast<capture::SkipReason>(i);
    if (counts.skipped_of(reason) != 0) {
      result->skipped[capture::SkipReasonName(reason)] = counts.skipped_of(reason);
    }
  }
  result->records = counts.records;
  // No frames, but other readers number them as if they were.
  if (reader.custom_blocks() != 0) result->skipped["custom_block"] = reader.custom_blocks();
  if (player.oversize() != 0) result->skipped["oversize"] = player.oversize();
  for (const std::string& warning : Warnings(counts)) {
    result->warnings.push_back(absl::StrCat(file, ": ", warning));
  }
  for (const std::string& warning : reader.warnings()) result->warnings.push_back(warning);
  if (!reader.damage().ok()) result->warnings.emplace_back(reader.damage().message());
}

void Account(Lab& lab, RawReplayResult* result) {
  const Recorder& recorder = lab.recorder();
  const FrameLedger& ledger = recorder.ledger();
  result->frames_in = ledger.frames_in();
  result->frames_out = recorder.count(TraceKind::kWireTx);
  result->delivered = ledger.delivered();
  result->queued = ledger.queued();
  result->dropped_own = ledger.dropped_own();
  for (int i = 0; i < kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (ledger.dropped(reason) != 0)
      result->dropped[DropReasonName(reason)] = ledger.dropped(reason);
  }
  result->interrupts = recorder.count(TraceKind::kInterrupt);
  result->polls = recorder.count(TraceKind::kNapiPoll);
  result->events = recorder.digest().events();
  result->digest = recorder.digest().ToString();
}

}  // namespace

// What a run is made of, in the order in which it is made.
struct RawPlayback::Parts {
  Parts(CaptureSummary summary_in, capture::CaptureReader reader_in, const LabOptions& options,
        Arena* arena)
      : summary(std::move(summary_in)),
        neighbours(summary),
        reader(std::move(reader_in)),
        source(reader),
        lab(options, arena) {}

  CaptureSummary summary;
  CaptureNeighbours neighbours;
  capture::CaptureReader reader;
  CaptureSource source;
  std::optional<FrameTape> tape;  // of the source, where the run can be taken back
  Lab lab;
  std::optional<UdpSinks> udp_sinks;
  std::optional<TcpSinks> tcp_sinks;
  std::optional<FramePlayer> player;
};

struct RawPlayback::Seam final : Playback::State {
  size_t bytes() const override { return lab.memory.bytes(); }
  Lab::Checkpoint lab;
  FramePlayer::State player;
  size_t tape_position = 0;
  std::optional<SimTime> end;
};

RawPlayback::RawPlayback() = default;
RawPlayback::~RawPlayback() = default;

absl::StatusOr<std::unique_ptr<RawPlayback>> RawPlayback::Open(const std::string& file,
                                                               const RawReplayOptions& options,
                                                               Arena* arena) {
  std::unique_ptr<RawPlayback> run(new RawPlayback);
  run->options_ = options;
  RawReplayResult& result = run->result_;
  result.file = file;
  capture::CaptureReaderOptions reading;
  reading.filter = options.filter;
  auto feed = capture::OpenByteFeed(file, options.stop);
  if (!feed.ok()) return feed.status();
  absl::StatusOr<CaptureSummary> summary = Survey(file, **feed, reading);
  if (!summary.ok()) return summary.status();
  if (options.filter != nullptr && !options.filter->status().ok()) return options.filter->status();
  result.capture_start_ns = std::max<int64_t>(summary->first_ns, 0);
  absl::Status chosen = ChooseHost(*summary, options, &result);
  if (!chosen.ok()) return chosen;
  auto reader = capture::CaptureReader::FromFeed(*std::move(feed), file, reading);
  if (!reader.ok()) return reader.status();

  const LabOptions lab_options = MakeLabOptions(*summary, options, result);
  run->parts_ =
      std::make_unique<Parts>(*std::move(summary), *std::move(reader), lab_options, arena);
  Parts& parts = *run->parts_;
  Lab& lab = parts.lab;
  if (options.answer_arp) lab.port(0).AnswerArp(&parts.neighbours, options.arp_delay);
  const IpAddress any = result.host.is_v6() ? IpAddress(kIpv6Any) : IpAddress(kIpv4Any);
  parts.udp_sinks.emplace(lab.host(0), result.udp_ports, any);
  parts.tcp_sinks.emplace(lab.host(0), result.tcp_ports, any);
  run->start_ = lab.world().now();
  FrameSource* frames = &parts.source;
  if (options.rewindable || options.restore_after_frames != 0) {
    frames = &parts.tape.emplace(parts.source);
  }
  parts.player.emplace(lab.world(), lab.port(0), *frames, run->start_, options.frames_max);
  parts.player->set_played(options.played);
  return run;
}

World& RawPlayback::world() { return parts_->lab.world(); }
Recorder& RawPlayback::recorder() { return parts_->lab.recorder(); }
Host& RawPlayback::host(int i) { return parts_->lab.host(i); }
uint64_t RawPlayback::frames() const { return parts_->player->frames(); }
bool RawPlayback::all_sent() const { return parts_->player->done(); }

double RawPlayback::share() const {
  const auto bytes = static_cast<double>(parts_->reader.size_bytes());  // 0: not known
  return bytes == 0 ? 0 : static_cast<double>(parts_->reader.offset_bytes()) / bytes;
}

// The time behind the last frame begins once that is on the wire.
bool RawPlayback::Advance() {
  if (!all_sent()) return world().Step(SimTime::Never());
  if (!end_.has_value()) {
    end_ = Later(parts_->player->last_time(), world().now()) + options_.settle;
  }
  if (world().Step(*end_)) return true;
  world().RunUntil(*end_);
  return false;
}

std::unique_ptr<Playback::State> RawPlayback::Take() {
  if (!parts_->tape.has_value()) return nullptr;
  auto seam = std::make_unique<Seam>();
  parts_->lab.Take(&seam->lab);
  seam->player = parts_->player->state();
  seam->tape_position = parts_->tape->position();
  seam->end = end_;
  return seam;
}

void RawPlayback::Restore(const State& state) {
  const auto& seam = static_cast<const Seam&>(state);
  parts_->lab.Restore(seam.lab);
  parts_->player->Restore(seam.player);
  parts_->tape->Seek(seam.tape_position);
  end_ = seam.end;
}

std::string RawPlayback::Settings() const {
  const auto ports = [](const std::vector<uint16_t>& list) {
    return list.empty() ? std::string("-") : absl::StrJoin(list, ",");
  };
  return absl::StrFormat("raw  host %s  mac %s  udp %s  tcp %s  arp %s  hz %d  settle %d ms",
                         result_.host.ToString(), result_.host_mac.ToString(),
                         ports(result_.udp_ports), ports(result_.tcp_ports),
                         options_.answer_arp ? "answered" : "silent", HzOf(options_),
                         options_.settle.ns() / 1'000'000);
}

PlaybackResult RawPlayback::Finish() {
  Lab& lab = parts_->lab;
  result_.virtual_time = lab.world().now() - start_;
  result_.udp_datagrams_read = parts_->udp_sinks->datagrams();
  result_.tcp_connections = parts_->tcp_sinks->connections();
  result_.tcp_bytes_read = parts_->tcp_sinks->bytes();
  Account(lab, &result_);
  Report(result_.file, parts_->reader, parts_->source, *parts_->player, &result_);
  // The end of the Lab is not part of the run.
  lab.world().set_trace_sink(nullptr);
  lab.Shutdown();
  const uint64_t faults = lab.host(0).kernel().bus().faults();
  if (faults != 0) {
    result_.violations.push_back(
        absl::StrFormat("%d accesses by the device that the driver did not allow", faults));
  }
  for (std::string& left : lab.Leftovers()) result_.violations.push_back(std::move(left));
  using Outcome = PlaybackResult::Outcome;
  return {.outcome = result_.violations.empty() ? Outcome::kHeld : Outcome::kFailed,
          .digest = result_.digest,
          .events = result_.events,
          .problems = result_.violations,
          .warnings = result_.warnings,
          .output = "",
          .summary = Summary(result_)};
}

namespace {

// Goes `frames` further, back to where it was, and leaves the run as if nothing had happened.
void CheckRestore(RawPlayback& run, uint64_t frames) {
  while (!run.all_sent() && run.frames() < frames) run.Advance();
  const std::unique_ptr<Playback::State> state = run.Take();
  const uint64_t until = run.frames() + frames;
  while (!run.all_sent() && run.frames() < until) run.Advance();
  run.Restore(*state);
}

}  // namespace

absl::StatusOr<RawReplayResult> RawReplay(const std::string& file, const RawReplayOptions& options,
                                          const RawReplayHooks& hooks) {
  absl::StatusOr<std::unique_ptr<RawPlayback>> opened = RawPlayback::Open(file, options);
  if (!opened.ok()) return opened.status();
  RawPlayback& run = **opened;
  if (hooks.started) {
    absl::Status started = hooks.started(run.result(), run.recorder());
    if (!started.ok()) return started;
  }
  if (hooks.host_made) hooks.host_made(run.host(0));
  if (options.restore_after_frames != 0) CheckRestore(run, options.restore_after_frames);
  uint64_t next_report = 0;
  const bool interrupted = PlayToEnd(run, options.stop, [&] {
    if (!hooks.progress || run.all_sent() || run.frames() < next_report) return;
    next_report = run.frames() + 4096;
    hooks.progress(run.share(), run.frames());
  });
  if (hooks.ended) hooks.ended(run.host(0));
  run.Finish();
  RawReplayResult result = run.result();
  result.interrupted = interrupted;
  return result;
}

}  // namespace tapedeck
