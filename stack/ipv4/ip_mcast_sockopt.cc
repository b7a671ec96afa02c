// Options of level SOL_IP about groups and their sources (RFC 3678; part of
// net/ipv4/ip_sockglue.c): the IPv4 ones (IP_ADD_SOURCE_MEMBERSHIP, ..., IP_MSFILTER) and those of
// either family (MCAST_*).
#include <algorithm>
#include <cerrno>
#include <cstring>
#include <span>

#include "stack/core/net.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/mcast_sock.h"
#include "stack/ipv4/netns_ipv4.h"

namespace tapedeck {
namespace {

// struct ip_mreq_source: group, device's address, source.
constexpr uint32_t kMreqSourceBytes = 12;
// struct ip_msfilter: group, device's address, mode, number, then sources.
constexpr uint32_t kMsfilterSourcesAt = 16;
// struct group_req, group_source_req, group_filter: a device, then sockaddr_storage.
constexpr uint32_t kGroupAt = 8;
constexpr uint32_t kSourceAt = kGroupAt + kSockaddrStorageBytes;
constexpr uint32_t kGroupReqBytes = kSourceAt;
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

// The IPv4 address in the sockaddr_storage at `offset`. False where it is of another family.
bool AddressAt(const uint8_t* bytes, uint32_t offset, Ipv4Address* addr) {
  const auto address = ReadAt<sockaddr_in>(bytes, offset);
  *addr = address.sin_addr;
  return address.sin_family == kAfInet;
}

// Which way an option about one source goes.
struct SourceChange {
  bool add;
  uint8_t mode;
};
SourceChange ChangeOf(int optname) {
  switch (optname) {
    case kIpBlockSource:
    case kMcastBlockSource:
      return {true, kMcastExclude};
    case kIpUnblockSource:
    case kMcastUnblockSource:
      return {false, kMcastExclude};
    case kIpAddSourceMembership:
    case kMcastJoinSourceGroup:
      return {true, kMcastInclude};
    default:
      return {false, kMcastInclude};
  }
}

int Apply(inet_sock* sk, SourceChange change, const ip_mreqn& imr, Ipv4Address source) {
  if (change.add && change.mode == kMcastInclude) {
    // A group that was joined for another source is fine.
    const int err = ip_mc_join_group_ssm(sk, imr, kMcastInclude);
    if (err != 0 && err != -EADDRINUSE) return err;
  }
  return ip_mc_source(change.add, change.mode, sk, imr, source);
}

int ChangeSource(inet_sock* sk, int optname, const uint8_t* bytes) {
  ip_mreqn imr;
  imr.imr_multiaddr = ReadAt<Ipv4Address>(bytes, 0);
  imr.imr_address = ReadAt<Ipv4Address>(bytes, 4);
  return Apply(sk, ChangeOf(optname), imr, ReadAt<Ipv4Address>(bytes, 8));
}

int ChangeGroupSource(inet_sock* sk, int optname, const uint8_t* bytes) {
  ip_mreqn imr;
  Ipv4Address source;
  imr.imr_ifindex = ReadAt<int32_t>(bytes, 0);
  if (!AddressAt(bytes, kGroupAt, &imr.imr_multiaddr) || !AddressAt(bytes, kSourceAt, &source)) {
    return -EADDRNOTAVAIL;
  }
  return Apply(sk, ChangeOf(optname), imr, source);
}

int JoinOrLeave(inet_sock* sk, int optname, const uint8_t* bytes) {
  ip_mreqn imr;
  imr.imr_ifindex = ReadAt<int32_t>(bytes, 0);
  if (!AddressAt(bytes, kGroupAt, &imr.imr_multiaddr)) return -EINVAL;
  return optname == kMcastJoinGroup ? ip_mc_join_group(sk, imr) : ip_mc_leave_group(sk, imr);
}

// A filter as the user gives it, whichever of the two structures it is in.
struct FilterRequest {
  ip_mreqn imr;
  uint32_t mode;
  uint32_t count;
  uint32_t sources_at;
  uint32_t source_bytes;  // of one
};

FilterRequest ReadFilter(int optname, const uint8_t* bytes) {
  FilterRequest filter{};
  if (optname == kIpMsfilter) {
    filter.imr.imr_multiaddr = ReadAt<Ipv4Address>(bytes, 0);
    filter.imr.imr_address = ReadAt<Ipv4Address>(bytes, 4);
    filter.mode = ReadAt<uint32_t>(bytes, 8);
    filter.count = ReadAt<uint32_t>(bytes, 12);
    filter.sources_at = kMsfilterSourcesAt;
    filter.source_bytes = sizeof(Ipv4Address);
    return filter;
  }
  filter.imr.imr_ifindex = ReadAt<int32_t>(bytes, 0);
  AddressAt(bytes, kGroupAt, &filter.imr.imr_multiaddr);
  filter.mode = ReadAt<uint32_t>(bytes, kFilterModeAt);
  filter.count = ReadAt<uint32_t>(bytes, kFilterCountAt);
  filter.sources_at = kFilterSourcesAt;
  filter.source_bytes = kSockaddrStorageBytes;
  return filter;
}

// Copies the sources of a request to `list`. -EADDRNOTAVAIL where one is of another family.
int ReadSources(const FilterRequest& filter, const uint8_t* bytes, Ipv4Address* list) {
  for (uint32_t i = 0; i < filter.count; ++i) {
    const uint32_t at = filter.sources_at + i * filter.source_bytes;
    if (filter.source_bytes == sizeof(Ipv4Address)) {
      list[i] = ReadAt<Ipv4Address>(bytes, at);
    } else if (!AddressAt(bytes, at, &list[i])) {
      return -EADDRNOTAVAIL;
    }
  }
  return 0;
}

int SetFilter(inet_sock* sk, int optname, const uint8_t* bytes, uint32_t optlen) {
  net& net = sk->sk_net;
  if (optlen > static_cast<uint32_t>(net.core.optmem_max)) return -ENOBUFS;
  const FilterRequest filter = ReadFilter(optname, bytes);
  if (filter.count > static_cast<uint32_t>(net_ipv4(net).settings.igmp_max_msf)) return -ENOBUFS;
  if (filter.sources_at + uint64_t{filter.count} * filter.source_bytes > optlen) return -EINVAL;
  if (filter.mode != kMcastExclude && filter.mode != kMcastInclude) return -EINVAL;
  const auto mode = static_cast<uint8_t>(filter.mode);
  if (filter.count == 0) return ip_mc_msfilter(sk, filter.imr, mode, {});
  const size_t list_bytes = filter.count * sizeof(Ipv4Address);
  auto* const list = static_cast<Ipv4Address*>(net.kernel.kmalloc().Alloc(list_bytes));
  if (list == nullptr) return -ENOBUFS;
  int err = ReadSources(filter, bytes, list);
  if (err == 0) err = ip_mc_msfilter(sk, filter.imr, mode, {list, filter.count});
  net.kernel.kmalloc().Free(list, list_bytes);
  return err;
}

// The least that an option's structure has; IPv4's one of a source has exactly that.
uint32_t BytesMin(int optname) {
  switch (optname) {
    case kIpMsfilter:
      return kMsfilterSourcesAt;
    case kMcastMsfilter:
      return kFilterSourcesAt;
    case kMcastJoinGroup:
    case kMcastLeaveGroup:
      return kGroupReqBytes;
    case kMcastBlockSource:
    case kMcastUnblockSource:
    case kMcastJoinSourceGroup:
    case kMcastLeaveSourceGroup:
      return kGroupSourceReqBytes;
    default:
      return kMreqSourceBytes;
  }
}

// Writes one source as the option's structure has it.
void WriteSource(int optname, uint8_t* to, Ipv4Address source) {
  if (optname == kIpMsfilter) {
    std::memcpy(to, &source, sizeof(source));
    return;
  }
  sockaddr_in address{};
  address.sin_family = kAfInet;
  address.sin_addr = source;
  std::memset(to, 0, kSockaddrStorageBytes);
  std::memcpy(to, &address, sizeof(address));
}

}  // namespace

bool ip_is_mcast_option(int optname) {
  return optname >= kIpUnblockSource && optname <= kMcastMsfilter;
}

int ip_set_mcast_option(inet_sock* sk, int optname, const void* optval, uint32_t optlen) {
  if (optlen < BytesMin(optname)) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  const auto* const bytes = static_cast<const uint8_t*>(optval);
  switch (optname) {
    case kIpMsfilter:
    case kMcastMsfilter:
      return SetFilter(sk, optname, bytes, optlen);
    case kMcastJoinGroup:
    case kMcastLeaveGroup:
      return JoinOrLeave(sk, optname, bytes);
    case kMcastBlockSource:
    case kMcastUnblockSource:
    case kMcastJoinSourceGroup:
    case kMcastLeaveSourceGroup:
      return optlen == kGroupSourceReqBytes ? ChangeGroupSource(sk, optname, bytes) : -EINVAL;
    default:
      return optlen == kMreqSourceBytes ? ChangeSource(sk, optname, bytes) : -EINVAL;
  }
}

int ip_get_mcast_option(inet_sock* sk, int optname, void* optval, uint32_t* optlen) {
  if (*optlen < BytesMin(optname)) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  auto* const bytes = static_cast<uint8_t*>(optval);
  FilterRequest filter = ReadFilter(optname, bytes);
  int err = 0;
  const ip_mc_socklist* const membership = ip_mc_find_membership(sk, filter.imr, &err);
  if (membership == nullptr) return err;
  const auto sources = membership->filter.sources();
  const auto room = static_cast<uint32_t>((*optlen - filter.sources_at) / filter.source_bytes);
  const uint32_t copied = std::min({filter.count, room, static_cast<uint32_t>(sources.size())});
  const uint32_t mode = membership->filter.sfmode;
  const auto count = static_cast<uint32_t>(sources.size());
  std::memcpy(bytes + filter.sources_at - 8, &mode, sizeof(mode));
  std::memcpy(bytes + filter.sources_at - 4, &count, sizeof(count));
  for (uint32_t i = 0; i < copied; ++i) {
    WriteSource(optname, bytes + filter.sources_at + i * filter.source_bytes, sources[i]);
  }
  *optlen = filter.sources_at + copied * filter.source_bytes;
  return 0;
}

}  // namespace tapedeck
