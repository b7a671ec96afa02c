// A script's expressions as the values that a system call wants. Each function says of argument
// `index` what it should have been where it is something else.
#ifndef TAPEDECK_REPLAY_LAB_CALL_ARGUMENTS_H_
#define TAPEDECK_REPLAY_LAB_CALL_ARGUMENTS_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "replay/script/expression.h"
#include "replay/script/syscall_step.h"
#include "stack/base/ip_address.h"
#include "stack/core/sockaddr.h"
#include "stack/socket/syscalls.h"

namespace tapedeck {

// Reads the arguments of one call. The first that is wrong is kept as status(); from then on values
// mean nothing.
class ArgumentReader {
 public:
  explicit ArgumentReader(const SyscallStep& step) : step_(step) {}

  const absl::Status& status() const { return status_; }
  size_t count() const { return step_.arguments.size(); }
  // "..." where there is none.
  const Expression& at(size_t index) const;

  // A number.
  int64_t Number(size_t index);
  // "[5]": what a pointer points to.
  int64_t Pointee(size_t index);
  // "...": nullopt. A number: that.
  std::optional<int64_t> NumberOrEllipsis(size_t index);
  // "...", or NULL: then true.
  bool IsNullBuffer(size_t index);
  // An address and the length behind it. "...": `by_default`. NULL: an empty one. A structure
  // sockaddr_in or sockaddr_in6; a number: a family and nothing else.
  SockAddr Address(size_t index, const Endpoint& by_default);
  // The value of setsockopt: [5], "bytes", {onoff=1, linger=2}, inet_addr("1.2.3.4").
  std::vector<uint8_t> OptionValue(size_t index);

  // Says that argument `index` is wrong.
  void Expected(size_t index, const char* what);
  void Refuse(const absl::Status& status) { status_.Update(status); }

 private:
  const SyscallStep& step_;
  absl::Status status_;
};

// The endpoint that {sa_family=AF_INET, sin_port=htons(53), sin_addr=inet_addr("10.0.0.1")} or its
// kin for IPv6 names; nullopt for anything else.
std::optional<Endpoint> ToEndpoint(const Expression& address);
Expression FromEndpoint(const Endpoint& endpoint);

// The bytes of a value of getsockopt or setsockopt: of a list of 32-bit numbers and of addresses
// (inet_addr("239.1.2.3")), of {onoff, linger}, of a string, of an address; nullopt where `value`
// is none.
std::optional<std::vector<uint8_t>> ToOptionBytes(const Expression& value);

// epoll_event's data, as {events=EPOLLIN, fd=4} and its kin ptr, u32, u64 name it; 0 for none.
uint64_t EpollData(const Expression& event);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_CALL_ARGUMENTS_H_
