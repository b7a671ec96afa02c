#include "replay/regress/junit.h"

#include <cstddef>
#include <string_view>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/regress/trace_line.h"

namespace tapedeck::regress {

namespace {

// Text of XML 1.0: characters that it has no way to say become question marks.
std::string Escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else if (c == '>') {
      out += "&gt;";
    } else if (c == '"') {
      out += "&quot;";
    } else if (c == '\n') {
      out += "&#10;";
    } else if ((byte < 0x20 && c != '\t') || byte >= 0x7f) {
      out += '?';
    } else {
      out += c;
    }
  }
  return out;
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

std::string CaseText(const NamedReport& one) {
  const size_t slash = one.name.rfind('/');
  const bool in_folder = slash != std::string::npos;
  const CaseReport& report = one.report;
  std::string text = absl::StrFormat("  <testcase classname=\"%s\" name=\"%s\" time=\"%s\"",
                                     Escaped(in_folder ? one.name.substr(0, slash) : "regress"),
                                     Escaped(in_folder ? one.name.substr(slash + 1) : one.name),
                                     SecondsText(report.virtual_ns));
  if (report.verdict == Verdict::kFailed) {
    absl::StrAppend(&text, ">\n    <failure message=\"", Escaped(FirstLine(report.message)), "\">",
                    Escaped(absl::StrCat(report.message, "\n", report.columns, report.diff)),
                    "</failure>\n  </testcase>\n");
  } else if (report.verdict == Verdict::kSkipped) {
    absl::StrAppend(&text, ">\n    <skipped message=\"", Escaped(FirstLine(report.message)),
                    "\"/>\n  </testcase>\n");
  } else {
    text += "/>\n";
  }
  return text;
}

}  // namespace

std::string JunitText(std::span<const NamedReport> reports) {
  size_t counts[kVerdicts] = {};
  uint64_t virtual_ns = 0;
  for (const NamedReport& one : reports) {
    ++counts[static_cast<size_t>(one.report.verdict)];
    virtual_ns += one.report.virtual_ns;
  }
  const std::string totals =
      absl::StrFormat("tests=\"%d\" failures=\"%d\" errors=\"0\" skipped=\"%d\" time=\"%s\"",
                      reports.size(), counts[static_cast<size_t>(Verdict::kFailed)],
                      counts[static_cast<size_t>(Verdict::kSkipped)], SecondsText(virtual_ns));
  std::string text =
      absl::StrCat("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites ", totals,
                   ">\n <testsuite name=\"tapedeck regress\" ", totals, ">\n");
  for (const NamedReport& one : reports) text += CaseText(one);
  return text + " </testsuite>\n</testsuites>\n";
}

}  // namespace tapedeck::regress
