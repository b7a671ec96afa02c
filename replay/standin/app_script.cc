// What L's application did, as far as its segments tell.
#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "replay/standin/infer.h"
#include "replay/standin/stream_map.h"

namespace tapedeck::standin {
namespace {

// Segments of one write follow one another at once, or when an ACK lets them; what comes later
// without one was written later.
constexpr int64_t kBurstGapNs = 5'000'000;
// The same behind a full segment with PSH, which ends most writes.
constexpr int64_t kPushedGapNs = 200'000;

// One write under construction: [start, end) of L's stream.
struct Write {
  const FlowSegment* first = nullptr;
  const FlowSegment* last = nullptr;
  int64_t start = 0;
  int64_t end = 0;
};

// When L had so much of P's stream: its FIN counts as one more.
class Arrivals {
 public:
  explicit Arrivals(const TcpFlow& flow) {
    for (const FlowSegment& segment : flow.segments) {
      if (segment.out) continue;
      // The handshake's last step as L sees it.
      if (segment.tcp.has_ack() && open_ns_ < 0) open_ns_ = segment.time_ns();
      if (segment.tcp.rst() || segment.refused) continue;
      stream_.Add(segment.seq + (segment.tcp.syn() ? 1 : 0), segment.tcp.payload);
      if (segment.tcp.fin()) fin_at_ = segment.end() - 1;
      int64_t have = stream_.ContiguousEnd() - 1;
      if (fin_at_ >= 0 && have + 1 >= fin_at_) ++have;
      if (times_.empty() || have > times_.rbegin()->first) times_[have] = segment.time_ns();
    }
    if (open_ns_ < 0) open_ns_ = flow.segments.front().time_ns();
  }

  // When `bytes` had come, or the connection was made where it is none; never is now.
  int64_t TimeOf(int64_t bytes, int64_t now_ns) const {
    if (bytes <= 0) return std::min(open_ns_, now_ns);
    const auto found = times_.lower_bound(bytes);
    return found == times_.end() ? now_ns : std::min(found->second, now_ns);
  }

 private:
  StreamMap stream_;
  std::map<int64_t, int64_t> times_;
  int64_t fin_at_ = -1;
  int64_t open_ns_ = -1;
};

class ApplicationReader {
 public:
  ApplicationReader(const TcpFlow& flow, int64_t distance_ns, InferContext& context, PlanFlow* plan,
                    std::vector<std::string>* guesses)
      : flow_(flow),
        distance_ns_(distance_ns),
        context_(context),
        plan_(*plan),
        guesses_(*guesses),
        arrivals_(flow),
        full_(NegotiatedPayload(flow)) {
    for (const FlowSegment& segment : flow.segments) {
      if (!segment.out || segment.tcp.rst()) continue;
      stream_.Add(segment.seq + (segment.tcp.syn() ? 1 : 0), segment.tcp.payload);
    }
  }

  void Read() {
    for (const FlowSegment& segment : flow_.segments) {
      if (!segment.out) {
        NoteReceived(segment);
        continue;
      }
      if (segment.tcp.rst()) {
        AddReset(segment);
        break;
      }
      AddData(segment);
      if (segment.tcp.fin()) AddFin(segment);
    }
    FinishWrite(false);
    FillTail();
  }

 private:
  void NoteReceived(const FlowSegment& segment) {
    last_in_ = &segment;
    if (segment.tcp.rst()) reset_seen_ = true;
    if (!segment.tcp.has_ack() || segment.tcp.rst()) return;
    if (segment.ack > acked_) {
      acked_ = segment.ack;
      last_ack_ns_ = segment.time_ns();
    }
    if (fin_sent_ && (segment.tcp.SequenceLength() != 0)) received_behind_fin_ = true;
  }

  // What is new of L's segment continues the write under construction, or begins the next.
  void AddData(const FlowSegment& segment) {
    const int64_t start = segment.seq + (segment.tcp.syn() ? 1 : 0);
    const int64_t end = start + static_cast<int64_t>(segment.tcp.payload.size());
    if (end <= write_end_ || segment.tcp.payload.empty()) return;
    if (fin_sent_) return;  // behind a FIN there is nothing: the capture is odd
    if (start > write_end_ && !MayFill(end)) return;
    if (open_.first != nullptr && !Continues(segment, start)) FinishWrite(false);
    if (open_.first == nullptr) {
      open_ = {&segment, &segment, write_end_, write_end_};
    }
    open_.last = &segment;
    open_.end = end;
    write_end_ = end;
  }

  // Whether what was never captured of [write_end_, end) may be made up.
  bool MayFill(int64_t end) {
    uint64_t missing = 0;
    for (const auto& [from, to] : stream_.HolesBefore(end)) {
      if (to > write_end_) missing += static_cast<uint64_t>(to - std::max(from, write_end_));
    }
    if (missing > context_.filler_left) return false;
    context_.filler_left -= missing;
    return true;
  }

