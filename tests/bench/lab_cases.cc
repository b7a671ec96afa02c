// Labs as a whole: building them, what they take, going back to a snapshot, and raw replay of a
// capture.
#include "replay/lab/lab.h"
#include "replay/lab/raw_replay.h"
#include "replay/lab/udp_sink.h"
#include "stack/kernel/cost_preset.h"
#include "tests/bench/cases.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

LabOptions Hosts(size_t count) {
  LabOptions options;
  options.hosts.resize(count);
  options.hosts[0].mac = kHostMac;
  options.hosts[0].address = kHostAddress;
  if (count == 2) {
    options.hosts[1].mac = kPeerMac;
    options.hosts[1].address = kPeerAddress;
    options.back_to_back = true;
  }
  return options;
}

// Labs from nothing, one after another in the same arena.
class BuildLab : public Case {
 public:
  explicit BuildLab(size_t hosts) : options_(Hosts(hosts)) { Run(); }

  uint64_t Run() override {
    constexpr uint64_t kLabs = 16;
    for (uint64_t i = 0; i < kLabs; ++i) Lab lab(options_, &arena_);
    return kLabs;
  }

 private:
  LabOptions options_;
  Arena arena_;
};

// A host with an application that waits, and a snapshot of it.
class RestoreLab : public Case {
 public:
  // With `frame` a datagram is received each time before the snapshot is restored.
  explicit RestoreLab(bool frame)
      : receive_(frame),
        bytes_(UdpFrame(kSmallFrameBytes, kSinkPort)),
        sinks_(lab_.host(0), std::array{kSinkPort}) {
    Receive();
    CHECK_EQ(sinks_.datagrams(), 1U);
    lab_.Take(&checkpoint_);
    Run();
  }

  uint64_t Run() override {
    constexpr uint64_t kRestores = 200;
    for (uint64_t i = 0; i < kRestores; ++i) {
      if (receive_) {
        Receive();
        CHECK_EQ(sinks_.datagrams(), 2U);
      }
      lab_.Restore(checkpoint_);
    }
    return kRestores;
  }

 private:
  void Receive() {
    lab_.port(0).Inject(lab_.world().now(), bytes_, /*stable=*/true, 0);
    lab_.world().RunUntil(lab_.world().now() + Duration::Milliseconds(1));
  }

  bool receive_;
  std::vector<uint8_t> bytes_;
  Lab lab_{Hosts(1)};
  UdpSinks sinks_;
  Lab::Checkpoint checkpoint_;
};

double Kibibytes(size_t bytes) { return static_cast<double>(bytes) / 1024; }

double TwoHostsHotKib() {
  const auto lab = std::make_unique<Lab>(Hosts(2));
  return Kibibytes(lab->arena().hot_used_bytes());
}

double TwoHostsSnapshotKib() {
  const auto lab = std::make_unique<Lab>(Hosts(2));
  Lab::Checkpoint checkpoint;
  lab->Take(&checkpoint);
  return Kibibytes(checkpoint.memory.bytes());
}

// A capture of UDP datagrams to a bound socket, from the file to the application, with all that raw
// replay reports.
class ReplayCapture : public Case {
 public:
  ReplayCapture(size_t frame_bytes, std::string_view costs)
      : file_(frame_bytes, CaptureFrames(frame_bytes)) {
    options_.host = IpAddress(kHostAddress);
    options_.udp_ports = {kSinkPort};
    options_.lab.costs = *CostPresetNamed(costs);
    Run();
  }

  uint64_t Run() override {
    const absl::StatusOr<RawReplayResult> result = RawReplay(file_.path(), options_);
    CHECK(result.ok() && result->violations.empty());
    CHECK_EQ(result->delivered, file_.frames());
    CHECK_EQ(result->udp_datagrams_read, file_.frames());
    return file_.frames();
  }

 private:
  CaptureFile file_;
  RawReplayOptions options_;
};

}  // namespace

void AddLabCases(Suite& suite) {
  suite.Add("lab/build_one_host", "labs", [] { return std::make_unique<BuildLab>(1); });
  suite.Add("lab/build_two_hosts", "labs", [] { return std::make_unique<BuildLab>(2); });
  suite.Add("lab/restore", "restores",
            [] { return std::make_unique<RestoreLab>(/*frame=*/false); });
  suite.Add("lab/frame_and_restore", "restores",
            [] { return std::make_unique<RestoreLab>(/*frame=*/true); });
  suite.AddFigure("lab/two_hosts_hot", "KiB", &TwoHostsHotKib);
  suite.AddFigure("lab/two_hosts_snapshot", "KiB", &TwoHostsSnapshotKib);
  suite.Add("replay/udp_60", "frames",
            [] { return std::make_unique<ReplayCapture>(kSmallFrameBytes, "free"); });
  suite.Add("replay/udp_60_xdp18", "frames",
            [] { return std::make_unique<ReplayCapture>(kSmallFrameBytes, "xdp18"); });
  suite.Add("replay/udp_1514", "frames",
            [] { return std::make_unique<ReplayCapture>(kLargeFrameBytes, "free"); });
}

}  // namespace tapedeck::bench
