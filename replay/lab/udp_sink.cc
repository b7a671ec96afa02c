#include "replay/lab/udp_sink.h"

#include <cerrno>

namespace tapedeck {

namespace {

// Longer datagrams are cut, as recvfrom(2) does; they count all the same.
constexpr size_t kDatagramBytes = 2048;

}  // namespace

UdpSinks::UdpSinks(Host& host, std::span<const uint16_t> ports, const IpAddress& any)
    : counts_(host.kernel().world().arena().New<Counts>()) {
  for (const uint16_t port : ports) {
    // By value: the thread starts later. The host is in the arena.
    host.kernel().Spawn(/*cpu=*/0,
                        [&host, end = Endpoint{any, port}, counts = counts_](Thread& thread) {
                          return ReadAll(thread, host, end, counts);
                        });
  }
}

Task<> UdpSinks::ReadAll(Thread& thread, Host& host, Endpoint end, Counts* counts) {
  Syscalls& sys = host.syscalls();
  const int domain = end.address.is_v6() ? kAfInet6 : kAfInet;
  const auto fd = static_cast<int>(co_await sys.Socket(thread, domain, SOCK_DGRAM, 0));
  if (fd < 0) co_return;
  if (co_await sys.Bind(thread, fd, end) < 0) co_return;
  uint8_t buffer[kDatagramBytes];
  while (true) {
    const int64_t bytes = co_await sys.Recvfrom(thread, fd, buffer, 0);
    // An ICMP error to something this port has sent is one failed call, not the end.
    if (bytes == -EINTR || bytes == -EBADF) co_return;
    if (bytes < 0) continue;
    ++counts->datagrams;
    counts->bytes += static_cast<uint64_t>(bytes);
  }
}

}  // namespace tapedeck
