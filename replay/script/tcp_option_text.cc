#include "replay/script/tcp_option_text.h"

#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace tapedeck {
namespace {

// How a kind is written, and how many bytes of data it must have to be written so.
constexpr size_t kMssBytes = 2;
constexpr size_t kTimestampsBytes = 8;
constexpr size_t kSackBlockBytes = 8;
constexpr size_t kAccEcnCounterBytes = 3;
constexpr size_t kMd5BytesMax = 16;

// The counters of an AccECN option in its two orders (draft-ietf-tcpm-accurate-ecn 3.2.3).
constexpr std::array<std::string_view, 3> kAccEcnOrder0 = {"e0b", "ceb", "e1b"};
constexpr std::array<std::string_view, 3> kAccEcnOrder1 = {"e1b", "ceb", "e0b"};

const std::array<std::string_view, 3>& AccEcnOrder(uint8_t kind) {
  return kind == kTcpOptionAccEcn0 ? kAccEcnOrder0 : kAccEcnOrder1;
}

// --- Parsing ---

// Appends the low `bytes` of `value` in network order.
void AppendNumber(std::vector<uint8_t>& data, uint64_t value, size_t bytes) {
  for (size_t i = bytes; i-- > 0;) data.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

void ParseNumber(TextParser& parser, TcpOption& option, size_t bytes, std::string_view what) {
  const int64_t max = (int64_t{1} << (8 * bytes)) - 1;
  AppendNumber(option.data, static_cast<uint64_t>(parser.Integer(0, max, what)), bytes);
}

// Hexadecimal digits in pairs, or nothing where the option ends at once.
void ParseHex(TextParser& parser, TcpOption& option, size_t bytes_max) {
  const Token token = parser.PeekHex();
  if (token.kind != TokenKind::kWord) return;
  parser.Take();
  const std::string_view digits = token.text;
  bool holds = digits.size() % 2 == 0;
  for (size_t i = 0; holds && i < digits.size(); i += 2) {
    const int high = HexDigitValue(digits[i]);
    const int low = HexDigitValue(digits[i + 1]);
    holds = high >= 0 && low >= 0;
    option.data.push_back(static_cast<uint8_t>((high & 0xf) << 4 | (low & 0xf)));
  }
  if (!holds) parser.FailAt(token, "pairs of hexadecimal digits");
  if (digits.size() / 2 > bytes_max) {
    parser.FailAt(token.place, absl::StrCat(digits.size() / 2, " bytes, at most ", bytes_max));
  }
}

void ParseSack(TextParser& parser, TcpOption& option) {
  do {
    ParseNumber(parser, option, 4, "the left edge of a block");
    parser.Expect(":");
    ParseNumber(parser, option, 4, "the right edge of a block");
  } while (parser.ok() && parser.Peek().kind == TokenKind::kNumber);
}

void ParseTimestamps(TextParser& parser, TcpOption& option) {
  parser.Expect("val");
  ParseNumber(parser, option, 4, "a timestamp");
  parser.Expect("ecr");
  ParseNumber(parser, option, 4, "a timestamp");
}

// "ECN e0b 1 ceb 0 e1b 1": the first counter says which of the two orders it is; those at the end
// may be missing.
void ParseAccEcn(TextParser& parser, TcpOption& option) {
  option.kind = parser.Peek().Is(kAccEcnOrder1[0]) ? kTcpOptionAccEcn1 : kTcpOptionAccEcn0;
  const std::array<std::string_view, 3>& order = AccEcnOrder(option.kind);
  for (size_t i = 0; i < order.size() && parser.TakeIf(order[i]); ++i) {
    ParseNumber(parser, option, kAccEcnCounterBytes, "a counter of bytes");
  }
  if (parser.Peek().kind == TokenKind::kWord) {
    parser.FailAt(parser.Peek(), "e0b, ceb, e1b or e1b, ceb, e0b");
  }
}

// FO and FOEXP; the latter stands behind its magic number.
void ParseFastOpen(TextParser& parser, TcpOption& option) {
  if (option.kind == kTcpOptionExperimental) AppendNumber(option.data, kTcpFastOpenMagic, 2);
  ParseHex(parser, option, kTcpOptionBytesMax);
}

struct OptionName {
  std::string_view name;
  uint8_t kind;
};
constexpr OptionName kOptionNames[] = {
    {"nop", kTcpOptionNop},       {"eol", kTcpOptionEol},
    {"mss", kTcpOptionMss},       {"wscale", kTcpOptionWscale},
    {"sackOK", kTcpOptionSackOk}, {"sack", kTcpOptionSack},
    {"TS", kTcpOptionTimestamps}, {"md5", kTcpOptionMd5},
    {"FO", kTcpOptionFastOpen},   {"FOEXP", kTcpOptionExperimental},
    {"ECN", kTcpOptionAccEcn0},
};

// What follows the name of an option.
void ParseData(TextParser& parser, TcpOption& option) {
  switch (option.kind) {
    case kTcpOptionMss:
      return ParseNumber(parser, option, kMssBytes, "a segment size");
    case kTcpOptionWscale:
      return ParseNumber(parser, option, 1, "a shift count");
    case kTcpOptionSack:
      return ParseSack(parser, option);
    case kTcpOptionTimestamps:
      return ParseTimestamps(parser, option);
    case kTcpOptionMd5:
      return ParseHex(parser, option, kMd5BytesMax);
    case kTcpOptionFastOpen:
    case kTcpOptionExperimental:
      return ParseFastOpen(parser, option);
    case kTcpOptionAccEcn0:
      return ParseAccEcn(parser, option);
    default:
      return;
  }
}

TcpOption ParseOption(TextParser& parser) {
  TcpOption option;
  const Token name = parser.Take();
  if (name.Is("kind")) {
    option.kind = static_cast<uint8_t>(parser.Integer(2, UINT8_MAX, "a kind of option"));
    ParseHex(parser, option, kTcpOptionBytesMax);
    return option;
  }
  for (const OptionName& known : kOptionNames) {
    if (!name.Is(known.name)) continue;
    option.kind = known.kind;
    ParseData(parser, option);
    return option;
  }
  parser.FailAt(name, "a TCP option");
  return option;
}

// --- Printing ---

std::string HexText(std::span<const uint8_t> bytes) {
  std::string out;
  for (const uint8_t byte : bytes) absl::StrAppend(&out, absl::Hex(byte, absl::kZeroPad2));
  return out;
}

std::string WithHex(std::string_view name, std::span<const uint8_t> bytes) {
  return bytes.empty() ? std::string(name) : absl::StrCat(std::string(name), " ", HexText(bytes));
}

std::string SackText(const TcpOption& option) {
  std::string out = "sack";
  for (size_t i = 0; i < option.data.size(); i += kSackBlockBytes) {
    absl::StrAppend(&out, " ", option.U32(i), ":", option.U32(i + 4));
  }
  return out;
}

std::string AccEcnText(const TcpOption& option) {
  std::string out = "ECN";
  for (size_t i = 0; i < option.data.size() / kAccEcnCounterBytes; ++i) {
    const uint8_t* const counter = &option.data[i * kAccEcnCounterBytes];
    absl::StrAppend(&out, " ", std::string(AccEcnOrder(option.kind)[i]), " ",
                    counter[0] << 16 | counter[1] << 8 | counter[2]);
  }
  return out;
}

// An AccECN option without counters is printed in the order that "ECN" alone stands for.
bool IsAccEcn(const TcpOption& option) {
  const size_t size = option.data.size();
  const bool counts = size % kAccEcnCounterBytes == 0 && size <= 3 * kAccEcnCounterBytes;
  return (option.kind == kTcpOptionAccEcn0 && counts) ||
         (option.kind == kTcpOptionAccEcn1 && counts && size != 0);
}

// An option whose data do not have the form that its name stands for is printed by its number.
std::string OptionText(const TcpOption& option) {
  const std::span<const uint8_t> data = option.data;
  const size_t size = data.size();
  if (option.kind == kTcpOptionEol && size == 0) return "eol";
  if (option.kind == kTcpOptionNop && size == 0) return "nop";
  if (option.kind == kTcpOptionSackOk && size == 0) return "sackOK";
  if (option.kind == kTcpOptionMss && size == kMssBytes) {
    return absl::StrCat("mss ", data[0] << 8 | data[1]);
  }
  if (option.kind == kTcpOptionWscale && size == 1) {
    return absl::StrCat("wscale ", static_cast<int>(data[0]));
  }
  if (option.kind == kTcpOptionSack && size != 0 && size % kSackBlockBytes == 0) {
    return SackText(option);
  }
  if (option.kind == kTcpOptionTimestamps && size == kTimestampsBytes) {
    return absl::StrCat("TS val ", option.U32(0), " ecr ", option.U32(4));
  }
  if (option.kind == kTcpOptionMd5 && size <= kMd5BytesMax) return WithHex("md5", data);
  if (option.kind == kTcpOptionFastOpen) return WithHex("FO", data);
  if (option.IsFastOpenExperimental()) return WithHex("FOEXP", data.subspan(2));
  if (IsAccEcn(option)) return AccEcnText(option);
  return WithHex(absl::StrCat("kind ", static_cast<int>(option.kind)), data);
}

}  // namespace

std::vector<TcpOption> ParseTcpOptionList(TextParser& parser) {
  std::vector<TcpOption> options;
  const TextPlace place = parser.Peek().place;
  size_t bytes = 0;
  do {
    options.push_back(ParseOption(parser));
    bytes += options.back().bytes();
  } while (parser.ok() && parser.TakeIf(","));
  if (!parser.TakeIf(">")) parser.FailAt(parser.Peek(), "',' or '>'");
  if (bytes > kTcpOptionBytesMax) {
    parser.FailAt(place, absl::StrCat(bytes, " bytes of TCP options, at most 40"));
  }
  if (bytes % 4 != 0) {
    parser.FailAt(place, absl::StrCat(bytes, " bytes of TCP options, not a multiple of 4"));
  }
  return options;
}

void PrintTcpOptions(std::string& out, const std::vector<TcpOption>& options) {
  for (size_t i = 0; i < options.size(); ++i) {
    if (i != 0) out += ',';
    out += OptionText(options[i]);
  }
}

}  // namespace tapedeck
