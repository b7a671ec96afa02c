// A run that is fed with frames, its recording, and what replays make of it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "replay/case/case.h"
#include "replay/case/case_run.h"
#include "replay/recording/recording_replay.h"
#include "replay/recording/recording_writer.h"
#include "stack/wire/arp.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/tcp.h"

namespace tapedeck {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr MacAddress kPeerMac{0x02, 0, 0, 0, 0, 1};
constexpr Ipv4Address kPeer{10, 99, 0, 1};

using Frame = std::vector<uint8_t>;

// A TCP segment without data from the peer, with correct checksums.
Frame Segment(uint16_t flags, uint16_t port) {
  const LiveSettings settings;
  wire::Ipv4Header ip;
  ip.saddr = kPeer;
  ip.daddr = settings.address;
  wire::TcpHeader tcp;
  tcp.source = uint16_t{40000};
  tcp.dest = port;
  tcp.seq = uint32_t{1000};
  tcp.set_flags(flags);
  tcp.window = uint16_t{65535};
  uint8_t bytes[128];
  const auto built =
      wire::FrameBuilder(bytes).Ethernet(settings.mac, kPeerMac).Ipv4(ip).Tcp(tcp).Build();
  return Frame(built.begin(), built.end());
}

// By which the host learns of the peer.
Frame ArpRequest() {
  wire::ArpPacket arp;
  arp.ar_op = wire::kArpRequest;
  arp.ar_sha = kPeerMac;
  arp.ar_sip = kPeer;
  arp.ar_tip = LiveSettings{}.address;
  uint8_t bytes[64];
  const auto built = wire::FrameBuilder(bytes).Ethernet(kMacBroadcast, kPeerMac).Arp(arp).Build();
  return Frame(built.begin(), built.end());
}

LiveSettings WithServices() {
  LiveSettings settings;
  settings.services = {{ServiceKind::kHttp, 80}, {ServiceKind::kEcho, 7}};
  return settings;
}

// A run with a few inputs: a SYN to a port where somebody listens, which is answered again and
// again, and one to a port where nobody does.
class RecordingTest : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / ("tapedeck-recording-" + std::to_string(getpid()));
    fs::create_directories(folder_);
    path_ = folder_ / "run.pcapng";
  }
  void TearDown() override { fs::remove_all(folder_); }

  // Plays 4 s and closes the recording unless `cut`.
  LiveReport Record(bool cut = false) {
    LiveRun run(WithServices());
    auto writer =
        RecordingWriter::Create(path_, "td0", {BuildName(), 1'000'000'000, WithServices()});
    EXPECT_TRUE(writer.ok()) << writer.status();
    run.lab().recorder().AddObserver(writer->get());
    run.host().syscalls().set_tracer(writer->get());
    const auto at = [&](uint64_t us) { return run.start() + Duration::Microseconds(us); };
    const auto feed = [&](uint64_t us, const Frame& frame) {
      while (run.Step(at(us))) {
      }
      (*writer)->Input(run.now(), frame);
      run.Receive(frame);
    };
    feed(900, ArpRequest());
    feed(1000, Segment(wire::kTcpSyn, 80));
    feed(1000, Segment(wire::kTcpSyn, 7));
    feed(500'000, Segment(wire::kTcpSyn, 9));
    run.RunUntil(at(2'000'000));
    (*writer)->Mark(run, 0);
    feed(2'500'000, Segment(wire::kTcpRst, 80));
    run.RunUntil(at(4'000'000));
    run.host().syscalls().set_tracer(nullptr);
    EXPECT_TRUE((cut ? (*writer)->Flush() : (*writer)->Close(run, 0)).ok());
    return run.Finish();
  }

  LiveReport Replay(const std::string& path, const LiveRunOptions& options = {}) {
    auto replay = RecordingReplay::Open(path, options);
    EXPECT_TRUE(replay.ok()) << replay.status();
    if (!replay.ok()) return {};
    while ((*replay)->Advance()) {
    }
    (*replay)->Finish();
    return (*replay)->report();
  }

  std::string Part() const { return path_ + ".part"; }

  static std::string Bytes(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  }
  static void Write(const std::string& path, const std::string& bytes) {
    std::ofstream(path, std::ios::binary) << bytes;
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(RecordingTest, AReplayIsTheSameRun) {
  const LiveReport recorded = Record();
  EXPECT_THAT(recorded.violations, IsEmpty());
  EXPECT_EQ(recorded.frames_in, 5U);
  EXPECT_GT(recorded.frames_out, 4U);  // SYN-ACKs again, a reset
  EXPECT_TRUE(IsRecording(path_));
  EXPECT_FALSE(fs::exists(Part()));
  for (const uint8_t fill : {uint8_t{0x00}, uint8_t{0xa5}}) {
    LiveRunOptions options;
    options.memory.fill = fill;
    const LiveReport replayed = Replay(path_, options);
    EXPECT_THAT(replayed.violations, IsEmpty());
    EXPECT_EQ(replayed.digest, recorded.digest);
    EXPECT_EQ(replayed.events, recorded.events);
    EXPECT_EQ(replayed.virtual_time, recorded.virtual_time);
  }
}

TEST_F(RecordingTest, ARunMadeTwiceIsRecordedInTheSameBytes) {
  Record();
  const std::string first = Bytes(path_);
  Record();
  EXPECT_EQ(Bytes(path_), first);
}

TEST_F(RecordingTest, OneThatWasKilledReplaysUpToItsEnd) {
  Record(/*cut=*/true);
  EXPECT_FALSE(fs::exists(path_));
  auto replay = RecordingReplay::Open(Part());
  ASSERT_TRUE(replay.ok()) << replay.status();
  EXPECT_FALSE((*replay)->tape().complete());
  EXPECT_EQ((*replay)->tape().marks.size(), 1U);
  EXPECT_THAT(Replay(Part()).violations, IsEmpty());
}

TEST_F(RecordingTest, CutAnywhereItReplaysOrIsRefused) {
  Record();
  const std::string whole = Bytes(path_);
  const std::string cut = folder_ / "cut.pcapng";
  int replayed = 0;
  for (size_t bytes = 0; bytes < whole.size(); bytes += 53) {
    Write(cut, whole.substr(0, bytes));
    auto replay = RecordingReplay::Open(cut);
    if (!replay.ok()) continue;
    ++replayed;
    while ((*replay)->Advance()) {
    }
    EXPECT_THAT((*replay)->Finish().problems, IsEmpty()) << "cut after " << bytes;
  }
  EXPECT_GT(replayed, 10);
}

TEST_F(RecordingTest, AnotherFrameSentIsNamed) {
  Record();
  std::string bytes = Bytes(path_);
  // The source port of the first SYN-ACK: the port that was connected to, then the peer's.
  const size_t at = bytes.find(std::string("\x00\x50\x9c\x40", 4));
  ASSERT_NE(at, std::string::npos);
  bytes[at + 1] = '\x51';
  const std::string other = folder_ / "other.pcapng";
  Write(other, bytes);
  const LiveReport report = Replay(other);
  ASSERT_FALSE(report.violations.empty());
  EXPECT_THAT(report.violations[0], HasSubstr("differs from packet"));
  EXPECT_THAT(report.violations[0], HasSubstr("byte 35 is 0x50, recorded 0x51"));
}

TEST_F(RecordingTest, AnotherDigestIsNamed) {
  const LiveReport recorded = Record();
  std::string bytes = Bytes(path_);
  const size_t at = bytes.find(recorded.digest);
  ASSERT_NE(at, std::string::npos);
  bytes[at] = bytes[at] == '0' ? '1' : '0';
  Write(path_, bytes);
  const LiveReport report = Replay(path_);
  ASSERT_EQ(report.violations.size(), 1U);
  EXPECT_THAT(report.violations[0], HasSubstr("digest " + recorded.digest));
}

TEST_F(RecordingTest, GoesOnFromACheckpointAsStraightThrough) {
  const LiveReport recorded = Record();
  auto opened = RecordingReplay::Open(path_);
  ASSERT_TRUE(opened.ok());
  RecordingReplay& replay = **opened;
  for (int pieces = 0; pieces < 60; ++pieces) ASSERT_TRUE(replay.Advance());
  const std::unique_ptr<Playback::State> state = replay.Take();
  while (replay.Advance()) {
  }
  replay.Restore(*state);
  while (replay.Advance()) {
  }
  const PlaybackResult result = replay.Finish();
  EXPECT_THAT(result.problems, IsEmpty());
  EXPECT_EQ(result.digest, recorded.digest);
}

TEST_F(RecordingTest, IsACaseThatStopsAtAnyEvent) {
  const LiveReport recorded = Record();
  const auto what = OpenCase(path_, {});
  ASSERT_TRUE(what.ok()) << what.status();
  EXPECT_EQ((*what)->kind(), CaseKind::kRecording);
  Arena arena{Arena::Options{}};
  auto run = CaseRun::Start(**what, &arena);
  ASSERT_TRUE(run.ok()) << run.status();
  ASSERT_TRUE((*run)->RunToEvent(recorded.events / 2));
  (*run)->RunToSeam();
  const auto checkpoint = (*run)->Take();
  ASSERT_NE(checkpoint, nullptr);
  (*run)->RunToEnd();
  (*run)->Restore(*checkpoint);
  (*run)->RunToEnd();
  EXPECT_EQ((*run)->Finish().digest, recorded.digest);
}

TEST_F(RecordingTest, AnUnfinishedFileIsNotOverwritten) {
  Write(Part(), "somebody's");
  const auto writer = RecordingWriter::Create(path_, "td0", {});
  ASSERT_FALSE(writer.ok());
  EXPECT_THAT(std::string(writer.status().message()), HasSubstr(".part: cannot create"));
  EXPECT_EQ(Bytes(Part()), "somebody's");
}

TEST_F(RecordingTest, OtherCapturesAreNoRecordings) {
  EXPECT_FALSE(IsRecording("corpus/captures/ping4-b.pcap"));
  EXPECT_FALSE(IsRecording("no-such-file"));
  EXPECT_FALSE(RecordingReplay::Open("corpus/captures/ping4-b.pcap").ok());
}

}  // namespace
}  // namespace tapedeck
