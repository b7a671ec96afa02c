// The source filter of one membership of a socket, of either family (struct ip_sf_socklist,
// ip6_sf_socklist), and how it changes together with the device's.
#ifndef TAPEDECK_STACK_IPV4_MC_SOCKET_FILTER_H_
#define TAPEDECK_STACK_IPV4_MC_SOCKET_FILTER_H_

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <span>

#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/ipv4/mc_group.h"

namespace tapedeck {

template <typename Address>
struct mc_socket_filter {
  uint8_t sfmode = kMcastExclude;
  uint32_t count = 0;
  Address* list = nullptr;  // `count` sources from Kmalloc, charged to the socket; nullptr: none

  std::span<const Address> sources() const { return {list, count}; }
  // Whether the socket wants what `src` sends to the group.
  bool Allows(const Address& src) const {
    const auto all = sources();
    const bool named = std::find(all.begin(), all.end(), src) != all.end();
    return named == (sfmode == kMcastInclude);
  }
};

namespace mc_socket {

// An array for `count` sources; nullptr where memory or the socket's share of it (optmem_max) is
// used up.
template <typename Address>
Address* Allocate(sock* sk, uint32_t count) {
  net& net = sk->sk_net;
  const size_t bytes = count * sizeof(Address);
  const auto limit = static_cast<uint32_t>(net.core.optmem_max);
  if (bytes > Kmalloc::kMaxBytes || sk->sk_omem_alloc + bytes > limit) return nullptr;
  void* const memory = net.kernel.kmalloc().Alloc(bytes);
  if (memory == nullptr) return nullptr;
  sk->sk_omem_alloc += static_cast<uint32_t>(bytes);
  return static_cast<Address*>(memory);
}

template <typename Address>
void Free(sock* sk, Address* list, uint32_t count) {
  if (list == nullptr) return;
  const size_t bytes = count * sizeof(Address);
  sk->sk_net.kernel.kmalloc().Free(list, bytes);
  sk->sk_omem_alloc -= static_cast<uint32_t>(bytes);
}

// The socket's list becomes `list`.
template <typename Address>
void Assign(sock* sk, mc_socket_filter<Address>* filter, Address* list, uint32_t count) {
  Free(sk, filter->list, filter->count);
  filter->list = list;
  filter->count = count;
}

// In what follows `device` has
//   int Add(uint8_t mode, std::span<const Address> sources, bool delta);
//   int Delete(uint8_t mode, std::span<const Address> sources, bool delta);
// which change the device's filter of the group (mc_filter::AddSources, DeleteSources).

template <typename Address, typename Device>
int RemoveSource(sock* sk, mc_socket_filter<Address>* filter, const Address& source, Device device,
                 bool* leave) {
  const auto all = filter->sources();
  const auto found = std::find(all.begin(), all.end(), source);
  if (found == all.end()) return -EADDRNOTAVAIL;
  // To include nothing is to leave.
  if (filter->count == 1 && filter->sfmode == kMcastInclude) {
    *leave = true;
    return 0;
  }
  Address* list = nullptr;
  const uint32_t left = filter->count - 1;
  if (left > 0) {
    list = Allocate<Address>(sk, left);
    if (list == nullptr) return -ENOBUFS;
    std::copy(found + 1, all.end(), std::copy(all.begin(), found, list));
  }
  device.Delete(filter->sfmode, std::span<const Address>(&source, 1), true);
  Assign(sk, filter, list, left);
  return 0;
}

template <typename Address, typename Device>
int AppendSource(sock* sk, mc_socket_filter<Address>* filter, const Address& source,
                 int32_t max_sources, Device device) {
  const auto all = filter->sources();
  if (filter->list != nullptr && static_cast<int64_t>(filter->count) >= max_sources) {
    return -ENOBUFS;
  }
  if (std::find(all.begin(), all.end(), source) != all.end()) return -EADDRNOTAVAIL;
  Address* const list = Allocate<Address>(sk, filter->count + 1);
  if (list == nullptr) return -ENOBUFS;
  *std::copy(all.begin(), all.end(), list) = source;
  device.Add(filter->sfmode, std::span<const Address>(&source, 1), true);
  Assign(sk, filter, list, filter->count + 1);
  return 0;
}

// Adds or removes one source of a filter of mode `omode` (ip_mc_source). *leave: the membership is
// to end. `source` must not lie in the filter.
template <typename Address, typename Device>
int ChangeSource(sock* sk, mc_socket_filter<Address>* filter, bool add, uint8_t omode,
                 const Address& source, int32_t max_sources, Device device, bool* leave) {
  if (filter->sfmode != omode) {
    if (filter->list != nullptr) return -EINVAL;
    // An empty filter may change its mode.
    device.Add(omode, {}, false);
    device.Delete(filter->sfmode, {}, false);
    filter->sfmode = omode;
  }
  return add ? AppendSource(sk, filter, source, max_sources, device)
             : RemoveSource(sk, filter, source, device, leave);
}

// The filter becomes this one (ip_mc_msfilter).
template <typename Address, typename Device>
int ReplaceFilter(sock* sk, mc_socket_filter<Address>* filter, uint8_t mode,
                  std::span<const Address> sources, Device device) {
  Address* list = nullptr;
  const auto count = static_cast<uint32_t>(sources.size());
  if (count > 0) {
    list = Allocate<Address>(sk, count);
    if (list == nullptr) return -ENOBUFS;
    std::copy(sources.begin(), sources.end(), list);
  }
  if (const int err = device.Add(mode, sources, false); err != 0 && count > 0) {
    Free(sk, list, count);
    return err;
  }
  device.Delete(filter->sfmode, filter->sources(), false);
  Assign(sk, filter, list, count);
  filter->sfmode = mode;
  return 0;
}

// The membership ends (ip_mc_leave_src).
template <typename Address, typename Device>
void Leave(sock* sk, mc_socket_filter<Address>* filter, Device device) {
  device.Delete(filter->sfmode, filter->sources(), false);
  Assign<Address>(sk, filter, nullptr, 0);
}

}  // namespace mc_socket

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_IPV4_MC_SOCKET_FILTER_H_
