#include "replay/standin/compare.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/standin/flows.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck::standin {
namespace {

constexpr const char* kGradeNames[] = {"A", "A-", "B", "C", "D"};
constexpr uint16_t kMilestoneFlags = wire::kTcpSyn | wire::kTcpFin | wire::kTcpRst;

bool IsReset(const SegmentFacts& facts) { return (facts.flags & wire::kTcpRst) != 0; }

// What two segments differ in first: a word for the reason code, and a sentence.
struct FieldDifference {
  const char* code = nullptr;  // null: they are alike
  const char* text = "";
};

// `a` is of the capture.
FieldDifference Difference(const SegmentFacts& a, const SegmentFacts& b) {
  if (a.seq != b.seq || a.length != b.length) return {"segmentation", "other bytes"};
  if ((a.flags & kMilestoneFlags) != (b.flags & kMilestoneFlags)) return {"flags", "other flags"};
  if (a.ack != b.ack) return {"ack_thinning", "acknowledges another place"};
  if (a.flags != b.flags) return {"flags", "other flags"};
  if (a.mss != b.mss) return {"options", "another MSS"};
  if (a.window_scale != b.window_scale) return {"options", "another window scale"};
  if (a.sack_permitted != b.sack_permitted) return {"options", "SACK permitted on one side only"};
  if (a.timestamps != b.timestamps) return {"options", "timestamps on one side only"};
  if (a.sack_edges != b.sack_edges) return {"sack", "other SACK blocks"};
  if (a.window != b.window) return {"window", "another window"};
  return {};
}

bool IsData(const SegmentFacts& facts) { return facts.length != 0 && !IsReset(facts); }

struct StreamCounts {
  std::map<std::pair<int64_t, uint32_t>, uint64_t> data;
  uint64_t retransmissions = 0;
  uint64_t resets = 0;
  int64_t reached = 0;

  void Add(const SegmentFacts& facts) {
    if (IsReset(facts)) {
      ++resets;
      return;
    }
    if (facts.end() > facts.seq) {
      if (facts.end() <= reached) ++retransmissions;
      reached = std::max(reached, facts.end());
    }
    if (IsData(facts)) ++data[{facts.seq, facts.length}];
  }
};

class FlowJudge {
 public:
  FlowJudge(const Plan& plan, const FlowStimuli& stimuli, uint32_t index, const FlowResult& result,
            const TimeTolerance& tolerance)
      : plan_(plan),
        flow_(plan.flows[index]),
        stimuli_(stimuli.Of(index)),
        result_(result),
        tolerance_(tolerance),
        end_of_capture_ns_(stimuli.last_ns()) {}

  FlowComparison Judge() {
    FindHorizon();
    if (flow_.protocol == wire::kIpProtoTcp) {
      CompareOutcomes();
      CompareCounts();
    }
    CompareInOrder();
    out_.bytes_read_same =
        result_.read_bytes >= flow_.read_bytes && (result_.read_hash == flow_.read_hash);
    SetGrade();
    return std::move(out_);
  }

 private:
  // What our host does when the capture has ended has nothing to be compared with.
  void FindHorizon() {
    int64_t last_ns = 0;
    for (const Expectation& expectation : flow_.expected) {
      last_ns = std::max(last_ns, expectation.time_ns);
    }
    for (const uint32_t i : stimuli_) last_ns = std::max(last_ns, plan_.stimuli[i].time_ns);
    end_of_capture_ns_ = std::max(end_of_capture_ns_, last_ns);
    const int64_t slip = std::max<int64_t>(result_.last_in_ns - last_ns, 0);
    // What L did last, our host may do a moment later.
    constexpr int64_t kMomentNs = 10'000'000;
    horizon_ns_ = end_of_capture_ns_ + slip + kMomentNs;
    counted_ = result_.sent.size();
    while (counted_ > flow_.expected.size() && result_.sent[counted_ - 1].time_ns > horizon_ns_) {
      --counted_;
    }
  }

