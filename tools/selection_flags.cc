#include "tools/selection_flags.h"

#include "absl/strings/str_cat.h"

namespace tapedeck::tools {
namespace {

absl::Status Named(const char* flag, const absl::Status& status) {
  return absl::InvalidArgumentError(absl::StrCat(flag, " ", std::string(status.message())));
}

}  // namespace

void AddSelectionFlags(CLI::App& app, bool all, SelectionFlags& flags) {
  app.add_option("--filter", flags.filter,
                 "Only records that match this expression of pcap-filter(7)")
      ->type_name("EXPR");
  if (!all) return;
  app.add_option("--frames", flags.records,
                 "Only records of these numbers in their file: 3, 3-9, 3-, -9, joined by commas")
      ->type_name("A-B");
  app.add_option("--from", flags.from,
                 "Only records from this time on: seconds from the first, or "
                 "2023-11-14T22:13:20.5Z")
      ->type_name("TIME");
  app.add_option("--to", flags.to, "Only records up to this time, itself included")
      ->type_name("TIME");
}

absl::StatusOr<Selection> MakeSelection(const SelectionFlags& flags) {
  Selection selection;
  selection.expression = flags.filter;
  if (!flags.records.empty()) {
    auto records = ParseRecordRanges(flags.records);
    if (!records.ok()) return Named("--frames", records.status());
    selection.records = *std::move(records);
  }
  if (!flags.from.empty()) {
    const auto from = ParseCaptureMoment(flags.from);
    if (!from.ok()) return Named("--from", from.status());
    selection.from = *from;
  }
  if (!flags.to.empty()) {
    const auto to = ParseCaptureMoment(flags.to);
    if (!to.ok()) return Named("--to", to.status());
    selection.to = *to;
  }
  return selection;
}

}  // namespace tapedeck::tools
