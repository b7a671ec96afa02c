// One connection of a capture as a plan: what reaches L, what L is expected to send.
#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/standin/delivery.h"
#include "replay/standin/infer.h"
#include "replay/standin/rewrite.h"
#include "replay/standin/stream_map.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/repair_checksums.h"

namespace tapedeck::standin {
namespace {

// A host answers within this; what takes longer crossed a path.
constexpr int64_t kHostAnswersNs = 1'000'000;
// What a segment carries where nobody says (RFC 9293 3.7.1).
constexpr uint32_t kDefaultPayload = 536;
constexpr uint32_t kTimestampBytes = 12;
// Multipath TCP puts no less than that into each segment (RFC 8684 3.3), rounded up.
constexpr uint32_t kOtherOptionsMin = 4;
// The window of a host with Linux's usual receive buffer, and how much buffer a window takes: twice
// by tcp_win_from_space(), twice for what packets take beside their payload.
constexpr int64_t kWindowUsual = 64'000;
constexpr int64_t kBufferPerWindow = 4;
constexpr int64_t kReceiveBufferMax = 64 << 20;

// Of L's segments: who sent what when, to find the causes of P's.
struct SentRecord {
  int64_t time_ns = 0;
  int64_t start = 0;
  int64_t end = 0;
  uint32_t nth = 1;  // how often `end - 1` has been sent by then
};

class TcpPlanner {
 public:
  TcpPlanner(const TcpFlow& flow, InferContext& context, Plan* plan)
      : flow_(flow),
        context_(context),
        plan_(*plan),
        index_(static_cast<uint32_t>(plan->flows.size())),
        distance_ns_(DistanceFromLocal(flow)),
        delivery_(FindDelivery(flow, distance_ns_)),
        payload_bytes_(NegotiatedPayload(flow)) {}

  void Run() {
    PlanFlow out;
    out.protocol = wire::kIpProtoTcp;
    out.local = flow_.local;
    out.remote = flow_.remote;
    out.local_initial = flow_.local_initial;
    out.remote_initial = flow_.remote_initial;
    out.role = RoleOf();
    out.open_ns = OpenTime();
    out.settings = SettingsOf();
    if (NeedsHandshake()) AddHandshake(out.role);
    for (size_t i = 0; i < flow_.segments.size(); ++i) {
      if (flow_.segments[i].out) {
        AddSent(flow_.segments[i], &out);
      } else {
        AddReceived(i);
      }
    }
    InferApplication(flow_, distance_ns_, context_, &out, &plan_.guesses);
    SetRead(&out);
    SetReceiveBuffer(&out.settings);
    if (IsMultipath()) {
      plan_.guesses.push_back(absl::StrCat(Name(),
                                           ": Multipath TCP was offered, and fell back to plain "
                                           "TCP"));
    }
    if (sums_repaired_ != 0) {
      plan_.guesses.push_back(absl::StrCat(Name(), ": ", sums_repaired_,
                                           " wrong checksums are set right: L took the segments"));
    }
    plan_.flows.push_back(std::move(out));
  }

 private:
  // --- What kind of connection it is. ---

  std::string Name() const {
    return absl::StrCat(flow_.local.ToString(), " < ", flow_.remote.ToString());
  }

  const FlowSegment* FirstSyn(bool out, bool with_ack) const {
    for (const FlowSegment& segment : flow_.segments) {
      if (segment.out == out && segment.tcp.syn() && segment.tcp.has_ack() == with_ack) {
        return &segment;
      }
    }
    return nullptr;
  }

  Role RoleOf() const {
    const FlowSegment* const ours = FirstSyn(true, false);
    const FlowSegment* const theirs = FirstSyn(false, false);
    if (ours != nullptr) return Role::kActive;
    if (theirs != nullptr) return Role::kPassive;
    return FirstSyn(false, true) != nullptr ? Role::kActive : Role::kPassive;
  }

  bool IsMultipath() const {
    return std::any_of(
        flow_.segments.begin(), flow_.segments.end(),
        [](const FlowSegment& segment) { return segment.tcp.syn() && segment.tcp.multipath; });
  }

  int64_t OpenTime() const {
    const FlowSegment& first = flow_.segments.front();
    return first.out ? std::max<int64_t>(first.time_ns() - distance_ns_, 0) : first.time_ns();
  }

