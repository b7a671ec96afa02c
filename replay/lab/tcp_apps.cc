#include "replay/lab/tcp_apps.h"

#include <algorithm>
#include <cstring>
#include <span>
#include <string_view>

#include "replay/lab/app_protocol.h"
#include "stack/socket/sock_options.h"

namespace tapedeck {
namespace {

constexpr int kSolTcp = 6;
constexpr int kTcpCongestion = 13;
constexpr int kAppBacklog = 4096;
constexpr uint32_t kAppBufferBytes = 16'384;

// One connection with its buffer; lives in the coroutine that serves it.
struct Connection {
  Connection(Thread& thread_in, Host& host_in, int fd_in, AppCounts* counts_in)
      : thread(thread_in), host(host_in), fd(fd_in), counts(counts_in) {}
  Thread& thread;
  Host& host;
  int fd;
  AppCounts* counts;
  uint32_t write_bytes = kAppBufferBytes;
  uint32_t read_bytes = kAppBufferBytes;
  uint8_t buffer[kAppBufferBytes];
};

// All of `bytes`; false where the connection failed.
Task<bool> SendAll(Thread& thread, Connection& c, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const int64_t sent = co_await c.host.syscalls().Write(thread, c.fd, bytes);
    if (sent <= 0) {
      NoteAppFailure(c.counts, sent);
      co_return false;
    }
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  co_return true;
}

Task<bool> SendStream(Thread& thread, Connection& c, uint64_t stream, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes;) {
    const auto chunk = static_cast<size_t>(std::min<uint64_t>(bytes - at, c.write_bytes));
    FillAppBytes(stream, at, std::span<uint8_t>(c.buffer).first(chunk));
    if (!co_await SendAll(thread, c, std::span<const uint8_t>(c.buffer).first(chunk))) {
      co_return false;
    }
    at += chunk;
    c.counts->bytes_sent += chunk;
  }
  co_return true;
}

Task<bool> ReceiveStream(Thread& thread, Connection& c, uint64_t stream, uint64_t bytes) {
  for (uint64_t at = 0; at < bytes;) {
    const auto room = static_cast<size_t>(std::min<uint64_t>(bytes - at, c.read_bytes));
    const std::span<uint8_t> buffer = std::span<uint8_t>(c.buffer).first(room);
    const int64_t got = co_await c.host.syscalls().Read(thread, c.fd, buffer);
    if (got <= 0) {
      NoteAppFailure(c.counts, got);
      co_return false;
    }
    c.counts->wrong_bytes += CountWrongAppBytes(stream, at, buffer.first(static_cast<size_t>(got)));
    at += static_cast<uint64_t>(got);
    c.counts->bytes_received += static_cast<uint64_t>(got);
    c.counts->last_byte_at = c.host.kernel().now();
  }
  co_return true;
}

// --- Server. ---

// Reads a header; false at the end of the connection, which is no failure between requests.
Task<bool> ReceiveHeader(Thread& thread, Connection& c, AppHeader* header) {
  size_t have = 0;
  auto* const bytes = reinterpret_cast<uint8_t*>(header);
  while (have < sizeof(*header)) {
    const int64_t got = co_await c.host.syscalls().Read(
        thread, c.fd, std::span<uint8_t>(bytes + have, sizeof(*header) - have));
    if (got <= 0) {
      if (got < 0 || have != 0) NoteAppFailure(c.counts, got);
      co_return false;
    }
    have += static_cast<size_t>(got);
  }
  co_return true;
}

Task<> ServeConnection(Thread& thread, Host& host, int fd, AppCounts* counts) {
  Connection c(thread, host, fd, counts);
  AppHeader header;
  while (co_await ReceiveHeader(thread, c, &header)) {
    const uint64_t stream = header.stream.host();
    if (!co_await ReceiveStream(thread, c, stream, header.request_bytes.host())) break;
    if (!co_await SendStream(thread, c, stream | kAppAnswer, header.response_bytes.host())) break;
    ++counts->requests;
  }
  co_await host.syscalls().Close(thread, fd);
}

Task<> Serve(Thread& thread, Host& host, uint16_t port, AppCounts* counts,
             uint32_t receive_buffer_bytes, AppFamilies families) {
  Syscalls& sys = host.syscalls();
  const bool both = families == AppFamilies::kBoth;
  const auto fd =
      static_cast<int>(co_await sys.Socket(thread, both ? kAfInet6 : kAfInet, SOCK_STREAM, 0));
  const int one = 1;
  co_await sys.Setsockopt(thread, fd, kSolSocket, kSoReuseaddr, &one, sizeof(one));
  if (receive_buffer_bytes != 0) {
    co_await sys.Setsockopt(thread, fd, kSolSocket, kSoRcvbuf, &receive_buffer_bytes,
                            sizeof(receive_buffer_bytes));
  }
  const IpAddress any = both ? IpAddress(kIpv6Any) : IpAddress(kIpv4Any);
  int64_t result = co_await sys.Bind(thread, fd, Endpoint{any, port});
  if (result == 0) result = co_await sys.Listen(thread, fd, kAppBacklog);
  while (result >= 0) {
    result = co_await sys.Accept4(thread, fd, nullptr, 0);
    if (result < 0) break;
    ++counts->connections;
    host.kernel().Spawn(0, [&host, child = static_cast<int>(result), counts](Thread& its) {
      return ServeConnection(its, host, child, counts);
    });
  }
  NoteAppFailure(counts, result);
}

// --- Client. ---

Task<int> OpenConnection(Thread& thread, Host& host, const Endpoint& server, const AppPlan& plan) {
  Syscalls& sys = host.syscalls();
  const int domain = server.address.is_v4() ? kAfInet : kAfInet6;
  const auto fd = static_cast<int>(co_await sys.Socket(thread, domain, SOCK_STREAM, 0));
  if (fd < 0) co_return fd;
  if (plan.send_buffer_bytes != 0) {
    co_await sys.Setsockopt(thread, fd, kSolSocket, kSoSndbuf, &plan.send_buffer_bytes,
                            sizeof(plan.send_buffer_bytes));
  }
  if (plan.receive_buffer_bytes != 0) {
    co_await sys.Setsockopt(thread, fd, kSolSocket, kSoRcvbuf, &plan.receive_buffer_bytes,
                            sizeof(plan.receive_buffer_bytes));
  }
  int64_t result = 0;
  if (plan.congestion_control[0] != 0) {
    const std::string_view name(plan.congestion_control);
    result = co_await sys.Setsockopt(thread, fd, kSolTcp, kTcpCongestion, name.data(),
                                     static_cast<uint32_t>(name.size()));
  }
  if (result == 0) result = co_await sys.Connect(thread, fd, server);
  if (result < 0) {
    co_await sys.Close(thread, fd);
    co_return static_cast<int>(result);
  }
  co_return fd;
}

Task<bool> Ask(Thread& thread, Connection& c, const AppPlan& plan, uint64_t stream) {
  AppHeader header;
  header.stream = stream;
  header.request_bytes = plan.request_bytes;
  header.response_bytes = plan.response_bytes;
  const auto* const bytes = reinterpret_cast<const uint8_t*>(&header);
  if (!co_await SendAll(thread, c, std::span<const uint8_t>(bytes, sizeof(header)))) {
    co_return false;
  }
  if (!co_await SendStream(thread, c, stream, plan.request_bytes)) co_return false;
  if (!co_await ReceiveStream(thread, c, stream | kAppAnswer, plan.response_bytes)) co_return false;
  ++c.counts->requests;
  co_return true;
}

Task<> RunClient(Thread& thread, Host& host, Endpoint server, AppPlan plan, uint64_t seed,
                 AppCounts* counts) {
  for (uint32_t i = 0; i < plan.connections; ++i) {
    const int fd = co_await OpenConnection(thread, host, server, plan);
    if (fd < 0) {
      NoteAppFailure(counts, fd);
      continue;
    }
    ++counts->connections;
    Connection c(thread, host, fd, counts);
    c.write_bytes = std::clamp(plan.write_bytes, 1U, kAppBufferBytes);
    c.read_bytes = std::clamp(plan.read_bytes, 1U, kAppBufferBytes);
    for (uint32_t request = 0; request < plan.requests_per_connection; ++request) {
      const uint64_t stream = AppStreamWord(seed, uint64_t{i} << 32 | request) & ~kAppAnswer;
      if (!co_await Ask(thread, c, plan, stream)) break;
    }
    co_await host.syscalls().Close(thread, fd);
  }
  --counts->running;
}

}  // namespace

uint8_t AppByte(uint64_t stream, uint64_t position) { return AppStream(stream, position).Next(); }

void FillAppBytes(uint64_t stream, uint64_t position, std::span<uint8_t> bytes) {
  AppStream source(stream, position);
  for (uint8_t& byte : bytes) byte = source.Next();
}

void StartTcpServer(Host& host, uint16_t port, AppCounts* counts, uint32_t receive_buffer_bytes,
                    AppFamilies families) {
  host.kernel().Spawn(0, [&host, port, counts, receive_buffer_bytes, families](Thread& thread) {
    return Serve(thread, host, port, counts, receive_buffer_bytes, families);
  });
}

void StartTcpClient(Host& host, const Endpoint& server, const AppPlan& plan, uint64_t seed,
                    AppCounts* counts) {
  ++counts->running;
  host.kernel().Spawn(0, [&host, server, plan, seed, counts](Thread& thread) {
    return RunClient(thread, host, server, plan, seed, counts);
  });
}

}  // namespace tapedeck
