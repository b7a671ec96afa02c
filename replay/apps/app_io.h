// What the demo applications have in common: memory, listeners, whole writes, counts.
#ifndef TAPEDECK_REPLAY_APPS_APP_IO_H_
#define TAPEDECK_REPLAY_APPS_APP_IO_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "stack/base/ip_address.h"
#include "stack/host.h"
#include "stack/kernel/wait.h"

namespace tapedeck {

// What one application has done. In the arena, so that a snapshot takes it along.
struct ServiceCounts {
  uint64_t connections = 0;  // accepted, or test runs
  uint64_t requests = 0;     // answered: pages, datagrams, tests
  uint64_t bytes_in = 0;     // payload
  uint64_t bytes_out = 0;
};

// Memory of the Lab, for what is too large for a coroutine's frame or must outlive a suspension:
// never the heap, which a snapshot would not take along. Freed with its holder, a coroutine.
class AppBytes {
 public:
  // REQUIRES: bytes <= kBytesMax.
  AppBytes(Host& host, size_t bytes);
  // A copy of `text`, cut to kBytesMax.
  AppBytes(Host& host, std::string_view text);
  AppBytes(const AppBytes&) = delete;
  AppBytes& operator=(const AppBytes&) = delete;
  ~AppBytes();

  static constexpr size_t kBytesMax = size_t{1} << 20;
  std::span<uint8_t> span() { return {data_, bytes_}; }

 private:
  Kmalloc& kmalloc_;
  size_t bytes_;
  uint8_t* data_;
};

// A socket bound to `end`, with SO_REUSEADDR, listening where `type` is SOCK_STREAM: its
// descriptor, or -errno. One of :: takes IPv4 as well.
Task<int> OpenServerSocket(Thread& thread, Host& host, Endpoint end, int type);

// The next connection of listener `fd`: its descriptor, or -errno where the listener is no more. A
// lack of descriptors or memory is waited out.
Task<int> AcceptConnection(Thread& thread, Host& host, int fd);

// All of `bytes`; false where the connection failed.
Task<bool> WriteAll(Thread& thread, Host& host, int fd, std::span<const uint8_t> bytes);
// Fills `bytes`; false where the connection failed or ended before.
Task<bool> ReadAll(Thread& thread, Host& host, int fd, std::span<uint8_t> bytes);

inline std::span<const uint8_t> AsBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_APPS_APP_IO_H_
