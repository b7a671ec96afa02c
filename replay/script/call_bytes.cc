#include "replay/script/call_bytes.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "replay/script/frame_bytes.h"
#include "replay/script/symbols.h"

namespace tapedeck {
namespace {

// As with the tables of frame_bytes.cc: append only.

constexpr int32_t kDomainList[] = {kAfInet, kDomainDefault, kAfInet6, kAfUnspec, 1, 16, 17};
constexpr int32_t kTypeList[] = {kSockDgram,
                                 kSockStream,
                                 kSockRaw,
                                 kSockDgram | kSockNonblock,
                                 kSockStream | kSockNonblock,
                                 kSockRaw | kSockNonblock,
                                 kSockDgram | kSockCloexec,
                                 5,
                                 0};
constexpr int32_t kProtocolList[] = {0, 17, 1, 6, 2, 58, 136, 255};
constexpr int32_t kTransferList[] = {0,
                                     1,
                                     8,
                                     17,
                                     18,
                                     19,
                                     100,
                                     512,
                                     1471,
                                     1472,
                                     1473,
                                     2048,
                                     8972,
                                     16384,
                                     65507,
                                     65508,
                                     kTransferBytesMax};
constexpr int32_t kMessageFlagList[] = {0,      0x40,   0x2,    0x20,    0x22,      0x2000,
                                        0x8000, 0x1,    0x4,    0x80,    0x100,     0x800,
                                        0x4000, 0x2040, 0x8040, 0x10000, 0x20000000};
constexpr int32_t kEventList[] = {0x1, 0x4, 0x5, 0x2, 0x8, 0, 0x40, 0x100, 0x2000, 0x20, 0xffff};
constexpr int32_t kTimeoutList[] = {0, -1, 1, 10, 100, 1000, 60'000, INT32_MAX, INT32_MIN};
constexpr int32_t kAddressLengthList[] = {
    0, kSockaddrInBytes, kSockaddrIn6Bytes, 1, 2, 8, 15, 24, 128, 129, -1, INT32_MAX};
constexpr int32_t kResultList[] = {0, 1, 2, 8, 18, 100, 512, 1472};
// EAGAIN, EINVAL, EBADF, ENOTSOCK, EAFNOSUPPORT, EDESTADDRREQ, EMSGSIZE, EADDRINUSE, EADDRNOTAVAIL,
// ENETUNREACH, ECONNREFUSED, EHOSTUNREACH, EACCES, EISCONN, ENOTCONN, EFAULT, EINTR, ENOBUFS.
constexpr int32_t kErrnoList[] = {11,  22,  9,   88, 97,  89,  90, 98, 99,
                                  101, 111, 113, 13, 106, 107, 14, 4,  105};

// --- Operands ---

// A byte below kExact names one of eight descriptors from 3 on: the ones a program gets first.
constexpr int32_t kFdFirst = 3;
constexpr int32_t kFdsNamed = 8;
constexpr int32_t kFdCount = kFdMax - kFdNone + 1;

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

// The first byte of an address: its kind, and whether its length is a wrong one that follows.
constexpr uint8_t kAddressDefault = 0;
constexpr uint8_t kAddressNull = 1;
constexpr uint8_t kAddressIpv4 = 2;
constexpr uint8_t kAddressIpv6 = 3;
constexpr uint8_t kAddressKindMask = 0x03;
constexpr uint8_t kAddressHasLength = 0x80;

uint8_t KindByte(const AddressArgument& address) {
  switch (address.kind) {
    case AddressArgument::Kind::kNull:
      return kAddressNull;
    case AddressArgument::Kind::kDefault:
      return kAddressDefault;
    case AddressArgument::Kind::kGiven:
      break;
  }
  return address.endpoint.address.is_v4() ? kAddressIpv4 : kAddressIpv6;
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

AddressArgument ReadAddress(RecordReader& reader, uint8_t host) {
  AddressArgument address;
  const uint8_t first = reader.U8();
  const uint8_t kind = first & kAddressKindMask;
  if (kind == kAddressDefault) address = AddressArgument::Default();
  if (kind == kAddressIpv4) address = AddressArgument::Given(ReadIpv4Endpoint(reader, host));
  if (kind == kAddressIpv6) address = AddressArgument::Given(ReadIpv6Endpoint(reader));
  if ((first & kAddressHasLength) != 0) address.length_bytes = reader.Choice(kAddressLengthList);
  if (address.length_bytes == address.RightLengthBytes()) address.length_bytes.reset();
  return address;
}

void WriteAddress(RecordWriter& writer, uint8_t host, const AddressArgument& address) {
  const uint8_t kind = KindByte(address);
  writer.U8(kind | (address.length_bytes.has_value() ? kAddressHasLength : uint8_t{0}));
  if (kind == kAddressIpv4) {
    writer.Choice(static_cast<int32_t>(address.endpoint.address.v4().host()),
                  AddressChoicesOf(host));
  } else if (kind == kAddressIpv6) {
    writer.Bytes(address.endpoint.address.v6().bytes());
  }
  if (address.kind == AddressArgument::Kind::kGiven) {
    writer.Choice(address.endpoint.port.host(), kPortChoices);
  }
  if (address.length_bytes.has_value()) writer.Choice(*address.length_bytes, kAddressLengthList);
}

// --- The calls ---

void Read(RecordReader& reader, uint8_t, SocketCall& call) {
  call.fd = ReadFd(reader);
  call.domain = reader.Choice(kDomainList);
  call.type = reader.Choice(kTypeList);
  call.protocol = reader.Choice(kProtocolList);
}
void Write(RecordWriter& writer, uint8_t, const SocketCall& call) {
  WriteFd(writer, call.fd);
  writer.Choice(call.domain, kDomainList);
  writer.Choice(call.type, kTypeList);
  writer.Choice(call.protocol, kProtocolList);
}

// bind, connect
template <typename Call>
void ReadWithAddress(RecordReader& reader, uint8_t host, Call& call) {
  call.fd = ReadFd(reader);
  call.address = ReadAddress(reader, host);
}
template <typename Call>
void WriteWithAddress(RecordWriter& writer, uint8_t host, const Call& call) {
  WriteFd(writer, call.fd);
  WriteAddress(writer, host, call.address);
}

void Read(RecordReader& r, uint8_t host, BindCall& call) { ReadWithAddress(r, host, call); }
void Write(RecordWriter& w, uint8_t host, const BindCall& call) { WriteWithAddress(w, host, call); }
void Read(RecordReader& r, uint8_t host, ConnectCall& call) { ReadWithAddress(r, host, call); }
void Write(RecordWriter& w, uint8_t host, const ConnectCall& call) {
  WriteWithAddress(w, host, call);
}

// sendto, recvfrom
template <typename Call>
void ReadTransfer(RecordReader& reader, uint8_t host, Call& call) {
  call.fd = ReadFd(reader);
  call.length_bytes =
      std::min(static_cast<uint32_t>(reader.Choice(kTransferList)), kTransferBytesMax);
  call.flags = reader.Choice(kMessageFlagList);
  call.address = ReadAddress(reader, host);
}
template <typename Call>
void WriteTransfer(RecordWriter& writer, uint8_t host, const Call& call) {
  WriteFd(writer, call.fd);
  writer.Choice(static_cast<int32_t>(call.length_bytes), kTransferList);
  writer.Choice(call.flags, kMessageFlagList);
  WriteAddress(writer, host, call.address);
}

void Read(RecordReader& r, uint8_t host, SendtoCall& call) { ReadTransfer(r, host, call); }
void Write(RecordWriter& w, uint8_t host, const SendtoCall& call) { WriteTransfer(w, host, call); }
void Read(RecordReader& r, uint8_t host, RecvfromCall& call) { ReadTransfer(r, host, call); }
void Write(RecordWriter& w, uint8_t host, const RecvfromCall& call) {
  WriteTransfer(w, host, call);
}

PollEntry ReadPollEntry(RecordReader& reader) {
  PollEntry entry;
  entry.fd = ReadFd(reader);
  entry.events = static_cast<uint16_t>(reader.Choice(kEventList));
  if ((reader.U8() & 1) != 0) entry.revents = static_cast<uint16_t>(reader.Choice(kEventList));
  return entry;
}
void WritePollEntry(RecordWriter& writer, const PollEntry& entry) {
  WriteFd(writer, entry.fd);
  writer.Choice(entry.events, kEventList);
  writer.U8(entry.revents.has_value() ? 1 : 0);
  if (entry.revents.has_value()) writer.Choice(*entry.revents, kEventList);
}

void Read(RecordReader& reader, uint8_t, PollCall& call) {
  call.timeout_ms = reader.Choice(kTimeoutList);
  call.entries.resize(reader.U8() % (kPollEntriesMax + 1));
  for (PollEntry& entry : call.entries) entry = ReadPollEntry(reader);
}
void Write(RecordWriter& writer, uint8_t, const PollCall& call) {
  writer.Choice(call.timeout_ms, kTimeoutList);
  writer.U8(static_cast<uint8_t>(call.entries.size()));
  for (const PollEntry& entry : call.entries) WritePollEntry(writer, entry);
}

void Read(RecordReader& reader, uint8_t, CloseCall& call) { call.fd = ReadFd(reader); }
void Write(RecordWriter& writer, uint8_t, const CloseCall& call) { WriteFd(writer, call.fd); }

// --- Results ---

// The byte before a result: which one, and whether the call blocks for a time that follows it.
constexpr uint8_t kResultAny = 0;
constexpr uint8_t kResultValue = 1;
constexpr uint8_t kResultError = 2;
constexpr uint8_t kResultMask = 0x03;
constexpr uint8_t kResultBlocks = 0x04;

void ReadValue(RecordReader& reader, CallStep& step) {
  if (const auto* const socket = std::get_if<SocketCall>(&step.call); socket != nullptr) {
    step.expected = socket->fd;
  } else {
    step.expected = std::max(reader.Choice(kResultList), -1);
  }
}

void ReadError(RecordReader& reader, CallStep& step) {
  if (auto* const socket = std::get_if<SocketCall>(&step.call); socket != nullptr) {
    socket->fd = kFdNone;
  }
  step.expected = -1;
  step.expected_errno = reader.Choice(kErrnoList) & kErrnoMax;
}

void ReadResult(RecordReader& reader, CallStep& step) {
  const uint8_t first = reader.U8();
  if ((first & kResultMask) == kResultValue) ReadValue(reader, step);
  if ((first & kResultMask) == kResultError) ReadError(reader, step);
  if ((first & kResultBlocks) != 0) {
    step.returns_after = std::min(reader.Delay(), kScriptDurationMax);
  }
}

void WriteResult(RecordWriter& writer, const CallStep& step) {
  const uint8_t blocks = step.returns_after.has_value() ? kResultBlocks : uint8_t{0};
  if (!step.expected.has_value()) {
    writer.U8(kResultAny | blocks);
  } else if (step.expected == -1) {
    writer.U8(kResultError | blocks);
    writer.Choice(step.expected_errno, kErrnoList);
  } else {
    writer.U8(kResultValue | blocks);
    const bool is_socket = std::holds_alternative<SocketCall>(step.call);
    if (!is_socket) writer.Choice(*step.expected, kResultList);
  }
  if (step.returns_after.has_value()) writer.Delay(*step.returns_after);
}

using AnyCall = decltype(CallStep::call);

template <size_t... index>
bool ReadNumbered(RecordReader& reader, size_t number, uint8_t host, AnyCall& call,
                  std::index_sequence<index...>) {
  const auto read_if = [&]<size_t i>(std::integral_constant<size_t, i>) {
    if (number != i) return false;
    Read(reader, host, call.emplace<i>());
    return true;
  };
  return (read_if(std::integral_constant<size_t, index>()) || ...);
}

}  // namespace

bool ReadCall(RecordReader& reader, uint8_t op, uint8_t host, CallStep& call) {
  if (op < kCallOpBase) return false;
  if (!ReadNumbered(reader, op - kCallOpBase, host, call.call,
                    std::make_index_sequence<std::variant_size_v<AnyCall>>())) {
    return false;
  }
  ReadResult(reader, call);
  return true;
}

uint8_t OpOf(const CallStep& call) { return static_cast<uint8_t>(kCallOpBase + call.call.index()); }

void WriteCall(RecordWriter& writer, uint8_t host, const CallStep& call) {
  std::visit([&](const auto& arguments) { Write(writer, host, arguments); }, call.call);
  WriteResult(writer, call);
}

}  // namespace tapedeck
