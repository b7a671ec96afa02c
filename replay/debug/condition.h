// Conditions on a run, for `until` and `watch`:
//
//   tcp(3).snd_cwnd < 10 && event.kind == Drop
//   event.time >= 1.5s || counter(TcpRetransSegs) > 0
//   tcp.snd_nxt - tcp.snd_una > 14600 && tcp.icsk_ca_state == Recovery
//
// Operands: fields (objects.h), of the present event `event.number`, `event.time`, `event.kind`,
// `event.host`, `event.cpu` and its arguments by their names (`event.frame_id`), numbers (decimal,
// 0x..), times (1.5s, 40ms, 10us, 7ns), true, false, and words. Operators as in C: || && == != < <=
// > >= + - * / ! and parentheses. A comparison with a field that is not there does not hold.
#ifndef TAPEDECK_REPLAY_DEBUG_CONDITION_H_
#define TAPEDECK_REPLAY_DEBUG_CONDITION_H_

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "replay/case/case_run.h"
#include "replay/debug/field_value.h"
#include "stack/base/trace_event.h"

namespace tapedeck {

class Condition {
 public:
  // InvalidArgument: what is wrong, and where ("column 9: ...").
  static absl::StatusOr<Condition> Parse(std::string_view text, CaseRun& run);
  Condition(Condition&&) noexcept;
  Condition& operator=(Condition&&) noexcept;
  ~Condition();

  // `event` may be null where none is under way; its fields are then not there.
  FieldValue Value(CaseRun& run, uint64_t number, const TraceEvent* event) const;
  // Whether that is neither false, 0 nor missing.
  bool Holds(CaseRun& run, uint64_t number, const TraceEvent* event) const;
  const std::string& text() const { return text_; }

  struct Node;

 private:
  Condition();
  std::string text_;
  std::unique_ptr<Node> root_;
};

// "1.5s", "40ms", "10us", "7ns": picoseconds. InvalidArgument for others.
absl::StatusOr<SimTime> ParseSimTime(std::string_view text);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_CONDITION_H_
