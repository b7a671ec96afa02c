// What inference finds, beside what was so: two hosts, a path that loses frames at known places,
// and captures of it taken at L, in its middle and at P. Printed as shares: of what is found, so
// much is right (precision); of what was so, so much is found (recall).
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "replay/capture/output_file.h"
#include "replay/capture/pcapng_writer.h"
#include "replay/standin/packet.h"
#include "replay/standin/stand_in.h"
#include "replay/trace/stable_sort.h"
#include "stack/socket/system_call.h"
#include "tcp_lab.h"

namespace tapedeck::standin {
namespace {

constexpr int64_t kEpochNs = 1'700'000'000'000'000'000;

// A frame that one host sent, and when the other had it; never where the path lost it.
struct Carried {
  bool from_l = false;
  int64_t sent_ns = 0;
  std::optional<int64_t> received_ns;
  double lost_at = 0;  // as a share of the path from its sender
  std::vector<uint8_t> bytes;

  std::optional<TcpSegment> tcp() const {
    const auto ip = ParseIpPacket(std::span(bytes).subspan(14));  // behind Ethernet's header
    return ip.has_value() ? ParseTcpSegment(*ip) : std::nullopt;
  }
};

// One connection of L's application.
struct Stream {
  std::set<size_t> write_ends;
  size_t written = 0;
  size_t read = 0;
};

// What happened, as the hosts themselves tell it.
class Truth : public TraceObserver {
 public:
  explicit Truth(int l) : l_(l) {}

  void Observe(uint64_t, const TraceEvent& event, const FrameLedger&) override {
    const auto time_ns = static_cast<int64_t>(event.time.ns());
    if (event.kind == TraceKind::kWireTx) {
      Carried frame;
      frame.from_l = event.host == l_;
      frame.sent_ns = time_ns;
      frame.lost_at = carried_.size() % 2 == 0 ? 0.25 : 0.75;
      frame.bytes.assign(event.bytes.begin(), event.bytes.end());
      under_way_[frame.bytes] = carried_.size();
      carried_.push_back(std::move(frame));
    } else if (event.kind == TraceKind::kWireRx) {
      const auto sent = under_way_.find({event.bytes.begin(), event.bytes.end()});
      if (sent == under_way_.end()) return;
      carried_[sent->second].received_ns = time_ns;
      under_way_.erase(sent);
    } else if (event.kind == TraceKind::kSyscallExit && event.host == l_) {
      Call(static_cast<SyscallNumber>(event.args[0]), static_cast<int>(event.args[1]),
           static_cast<int64_t>(event.args[2]));
    }
  }
  const std::vector<Carried>& carried() const { return carried_; }
  const std::vector<Stream>& streams() const { return streams_; }

 private:
  void Call(SyscallNumber number, int fd, int64_t result) {
    if (number == SyscallNumber::kClose) open_.erase(fd);
    if (result <= 0 || (number != SyscallNumber::kWrite && number != SyscallNumber::kRead)) return;
    const auto [place, is_new] = open_.emplace(fd, streams_.size());
    if (is_new) streams_.emplace_back();
    Stream& stream = streams_[place->second];
    if (number == SyscallNumber::kRead) {
      stream.read += static_cast<size_t>(result);
    } else {
      stream.written += static_cast<size_t>(result);
      stream.write_ends.insert(stream.written);
    }
  }

  int l_;
  std::vector<Carried> carried_;
  // No frame of a run is like another one: IP identifications count on.
  std::map<std::vector<uint8_t>, size_t> under_way_;
  std::vector<Stream> streams_;
  std::map<int, size_t> open_;
};

// A capture of it, `place` of the way from L to P, without those frames that the capturing program
// was too slow for.
struct Taken {
  std::string path;
  std::vector<const Carried*> records;  // record N at [N - 1]
  std::vector<const Carried*> missed;
};
Taken Take(const Truth& truth, double place, Duration delay, size_t miss_every) {
  std::vector<std::pair<int64_t, const Carried*>> seen;
  for (const Carried& frame : truth.carried()) {
    const double gone = frame.from_l ? place : 1 - place;  // of its way
    if (!frame.received_ns.has_value() && gone > frame.lost_at) continue;
    const int64_t way_ns =
        frame.received_ns.value_or(frame.sent_ns + static_cast<int64_t>(delay.ns())) -
        frame.sent_ns;
    seen.emplace_back(frame.sent_ns + static_cast<int64_t>(static_cast<double>(way_ns) * gone),
                      &frame);
  }
  StableSort(&seen, [](const auto& a, const auto& b) { return a.first < b.first; });
  Taken taken;
  taken.path = testing::TempDir() + "/inference." + std::to_string(getpid()) + ".pcapng";
  auto file = capture::OutputFile::Create(taken.path);
  EXPECT_TRUE(file.ok());
  auto writer = capture::PcapngWriter::Create(*std::move(file), {});
  EXPECT_TRUE(writer.ok() && writer->AddInterface({}).ok());
  size_t with_data = 0;
  for (const auto& [time_ns, frame] : seen) {
    const auto tcp = frame->tcp();
    const bool data = tcp.has_value() && !tcp->payload.empty();
    if (data && miss_every != 0 && ++with_data % miss_every == 0) {
      taken.missed.push_back(frame);
      continue;
    }
    capture::OutputPacket packet;
    packet.time_ns = kEpochNs + time_ns;
    packet.data = frame->bytes;
    packet.original_length_bytes = static_cast<uint32_t>(frame->bytes.size());
    EXPECT_TRUE(writer->Write(packet).ok());
    taken.records.push_back(frame);
  }
  EXPECT_TRUE(writer->Close().ok());
  return taken;
}

// How much of what was found is right, and how much of what was so is found.
struct Score {
  uint64_t so = 0;
  uint64_t found = 0;
  uint64_t right = 0;

