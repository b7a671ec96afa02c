#include "fuzz/campaign/signature.h"

#include <csignal>
#include <cstdint>
#include <cstring>
#include <optional>
#include <span>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stack/base/hash.h"

namespace tapedeck::fuzz {
namespace {

std::vector<std::string_view> SplitLines(std::string_view text) {
  std::vector<std::string_view> lines;
  while (!text.empty()) {
    const size_t end = text.find('\n');
    lines.push_back(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
  }
  return lines;
}

// What stands behind `mark` in the first line that has it.
std::optional<std::string_view> Behind(const std::vector<std::string_view>& lines,
                                       std::string_view mark) {
  for (const std::string_view line : lines) {
    const size_t at = line.find(mark);
    if (at != std::string_view::npos) return line.substr(at + mark.size());
  }
  return std::nullopt;
}

// Runs of digits, also hexadecimal with 0x, become one N.
std::string WithoutNumbers(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size();) {
    if (!absl::ascii_isdigit(static_cast<unsigned char>(text[i]))) {
      out += text[i++];
      continue;
    }
    const bool is_hex = text[i] == '0' && i + 1 < text.size() && text[i + 1] == 'x';
    if (is_hex) i += 2;
    while (i < text.size() && (is_hex ? absl::ascii_isxdigit(static_cast<unsigned char>(text[i]))
                                      : absl::ascii_isdigit(static_cast<unsigned char>(text[i])))) {
      ++i;
    }
    out += 'N';
  }
  return out;
}

// "stack/tcp/tcp.cc:12:3", "../../stack/tcp/tcp.cc" or "/any/where/stack/tcp/tcp.cc:12": the file,
// from the root of the sources.
std::string SourceFile(std::string_view place) {
  std::string_view file = place.substr(0, place.find(':'));
  while (file.starts_with("../")) file.remove_prefix(3);
  for (const std::string_view top : {"/stack/", "/nicmodel/", "/replay/", "/fuzz/"}) {
    const size_t at = file.rfind(top);
    if (at != std::string_view::npos) return std::string(file.substr(at + 1));
  }
  return std::string(file);
}

// "file:12: CHECK failed: condition (1 against 2)".
std::optional<std::string> CheckSignature(const std::vector<std::string_view>& lines) {
  constexpr std::string_view kMark = ": CHECK failed: ";
  for (const std::string_view line : lines) {
    const size_t at = line.find(kMark);
    if (at == std::string_view::npos) continue;
    const std::string_view before = line.substr(0, at);
    const size_t space = before.rfind(' ');
    const std::string file =
        SourceFile(space == std::string_view::npos ? before : before.substr(space + 1));
    std::string_view condition = line.substr(at + kMark.size());
    const size_t figures = condition.rfind(" (");
    if (figures != std::string_view::npos &&
        condition.find(" against ", figures) != std::string_view::npos) {
      condition = condition.substr(0, figures);
    }
    return absl::StrFormat("CHECK:%s:%s", std::string(condition), file);
  }
  return std::nullopt;
}

// Frames of the sanitizer's runtime, of libc, and of what all runs have in common.
bool IsForeignFrame(std::string_view function) {
  for (const std::string_view start :
       {"__", "mem", "str", "operator ", "std::", "abort", "raise", "gsignal", "malloc", "free",
        "calloc", "tapedeck::Check", "void std::", "decltype"}) {
    if (function.starts_with(start)) return true;
  }
  return false;
}

// "    #2 0x55 in tapedeck::tcp_rcv(tapedeck::sk_buff*) /src/stack/tcp/tcp.cc:12:3": the function,
// without parameters and namespaces.
std::optional<std::string> FrameFunction(std::string_view line) {
  const size_t hash = line.find_first_not_of(' ');
  if (hash == std::string_view::npos || line[hash] != '#') return std::nullopt;
  const size_t in = line.find(" in ");
  if (in == std::string_view::npos) return std::nullopt;
  std::string_view function = line.substr(in + 4);
  if (IsForeignFrame(function)) return std::nullopt;
  function = function.substr(0, function.find_first_of("(< "));
  const size_t colons = function.rfind("::");
  if (colons != std::string_view::npos) function = function.substr(colons + 2);
  if (function.empty()) return std::nullopt;
  return std::string(function);
}

std::optional<std::string> AsanSignature(const std::vector<std::string_view>& lines) {
  constexpr std::string_view kMark = "ERROR: AddressSanitizer: ";
  for (size_t i = 0; i < lines.size(); ++i) {
    const size_t at = lines[i].find(kMark);
    if (at == std::string_view::npos) continue;
    std::string_view kind = lines[i].substr(at + kMark.size());
    kind = kind.substr(0, kind.find(' '));
    for (size_t k = i + 1; k < lines.size(); ++k) {
      if (const auto function = FrameFunction(lines[k])) {
        return absl::StrCat("ASAN:", std::string(kind), ":", *function);
      }
    }
    return absl::StrCat("ASAN:", std::string(kind));
  }
  return std::nullopt;
}

// "SUMMARY: UndefinedBehaviorSanitizer: shift-exponent stack/tcp/cubic.cc:70:9 in ...", which
// report_error_type=1 makes; without it the message.
std::optional<std::string> UbsanSignature(const std::vector<std::string_view>& lines) {
  constexpr std::string_view kSummary = "SUMMARY: UndefinedBehaviorSanitizer: ";
  constexpr std::string_view kMark = ": runtime error: ";
  for (const std::string_view line : lines) {
    if (!line.starts_with(kSummary)) continue;
    const std::string_view what = line.substr(kSummary.size());
    const size_t space = what.find(' ');
    if (space == std::string_view::npos) continue;
    return absl::StrCat("UBSAN:", std::string(what.substr(0, space)), ":",
                        SourceFile(what.substr(space + 1)));
  }
  for (const std::string_view line : lines) {
    const size_t at = line.find(kMark);
    if (at == std::string_view::npos) continue;
    return absl::StrCat("UBSAN:", WithoutNumbers(line.substr(at + kMark.size())), ":",
                        SourceFile(line.substr(0, at)));
  }
  return std::nullopt;
}

}  // namespace

std::string SignatureOf(std::string_view errors, const RunEnd& end) {
  if (end.signal == 0 && end.exit_code == 0) return "";
  const std::vector<std::string_view> lines = SplitLines(errors);
  if (const auto assertion = Behind(lines, "ASSERTION FAILED: ")) return std::string(*assertion);
  for (const auto find : {CheckSignature, AsanSignature, UbsanSignature}) {
    if (const std::optional<std::string> found = find(lines)) return *found;
  }
  if (end.signal == SIGALRM) return "TIMEOUT";
  if (end.signal != 0) return absl::StrCat("SIGNAL:", strsignal(end.signal));
  return absl::StrCat("EXIT:", end.exit_code);
}

std::string SignatureSlug(std::string_view signature) {
  constexpr size_t kBytesMax = 80;
  std::string slug;
  bool lost = false;
  for (const char c : signature) {
    if (absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_') {
      slug += c;
    } else {
      lost |= c != ':' && c != '-';
      if (!slug.empty() && slug.back() != '-') slug += '-';
    }
  }
  while (!slug.empty() && slug.back() == '-') slug.pop_back();
  lost |= slug.size() > kBytesMax || slug.empty();
  if (!lost) return slug;
  const uint64_t hash =
      SipHash24({reinterpret_cast<const uint8_t*>(signature.data()), signature.size()}, {});
  slug.resize(std::min<size_t>(slug.size(), kBytesMax - 9));
  while (!slug.empty() && slug.back() == '-') slug.pop_back();
  return absl::StrFormat("%s%s%08x", slug, slug.empty() ? "" : "-", static_cast<uint32_t>(hash));
}

}  // namespace tapedeck::fuzz
