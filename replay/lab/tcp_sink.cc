#include "replay/lab/tcp_sink.h"

#include <cerrno>

namespace tapedeck {

namespace {

constexpr int kSinkBacklog = 128;
constexpr size_t kSinkReadBytes = 4096;

}  // namespace

TcpSinks::TcpSinks(Host& host, std::span<const uint16_t> ports, const IpAddress& any)
    : counts_(host.kernel().world().arena().New<Counts>()) {
  for (const uint16_t port : ports) {
    // By value: the thread starts later. The host is in the arena.
    host.kernel().Spawn(/*cpu=*/0,
                        [&host, end = Endpoint{any, port}, counts = counts_](Thread& thread) {
                          return AcceptAll(thread, host, end, counts);
                        });
  }
}

Task<> TcpSinks::AcceptAll(Thread& thread, Host& host, Endpoint end, Counts* counts) {
  Syscalls& sys = host.syscalls();
  const int domain = end.address.is_v6() ? kAfInet6 : kAfInet;
  const auto fd = static_cast<int>(co_await sys.Socket(thread, domain, SOCK_STREAM, 0));
  if (fd < 0) co_return;
  if (co_await sys.Bind(thread, fd, end) < 0) co_return;
  if (co_await sys.Listen(thread, fd, kSinkBacklog) < 0) co_return;
  while (true) {
    const int64_t child = co_await sys.Accept4(thread, fd, nullptr, 0);
    // A connection that has ended in the queue, or no descriptor left for it: the next may do.
    if (child == -EINTR || child == -EBADF || child == -EINVAL) co_return;
    if (child < 0) continue;
    ++counts->connections;
    host.kernel().Spawn(0, [&host, child_fd = static_cast<int>(child), counts](Thread& its) {
      return ReadAll(its, host, child_fd, counts);
    });
  }
}

Task<> TcpSinks::ReadAll(Thread& thread, Host& host, int fd, Counts* counts) {
  uint8_t buffer[kSinkReadBytes];
  while (true) {
    const int64_t bytes = co_await host.syscalls().Read(thread, fd, buffer);
    if (bytes <= 0) break;
    counts->bytes += static_cast<uint64_t>(bytes);
  }
  co_await host.syscalls().Close(thread, fd);
}

}  // namespace tapedeck