  FlowSettings SettingsOf() const {
    FlowSettings settings;
    const FlowSegment* ours = FirstSyn(true, false);
    if (ours == nullptr) ours = FirstSyn(true, true);
    const FlowSegment* theirs = FirstSyn(false, false);
    if (theirs == nullptr) theirs = FirstSyn(false, true);
    if (ours == nullptr) return settings;
    // An answer to a SYN without an option is silent about it: then L's default stays.
    const bool answers = ours->tcp.has_ack();
    const auto told = [&](bool value, bool offered, bool fallback) {
      return value || (answers && !offered ? fallback : false);
    };
    const bool offered_scale = theirs != nullptr && theirs->tcp.window_scale.has_value();
    const bool offered_sack = theirs != nullptr && theirs->tcp.sack_permitted;
    const bool offered_stamps = theirs != nullptr && theirs->tcp.timestamps.has_value();
    settings.sack = told(ours->tcp.sack_permitted, offered_sack, true);
    settings.timestamps = told(ours->tcp.timestamps.has_value(), offered_stamps, true);
    settings.window_scale = ours->tcp.window_scale;
    if (answers && !offered_scale) settings.window_scale = 7;
    settings.mss_bytes = ours->tcp.mss.value_or(0);
    const uint16_t ecn = wire::kTcpEce | (answers ? 0 : wire::kTcpCwr);
    settings.ecn = (ours->tcp.flags & ecn) == ecn;
    if (ours->tcp.fast_open) settings.fast_open = FastOpen::kCookie;
    const bool sends_data = !answers && !ours->tcp.payload.empty();
    if (sends_data || (answers && ours->ack > 1)) settings.fast_open = FastOpen::kData;
    return settings;
  }

  // --- Stimuli. ---

  void AddReceived(size_t i) {
    const FlowSegment& segment = flow_.segments[i];
    Stimulus stimulus;
    stimulus.from = segment.packet->from;
    stimulus.flow = index_;
    stimulus.time_ns = segment.time_ns();
    stimulus.to_all = segment.packet->dest.IsMulticast();
    stimulus.packet.assign(segment.packet->bytes.begin(), segment.packet->bytes.end());
    stimulus.cuts = segment.packet->cuts;
    SetAsReceived(i, &stimulus.packet);
    if (delivery_.lost[i]) stimulus.skip = SkipCause::kLost;
    if (IsUnanswered()) stimulus.skip = SkipCause::kUnanswered;
    stimulus.cause = CauseOf(segment);
    stimulus.echo_of = EchoOf(segment);
    if (stimulus.skip == SkipCause::kNone) {
      previous_in_ns_ = segment.time_ns();
      TakeReceived(segment);
    }
    plan_.stimuli.push_back(std::move(stimulus));
  }

  // What the file says of P's segment `i`, as L had it.
  void SetAsReceived(size_t i, std::vector<uint8_t>* packet) {
    const FlowSegment& segment = flow_.segments[i];
    if (delivery_.sum_was_right[i]) {
      wire::RepairPacketChecksums(*packet);
      ++sums_repaired_;
    }
    if (!segment.tcp.syn() || !segment.tcp.mss.has_value()) return;
    const uint32_t used = payload_bytes_ + (UsesTimestamps() ? kTimestampBytes : 0);
    if (used + kOtherOptionsMin > *segment.tcp.mss || !SetMss(*packet, static_cast<uint16_t>(used)))
      return;
    plan_.guesses.push_back(absl::StrCat(Name(), ": L's full segments have ", payload_bytes_,
                                         " bytes though P takes ", *segment.tcp.mss,
                                         ": P's SYN tells ", used));
  }

  bool UsesTimestamps() const {
    return std::any_of(
        flow_.segments.begin(), flow_.segments.end(), [](const FlowSegment& segment) {
          return segment.out && !segment.tcp.syn() && segment.tcp.timestamps.has_value();
        });
  }

  void TakeReceived(const FlowSegment& segment) {
    if (segment.tcp.has_ack()) highest_ack_ = std::max(highest_ack_, segment.ack);
    if (segment.tcp.rst() || segment.refused) return;
    received_.Add(segment.seq + (segment.tcp.syn() ? 1 : 0), segment.tcp.payload);
    if (segment.tcp.fin()) remote_fin_ = segment.end() - 1;
    const int64_t behind_hole = received_.End() - received_.ContiguousEnd();
    behind_hole_max_ = std::max(behind_hole_max_, behind_hole);
  }

