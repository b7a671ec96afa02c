// A Lab: hosts with their NICs, and what their cables lead to, in one arena and one virtual time.
// It is everything that runs; two Labs never touch each other.
#ifndef TAPEDECK_REPLAY_LAB_LAB_H_
#define TAPEDECK_REPLAY_LAB_LAB_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "nicmodel/config.h"
#include "nicmodel/nic_82599.h"
#include "replay/lab/cable.h"
#include "replay/lab/frame_edits.h"
#include "replay/lab/link.h"
#include "replay/trace/recorder.h"
#include "stack/base/ip_address.h"
#include "stack/drivers/ixgbe.h"
#include "stack/host.h"
#include "stack/kernel/arena.h"
#include "stack/kernel/cost.h"
#include "stack/kernel/world.h"

namespace tapedeck {

// A further NIC of a host: eth1 and so on.
struct LabNicOptions {
  MacAddress mac;
  Ipv4Address address;
  uint8_t prefix_length_bits = 24;
  std::optional<Ipv6Address> address6 = std::nullopt;
  uint8_t prefix6_length_bits = 64;
};

// One host with one NIC, eth0, or more.
struct LabHostOptions {
  MacAddress mac{std::array<uint8_t, 6>{0x02, 0, 0, 0, 0, 1}};
  Ipv4Address address{10, 0, 0, 1};
  uint8_t prefix_length_bits = 24;
  // Where it is set the host speaks IPv6 too; it is usable at once (no DAD).
  std::optional<Ipv6Address> address6 = std::nullopt;
  uint8_t prefix6_length_bits = 64;
  // A default route without a gateway: every address is a neighbour. For captures, where nobody
  // knows the routes.
  bool everything_on_link = false;
  int cpus = 1;
  uint32_t hz = 1000;
  nic::NicConfig nic;  // of all of them; host and MAC are filled in
  ixgbe::IxgbeOptions driver;
  std::vector<LabNicOptions> more_nics;
};

struct LabOptions {
  uint64_t seed = 0x5eed0001;
  CostTable costs = FreeCostTable();
  Arena::Options arena;
  std::vector<LabHostOptions> hosts;
  // The cable leads from the first NIC of host 0 to that of host 1; otherwise each cable's far end
  // is the player's (CapturePort).
  bool back_to_back = false;
  // What lies between them: [0] from host 0 to host 1, [1] the way back.
  LinkOptions links[2];
  bool trace = true;
  // Sees the building of the Lab, too, which later observers of the recorder do not. May be null.
  TraceObserver* observer = nullptr;
  // What is done to frames on the cables of ports. May be null; must outlive the Lab.
  const FrameEdits* edits = nullptr;
};

class Lab {
 public:
  // Builds hosts and lets the links come up: now() is then the first moment at which a frame can be
  // received. With `arena` that memory is reset and used; it must outlive the Lab.
  explicit Lab(const LabOptions& options, Arena* arena = nullptr);
  ~Lab();
  Lab(const Lab&) = delete;
  Lab& operator=(const Lab&) = delete;

  World& world() { return *world_; }
  Recorder& recorder() { return recorder_; }
  Arena& arena() { return *arena_; }
  int hosts() const { return static_cast<int>(hosts_.size()); }
  Host& host(int i) { return *hosts_[static_cast<size_t>(i)].host; }
  int nics(int host) const {
    return static_cast<int>(hosts_[static_cast<size_t>(host)].nics.size());
  }
  nic::Nic82599& nic(int i, int nic = 0) { return *NicAt(i, nic).nic; }
  net_device* device(int i, int nic = 0) { return NicAt(i, nic).device; }
  // Of a back to back Lab: the direction from host `i`; nullptr where it is a plain cable.
  const Link* link(int i) const { return links_[i]; }
  Link* link(int i) { return links_[i]; }
  // Whether players are at the cables' far ends.
  bool has_ports() const { return hosts_[0].nics[0].port != nullptr; }
  // REQUIRES: has_ports().
  CapturePort& port(int i, int nic = 0) { return *NicAt(i, nic).port; }

  // A frame's first bit reaches a NIC at `at`, from its port or, where two hosts are back to back,
  // from somebody else on their wire. As CapturePort::Inject.
  void Inject(int host, int nic, SimTime at, std::span<const uint8_t> bytes, bool stable,
              uint8_t flags);

  // The state of everything, the trace's included. What is outside (scripts, captures, observers)
  // is the caller's.
  struct Checkpoint {
    Snapshot memory;
    Recorder::State trace;
  };
  void Take(Checkpoint* checkpoint) const;
  void Restore(const Checkpoint& checkpoint);

  // Ends every application, takes the devices down and runs until all is quiet.
  void Shutdown();
  // After Shutdown: what is still held, one line each ("sk_buff 2"). Empty where nothing is.
  std::vector<std::string> Leftovers() const;

 private:
  struct LabNic {
    nic::Nic82599* nic = nullptr;
    CapturePort* port = nullptr;
    net_device* device = nullptr;
  };
  struct LabHost {
    Host* host = nullptr;
    std::vector<LabNic> nics;
  };
  LabNic& NicAt(int host, int nic) {
    return hosts_[static_cast<size_t>(host)].nics[static_cast<size_t>(nic)];
  }
  void Build(const LabOptions& options);
  void Connect(const LabOptions& options);
  void ConnectBackToBack(const LabOptions& options);
  void BringUp(const LabHostOptions& wanted, Host& host, LabNic& made, const LabNicOptions& nic);

  std::unique_ptr<Arena> own_arena_;
  Arena* arena_;
  Recorder recorder_;
  World* world_ = nullptr;
  std::vector<LabHost> hosts_;
  Link* links_[2] = {};
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_LAB_H_
