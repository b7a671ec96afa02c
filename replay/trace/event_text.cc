#include "replay/trace/event_text.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stack/base/drop_reason.h"
#include "stack/base/ip_address.h"
#include "stack/wire/describe.h"

namespace tapedeck {

std::string EventText(const TraceEvent& event) {
  const TraceKindInfo& info = GetTraceKindInfo(event.kind);
  switch (event.kind) {
    case TraceKind::kWireRx:
      return absl::StrCat("< ", wire::DescribeFrame(event.bytes));
    case TraceKind::kWireTx:
      return absl::StrCat("> ", wire::DescribeFrame(event.bytes));
    case TraceKind::kDrop:
    case TraceKind::kNicDrop: {
      const auto reason = static_cast<DropReason>(event.args[1]);
      return absl::StrFormat("drop %s: %s (frame %d, %d B)", DropReasonName(reason),
                             DropReasonText(reason), event.args[0], event.args[2]);
    }
    case TraceKind::kNeighState:
      return absl::StrFormat("%s state %d -> %d",
                             Ipv4Address(static_cast<uint32_t>(event.args[0])).ToString(),
                             event.args[1], event.args[2]);
    default:
      break;
  }
  std::string text = info.what;
  for (int i = 0; i < 4; ++i) {
    if (info.arg_names[i][0] == '\0') continue;
    absl::StrAppendFormat(&text, " %s=%d", info.arg_names[i], event.args[i]);
  }
  return text;
}

std::string TimeText(SimTime time) {
  const uint64_t ns = time.ns();
  return absl::StrFormat("%6d.%09d", ns / 1'000'000'000, ns % 1'000'000'000);
}

}  // namespace tapedeck
