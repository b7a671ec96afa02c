#include "replay/standin/delivery.h"

#include <algorithm>
#include <map>
#include <optional>

#include "stack/wire/repair_checksums.h"

namespace tapedeck::standin {
namespace {

// The same packet once more that comes sooner is a copy that the path made, not one that P sent for
// want of an ACK.
constexpr int64_t kRetransmissionNs = 20'000'000;
constexpr size_t kNever = SIZE_MAX;

bool HasWrongSum(std::span<const uint8_t> packet) {
  std::vector<uint8_t> repaired(packet.begin(), packet.end());
  wire::RepairPacketChecksums(repaired);
  return !std::ranges::equal(repaired, packet);
}

class DeliveryFinder {
 public:
  DeliveryFinder(const TcpFlow& flow, int64_t distance_ns)
      : flow_(flow), segments_(flow.segments), distance_ns_(distance_ns) {
    FindCopies();
    FindAcknowledged();
  }

  Delivery Find() {
    Delivery delivery;
    delivery.lost.assign(segments_.size(), false);
    for (size_t i = 0; i < segments_.size(); ++i) {
      // Captured at L: what was captured, came.
      if (distance_ns_ == 0 || segments_[i].tcp.payload.empty()) continue;
      delivery.lost[i] = next_copy_[i] != kNever && !IsShown(i);
    }
    delivery.sum_was_right = FindRightSums();
    return delivery;
  }

  // By the rule that L itself goes by, as far as the capture shows its state.
  std::vector<bool> FindRefused() const {
    std::vector<bool> refused(segments_.size(), false);
    std::optional<uint32_t> recent;
    for (size_t i = 0; i < segments_.size(); ++i) {
      const FlowSegment& segment = segments_[i];
      if (segment.out || segment.tcp.rst() || !segment.tcp.timestamps.has_value()) continue;
      const uint32_t value = segment.tcp.timestamps->val;
      const bool is_old = recent.has_value() && static_cast<int32_t>(value - *recent) < 0;
      refused[i] = is_old && next_copy_[i] != kNever && !WasAcknowledgedAlone(i);
      if (!is_old && segment.seq <= acknowledged_[i]) recent = value;
    }
    return refused;
  }

 private:
  // Of each segment of P, the next one that begins at the same place.
  void FindCopies() {
    next_copy_.assign(segments_.size(), kNever);
    std::map<int64_t, size_t> last_copy;  // by position, going backwards
    for (size_t i = segments_.size(); i-- > 0;) {
      const FlowSegment& segment = segments_[i];
      if (segment.out || segment.tcp.SequenceLength() == 0) continue;
      const auto [copy, is_last] = last_copy.try_emplace(segment.seq, i);
      if (is_last) continue;
      next_copy_[i] = copy->second;
      copy->second = i;
    }
  }

  // How far L had acknowledged with each segment.
  void FindAcknowledged() {
    int64_t highest = 0;
    for (const FlowSegment& segment : segments_) {
      if (segment.out && segment.tcp.has_ack() && !segment.tcp.rst()) {
        highest = std::max(highest, segment.ack);
      }
      acknowledged_.push_back(highest);
    }
  }

  // Whether L acknowledged segment `i`, or something of it, before its copy came.
  bool IsShown(size_t i) const {
    const FlowSegment& segment = segments_[i];
    const size_t again = next_copy_[i];
    if (segments_[again].time_ns() - segment.time_ns() < kRetransmissionNs &&
        std::ranges::equal(segments_[again].packet->bytes, segment.packet->bytes)) {
      return true;
    }
    for (size_t k = i + 1; k < again; ++k) {
      const FlowSegment& answer = segments_[k];
      if (!answer.out || !answer.tcp.has_ack()) continue;
      if (answer.ack > segment.seq) return true;
      if (!answer.tcp.has_sacks) continue;
      const wire::TcpSackBlocks sacks = answer.Whole().sacks;
      for (size_t b = 0; b < sacks.count; ++b) {
        const wire::TcpSackBlock& block = sacks.block[b];
        const int64_t left = Unwrap(block.left.value(), flow_.remote_initial, segment.seq);
        const int64_t right = Unwrap(block.right.value(), flow_.remote_initial, segment.seq);
        if (left <= segment.seq && segment.seq < right) return true;
      }
    }
    return false;
  }

  std::vector<bool> FindRightSums() const {
    std::vector<bool> wrong(segments_.size(), false);
    std::vector<bool> right(segments_.size(), false);
    bool any = false;
    for (size_t i = 0; i < segments_.size(); ++i) {
      wrong[i] = !segments_[i].out && HasWrongSum(segments_[i].packet->bytes);
      right[i] = wrong[i] && WasAcknowledgedAlone(i);
      any = any || right[i];
    }
    // What nobody acknowledges goes with the rest.
    for (size_t i = 0; i < segments_.size(); ++i) {
      if (any && wrong[i] && segments_[i].tcp.SequenceLength() == 0) right[i] = true;
    }
    return right;
  }

  bool WasAcknowledgedAlone(size_t i) const {
    const FlowSegment& segment = segments_[i];
    if (segment.tcp.SequenceLength() == 0 || acknowledged_[i] >= segment.end()) return false;
    const auto first = std::lower_bound(acknowledged_.begin() + static_cast<std::ptrdiff_t>(i),
                                        acknowledged_.end(), segment.end());
    return first != acknowledged_.end() &&
           static_cast<size_t>(first - acknowledged_.begin()) < next_copy_[i];
  }

  const TcpFlow& flow_;
  const std::vector<FlowSegment>& segments_;
  int64_t distance_ns_;
  std::vector<size_t> next_copy_;
  std::vector<int64_t> acknowledged_;
};

}  // namespace

void MarkRefused(TcpFlow* flow) {
  const std::vector<bool> refused = DeliveryFinder(*flow, 0).FindRefused();
  for (size_t i = 0; i < refused.size(); ++i) flow->segments[i].refused = refused[i];
}

Delivery FindDelivery(const TcpFlow& flow, int64_t distance_ns) {
  return DeliveryFinder(flow, distance_ns).Find();
}

}  // namespace tapedeck::standin
