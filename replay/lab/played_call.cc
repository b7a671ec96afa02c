#include "replay/lab/played_call.h"

#include <algorithm>
#include <new>
#include <optional>
#include <variant>
#include <vector>

#include "replay/script/addresses.h"
#include "stack/base/check.h"
#include "stack/core/uapi.h"
#include "stack/kernel/arena.h"
#include "stack/kernel/cpu.h"

namespace tapedeck {

namespace {

Endpoint OwnEndpoint(uint8_t host) { return {HostIpv4(host), be16(kScriptPort)}; }

// Whom an address that is left open means: packetdrill's one remote side.
Endpoint PeerEndpoint() { return {PeerIpv4(0), be16(kScriptPort)}; }

// What is sent tells its place, so that a reader can see where a byte came from. It begins as an
// echo request does, type 8 and code 0, or a ping socket would never send it.
std::span<const uint8_t> SentBytes(uint32_t bytes) {
  static const std::vector<uint8_t> kBytes = [] {
    std::vector<uint8_t> places(kTransferBytesMax);
    for (size_t i = 0; i < places.size(); ++i) places[i] = static_cast<uint8_t>(i);
    places[0] = 8;
    places[1] = 0;
    return places;
  }();
  return std::span(kBytes).first(bytes);
}

}  // namespace

PlayedCall::~PlayedCall() {
  if (call_ != nullptr) call_->~SystemCall();
  delete[] data_;
}

std::span<uint8_t> PlayedCall::AllocateData(uint32_t bytes) {
  data_ = new uint8_t[bytes];
  return {data_, bytes};
}

SockAddr PlayedCall::ToSockAddr(const AddressArgument& address, const Endpoint& by_default) const {
  const bool given = address.kind == AddressArgument::Kind::kGiven;
  SockAddr result = given ? address.endpoint : by_default;
  if (address.kind == AddressArgument::Kind::kNull) result.length = 0;
  if (address.length_bytes.has_value()) {
    result.length = static_cast<uint32_t>(*address.length_bytes);
  }
  return result;
}

void PlayedCall::Make(Syscalls& sys, const FdNames&, const SocketCall& call) {
  const int domain = call.domain == kDomainDefault ? kAfInet : call.domain;
  call_ = new (memory_) SystemCall(sys.Socket(thread_, domain, call.type, call.protocol));
}

void PlayedCall::Make(Syscalls& sys, const FdNames& names, const BindCall& call) {
  const SockAddr address = ToSockAddr(call.address, OwnEndpoint(host_));
  call_ = new (memory_) SystemCall(sys.Bind(thread_, names.Real(host_, call.fd), address));
}

void PlayedCall::Make(Syscalls& sys, const FdNames& names, const ConnectCall& call) {
  const SockAddr address = ToSockAddr(call.address, PeerEndpoint());
  call_ = new (memory_) SystemCall(sys.Connect(thread_, names.Real(host_, call.fd), address));
}

void PlayedCall::Make(Syscalls& sys, const FdNames& names, const SendtoCall& call) {
  const int fd = names.Real(host_, call.fd);
  const auto flags = static_cast<uint32_t>(call.flags);
  std::span<const uint8_t> data = SentBytes(call.length_bytes);
  if constexpr (kAsanBuild) {
    // With nothing behind them.
    std::copy(data.begin(), data.end(), AllocateData(call.length_bytes).begin());
    data = {data_, call.length_bytes};
  }
  if (call.address.kind == AddressArgument::Kind::kNull) {
    call_ = new (memory_) SystemCall(sys.Sendto(thread_, fd, data, flags));
  } else {
    const SockAddr to = ToSockAddr(call.address, PeerEndpoint());
    call_ = new (memory_) SystemCall(sys.Sendto(thread_, fd, data, flags, to));
  }
}

void PlayedCall::Make(Syscalls& sys, const FdNames& names, const RecvfromCall& call) {
  SockAddr* const from = call.address.kind == AddressArgument::Kind::kNull ? nullptr : &address_;
  // Only its length is an argument.
  address_ = ToSockAddr(call.address, PeerEndpoint());
  call_ = new (memory_)
      SystemCall(sys.Recvfrom(thread_, names.Real(host_, call.fd), AllocateData(call.length_bytes),
                              static_cast<uint32_t>(call.flags), from));
}

void PlayedCall::Make(Syscalls& sys, const FdNames& names, const PollCall& call) {
  for (size_t i = 0; i < call.entries.size(); ++i) {
    fds_[i].fd = names.Real(host_, call.entries[i].fd);
    fds_[i].events = static_cast<int16_t>(call.entries[i].events);
  }
  const Duration timeout = call.timeout_ms < 0
                               ? Duration::Max()
                               : Duration::Milliseconds(static_cast<uint64_t>(call.timeout_ms));
  call_ = new (memory_)
      SystemCall(sys.Poll(thread_, std::span<pollfd>(fds_, call.entries.size()), timeout));
}

void PlayedCall::Make(Syscalls& sys, const FdNames& names, const CloseCall& call) {
  call_ = new (memory_) SystemCall(sys.Close(thread_, names.Real(host_, call.fd)));
}

void PlayedCall::Start(Syscalls& sys, const FdNames& names, SimTime now) {
  CHECK(call_ == nullptr);
  made_at_ = now;
  std::visit([&](const auto& call) { Make(sys, names, call); }, step_.call);
  call_->Start(&PlayedCall::OnDone, this);
}

void PlayedCall::OnDone(SystemCall*, void* played) {
  auto* const self = static_cast<PlayedCall*>(played);
  self->ended_at_ = self->thread_.cpu().now();
}

bool PlayedCall::ResultAsExpected() const {
  if (!step_.expected.has_value()) return true;
  const int64_t result = call_->result();
  if (*step_.expected == -1) {
    return result < 0 && (step_.expected_errno == 0 || result == -step_.expected_errno);
  }
  // What socket() must return is only a name.
  if (std::holds_alternative<SocketCall>(step_.call)) return result >= 0;
  return result == *step_.expected;
}

bool PlayedCall::TimeAsExpected() const {
  if (!step_.returns_after.has_value()) return !blocked_;
  return blocked_ && ended_at_ - made_at_ == *step_.returns_after;
}

bool PlayedCall::OutputsAsExpected() const {
  if (call_->result() < 0) return true;
  if (const auto* const poll = std::get_if<PollCall>(&step_.call)) {
    for (size_t i = 0; i < poll->entries.size(); ++i) {
      const std::optional<uint16_t> revents = poll->entries[i].revents;
      if (revents.has_value() && *revents != static_cast<uint16_t>(fds_[i].revents)) return false;
    }
  }
  if (const auto* const receive = std::get_if<RecvfromCall>(&step_.call)) {
    const AddressArgument& wanted = receive->address;
    return wanted.kind != AddressArgument::Kind::kGiven || address_.ToEndpoint() == wanted.endpoint;
  }
  return true;
}

bool PlayedCall::AsExpected() const {
  return ResultAsExpected() && TimeAsExpected() && OutputsAsExpected();
}

CallStep PlayedCall::Actual() const {
  CallStep actual = step_;
  const int64_t result = call_->result();
  actual.expected = result < 0 ? -1 : static_cast<int32_t>(result);
  actual.expected_errno = result < 0 ? static_cast<int32_t>(-result) : 0;
  actual.returns_after = blocked_ ? std::optional(ended_at_ - made_at_) : std::nullopt;
  if (result < 0) return actual;
  if (auto* const socket = std::get_if<SocketCall>(&actual.call)) actual.expected = socket->fd;
  if (auto* const poll = std::get_if<PollCall>(&actual.call)) {
    for (size_t i = 0; i < poll->entries.size(); ++i) {
      poll->entries[i].revents = static_cast<uint16_t>(fds_[i].revents);
    }
  }
  if (auto* const receive = std::get_if<RecvfromCall>(&actual.call)) {
    const std::optional<Endpoint> from = address_.ToEndpoint();
    if (receive->address.kind == AddressArgument::Kind::kGiven && from.has_value()) {
      receive->address.endpoint = *from;
    }
  }
  return actual;
}

}  // namespace tapedeck
