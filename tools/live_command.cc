// tapedeck live: the stack on a TAP device, in real time.
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstring>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "replay/live/live_session.h"
#include "replay/live/net_namespace.h"
#include "replay/live/tap_device.h"
#include "tools/commands.h"
#include "tools/recording.h"

namespace tapedeck::tools {

namespace {

struct LiveFlags {
  std::string tap;
  bool create = false;
  std::string netns;
  std::string peer;
  std::string peer6;
  std::string address = "10.99.0.2/24";
  std::string address6 = "fd00:99::2/64";
  std::string gateway = "-";
  std::string gateway6 = "-";
  std::string mac = LiveSettings{}.mac.ToString();
  std::string serve = "http=80,echo=7,discard=9,iperf3=5201";
  std::string seed = "5eed0001";
  std::string costs = "free";
  std::string hz = "1000";
  std::string eitr = "c8";
  std::string rx_ring = "512";
  std::string tx_ring = "512";
  std::string record;
  double for_s = 0;
  bool quiet = false;
};

void ComplainOfLive(const std::string& line) {
  std::fprintf(stderr, "tapedeck live: %s\n", line.c_str());
}

absl::StatusOr<LiveSettings> SettingsOf(const LiveFlags& flags) {
  LiveSettings settings;
  absl::Status status;
  const auto set = [&](const char* name, const std::string& value) {
    if (status.ok()) status = SetLiveSetting(name, value, &settings);
  };
  set("seed", flags.seed);
  set("costs", flags.costs);
  set("hz", flags.hz);
  set("eitr", flags.eitr);
  set("rx_ring", flags.rx_ring);
  set("tx_ring", flags.tx_ring);
  set("mac", flags.mac);
  set("address", flags.address);
  set("address6", flags.address6);
  set("gateway", flags.gateway);
  set("gateway6", flags.gateway6);
  set("serve", flags.serve);
  if (!status.ok()) return absl::InvalidArgumentError(absl::StrCat("--", status.message()));
  return settings;
}

// The first address of a network that is not the host's own.
Ipv4Address NeighbourOf(Ipv4Address address, uint8_t prefix_bits) {
  const uint32_t network = address.host() & inet_make_mask(prefix_bits);
  const uint32_t first = network + 1;
  return Ipv4Address(first == address.host() ? network + 2 : first);
}

Ipv6Address NeighbourOf(const Ipv6Address& address) {
  std::array<uint8_t, 16> bytes = address.bytes();
  bytes[15] = bytes[15] == 1 ? 2 : 1;
  return Ipv6Address(std::span<const uint8_t, 16>(bytes));
}

// The kernel's addresses at the other end of the cable.
absl::StatusOr<TapDevice::KernelSide> KernelSideOf(const LiveFlags& flags,
                                                   const LiveSettings& settings) {
  TapDevice::KernelSide side;
  if (settings.address != kIpv4Any) {
    side.address = NeighbourOf(settings.address, settings.prefix_bits);
    side.prefix_bits = settings.prefix_bits;
  }
  if (settings.address6.has_value()) {
    side.address6 = NeighbourOf(*settings.address6);
    side.prefix6_bits = settings.prefix6_bits;
  }
  if (!flags.peer.empty()) {
    side.address = Ipv4Address::Parse(flags.peer);
    if (!side.address.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--peer ", flags.peer, ": expected an IPv4 address"));
    }
  }
  if (!flags.peer6.empty()) {
    side.address6 = Ipv6Address::Parse(flags.peer6);
    if (!side.address6.has_value()) {
      return absl::InvalidArgumentError(
          absl::StrCat("--peer6 ", flags.peer6, ": expected an IPv6 address"));
    }
  }
  return side;
}

// One line on a terminal, written over again and again.
class StatusLine {
 public:
  explicit StatusLine(bool quiet) : shown_(!quiet && isatty(STDERR_FILENO) != 0) {}
  ~StatusLine() {
    if (shown_) std::fprintf(stderr, "\r%*s\r", kColumns, "");
  }
  void Show(const LiveStatus& status) {
    if (!shown_) return;
    const std::string text = absl::StrFormat(
        "%8.1f s  in %d  out %d  connections %d  dropped %d%s  lag %.1f ms", status.wall_s,
        status.frames_in, status.frames_out, status.connections, status.dropped,
        status.kernel_drops == 0 ? "" : absl::StrFormat(" (+%d unread)", status.kernel_drops),
        static_cast<double>(status.lag.us()) * 1e-3);
    std::fprintf(stderr, "\r%-*s", kColumns, text.c_str());
  }

