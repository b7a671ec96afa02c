#include "replay/standin/comment_orders.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/trace/stable_sort.h"

namespace tapedeck::standin {
namespace {

using Kind = CommentOrder::Kind;

constexpr int64_t kDelayNsMax = 86'400'000'000'000;

std::string_view WithoutBlanks(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

// "20ms", "20 ms"
std::optional<int64_t> ParseDelay(std::string_view text) {
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit = WithoutBlanks(text.substr(static_cast<size_t>(end - text.data())));
  constexpr std::pair<std::string_view, int64_t> kUnits[] = {
      {"s", 1'000'000'000}, {"ms", 1'000'000}, {"us", 1'000}, {"ns", 1}};
  for (const auto& [name, ns] : kUnits) {
    if (unit == name && number >= 0 && number <= kDelayNsMax / ns) return number * ns;
  }
  return std::nullopt;
}

std::string Done(const CommentOrder& order) {
  switch (order.kind) {
    case Kind::kDrop:
      return "is lost";
    case Kind::kKeep:
      return "enters";
    case Kind::kDup:
      return "enters twice";
    case Kind::kDelay:
      return absl::StrCat("enters ", order.delay_ns, " ns later");
    case Kind::kNotUnderstood:
      break;
  }
  return "";
}

void Apply(const CommentOrder& order, Stimulus* stimulus, bool* twice) {
  switch (order.kind) {
    case Kind::kDrop:
      stimulus->skip = SkipCause::kLost;
      break;
    case Kind::kKeep:
      stimulus->skip = SkipCause::kNone;
      break;
    case Kind::kDup:
      *twice = true;
      break;
    case Kind::kDelay:
      stimulus->time_ns += order.delay_ns;
      stimulus->cause.gap_ns += static_cast<uint64_t>(order.delay_ns);
      break;
    case Kind::kNotUnderstood:
      break;
  }
}

// What counts from the packet ahead of it counts from the one that is ahead now.
void CountFromWhatIsAhead(Plan* plan) {
  std::map<uint32_t, int64_t> ahead_ns;  // by flow: when the last one entered
  for (Stimulus& stimulus : plan->stimuli) {
    const auto ahead = ahead_ns.find(stimulus.flow);
    if (stimulus.flow != kNoFlow && stimulus.cause.kind == CauseKind::kPrevious) {
      const bool first = ahead == ahead_ns.end();
      if (first) stimulus.cause.kind = CauseKind::kStart;
      stimulus.cause.gap_ns = static_cast<uint64_t>(
          std::max<int64_t>(stimulus.time_ns - (first ? 0 : ahead->second), 0));
    }
    if (stimulus.skip == SkipCause::kNone) ahead_ns[stimulus.flow] = stimulus.time_ns;
  }
}

}  // namespace

CommentOrder ParseCommentOrder(uint64_t record, std::string_view text) {
  text = WithoutBlanks(text);
  constexpr std::pair<std::string_view, Kind> kWords[] = {
      {"drop", Kind::kDrop}, {"keep", Kind::kKeep}, {"dup", Kind::kDup}};
  for (const auto& [word, kind] : kWords) {
    if (text == word) return {record, kind, 0};
  }
  constexpr std::string_view kDelay = "delay ";
  if (text.starts_with(kDelay)) {
    const auto delay_ns = ParseDelay(WithoutBlanks(text.substr(kDelay.size())));
    if (delay_ns.has_value()) return {record, Kind::kDelay, *delay_ns};
  }
  return {record, Kind::kNotUnderstood, 0};
}

void ApplyCommentOrders(const std::vector<CommentOrder>& orders, Plan* plan) {
  if (orders.empty()) return;
  std::vector<bool> done(orders.size());
  for (size_t i = 0, captured = plan->stimuli.size(); i < captured; ++i) {
    Stimulus& stimulus = plan->stimuli[i];
    bool twice = false;
    auto order =
        std::lower_bound(orders.begin(), orders.end(), stimulus.from.record,
                         [](const CommentOrder& a, uint64_t record) { return a.record < record; });
    for (; order != orders.end() && order->record == stimulus.from.record; ++order) {
      Apply(*order, &stimulus, &twice);
      done[static_cast<size_t>(order - orders.begin())] = true;
    }
    if (!twice) continue;
    Stimulus copy = stimulus;
    if (copy.flow != kNoFlow) copy.cause = {.kind = CauseKind::kPrevious};
    plan->stimuli.push_back(std::move(copy));
  }
  StableSort(&plan->stimuli,
             [](const Stimulus& a, const Stimulus& b) { return a.time_ns < b.time_ns; });
  CountFromWhatIsAhead(plan);
  for (size_t i = 0; i < orders.size(); ++i) {
    const std::string frame = absl::StrCat("cap#", orders[i].record);
    if (orders[i].kind == Kind::kNotUnderstood) {
      plan->guesses.push_back(
          absl::StrCat(frame, ": its comment orders none of drop, keep, dup, delay TIME"));
    } else if (!done[i]) {
      plan->guesses.push_back(
          absl::StrCat(frame, " is no packet to L: its comment orders nothing"));
    } else {
      plan->guesses.push_back(absl::StrCat(frame, " ", Done(orders[i]), ", as its comment orders"));
    }
  }
}

}  // namespace tapedeck::standin
