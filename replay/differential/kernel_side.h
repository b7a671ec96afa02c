// This machine's kernel, set up as topology.h says.
//
// One namespace serves many cases: the neighbours and routes that a case leaves behind are flushed,
// settings put back, descriptors closed, and cases use peers of their own. What is left (time-wait
// sockets, unfinished fragments, limits by peer) stays out of sight because the namespace is
// renewed before any of it has a timer that runs out.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_SIDE_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_SIDE_H_

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/differential/case.h"
#include "replay/differential/counters.h"
#include "replay/differential/kernel_namespace.h"
#include "replay/differential/run.h"
#include "replay/differential/side.h"

namespace tapedeck::differential {

class KernelSide : public Side {
 public:
  // Moves the process into a namespace of its own; see KernelNamespace.
  static absl::StatusOr<std::unique_ptr<KernelSide>> Create(AddressFamily family);

  // The next case has a namespace to itself.
  void Renew() { places_ = kPlaces; }
  // A place for the next case (Case::place) at which nothing was left behind.
  uint32_t NextPlace();
  // Settings of the machine that our stack is to have, too.
  static std::vector<Setting> MachineSettings();
  bool has_counter(size_t counter) const { return counter_text_->has(counter); }

  void Begin(const Case& played) override;
  bool Set(const Setting& setting) override;
  void Write(int port, std::span<const uint8_t> frame) override;
  void Call(const CallStep& call, CallResult* result) override;
  void Wait(int milliseconds) override;
  void Drain(std::vector<Reply>* replies) override;
  void CloseAll() override;
  void CountersSinceBegin(std::vector<int64_t>* counters) override;

 private:
  using Clock = std::chrono::steady_clock;

  explicit KernelSide(AddressFamily family) : family_(family) {}
  absl::Status Open();
  void ReadCounterText(std::vector<uint64_t>* values);
  void PutSettingsBack();

  AddressFamily family_;
  std::unique_ptr<KernelNamespace> namespace_;
  Clock::time_point opened_at_;
  uint32_t places_ = 0;                   // that were used
  bool routes_taught_ = false;            // by the case that is played
  std::vector<Setting> settings_before_;  // of this case, in the order in which they were changed
  std::optional<CounterText> counter_text_;
  std::string text_;  // of the counters' files
  std::vector<uint64_t> counters_at_begin_;
  std::vector<uint64_t> counters_;
  std::vector<uint8_t> frame_;
  int slots_[CallStep::kSlots] = {-1, -1, -1, -1, -1, -1, -1, -1};
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_KERNEL_SIDE_H_