  // L's SYN-ACK and everything else is missing: a firewall swallowed the SYN.
  bool IsUnanswered() const {
    for (const FlowSegment& segment : flow_.segments) {
      if (segment.out || segment.tcp.has_ack()) return false;
    }
    return true;
  }

  Cause CauseOf(const FlowSegment& segment) const {
    Cause cause;
    cause.gap_ns = static_cast<uint64_t>(std::max<int64_t>(segment.time_ns(), 0));
    if (previous_in_ns_ >= 0) {
      cause.kind = CauseKind::kPrevious;
      cause.gap_ns = static_cast<uint64_t>(segment.time_ns() - previous_in_ns_);
    }
    if (!segment.tcp.has_ack() || segment.ack <= highest_ack_) return cause;
    const SentRecord* const sent = NewestAcknowledged(segment);
    if (sent == nullptr) return cause;
    if (sent->time_ns < previous_in_ns_ && previous_in_ns_ >= 0) return cause;
    cause.kind = CauseKind::kSent;
    cause.position = sent->end;
    cause.nth = sent->nth;
    cause.gap_ns = static_cast<uint64_t>(segment.time_ns() - sent->time_ns + 2 * distance_ns_);
    return cause;
  }

  const SentRecord* NewestAcknowledged(const FlowSegment& segment) const {
    for (auto sent = sent_.rbegin(); sent != sent_.rend(); ++sent) {
      if (sent->end <= segment.ack && sent->end > sent->start) return &*sent;
    }
    return nullptr;
  }

  std::optional<int64_t> EchoOf(const FlowSegment& segment) const {
    if (!segment.tcp.timestamps.has_value()) return std::nullopt;
    const auto found = stamps_.find(segment.tcp.timestamps->ecr);
    if (found == stamps_.end()) return std::nullopt;
    return found->second;
  }

  // --- What L sent. ---

  void AddSent(const FlowSegment& segment, PlanFlow* out) {
    Expectation expectation;
    expectation.from = segment.packet->from;
    expectation.time_ns = segment.time_ns();
    expectation.facts = FactsOf(segment.Whole(), segment.seq, segment.ack, flow_.remote_initial);
    if (segment.tcp.has_ack() && !segment.tcp.rst()) FillReceived(segment);
    SentRecord record{segment.time_ns(), segment.seq, segment.end(), 1};
    if (record.end > record.start && !segment.tcp.rst()) {
      record.nth = ++times_sent_[record.end];
      sent_.push_back(record);
    }
    // The first segment with a value is the one that P most likely echoes.
    if (segment.tcp.timestamps.has_value()) {
      stamps_.emplace(segment.tcp.timestamps->val, segment.seq);
    }
    out->expected.push_back(std::move(expectation));
  }

  // L acknowledged bytes that were never captured: made up, at the latest time that explains it.
  void FillReceived(const FlowSegment& segment) {
    int64_t until = segment.ack;
    if (remote_fin_ >= 0) until = std::min(until, remote_fin_);
    if (until <= received_.ContiguousEnd()) return;
    if (remote_fin_ < 0 && until == received_.ContiguousEnd() + 1 && IsLastAck(segment)) {
      AddMadeUp(segment, received_.ContiguousEnd(), 0, wire::kTcpFin | wire::kTcpAck);
      remote_fin_ = until - 1;
      return;
    }
    for (const auto& [from, to] : received_.HolesBefore(until)) {
      for (int64_t at = from; at < to;) {
        const int64_t bytes = std::min<int64_t>(to - at, NegotiatedPayload(flow_));
        if (static_cast<uint64_t>(bytes) > context_.filler_left) return;
        context_.filler_left -= static_cast<uint64_t>(bytes);
        AddMadeUp(segment, at, static_cast<size_t>(bytes), wire::kTcpAck);
        at += bytes;
      }
    }
  }

  bool IsLastAck(const FlowSegment& segment) const {
    for (const FlowSegment& other : flow_.segments) {
      if (other.out && other.ack > segment.ack) return false;
      if (!other.out && other.end() > segment.ack) return false;
    }
    return true;
  }

