// Plans: what inference makes of captures, and their text.
//
// Input: a plan's text, or a capture file, whole. Property: whatever a capture holds, inference
// ends, names flows that exist, and its plan survives its text byte for byte; so does every text
// that parses.
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fuzz/target.h"
#include "replay/capture/capture_reader.h"
#include "replay/standin/captured_packets.h"
#include "replay/standin/comment_orders.h"
#include "replay/standin/infer.h"
#include "replay/standin/plan_text.h"
#include "stack/base/check.h"

namespace tapedeck::fuzz {
namespace {

using standin::Plan;

// As of the target `capture`.
constexpr size_t kInputBytesMax = size_t{1} << 16;
constexpr uint64_t kUnpackedBytesMax = uint64_t{1} << 20;

// Every number of a plan that points somewhere points at something.
void CheckPlan(const Plan& plan) {
  for (const standin::Stimulus& stimulus : plan.stimuli) {
    CHECK(stimulus.flow == standin::kNoFlow || stimulus.flow < plan.flows.size());
    CHECK(!stimulus.packet.empty());
  }
  for (const standin::PlanFlow& flow : plan.flows) {
    for (const standin::Action& action : flow.actions) CHECK_GE(action.after, 0);
  }
}

uint64_t CheckText(const Plan& plan) {
  const std::string text = standin::PrintPlan(plan);
  const absl::StatusOr<Plan> again = standin::ParsePlan(text, "printed");
  CHECK(again.ok());
  CHECK(*again == plan);
  CHECK(standin::PrintPlan(*again) == text);
  return standin::PlanHash(plan);
}

std::optional<Plan> PlanOf(std::span<const uint8_t> input) {
  const std::string_view text(reinterpret_cast<const char*>(input.data()), input.size());
  if (standin::LooksLikePlan(text)) {
    absl::StatusOr<Plan> plan = standin::ParsePlan(text, "input");
    if (!plan.ok()) return std::nullopt;
    return *std::move(plan);
  }
  capture::CaptureReaderOptions options;
  options.unpacked_bytes_max = kUnpackedBytesMax;
  absl::StatusOr<capture::CaptureReader> reader =
      capture::CaptureReader::FromBytes(input, "input", options);
  if (!reader.ok()) return std::nullopt;
  standin::CapturedPackets packets = standin::ReadPackets(*reader);
  const std::vector<standin::CommentOrder> orders = packets.orders;
  Plan plan = standin::InferPlan(std::move(packets), "input", {});
  standin::ApplyCommentOrders(orders, &plan);
  CheckPlan(plan);
  if (plan.addresses.empty()) return std::nullopt;  // nothing to stand in for: no text either
  return plan;
}

}  // namespace

RunResult RunInput(std::span<const uint8_t> input) {
  if (input.size() > kInputBytesMax) return {};
  const std::optional<Plan> plan = PlanOf(input);
  return RunResult::Whole(plan.has_value() ? CheckText(*plan) : 0);
}

}  // namespace tapedeck::fuzz
