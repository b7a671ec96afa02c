#include "replay/script/argument_bytes.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <optional>
#include <string>
#include <utility>

#include "replay/script/frame_bytes.h"
#include "replay/script/script.h"
#include "replay/script/symbols.h"
#include "stack/base/check.h"

namespace tapedeck {
namespace {

// As with the tables of frame_bytes.cc: append only.

// Stands for "..." as a domain. A family of this number is spelled as text.
constexpr int32_t kDomainDefault = -1;
constexpr int32_t kDomainList[] = {kDomainInet, kDomainDefault, kDomainInet6, kDomainUnspec, 1, 16,
                                   17};
constexpr int32_t kTypeList[] = {kSockDgram,
                                 kSockStream,
                                 kSockRaw,
                                 kSockDgram | kSockNonblock,
                                 kSockStream | kSockNonblock,
                                 kSockRaw | kSockNonblock,
                                 kSockDgram | kSockCloexec,
                                 5,
                                 0};
constexpr int32_t kSocketProtocolList[] = {0, 17, 1, 6, 2, 58, 136, 255};
constexpr int32_t kLengthMax = 1 << 20;
constexpr int32_t kBufferLengthList[] = {
    0, 1, 8, 17, 18, 19, 100, 512, 1471, 1472, 1473, 2048, 8972, 16384, 65507, 65508, kLengthMax};
constexpr int32_t kMessageFlagList[] = {0,      0x40,   0x2,    0x20,    0x22,      0x2000,
                                        0x8000, 0x1,    0x4,    0x80,    0x100,     0x800,
                                        0x4000, 0x2040, 0x8040, 0x10000, 0x20000000};
constexpr int32_t kEventList[] = {0x1, 0x4, 0x5, 0x2, 0x8, 0, 0x40, 0x100, 0x2000, 0x20, 0xffff};
constexpr int32_t kTimeoutList[] = {0, -1, 1, 10, 100, 1000, 60'000, INT32_MAX, INT32_MIN};
constexpr int32_t kAddressLengthList[] = {
    0, kSockaddrInBytes, kSockaddrIn6Bytes, 1, 2, 8, 15, 24, 128, 129, -1, INT32_MAX};
// Backlogs, and how to shut down.
constexpr int32_t kIntList[] = {1, 0, 2, 5, 128, 4096, -1, INT32_MAX, INT32_MIN};

// --- Descriptors ---

// A byte below kExact names one of eight descriptors from 3 on: the ones a program gets first.
constexpr int32_t kFdFirst = 3;
constexpr int32_t kFdsNamed = 8;
constexpr int32_t kFdCount = kFdMax - kFdNone + 1;

// --- Integers ---

Choices ChoicesOf(ArgumentKind kind) {
  switch (kind) {
    case ArgumentKind::kSocketType:
      return kTypeList;
    case ArgumentKind::kProtocol:
      return kSocketProtocolList;
    case ArgumentKind::kMessageFlags:
      return kMessageFlagList;
    case ArgumentKind::kTimeout:
      return kTimeoutList;
    case ArgumentKind::kInt:
      return kIntList;
    default:
      return {};
  }
}

bool FitsInt32(const Expression& expression) {
  return expression.is_integer() && expression.value >= INT32_MIN && expression.value <= INT32_MAX;
}

bool WriteInt(RecordWriter& writer, const Expression& argument, Choices choices) {
  if (!FitsInt32(argument)) return false;
  writer.Choice(static_cast<int32_t>(argument.value), choices);
  return true;
}

Expression ReadDomain(RecordReader& reader) {
  const int32_t domain = reader.Choice(kDomainList);
  return domain == kDomainDefault ? Expression::Ellipsis() : Expression::Integer(domain);
}

bool WriteDomain(RecordWriter& writer, const Expression& domain) {
  if (domain.is_integer() && domain.value == kDomainDefault) return false;
  return WriteInt(writer, domain.is_ellipsis() ? Expression::Integer(kDomainDefault) : domain,
                  kDomainList);
}

bool WriteLength(RecordWriter& writer, const Expression& length) {
  return length.value <= kLengthMax && WriteInt(writer, length, kBufferLengthList);
}

// --- Addresses ---

// The first byte: its kind, and whether its length is a wrong one that follows.
constexpr uint8_t kAddressDefault = 0;
constexpr uint8_t kAddressNull = 1;
constexpr uint8_t kAddressIpv4 = 2;
constexpr uint8_t kAddressIpv6 = 3;
constexpr uint8_t kAddressKindMask = 0x03;
constexpr uint8_t kAddressHasLength = 0x80;

// The length that belongs to an address of this kind.
Expression RightLength(uint8_t kind) {
  switch (kind) {
    case kAddressDefault:
      return Expression::Ellipsis();
    case kAddressNull:
      return Expression::Integer(0);
    case kAddressIpv4:
      return Expression::Integer(kSockaddrInBytes);
    default:
      return Expression::Integer(kSockaddrIn6Bytes);
  }
}

Expression ToSockaddr(const Endpoint& endpoint) {
  const bool is_v4 = endpoint.address.is_v4();
  return Expression::Struct({
      Expression::Field("sa_family", Expression::Integer(is_v4 ? kDomainInet : kDomainInet6)),
      Expression::Field("sin_port",
                        Expression::Function("htons", {Expression::Integer(endpoint.port.host())})),
      Expression::Field(
          "sin_addr",
          Expression::Function("inet_addr", {Expression::String(endpoint.address.ToString())})),
  });
}

// The endpoint that ToSockaddr() makes `address` of.
std::optional<Endpoint> FromSockaddr(const Expression& address) {
  const Expression* const port = address.FindValue("sin_port");
  const Expression* const ip = address.FindValue("sin_addr");
  if (port == nullptr || ip == nullptr) return std::nullopt;
  Endpoint endpoint;
  endpoint.port = static_cast<uint16_t>(port->items[0].value);
  endpoint.address = IpAddress::Parse(ip->items[0].text).value_or(IpAddress());
  // Other ways to write the same address are kept as text.
  if (!(ToSockaddr(endpoint) == address)) return std::nullopt;
  return endpoint;
}

Endpoint ReadIpv4Endpoint(RecordReader& reader, uint8_t host) {
  Endpoint endpoint;
  endpoint.address = Ipv4Address(static_cast<uint32_t>(reader.Choice(AddressChoicesOf(host))));
  endpoint.port = static_cast<uint16_t>(reader.Choice(kPortChoices));
  return endpoint;
}

Endpoint ReadIpv6Endpoint(RecordReader& reader) {
  Endpoint endpoint;
  std::array<uint8_t, 16> bytes;
  for (uint8_t& byte : bytes) byte = reader.U8();
  endpoint.address = Ipv6Address(bytes);
  endpoint.port = static_cast<uint16_t>(reader.Choice(kPortChoices));
  return endpoint;
}

void ReadAddress(RecordReader& reader, uint8_t host, std::vector<Expression>& arguments) {
  const uint8_t first = reader.U8();
  const uint8_t kind = first & kAddressKindMask;
  Expression address;
  if (kind == kAddressNull) address = Expression::Integer(0, "NULL");
  if (kind == kAddressIpv4) address = ToSockaddr(ReadIpv4Endpoint(reader, host));
  if (kind == kAddressIpv6) address = ToSockaddr(ReadIpv6Endpoint(reader));
  arguments.push_back(std::move(address));
  const bool has_length = (first & kAddressHasLength) != 0;
  arguments.push_back(has_length ? Expression::Integer(reader.Choice(kAddressLengthList))
                                 : RightLength(kind));
}

bool WriteAddress(RecordWriter& writer, uint8_t host, const Expression& address,
                  const Expression& length) {
  const std::optional<Endpoint> endpoint =
      address.is_struct() ? FromSockaddr(address) : std::nullopt;
  if (!address.is_ellipsis() && !address.is_null() && !endpoint.has_value()) return false;
  uint8_t kind = address.is_ellipsis() ? kAddressDefault : kAddressNull;
  if (endpoint.has_value()) kind = endpoint->address.is_v4() ? kAddressIpv4 : kAddressIpv6;
  const bool has_length = length != RightLength(kind);
  writer.U8(kind | (has_length ? kAddressHasLength : uint8_t{0}));
  if (kind == kAddressIpv4) {
    writer.Choice(static_cast<int32_t>(endpoint->address.v4().host()), AddressChoicesOf(host));
  } else if (kind == kAddressIpv6) {
    writer.Bytes(endpoint->address.v6().bytes());
  }
  if (endpoint.has_value()) writer.Choice(endpoint->port.host(), kPortChoices);
  return !has_length || WriteInt(writer, length, kAddressLengthList);
}

// --- Poll entries ---

Expression ReadPollEntry(RecordReader& reader) {
  Expression fd = Expression::Integer(ReadFd(reader));
  Expression events = Expression::Integer(static_cast<uint16_t>(reader.Choice(kEventList)));
  const bool has_revents = (reader.U8() & 1) != 0;
  Expression revents = has_revents
                           ? Expression::Integer(static_cast<uint16_t>(reader.Choice(kEventList)))
                           : Expression::Any();
  return Expression::Struct({Expression::Field("fd", std::move(fd)),
                             Expression::Field("events", std::move(events)),
                             Expression::Field("revents", std::move(revents))});
}

void ReadPollEntries(RecordReader& reader, std::vector<Expression>& arguments) {
  std::vector<Expression> entries(reader.U8() % (kPollEntriesMax + 1));
  for (Expression& entry : entries) entry = ReadPollEntry(reader);
  const auto count = static_cast<int64_t>(entries.size());
  arguments.push_back(Expression::List(std::move(entries)));
  arguments.push_back(Expression::Integer(count));
}

bool WritePollEntries(RecordWriter& writer, const Expression& entries, const Expression& count) {
  if (!entries.is_list() || count.value != static_cast<int64_t>(entries.items.size())) return false;
  writer.U8(static_cast<uint8_t>(entries.items.size()));
  for (const Expression& entry : entries.items) {
    const Expression* const revents = entry.FindValue("revents");
    if (revents == nullptr) return false;
    WriteFd(writer, static_cast<int32_t>(entry.FindValue("fd")->value));
    writer.Choice(static_cast<int32_t>(entry.FindValue("events")->value), kEventList);
    writer.U8(revents->is_integer() ? 1 : 0);
    if (revents->is_integer()) writer.Choice(static_cast<int32_t>(revents->value), kEventList);
  }
  return true;
}

// --- Socket options with a number as their value ---

constexpr SocketOption kSocketOptions[] = {
    {"SOL_SOCKET", "SO_REUSEADDR"},
    {"SOL_SOCKET", "SO_RCVBUF"},
    {"SOL_SOCKET", "SO_SNDBUF"},
    {"SOL_TCP", "TCP_NODELAY"},
    {"SOL_TCP", "TCP_CORK"},
    {"SOL_TCP", "TCP_MAXSEG"},
    {"SOL_TCP", "TCP_QUICKACK"},
    {"SOL_TCP", "TCP_DEFER_ACCEPT"},
    {"SOL_TCP", "TCP_FASTOPEN"},
    {"SOL_TCP", "TCP_FASTOPEN_CONNECT"},
    {"SOL_TCP", "TCP_USER_TIMEOUT"},
    {"SOL_TCP", "TCP_KEEPIDLE"},
    {"SOL_TCP", "TCP_KEEPINTVL"},
    {"SOL_TCP", "TCP_KEEPCNT"},
    {"SOL_TCP", "TCP_SYNCNT"},
    {"SOL_TCP", "TCP_LINGER2"},
    {"SOL_TCP", "TCP_WINDOW_CLAMP"},
    {"SOL_TCP", "TCP_NOTSENT_LOWAT"},
    {"SOL_SOCKET", "SO_KEEPALIVE"},
    {"SOL_SOCKET", "SO_OOBINLINE"},
    {"SOL_SOCKET", "SO_RCVLOWAT"},
    {"SOL_SOCKET", "SO_ZEROCOPY"},
    {"SOL_SOCKET", "SO_REUSEPORT"},
    {"SOL_IP", "IP_TOS"},
    {"SOL_IP", "IP_TTL"},
    {"SOL_IP", "IP_MTU_DISCOVER"},
    {"SOL_IP", "IP_RECVERR"},
    {"SOL_SOCKET", "SO_TIMESTAMPING"},
    {"SOL_SOCKET", "SO_BROADCAST"},
    {"SOL_SOCKET", "SO_DONTROUTE"},
    {"SOL_SOCKET", "SO_TIMESTAMP"},
    {"SOL_SOCKET", "SO_TIMESTAMPNS"},
    {"SOL_SOCKET", "SO_PRIORITY"},
    {"SOL_SOCKET", "SO_MARK"},
    {"SOL_SOCKET", "SO_RCVMARK"},
    {"SOL_SOCKET", "SO_NO_CHECK"},
    {"SOL_SOCKET", "SO_RXQ_OVFL"},
    {"SOL_SOCKET", "SO_PEEK_OFF"},
    {"SOL_SOCKET", "SO_INCOMING_CPU"},
    {"SOL_SOCKET", "SO_BINDTOIFINDEX"},
    {"SOL_SOCKET", "SO_MAX_PACING_RATE"},
    {"SOL_SOCKET", "SO_RCVBUFFORCE"},
    {"SOL_SOCKET", "SO_SNDBUFFORCE"},
    {"SOL_SOCKET", "SO_SELECT_ERR_QUEUE"},
    {"SOL_SOCKET", "SO_BUSY_POLL"},
    {"SOL_SOCKET", "SO_TXREHASH"},
    {"SOL_SOCKET", "SO_RESERVE_MEM"},
    {"SOL_SOCKET", "SO_DEBUG"},
    {"SOL_TCP", "TCP_THIN_LINEAR_TIMEOUTS"},
    {"SOL_TCP", "TCP_REPAIR"},
    {"SOL_TCP", "TCP_REPAIR_QUEUE"},
    {"SOL_TCP", "TCP_QUEUE_SEQ"},
    {"SOL_TCP", "TCP_TIMESTAMP"},
    {"SOL_TCP", "TCP_SAVE_SYN"},
    {"SOL_TCP", "TCP_SAVED_SYN"},
    {"SOL_TCP", "TCP_FASTOPEN_NO_COOKIE"},
    {"SOL_TCP", "TCP_INQ"},
    {"SOL_TCP", "TCP_TX_DELAY"},
    {"SOL_TCP", "TCP_RTO_MAX_MS"},
    {"SOL_TCP", "TCP_RTO_MIN_US"},
    {"SOL_TCP", "TCP_DELACK_MAX_US"},
    {"SOL_UDP", "UDP_CORK"},
    {"SOL_UDP", "UDP_SEGMENT"},
    {"SOL_UDP", "UDP_GRO"},
    {"SOL_UDP", "UDP_ENCAP"},
    {"SOL_UDP", "UDP_NO_CHECK6_TX"},
    {"SOL_UDP", "UDP_NO_CHECK6_RX"},
    {"SOL_IP", "IP_PKTINFO"},
    {"SOL_IP", "IP_RECVTTL"},
    {"SOL_IP", "IP_RECVTOS"},
    {"SOL_IP", "IP_RECVOPTS"},
    {"SOL_IP", "IP_RETOPTS"},
    {"SOL_IP", "IP_ORIGDSTADDR"},
    {"SOL_IP", "IP_CHECKSUM"},
    {"SOL_IP", "IP_RECVFRAGSIZE"},
    {"SOL_IP", "IP_RECVERR_RFC4884"},
    {"SOL_IP", "IP_FREEBIND"},
    {"SOL_IP", "IP_TRANSPARENT"},
    {"SOL_IP", "IP_BIND_ADDRESS_NO_PORT"},
    {"SOL_IP", "IP_LOCAL_PORT_RANGE"},
    {"SOL_IP", "IP_MINTTL"},
    {"SOL_IP", "IP_NODEFRAG"},
    {"SOL_IP", "IP_HDRINCL"},
    {"SOL_IP", "IP_ROUTER_ALERT"},
    {"SOL_IP", "IP_UNICAST_IF"},
    {"SOL_IP", "IP_MULTICAST_TTL"},
    {"SOL_IP", "IP_MULTICAST_LOOP"},
    {"SOL_IP", "IP_MULTICAST_ALL"},
    {"SOL_IP", "IP_MTU"},
    {"SOL_IPV6", "IPV6_V6ONLY"},
    {"SOL_IPV6", "IPV6_UNICAST_HOPS"},
    {"SOL_IPV6", "IPV6_MULTICAST_HOPS"},
    {"SOL_IPV6", "IPV6_MULTICAST_LOOP"},
    {"SOL_IPV6", "IPV6_MULTICAST_IF"},
    {"SOL_IPV6", "IPV6_MULTICAST_ALL"},
    {"SOL_IPV6", "IPV6_UNICAST_IF"},
    {"SOL_IPV6", "IPV6_MTU"},
    {"SOL_IPV6", "IPV6_MTU_DISCOVER"},
    {"SOL_IPV6", "IPV6_RECVERR"},
    {"SOL_IPV6", "IPV6_RECVERR_RFC4884"},
    {"SOL_IPV6", "IPV6_RECVPKTINFO"},
    {"SOL_IPV6", "IPV6_RECVHOPLIMIT"},
    {"SOL_IPV6", "IPV6_RECVTCLASS"},
    {"SOL_IPV6", "IPV6_RECVHOPOPTS"},
    {"SOL_IPV6", "IPV6_RECVDSTOPTS"},
    {"SOL_IPV6", "IPV6_RECVRTHDR"},
    {"SOL_IPV6", "IPV6_RECVPATHMTU"},
    {"SOL_IPV6", "IPV6_RECVORIGDSTADDR"},
    {"SOL_IPV6", "IPV6_RECVFRAGSIZE"},
    {"SOL_IPV6", "IPV6_FLOWINFO"},
    {"SOL_IPV6", "IPV6_FLOWINFO_SEND"},
    {"SOL_IPV6", "IPV6_AUTOFLOWLABEL"},
    {"SOL_IPV6", "IPV6_TCLASS"},
    {"SOL_IPV6", "IPV6_DONTFRAG"},
    {"SOL_IPV6", "IPV6_MINHOPCOUNT"},
    {"SOL_IPV6", "IPV6_ADDR_PREFERENCES"},
    {"SOL_IPV6", "IPV6_ADDRFORM"},
    {"SOL_IPV6", "IPV6_CHECKSUM"},
    {"SOL_IPV6", "IPV6_FREEBIND"},
    {"SOL_IPV6", "IPV6_TRANSPARENT"},
    {"SOL_IPV6", "IPV6_ROUTER_ALERT"},
};

struct OptionNumbers {
  int64_t level;
  int64_t name;
};
int64_t NumberOf(std::string_view symbol) {
  const std::optional<int64_t> value = FindSymbol(symbol);
  CHECK(value.has_value());
  return *value;
}
// Of each of kSocketOptions. Made when the program starts, not by the first who asks: to a fuzzer
// that would be another way through the code.
const std::array kOptionNumbers = [] {
  std::array<OptionNumbers, std::size(kSocketOptions)> all;
  for (size_t i = 0; i < all.size(); ++i) {
    all[i] = {NumberOf(kSocketOptions[i].level), NumberOf(kSocketOptions[i].name)};
  }
  return all;
}();

constexpr int32_t kValueList[] = {1, 0, -1, 2, 5, 100, 1000, 1460, 4096, 65536, INT32_MAX};
constexpr int64_t kIntBytes = 4;

void ReadOption(RecordReader& reader, std::vector<Expression>& arguments) {
  const SocketOption& option = kSocketOptions[reader.U8() % std::size(kSocketOptions)];
  for (const std::string_view name : {option.level, option.name}) {
    arguments.push_back(SocketOptionArgument(name));
  }
  arguments.push_back(Expression::List({Expression::Integer(reader.Choice(kValueList))}));
  arguments.push_back(Expression::Integer(kIntBytes));
}

bool WriteOption(RecordWriter& writer, std::span<const Expression, 4> arguments) {
  const auto* const found =
      std::find_if(kOptionNumbers.begin(), kOptionNumbers.end(), [&](const OptionNumbers& option) {
        return option.level == arguments[0].value && option.name == arguments[1].value;
      });
  const Expression& value = arguments[2];
  if (found == kOptionNumbers.end() || !value.is_list() || value.items.size() != 1 ||
      arguments[3].value != kIntBytes) {
    return false;
  }
  writer.U8(static_cast<uint8_t>(found - kOptionNumbers.begin()));
  return WriteInt(writer, value.items[0], kValueList);
}

// --- All of them ---

void ReadOperand(RecordReader& reader, uint8_t host, ArgumentKind kind,
                 std::vector<Expression>& arguments) {
  switch (kind) {
    case ArgumentKind::kFd:
      arguments.push_back(Expression::Integer(ReadFd(reader)));
      return;
    case ArgumentKind::kDomain:
      arguments.push_back(ReadDomain(reader));
      return;
    case ArgumentKind::kLength: {
      const int32_t length = reader.Choice(kBufferLengthList);
      arguments.push_back(
          Expression::Integer(length < 0 || length > kLengthMax ? kLengthMax : length));
      return;
    }
    case ArgumentKind::kBuffer:
      arguments.push_back(Expression::Ellipsis());
      return;
    case ArgumentKind::kAddress:
      return ReadAddress(reader, host, arguments);
    case ArgumentKind::kPollEntries:
      return ReadPollEntries(reader, arguments);
    case ArgumentKind::kLevel:
      return ReadOption(reader, arguments);
    default:
      arguments.push_back(Expression::Integer(reader.Choice(ChoicesOf(kind))));
      return;
  }
}

bool WriteOperand(RecordWriter& writer, uint8_t host, ArgumentKind kind,
                  std::span<const Expression> arguments) {
  switch (kind) {
    case ArgumentKind::kFd:
      WriteFd(writer, static_cast<int32_t>(arguments[0].value));
      return true;
    case ArgumentKind::kDomain:
      return WriteDomain(writer, arguments[0]);
    case ArgumentKind::kLength:
      return WriteLength(writer, arguments[0]);
    case ArgumentKind::kBuffer:
      return arguments[0].is_ellipsis();
    case ArgumentKind::kAddress:
      return WriteAddress(writer, host, arguments[0], arguments[1]);
    case ArgumentKind::kPollEntries:
      return WritePollEntries(writer, arguments[0], arguments[1]);
    case ArgumentKind::kLevel:
      return WriteOption(writer, arguments.first<4>());
    default:
      return WriteInt(writer, arguments[0], ChoicesOf(kind));
  }
}

}  // namespace

std::span<const SocketOption> SocketOptions() { return kSocketOptions; }

Expression SocketOptionArgument(std::string_view name) {
  return Expression::Integer(NumberOf(name), std::string(name));
}

size_t ArgumentsOf(ArgumentKind kind) {
  switch (kind) {
    case ArgumentKind::kFd:
    case ArgumentKind::kDomain:
    case ArgumentKind::kSocketType:
    case ArgumentKind::kProtocol:
    case ArgumentKind::kMessageFlags:
    case ArgumentKind::kInt:
    case ArgumentKind::kTimeout:
    case ArgumentKind::kLength:
    case ArgumentKind::kBuffer:
      return 1;
    case ArgumentKind::kAddress:      // and kAddressLength
    case ArgumentKind::kPollEntries:  // and kPollCount
      return 2;
    case ArgumentKind::kLevel:  // and all that follows
      return 4;
    default:
      return 0;
  }
}

int32_t ReadFd(RecordReader& reader) {
  const uint8_t byte = reader.U8();
  if (byte < kExact) return kFdFirst + byte % kFdsNamed;
  return kFdNone + reader.U16() % kFdCount;
}

void WriteFd(RecordWriter& writer, int32_t fd) {
  if (fd >= kFdFirst && fd < kFdFirst + kFdsNamed) {
    writer.U8(static_cast<uint8_t>(fd - kFdFirst));
  } else {
    writer.U8(kExact);
    writer.U16(static_cast<uint16_t>(fd - kFdNone));
  }
}

bool HasOperands(std::span<const ArgumentKind> signature) {
  for (size_t i = 0; i < signature.size(); i += ArgumentsOf(signature[i])) {
    if (ArgumentsOf(signature[i]) == 0) return false;
    // getsockopt begins as setsockopt does.
    const bool is_setsockopt =
        signature.size() - i == 4 && signature.back() == ArgumentKind::kOptionLength;
    if (signature[i] == ArgumentKind::kLevel && !is_setsockopt) return false;
  }
  return true;
}

void ReadArguments(RecordReader& reader, uint8_t host, std::span<const ArgumentKind> signature,
                   std::vector<Expression>& arguments) {
  arguments.reserve(signature.size());
  for (size_t i = 0; i < signature.size(); i += ArgumentsOf(signature[i])) {
    ReadOperand(reader, host, signature[i], arguments);
  }
}

bool WriteArguments(RecordWriter& writer, uint8_t host, std::span<const ArgumentKind> signature,
                    std::span<const Expression> arguments) {
  if (arguments.size() != signature.size()) return false;
  for (size_t i = 0; i < signature.size(); i += ArgumentsOf(signature[i])) {
    if (!WriteOperand(writer, host, signature[i], arguments.subspan(i))) return false;
  }
  return true;
}

}  // namespace tapedeck
