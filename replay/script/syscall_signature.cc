#include "replay/script/syscall_signature.h"

#include <algorithm>
#include <initializer_list>

#include "absl/strings/str_cat.h"
#include "replay/script/script.h"

namespace tapedeck {
namespace {

using enum ArgumentKind;

constexpr size_t kArgumentsMax = 6;

struct Signature {
  SyscallName id;
  uint8_t count;
  std::array<ArgumentKind, kArgumentsMax> kinds;
};

constexpr Signature Make(SyscallName name, std::initializer_list<ArgumentKind> kinds) {
  Signature out = {name, static_cast<uint8_t>(kinds.size()), {}};
  size_t i = 0;
  for (const ArgumentKind kind : kinds) out.kinds[i++] = kind;
  return out;
}

// By number.
constexpr std::array<Signature, kSyscallNames> kSignatures = {
    Make(SyscallName::kSocket, {kDomain, kSocketType, kProtocol}),
    Make(SyscallName::kBind, {kFd, kAddress, kAddressLength}),
    Make(SyscallName::kConnect, {kFd, kAddress, kAddressLength}),
    Make(SyscallName::kSendto, {kFd, kBuffer, kLength, kMessageFlags, kAddress, kAddressLength}),
    Make(SyscallName::kRecvfrom, {kFd, kBuffer, kLength, kMessageFlags, kAddress, kAddressLength}),
    Make(SyscallName::kPoll, {kPollEntries, kPollCount, kTimeout}),
    Make(SyscallName::kClose, {kFd}),
    Make(SyscallName::kListen, {kFd, kInt}),
    Make(SyscallName::kAccept, {kFd, kAddress, kAddressLength}),
    Make(SyscallName::kAccept4, {kFd, kAddress, kAddressLength, kSocketType}),
    Make(SyscallName::kRead, {kFd, kBuffer, kLength}),
    Make(SyscallName::kReadv, {kFd, kPieces, kInt}),
    Make(SyscallName::kRecv, {kFd, kBuffer, kLength, kMessageFlags}),
    Make(SyscallName::kRecvmsg, {kFd, kMessage, kMessageFlags}),
    Make(SyscallName::kWrite, {kFd, kBuffer, kLength}),
    Make(SyscallName::kWritev, {kFd, kPieces, kInt}),
    Make(SyscallName::kSend, {kFd, kBuffer, kLength, kMessageFlags}),
    Make(SyscallName::kSendmsg, {kFd, kMessage, kMessageFlags}),
    Make(SyscallName::kFcntl, {kFd, kInt, kOther}),
    Make(SyscallName::kIoctl, {kFd, kInt, kOther}),
    Make(SyscallName::kShutdown, {kFd, kInt}),
    Make(SyscallName::kGetsockopt, {kFd, kLevel, kOptionName, kOther, kOther}),
    Make(SyscallName::kSetsockopt, {kFd, kLevel, kOptionName, kOther, kOptionLength}),
    Make(SyscallName::kGetsockname, {kFd, kAddress, kAddressLength}),
    Make(SyscallName::kGetpeername, {kFd, kAddress, kAddressLength}),
    Make(SyscallName::kOpen, {kPath, kInt, kInt}),
    Make(SyscallName::kSendfile, {kFd, kFd, kOther, kLength}),
    Make(SyscallName::kPipe, {kFdPair}),
    Make(SyscallName::kSplice, {kFd, kOther, kFd, kOther, kLength, kInt}),
    Make(SyscallName::kEpollCreate, {kInt}),
    Make(SyscallName::kEpollCtl, {kFd, kInt, kFd, kOther}),
    Make(SyscallName::kEpollWait, {kFd, kOther, kInt, kTimeout}),
    Make(SyscallName::kDup, {kFd}),
    Make(SyscallName::kSelect, {kInt, kFdSet, kFdSet, kFdSet, kTimeval}),
    Make(SyscallName::kSendmmsg, {kFd, kMessages, kInt, kMessageFlags}),
    Make(SyscallName::kRecvmmsg, {kFd, kMessages, kInt, kMessageFlags, kTimespec}),
    Make(SyscallName::kSocketpair, {kDomain, kSocketType, kProtocol, kFdPair}),
};

static_assert(IsByNumber(kSignatures));

bool IsIn(const Expression& expression, int64_t min, int64_t max) {
  return expression.is_integer() && expression.value >= min && expression.value <= max;
}

bool IsInt(const Expression& expression) { return IsIn(expression, INT32_MIN, INT32_MAX); }

bool IsFd(const Expression& expression) { return IsIn(expression, kFdNone, kFdMax); }

bool IsPollEntry(const Expression& entry) {
  if (!entry.is_struct()) return false;
  const Expression* const fd = entry.FindValue("fd");
  const Expression* const events = entry.FindValue("events");
  const Expression* const revents = entry.FindValue("revents");
  return fd != nullptr && IsFd(*fd) && events != nullptr && IsIn(*events, 0, UINT16_MAX) &&
         (revents == nullptr || revents->kind == Expression::Kind::kAny ||
          IsIn(*revents, 0, UINT16_MAX));
}

bool ArePollEntries(const Expression& entries) {
  if (!entries.is_list()) return entries.is_null();
  if (entries.items.size() > kPollEntriesMax) return false;
  for (const Expression& entry : entries.items) {
    if (!IsPollEntry(entry)) return false;
  }
  return true;
}

// [{..., 100}, {..., 5}], in all not beyond what one buffer may be and is left of it: *room.
bool ArePieces(const Expression& pieces, int64_t* room) {
  if (!pieces.is_list()) return pieces.is_null();
  for (const Expression& piece : pieces.items) {
    if (!piece.is_struct() || piece.items.size() != 2) return false;
    if (!IsIn(piece.items[1], 0, *room)) return false;
    *room -= piece.items[1].value;
  }
  return true;
}

bool IsMessage(const Expression& message, int64_t* room) {
  if (!message.is_struct()) return message.is_null();
  const Expression* const pieces = message.FindValue("msg_iov");
  return pieces != nullptr && ArePieces(*pieces, room);
}

// As one message, in all.
bool AreMessages(const Expression& messages) {
  if (!messages.is_list()) return messages.is_null();
  if (messages.items.size() > kMessagesMax) return false;
  int64_t room = kTransferBytesMax;
  for (const Expression& message : messages.items) {
    if (!message.is_struct()) return false;
    const Expression* const header = message.FindValue("msg_hdr");
    const Expression* const length = message.FindValue("msg_len");
    if (header == nullptr || !header->is_struct() || !IsMessage(*header, &room)) return false;
    if (length != nullptr && !length->is_ellipsis() && !IsIn(*length, 0, UINT32_MAX)) return false;
  }
  return true;
}

bool IsFdPair(const Expression& pair) {
  return pair.is_list() && pair.items.size() == 2 && IsFd(pair.items[0]) && IsFd(pair.items[1]);
}

bool AreFds(const Expression& fds) {
  if (!fds.is_list()) return false;
  return std::all_of(fds.items.begin(), fds.items.end(),
                     [](const Expression& fd) { return IsIn(fd, 0, kFdMax); });
}

bool IsFdSet(const Expression& set) {
  if (!set.is_struct()) return set.is_null();
  const Expression* const fds = set.FindValue("fds");
  const Expression* const ready = set.FindValue("ready");
  return fds != nullptr && AreFds(*fds) && (ready == nullptr || AreFds(*ready));
}

// `fraction`: the name of the part below a second.
bool IsTime(const Expression& time, const char* fraction) {
  if (!time.is_struct()) return time.is_null();
  const Expression* const seconds = time.FindValue("tv_sec");
  const Expression* const below = time.FindValue(fraction);
  return seconds != nullptr && IsInt(*seconds) && below != nullptr && IsInt(*below);
}

// What a sockaddr's fields are, beyond their names.
bool IsSockaddr(const Expression& address) {
  const Expression* const family = address.FindValue("sa_family");
  const Expression* const port = address.FindValue("sin_port");
  const Expression* const ip = address.FindValue("sin_addr");
  if (family == nullptr || port == nullptr || ip == nullptr) return false;
  const bool is_v4 = IsIn(*family, kDomainInet, kDomainInet);
  if (!is_v4 && !IsIn(*family, kDomainInet6, kDomainInet6)) return false;
  if (port->kind != Expression::Kind::kFunction || port->text != "htons") return false;
  if (ip->kind != Expression::Kind::kFunction || ip->text == "htons") return false;
  const std::optional<IpAddress> parsed = IpAddress::Parse(ip->items[0].text);
  return parsed.has_value() && parsed->is_v4() == is_v4;
}

bool IsOfKind(ArgumentKind kind, const Expression& argument) {
  int64_t room = kTransferBytesMax;
  switch (kind) {
    case kFd:
      return IsFd(argument);
    case kDomain:
      return argument.is_ellipsis() || IsInt(argument);
    case kSocketType:
    case kProtocol:
    case kMessageFlags:
    case kInt:
    case kTimeout:
    case kLevel:
    case kOptionName:
    case kOptionLength:
    case kPollCount:
      return IsInt(argument);
    case kLength:
      return IsIn(argument, 0, kTransferBytesMax);
    case kBuffer:
      return argument.is_ellipsis() || argument.is_null() ||
             argument.kind == Expression::Kind::kString;
    case kAddress:
      return argument.is_ellipsis() || IsIn(argument, 0, UINT16_MAX) ||
             (argument.is_struct() && IsSockaddr(argument));
    case kAddressLength:
      return argument.is_ellipsis() || IsInt(argument) ||
             (argument.is_list() && argument.items.size() == 1 && IsInt(argument.items[0]));
    case kPollEntries:
      return ArePollEntries(argument);
    case kMessage:
      return IsMessage(argument, &room);
    case kMessages:
      return AreMessages(argument);
    case kPieces:
      return ArePieces(argument, &room);
    case kFdPair:
      return IsFdPair(argument);
    case kPath:
      return argument.kind == Expression::Kind::kString;
    case kFdSet:
      return IsFdSet(argument);
    case kTimeval:
      return IsTime(argument, "tv_usec");
    case kTimespec:
      return IsTime(argument, "tv_nsec");
    case kOther:
      break;
  }
  return true;
}

std::string Describe(ArgumentKind kind) {
  switch (kind) {
    case kFd:
      return absl::StrCat("a descriptor in ", kFdNone, "..", kFdMax);
    case kDomain:
      return "an address family or '...'";
    case kLength:
      return absl::StrCat("a length in 0..", kTransferBytesMax);
    case kBuffer:
      return "'...', NULL or a string";
    case kAddress:
      return "a socket address of IPv4 or IPv6, '...' or NULL";
    case kAddressLength:
      return "the length of an address or '...'";
    case kPollEntries:
      return absl::StrCat("[{fd=, events=, revents=}, ...] of at most ", kPollEntriesMax);
    case kMessage:
      return absl::StrCat("a msghdr of at most ", kTransferBytesMax, " bytes");
    case kMessages:
      return absl::StrCat("[{msg_hdr=, msg_len=}, ...] of at most ", kMessagesMax, " messages and ",
                          kTransferBytesMax, " bytes");
    case kPieces:
      return absl::StrCat("[{..., length}, ...] of at most ", kTransferBytesMax, " bytes");
    case kFdPair:
      return "[descriptor, descriptor]";
    case kPath:
      return "a path in quotes";
    case kFdSet:
      return "{fds=[descriptor, ...], ready=[descriptor, ...]} or NULL";
    case kTimeval:
      return "{tv_sec=, tv_usec=} or NULL";
    case kTimespec:
      return "{tv_sec=, tv_nsec=} or NULL";
    default:
      return "a number of 32 bits";
  }
}

}  // namespace

std::span<const ArgumentKind> SignatureOf(SyscallName name) {
  const Signature& signature = kSignatures[static_cast<size_t>(name)];
  return std::span(signature.kinds).first(signature.count);
}

const SymbolTable* SymbolsOf(ArgumentKind kind) {
  switch (kind) {
    case kDomain:
      return &kDomainSymbols;
    case kSocketType:
      return &kSocketTypeSymbols;
    case kProtocol:
      return &kProtocolSymbols;
    case kMessageFlags:
      return &kMessageFlagSymbols;
    case kPollEntries:
      return &kPollEventSymbols;
    default:
      return nullptr;
  }
}

bool IsIntKind(ArgumentKind kind) {
  switch (kind) {
    case kDomain:
    case kSocketType:
    case kProtocol:
    case kMessageFlags:
    case kInt:
    case kTimeout:
    case kLevel:
    case kOptionName:
    case kOptionLength:
    case kPollCount:
    case kAddressLength:
      return true;
    default:
      return false;
  }
}

std::optional<std::string> WhatIsExpected(ArgumentKind kind, const Expression& argument) {
  return IsOfKind(kind, argument) ? std::nullopt : std::optional(Describe(kind));
}

}  // namespace tapedeck
