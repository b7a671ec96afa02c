#include "replay/lab/lab.h"

#include <cerrno>
#include <utility>

#include "absl/strings/str_format.h"
#include "replay/lab/canary.h"

namespace tapedeck {

namespace {

// All NICs of a host, in order.
std::vector<LabNicOptions> NicsOf(const LabHostOptions& host) {
  std::vector<LabNicOptions> nics = {{.mac = host.mac,
                                      .address = host.address,
                                      .prefix_length_bits = host.prefix_length_bits,
                                      .address6 = host.address6,
                                      .prefix6_length_bits = host.prefix6_length_bits}};
  nics.insert(nics.end(), host.more_nics.begin(), host.more_nics.end());
  return nics;
}

}  // namespace

Lab::Lab(const LabOptions& options, Arena* arena)
    : own_arena_(arena == nullptr ? std::make_unique<Arena>(options.arena) : nullptr),
      arena_(arena == nullptr ? own_arena_.get() : arena) {
  if (arena != nullptr) arena->Reset();
  if (options.observer != nullptr) recorder_.AddObserver(options.observer);
  Build(options);
  Connect(options);
  recorder_.set_dma_devices([this](DmaListener* listener) {
    for (const LabHost& host : hosts_) {
      for (const LabNic& made : host.nics) made.nic->set_dma_listener(listener);
    }
  });
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
    for (const LabNicOptions& nic : NicsOf(wanted)) {
      nic::NicConfig nic_config = wanted.nic;
      nic_config.host = static_cast<uint8_t>(i);
      nic_config.mac = nic.mac.bytes();
      made.nics.emplace_back().nic =
          arena_->New<nic::Nic82599>(made.host->kernel().bus(), nic_config);
    }
    hosts_.push_back(std::move(made));
  }
}

void Lab::ConnectBackToBack(const LabOptions& options) {
  CHECK_EQ(hosts_.size(), 2U);
  for (size_t i = 0; i < 2; ++i) {
    const LinkOptions& wanted = options.links[i];
    nic::Nic82599& far_end = *hosts_[1 - i].nics[0].nic;
    nic::Nic82599& near_end = *hosts_[i].nics[0].nic;
    if (wanted.IsPlain()) {
      near_end.set_sink(arena_->New<Cable>(far_end, wanted.delay));
    } else {
      links_[i] = arena_->New<Link>(*world_, far_end, wanted);
      near_end.set_sink(links_[i]);
    }
  }
}

void Lab::BringUp(const LabHostOptions& wanted, Host& host, LabNic& made,
                  const LabNicOptions& nic) {
  made.device = host.AddNic(made.nic->slot(), "eth%d", wanted.driver);
  CHECK(made.device != nullptr);
  CHECK_EQ(dev_open(made.device), 0);
  if (nic.address != kIpv4Any) {
    CHECK_EQ(host.AddAddress(made.device, nic.address, nic.prefix_length_bits), 0);
    if (wanted.everything_on_link) CHECK_EQ(host.AddOnLinkDefaultRoute(made.device), 0);
  }
  if (!nic.address6.has_value()) return;
  const int err = host.AddAddress(made.device, *nic.address6, nic.prefix6_length_bits);
  CHECK(err == 0 || err == -EEXIST);
  if (wanted.everything_on_link) {
    CHECK_EQ(host.AddRoute(made.device, kIpv6Any, 0, kIpv6Any), 0);
  }
}

void Lab::Connect(const LabOptions& options) {
  if (options.back_to_back) {
    ConnectBackToBack(options);
  } else {
    for (LabHost& host : hosts_) {
      for (LabNic& made : host.nics) {
        made.port = arena_->New<CapturePort>(*world_, *made.nic, options.edits);
        made.nic->set_sink(made.port);
      }
    }
  }
  for (size_t i = 0; i < hosts_.size(); ++i) {
    const LabHostOptions& wanted = options.hosts[i];
    const std::vector<LabNicOptions> nics = NicsOf(wanted);
    for (size_t k = 0; k < nics.size(); ++k) {
      BringUp(wanted, *hosts_[i].host, hosts_[i].nics[k], nics[k]);
    }
  }
  // Links come up by themselves; so late a moment none of them misses.
  const SimTime give_up = world_->now() + Duration::Seconds(10);
  for (const LabHost& host : hosts_) {
    for (const LabNic& made : host.nics) {
      while (!netif_carrier_ok(made.device)) CHECK(world_->Step(give_up));
    }
  }
  SimTime latest = world_->now();
  for (const LabHost& host : hosts_) latest = Later(latest, host.host->kernel().now());
  world_->RunUntil(latest);
}

void Lab::Inject(int host, int nic, SimTime at, std::span<const uint8_t> bytes, bool stable,
                 uint8_t flags) {
  LabNic& to = NicAt(host, nic);
  if (to.port != nullptr) {
    to.port->Inject(at, bytes, stable, flags);
  } else {
    to.nic->WireRx(at, MakeWireFrame(*world_, world_->NewFrameId(), bytes, stable, flags));
  }
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
  SimTime busy_until = world_->now();
  for (LabHost& made : hosts_) {
    Kernel& kernel = made.host->kernel();
    for (int cpu = 0; cpu < kernel.cpus(); ++cpu) {
      busy_until = Later(busy_until, kernel.cpu(cpu).now());
    }
  }
  const SimTime end = busy_until + Duration::Seconds(600);
  world_->RunUntilIdle(end);
  // The last frames may still be coming in, and wake nobody: a NIC takes them when it is looked at.
  for (LabHost& made : hosts_) {
    for (const LabNic& nic : made.nics) nic.nic->AdvanceTo(end);
  }
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
