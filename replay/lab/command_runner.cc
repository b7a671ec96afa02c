#include "replay/lab/command_runner.h"

#include <cerrno>
#include <cstring>
#include <utility>
#include <variant>

#include "absl/strings/str_cat.h"
#include "replay/lab/mib_groups.h"
#include "stack/core/net_device.h"
#include "stack/core/qdisc.h"
#include "stack/ipv4/fib.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/tcp/inet_hashtables.h"
#include "stack/tcp/tcp_cong.h"
#include "stack/tcp/tcp_metrics.h"

namespace tapedeck {

namespace {

absl::Status Failed(const std::string& what, int error) {
  return absl::FailedPreconditionError(absl::StrCat(what, ": ", std::strerror(-error)));
}

absl::Status NoDevice(const std::string& name) {
  return absl::FailedPreconditionError(absl::StrCat("there is no device ", name));
}

template <typename Item>
void AddCounters(const char* group, const Mib<Item>& mib,
                 std::map<std::string, uint64_t, std::less<>>* counters) {
  for (size_t i = 0; i < Mib<Item>::kItems; ++i) {
    const auto item = static_cast<Item>(i);
    (*counters)[absl::StrCat(group, MibName(item))] = mib.Get(item);
  }
}

void SetMetric(const std::optional<uint32_t>& value, int metric, fib_config* config) {
  if (value.has_value()) config->metrics[metric] = *value;
}

fib_config ToFibConfig(const ChangeRoute& command) {
  fib_config config;
  config.dst = command.dest.is_v4() ? command.dest.v4() : kIpv4Any;
  config.dst_len = command.prefix_bits;
  if (command.gateway.has_value() && command.gateway->is_v4()) config.gw = command.gateway->v4();
  config.replace = command.action == ChangeRoute::Action::kChange ||
                   command.action == ChangeRoute::Action::kReplace;
  SetMetric(command.advmss, RTAX_ADVMSS, &config);
  SetMetric(command.mtu, RTAX_MTU, &config);
  if (command.mtu_locked) config.metrics[RTAX_LOCK] |= 1U << RTAX_MTU;
  SetMetric(command.initcwnd, RTAX_INITCWND, &config);
  SetMetric(command.initrwnd, RTAX_INITRWND, &config);
  SetMetric(command.rto_min_ms, RTAX_RTO_MIN, &config);
  // ip(8) locks it by itself: TCP looks at locked ones only.
  if (command.rto_min_ms.has_value()) config.metrics[RTAX_LOCK] |= 1U << RTAX_RTO_MIN;
  if (command.ecn) config.metrics[RTAX_FEATURES] |= 1U << 0;  // RTAX_FEATURE_ECN
  return config;
}

// RTAX_CC_ALGO. False where there is no such algorithm.
bool SetCongestionControl(const ChangeRoute& command, fib_config* config) {
  const tcp_congestion_ops* const ops = tcp_ca_find(command.congestion_control);
  if (ops == nullptr) return false;
  config->metrics[RTAX_CC_ALGO] = tcp_ca_key(ops);
  if (command.congestion_control_locked) config->metrics[RTAX_LOCK] |= 1U << RTAX_CC_ALGO;
  if ((ops->flags & TCP_CONG_NEEDS_ECN) != 0) config->metrics[RTAX_FEATURES] |= DST_FEATURE_ECN_CA;
  return true;
}

}  // namespace

std::map<std::string, uint64_t, std::less<>> CountersOf(const net& network) {
  std::map<std::string, uint64_t, std::less<>> counters;
  ForEachMib(network,
             [&](const char* group, const auto& mib) { AddCounters(group, mib, &counters); });
  return counters;
}

absl::Status CommandRunner::Run(const CommandStep& step) {
  absl::Status last;
  for (const Command& command : step.commands) {
    if (command.condition == Command::Condition::kIfHeld && !last.ok()) continue;
    if (command.condition == Command::Condition::kIfFailed && last.ok()) continue;
    last = std::visit([&](const auto& action) { return Do(action); }, command.action);
    if (!last.ok()) {
      last = absl::FailedPreconditionError(absl::StrCat("`", command.text, "`: ", last.message()));
    }
  }
  return last;
}

// --- Settings. ---

absl::Status CommandRunner::WriteSysctl(const SysctlSetting& setting) {
  const int error = host_.kernel().sysctl().Write(setting.path, setting.value);
  return error == 0 ? absl::OkStatus()
                    : Failed(absl::StrCat(setting.path, "=", setting.value), error);
}

absl::Status CommandRunner::WriteAll(const std::vector<SysctlSetting>& settings,
                                     bool ignore_unknown) {
  absl::Status status;
  std::string present;
  for (const SysctlSetting& setting : settings) {
    if (ignore_unknown && host_.kernel().sysctl().Read(setting.path, &present) == -ENOENT) continue;
    status.Update(WriteSysctl(setting));
  }
  return status;
}

absl::Status CommandRunner::Do(const SetSysctls& command) {
  return WriteAll(command.settings, command.ignore_unknown);
}

absl::Status CommandRunner::Do(const SaveAndSetSysctls& command) {
  saved_.clear();
  for (const SysctlSetting& setting : command.settings) {
    SysctlSetting present{setting.path, {}};
    const int error = host_.kernel().sysctl().Read(setting.path, &present.value);
    if (error != 0) return Failed(setting.path, error);
    saved_.push_back(std::move(present));
  }
  return WriteAll(command.settings, /*ignore_unknown=*/false);
}

absl::Status CommandRunner::Do(const RestoreSysctls&) {
  return WriteAll(saved_, /*ignore_unknown=*/false);
}

absl::Status CommandRunner::Do(const SetModuleParameter& command) {
  return WriteSysctl(
      {absl::StrCat("module/", command.module, "/parameters/", command.parameter), command.value});
}

absl::Status CommandRunner::Do(const FlushTcpMetrics&) {
  tcp_metrics_flush_all(host_.network());
  return absl::OkStatus();
}

// --- Devices and routes. ---

absl::Status CommandRunner::Do(const ChangeQdisc& command) {
  net_device* const dev = dev_get_by_name(host_.network(), command.device);
  if (dev == nullptr) return NoDevice(command.device);
  const Qdisc* const present = netdev_get_tx_queue(dev, 0)->qdisc_sleeping;
  const bool is_default = present->ops == &pfifo_fast_ops || present->ops == &noqueue_qdisc_ops;
  const Qdisc_ops* ops = nullptr;
  switch (command.action) {
    case ChangeQdisc::Action::kDelete:
      if (is_default) return Failed("qdisc delete", -ENOENT);
      break;
    case ChangeQdisc::Action::kAdd:
      if (!is_default) return Failed("qdisc add", -EEXIST);
      [[fallthrough]];
    case ChangeQdisc::Action::kReplace:
      for (const Qdisc_ops* const known :
           {&pfifo_qdisc_ops, &fq_qdisc_ops, &pfifo_fast_ops, &noqueue_qdisc_ops}) {
        if (command.kind == known->id) ops = known;
      }
      if (ops == nullptr) return Failed(absl::StrCat("qdisc ", command.kind), -ENOENT);
      break;
  }
  const uint32_t* const limit = command.limit.has_value() ? &*command.limit : nullptr;
  const int error = dev_graft_qdisc(dev, ops, limit);
  return error == 0 ? absl::OkStatus() : Failed("qdisc", error);
}

absl::Status CommandRunner::Do(const ChangeRoute& command) {
  fib_config config = ToFibConfig(command);
  if (!command.congestion_control.empty() && !SetCongestionControl(command, &config)) {
    return Failed("route", -EINVAL);
  }
  if (!command.device.empty()) {
    const net_device* const dev = dev_get_by_name(host_.network(), command.device);
    if (dev == nullptr) return NoDevice(command.device);
    config.oif = dev->ifindex;
  }
  if (config.gw == kIpv4Any) config.scope = RT_SCOPE_LINK;
  netns_ipv4& ipv4 = *host_.network().ipv4;
  int error = 0;
  if (command.action == ChangeRoute::Action::kDelete) {
    config.scope = RT_SCOPE_NOWHERE;
    error = fib_table_delete(ipv4, config);
  } else {
    error = fib_table_insert(ipv4, config);
  }
  return error == 0 ? absl::OkStatus() : Failed("route", error);
}

absl::Status CommandRunner::Do(const ChangeLink& command) {
  net_device* const dev = dev_get_by_name(host_.network(), command.device);
  if (dev == nullptr) return NoDevice(command.device);
  int error = 0;
  if (command.mtu_bytes.has_value()) error = dev_set_mtu(dev, *command.mtu_bytes);
  if (error == 0 && command.up.has_value()) {
    if (*command.up) {
      error = dev_open(dev);
    } else {
      dev_close(dev);
    }
  }
  return error == 0 ? absl::OkStatus() : Failed("link", error);
}

absl::Status CommandRunner::Do(const ChangeOffloads& command) {
  net_device* const dev = dev_get_by_name(host_.network(), command.device);
  if (dev == nullptr) return NoDevice(command.device);
  netdev_features_t wanted = dev->features;
  const auto change = [&wanted](const std::optional<bool>& on, netdev_features_t bits) {
    if (on.has_value()) wanted = *on ? wanted | bits : wanted & ~bits;
  };
  change(command.tso, NETIF_F_TSO | NETIF_F_TSO6);
  change(command.gso, NETIF_F_GSO);
  change(command.gro, NETIF_F_GRO);
  change(command.udp_gro_forwarding, NETIF_F_GRO_UDP_FWD);
  change(command.tx_checksum, NETIF_F_CSUM_MASK);
  change(command.rx_checksum, NETIF_F_RXCSUM);
  netdev_set_features(dev, wanted);
  return absl::OkStatus();
}

// --- Time, counters, sockets, files. ---

absl::Status CommandRunner::Do(const Sleep& command) {
  World& world = host_.kernel().world();
  world.RunUntil(world.now() + command.duration);
  return absl::OkStatus();
}

absl::Status CommandRunner::Do(const NoteCounters&) {
  noted_ = CountersOf(host_.network());
  return absl::OkStatus();
}

absl::Status CommandRunner::Do(const ExpectCounter& command) {
  auto counters = CountersOf(host_.network());
  const auto found = counters.find(command.name);
  const auto before = noted_.find(command.name);
  const uint64_t now = found == counters.end() ? 0 : found->second;
  const uint64_t grown = now - (before == noted_.end() ? 0 : before->second);
  if (command.notes) noted_ = std::move(counters);
  if (command.value.has_value() ? grown == *command.value : grown != 0) return absl::OkStatus();
  const std::string wanted =
      command.value.has_value() ? absl::StrCat(*command.value) : std::string("something");
  return absl::FailedPreconditionError(
      absl::StrCat(command.name, " has grown by ", grown, ", expected ", wanted));
}

absl::Status CommandRunner::Do(const ExpectListener& command) {
  const sock* const listener = __inet_lookup_listener(
      host_.network(), /*saddr=*/local_, /*sport=*/be16(), local_, be16(command.port), /*dif=*/0);
  if (listener != nullptr) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat("nobody listens on port ", command.port));
}

absl::Status CommandRunner::Do(const CreateFile& command) {
  if (command.bytes > RamFiles::kFileBytesMax) return Failed(command.path, -EFBIG);
  const std::vector<uint8_t> zeros(static_cast<size_t>(command.bytes));
  const int error = host_.syscalls().ram_files().Put(command.path, zeros);
  return error == 0 || error == -EEXIST ? absl::OkStatus() : Failed(command.path, error);
}

// It goes with the Lab, which no other script sees.
absl::Status CommandRunner::Do(const RemoveFile&) { return absl::OkStatus(); }

}  // namespace tapedeck
