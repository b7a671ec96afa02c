#include "replay/differential/host_side.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/differential/counters.h"
#include "replay/differential/host_call.h"
#include "stack/base/check.h"
#include "stack/kernel/cost.h"

namespace tapedeck::differential {

namespace {

constexpr uint64_t kSeed = 0x5eed0001;
// The kernel has been up for a while, too: no limit starts out used up.
constexpr Duration kUptime = Duration::Seconds(600);
// What a stack does at once takes no longer than this.
constexpr Duration kAtOnce = Duration::Microseconds(1);

}  // namespace

HostSide::HostSide(AddressFamily family, const std::vector<Setting>& settings) {
  Build(family, settings);
  Run(kUptime);
  for (Reader& reader : readers_) reader.frames.clear();
  ReadCounters(host_->network(), &counters_at_snapshot_);
  arena_.Take(&snapshot_);
}

void HostSide::Build(AddressFamily family, const std::vector<Setting>& settings) {
  world_ = arena_.New<World>(arena_, kSeed, nullptr);
  KernelOptions options;
  host_ = arena_.New<Host>(*world_, options, FreeCostTable());
  for (int i = 0; i < kPorts; ++i) {
    const PortPlan& plan = kPortPlans[i];
    ports_[i] = host_->AddTap(plan.name, plan.mac, plan.mtu_bytes);
    CHECK(ports_[i] != nullptr);
    tun_set_reader(ports_[i], &readers_[i]);
    CHECK_EQ(host_->AddAddress(ports_[i], plan.address, plan.prefix_bits), 0);
    for (const SettingPlan& setting : kDeviceSettingPlans) {
      CHECK(Set({absl::StrCat("net/ipv4/conf/", plan.name, "/", setting.path), setting.value}));
    }
  }
  for (const RoutePlan& route : kRoutePlans) {
    CHECK_EQ(host_->AddRoute(ports_[route.port], Ipv4Prefix(route.network, route.prefix_bits),
                             route.gateway),
             0);
  }
  for (const SettingPlan& setting : kSettingPlans) Set({setting.path, setting.value});
  for (const Setting& setting : settings) Set(setting);
  if (family == AddressFamily::kIpv6) SetUpIpv6();
}

void HostSide::SetUpIpv6() {
  for (const SettingPlan& setting : kSetting6Plans) CHECK(Set({setting.path, setting.value}));
  for (int i = 0; i < kPorts; ++i) {
    const PortPlan& plan = kPortPlans[i];
    CHECK_EQ(ports_[i]->ifindex, kFirstIfindex + i);
    for (const SettingPlan& setting : kDeviceSetting6Plans) {
      CHECK(Set({absl::StrCat("net/ipv6/conf/", plan.name, "/", setting.path), setting.value}));
    }
    CHECK_EQ(host_->AddAddress(ports_[i], plan.address6, kPrefixBits6), 0);
  }
  CHECK(Set({"net/ipv6/conf/lo/disable_ipv6", "0"}));
  for (const Route6Plan& route : kRoute6Plans) {
    CHECK_EQ(host_->AddRoute(ports_[route.port], route.network, kPrefixBits6, route.gateway), 0);
  }
}

void HostSide::Begin(const Case& played) {
  arena_.Restore(snapshot_);
  for (Reader& reader : readers_) reader.frames.clear();
  for (int& slot : slots_) slot = -1;
  for (const IpAddress& address : played.addresses) {
    constexpr uint8_t kPrefixBits4 = 24;
    const int added = address.is_v4() ? host_->AddAddress(ports_[0], address.v4(), kPrefixBits4)
                                      : host_->AddAddress(ports_[0], address.v6(), kPrefixBits6);
    CHECK_EQ(added, 0);
  }
  if (!played.addresses.empty()) {
    Run(kUptime);  // groups are reported
    for (Reader& reader : readers_) reader.frames.clear();
    ReadCounters(host_->network(), &counters_at_begin_);
  } else {
    counters_at_begin_ = counters_at_snapshot_;
  }
}

bool HostSide::Set(const Setting& setting) {
  return host_->kernel().sysctl().Write(setting.path, setting.value) == 0;
}

void HostSide::Run(Duration time) { world_->RunUntil(world_->now() + time); }

void HostSide::Settle() { Run(kAtOnce); }

void HostSide::Write(int port, std::span<const uint8_t> frame) {
  tun_write(ports_[port], frame);
  Settle();
}

// In a task, so that what it sends over loopback arrives when it would on Linux: while it still
// holds the socket.
void HostSide::Call(const CallStep& call, CallResult* result) {
  host_->kernel().Spawn(0, [this, &call, result](Thread& thread) -> Task<> {
    HostCall(host_->syscalls(), thread, slots_, call, result);
    co_return;
  });
  Settle();
}

void HostSide::Wait(int milliseconds) {
  Run(Duration::Milliseconds(static_cast<uint64_t>(milliseconds)));
}

void HostSide::Drain(std::vector<Reply>* replies) {
  for (int port = 0; port < kPorts; ++port) {
    for (std::vector<uint8_t>& frame : readers_[port].frames) {
      replies->push_back({port, std::move(frame)});
    }
    readers_[port].frames.clear();
  }
}

void HostSide::CloseAll() {
  for (int& slot : slots_) {
    if (slot >= 0) {
      host_->kernel().Spawn(0, [this, fd = slot](Thread& thread) -> Task<> {
        HostAbort(host_->syscalls(), thread, fd);
        co_return;
      });
      Settle();
    }
    slot = -1;
  }
}

void HostSide::CountersSinceBegin(std::vector<int64_t>* counters) {
  ReadCounters(host_->network(), &counters_);
  counters->resize(counters_.size());
  for (size_t i = 0; i < counters_.size(); ++i) {
    (*counters)[i] = static_cast<int64_t>(counters_[i] - counters_at_begin_[i]);
  }
}

}  // namespace tapedeck::differential
