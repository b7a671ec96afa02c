#include "replay/lab_file/lab_run.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/lab/lab.h"
#include "replay/lab/udp_apps.h"
#include "stack/base/drop_reason.h"
#include "stack/core/net_device.h"
#include "stack/kernel/cost_preset.h"

namespace tapedeck {

namespace {

constexpr Duration kCheckPeriod = Duration::Milliseconds(10);
// So long an IPv6 address is tentative, and nobody uses it (RFC 4862 5.4): a delay of up to a
// second, and one for an answer.
constexpr Duration kDuplicateDetection = Duration::Seconds(2);

LabOptions OptionsOf(const LabFile& file, const CostTable& costs) {
  LabOptions options;
  options.seed = file.seed;
  options.costs = costs;
  options.back_to_back = true;
  for (size_t i = 0; i < file.hosts.size(); ++i) {
    LabHostOptions host;
    host.mac = MacAddress(0x02, 0, 0, 0, 0, static_cast<uint8_t>(i + 1));
    host.address = file.hosts[i].address;
    host.prefix_length_bits = file.hosts[i].prefix_bits;
    host.address6 = file.hosts[i].address6;
    host.prefix6_length_bits = file.hosts[i].prefix6_bits;
    options.hosts.push_back(host);
    options.links[i] = file.links[i];
  }
  return options;
}

void SetFeatures(const LabFile& file, Lab& lab) {
  for (size_t i = 0; i < file.hosts.size(); ++i) {
    net_device* const dev = lab.device(static_cast<int>(i));
    if (file.hosts[i].gro) netdev_set_features(dev, dev->features | NETIF_F_GRO);
  }
}

bool HasIpv6(const LabFile& file) {
  return std::any_of(file.hosts.begin(), file.hosts.end(),
                     [](const LabFileHost& host) { return host.address6.has_value(); });
}

// The applications of a Lab and what they count.
class LabApplications {
 public:
  LabApplications(const LabFile& file, Lab& lab) {
    for (const LabFileServer& server : file.servers) {
      servers_.push_back(lab.arena().New<AppCounts>());
      const bool has_ipv6 = file.hosts[server.host].address6.has_value();
      const AppFamilies families = has_ipv6 ? AppFamilies::kBoth : AppFamilies::kIpv4;
      Host& host = lab.host(static_cast<int>(server.host));
      if (server.is_udp) {
        StartUdpServer(host, server.port, servers_.back(), families);
      } else {
        StartTcpServer(host, server.port, servers_.back(), 0, families);
      }
    }
    for (const LabFileClient& client : file.clients) {
      const LabFileServer& server = file.servers[client.server];
      clients_.push_back(lab.arena().New<AppCounts>());
      const LabFileHost& peer = file.hosts[server.host];
      const IpAddress address =
          client.over_ipv6 ? IpAddress(*peer.address6) : IpAddress(peer.address);
      const auto start = server.is_udp ? &StartUdpClient : &StartTcpClient;
      start(lab.host(static_cast<int>(client.host)), Endpoint{address, server.port}, client.plan,
            file.seed + clients_.size(), clients_.back());
    }
  }

  bool Through() const {
    for (const AppCounts* client : clients_) {
      if (client->running != 0) return false;
    }
    return true;
  }

  void Report(LabRunResult* result) const {
    for (const AppCounts* counts : clients_) result->clients.push_back(*counts);
    for (const AppCounts* counts : servers_) result->servers.push_back(*counts);
  }

 private:
  std::vector<AppCounts*> servers_;
  std::vector<AppCounts*> clients_;
};

void Judge(const LabFile& file, LabRunResult* result) {
  for (size_t i = 0; i < file.clients.size(); ++i) {
    const AppCounts& counts = result->clients[i];
    const std::string& name = file.clients[i].name;
    if (counts.running != 0) {
      result->violations.push_back(absl::StrCat(name, " is not through when the limit is reached"));
    }
    if (counts.failed_calls != 0) {
      result->violations.push_back(absl::StrCat(
          name, ": ", counts.failed_calls, " calls failed, the first with ", counts.first_error));
    }
  }
  uint64_t wrong = 0;
  for (const AppCounts& counts : result->clients) wrong += counts.wrong_bytes;
  for (const AppCounts& counts : result->servers) wrong += counts.wrong_bytes;
  if (wrong != 0) result->violations.push_back(absl::StrCat(wrong, " bytes came wrong"));
}

void Account(Lab& lab, LabRunResult* result) {
  const Recorder& recorder = lab.recorder();
  const FrameLedger& ledger = recorder.ledger();
  result->frames_in = ledger.frames_in();
  result->delivered = ledger.delivered();
  result->queued = ledger.queued();
  for (int i = 0; i < kDropReasons; ++i) {
    const auto reason = static_cast<DropReason>(i);
    if (ledger.dropped(reason) != 0)
      result->dropped[DropReasonName(reason)] = ledger.dropped(reason);
  }
  for (int i = 0; i < 2; ++i) {
    result->plain[i] = lab.link(i) == nullptr;
    if (!result->plain[i]) result->links[i] = lab.link(i)->counts();
  }
  result->events = recorder.digest().events();
  result->digest = recorder.digest().ToString();
}

}  // namespace

uint64_t Goodput(const LabRunResult& run, const AppCounts& client) {
  const uint64_t ns = (client.last_byte_at - run.start).ns();
  if (ns == 0) return 0;
  const uint128 bits = static_cast<uint128>(client.bytes_sent + client.bytes_received) * 8;
  return static_cast<uint64_t>(bits * 1'000'000'000 / ns);
}

absl::StatusOr<LabRunResult> RunLabFile(
    const LabFile& file, const std::function<absl::Status(Recorder& recorder)>& started) {
  const std::optional<CostTable> costs = CostPresetNamed(file.costs);
  if (!costs.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat(file.path, ": costs `", file.costs, "`: the presets are ", CostPresetNames()));
  }
  Lab lab(OptionsOf(file, *costs));
  SetFeatures(file, lab);
  if (started) {
    if (absl::Status status = started(lab.recorder()); !status.ok()) return status;
  }
  if (HasIpv6(file)) lab.world().RunUntil(lab.world().now() + kDuplicateDetection);
  LabRunResult result;
  result.start = lab.world().now();
  const LabApplications applications(file, lab);
  const SimTime end = result.start + file.limit;
  while (!applications.Through() && lab.world().now() < end) {
    lab.world().RunUntil(Earlier(lab.world().now() + kCheckPeriod, end));
  }
  result.virtual_time = lab.world().now() - result.start;
  applications.Report(&result);
  Account(lab, &result);
  Judge(file, &result);
  lab.world().set_trace_sink(nullptr);
  lab.Shutdown();
  for (std::string& left : lab.Leftovers()) result.violations.push_back(std::move(left));
  return result;
}

}  // namespace tapedeck
