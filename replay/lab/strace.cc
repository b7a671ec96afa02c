#include "replay/lab/strace.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "replay/script/symbols.h"
#include "stack/core/sockaddr.h"

namespace tapedeck {

namespace {

std::string TimeText(SimTime time) {
  const uint64_t us = time.ns() / 1000;
  return absl::StrFormat("%d.%06d", us / 1'000'000, us % 1'000'000);
}

std::string QuotedBytes(const void* data, size_t bytes, size_t bytes_max) {
  if (data == nullptr) return bytes == 0 ? "\"\"" : "NULL";
  const size_t shown = std::min(bytes, bytes_max);
  const std::string text(static_cast<const char*>(data), shown);
  return absl::StrCat("\"", absl::CEscape(text), "\"", shown < bytes ? "..." : "");
}

std::string AddressText(const SockAddr& address) {
  const std::optional<Endpoint> endpoint = address.ToEndpoint();
  if (!endpoint.has_value()) {
    if (address.length < sizeof(uint16_t)) return "{}";
    return absl::StrCat("{sa_family=", kDomainSymbols.Print(SockaddrFamily(address.bytes)), "}");
  }
  const uint16_t port = endpoint->port.host();
  if (endpoint->address.is_v4()) {
    return absl::StrFormat("{sa_family=AF_INET, sin_port=htons(%d), sin_addr=inet_addr(\"%s\")}",
                           port, endpoint->address.ToString());
  }
  return absl::StrFormat(
      "{sa_family=AF_INET6, sin6_port=htons(%d), inet_pton(AF_INET6, \"%s\", &sin6_addr)}", port,
      endpoint->address.ToString());
}

std::string InputAddress(const SyscallArgs& args) {
  if (args.number == SyscallNumber::kSendto && !args.has_address) return "NULL, 0";
  return absl::StrCat(AddressText(args.address), ", ", args.address.length);
}

// What accept, recvfrom, getsockname fill in.
std::string OutputAddress(const SyscallArgs& args, int64_t result) {
  if (args.address_out == nullptr) return "NULL, NULL";
  if (result < 0) return absl::StrFormat("..., [%d]", args.address_out->length);
  return absl::StrFormat("%s, [%d]", AddressText(*args.address_out), args.address_out->length);
}

// An option's value as the number that most of them are.
std::string ValueText(const void* value, uint32_t bytes, size_t bytes_max) {
  if (value == nullptr) return "NULL";
  if (bytes != sizeof(int32_t)) return QuotedBytes(value, bytes, bytes_max);
  int32_t number = 0;
  std::memcpy(&number, value, sizeof(number));
  return absl::StrCat("[", number, "]");
}

std::string VectorText(const iovec* pieces, size_t count, uint64_t bytes, size_t bytes_max) {
  std::vector<std::string> texts;
  for (size_t i = 0; i < count; ++i) {
    const size_t used = std::min<uint64_t>(pieces[i].iov_len, bytes);
    bytes -= used;
    texts.push_back(absl::StrFormat("{iov_base=%s, iov_len=%d}",
                                    QuotedBytes(pieces[i].iov_base, used, bytes_max),
                                    pieces[i].iov_len));
  }
  return absl::StrCat("[", absl::StrJoin(texts, ", "), "], ", count);
}

std::string MessageText(const user_msghdr& msg, uint64_t bytes, size_t bytes_max) {
  const std::string name = msg.msg_name == nullptr ? "NULL" : AddressText(*msg.msg_name);
  return absl::StrFormat("{msg_name=%s, msg_iov=%s, msg_controllen=%d, msg_flags=%s}", name,
                         VectorText(msg.msg_iov.data(), msg.msg_iov.size(), bytes, bytes_max),
                         msg.msg_controllen,
                         kMessageFlagSymbols.Print(static_cast<int32_t>(msg.msg_flags)));
}

// Those that were sent or received have a length.
std::string MessagesText(const SyscallArgs& args, int64_t result, size_t bytes_max) {
  const auto* const messages = static_cast<const mmsghdr*>(args.memory);
  if (messages == nullptr) return absl::StrCat("NULL, ", args.length);
  const bool sends = args.number == SyscallNumber::kSendmmsg;
  std::vector<std::string> texts;
  for (uint32_t i = 0; i < args.length; ++i) {
    const mmsghdr& message = messages[i];
    const bool done = int64_t{i} < result;
    const uint64_t received = done ? message.msg_len : 0;
    std::string text = absl::StrCat(
        "{msg_hdr=", MessageText(message.msg_hdr, sends ? UINT64_MAX : received, bytes_max));
    if (done) absl::StrAppend(&text, ", msg_len=", message.msg_len);
    texts.push_back(text + "}");
  }
  return absl::StrCat("[", absl::StrJoin(texts, ", "), "], ", args.length);
}

std::string TimespecText(Duration time) {
  if (time == Duration::Max()) return "NULL";
  return absl::StrFormat("{tv_sec=%d, tv_nsec=%d}", time.ns() / 1'000'000'000,
                         time.ns() % 1'000'000'000);
}

std::string PollText(const SyscallArgs& args, int64_t result) {
  const auto* const fds = static_cast<const pollfd*>(args.memory);
  std::vector<std::string> texts;
  for (uint32_t i = 0; fds != nullptr && i < args.length; ++i) {
    std::string text =
        absl::StrFormat("{fd=%d, events=%s", fds[i].fd, kPollEventSymbols.Print(fds[i].events));
    if (result > 0) absl::StrAppend(&text, ", revents=", kPollEventSymbols.Print(fds[i].revents));
    texts.push_back(text + "}");
  }
  const std::string timeout =
      args.timeout == Duration::Max() ? "-1" : absl::StrCat(args.timeout.ns() / 1'000'000);
  return absl::StrCat("[", absl::StrJoin(texts, ", "), "], ", args.length, ", ", timeout);
}

// Names of options by level; their values are those of the script language.
struct OptionLevel {
  int level;
  const char* name;
  std::vector<const char*> options;
};
const std::vector<OptionLevel>& OptionLevels() {
  static const std::vector<OptionLevel> levels = {
      {1, "SOL_SOCKET", {"SO_DEBUG",        "SO_REUSEADDR",       "SO_TYPE",
                         "SO_ERROR",        "SO_DONTROUTE",       "SO_BROADCAST",
                         "SO_SNDBUF",       "SO_RCVBUF",          "SO_KEEPALIVE",
                         "SO_OOBINLINE",    "SO_PRIORITY",        "SO_LINGER",
                         "SO_REUSEPORT",    "SO_RCVLOWAT",        "SO_SNDLOWAT",
                         "SO_RCVTIMEO",     "SO_SNDTIMEO",        "SO_TIMESTAMP",
                         "SO_TIMESTAMPNS",  "SO_TIMESTAMPING",    "SO_MARK",
                         "SO_RXQ_OVFL",     "SO_PEEK_OFF",        "SO_BUSY_POLL",
                         "SO_INCOMING_CPU", "SO_BINDTODEVICE",    "SO_ATTACH_FILTER",
                         "SO_ZEROCOPY",     "SO_MAX_PACING_RATE", "SO_TXTIME"}},
      {0,
       "SOL_IP",
       {"IP_TOS",
        "IP_TTL",
        "IP_HDRINCL",
        "IP_OPTIONS",
        "IP_RECVOPTS",
        "IP_PKTINFO",
        "IP_MTU_DISCOVER",
        "IP_RECVERR",
        "IP_RECVTTL",
        "IP_RECVTOS",
        "IP_MTU",
        "IP_FREEBIND",
        "IP_TRANSPARENT",
        "IP_MINTTL",
        "IP_BIND_ADDRESS_NO_PORT",
        "IP_MULTICAST_IF",
        "IP_MULTICAST_TTL",
        "IP_MULTICAST_LOOP",
        "IP_ADD_MEMBERSHIP",
        "IP_DROP_MEMBERSHIP"}},
      {6,
       "SOL_TCP",
       {"TCP_NODELAY",      "TCP_MAXSEG",           "TCP_CORK",         "TCP_KEEPIDLE",
        "TCP_KEEPINTVL",    "TCP_KEEPCNT",          "TCP_SYNCNT",       "TCP_LINGER2",
        "TCP_DEFER_ACCEPT", "TCP_WINDOW_CLAMP",     "TCP_INFO",         "TCP_QUICKACK",
        "TCP_CONGESTION",   "TCP_MD5SIG",           "TCP_USER_TIMEOUT", "TCP_FASTOPEN",
        "TCP_TIMESTAMP",    "TCP_NOTSENT_LOWAT",    "TCP_CC_INFO",      "TCP_SAVE_SYN",
        "TCP_SAVED_SYN",    "TCP_FASTOPEN_CONNECT", "TCP_INQ",          "TCP_TX_DELAY"}},
      {17, "SOL_UDP", {"UDP_CORK", "UDP_ENCAP", "UDP_SEGMENT", "UDP_GRO"}},
      {41,
       "SOL_IPV6",
       {"IPV6_UNICAST_HOPS", "IPV6_MULTICAST_HOPS", "IPV6_V6ONLY", "IPV6_RECVPKTINFO",
        "IPV6_RECVERR", "IPV6_TCLASS", "IPV6_RECVTCLASS", "IPV6_MTU", "IPV6_MTU_DISCOVER"}},
  };
  return levels;
}

// "SOL_TCP, TCP_NODELAY"; what has no name as its number.
std::string OptionText(int level, int option) {
  for (const OptionLevel& known : OptionLevels()) {
    if (known.level != level) continue;
    for (const char* const name : known.options) {
      if (FindSymbol(name) == option) return absl::StrCat(known.name, ", ", name);
    }
    return absl::StrCat(known.name, ", ", option);
  }
  return absl::StrCat(level, ", ", option);
}

std::string Flags(int flags) { return kMessageFlagSymbols.Print(flags); }

// Bytes that a reading call has got; all of what a writing one was given.
uint64_t Moved(int64_t result) { return result < 0 ? 0 : static_cast<uint64_t>(result); }

std::string DataArguments(const SyscallArgs& args, int64_t result, size_t bytes_max) {
  const uint64_t moved = Moved(result);
  const iovec& buffer = args.buffer;
  switch (args.number) {
    case SyscallNumber::kRead:
      return absl::StrCat(QuotedBytes(buffer.iov_base, moved, bytes_max), ", ", buffer.iov_len);
    case SyscallNumber::kWrite:
      return absl::StrCat(QuotedBytes(buffer.iov_base, buffer.iov_len, bytes_max), ", ",
                          buffer.iov_len);
    case SyscallNumber::kSendto:
      return absl::StrCat(QuotedBytes(buffer.iov_base, buffer.iov_len, bytes_max), ", ",
                          buffer.iov_len, ", ", Flags(args.b), ", ", InputAddress(args));
    case SyscallNumber::kRecvfrom:
      return absl::StrCat(QuotedBytes(buffer.iov_base, moved, bytes_max), ", ", buffer.iov_len,
                          ", ", Flags(args.b), ", ", OutputAddress(args, result));
    case SyscallNumber::kReadv:
      return VectorText(static_cast<const iovec*>(args.memory), args.length, moved, bytes_max);
    case SyscallNumber::kWritev:
      return VectorText(static_cast<const iovec*>(args.memory), args.length, UINT64_MAX, bytes_max);
    case SyscallNumber::kSendmsg:
    case SyscallNumber::kRecvmsg: {
      const bool sends = args.number == SyscallNumber::kSendmsg;
      if (args.memory == nullptr) return absl::StrCat("NULL, ", Flags(args.b));
      return absl::StrCat(MessageText(*static_cast<const user_msghdr*>(args.memory),
                                      sends ? UINT64_MAX : moved, bytes_max),
                          ", ", Flags(args.b));
    }
    case SyscallNumber::kSendmmsg:
      return absl::StrCat(MessagesText(args, result, bytes_max), ", ", Flags(args.b));
    case SyscallNumber::kRecvmmsg:
      return absl::StrCat(MessagesText(args, result, bytes_max), ", ", Flags(args.b), ", ",
                          TimespecText(args.timeout));
    default:
      return "";
  }
}

std::string OptionArguments(const SyscallArgs& args, int64_t result, size_t bytes_max) {
  std::string text = absl::StrCat(OptionText(args.a, args.b), ", ");
  if (args.number == SyscallNumber::kSetsockopt) {
    return absl::StrCat(text, ValueText(args.memory, args.length, bytes_max), ", ", args.length);
  }
  const uint32_t length = args.length_out == nullptr ? 0 : *args.length_out;
  if (result < 0) return absl::StrCat(text, "..., [", length, "]");
  return absl::StrCat(text, ValueText(args.memory, length, bytes_max), ", [", length, "]");
}

std::string PairText(const SyscallArgs& args, int64_t result) {
  const auto* const fds = static_cast<const int*>(args.memory);
  if (fds == nullptr || result < 0) return "...";
  return absl::StrFormat("[%d, %d]", fds[0], fds[1]);
}

// The arguments behind the descriptor of a call that moves no data.
std::string OtherArguments(const SyscallArgs& args, int64_t result) {
  switch (args.number) {
    case SyscallNumber::kConnect:
    case SyscallNumber::kBind:
      return InputAddress(args);
    case SyscallNumber::kListen:
      return absl::StrCat(args.a);
    case SyscallNumber::kAccept:
    case SyscallNumber::kGetsockname:
    case SyscallNumber::kGetpeername:
      return OutputAddress(args, result);
    case SyscallNumber::kAccept4:
      return absl::StrCat(OutputAddress(args, result), ", ", kSocketTypeSymbols.Print(args.b));
    case SyscallNumber::kShutdown: {
      constexpr const char* kHow[] = {"SHUT_RD", "SHUT_WR", "SHUT_RDWR"};
      return args.a >= 0 && args.a <= 2 ? kHow[args.a] : absl::StrCat(args.a);
    }
    case SyscallNumber::kFcntl:
    case SyscallNumber::kIoctl:
      return absl::StrFormat("%#x, %d", args.a, args.c);
    case SyscallNumber::kEpollCtl: {
      constexpr const char* kOps[] = {"EPOLL_CTL_ADD", "EPOLL_CTL_DEL", "EPOLL_CTL_MOD"};
      const bool known = args.a >= 1 && args.a <= 3;
      return absl::StrCat(known ? kOps[args.a - 1] : absl::StrCat(args.a), ", ", args.c);
    }
    case SyscallNumber::kDup2:
    case SyscallNumber::kDup3:
    case SyscallNumber::kSendfile:
    case SyscallNumber::kSplice:
      return absl::StrCat(args.a, ", ", args.length);
    default:
      return "";
  }
}

}  // namespace

std::string StraceCallText(const SyscallArgs& args, int64_t result, size_t string_bytes_max) {
  const std::string name = SyscallNumberName(args.number);
  switch (args.number) {
    case SyscallNumber::kSocket:
      return absl::StrFormat("%s(%s, %s, %s)", name, kDomainSymbols.Print(args.a),
                             kSocketTypeSymbols.Print(args.b), kProtocolSymbols.Print(args.c));
    case SyscallNumber::kSocketpair:
      return absl::StrFormat("%s(%s, %s, %d, %s)", name, kDomainSymbols.Print(args.a),
                             kSocketTypeSymbols.Print(args.b), args.c, PairText(args, result));
    case SyscallNumber::kPipe:
    case SyscallNumber::kPipe2:
      return absl::StrFormat("%s(%s)", name, PairText(args, result));
    case SyscallNumber::kEpollCreate:
    case SyscallNumber::kEpollCreate1:
      return absl::StrFormat("%s(%d)", name, std::max(args.a, args.b));
    case SyscallNumber::kPoll:
      return absl::StrFormat("%s(%s)", name, PollText(args, result));
    case SyscallNumber::kSetsockopt:
    case SyscallNumber::kGetsockopt:
      return absl::StrFormat("%s(%d, %s)", name, args.fd,
                             OptionArguments(args, result, string_bytes_max));
    default:
      break;
  }
  std::string rest = DataArguments(args, result, string_bytes_max);
  if (rest.empty()) rest = OtherArguments(args, result);
  return absl::StrCat(name, "(", args.fd, rest.empty() ? "" : ", ", rest, ")");
}

std::string StraceResultText(int64_t result) {
  if (result >= 0) return absl::StrCat(result);
  return absl::StrCat("-1 ", kErrnoSymbols.Print(static_cast<int32_t>(-result)));
}

void StraceLog::Entered(const SystemCall& call, SimTime time) {
  const SyscallArgs& args = call.args();
  open_[call.thread().tid()] = {time, absl::StrCat(SyscallNumberName(args.number), "(", args.fd)};
}

void StraceLog::Ended(const SystemCall& call, int64_t result, SimTime time) {
  const auto open = open_.find(call.thread().tid());
  const SimTime entered = open == open_.end() ? time : open->second.entered;
  if (open != open_.end()) open_.erase(open);
  absl::FPrintF(out_, "[%d] %s %s = %s <%s>\n", call.thread().tid(), TimeText(entered),
                StraceCallText(call.args(), result, string_bytes_max_), StraceResultText(result),
                TimeText(SimTime::At(time - entered)));
  Count& count = counts_[SyscallNumberName(call.args().number)];
  ++count.calls;
  if (result < 0) ++count.errors;
}

void StraceLog::Finish() {
  for (const auto& [tid, open] : open_) {
    absl::FPrintF(out_, "[%d] %s %s, <unfinished ...>\n", tid, TimeText(open.entered), open.call);
  }
  open_.clear();
}

}  // namespace tapedeck
