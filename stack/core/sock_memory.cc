// What a socket pays for: packets in its buffers, and its share of its protocol's memory.
#include <algorithm>
#include <cerrno>

#include "stack/core/net.h"
#include "stack/core/sock.h"
#include "stack/core/stream.h"

namespace tapedeck {

namespace {

constexpr uint32_t kFragRefillBytes = 32;

int64_t PagesFor(int64_t bytes) { return (bytes + kSkMemQuantum - 1) / kSkMemQuantum; }

// Destructor of what sock_omalloc made.
void sock_ofree(sk_buff* skb) { skb->sk->sk_omem_alloc -= skb->truesize; }

void SetPressure(sock* sk, proto_memory* memory, bool on) {
  if (memory->pressure == on) return;
  memory->pressure = on;
  if (memory->pressure_changed != nullptr) memory->pressure_changed(sk->sk_net, on);
}

// Gives `pages` back to the protocol.
void ReturnPages(sock* sk, proto_memory* memory, int64_t pages) {
  memory->allocated_pages -= pages;
  if (memory->allocated_pages < memory->sysctl_mem[0]) SetPressure(sk, memory, false);
}

enum class MemKind : uint8_t { kReceive, kSend };

// Below the guaranteed least, or below the average of all sockets.
bool SocketIsModest(const sock* sk, const proto_memory* memory, MemKind kind) {
  if (kind == MemKind::kReceive) {
    if (memory->rmem_min != nullptr && sk->sk_rmem_alloc < static_cast<uint32_t>(*memory->rmem_min))
      return true;
  } else if (memory->wmem_min != nullptr) {
    const int64_t held = sk->sk_type == SOCK_STREAM ? sk->sk_wmem_queued : sk->sk_wmem_alloc;
    if (held < *memory->wmem_min) return true;
  }
  if (!memory->pressure) return true;
  const int64_t held =
      int64_t{sk->sk_wmem_queued} + int64_t{sk->sk_rmem_alloc} + int64_t{sk->sk_forward_alloc};
  return memory->sysctl_mem[2] > memory->sockets * PagesFor(held);
}

// Whether the protocol's allocated_pages, which count the new ones already, may stand
// (__sk_mem_raise_allocated).
bool MayRaise(sock* sk, proto_memory* memory, int64_t size, MemKind kind) {
  const int64_t allocated = memory->allocated_pages;
  if (allocated <= memory->sysctl_mem[0]) {
    SetPressure(sk, memory, false);
    return true;
  }
  if (allocated > memory->sysctl_mem[1]) SetPressure(sk, memory, true);
  if (allocated <= memory->sysctl_mem[2] && SocketIsModest(sk, memory, kind)) return true;
  if (kind == MemKind::kReceive || sk->sk_type != SOCK_STREAM) return false;
  // A stream that has its buffer full will wait anyway: only one below it has to hear of it.
  sk_stream_moderate_sndbuf(sk);
  return sk->sk_wmem_queued + size >= int64_t{sk->sk_sndbuf};
}

// __sk_mem_schedule: takes pages for `size` more bytes than are reserved. False where the protocol
// is short of memory.
[[gnu::noinline]] bool MemSchedule(sock* sk, proto_memory* memory, int64_t size, MemKind kind) {
  const int64_t pages = PagesFor(size);
  const auto bytes = static_cast<int32_t>(pages * kSkMemQuantum);
  memory->allocated_pages += pages;
  sk->sk_forward_alloc += bytes;
  if (MayRaise(sk, memory, size, kind)) return true;
  memory->allocated_pages -= pages;
  sk->sk_forward_alloc -= bytes;
  return false;
}

bool Schedule(sock* sk, uint32_t size, MemKind kind) {
  const int64_t missing = int64_t{size} - sk->sk_forward_alloc;
  if (missing <= 0 || sk->sk_prot->memory == nullptr) return true;
  return MemSchedule(sk, sk->sk_prot->memory(sk->sk_net), missing, kind);
}

}  // namespace

void skb_set_owner_r(sk_buff* skb, sock* sk) {
  skb_orphan(skb);
  skb->sk = sk;
  skb->destructor = sock_rfree;
  sk->sk_rmem_alloc += skb->truesize;
  sk_mem_charge(sk, skb->truesize);
}

void skb_set_owner_w(sk_buff* skb, sock* sk) {
  skb_orphan(skb);
  skb->sk = sk;
  skb->destructor = sock_wfree;
  skb_set_hash_from_sk(skb, sk);
  sk->sk_wmem_alloc += skb->truesize;
}

void skb_set_owner_sk_safe(sk_buff* skb, sock* sk) {
  skb_orphan(skb);
  sock_hold(sk);
  skb->sk = sk;
  skb->destructor = sock_efree;
}

void sock_rfree(sk_buff* skb) {
  sock* const sk = skb->sk;
  CHECK_GE(sk->sk_rmem_alloc, skb->truesize);
  sk->sk_rmem_alloc -= skb->truesize;
  sk_mem_uncharge(sk, skb->truesize);
}

void sock_wfree(sk_buff* skb) {
  sock* const sk = skb->sk;
  CHECK_GE(sk->sk_wmem_alloc, skb->truesize);
  if (!sock_flag(sk, SOCK_USE_WRITE_QUEUE) && sk->sk_refcnt > 0) {
    // The last byte is kept while the owner hears of the room, so that it lives.
    sk->sk_wmem_alloc -= skb->truesize - 1;
    sk->sk_write_space(sk);
    sk->sk_wmem_alloc -= 1;
    return;
  }
  sk->sk_wmem_alloc -= skb->truesize;
  if (sk->sk_wmem_alloc == 0) {
    // sock_put has let go already; this was the last packet.
    ++sk->sk_wmem_alloc;
    ++sk->sk_refcnt;
    sock_put(sk);
  }
}

void sock_efree(sk_buff* skb) { sock_put(skb->sk); }

bool sk_rmem_schedule(sock* sk, uint32_t size) { return Schedule(sk, size, MemKind::kReceive); }
bool sk_wmem_schedule(sock* sk, uint32_t size) { return Schedule(sk, size, MemKind::kSend); }

void sk_forced_mem_schedule(sock* sk, uint32_t size) {
  const int64_t missing = int64_t{size} - sk->sk_forward_alloc;
  if (missing <= 0 || sk->sk_prot->memory == nullptr) return;
  const int64_t pages = PagesFor(missing);
  sk->sk_forward_alloc += static_cast<int32_t>(pages * kSkMemQuantum);
  sk->sk_prot->memory(sk->sk_net)->allocated_pages += pages;
}

bool sk_under_memory_pressure(const sock* sk) {
  return sk->sk_prot->memory != nullptr && sk->sk_prot->memory(sk->sk_net)->pressure;
}

void sk_enter_memory_pressure(sock* sk) {
  if (sk->sk_prot->memory != nullptr) SetPressure(sk, sk->sk_prot->memory(sk->sk_net), true);
}

void sk_mem_uncharge(sock* sk, uint32_t size) {
  if (sk->sk_prot->memory == nullptr) return;
  sk->sk_forward_alloc += static_cast<int32_t>(size);
  sk_mem_reclaim(sk);
}

void sk_mem_reclaim(sock* sk) {
  if (sk->sk_prot->memory == nullptr || sk->sk_forward_alloc < kSkMemQuantum) return;
  const int32_t pages = sk->sk_forward_alloc / kSkMemQuantum;
  sk->sk_forward_alloc -= pages * kSkMemQuantum;
  ReturnPages(sk, sk->sk_prot->memory(sk->sk_net), pages);
}

sk_buff* sock_alloc_send_pskb(sock* sk, uint32_t header_len, uint32_t data_len, int* err) {
  *err = sock_error(sk);
  if (*err != 0) return nullptr;
  if ((sk->sk_shutdown & SEND_SHUTDOWN) != 0) {
    *err = -EPIPE;
    return nullptr;
  }
  if (sk_wmem_alloc_get(sk) >= sk->sk_sndbuf) {
    sk->sk_nospace = true;
    *err = -EAGAIN;
    return nullptr;
  }
  sk_buff* const skb = alloc_skb_with_frags(sk->sk_net, header_len, data_len);
  if (skb == nullptr) {
    *err = -ENOBUFS;
    return nullptr;
  }
  skb_set_owner_w(skb, sk);
  return skb;
}

sk_buff* sock_wmalloc(sock* sk, uint32_t size, bool force) {
  if (!force && sk->sk_wmem_alloc >= sk->sk_sndbuf) return nullptr;
  sk_buff* const skb = alloc_skb(sk->sk_net, size);
  if (skb != nullptr) skb_set_owner_w(skb, sk);
  return skb;
}

sk_buff* sock_omalloc(sock* sk, uint32_t size) {
  const auto limit = static_cast<uint32_t>(sk->sk_net.core.optmem_max);
  if (sk->sk_omem_alloc + SKB_TRUESIZE(size) > limit) return nullptr;
  sk_buff* const skb = alloc_skb(sk->sk_net, size);
  if (skb == nullptr) return nullptr;
  sk->sk_omem_alloc += skb->truesize;
  skb->sk = sk;
  skb->destructor = sock_ofree;
  return skb;
}

bool sk_page_frag_refill(sock* sk) {
  return skb_page_frag_refill(sk->sk_net, kFragRefillBytes, &sk->sk_frag);
}

void sock_set_rcvbuf(sock* sk, uint32_t bytes, bool force) {
  if (!force) bytes = std::min(bytes, sk->sk_net.core.rmem_max);
  bytes = std::min<uint32_t>(bytes, INT32_MAX / 2);
  sk->sk_userlocks |= SOCK_RCVBUF_LOCK;
  sk->sk_rcvbuf = std::max(bytes * 2, kSockMinRcvbuf);
}

void sock_set_sndbuf(sock* sk, uint32_t bytes, bool force) {
  if (!force) bytes = std::min(bytes, sk->sk_net.core.wmem_max);
  bytes = std::min<uint32_t>(bytes, INT32_MAX / 2);
  sk->sk_userlocks |= SOCK_SNDBUF_LOCK;
  sk->sk_sndbuf = std::max(bytes * 2, kSockMinSndbuf);
  sk->sk_write_space(sk);
}

}  // namespace tapedeck
