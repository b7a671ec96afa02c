#include "replay/lab/udp_apps.h"

#include <cerrno>
#include <cstring>
#include <span>

#include "replay/lab/app_protocol.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/uapi.h"
#include "stack/socket/sock_options.h"

namespace tapedeck {
namespace {

constexpr size_t kDatagramMax = sizeof(AppHeader) + kUdpAppBytesMax;
constexpr int kTriesMax = 10;
constexpr user_timeval kPatience = {1, 0};

// The header and what it announces; lives in the coroutine that has it.
struct AppDatagram {
  uint8_t bytes[kDatagramMax];

  std::span<const uint8_t> Make(const AppHeader& header, uint64_t stream, uint64_t length) {
    std::memcpy(bytes, &header, sizeof(header));
    FillAppBytes(stream, 0, std::span<uint8_t>(bytes + sizeof(header), length));
    return {bytes, sizeof(header) + length};
  }
};

// The header of a datagram of `length` bytes; false where it is too short for one.
bool ReadHeader(const AppDatagram& datagram, int64_t length, AppHeader* header) {
  if (length < static_cast<int64_t>(sizeof(*header))) return false;
  std::memcpy(header, datagram.bytes, sizeof(*header));
  return true;
}

// What came behind the header, counted: what is missing or too much is wrong, too.
void TakePayload(const AppDatagram& datagram, int64_t length, uint64_t stream, uint64_t announced,
                 AppCounts* counts) {
  const auto bytes = static_cast<uint64_t>(length) - sizeof(AppHeader);
  counts->bytes_received += bytes;
  counts->wrong_bytes += CountWrongAppBytes(stream, 0, {datagram.bytes + sizeof(AppHeader), bytes});
  counts->wrong_bytes += bytes > announced ? bytes - announced : announced - bytes;
}

Task<> AnswerDatagrams(Thread& thread, Host& host, uint16_t port, AppCounts* counts,
                       AppFamilies families) {
  Syscalls& sys = host.syscalls();
  const bool both = families == AppFamilies::kBoth;
  const auto fd =
      static_cast<int>(co_await sys.Socket(thread, both ? kAfInet6 : kAfInet, SOCK_DGRAM, 0));
  const IpAddress any = both ? IpAddress(kIpv6Any) : IpAddress(kIpv4Any);
  int64_t result = co_await sys.Bind(thread, fd, Endpoint{any, port});
  AppDatagram datagram;
  while (result != -EINTR && result != -EBADF) {
    SockAddr from;
    result = co_await sys.Recvfrom(thread, fd, datagram.bytes, 0, &from);
    AppHeader header;
    if (result < 0 || !ReadHeader(datagram, result, &header)) continue;
    const uint64_t stream = header.stream.host();
    const uint64_t response_bytes = header.response_bytes.host();
    TakePayload(datagram, result, stream, header.request_bytes.host(), counts);
    if (response_bytes > kUdpAppBytesMax) continue;
    const auto answer = datagram.Make(header, stream | kAppAnswer, response_bytes);
    if (co_await sys.Sendto(thread, fd, answer, 0, from) < 0) continue;
    ++counts->requests;
    counts->bytes_sent += response_bytes;
  }
}

// One request until its answer is there; false where none comes.
Task<bool> AskByDatagram(Thread& thread, Host& host, int fd, const AppPlan& plan, uint64_t stream,
                         AppDatagram& datagram, AppCounts* counts) {
  Syscalls& sys = host.syscalls();
  AppHeader header;
  header.stream = stream;
  header.request_bytes = plan.request_bytes;
  header.response_bytes = plan.response_bytes;
  int64_t result = -ETIMEDOUT;
  for (int tries = 0; tries < kTriesMax; ++tries) {
    const auto request = datagram.Make(header, stream, plan.request_bytes);
    result = co_await sys.Sendto(thread, fd, request, 0);
    if (result >= 0) counts->bytes_sent += plan.request_bytes;
    while (result >= 0) {
      result = co_await sys.Recvfrom(thread, fd, datagram.bytes, 0);
      AppHeader answer;
      if (result < 0 || !ReadHeader(datagram, result, &answer)) continue;
      if (answer.stream.host() != stream) continue;  // late: to a request before
      TakePayload(datagram, result, stream | kAppAnswer, plan.response_bytes, counts);
      counts->last_byte_at = host.kernel().now();
      ++counts->requests;
      co_return true;
    }
  }
  NoteAppFailure(counts, result == -EAGAIN ? -ETIMEDOUT : result);
  co_return false;
}

Task<> RunUdpClient(Thread& thread, Host& host, Endpoint server, AppPlan plan, uint64_t seed,
                    AppCounts* counts) {
  Syscalls& sys = host.syscalls();
  AppDatagram datagram;
  for (uint32_t i = 0; i < plan.connections; ++i) {
    const int domain = server.address.is_v4() ? kAfInet : kAfInet6;
    const auto fd = static_cast<int>(co_await sys.Socket(thread, domain, SOCK_DGRAM, 0));
    co_await sys.Setsockopt(thread, fd, kSolSocket, kSoRcvtimeo, &kPatience, sizeof(kPatience));
    const int64_t connected = co_await sys.Connect(thread, fd, server);
    if (connected < 0) {
      NoteAppFailure(counts, connected);
    } else {
      ++counts->connections;
      for (uint32_t request = 0; request < plan.requests_per_connection; ++request) {
        const uint64_t stream = AppStreamWord(seed, uint64_t{i} << 32 | request) & ~kAppAnswer;
        if (!co_await AskByDatagram(thread, host, fd, plan, stream, datagram, counts)) break;
      }
    }
    co_await sys.Close(thread, fd);
  }
  --counts->running;
}

}  // namespace

void StartUdpServer(Host& host, uint16_t port, AppCounts* counts, AppFamilies families) {
  host.kernel().Spawn(0, [&host, port, counts, families](Thread& thread) {
    return AnswerDatagrams(thread, host, port, counts, families);
  });
}

void StartUdpClient(Host& host, const Endpoint& server, const AppPlan& plan, uint64_t seed,
                    AppCounts* counts) {
  ++counts->running;
  host.kernel().Spawn(0, [&host, server, plan, seed, counts](Thread& thread) {
    return RunUdpClient(thread, host, server, plan, seed, counts);
  });
}

}  // namespace tapedeck
