// Our stack, set up as topology.h says. Each case begins in the same state, restored from a
// snapshot.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_HOST_SIDE_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_HOST_SIDE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "replay/differential/case.h"
#include "replay/differential/run.h"
#include "replay/differential/side.h"
#include "replay/differential/topology.h"
#include "stack/drivers/tun.h"
#include "stack/host.h"
#include "stack/kernel/arena.h"
#include "stack/kernel/world.h"

namespace tapedeck::differential {

class HostSide : public Side {
 public:
  // `settings`: further ones, which the machine gives and the kernel side has.
  HostSide(AddressFamily family, const std::vector<Setting>& settings);
  HostSide(const HostSide&) = delete;
  HostSide& operator=(const HostSide&) = delete;

  void Begin(const Case& played) override;
  bool Set(const Setting& setting) override;
  void Write(int port, std::span<const uint8_t> frame) override;
  void Call(const CallStep& call, CallResult* result) override;
  void Wait(int milliseconds) override;
  void Drain(std::vector<Reply>* replies) override;
  void CloseAll() override;
  void CountersSinceBegin(std::vector<int64_t>* counters) override;

 private:
  class Reader : public TunReader {
   public:
    void Read(const TunPacket& packet) override {
      frames.emplace_back(packet.bytes.begin(), packet.bytes.end());
    }
    std::vector<std::vector<uint8_t>> frames;
  };

  void Build(AddressFamily family, const std::vector<Setting>& settings);
  void SetUpIpv6();
  // Runs what happens now and at once.
  void Settle();
  void Run(Duration time);

  Arena arena_;
  World* world_ = nullptr;
  Host* host_ = nullptr;
  net_device* ports_[kPorts] = {};
  Reader readers_[kPorts];
  Snapshot snapshot_;
  std::vector<uint64_t> counters_at_snapshot_;
  std::vector<uint64_t> counters_at_begin_;
  std::vector<uint64_t> counters_;
  int slots_[CallStep::kSlots] = {};
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_HOST_SIDE_H_
