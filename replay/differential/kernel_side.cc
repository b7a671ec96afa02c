#include "replay/differential/kernel_side.h"

#include <unistd.h>

#include <utility>

#include "replay/differential/kernel_call.h"
#include "stack/base/check.h"

namespace tapedeck::differential {

namespace {

// Before the first timer of what a case leaves behind (30 s: fragments) runs out.
constexpr std::chrono::seconds kWornAfter{10};
constexpr size_t kFrameBytes = 65536 + 64;

// Settings of the whole machine, which a namespace cannot change.
constexpr const char* kMachinePaths[] = {
    "net/core/rmem_max",     "net/core/wmem_max",   "net/core/rmem_default",
    "net/core/wmem_default", "net/core/optmem_max",
};

}  // namespace

absl::StatusOr<std::unique_ptr<KernelSide>> KernelSide::Create(AddressFamily family) {
  std::unique_ptr<KernelSide> side(new KernelSide(family));
  const absl::Status status = side->Open();
  if (!status.ok()) return status;
  side->frame_.resize(kFrameBytes);
  return side;
}

std::vector<Setting> KernelSide::MachineSettings() {
  std::vector<Setting> settings;
  for (const char* const path : kMachinePaths) {
    const absl::StatusOr<std::string> value = ReadSetting(path);
    if (value.ok()) settings.push_back({path, *value});
  }
  return settings;
}

absl::Status KernelSide::Open() {
  absl::StatusOr<std::unique_ptr<KernelNamespace>> made = KernelNamespace::Create(family_);
  if (!made.ok()) return made.status();
  namespace_ = *std::move(made);
  opened_at_ = Clock::now();
  places_ = 0;
  if (!counter_text_.has_value()) {
    namespace_->ReadCounterFiles(&text_);
    counter_text_.emplace(text_);
  }
  ReadCounterText(&counters_);
  return absl::OkStatus();
}

void KernelSide::ReadCounterText(std::vector<uint64_t>* values) {
  text_.clear();
  namespace_->ReadCounterFiles(&text_);
  counter_text_->Read(text_, values);
}

uint32_t KernelSide::NextPlace() {
  if (places_ >= kPlaces || Clock::now() - opened_at_ > kWornAfter) {
    const absl::Status opened = Open();
    CHECK(opened.ok());
    settings_before_.clear();
    routes_taught_ = false;
  }
  return places_++;
}

void KernelSide::Begin(const Case& played) {
  namespace_->Enter();
  PutSettingsBack();
  namespace_->Forget(routes_taught_);
  routes_taught_ = played.teaches_routes;
  if (!played.addresses.empty()) {
    const absl::Status added = namespace_->AddAddresses(played.addresses);
    CHECK(added.ok());
    Renew();  // for whoever comes next
  }
  std::vector<Reply> ignored;
  do {
    ignored.clear();
    Drain(&ignored);
    // A neighbour of IPv6 that is taken out fails those who waited for it, and groups are reported
    // now and then. Of IPv4 nothing has happened since they were read behind the case before.
    if (family_ == AddressFamily::kIpv6) ReadCounterText(&counters_);
    ignored.clear();
    Drain(&ignored);
  } while (!ignored.empty());
  counters_at_begin_ = counters_;
}

bool KernelSide::Set(const Setting& setting) {
  absl::StatusOr<std::string> before = ReadSetting(setting.path);
  if (!before.ok() || !WriteSetting(setting).ok()) return false;
  settings_before_.push_back({setting.path, *std::move(before)});
  return true;
}

void KernelSide::PutSettingsBack() {
  for (size_t i = settings_before_.size(); i-- > 0;) (void)WriteSetting(settings_before_[i]);
  settings_before_.clear();
}

void KernelSide::Write(int port, std::span<const uint8_t> frame) {
  // A frame that is too short for the device is one of the cases.
  (void)!write(namespace_->tap(port), frame.data(), frame.size());
}

void KernelSide::Call(const CallStep& call, CallResult* result) {
  KernelCall(slots_, call, result);
}

void KernelSide::Wait(int milliseconds) {
  usleep(static_cast<useconds_t>(milliseconds) * 1000);
  if (routes_taught_) KernelNamespace::AwaitAddresses();
}

void KernelSide::Drain(std::vector<Reply>* replies) {
  for (int port = 0; port < kPorts; ++port) {
    for (;;) {
      const ssize_t bytes = read(namespace_->tap(port), frame_.data(), frame_.size());
      if (bytes <= 0) break;
      replies->push_back({port, {frame_.data(), frame_.data() + bytes}});
    }
  }
}

void KernelSide::CloseAll() {
  for (int& slot : slots_) {
    if (slot >= 0) KernelAbort(slot);
    slot = -1;
  }
}

void KernelSide::CountersSinceBegin(std::vector<int64_t>* counters) {
  ReadCounterText(&counters_);
  counters->resize(counters_.size());
  for (size_t i = 0; i < counters_.size(); ++i) {
    (*counters)[i] = static_cast<int64_t>(counters_[i] - counters_at_begin_[i]);
  }
}

}  // namespace tapedeck::differential
