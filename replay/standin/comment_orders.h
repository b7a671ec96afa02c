// Orders that people write into a capture: a comment of a frame of P that begins with "replay:"
// changes what a plan does with it. Wireshark writes comments, and `editcap -a '9:replay: drop' in
// out`.
//
//   replay: drop         it never reaches L
//   replay: keep         it does, though L's ACKs say that it was lost
//   replay: dup          it enters twice
//   replay: delay 20ms   it enters so much later (s, ms, us, ns), behind what has come by then
#ifndef TAPEDECK_REPLAY_STANDIN_COMMENT_ORDERS_H_
#define TAPEDECK_REPLAY_STANDIN_COMMENT_ORDERS_H_

#include <cstdint>
#include <string_view>
#include <vector>

#include "replay/standin/plan.h"

namespace tapedeck::standin {

struct CommentOrder {
  enum class Kind : uint8_t { kDrop, kKeep, kDup, kDelay, kNotUnderstood };
  uint64_t record = 0;  // of the frame that it is about
  Kind kind = Kind::kNotUnderstood;
  int64_t delay_ns = 0;
  friend bool operator==(const CommentOrder&, const CommentOrder&) = default;
};

// `text` is what follows "replay:". A delay is at most a day.
CommentOrder ParseCommentOrder(uint64_t record, std::string_view text);

// Does what `orders`, in order of their records, say, and tells of each among the plan's guesses.
void ApplyCommentOrders(const std::vector<CommentOrder>& orders, Plan* plan);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_COMMENT_ORDERS_H_
