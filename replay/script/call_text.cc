#include "replay/script/call_text.h"

#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace tapedeck {
namespace {

// --- Pieces of arguments ---

int32_t ParseFd(TextParser& parser) {
  return static_cast<int32_t>(parser.Integer(kFdNone, kFdMax, "a descriptor"));
}

uint32_t ParseLength(TextParser& parser) {
  return static_cast<uint32_t>(parser.Integer(0, kTransferBytesMax, "a length"));
}

bool TakeEllipsis(TextParser& parser) {
  if (parser.Peek().kind != TokenKind::kEllipsis) return false;
  parser.Take();
  return true;
}

// inet_addr("10.0.0.1")
IpAddress ParseIpAddress(TextParser& parser, int32_t family) {
  parser.Expect("inet_addr");
  parser.Expect("(");
  const Token token = parser.Peek();
  const std::string_view text = parser.String("an address in quotes");
  const std::optional<IpAddress> address = IpAddress::Parse(text);
  const AddressFamily wanted = family == kAfInet ? AddressFamily::kIpv4 : AddressFamily::kIpv6;
  if (!address.has_value() || address->family() != wanted) {
    parser.FailAt(token, family == kAfInet ? "an IPv4 address" : "an IPv6 address");
  }
  parser.Expect(")");
  return address.value_or(IpAddress());
}

// {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")}, as packetdrill writes it
// for both families.
Endpoint ParseSockaddr(TextParser& parser) {
  Endpoint endpoint;
  parser.Expect("{");
  parser.Expect("sa_family");
  parser.Expect("=");
  const Token family_token = parser.Peek();
  const int32_t family = parser.Symbols(kDomainSymbols);
  if (family != kAfInet && family != kAfInet6) {
    parser.FailAt(family_token, "AF_INET or AF_INET6");
  }
  parser.Expect(",");
  parser.Expect("sin_port");
  parser.Expect("=");
  parser.Expect("htons");
  parser.Expect("(");
  endpoint.port = static_cast<uint16_t>(parser.Integer(0, UINT16_MAX, "a port"));
  parser.Expect(")");
  parser.Expect(",");
  parser.Expect("sin_addr");
  parser.Expect("=");
  endpoint.address = ParseIpAddress(parser, family);
  parser.Expect("}");
  return endpoint;
}

// The last two arguments of many calls: an address and its length.
AddressArgument ParseAddress(TextParser& parser) {
  AddressArgument address;
  if (TakeEllipsis(parser)) {
    address.kind = AddressArgument::Kind::kDefault;
  } else if (parser.Peek().Is("{")) {
    address = AddressArgument::Given(ParseSockaddr(parser));
  } else if (!parser.TakeIf("NULL")) {
    parser.FailAt(parser.Peek(), "an address, '...' or NULL");
  }
  parser.Expect(",");
  if (TakeEllipsis(parser) || parser.TakeIf("NULL")) return address;
  address.length_bytes =
      static_cast<int32_t>(parser.Integer(INT32_MIN, INT32_MAX, "an address length"));
  if (address.length_bytes == address.RightLengthBytes()) address.length_bytes.reset();
  return address;
}

std::string AddressText(const AddressArgument& address) {
  std::string out;
  switch (address.kind) {
    case AddressArgument::Kind::kNull:
      out = "NULL";
      break;
    case AddressArgument::Kind::kDefault:
      out = "...";
      break;
    case AddressArgument::Kind::kGiven:
      out = absl::StrCat("{sa_family=", address.endpoint.address.is_v4() ? "AF_INET" : "AF_INET6",
                         ", sin_port=htons(", address.endpoint.port.host(),
                         "), sin_addr=inet_addr(\"", address.endpoint.address.ToString(), "\")}");
      break;
  }
  const std::optional<int32_t> length_bytes =
      address.length_bytes.has_value() ? address.length_bytes : address.RightLengthBytes();
  if (length_bytes.has_value()) return absl::StrCat(out, ", ", *length_bytes);
  return absl::StrCat(out, ", ...");
}

// --- The calls: for each its name, what stands between the parentheses, and how that is printed
// ---

constexpr std::string_view NameOf(const SocketCall*) { return "socket"; }

void ParseArguments(TextParser& parser, SocketCall& call) {
  if (TakeEllipsis(parser)) {
    call.domain = kDomainDefault;
  } else {
    call.domain = parser.Symbols(kDomainSymbols);
  }
  parser.Expect(",");
  call.type = parser.Symbols(kSocketTypeSymbols);
  parser.Expect(",");
  call.protocol = parser.Symbols(kProtocolSymbols);
}

std::string ArgumentsText(const SocketCall& call) {
  const std::string domain =
      call.domain == kDomainDefault ? "..." : kDomainSymbols.Print(call.domain);
  return absl::StrCat(domain, ", ", kSocketTypeSymbols.Print(call.type), ", ",
                      kProtocolSymbols.Print(call.protocol));
}

constexpr std::string_view NameOf(const BindCall*) { return "bind"; }

void ParseArguments(TextParser& parser, BindCall& call) {
  call.fd = ParseFd(parser);
  parser.Expect(",");
  call.address = ParseAddress(parser);
}

std::string ArgumentsText(const BindCall& call) {
  return absl::StrCat(call.fd, ", ", AddressText(call.address));
}

constexpr std::string_view NameOf(const ConnectCall*) { return "connect"; }

void ParseArguments(TextParser& parser, ConnectCall& call) {
  call.fd = ParseFd(parser);
  parser.Expect(",");
  call.address = ParseAddress(parser);
}

std::string ArgumentsText(const ConnectCall& call) {
  return absl::StrCat(call.fd, ", ", AddressText(call.address));
}

// sendto and recvfrom: fd, ..., length, flags, address, its length
template <typename Call>
void ParseTransfer(TextParser& parser, Call& call) {
  call.fd = ParseFd(parser);
  parser.Expect(",");
  parser.ExpectEllipsis();
  parser.Expect(",");
  call.length_bytes = ParseLength(parser);
  parser.Expect(",");
  call.flags = parser.Symbols(kMessageFlagSymbols);
  parser.Expect(",");
  call.address = ParseAddress(parser);
}

template <typename Call>
std::string TransferText(const Call& call) {
  return absl::StrCat(call.fd, ", ..., ", call.length_bytes, ", ",
                      kMessageFlagSymbols.Print(call.flags), ", ", AddressText(call.address));
}

constexpr std::string_view NameOf(const SendtoCall*) { return "sendto"; }
void ParseArguments(TextParser& parser, SendtoCall& call) { ParseTransfer(parser, call); }
std::string ArgumentsText(const SendtoCall& call) { return TransferText(call); }

constexpr std::string_view NameOf(const RecvfromCall*) { return "recvfrom"; }
void ParseArguments(TextParser& parser, RecvfromCall& call) { ParseTransfer(parser, call); }
std::string ArgumentsText(const RecvfromCall& call) { return TransferText(call); }

constexpr std::string_view NameOf(const PollCall*) { return "poll"; }

uint16_t ParseEvents(TextParser& parser) {
  const Token token = parser.Peek();
  const int32_t events = parser.Symbols(kPollEventSymbols);
  if (events < 0 || events > UINT16_MAX) parser.FailAt(token, "poll events of 16 bits");
  return static_cast<uint16_t>(events);
}

// {fd=3, events=POLLIN, revents=POLLIN}; without revents, none of them (as packetdrill has it).
PollEntry ParsePollEntry(TextParser& parser) {
  PollEntry entry;
  parser.Expect("{");
  parser.Expect("fd");
  parser.Expect("=");
  entry.fd = ParseFd(parser);
  parser.Expect(",");
  parser.Expect("events");
  parser.Expect("=");
  entry.events = ParseEvents(parser);
  entry.revents = 0;
  if (parser.TakeIf(",")) {
    parser.Expect("revents");
    parser.Expect("=");
    if (parser.TakeIf("?")) {
      entry.revents.reset();
    } else {
      entry.revents = ParseEvents(parser);
    }
  }
  parser.Expect("}");
  return entry;
}

void ParseArguments(TextParser& parser, PollCall& call) {
  parser.Expect("[");
  if (!parser.TakeIf("]")) {
    do {
      call.entries.push_back(ParsePollEntry(parser));
    } while (parser.ok() && parser.TakeIf(","));
    parser.Expect("]");
  }
  parser.Expect(",");
  const Token count = parser.Peek();
  if (parser.Integer(0, UINT32_MAX, "the number of entries") !=
      static_cast<int64_t>(call.entries.size())) {
    parser.FailAt(count, absl::StrCat(call.entries.size(), ", the number of entries"));
  }
  parser.Expect(",");
  call.timeout_ms = static_cast<int32_t>(parser.Integer(INT32_MIN, INT32_MAX, "a time in ms"));
}

std::string PollEntryText(const PollEntry& entry) {
  return absl::StrCat(
      "{fd=", entry.fd, ", events=", kPollEventSymbols.Print(entry.events),
      ", revents=", entry.revents.has_value() ? kPollEventSymbols.Print(*entry.revents) : "?", "}");
}

std::string ArgumentsText(const PollCall& call) {
  const std::string entries = absl::StrJoin(
      call.entries, ", ",
      [](std::string* out, const PollEntry& entry) { absl::StrAppend(out, PollEntryText(entry)); });
  return absl::StrCat("[", entries, "], ", call.entries.size(), ", ", call.timeout_ms);
}

constexpr std::string_view NameOf(const CloseCall*) { return "close"; }
void ParseArguments(TextParser& parser, CloseCall& call) { call.fd = ParseFd(parser); }
std::string ArgumentsText(const CloseCall& call) { return absl::StrCat(call.fd); }

// --- Finding the call by its name ---

using AnyCall = decltype(CallStep::call);

// Makes `call` the alternative of this name and parses its arguments. False if none has it.
template <size_t... index>
bool ParseNamed(TextParser& parser, std::string_view name, AnyCall& call,
                std::index_sequence<index...>) {
  const auto parse_if_named = [&]<typename Call>(const Call* type) {
    if (NameOf(type) != name) return false;
    parser.Expect("(");
    ParseArguments(parser, call.emplace<Call>());
    parser.Expect(")");
    return true;
  };
  return (parse_if_named(static_cast<const std::variant_alternative_t<index, AnyCall>*>(nullptr)) ||
          ...);
}

constexpr auto kAllCalls = std::make_index_sequence<std::variant_size_v<AnyCall>>();

template <size_t... index>
std::string AllNames(std::index_sequence<index...>) {
  const std::string_view names[] = {
      NameOf(static_cast<const std::variant_alternative_t<index, AnyCall>*>(nullptr))...};
  return absl::StrJoin(names, ", ", [](std::string* out, std::string_view name) { *out += name; });
}

// --- Results ---

// "(Resource temporarily unavailable)": what people may write behind a result; it says nothing new.
void SkipNote(TextParser& parser) {
  if (!parser.TakeIf("(")) return;
  while (parser.ok() && !parser.Peek().Is(")") && parser.Peek().kind != TokenKind::kEnd &&
         parser.Peek().kind != TokenKind::kBroken) {
    parser.Take();
  }
  parser.Expect(")");
}

// EAGAIN, or E and a number for an error that has no name here.
int32_t ParseErrno(TextParser& parser) {
  const Token token = parser.Take();
  if (const std::optional<int32_t> named = kErrnoSymbols.Find(token.text); named.has_value()) {
    return *named;
  }
  int32_t number = 0;
  const bool is_number =
      token.text.size() > 1 && token.text[0] == 'E' &&
      absl::SimpleAtoi(absl::string_view(&token.text[1], token.text.size() - 1), &number);
  if (!is_number || number < 1 || number > kErrnoMax) parser.FailAt(token, kErrnoSymbols.what);
  return number;
}

std::string ErrnoText(int32_t number) {
  std::string text = kErrnoSymbols.Print(number);
  return text[0] == 'E' ? text : absl::StrCat("E", text);
}

// "= 3", "= -1 EAGAIN (note)", "= -1", "= ?", and for socket "= 3?".
void ParseResult(TextParser& parser, CallStep& call) {
  SocketCall* const socket = std::get_if<SocketCall>(&call.call);
  parser.Expect("=");
  if (parser.TakeIf("?")) return;
  const int64_t max = socket != nullptr ? kFdMax : INT32_MAX;
  const std::string_view what = socket != nullptr ? "a descriptor" : "a result";
  call.expected = static_cast<int32_t>(parser.Integer(-1, max, what));
  if (socket != nullptr) {
    socket->fd = *call.expected;
    if (parser.TakeIf("?")) call.expected.reset();
  }
  if (call.expected == -1 && parser.Peek().kind == TokenKind::kWord) {
    call.expected_errno = ParseErrno(parser);
  }
  SkipNote(parser);
}

std::string ResultText(const CallStep& call) {
  if (call.expected.has_value()) {
    if (call.expected_errno == 0) return absl::StrCat(*call.expected);
    return absl::StrCat(*call.expected, " ", ErrnoText(call.expected_errno));
  }
  const SocketCall* const socket = std::get_if<SocketCall>(&call.call);
  if (socket == nullptr || socket->fd == kFdNone) return "?";
  return absl::StrCat(socket->fd, "?");
}

}  // namespace

void ParseCall(TextParser& parser, CallStep& call) {
  const Token name = parser.Take();
  if (!ParseNamed(parser, name.text, call.call, kAllCalls)) {
    parser.FailAt(name.place, absl::StrCat("no system call '", std::string(name.text),
                                           "' here; known are ", AllNames(kAllCalls)));
  }
  ParseResult(parser, call);
}

void PrintCall(std::string& out, const CallStep& call) {
  std::visit(
      [&out](const auto& arguments) {
        absl::StrAppend(&out, std::string(NameOf(&arguments)), "(", ArgumentsText(arguments), ")");
      },
      call.call);
  absl::StrAppend(&out, " = ", ResultText(call));
}

}  // namespace tapedeck