  void CompareOutcomes() {
    OutcomeTracker captured;
    size_t next = 0;
    for (const uint32_t i : stimuli_) {
      const Stimulus& stimulus = plan_.stimuli[i];
      if (stimulus.skip != SkipCause::kNone) continue;
      while (next < flow_.expected.size() && flow_.expected[next].time_ns < stimulus.time_ns) {
        captured.Sent(flow_.expected[next++].facts);
      }
      const auto ip = ParseIpPacket(stimulus.packet);
      const auto tcp = ip.has_value() ? ParseTcpSegment(*ip) : std::nullopt;
      if (!tcp.has_value()) continue;
      captured.Received(FactsOf(*tcp, Unwrap(tcp->seq, flow_.remote_initial, remote_seq_),
                                Unwrap(tcp->ack, flow_.local_initial, 0), flow_.local_initial));
      remote_seq_ = Unwrap(tcp->seq, flow_.remote_initial, remote_seq_);
    }
    while (next < flow_.expected.size()) captured.Sent(flow_.expected[next++].facts);
    out_.captured = captured.outcome();
    captured_challenges_ = captured.challenge_acks();

    OutcomeTracker replayed;
    size_t entered = 0;
    for (size_t i = 0; i < counted_; ++i) {
      const ObservedSegment& sent = result_.sent[i];
      while (entered < result_.entered.size() && result_.entered[entered].time_ns < sent.time_ns) {
        replayed.Received(result_.entered[entered++].facts);
      }
      replayed.Sent(sent.facts);
    }
    while (entered < result_.entered.size()) {
      replayed.Received(result_.entered[entered++].facts);
    }
    out_.replayed = replayed.outcome();
    out_.challenge_acks_more = More(captured_challenges_, replayed.challenge_acks());
  }

  static uint64_t More(uint64_t captured, uint64_t replayed) {
    return replayed > captured ? replayed - captured : 0;
  }

  void CompareCounts() {
    StreamCounts captured;
    StreamCounts replayed;
    for (const Expectation& expectation : flow_.expected) captured.Add(expectation.facts);
    for (size_t i = 0; i < counted_; ++i) replayed.Add(result_.sent[i].facts);
    for (const auto& [segment, count] : captured.data) {
      out_.segments_captured += count;
      const auto found = replayed.data.find(segment);
      if (found != replayed.data.end()) out_.segments_same += std::min(count, found->second);
    }
    out_.retransmissions_more = More(captured.retransmissions, replayed.retransmissions);
    out_.resets_more = More(captured.resets, replayed.resets);
    // A connection that the capture begins within had a SYN, too.
    if (out_.captured.opened) captured.reached = std::max<int64_t>(captured.reached, 1);
    out_.bytes_sent_same = captured.reached == replayed.reached;
  }

  // In the order in which L sent, until something differs.
  void CompareInOrder() {
    const size_t both = std::min(flow_.expected.size(), counted_);
    for (size_t i = 0; i < both; ++i) {
      const SegmentFacts& a = flow_.expected[i].facts;
      const SegmentFacts& b = result_.sent[i].facts;
      const FieldDifference difference = Difference(a, b);
      if (difference.code != nullptr) {
        Diverge(i, KindOf(difference, a, b),
                absl::StrCat(difference.text, ": captured ", SegmentText(a), ", ours ",
                             SegmentText(b)));
        return;
      }
      CompareTime(i);
    }
    if (flow_.expected.size() > both) {
      Diverge(both, "missing",
              absl::StrCat("ours ends here, captured goes on: ",
                           SegmentText(flow_.expected[both].facts)));
    } else if (counted_ > both) {
      Diverge(both, "more",
              absl::StrCat("captured ends here, ours goes on: ",
                           SegmentText(result_.sent[both].facts)));
    }
  }

  // Where one side sent an ACK and the other data, the ACK is what differs.
  static const char* KindOf(const FieldDifference& difference, const SegmentFacts& a,
                            const SegmentFacts& b) {
    const bool one_is_ack = (a.end() == a.seq) != (b.end() == b.seq);
    return one_is_ack && !IsReset(a) && !IsReset(b) ? "ack_thinning" : difference.code;
  }

  void Diverge(size_t at, const char* code, std::string what) {
    out_.diverged = true;
    out_.difference = code;
    out_.first_captured = out_.first_replayed = at;
    const uint64_t record = at < flow_.expected.size() ? flow_.expected[at].from.record : 0;
    out_.divergence = record != 0 ? absl::StrCat("frame ", record, ": ", what) : std::move(what);
  }

  void CompareTime(size_t i) {
    const int64_t off = result_.sent[i].time_ns - flow_.expected[i].time_ns;
    const int64_t size = std::abs(off);
    out_.time_off_max_ns = std::max(out_.time_off_max_ns, size);
    const int64_t since = i == 0 ? 0 : flow_.expected[i].time_ns - flow_.expected[i - 1].time_ns;
    const int64_t allowed = std::max(tolerance_.absolute_ns, since * tolerance_.percent / 100);
    const int64_t moved = std::abs(off - last_off_);
    last_off_ = off;
    if (moved > allowed) in_time_ = false;
  }

