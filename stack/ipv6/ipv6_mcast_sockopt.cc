// MCAST_* options of level SOL_IPV6 (RFC 3678; part of net/ipv6/ipv6_sockglue.c).
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/mc_group.h"
#include "stack/ipv6/ipv6_sockopt_internal.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/netns_ipv6.h"

namespace tapedeck {
namespace {

// Layouts of the user interface (in.h): an interface, then addresses in sockaddr_storage.
constexpr uint32_t kGroupAt = 8;
constexpr uint32_t kSourceAt = kGroupAt + kSockaddrStorageBytes;
constexpr uint32_t kGroupReqBytes = kGroupAt + kSockaddrStorageBytes;
constexpr uint32_t kGroupSourceReqBytes = kSourceAt + kSockaddrStorageBytes;
constexpr uint32_t kFilterModeAt = kGroupReqBytes;
constexpr uint32_t kFilterCountAt = kFilterModeAt + 4;
constexpr uint32_t kFilterSourcesAt = kFilterCountAt + 4;  // GROUP_FILTER_SIZE(0)

template <typename T>
T ReadAt(const uint8_t* bytes, uint32_t offset) {
  T value;
  std::memcpy(&value, bytes + offset, sizeof(value));
  return value;
}
sockaddr_in6 GroupAddressAt(const uint8_t* bytes, uint32_t offset) {
  return ReadAt<sockaddr_in6>(bytes, offset);
}

int JoinOrLeave(sock* sk, int optname, const uint8_t* req) {
  const auto ifindex = ReadAt<int32_t>(req, 0);
  const sockaddr_in6 group = GroupAddressAt(req, kGroupAt);
  if (group.sin6_family != kAfInet6) return -EADDRNOTAVAIL;
  return optname == kMcastJoinGroup ? ipv6_sock_mc_join(sk, ifindex, group.sin6_addr)
                                    : ipv6_sock_mc_drop(sk, ifindex, group.sin6_addr);
}

int ChangeSource(sock* sk, int optname, const uint8_t* req) {
  const auto ifindex = ReadAt<int32_t>(req, 0);
  const sockaddr_in6 group = GroupAddressAt(req, kGroupAt);
  const sockaddr_in6 source = GroupAddressAt(req, kSourceAt);
  if (group.sin6_family != kAfInet6 || source.sin6_family != kAfInet6) return -EADDRNOTAVAIL;
  const bool add = optname == kMcastBlockSource || optname == kMcastJoinSourceGroup;
  const bool exclude = optname == kMcastBlockSource || optname == kMcastUnblockSource;
  if (optname == kMcastJoinSourceGroup) {
    // A group that was joined for another source is fine.
    const int err = ipv6_sock_mc_join_ssm(sk, ifindex, group.sin6_addr, kMcastInclude);
    if (err != 0 && err != -EADDRINUSE) return err;
  }
  return ip6_mc_source(add, exclude ? kMcastExclude : kMcastInclude, sk, ifindex, group.sin6_addr,
                       source.sin6_addr);
}

// Addresses in the hot memory of the host for the time of a call. data() is null where memory
// failed or none were asked for.
class SourceList {
 public:
  SourceList(net& host, uint32_t count) : kmalloc_(host.kernel.kmalloc()), count_(count) {
    if (count != 0) memory_ = kmalloc_.Alloc(count * sizeof(Ipv6Address));
  }
  ~SourceList() {
    if (memory_ != nullptr) kmalloc_.Free(memory_, count_ * sizeof(Ipv6Address));
  }
  SourceList(const SourceList&) = delete;
  SourceList& operator=(const SourceList&) = delete;

  bool failed() const { return memory_ == nullptr && count_ != 0; }
  std::span<Ipv6Address> span() const { return {static_cast<Ipv6Address*>(memory_), count_}; }

 private:
  Kmalloc& kmalloc_;
  uint32_t count_;
  void* memory_ = nullptr;
};

int SetFilter(sock* sk, const uint8_t* filter, uint32_t optlen) {
  net& net = sk->sk_net;
  if (optlen > static_cast<uint32_t>(net.core.optmem_max)) return -ENOBUFS;
  const auto count = ReadAt<uint32_t>(filter, kFilterCountAt);
  if (count > static_cast<uint32_t>(net_ipv6(net).settings.mld_max_msf)) return -ENOBUFS;
  if (kFilterSourcesAt + uint64_t{count} * kSockaddrStorageBytes > optlen) return -EINVAL;
  const SourceList sources(net, count);
  if (sources.failed()) return -ENOBUFS;
  uint32_t at = kFilterSourcesAt;
  for (Ipv6Address& source : sources.span()) {
    source = GroupAddressAt(filter, at).sin6_addr;
    at += kSockaddrStorageBytes;
  }
  const auto mode = ReadAt<uint32_t>(filter, kFilterModeAt);
  if (mode != kMcastExclude && mode != kMcastInclude) return -EINVAL;
  return ip6_mc_msfilter(sk, ReadAt<int32_t>(filter, 0), GroupAddressAt(filter, kGroupAt).sin6_addr,
                         static_cast<uint8_t>(mode), sources.span());
}

uint32_t BytesMin(int optname) {
  switch (optname) {
    case kMcastJoinGroup:
    case kMcastLeaveGroup:
      return kGroupReqBytes;
    case kMcastMsfilter:
      return kFilterSourcesAt;
    default:
      return kGroupSourceReqBytes;
  }
}

}  // namespace

int ipv6_set_mcast_option(sock* sk, int optname, const void* optval, uint32_t optlen) {
  if (optlen < BytesMin(optname)) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  const auto* const bytes = static_cast<const uint8_t*>(optval);
  switch (optname) {
    case kMcastJoinGroup:
    case kMcastLeaveGroup:
      return JoinOrLeave(sk, optname, bytes);
    case kMcastMsfilter:
      return SetFilter(sk, bytes, optlen);
    default:
      return ChangeSource(sk, optname, bytes);
  }
}

int ipv6_get_msfilter(sock* sk, void* optval, uint32_t* optlen) {
  if (*optlen < kFilterSourcesAt) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  auto* const bytes = static_cast<uint8_t*>(optval);
  const sockaddr_in6 group = GroupAddressAt(bytes, kGroupAt);
  if (group.sin6_family != kAfInet6) return -EADDRNOTAVAIL;
  const uint32_t room = std::min(ReadAt<uint32_t>(bytes, kFilterCountAt),
                                 (*optlen - kFilterSourcesAt) / kSockaddrStorageBytes);
  const SourceList sources(sk->sk_net, room);
  if (sources.failed()) return -ENOBUFS;
  uint8_t fmode = 0;
  uint32_t count = 0;
  const int err =
      ip6_mc_msfget(sk, ReadAt<int32_t>(bytes, 0), group.sin6_addr, &fmode, sources.span(), &count);
  if (err != 0) return err;
  const uint32_t copied = std::min(count, room);
  for (uint32_t i = 0; i < copied; ++i) {
    sockaddr_in6 source;
    source.sin6_addr = sources.span()[i];
    uint8_t* const at = bytes + kFilterSourcesAt + i * kSockaddrStorageBytes;
    std::memset(at, 0, kSockaddrStorageBytes);
    std::memcpy(at, &source, sizeof(source));
  }
  const uint32_t mode = fmode;
  std::memcpy(bytes + kFilterModeAt, &mode, sizeof(mode));
  std::memcpy(bytes + kFilterCountAt, &count, sizeof(count));
  *optlen = kFilterSourcesAt + copied * kSockaddrStorageBytes;
  return 0;
}

}  // namespace tapedeck
