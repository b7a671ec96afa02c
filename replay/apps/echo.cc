#include "replay/apps/echo.h"

#include <cerrno>

namespace tapedeck {

namespace {

constexpr size_t kStreamBufferBytes = 16'384;
constexpr size_t kDatagramBytesMax = 65'535;

// A server, and whether it answers.
struct EchoService {
  Host& host;
  Endpoint end;
  bool answers;
  ServiceCounts* counts;
};

Task<> EchoStream(Thread& thread, EchoService service, int fd) {
  Host& host = service.host;
  uint8_t buffer[kStreamBufferBytes];
  while (true) {
    const int64_t got = co_await host.syscalls().Read(thread, fd, buffer);
    if (got <= 0) break;
    const auto bytes = std::span<const uint8_t>(buffer).first(static_cast<size_t>(got));
    service.counts->bytes_in += bytes.size();
    if (!service.answers) continue;
    if (!co_await WriteAll(thread, host, fd, bytes)) break;
    service.counts->bytes_out += bytes.size();
  }
  ++service.counts->requests;
  co_await host.syscalls().Close(thread, fd);
}

Task<> AcceptEcho(Thread& thread, EchoService service) {
  const int fd = co_await OpenServerSocket(thread, service.host, service.end, SOCK_STREAM);
  if (fd < 0) co_return;
  while (true) {
    const int child = co_await AcceptConnection(thread, service.host, fd);
    if (child < 0) co_return;
    ++service.counts->connections;
    service.host.kernel().Spawn(
        0, [service, child](Thread& its) { return EchoStream(its, service, child); });
  }
}

Task<> EchoDatagrams(Thread& thread, EchoService service) {
  Syscalls& sys = service.host.syscalls();
  const int fd = co_await OpenServerSocket(thread, service.host, service.end, SOCK_DGRAM);
  if (fd < 0) co_return;
  AppBytes buffer(service.host, kDatagramBytesMax);
  SockAddr from;
  while (true) {
    from = SockAddr{};
    const int64_t got = co_await sys.Recvfrom(thread, fd, buffer.span(), 0, &from);
    if (got == -EINTR || got == -EBADF) co_return;
    if (got < 0) continue;  // an ICMP error to an answer
    service.counts->bytes_in += static_cast<uint64_t>(got);
    ++service.counts->requests;
    if (!service.answers) continue;
    const int64_t sent =
        co_await sys.Sendto(thread, fd, buffer.span().first(static_cast<size_t>(got)), 0, from);
    if (sent > 0) service.counts->bytes_out += static_cast<uint64_t>(sent);
  }
}

void StartBoth(const EchoService& service) {
  Kernel& kernel = service.host.kernel();
  kernel.Spawn(0, [service](Thread& thread) { return AcceptEcho(thread, service); });
  kernel.Spawn(0, [service](Thread& thread) { return EchoDatagrams(thread, service); });
}

}  // namespace

void StartEchoServer(Host& host, const Endpoint& end, ServiceCounts* counts) {
  StartBoth({host, end, /*answers=*/true, counts});
}

void StartDiscardServer(Host& host, const Endpoint& end, ServiceCounts* counts) {
  StartBoth({host, end, /*answers=*/false, counts});
}

}  // namespace tapedeck
