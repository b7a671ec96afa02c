// The Lab of packetdrill's scripts: one host with one tun device, tun0, whose far end is the
// player. HZ is 1000 and nothing costs anything unless it is said, so that times are those that
// timers and the script give.
#ifndef TAPEDECK_REPLAY_LAB_TUN_LAB_H_
#define TAPEDECK_REPLAY_LAB_TUN_LAB_H_

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "replay/lab/frame_edits.h"
#include "replay/lab/play_settings.h"
#include "replay/trace/recorder.h"
#include "stack/drivers/tun.h"
#include "stack/host.h"
#include "stack/kernel/arena.h"
#include "stack/kernel/event_queue.h"
#include "stack/kernel/world.h"

namespace tapedeck {

// A packet that the host has sent.
struct SentPacket {
  SimTime time;
  std::vector<uint8_t> bytes;  // from the IP header on
};

struct TunLabOptions {
  uint64_t seed = 0x5eed0001;
  CostTable costs = FreeCostTable();
  Arena::Options arena;
  // Wanted where somebody looks at the recorder: the digest's observers, the frame ledger.
  bool trace = false;
  // Sees the building of the Lab, too. May be null.
  TraceObserver* observer = nullptr;
  // What is done to packets that the host sends. May be null; must outlive the Lab.
  const FrameEdits* edits = nullptr;
};

class TunLab : private TunReader {
 public:
  // With `arena` that memory is reset and used; it must outlive the Lab. now() is then
  // kScriptStart.
  TunLab(const PlaySettings& settings, const TunLabOptions& options, Arena* arena = nullptr);
  ~TunLab() override;
  TunLab(const TunLab&) = delete;
  TunLab& operator=(const TunLab&) = delete;

  // When scripts begin: a whole number of ticks, and late enough for no clock to read zero.
  static constexpr SimTime kScriptStart = SimTime::At(Duration::Seconds(10));

  World& world() { return *world_; }
  Host& host() { return *host_; }
  net_device* tun() { return tun_; }
  Recorder& recorder() { return recorder_; }

  // A packet reaches the host now; see tun_write.
  int Inject(std::span<const uint8_t> packet, uint16_t gso_size_bytes);
  // What the host has sent and nobody has taken yet, in order of time.
  std::deque<SentPacket>& sent() { return sent_; }

  // Runs all that happens until `time`, or until the host sends something: then true.
  bool RunUntilSent(SimTime time);

  // Ends every application, takes the device down and runs until all is quiet.
  void Shutdown();
  // After Shutdown: what is still held, one line each ("sk_buff 2").
  std::vector<std::string> Leftovers() const;

 private:
  void AddIpv4(const PlaySettings& settings);
  void AddIpv6(const PlaySettings& settings);
  void Read(const TunPacket& packet) override;
  // A packet of the host that is held up.
  struct Delayed : Event {
    using Event::Event;
    TunLab* lab = nullptr;
    std::vector<uint8_t> bytes;
  };
  static void OnDelayed(Event* event, SimTime now);
  void Delay(SimTime until, std::span<const uint8_t> bytes);

  std::unique_ptr<Arena> own_arena_;
  Arena* arena_;
  Recorder recorder_;
  World* world_;
  Host* host_;
  net_device* tun_;
  std::deque<SentPacket> sent_;
  const FrameEdits* edits_;
  std::vector<std::unique_ptr<Delayed>> delayed_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_TUN_LAB_H_
