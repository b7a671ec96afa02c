#include "replay/lab/tun_lab.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "stack/base/check.h"
#include "stack/kernel/cost.h"

namespace tapedeck {

namespace {

constexpr uint32_t kHz = 1000;
// Longer than anything that a closed socket leaves behind (TIME-WAIT, orphans' retransmissions).
constexpr Duration kShutdownTime = Duration::Seconds(3600);

}  // namespace

TunLab::TunLab(const PlaySettings& settings, const TunLabOptions& options, Arena* arena)
    : own_arena_(arena == nullptr ? std::make_unique<Arena>(options.arena) : nullptr),
      arena_(arena == nullptr ? own_arena_.get() : arena),
      edits_(options.edits) {
  if (arena != nullptr) arena->Reset();
  if (options.observer != nullptr) recorder_.AddObserver(options.observer);
  world_ = arena_->New<World>(*arena_, options.seed, options.trace ? &recorder_ : nullptr);
  KernelOptions kernel_options;
  kernel_options.hz = kHz;
  host_ = arena_->New<Host>(*world_, kernel_options, options.costs);
  tun_ = host_->AddTun("tun0", settings.mtu_bytes);
  CHECK(tun_ != nullptr);
  tun_set_reader(tun_, this);
  if (settings.local.is_v4()) {
    AddIpv4(settings);
  } else {
    AddIpv6(settings);
  }
  world_->RunUntil(kScriptStart);
  sent_.clear();
}

TunLab::~TunLab() {
  for (const std::unique_ptr<Delayed>& delayed : delayed_)
    world_->cpu_events().Cancel(delayed.get());
}

// A gateway that is on no link leaves the remote side out of reach, as with the real tool.
void TunLab::AddIpv4(const PlaySettings& settings) {
  CHECK_EQ(host_->AddAddress(tun_, settings.local.v4(), settings.local_prefix_bits), 0);
  const Ipv4Prefix remotes(settings.remote.v4(), settings.remote_prefix_bits);
  host_->AddRoute(tun_, remotes, settings.gateway.v4());
}

void TunLab::AddIpv6(const PlaySettings& settings) {
  // Nobody on the other side answers solicitations, which would go on for good.
  CHECK_EQ(host_->kernel().sysctl().Write("net/ipv6/conf/tun0/router_solicitations", "0"), 0);
  CHECK_EQ(host_->AddAddress(tun_, settings.local.v6(), settings.local_prefix_bits), 0);
  host_->AddRoute(tun_, settings.remote.v6(), settings.remote_prefix_bits, settings.gateway.v6());
}

void TunLab::Read(const TunPacket& packet) {
  const FrameEdit* const edit = FindEdit(edits_, packet.frame_id);
  if (edit != nullptr && edit->kind == FrameEdit::Kind::kDrop) return;
  if (edit != nullptr && edit->kind == FrameEdit::Kind::kDelay) {
    return Delay(packet.time + edit->delay, packet.bytes);
  }
  for (int copies = edit != nullptr ? 2 : 1; copies > 0; --copies) {
    sent_.push_back({packet.time, {packet.bytes.begin(), packet.bytes.end()}});
  }
}

int TunLab::Inject(std::span<const uint8_t> packet, uint16_t gso_size_bytes) {
  return tun_write(tun_, packet, gso_size_bytes);
}

void TunLab::Delay(SimTime until, std::span<const uint8_t> bytes) {
  auto delayed =
      std::make_unique<Delayed>(EventKind::kScript, world_->NewEventSource(), &TunLab::OnDelayed);
  delayed->lab = this;
  delayed->bytes.assign(bytes.begin(), bytes.end());
  world_->cpu_events().Schedule(delayed.get(), until);
  delayed_.push_back(std::move(delayed));
}

void TunLab::OnDelayed(Event* event, SimTime now) {
  const auto* const delayed = static_cast<Delayed*>(event);
  delayed->lab->sent_.push_back({now, delayed->bytes});
}

bool TunLab::RunUntilSent(SimTime time) {
  while (sent_.empty()) {
    if (world_->Step(time)) continue;
    world_->RunUntil(time);
    return false;
  }
  return true;
}

void TunLab::Shutdown() {
  host_->Shutdown();
  world_->RunUntilIdle(world_->now() + kShutdownTime);
}

std::vector<std::string> TunLab::Leftovers() const {
  std::vector<std::string> left;
  LedgerEntry entries[Host::kLedgerEntriesMax];
  const int count = host_->Ledger(entries);
  for (int i = 0; i < count; ++i) {
    if (entries[i].held != 0) left.push_back(absl::StrCat(entries[i].name, " ", entries[i].held));
  }
  if (world_->packets().live_objects() != 0) {
    left.push_back(absl::StrCat("packet buffers ", world_->packets().live_objects()));
  }
  return left;
}

}  // namespace tapedeck