  // A segment of P that no capture holds, just before `cause` of L.
  void AddMadeUp(const FlowSegment& cause, int64_t seq, size_t bytes, uint16_t flags) {
    Stimulus stimulus;
    stimulus.flow = index_;
    stimulus.time_ns = cause.time_ns();
    stimulus.cause.gap_ns = static_cast<uint64_t>(cause.time_ns());
    if (previous_in_ns_ >= 0) {
      stimulus.cause.kind = CauseKind::kPrevious;
      stimulus.cause.gap_ns = static_cast<uint64_t>(cause.time_ns() - previous_in_ns_);
    }
    previous_in_ns_ = cause.time_ns();
    filler_.assign(bytes, 0);
    stimulus.packet = MakeSegment(seq, std::max<int64_t>(highest_ack_, 1), flags, filler_);
    if (bytes != 0) made_up_.push_back(filler_);
    if (bytes != 0) received_.Add(seq, made_up_.back());
    plan_.stimuli.push_back(std::move(stimulus));
    ++made_up_count_;
  }

  std::vector<uint8_t> MakeSegment(int64_t seq, int64_t ack, uint16_t flags,
                                   std::span<const uint8_t> payload) const {
    std::vector<uint8_t> buffer(payload.size() + 128);
    wire::TcpHeader tcp;
    tcp.source = flow_.remote.port;
    tcp.dest = flow_.local.port;
    tcp.seq = flow_.remote_initial + static_cast<uint32_t>(seq);
    if ((flags & wire::kTcpAck) != 0)
      tcp.ack_seq = flow_.local_initial + static_cast<uint32_t>(ack);
    tcp.set_flags(flags);
    tcp.window = LastWindow();
    wire::FrameBuilder builder(buffer);
    if (flow_.remote.address.is_v4()) {
      builder.Ipv4(
          {.ttl = 64, .saddr = flow_.remote.address.v4(), .daddr = flow_.local.address.v4()});
    } else {
      wire::Ipv6Header ip;
      ip.set_class_and_flow(0, 0);
      ip.hop_limit = 64;
      ip.saddr = flow_.remote.address.v6();
      ip.daddr = flow_.local.address.v6();
      builder.Ipv6(ip);
    }
    wire::TcpOptionWriter options;
    if ((flags & wire::kTcpSyn) != 0) {
      options.Mss(static_cast<uint16_t>(GuessedPayload()));
    }
    const std::span<const uint8_t> built =
        builder.Tcp(tcp, options.bytes()).Payload(payload).Build();
    return {built.begin(), built.end()};
  }

  // The window that P told last; without scaling in a SYN that was made up, it cannot be more.
  uint16_t LastWindow() const {
    for (const FlowSegment& segment : flow_.segments) {
      if (!segment.out && segment.tcp.has_ack() && !segment.tcp.rst()) return segment.tcp.window;
    }
    return std::numeric_limits<uint16_t>::max();
  }

  // --- A connection whose beginning was not captured. ---

  bool NeedsHandshake() const {
    bool any_data = false;
    for (const FlowSegment& segment : flow_.segments) {
      if (segment.tcp.syn()) return false;
      if (!segment.tcp.rst()) any_data = true;
    }
    return any_data;
  }