 private:
  static constexpr int kColumns = 96;
  bool shown_;
};

void PrintSessionEnd(const LiveStatus& status, const std::string& device) {
  absl::PrintF("lag at most %.3f ms\n", static_cast<double>(status.lag_max.us()) * 1e-3);
  if (status.waiting != 0) {
    absl::PrintF("%d frames had come and not arrived yet when it ended\n", status.waiting);
  }
  if (status.kernel_drops != 0) {
    absl::PrintF("%s dropped %d frames that were not read in time\n", device, status.kernel_drops);
  }
  for (const auto& [error, frames] : status.refused) {
    absl::PrintF("%s did not take %d frames: %s\n", device, frames, std::strerror(error));
  }
}

int DriveSession(const LiveFlags& flags, const LiveSettings& settings, TapDevice& tap) {
  LiveRun run(settings);
  StatusLine line(flags.quiet);
  LiveSession::Options options;
  options.record = flags.record;
  if (flags.for_s > 0) {
    options.duration = std::chrono::nanoseconds(static_cast<int64_t>(flags.for_s * 1e9));
  }
  options.status = [&](const LiveStatus& status) { line.Show(status); };
  absl::Status status;
  LiveStatus end;
  {
    LiveSession session(tap, settings, run, options);
    status = session.Start();
    if (status.ok()) {
      absl::PrintF("%s  %s\n", tap.name(), LiveSettingsText(settings));
      std::fflush(stdout);
      status = session.Run();
    }
    end = session.Status();
  }
  if (!status.ok()) {
    ComplainOfLive(std::string(status.message()));
    return kExitUsage;
  }
  const LiveReport report = run.Finish();
  PrintSessionEnd(end, tap.name());
  PrintLiveReport(report, end.wall_s);
  return report.violations.empty() ? kExitHeld : kExitFailed;
}

int RunLive(const LiveFlags& flags) {
  const absl::StatusOr<LiveSettings> settings = SettingsOf(flags);
  if (!settings.ok()) {
    ComplainOfLive(std::string(settings.status().message()));
    return kExitUsage;
  }
  const absl::StatusOr<TapDevice::KernelSide> side = KernelSideOf(flags, *settings);
  if (!side.ok()) {
    ComplainOfLive(std::string(side.status().message()));
    return kExitUsage;
  }
  std::optional<NetNamespace> space;
  if (!flags.netns.empty()) {
    absl::StatusOr<NetNamespace> entered = NetNamespace::Enter(flags.netns, flags.create);
    if (!entered.ok()) {
      ComplainOfLive(std::string(entered.status().message()));
      return kExitUsage;
    }
    space.emplace(*std::move(entered));
  }
  absl::StatusOr<TapDevice> tap = TapDevice::Open(flags.tap, flags.create);
  absl::Status status = tap.status();
  if (status.ok() && flags.create) status = tap->Configure(*side);
  if (!status.ok()) {
    ComplainOfLive(std::string(status.message()));
    return kExitUsage;
  }
  return DriveSession(flags, *settings, *tap);
}

constexpr char kLiveFooter[] =
    R"(A host in virtual time, behind a modelled 82599, answers on a TAP device of this machine: ping it, curl its web server,
run iperf3 against it. A driver outside maps the wall clock to virtual time; frames arrive at the moment at which they
were read, what the host sends is written as it is sent. Nothing else of the world reaches it, so a recording of its
inputs (--record) is the whole run: `tapedeck replay FILE` makes it again, exactly, and says so by its digest. Wireshark
shows a recording as any capture, with the host's system calls as comments. Until it ends the file is called FILE.part,
and that can be replayed, too, if the program is killed.

With --create the device is made, brought up and given this machine's addresses (the first of each network, or --peer
and --peer6); it goes away at the end. With --netns it lies in that network namespace, made by --create where there is
none: `ip netns exec NAME curl http://10.99.0.2/`. Without --create the device has to exist and be up.

Applications (--serve NAME=PORT,...; "-" for none):
  http     a page about the host, /bytes/N (64k, 10M, ...), /proc/net/FILE; PUT and POST are read and counted
  echo     sends back what comes, over TCP and UDP
  discard  reads what comes, over TCP and UDP
  iperf3   a server for iperf3 -c: TCP, UDP, -R, --bidir, -P N, -b RATE

On a terminal a line on stderr tells the state: frames, connections, drops, and the lag, which is how far virtual time is
behind. Ends with SIGINT, SIGTERM or after --for, prints what became of every frame as `tapedeck replay` does, and the
digest. Frames that this machine had no room to keep for the host are told as well; they are no part of the run.

Examples:
  sudo tapedeck live --tap td0 --create
  sudo tapedeck live --tap td0 --create --netns td --record run.pcapng --for 30
  tapedeck replay run.pcapng

Exit codes: 0 the run held, 1 it did not (something leaked, a driver bug), 2 wrong flags, no device, no permission, or
the disk is full.)";

