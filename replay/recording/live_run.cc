#include "replay/recording/live_run.h"

#include <utility>

#include "absl/strings/str_format.h"
#include "stack/base/drop_reason.h"
#include "stack/kernel/cost_preset.h"

namespace tapedeck {

namespace {

LabOptions LiveLabOptions(const LiveSettings& settings, const LiveRunOptions& wanted) {
  LabOptions options;
  options.seed = settings.seed;
  options.costs = CostPresetNamed(settings.costs).value_or(CostTable());
  options.arena = wanted.memory;
  options.observer = wanted.observer;
  options.edits = wanted.edits;
  LabHostOptions host;
  host.mac = settings.mac;
  host.address = settings.address;
  host.prefix_length_bits = settings.prefix_bits;
  host.address6 = settings.address6;
  host.prefix6_length_bits = settings.prefix6_bits;
  host.hz = settings.hz;
  host.driver.eitr = settings.eitr;
  host.driver.rx_ring_entries = settings.rx_ring;
  host.driver.tx_ring_entries = settings.tx_ring;
  options.hosts = {host};
  return options;
}

constexpr SimTime NextWholeNanosecond(SimTime time) {
  return SimTime{(time.ps + 999) / 1000 * 1000};
}

}  // namespace

std::string ServiceReportText(const LiveReport::ServiceReport& report) {
  return absl::StrFormat("%s=%d  connections %d  requests %d  bytes in %d  out %d",
                         ServiceName(report.service.kind), report.service.port,
                         report.counts.connections, report.counts.requests, report.counts.bytes_in,
                         report.counts.bytes_out);
}

LiveRun::LiveRun(const LiveSettings& settings, const LiveRunOptions& options, Arena* arena)
    : lab_(LiveLabOptions(settings, options), arena),
      start_(NextWholeNanosecond(lab_.world().now())) {
  Host& host = lab_.host(0);
  // A gateway that cannot be reached is left out, as `ip route add` would.
  if (settings.gateway.has_value()) {
    (void)host.AddRoute(lab_.device(0), Ipv4Prefix(), *settings.gateway);
  }
  if (settings.gateway6.has_value()) {
    (void)host.AddRoute(lab_.device(0), kIpv6Any, 0, *settings.gateway6);
  }
  for (const Service& service : settings.services) {
    services_.push_back({service, StartService(host, service, settings.address6.has_value())});
  }
  RunUntil(start_);
}

SimTime LiveRun::NextEvent() {
  World& world = lab_.world();
  if (!world.idle()) return world.now();
  return Earlier(world.device_events().next_time(), world.cpu_events().next_time());
}

bool LiveRun::Step(SimTime limit) {
  if (lab_.world().Step(limit)) return true;
  lab_.world().RunUntil(limit);  // nothing happens, but it is that late
  return false;
}

void LiveRun::Receive(std::span<const uint8_t> frame) {
  lab_.port(0).Inject(now(), frame, /*stable=*/false, /*flags=*/0);
}

uint64_t LiveRun::connections() const {
  uint64_t connections = 0;
  for (const RunningService& service : services_) connections += service.counts->connections;
  return connections;
}

LiveReport LiveRun::Report() {
  const Recorder& recorder = lab_.recorder();
  const FrameLedger& ledger = recorder.ledger();
  LiveReport report;
  report.frames_in = ledger.frames_in();
  report.frames_out = recorder.count(TraceKind::kWireTx);
  report.delivered = ledger.delivered();
  report.queued = ledger.queued();
  report.dropped_own = ledger.dropped_own();
  for (int i = 0; i < kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (ledger.dropped(reason) != 0)
      report.dropped[DropReasonName(reason)] = ledger.dropped(reason);
  }
  report.interrupts = recorder.count(TraceKind::kInterrupt);
  report.polls = recorder.count(TraceKind::kNapiPoll);
  report.events = recorder.digest().events();
  report.digest = recorder.digest().ToString();
  report.virtual_time = now() - start_;
  for (const RunningService& service : services_) {
    report.services.push_back({service.service, *service.counts});
  }
  return report;
}

LiveReport LiveRun::Finish() {
  LiveReport report = Report();
  lab_.world().set_trace_sink(nullptr);
  lab_.Shutdown();
  const uint64_t faults = host().kernel().bus().faults();
  if (faults != 0) {
    report.violations.push_back(
        absl::StrFormat("%d accesses by the device that the driver did not allow", faults));
  }
  for (std::string& left : lab_.Leftovers()) report.violations.push_back(std::move(left));
  return report;
}

}  // namespace tapedeck
