#include "replay/filter/selection.h"

#include <pcap/pcap.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "replay/capture/link_type.h"

namespace tapedeck {
namespace {

constexpr int64_t kNsPerSecond = 1'000'000'000;
constexpr int kSnaplenBytes = 1 << 20;  // of the largest record that the readers hand out

absl::string_view View(std::string_view text) { return {text.data(), text.size()}; }

std::optional<uint64_t> ParseCount(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

absl::StatusOr<RecordRange> ParseRange(std::string_view text) {
  const absl::Status error = absl::InvalidArgumentError(
      absl::StrCat("`", View(text), "`: expected a record number, from 1, or two joined by '-'"));
  RecordRange range;
  const size_t dash = text.find('-');
  const std::string_view first = text.substr(0, dash);
  const std::string_view last = dash == std::string_view::npos ? first : text.substr(dash + 1);
  if (first.empty() && last.empty()) return error;
  if (!first.empty()) range.first = ParseCount(first).value_or(0);
  if (!last.empty()) range.last = ParseCount(last).value_or(0);
  if (range.first == 0 || range.last < range.first) return error;
  return range;
}

// ".5" in nanoseconds; nothing where it is finer or no fraction.
std::optional<int64_t> ParseFraction(std::string_view text) {
  if (text.empty()) return 0;
  constexpr size_t kDigitsMax = 9;
  if (text[0] != '.' || text.size() < 2 || text.size() > kDigitsMax + 1) return std::nullopt;
  std::string digits(text.substr(1));
  digits.resize(kDigitsMax, '0');
  const std::optional<uint64_t> ns = ParseCount(digits);
  if (!ns.has_value()) return std::nullopt;
  return static_cast<int64_t>(*ns);
}

// "2023-11-14T22:13:20" in seconds since 1970.
std::optional<int64_t> ParseUtc(std::string_view text) {
  constexpr std::string_view kShape = "0000-00-00T00:00:00";
  if (text.size() != kShape.size()) return std::nullopt;
  for (size_t i = 0; i < kShape.size(); ++i) {
    const bool digit = text[i] >= '0' && text[i] <= '9';
    if (kShape[i] == '0' ? !digit : text[i] != kShape[i]) return std::nullopt;
  }
  const auto field = [&](size_t offset, size_t n) {
    return static_cast<unsigned>(*ParseCount(text.substr(offset, n)));
  };
  const std::chrono::year_month_day day(std::chrono::year(static_cast<int>(field(0, 4))),
                                        std::chrono::month(field(5, 2)),
                                        std::chrono::day(field(8, 2)));
  const unsigned hour = field(11, 2);
  const unsigned minute = field(14, 2);
  const unsigned second = field(17, 2);
  // A leap second is a second of the next minute, as in time stamps.
  if (!day.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  return ((days * 24 + hour) * 60 + minute) * 60 + second;
}

// libpcap's own number of a link type where it differs from the file's (pcap-common.c).
int DltOf(capture::LinkType link_type) {
  switch (link_type) {
    case capture::LinkType::kRaw:
    case capture::LinkType::kRaw14:
      return DLT_RAW;
    case capture::LinkType::kLoop:
      return DLT_LOOP;
    default:
      return static_cast<int>(link_type);
  }
}

// An expression compiled for one link type.
class Program {
 public:
  Program() = default;
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  ~Program() {
    if (is_compiled_) pcap_freecode(&code_);
  }

  absl::Status Compile(const std::string& expression, capture::LinkType link_type) {
    const std::unique_ptr<pcap_t, decltype(&pcap_close)> dead(
        pcap_open_dead(DltOf(link_type), kSnaplenBytes), pcap_close);
    if (dead == nullptr) return absl::ResourceExhaustedError("libpcap: no memory");
    if (pcap_compile(dead.get(), &code_, expression.c_str(), 1, PCAP_NETMASK_UNKNOWN) != 0) {
      return absl::InvalidArgumentError(absl::StrCat("filter `", expression, "`, link type ",
                                                     capture::LinkTypeName(link_type), ": ",
                                                     pcap_geterr(dead.get())));
    }
    is_compiled_ = true;
    return absl::OkStatus();
  }

  // False where it did not compile.
  bool Matches(const capture::Record& record) const {
    if (!is_compiled_) return false;
    pcap_pkthdr header = {};
    header.caplen = static_cast<bpf_u_int32>(record.data.size());
    header.len = record.original_length_bytes;
    return pcap_offline_filter(&code_, &header, record.data.data()) != 0;
  }

 private:
  bpf_program code_ = {};
  bool is_compiled_ = false;
};

class SelectionFilter final : public capture::RecordFilter {
 public:
  explicit SelectionFilter(Selection selection) : selection_(std::move(selection)) {}

  // Compiles the expression for Ethernet, to know early whether it is one.
  absl::Status Check() {
    if (selection_.expression.empty()) return absl::OkStatus();
    ProgramFor(capture::LinkType::kEthernet);
    return std::exchange(status_, absl::OkStatus());
  }

  bool Admits(const capture::Record& record) override {
    if (record.index == 1) start_ns_ = record.time_ns;
    return AdmitsNumber(record.index) && AdmitsTime(record.time_ns) &&
           (selection_.expression.empty() || ProgramFor(record.link_type).Matches(record));
  }

  absl::Status status() const override { return status_; }

 private:
  bool AdmitsNumber(uint64_t number) const {
    return selection_.records.empty() ||
           std::ranges::any_of(selection_.records, [&](const RecordRange& range) {
             return number >= range.first && number <= range.last;
           });
  }

  // Of a file that begins at start_ns_, without leaving 64 bits.
  bool IsBefore(int64_t time_ns, const CaptureMoment& moment) const {
    if (moment.is_absolute) return time_ns < moment.ns;
    if (time_ns < start_ns_) return moment.ns >= 0;
    return static_cast<uint64_t>(time_ns) - static_cast<uint64_t>(start_ns_) <
           static_cast<uint64_t>(moment.ns);
  }
  bool IsAfter(int64_t time_ns, const CaptureMoment& moment) const {
    if (moment.is_absolute) return time_ns > moment.ns;
    return time_ns > start_ns_ &&
           static_cast<uint64_t>(time_ns) - static_cast<uint64_t>(start_ns_) >
               static_cast<uint64_t>(moment.ns);
  }
  bool AdmitsTime(int64_t time_ns) const {
    if (selection_.from.has_value() && IsBefore(time_ns, *selection_.from)) return false;
    return !selection_.to.has_value() || !IsAfter(time_ns, *selection_.to);
  }

  const Program& ProgramFor(capture::LinkType link_type) {
    const auto [found, is_new] = programs_.try_emplace(link_type);
    if (is_new) {
      const absl::Status compiled = found->second.Compile(selection_.expression, link_type);
      status_.Update(compiled);
    }
    return found->second;
  }

  Selection selection_;
  std::map<capture::LinkType, Program> programs_;
  absl::Status status_;
  int64_t start_ns_ = 0;
};

}  // namespace

absl::StatusOr<std::vector<RecordRange>> ParseRecordRanges(std::string_view text) {
  std::vector<RecordRange> ranges;
  for (const absl::string_view part : absl::StrSplit(View(text), ',')) {
    absl::StatusOr<RecordRange> range = ParseRange({part.data(), part.size()});
    if (!range.ok()) return range.status();
    ranges.push_back(*range);
  }
  return ranges;
}

absl::StatusOr<CaptureMoment> ParseCaptureMoment(std::string_view text) {
  const absl::Status error = absl::InvalidArgumentError(
      absl::StrCat("`", View(text),
                   "`: expected seconds from the first record, 1.5, or a time in UTC, "
                   "2023-11-14T22:13:20.5Z"));
  const bool is_absolute = !text.empty() && text.back() == 'Z';
  if (is_absolute) text.remove_suffix(1);
  const size_t point = std::min(text.find('.'), text.size());
  const std::optional<int64_t> ns = ParseFraction(text.substr(point));
  const std::string_view whole = text.substr(0, point);
  constexpr int64_t kSecondsMax = INT64_MAX / kNsPerSecond - 1;
  int64_t seconds = 0;
  if (is_absolute) {
    seconds = ParseUtc(whole).value_or(-1);
  } else {
    const std::optional<uint64_t> count = ParseCount(whole);
    seconds = count.has_value() && *count <= kSecondsMax ? static_cast<int64_t>(*count) : -1;
  }
  if (!ns.has_value() || seconds < 0 || seconds > kSecondsMax) return error;
  return CaptureMoment{seconds * kNsPerSecond + *ns, is_absolute};
}

absl::StatusOr<std::shared_ptr<capture::RecordFilter>> MakeRecordFilter(
    const Selection& selection) {
  if (selection.empty()) return std::shared_ptr<capture::RecordFilter>();
  auto filter = std::make_shared<SelectionFilter>(selection);
  // What fits no Ethernet may still fit the capture ("inbound" of a cooked one): only what fits
  // neither is wrong for certain.
  if (const absl::Status ethernet = filter->Check(); !ethernet.ok()) {
    Program cooked;
    if (!cooked.Compile(selection.expression, capture::LinkType::kLinuxSll).ok()) return ethernet;
  }
  return std::shared_ptr<capture::RecordFilter>(std::move(filter));
}

}  // namespace tapedeck