void AddHostFlags(CLI::App* sub, LiveFlags* flags) {
  sub->add_option("--address", flags->address, "The host's IPv4 address; - for none")
      ->capture_default_str()
      ->type_name("A/LEN");
  sub->add_option("--address6", flags->address6, "The host's IPv6 address; - for none")
      ->capture_default_str()
      ->type_name("A/LEN");
  sub->add_option("--mac", flags->mac, "The host's MAC address")
      ->capture_default_str()
      ->type_name("MAC");
  sub->add_option("--gateway", flags->gateway, "Its way to other IPv4 networks; - for none")
      ->capture_default_str()
      ->type_name("A");
  sub->add_option("--gateway6", flags->gateway6, "Its way to other IPv6 networks; - for none")
      ->capture_default_str()
      ->type_name("A");
  sub->add_option("--serve", flags->serve, "Applications and their ports")
      ->capture_default_str()
      ->type_name("NAME=PORT,...");
  sub->add_option("--seed", flags->seed, "Seed of all random numbers, hexadecimal")
      ->capture_default_str()
      ->type_name("HEX");
  sub->add_option("--costs", flags->costs, "What code costs: a preset (free, xdp18)")
      ->capture_default_str()
      ->type_name("NAME");
  sub->add_option("--hz", flags->hz, "Ticks a second of the host's kernel: 100, 250, 1000")
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("--eitr", flags->eitr,
                  "Interrupt moderation register, hexadecimal; bits 11:3 count 2.048 us")
      ->capture_default_str()
      ->type_name("HEX");
  sub->add_option("--rx-ring", flags->rx_ring, "Receive descriptors, a multiple of 8")
      ->capture_default_str()
      ->type_name("N");
  sub->add_option("--tx-ring", flags->tx_ring, "Transmit descriptors, a multiple of 8")
      ->capture_default_str()
      ->type_name("N");
}

}  // namespace

Run AddLiveCommand(CLI::App& app, CLI::App** subcommand) {
  const auto flags = std::make_shared<LiveFlags>();
  CLI::App* const sub =
      app.add_subcommand("live", "Attach the stack to a TAP device in real time, and record");
  *subcommand = sub;
  sub->footer(kLiveFooter);
  sub->add_option("--tap", flags->tap, "The TAP device")->required()->type_name("NAME");
  sub->add_flag("--create", flags->create,
                "Make the device (and the namespace), bring it up, set addresses");
  sub->add_option("--netns", flags->netns, "The network namespace that the device lies in")
      ->type_name("NAME");
  sub->add_option("--peer", flags->peer,
                  "This machine's IPv4 address, with --create [first of the network]")
      ->type_name("A");
  sub->add_option("--peer6", flags->peer6,
                  "This machine's IPv6 address, with --create [...::1 of the network]")
      ->type_name("A");
  sub->add_option("-r,--record", flags->record, "Record the run as pcapng")->type_name("FILE");
  sub->add_option("--for", flags->for_s, "End after so many seconds [never]")
      ->check(CLI::PositiveNumber)
      ->type_name("S");
  sub->add_flag("-q,--quiet", flags->quiet, "No line about the state on a terminal");
  AddHostFlags(sub, flags.get());
  return [flags] { return RunLive(*flags); };
}

}  // namespace tapedeck::tools