  bool Continues(const FlowSegment& segment, int64_t start) const {
    const FlowSegment& last = *open_.last;
    if (((last.tcp.flags | segment.tcp.flags) & wire::kTcpUrg) != 0) return false;
    if (last.tcp.payload.size() < full_ || start != open_.end) return false;
    const int64_t gap_ns = segment.time_ns() - last.time_ns();
    // The kernel pushes long writes now and then, too.
    if ((last.tcp.flags & wire::kTcpPsh) != 0) return gap_ns < kPushedGapNs;
    const bool by_ack = last_ack_ns_ >= last.time_ns();
    return by_ack || gap_ns < kBurstGapNs;
  }

  void FinishWrite(bool with_fin) {
    if (open_.first == nullptr) return;
    Action action = At(*open_.first, ActionKind::kWrite);
    action.data = stream_.Copy(open_.start, open_.end);
    const uint16_t flags = open_.last->tcp.flags;
    if (with_fin) {
      action.together = (flags & wire::kTcpPsh) != 0 ? Together::kCork : Together::kMore;
    }
    action.urgent = (flags & wire::kTcpUrg) != 0 && open_.first == open_.last;
    plan_.actions.push_back(std::move(action));
    open_ = {};
  }

  void AddFin(const FlowSegment& segment) {
    if (fin_sent_) return;
    fin_sent_ = true;
    FinishWrite(!segment.tcp.payload.empty() && open_.last == &segment);
    plan_.actions.push_back(At(segment, ActionKind::kShutdown));
    fin_action_ = plan_.actions.size() - 1;
  }

  void AddReset(const FlowSegment& segment) {
    FinishWrite(false);
    // A connection that never was: L's kernel refused it.
    if (!established()) return;
    if (reset_seen_) return;  // P's RST came first; this answers something late
    if (fin_sent_ && received_behind_fin_) {
      // Nobody read what came behind L's FIN: it was a close, and the kernel sent this.
      plan_.actions[fin_action_].kind = ActionKind::kClose;
      return;
    }
    plan_.actions.push_back(At(segment, ActionKind::kReset));
  }

  bool established() const {
    for (const FlowSegment& segment : flow_.segments) {
      if (segment.out && segment.tcp.has_ack() && !segment.tcp.rst()) return true;
    }
    return false;
  }

  Action At(const FlowSegment& segment, ActionKind kind) const {
    Action action;
    action.from = segment.packet->from;
    action.kind = kind;
    action.after = std::max<int64_t>(segment.ack - 1, 0);
    const int64_t base_ns = arrivals_.TimeOf(action.after, segment.time_ns());
    const int64_t delay_ns = segment.time_ns() - base_ns - 2 * distance_ns_;
    action.delay_ns = static_cast<uint64_t>(std::max<int64_t>(delay_ns, 0));
    return action;
  }

  // Bytes that P acknowledged but that were never captured at the end of L's stream.
  void FillTail() {
    const int64_t until = acked_ - (fin_sent_ ? 1 : 0);
    if (until <= write_end_ || fin_sent_ || last_in_ == nullptr) return;
    const auto missing = static_cast<uint64_t>(until - write_end_);
    if (missing > context_.filler_left) return;
    context_.filler_left -= missing;
    Action action = At(*last_in_, ActionKind::kWrite);
    action.after = std::max<int64_t>(last_in_->seq - 1, 0);
    action.delay_ns = 0;
    action.data.assign(missing, 0);
    action.from = {};
    plan_.actions.push_back(std::move(action));
    guesses_.push_back(absl::StrCat(flow_.local.ToString(), " > ", flow_.remote.ToString(), ": ",
                                    missing, " bytes of it were acknowledged but not captured"));
  }

  const TcpFlow& flow_;
  int64_t distance_ns_;
  InferContext& context_;
  PlanFlow& plan_;
  std::vector<std::string>& guesses_;
  Arrivals arrivals_;
  uint32_t full_;
  StreamMap stream_;
  Write open_;
  int64_t write_end_ = 1;
  int64_t acked_ = 0;
  int64_t last_ack_ns_ = -1;
  const FlowSegment* last_in_ = nullptr;
  bool fin_sent_ = false;
  bool reset_seen_ = false;
  bool received_behind_fin_ = false;
  size_t fin_action_ = 0;
};

}  // namespace

void InferApplication(const TcpFlow& flow, int64_t distance_ns, InferContext& context,
                      PlanFlow* plan, std::vector<std::string>* guesses) {
  ApplicationReader(flow, distance_ns, context, plan, guesses).Read();
}

}  // namespace tapedeck::standin