  uint32_t GuessedPayload() const {
    size_t largest = kDefaultPayload;
    for (const FlowSegment& segment : flow_.segments) {
      if (segment.out) largest = std::max(largest, segment.tcp.payload.size());
    }
    return static_cast<uint32_t>(std::min<size_t>(largest, 9'960));
  }

  void AddHandshake(Role role) {
    (void)role;
    const int64_t first_ns = flow_.segments.front().time_ns();
    Stimulus syn;
    syn.flow = index_;
    syn.time_ns = first_ns;
    syn.cause.gap_ns = static_cast<uint64_t>(first_ns);
    syn.packet = MakeSegment(0, 0, wire::kTcpSyn, {});
    plan_.stimuli.push_back(std::move(syn));
    Stimulus ack;
    ack.flow = index_;
    ack.time_ns = first_ns;
    ack.cause = {.kind = CauseKind::kSent, .position = 1};
    ack.packet = MakeSegment(1, 1, wire::kTcpAck, {});
    plan_.stimuli.push_back(std::move(ack));
    previous_in_ns_ = first_ns;
    highest_ack_ = 1;
    plan_.guesses.push_back(absl::StrCat(Name(),
                                         ": the capture begins within the connection; it is opened "
                                         "just before, without scaled windows"));
  }

  // --- What the application reads. ---

  // A host that kept more behind a hole than ours would had a larger buffer.
  void SetReceiveBuffer(FlowSettings* settings) {
    if (behind_hole_max_ <= kWindowUsual) return;
    settings->receive_buffer_bytes =
        static_cast<uint32_t>(std::min(kBufferPerWindow * behind_hole_max_, kReceiveBufferMax));
    plan_.guesses.push_back(absl::StrCat(Name(), ": L kept ", behind_hole_max_,
                                         " bytes behind a missing one: its receive buffer is ",
                                         settings->receive_buffer_bytes, " bytes"));
  }

  void SetRead(PlanFlow* out) {
    int64_t end = received_.ContiguousEnd();
    int64_t acknowledged = 0;
    bool any = false;
    for (const FlowSegment& segment : flow_.segments) {
      if (!segment.out || !segment.tcp.has_ack() || segment.tcp.rst()) continue;
      any = true;
      acknowledged = std::max(acknowledged, segment.ack);
    }
    if (any) end = std::min(end, std::max<int64_t>(acknowledged, 1));
    if (received_.conflicting()) {
      plan_.guesses.push_back(absl::StrCat(Name(),
                                           ": P sent other bytes at the same place; the first "
                                           "ones count"));
    }
    if (made_up_count_ != 0) {
      plan_.guesses.push_back(absl::StrCat(Name(), ": ", made_up_count_,
                                           " segments that L acknowledged were not captured; they "
                                           "are made up, their bytes zero"));
    }
    out->read_bytes = static_cast<uint64_t>(end - 1);
    StreamHash hash;
    hash.Add(received_.Copy(1, end));
    out->read_hash = hash.value();
  }

  const TcpFlow& flow_;
  InferContext& context_;
  Plan& plan_;
  uint32_t index_;
  int64_t distance_ns_;
  Delivery delivery_;
  uint32_t payload_bytes_;  // of L's full segments
  std::vector<SentRecord> sent_;
  std::map<int64_t, uint32_t> times_sent_;  // by end
  std::map<uint32_t, int64_t> stamps_;      // L's timestamp values: where their segments began
  StreamMap received_;
  std::vector<uint8_t> filler_;
  std::deque<std::vector<uint8_t>> made_up_;
  uint64_t made_up_count_ = 0;
  int64_t remote_fin_ = -1;
  int64_t previous_in_ns_ = -1;
  int64_t highest_ack_ = 0;
  int64_t behind_hole_max_ = 0;  // how far P's bytes that L kept lay behind a missing one
  uint64_t sums_repaired_ = 0;
};

}  // namespace

void InferTcpFlow(const TcpFlow& flow, InferContext& context, Plan* plan) {
  TcpPlanner(flow, context, plan).Run();
}

int64_t DistanceFromLocal(const TcpFlow& flow) {
  int64_t fastest = std::numeric_limits<int64_t>::max();
  int64_t waiting_since = -1;
  int64_t waiting_for = 0;
  for (const FlowSegment& segment : flow.segments) {
    if (!segment.out) {
      if (segment.tcp.SequenceLength() == 0) continue;
      waiting_since = segment.time_ns();
      waiting_for = segment.end();
    } else if (waiting_since >= 0 && segment.tcp.has_ack() && segment.ack >= waiting_for) {
      fastest = std::min(fastest, segment.time_ns() - waiting_since);
      waiting_since = -1;
    }
  }
  if (fastest == std::numeric_limits<int64_t>::max() || fastest < kHostAnswersNs) return 0;
  return fastest / 2;
}

uint32_t NegotiatedPayload(const TcpFlow& flow) {
  uint32_t payload = kDefaultPayload;
  bool stamps = false;
  size_t largest = 0;
  size_t pushed = 0;
  for (const FlowSegment& segment : flow.segments) {
    if (!segment.out && segment.tcp.syn() && segment.tcp.mss.has_value()) {
      payload = *segment.tcp.mss;
    }
    if (!segment.out) continue;
    if (!segment.tcp.syn() && segment.tcp.timestamps.has_value()) stamps = true;
    const size_t bytes = segment.tcp.payload.size();
    if (bytes > largest) {
      largest = bytes;
      pushed = 0;
    }
    if (bytes == largest && (segment.tcp.flags & wire::kTcpPsh) == 0) ++pushed;
  }
  if (stamps && payload > kTimestampBytes) payload -= kTimestampBytes;
  // L may have kept below what P would take: full segments, none of which ends a write.
  if (pushed >= 2 && largest != 0 && largest < payload) payload = static_cast<uint32_t>(largest);
  return std::max<uint32_t>(payload, 1);
}

}  // namespace tapedeck::standin