  template <typename Set>
  void Add(const Set& was, const Set& is) {
    so += was.size();
    found += is.size();
    for (const auto& item : is) right += was.count(item);
  }
  double precision() const {
    return found == 0 ? 1 : static_cast<double>(right) / static_cast<double>(found);
  }
  double recall() const {
    return so == 0 ? 1 : static_cast<double>(right) / static_cast<double>(so);
  }
};

struct Scenario {
  const char* name;
  bool l_serves;
  Duration delay;  // one way
  uint32_t loss_ppm;
  size_t miss_every;  // frames with data, of the capture; 0: none
};
struct Place {
  const char* name;
  double from_l;
};
constexpr Place kPlaces[] = {{"at L", 0}, {"in the middle", 0.5}, {"at P", 1}};

class Inference : public testing::TestWithParam<Scenario> {
 protected:
  // L is host 0.
  void Play() {
    LinkOptions link;
    link.delay = GetParam().delay;
    link.loss_ppm = GetParam().loss_ppm;
    TcpLab lab(TcpLabOptions(link));
    lab.lab().recorder().AddObserver(&truth_);
    AppPlan plan;
    plan.connections = 8;
    plan.requests_per_connection = 12;
    plan.request_bytes = GetParam().l_serves ? 300 : 700;
    plan.response_bytes = 9'000;
    const int client = GetParam().l_serves ? 1 : 0;
    lab.Serve(1 - client);
    lab.Ask(client, plan, 7);
    ASSERT_TRUE(lab.RunClients());
    ASSERT_TRUE(lab.AllIsRight());
    lab.RunFor(Duration::Seconds(2));
  }

