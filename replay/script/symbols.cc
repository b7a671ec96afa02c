#include "replay/script/symbols.h"

#include "absl/strings/str_cat.h"

namespace tapedeck {
namespace {

// Where two names have one value, the first is printed.

constexpr Symbol kDomainNames[] = {
    {"AF_UNSPEC", kDomainUnspec}, {"AF_UNIX", 1},
    {"AF_INET", kDomainInet},     {"AF_INET6", kDomainInet6},
    {"AF_NETLINK", 16},           {"AF_PACKET", 17},
    {"PF_INET", kDomainInet},     {"PF_INET6", kDomainInet6},
};

constexpr Symbol kSocketTypeList[] = {
    {"SOCK_STREAM", kSockStream},
    {"SOCK_DGRAM", kSockDgram},
    {"SOCK_RAW", kSockRaw},
    {"SOCK_RDM", 4},
    {"SOCK_SEQPACKET", 5},
    {"SOCK_DCCP", 6},
    {"SOCK_PACKET", 10},
    {"SOCK_NONBLOCK", kSockNonblock},
    {"SOCK_CLOEXEC", kSockCloexec},
};

constexpr Symbol kProtocolNames[] = {
    {"IPPROTO_IP", 0},      {"IPPROTO_ICMP", 1},      {"IPPROTO_IGMP", 2},  {"IPPROTO_IPIP", 4},
    {"IPPROTO_TCP", 6},     {"IPPROTO_UDP", 17},      {"IPPROTO_IPV6", 41}, {"IPPROTO_GRE", 47},
    {"IPPROTO_ICMPV6", 58}, {"IPPROTO_UDPLITE", 136}, {"IPPROTO_RAW", 255},
};

constexpr Symbol kMessageFlagNames[] = {
    {"MSG_OOB", 0x1},
    {"MSG_PEEK", 0x2},
    {"MSG_DONTROUTE", 0x4},
    {"MSG_CTRUNC", 0x8},
    {"MSG_PROBE", 0x10},
    {"MSG_TRUNC", 0x20},
    {"MSG_DONTWAIT", 0x40},
    {"MSG_EOR", 0x80},
    {"MSG_WAITALL", 0x100},
    {"MSG_CONFIRM", 0x800},
    {"MSG_ERRQUEUE", 0x2000},
    {"MSG_NOSIGNAL", 0x4000},
    {"MSG_MORE", 0x8000},
    {"MSG_WAITFORONE", 0x10000},
    {"MSG_BATCH", 0x40000},
    {"MSG_ZEROCOPY", 0x4000000},
    {"MSG_FASTOPEN", 0x20000000},
    {"MSG_CMSG_CLOEXEC", 0x40000000},
};

constexpr Symbol kPollEventList[] = {
    {"POLLIN", 0x1},       {"POLLPRI", 0x2},      {"POLLOUT", 0x4},     {"POLLERR", 0x8},
    {"POLLHUP", 0x10},     {"POLLNVAL", 0x20},    {"POLLRDNORM", 0x40}, {"POLLRDBAND", 0x80},
    {"POLLWRNORM", 0x100}, {"POLLWRBAND", 0x200}, {"POLLMSG", 0x400},   {"POLLRDHUP", 0x2000},
};

constexpr Symbol kErrnoNames[] = {
    {"EPERM", 1},
    {"ENOENT", 2},
    {"ESRCH", 3},
    {"EINTR", 4},
    {"EIO", 5},
    {"ENXIO", 6},
    {"E2BIG", 7},
    {"ENOEXEC", 8},
    {"EBADF", 9},
    {"ECHILD", 10},
    {"EAGAIN", 11},
    {"ENOMEM", 12},
    {"EACCES", 13},
    {"EFAULT", 14},
    {"ENOTBLK", 15},
    {"EBUSY", 16},
    {"EEXIST", 17},
    {"EXDEV", 18},
    {"ENODEV", 19},
    {"ENOTDIR", 20},
    {"EISDIR", 21},
    {"EINVAL", 22},
    {"ENFILE", 23},
    {"EMFILE", 24},
    {"ENOTTY", 25},
    {"ETXTBSY", 26},
    {"EFBIG", 27},
    {"ENOSPC", 28},
    {"ESPIPE", 29},
    {"EROFS", 30},
    {"EMLINK", 31},
    {"EPIPE", 32},
    {"EDOM", 33},
    {"ERANGE", 34},
    {"EDEADLK", 35},
    {"ENAMETOOLONG", 36},
    {"ENOLCK", 37},
    {"ENOSYS", 38},
    {"ENOTEMPTY", 39},
    {"ELOOP", 40},
    {"ENOMSG", 42},
    {"EIDRM", 43},
    {"ECHRNG", 44},
    {"EL2NSYNC", 45},
    {"EL3HLT", 46},
    {"EL3RST", 47},
    {"ELNRNG", 48},
    {"EUNATCH", 49},
    {"ENOCSI", 50},
    {"EL2HLT", 51},
    {"EBADE", 52},
    {"EBADR", 53},
    {"EXFULL", 54},
    {"ENOANO", 55},
    {"EBADRQC", 56},
    {"EBADSLT", 57},
    {"EBFONT", 59},
    {"ENOSTR", 60},
    {"ENODATA", 61},
    {"ETIME", 62},
    {"ENOSR", 63},
    {"ENONET", 64},
    {"ENOPKG", 65},
    {"EREMOTE", 66},
    {"ENOLINK", 67},
    {"EADV", 68},
    {"ESRMNT", 69},
    {"ECOMM", 70},
    {"EPROTO", 71},
    {"EMULTIHOP", 72},
    {"EDOTDOT", 73},
    {"EBADMSG", 74},
    {"EOVERFLOW", 75},
    {"ENOTUNIQ", 76},
    {"EBADFD", 77},
    {"EREMCHG", 78},
    {"ELIBACC", 79},
    {"ELIBBAD", 80},
    {"ELIBSCN", 81},
    {"ELIBMAX", 82},
    {"ELIBEXEC", 83},
    {"EILSEQ", 84},
    {"ERESTART", 85},
    {"ESTRPIPE", 86},
    {"EUSERS", 87},
    {"ENOTSOCK", 88},
    {"EDESTADDRREQ", 89},
    {"EMSGSIZE", 90},
    {"EPROTOTYPE", 91},
    {"ENOPROTOOPT", 92},
    {"EPROTONOSUPPORT", 93},
    {"ESOCKTNOSUPPORT", 94},
    {"EOPNOTSUPP", 95},
    {"EPFNOSUPPORT", 96},
    {"EAFNOSUPPORT", 97},
    {"EADDRINUSE", 98},
    {"EADDRNOTAVAIL", 99},
    {"ENETDOWN", 100},
    {"ENETUNREACH", 101},
    {"ENETRESET", 102},
    {"ECONNABORTED", 103},
    {"ECONNRESET", 104},
    {"ENOBUFS", 105},
    {"EISCONN", 106},
    {"ENOTCONN", 107},
    {"ESHUTDOWN", 108},
    {"ETOOMANYREFS", 109},
    {"ETIMEDOUT", 110},
    {"ECONNREFUSED", 111},
    {"EHOSTDOWN", 112},
    {"EHOSTUNREACH", 113},
    {"EALREADY", 114},
    {"EINPROGRESS", 115},
    {"ESTALE", 116},
    {"EUCLEAN", 117},
    {"ENOTNAM", 118},
    {"ENAVAIL", 119},
    {"EISNAM", 120},
    {"EREMOTEIO", 121},
    {"EDQUOT", 122},
    {"ENOMEDIUM", 123},
    {"EMEDIUMTYPE", 124},
    {"ECANCELED", 125},
    {"ENOKEY", 126},
    {"EKEYEXPIRED", 127},
    {"EKEYREVOKED", 128},
    {"EKEYREJECTED", 129},
    {"EOWNERDEAD", 130},
    {"ENOTRECOVERABLE", 131},
    {"ERFKILL", 132},
    {"EWOULDBLOCK", 11},
    {"ENOTSUP", 95},
    {"EDEADLOCK", 35},
};

std::string_view NameOf(std::span<const Symbol> symbols, int32_t value) {
  for (const Symbol& symbol : symbols) {
    if (symbol.value == value) return symbol.name;
  }
  return {};
}

void AppendTerm(std::string& out, std::string_view term) {
  if (!out.empty()) out += '|';
  out += term;
}

}  // namespace

constinit const SymbolTable kDomainSymbols = {"an address family", -1, kDomainNames};
constinit const SymbolTable kSocketTypeSymbols = {"a socket type", kSockTypeMask, kSocketTypeList};
constinit const SymbolTable kProtocolSymbols = {"a protocol", -1, kProtocolNames};
constinit const SymbolTable kMessageFlagSymbols = {"message flags", 0, kMessageFlagNames};
constinit const SymbolTable kPollEventSymbols = {"poll events", 0, kPollEventList};
constinit const SymbolTable kErrnoSymbols = {"an error", -1, kErrnoNames};

std::optional<int32_t> SymbolTable::Find(std::string_view name) const {
  for (const Symbol& symbol : symbols) {
    if (symbol.name == name) return symbol.value;
  }
  return std::nullopt;
}

std::string SymbolTable::Print(int32_t value) const {
  std::string out;
  const int32_t enumerator = value & enum_mask;
  if (enumerator != 0 || enum_mask != 0) {
    const std::string_view name = NameOf(symbols, enumerator);
    AppendTerm(out, name.empty() ? absl::StrCat(enumerator) : std::string(name));
  }
  auto rest = static_cast<uint32_t>(value & ~enum_mask);
  for (const Symbol& symbol : symbols) {
    const auto flag = static_cast<uint32_t>(symbol.value & ~enum_mask);
    if (flag == 0 || (rest & flag) != flag) continue;
    AppendTerm(out, symbol.name);
    rest &= ~flag;
  }
  if (rest != 0) AppendTerm(out, absl::StrCat("0x", absl::Hex(rest)));
  return out.empty() ? "0" : out;
}

}  // namespace tapedeck
