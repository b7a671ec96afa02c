#include "replay/apps/app_io.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/base/check.h"
#include "stack/socket/sock_options.h"

namespace tapedeck {

namespace {

constexpr int kListenBacklog = 512;
// How long one waits for a descriptor to become free.
constexpr Duration kLackPause = Duration::Milliseconds(50);

}  // namespace

AppBytes::AppBytes(Host& host, size_t bytes)
    : kmalloc_(host.kernel().kmalloc()), bytes_(bytes), data_(nullptr) {
  CHECK_LE(bytes, kBytesMax);
  data_ = static_cast<uint8_t*>(kmalloc_.Alloc(std::max<size_t>(bytes, 1)));
  CHECK(data_ != nullptr);
}

AppBytes::AppBytes(Host& host, std::string_view text)
    : AppBytes(host, std::min(text.size(), kBytesMax)) {
  std::memcpy(data_, text.data(), bytes_);
}

AppBytes::~AppBytes() { kmalloc_.Free(data_, std::max<size_t>(bytes_, 1)); }

Task<int> OpenServerSocket(Thread& thread, Host& host, Endpoint end, int type) {
  Syscalls& sys = host.syscalls();
  const int domain = end.address.is_v6() ? kAfInet6 : kAfInet;
  const auto fd = static_cast<int>(co_await sys.Socket(thread, domain, type, 0));
  if (fd < 0) co_return fd;
  const int one = 1;
  co_await sys.Setsockopt(thread, fd, kSolSocket, kSoReuseaddr, &one, sizeof(one));
  int64_t result = co_await sys.Bind(thread, fd, end);
  if (result == 0 && type == SOCK_STREAM) result = co_await sys.Listen(thread, fd, kListenBacklog);
  if (result < 0) {
    co_await sys.Close(thread, fd);
    co_return static_cast<int>(result);
  }
  co_return fd;
}

Task<int> AcceptConnection(Thread& thread, Host& host, int fd) {
  while (true) {
    const auto child = static_cast<int>(co_await host.syscalls().Accept4(thread, fd, nullptr, 0));
    if (child >= 0 || child == -EINTR || child == -EBADF || child == -EINVAL) co_return child;
    if (child == -EMFILE || child == -ENFILE || child == -ENOBUFS || child == -ENOMEM) {
      co_await SleepFor(thread, kLackPause);
    }
  }
}

Task<bool> WriteAll(Thread& thread, Host& host, int fd, std::span<const uint8_t> bytes) {
  while (!bytes.empty()) {
    const int64_t sent = co_await host.syscalls().Sendto(thread, fd, bytes, MSG_NOSIGNAL);
    if (sent <= 0) co_return false;
    bytes = bytes.subspan(static_cast<size_t>(sent));
  }
  co_return true;
}

Task<bool> ReadAll(Thread& thread, Host& host, int fd, std::span<uint8_t> bytes) {
  while (!bytes.empty()) {
    const int64_t got = co_await host.syscalls().Read(thread, fd, bytes);
    if (got <= 0) co_return false;
    bytes = bytes.subspan(static_cast<size_t>(got));
  }
  co_return true;
}

}  // namespace tapedeck