  Truth truth_{0};
};

void Print(const Place& place, const char* what, const Score& score) {
  std::printf("  %-14s %-28s %5d so  %5d found  precision %5.1f %%  recall %5.1f %%\n", place.name,
              what, static_cast<int>(score.so), static_cast<int>(score.found),
              100 * score.precision(), 100 * score.recall());
}

// Records of P's segments with data that were captured and never reached L.
std::set<uint64_t> LostBehind(const Taken& taken) {
  std::set<uint64_t> lost;
  for (size_t i = 0; i < taken.records.size(); ++i) {
    const Carried& frame = *taken.records[i];
    if (frame.from_l || frame.received_ns.has_value()) continue;
    const auto tcp = frame.tcp();
    if (tcp.has_value() && !tcp->payload.empty()) lost.insert(i + 1);
  }
  return lost;
}

// Bytes of P's streams, by L's port and sequence number, that reached L and are in none of the
// records.
using StreamByte = std::pair<uint16_t, uint32_t>;
void AddPayload(const TcpSegment& tcp, std::set<StreamByte>* bytes) {
  const uint16_t port = std::max(tcp.source.port.host(), tcp.dest.port.host());
  for (uint32_t i = 0; i < tcp.payload.size(); ++i) bytes->insert({port, tcp.seq + i});
}
void FindNotCaptured(const Taken& taken, std::set<StreamByte>* bytes) {
  std::set<StreamByte>& missing = *bytes;
  for (const Carried* const frame : taken.missed) {
    if (!frame->from_l && frame->received_ns.has_value()) AddPayload(*frame->tcp(), &missing);
  }
  for (const Carried* const frame : taken.records) {
    if (missing.empty()) break;
    const auto tcp = frame->tcp();
    if (!tcp.has_value() || frame->from_l) continue;
    if (tcp->payload.empty()) continue;
    const uint16_t port = std::max(tcp->source.port.host(), tcp->dest.port.host());
    const uint32_t end = tcp->seq + static_cast<uint32_t>(tcp->payload.size());
    ASSERT_LT(tcp->seq, end) << "the streams of these seeds do not wrap";
    missing.erase(missing.lower_bound({port, tcp->seq}), missing.lower_bound({port, end}));
  }
}

TEST_P(Inference, FindsWhatWasSo) {
  Play();
  std::printf("%s\n", GetParam().name);
  for (const Place& place : kPlaces) {
    SCOPED_TRACE(place.name);
    const Taken taken = Take(truth_, place.from_l, GetParam().delay, GetParam().miss_every);
    std::vector<std::string> warnings;
    InferOptions options;
    options.host = IpAddress(kTcpLabAddress[0]);
    const absl::StatusOr<Plan> plan = PlanFromCapture(taken.path, options, &warnings);
    // Who L is shows where the capture was not taken half way.
    const absl::StatusOr<Plan> untold = PlanFromCapture(taken.path, {}, &warnings);
    std::filesystem::remove(taken.path);
    ASSERT_TRUE(plan.ok() && untold.ok());
    if (place.from_l != 0.5) {
      EXPECT_EQ(untold->addresses.at(0), IpAddress(kTcpLabAddress[place.from_l == 0 ? 0 : 1]));
    }

    // The application.
    ASSERT_EQ(plan->flows.size(), truth_.streams().size());
    Score writes;
    for (size_t i = 0; i < plan->flows.size(); ++i) {
      const PlanFlow& flow = plan->flows[i];
      EXPECT_EQ(flow.role, GetParam().l_serves ? Role::kPassive : Role::kActive);
      EXPECT_EQ(flow.read_bytes, truth_.streams()[i].read);
      std::set<size_t> ends;
      size_t at = 0;
      for (const Action& action : flow.actions) {
        at += action.data.size();
        if (action.kind == ActionKind::kWrite) ends.insert(at);
      }
      EXPECT_EQ(at, truth_.streams()[i].written);
      writes.Add(truth_.streams()[i].write_ends, ends);
    }
    Print(place, "ends of L's writes", writes);
    // A gap that recovery makes in a long answer can look like a think time of the application.
    EXPECT_GE(writes.precision(), 0.75);
    EXPECT_GE(writes.recall(), 0.97);

    // The path.
    std::set<uint64_t> lost;
    std::set<StreamByte> made_up;
    std::vector<uint64_t> round_trips_ns;
    for (const Stimulus& stimulus : plan->stimuli) {
      const auto tcp = ParseTcpSegment(*ParseIpPacket(stimulus.packet));
      ASSERT_TRUE(tcp.has_value());
      if (stimulus.skip == SkipCause::kLost) lost.insert(stimulus.from.record);
      if (stimulus.from.record == 0) AddPayload(*tcp, &made_up);
      if (stimulus.cause.kind == CauseKind::kSent) {
        round_trips_ns.push_back(stimulus.cause.gap_ns);
      }
    }
    Score losses;
    losses.Add(LostBehind(taken), lost);
    Print(place, "segments lost behind it", losses);
    EXPECT_GE(losses.precision(), 0.9);
    EXPECT_GE(losses.recall(), 0.75);
    Score holes;
    std::set<StreamByte> missed;
    FindNotCaptured(taken, &missed);
    holes.Add(missed, made_up);
    Print(place, "bytes that it missed", holes);
    EXPECT_GE(holes.precision(), 0.99);
    EXPECT_GE(holes.recall(), 0.99);
    const auto middle = round_trips_ns.begin() + static_cast<ptrdiff_t>(round_trips_ns.size() / 2);
    std::nth_element(round_trips_ns.begin(), middle, round_trips_ns.end());
    std::printf("  %-14s round trip as L has it: %.3f ms\n", place.name,
                static_cast<double>(*middle) * 1e-6);
    EXPECT_NEAR(static_cast<double>(*middle), static_cast<double>(2 * GetParam().delay.ns()), 1e5);
  }
}

constexpr Duration kFar = Duration::Milliseconds(10);
constexpr Duration kNear = Duration::Milliseconds(1);
INSTANTIATE_TEST_SUITE_P(Scenarios, Inference,
                         testing::Values(Scenario{"client", false, kFar, 0, 0},
                                         Scenario{"server", true, kFar, 0, 0},
                                         Scenario{"client_lossy", false, kFar, 20'000, 0},
                                         Scenario{"client_lossy_near", false, kNear, 20'000, 0},
                                         Scenario{"server_lossy", true, kFar, 20'000, 0},
                                         Scenario{"client_missed", false, kFar, 0, 40},
                                         Scenario{"server_missed", true, kFar, 0, 40}),
                         [](const testing::TestParamInfo<Scenario>& param) {
                           return std::string(param.param.name);
                         });

}  // namespace
}  // namespace tapedeck::standin
