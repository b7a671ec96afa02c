// tapedeck replay: captures through the stack.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "replay/lab/load_costs.h"
#include "replay/lab/raw_replay.h"
#include "replay/recording/recording_replay.h"
#include "replay/trace/chain_output.h"
#include "replay/trace/trace_printer.h"
#include "stack/kernel/cost.h"
#include "tools/commands.h"
#include "tools/counts.h"
#include "tools/recording.h"
#include "tools/replay_flags.h"
#include "tools/run_outputs.h"
#include "tools/seed_flag.h"
#include "tools/selection_flags.h"
#include "tools/stand_in_replay.h"
#include "tools/stop_signals.h"

namespace tapedeck::tools {

namespace {

using Clock = std::chrono::steady_clock;

void ComplainOfReplay(const std::string& line) {
  std::fprintf(stderr, "tapedeck replay: %s\n", line.c_str());
}

uint32_t HzOf(const ReplayFlags& flags) { return flags.hz.value_or(LabHostOptions().hz); }

absl::StatusOr<RawReplayOptions> MakeReplayOptions(const ReplayFlags& flags) {
  RawReplayOptions options;
  const absl::StatusOr<uint64_t> seed = ParseSeed(flags.seed);
  if (!seed.ok()) return seed.status();
  options.lab.seed = *seed;
  const absl::StatusOr<Selection> selection = MakeSelection(flags.selection);
  if (!selection.ok()) return selection.status();
  auto filter = MakeRecordFilter(*selection);
  if (!filter.ok()) return filter.status();
  options.filter = *std::move(filter);
  absl::StatusOr<CostTable> costs = LoadCostTable(flags.costs);
  if (!costs.ok()) return costs.status();
  options.lab.costs = *costs;
  options.lab.arena.fill = static_cast<uint8_t>(flags.fill);
  if (!flags.arena.empty()) options.lab.arena.address = std::stoull(flags.arena, nullptr, 16);
  LabHostOptions host;
  host.hz = HzOf(flags);
  host.driver.eitr = flags.eitr.value_or(ixgbe::IxgbeOptions{}.eitr);
  host.driver.rx_ring_entries = flags.rx_ring;
  host.driver.tx_ring_entries = flags.tx_ring;
  host.driver.drop_enable = flags.drop_enable;
  options.lab.hosts = {host};
  if (!flags.host.empty()) {
    options.host = IpAddress::Parse(flags.host);
    if (!options.host.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--host ", flags.host, ": expected an IPv4 or IPv6 address"));
    }
  }
  if (flags.no_sockets) {
    options.udp_ports.emplace();
    options.tcp_ports.emplace();
  } else if (!flags.bind.empty()) {
    options.udp_ports = flags.bind;
  }
  options.answer_arp = !flags.no_arp_answers;
  options.settle = Duration::Nanoseconds(static_cast<uint64_t>(flags.settle_s * 1e9));
  options.frames_max = flags.frames_max;
  options.restore_after_frames = flags.restore_after;
  options.stop = StopSignals::Wanted;
  return options;
}

// Progress on a terminal, once a run has taken longer than a second.
class Progress {
 public:
  void operator()(double done, uint64_t frames) {
    const Clock::time_point now = Clock::now();
    if (isatty(STDERR_FILENO) == 0 || now - last_ < std::chrono::milliseconds(250) ||
        now - start_ < std::chrono::seconds(1)) {
      return;
    }
    last_ = now;
    shown_ = true;
    if (done > 0) std::fprintf(stderr, "\r%3d %%", static_cast<int>(done * 100));
    std::fprintf(stderr, "%s%llu frames ", done > 0 ? "  " : "\r",
                 static_cast<unsigned long long>(frames));
  }
  ~Progress() {
    if (shown_) std::fprintf(stderr, "\r%*s\r", 40, "");
  }

