#include "replay/lab/lab.h"

#include <cerrno>

#include "absl/strings/str_format.h"
#include "replay/lab/canary.h"

namespace tapedeck {

Lab::Lab(const LabOptions& options, Arena* arena)
    : own_arena_(arena == nullptr ? std::make_unique<Arena>(options.arena) : nullptr),
      arena_(arena == nullptr ? own_arena_.get() : arena) {
  if (arena != nullptr) arena->Reset();
  if (options.observer != nullptr) recorder_.AddObserver(options.observer);
  Build(options);
  Connect(options);
  SingCanary(*world_, host(0));
}

Lab::~Lab() = default;

void Lab::Build(const LabOptions& options) {
  world_ = arena_->New<World>(*arena_, options.seed, options.trace ? &recorder_ : nullptr);
  for (size_t i = 0; i < options.hosts.size(); ++i) {
    const LabHostOptions& wanted = options.hosts[i];
    KernelOptions kernel_options;
    kernel_options.host = static_cast<int>(i);
    kernel_options.cpus = wanted.cpus;
    kernel_options.hz = wanted.hz;
    LabHost made;
    made.host = arena_->New<Host>(*world_, kernel_options, options.costs);
    nic::NicConfig nic_config = wanted.nic;
    nic_config.host = static_cast<uint8_t>(i);
    nic_config.mac = wanted.mac.bytes();
    made.nic = arena_->New<nic::Nic82599>(made.host->kernel().bus(), nic_config);
    hosts_.push_back(made);
  }
}

void Lab::Connect(const LabOptions& options) {
  if (options.back_to_back) {
    CHECK_EQ(hosts_.size(), 2U);
    for (size_t i = 0; i < 2; ++i) {
      const LinkOptions& wanted = options.links[i];
      nic::Nic82599& far_end = *hosts_[1 - i].nic;
      if (wanted.IsPlain()) {
        hosts_[i].nic->set_sink(arena_->New<Cable>(far_end, wanted.delay));
      } else {
        links_[i] = arena_->New<Link>(*world_, far_end, wanted);
        hosts_[i].nic->set_sink(links_[i]);
      }
    }
  } else {
    for (LabHost& host : hosts_) {
      host.port = arena_->New<CapturePort>(*world_, *host.nic, options.edits);
      host.nic->set_sink(host.port);
    }
  }
  for (size_t i = 0; i < hosts_.size(); ++i) {
    LabHost& made = hosts_[i];
    const LabHostOptions& wanted = options.hosts[i];
    made.device = made.host->AddNic(made.nic->slot(), "eth%d", wanted.driver);
    CHECK(made.device != nullptr);
    CHECK_EQ(dev_open(made.device), 0);
    if (wanted.address != kIpv4Any) {
      CHECK_EQ(made.host->AddAddress(made.device, wanted.address, wanted.prefix_length_bits), 0);
      if (wanted.everything_on_link) CHECK_EQ(made.host->AddOnLinkDefaultRoute(made.device), 0);
    }
    if (wanted.address6.has_value()) {
      const Ipv6Address& address = *wanted.address6;
      const int err = made.host->AddAddress(made.device, address, wanted.prefix6_length_bits);
      CHECK(err == 0 || err == -EEXIST);
      if (wanted.everything_on_link) {
        CHECK_EQ(made.host->AddRoute(made.device, kIpv6Any, 0, kIpv6Any), 0);
      }
    }
  }
  // Links come up by themselves; so late a moment none of them misses.
  const SimTime give_up = world_->now() + Duration::Seconds(10);
  for (const LabHost& made : hosts_) {
    while (!netif_carrier_ok(made.device)) CHECK(world_->Step(give_up));
  }
  SimTime latest = world_->now();
  for (const LabHost& made : hosts_) latest = Later(latest, made.host->kernel().now());
  world_->RunUntil(latest);
}

void Lab::Take(Checkpoint* checkpoint) const {
  arena_->Take(&checkpoint->memory);
  checkpoint->trace = recorder_.Save();
}

void Lab::Restore(const Checkpoint& checkpoint) {
  arena_->Restore(checkpoint.memory);
  recorder_.Restore(checkpoint.trace);
}

void Lab::Shutdown() {
  for (LabHost& made : hosts_) made.host->Shutdown();
  // Timers of what was closed run out; nothing may be armed for ever.
  const SimTime end = world_->now() + Duration::Seconds(600);
  world_->RunUntilIdle(end);
  // The last frames may still be coming in, and wake nobody: a NIC takes them when it is looked at.
  for (LabHost& made : hosts_) made.nic->AdvanceTo(end);
}

std::vector<std::string> Lab::Leftovers() const {
  std::vector<std::string> left;
  for (size_t i = 0; i < hosts_.size(); ++i) {
    LedgerEntry entries[Host::kLedgerEntriesMax];
    const int count = hosts_[i].host->Ledger(entries);
    for (int k = 0; k < count; ++k) {
      if (entries[k].held == 0) continue;
      left.push_back(
          absl::StrFormat("host %d still holds %s: %d", i, entries[k].name, entries[k].held));
    }
  }
  if (world_->packets().live_objects() != 0) {
    left.push_back(absl::StrFormat("packet buffers: %d", world_->packets().live_objects()));
  }
  if (world_->device_events().size() + world_->cpu_events().size() != 0) {
    left.push_back(absl::StrFormat("events: %d",
                                   world_->device_events().size() + world_->cpu_events().size()));
  }
  return left;
}

}  // namespace tapedeck