  void SetGrade() {
    if (!out_.bytes_read_same) return Set(Grade::kD, "missing_data");
    if (flow_.protocol == wire::kIpProtoUdp) return SetDatagramGrade();
    if (!(out_.captured == out_.replayed)) return SetOutcomeReason();
    if (!out_.bytes_sent_same) return Set(Grade::kD, result_.starved ? "starved" : "missing_data");
    if (result_.starved || result_.modelled_acks != 0) return Set(Grade::kC, "peer_modelled");
    if (out_.retransmissions_more != 0) return Set(Grade::kC, "extra_recovery");
    if (out_.resets_more != 0) return Set(Grade::kC, "extra_reset");
    if (!out_.diverged) {
      if (out_.time_off_max_ns < tolerance_.same_ns) return Set(Grade::kA, "");
      return in_time_ ? Set(Grade::kAMinus, "") : Set(Grade::kB, "timing");
    }
    const bool segments = out_.segments_same == out_.segments_captured;
    Set(Grade::kB, segments ? out_.difference : "segmentation");
  }

  void SetDatagramGrade() {
    if (flow_.expected.size() != counted_) return Set(Grade::kD, "missing_data");
    if (out_.diverged) return Set(Grade::kC, "other_datagrams");
    if (out_.time_off_max_ns < tolerance_.same_ns) return Set(Grade::kA, "");
    Set(in_time_ ? Grade::kAMinus : Grade::kB, in_time_ ? "" : "timing");
  }

  void SetOutcomeReason() {
    if (out_.replayed.local_reset && !out_.captured.local_reset) return Set(Grade::kD, "reset");
    if (out_.replayed.local_fin && !out_.captured.local_fin) return Set(Grade::kD, "early_close");
    if (result_.starved) return Set(Grade::kD, "starved");
    Set(Grade::kD, "other_end");
  }

  void Set(Grade grade, std::string reason) {
    out_.grade = grade;
    out_.reason = std::move(reason);
  }

  const Plan& plan_;
  const PlanFlow& flow_;
  std::span<const uint32_t> stimuli_;
  const FlowResult& result_;
  TimeTolerance tolerance_;
  FlowComparison out_;
  int64_t end_of_capture_ns_;
  uint64_t captured_challenges_ = 0;
  int64_t horizon_ns_ = 0;
  int64_t remote_seq_ = 0;
  int64_t last_off_ = 0;
  size_t counted_ = 0;  // of result_.sent
  bool in_time_ = true;
};

std::string Column(const SegmentFacts& facts, int64_t time_ns) {
  return absl::StrFormat("%12.6f %s", static_cast<double>(time_ns) * 1e-9, SegmentText(facts));
}

}  // namespace

const char* GradeName(Grade grade) { return kGradeNames[static_cast<size_t>(grade)]; }

std::optional<Grade> ParseGrade(const std::string& name) {
  for (size_t i = 0; i < std::size(kGradeNames); ++i) {
    if (name == kGradeNames[i]) return static_cast<Grade>(i);
  }
  return std::nullopt;
}

FlowComparison CompareFlow(const Plan& plan, const FlowStimuli& stimuli, uint32_t index,
                           const FlowResult& result, const TimeTolerance& tolerance) {
  return FlowJudge(plan, stimuli, index, result, tolerance).Judge();
}

std::string SegmentText(const SegmentFacts& facts) {
  std::string text = absl::StrFormat("%s %d:%d(%d)", wire::TcpFlagsToString(facts.flags), facts.seq,
                                     facts.end(), facts.length);
  if ((facts.flags & wire::kTcpAck) != 0) absl::StrAppend(&text, " ack ", facts.ack);
  absl::StrAppend(&text, " win ", facts.window);
  std::vector<std::string> options;
  if (facts.mss.has_value()) absl::StrAppend(&text, " mss ", *facts.mss);
  if (facts.window_scale.has_value()) absl::StrAppend(&text, " wscale ", +*facts.window_scale);
  if (facts.sack_permitted) absl::StrAppend(&text, " sackOK");
  const std::span<const int64_t> edges = facts.sack_edges.all();
  for (size_t i = 0; i + 1 < edges.size(); i += 2) {
    absl::StrAppend(&text, " sack ", edges[i], ":", edges[i + 1]);
  }
  return text;
}

std::vector<std::string> SideBySide(const PlanFlow& flow, const FlowResult& result,
                                    const FlowComparison& comparison, size_t around) {
  std::vector<std::string> lines;
  const size_t at = comparison.first_captured;
  const size_t begin = at > around ? at - around : 0;
  for (size_t i = begin; i <= at + around; ++i) {
    const bool left = i < flow.expected.size();
    const bool right = i < result.sent.size();
    if (!left && !right) break;
    const std::string captured =
        left ? Column(flow.expected[i].facts, flow.expected[i].time_ns) : "";
    const std::string ours = right ? Column(result.sent[i].facts, result.sent[i].time_ns) : "";
    const bool same =
        left && right && Difference(flow.expected[i].facts, result.sent[i].facts).code == nullptr;
    lines.push_back(
        absl::StrFormat("%c %-62s %c %s", i == at ? '>' : ' ', captured, same ? '=' : '|', ours));
  }
  return lines;
}

}  // namespace tapedeck::standin