 private:
  Clock::time_point start_ = Clock::now();
  Clock::time_point last_ = start_;
  bool shown_ = false;
};

std::string SettingsLine(const ReplayFlags& flags, const RawReplayResult& run) {
  return absl::StrFormat(
      "seed %s  costs %s  hz %d  nic 82599  eitr 0x%x  rx_ring %d  tx_ring %d%s  host %s  mac %s  "
      "udp %s  tcp %s  arp %s",
      flags.seed, flags.costs, HzOf(flags), flags.eitr.value_or(ixgbe::IxgbeOptions{}.eitr),
      flags.rx_ring, flags.tx_ring, flags.drop_enable ? "  drop_en" : "", run.host.ToString(),
      run.host_mac.ToString(), run.udp_ports.empty() ? "-" : absl::StrJoin(run.udp_ports, ","),
      run.tcp_ports.empty() ? "-" : absl::StrJoin(run.tcp_ports, ","),
      flags.no_arp_answers ? "silent" : "answered");
}

void PrintSummary(const RawReplayResult& run, double wall_s) {
  const double virtual_s = static_cast<double>(run.virtual_time.ns()) * 1e-9;
  absl::PrintF("frames in %d = delivered %d + dropped %d%s + queued %d\n", run.frames_in,
               run.delivered, Total(run.dropped), CountsText(run.dropped), run.queued);
  if (!run.skipped.empty()) {
    absl::PrintF("records skipped %d%s\n", Total(run.skipped), CountsText(run.skipped));
  }
  absl::PrintF(
      "frames out %d  own packets dropped %d  datagrams read %d  connections %d  bytes read %d\n"
      "interrupts %d  polls %d  events %d\n",
      run.frames_out, run.dropped_own, run.udp_datagrams_read, run.tcp_connections,
      run.tcp_bytes_read, run.interrupts, run.polls, run.events);
  absl::PrintF("virtual %.6f s  wall %.3f s  %.0f frames per wall second\n", virtual_s, wall_s,
               wall_s > 0 ? static_cast<double>(run.frames_in) / wall_s : 0);
  for (const std::string& violation : run.violations) absl::PrintF("violated: %s\n", violation);
  absl::PrintF("%s  digest %s\n", VerdictWord(run.violations, run.interrupted), run.digest);
}

// One line. A name or a message may hold any byte.
void PrintJsonLine(const nlohmann::ordered_json& json) {
  absl::PrintF("%s\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

void PrintJsonError(const std::string& file, const absl::Status& status) {
  nlohmann::ordered_json json;
  json["file"] = file;
  json["error"] = std::string(status.message());
  PrintJsonLine(json);
}

void PrintJson(const RawReplayResult& run, double wall_s) {
  nlohmann::ordered_json json;
  json["file"] = run.file;
  json["host"] = run.host.ToString();
  json["frames_in"] = run.frames_in;
  json["frames_out"] = run.frames_out;
  json["delivered"] = run.delivered;
  json["dropped"] = run.dropped;
  json["queued"] = run.queued;
  json["skipped"] = run.skipped;
  json["interrupts"] = run.interrupts;
  json["polls"] = run.polls;
  json["virtual_ns"] = run.virtual_time.ns();
  json["wall_ns"] = static_cast<uint64_t>(wall_s * 1e9);
  json["digest"] = run.digest;
  json["warnings"] = run.warnings;
  json["violations"] = run.violations;
  json["interrupted"] = run.interrupted;
  PrintJsonLine(json);
}

report::ReportInput MakeReplayReport(const ReplayFlags& flags, const RawReplayResult& run) {
  report::ReportInput input;
  input.title = FileName(run.file);
  input.held = run.violations.empty();
  input.verdict = run.interrupted ? "the run was interrupted"
                  : input.held    ? "every frame is accounted for, nothing is left, no driver bug"
                                  : "the run broke a promise";
  input.digest = run.digest;
  input.command =
      absl::StrFormat("tapedeck replay --host %s --seed %s --costs %s --hz %d %s",
                      run.host.ToString(), flags.seed, flags.costs, HzOf(flags), input.title);
  input.figures = {{"frames in", absl::StrCat(run.frames_in)},
                   {"delivered", absl::StrCat(run.delivered)},
                   {"dropped", absl::StrCat(Total(run.dropped))},
                   {"frames out", absl::StrCat(run.frames_out)},
                   {"interrupts", absl::StrCat(run.interrupts)},
                   {"polls", absl::StrCat(run.polls)},
                   {"events", absl::StrCat(run.events)},
                   {"virtual time",
                    absl::StrFormat("%.6f s", static_cast<double>(run.virtual_time.ns()) * 1e-9)}};
  input.settings = {SettingsLine(flags, run)};
  for (const auto& [reason, records] : run.skipped) {
    input.warnings.push_back(absl::StrFormat("%d records skipped: %s", records, reason));
  }
  input.warnings.insert(input.warnings.end(), run.warnings.begin(), run.warnings.end());
  input.violations = run.violations;
  return input;
}

// One file, raw; the exit code.
int ReplayRaw(const ReplayFlags& flags, const std::string& file, const RawReplayOptions& options) {
  TracePrinter printer(stdout, flags.verbose >= 3   ? TracePrinter::Detail::kAll
                               : flags.verbose == 2 ? TracePrinter::Detail::kFrames
                                                    : TracePrinter::Detail::kChanges);
  RunOutputs outputs(flags.outputs);
  RawReplayHooks hooks;
  hooks.started = [&](const RawReplayResult& run, Recorder& recorder) {
    if (!flags.json) {
      absl::PrintF("%s\n%s\n", file, SettingsLine(flags, run));
    }
    if (flags.verbose > 0 && !flags.json) {
      printer.PrintHeader();
      recorder.AddObserver(&printer);
    }
    CaptureOutput::Options capture;
    capture.comments = {SettingsLine(flags, run)};
    capture.epoch_ns = run.capture_start_ns;
    return outputs.Start(recorder, capture);
  };
  std::optional<ChainOutput> chain;
  RawReplayOptions watched = options;
  if (!flags.chain.empty()) {
    absl::StatusOr<ChainOutput> created = ChainOutput::Create(flags.chain);
    if (!created.ok()) {
      ComplainOfReplay(std::string(created.status().message()));
      return kExitUsage;
    }
    chain.emplace(*std::move(created));
    watched.lab.observer = &*chain;
  }
  Progress progress;
  hooks.progress = [&](double done, uint64_t frames) { progress(done, frames); };
  const Clock::time_point start = Clock::now();
  const absl::StatusOr<RawReplayResult> run = RawReplay(file, watched, hooks);
  const double wall_s = std::chrono::duration<double>(Clock::now() - start).count();
  if (!run.ok()) {
    ComplainOfReplay(std::string(run.status().message()));
    if (flags.json) PrintJsonError(file, run.status());
    return kExitUsage;
  }
  absl::Status written = outputs.Finish(MakeReplayReport(flags, *run));
  if (chain.has_value()) written.Update(chain->Close());
  if (!written.ok()) {
    ComplainOfReplay(std::string(written.message()));
    return kExitUsage;
  }
  for (const std::string& warning : run->warnings)
    ComplainOfReplay(absl::StrCat("warning: ", warning));
  if (flags.json) {
    PrintJson(*run, wall_s);
  } else {
    PrintSummary(*run, wall_s);
  }
  return ExitCodeOf(run->violations.empty(), run->interrupted);
}

RecordingFlags RecordingFlagsOf(const ReplayFlags& flags) {
  return {.verbose = flags.verbose,
          .json = flags.json,
          .fill = static_cast<uint8_t>(flags.fill),
          .outputs = flags.outputs};
}

// What is interrupted ends with its summary.
int ReplayFile(const ReplayFlags& flags, const std::string& file, const RawReplayOptions& options) {
  const StopSignals signals(/*interrupts_calls=*/true);
  if (MayStandIn(flags, file)) {
    const std::optional<int> code = ReplayStandIn(flags, file, options);
    if (code.has_value()) return *code;
  }
  return ReplayRaw(flags, file, options);
}

int RunReplay(const ReplayFlags& flags) {
  const absl::StatusOr<RawReplayOptions> options = MakeReplayOptions(flags);
  if (!options.ok()) {
    ComplainOfReplay(std::string(options.status().message()));
    return kExitUsage;
  }
  if (!flags.chain.empty() && (flags.files.size() > 1 || flags.restore_after != 0)) {
    ComplainOfReplay("--chain takes one straight run: one file, and no --restore-after");
    return kExitUsage;
  }
  if ((flags.outputs.any() || !flags.plan_out.empty()) && flags.files.size() > 1) {
    ComplainOfReplay("files are written of the run of one capture, and several were given");
    return kExitUsage;
  }
  int exit_code = kExitHeld;
  for (const std::string& file : flags.files) {
    const int code = IsRecording(file) ? ReplayRecordingFile(RecordingFlagsOf(flags), file)
                                       : ReplayFile(flags, file, *options);
    if (code > exit_code) exit_code = code;
    if (code == kExitInterrupted) break;
  }
  return exit_code;
}

}  // namespace

Run AddReplayCommand(CLI::App& app, CLI::App** subcommand) {
  auto flags = std::make_shared<ReplayFlags>();
  CLI::App* const sub = app.add_subcommand("replay", "Play captures through the stack");
  *subcommand = sub;
  sub->footer(
      "A capture is replayed with state (--mode stand-in): the stack takes the place of one "
      "captured "
      "host. What the\n"
      "host's application did is inferred and written down as a plan; the other side's packets "
      "drive the stack, with\n"
      "sequence numbers, SACK blocks and timestamps made to fit; and what the stack sends is "
      "compared with what the\n"
      "captured host sent, flow by flow:\n"
      "  A  same segments, fields and times   A- times within 4 ms or 13 %   B same bytes, cut or "
      "acknowledged otherwise\n"
      "  C  same bytes, more recovery         D  another course\n"
      "A plan can be kept (--plan-out), changed with an editor, and replayed instead of the "
      "capture.\n"
      "A comment of a pcapng frame can change it, too: \"replay: drop\", keep, dup, delay 20ms.\n"
      "\n"
      "With --mode raw, or where a capture has no flow of TCP or UDP to stand in for, each frame "
      "enters one host's NIC\n"
      "at its captured time, and what the host answers goes nowhere but into the trace. The host "
      "takes the address of\n"
      "the busiest receiver. Reads pcap and pcapng, plain or compressed. \"-\" is standard input; "
      "that and pipes are\n"
      "played raw as they come, in constant memory: their first 4 MiB tell who is in them.\n"
      "\n"
      "A recording of `tapedeck live` is recognised and made again with its own settings: every "
      "frame that the host sends\n"
      "and every digest must be as recorded. One that was cut short (FILE.part) is replayed as "
      "far as it goes.\n"
      "\n"
      "Output: the settings, then one line a state change or drop with -v (frames with -vv, "
      "everything with -vvv), then\n"
      "what became of each frame, and the digest, which is the same wherever the same run is "
      "made. Stand-in adds a table\n"
      "of flows, the guesses of the plan, and both sides beside each other around the first "
      "difference.\n"
      "\n"
      "Examples:\n"
      "  tapedeck replay capture.pcapng\n"
      "  tapedeck replay --host 10.0.0.2 -v --out run.pcapng capture.pcap\n"
      "  tapedeck replay --plan-out web.plan web.pcap && tapedeck replay --require-grade B "
      "web.plan\n"
      "  tapedeck replay --mode raw --json corpus/captures/*\n"
      "\n"
      "Exit codes: 0 all runs held, 1 one did not (frames unaccounted for, something leaked, a "
      "driver bug, or a flow\n"
      "below --require-grade), 2 wrong flags, or a file of which nothing could be used, 130 "
      "interrupted: what was asked\n"
      "for is printed and written of the run so far.");
  sub->add_option("files", flags->files, "Captures and plans; \"-\" for standard input")
      ->required()
      ->type_name("FILE");
  sub->add_option("--mode", flags->mode, "How to replay: stand-in, raw, or what fits")
      ->capture_default_str()
      ->check(CLI::IsMember({"auto", "stand-in", "raw"}));
  sub->add_option("--host", flags->host,
                  "Address of the host under test [nearest to the capture; raw: busiest receiver]")
      ->type_name("IP");
  sub->add_option("--plan-out", flags->plan_out, "Write the plan as text")->type_name("FILE");
  sub->add_option("--require-grade", flags->require_grade,
                  "The verdict is no where a flow has a worse grade than this")
      ->check(CLI::IsMember({"A", "A-", "B", "C", "D"}))
      ->type_name("GRADE");
  sub->add_option("--timing", flags->timing,
                  "When packets of a plan enter: reactive (as long after their cause as captured), "
                  "absolute, fast")
      ->capture_default_str()
      ->check(CLI::IsMember({"reactive", "absolute", "fast"}));
  sub->add_option("--bind", flags->bind,
                  "Raw: UDP ports with a reading socket [those the captured host sent from]")
      ->delimiter(',')
      ->type_name("PORT,...");
  sub->add_flag("--no-sockets", flags->no_sockets,
                "Raw: nobody listens, datagrams are answered by ICMP");
  sub->add_flag("--no-arp-answers", flags->no_arp_answers,
                "Raw: the host's ARP requests stay without answer");
  sub->add_option("--seed", flags->seed, "Seed of all random numbers, hexadecimal")
      ->capture_default_str()
      ->type_name("HEX");
  sub->add_option("--costs", flags->costs, "What code costs: a preset (free, xdp18) or a file")
      ->capture_default_str()
      ->type_name("NAME");
  sub->add_option("--hz", flags->hz,
                  "Ticks a second of the host's kernel [stand-in: by the capture; 1000]")
      ->check(CLI::IsMember({100, 250, 1000}));
  sub->add_option("--eitr", flags->eitr,
                  "Interrupt moderation register; bits 11:3 count 2.048 us [0; raw: 0xc8]")
      ->check(CLI::Range(0, 0xfff))
      ->type_name("N");
  sub->add_option("--rx-ring", flags->rx_ring, "Receive descriptors, a multiple of 8")
      ->capture_default_str()
      ->check(CLI::Range(64, 4096) & CLI::Validator(
                                         [](std::string& text) {
                                           return std::stoul(text) % 8 == 0
                                                      ? std::string()
                                                      : text + " is no multiple of 8";
                                         },
                                         ""));
  sub->add_option("--tx-ring", flags->tx_ring, "Transmit descriptors, a multiple of 8")
      ->capture_default_str()
      ->check(CLI::Range(64, 4096) & CLI::Validator(
                                         [](std::string& text) {
                                           return std::stoul(text) % 8 == 0
                                                      ? std::string()
                                                      : text + " is no multiple of 8";
                                         },
                                         ""));
  sub->add_flag("--drop-enable", flags->drop_enable,
                "A full receive ring drops (QPRDC) instead of blocking the packet buffer (MPC)");
  sub->add_option("--settle", flags->settle_s, "Virtual seconds to go on behind the last frame")
      ->capture_default_str()
      ->check(CLI::Range(0.0, 86400.0))
      ->type_name("S");
  AddSelectionFlags(*sub, false, flags->selection);
  sub->add_option("--frames", flags->frames_max, "Raw: play only so many frames [all]")
      ->type_name("N");
  sub->add_flag("-v", flags->verbose,
                "Print state changes and drops; -vv frames too; -vvv all events");
  AddOutputFlags(sub, &flags->outputs);
  sub->add_flag("--json", flags->json, "One JSON object a file instead of text");
  sub->add_option("--fill", flags->fill,
                  "Byte that unused memory is filled with; the digest does not depend on it")
      ->capture_default_str()
      ->check(CLI::Range(0, 255))
      ->type_name("N");
  // Both are free under every sanitizer and Valgrind.
  sub->add_option("--arena", flags->arena,
                  "Address of the Lab's memory; the digest does not depend on it [7ea000000000]")
      ->check(CLI::IsMember({"7ea000000000", "7ed000000000"}));
  sub->add_option("--chain", flags->chain,
                  "Write the digest after every event: two runs differ first where these files do")
      ->type_name("FILE");
  sub->add_option("--restore-after", flags->restore_after,
                  "Raw, plans: snapshot after N frames, run on, restore, go on; the digest does "
                  "not depend on it")
      ->type_name("N");
  return [flags] { return RunReplay(*flags); };
}

}  // namespace tapedeck::tools
