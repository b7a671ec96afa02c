#include "stack/tcp/tcp_md5.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <new>
#include <optional>
#include <span>

#include "stack/base/md5.h"
#include "stack/core/net.h"
#include "stack/core/skb_data.h"
#include "stack/core/sockaddr.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_uapi.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck {
namespace {

constexpr size_t kMd5OptionBytes = 2 + kTcpMd5Bytes;  // TCPOLEN_MD5SIG

constexpr uint32_t kMd5ChunkBytes = 256;
constexpr uint32_t kKeyBytes = sizeof(tcp_md5sig_key);

// struct tcp_md5sig of the user interface.
struct user_tcp_md5sig {
  uint8_t tcpm_addr[kSockaddrStorageBytes];
  uint8_t tcpm_flags;
  uint8_t tcpm_prefixlen;
  uint16_t tcpm_keylen;
  int32_t tcpm_ifindex;
  uint8_t tcpm_key[TCP_MD5SIG_MAXKEYLEN];
};
static_assert(sizeof(user_tcp_md5sig) == 216);

// What a setsockopt asks for.
struct KeyCommand {
  IpAddress addr;
  uint8_t prefixlen = 0;
  uint8_t flags = 0;
  std::span<const uint8_t> key;  // empty: remove
};

// Whether the first `bits` of two addresses of one family agree.
bool PrefixEqual(const IpAddress& a, const IpAddress& b, uint8_t bits) {
  if (a.family() != b.family()) return false;
  // IPv4 lies in its mapped form: its bits are the last 32.
  const unsigned from = a.is_v4() ? 96 : 0;
  for (unsigned i = from; i < from + bits; ++i) {
    const int diff = a.v6().bytes()[i / 8] ^ b.v6().bytes()[i / 8];
    if ((diff >> (7 - i % 8) & 1) != 0) return false;
  }
  return true;
}

tcp_md5sig_key* LookupExact(const sock* sk, const KeyCommand& command) {
  const tcp_md5sig_info* const info = tcp_sk(sk)->md5sig_info;
  if (info == nullptr) return nullptr;
  for (tcp_md5sig_key& key : info->keys) {
    if (key.addr == command.addr && key.prefixlen == command.prefixlen &&
        key.flags == command.flags) {
      return &key;
    }
  }
  return nullptr;
}

tcp_md5sig_key* NewKey(net& net) {
  void* const memory = net.kernel.kmalloc().Alloc(sizeof(tcp_md5sig_key));
  return memory == nullptr ? nullptr : new (memory) tcp_md5sig_key;
}

// The socket's list of keys, made where there is none. A signed segment is one that was sent as it
// is: no device may cut it.
tcp_md5sig_info* InfoOf(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  if (tp->md5sig_info != nullptr) return tp->md5sig_info;
  void* const memory = sk->sk_net.kernel.kmalloc().Alloc(sizeof(tcp_md5sig_info));
  if (memory == nullptr) return nullptr;
  sk_gso_disable(sk);
  return tp->md5sig_info = new (memory) tcp_md5sig_info;
}

// tcp_md5_do_add: changes the key that is there, or adds one. 0 or -ENOMEM.
int AddKey(sock* sk, const KeyCommand& command) {
  tcp_md5sig_info* const info = InfoOf(sk);
  if (info == nullptr) return -ENOMEM;
  tcp_md5sig_key* key = LookupExact(sk, command);
  if (key == nullptr) {
    const auto limit = static_cast<uint32_t>(sk->sk_net.core.optmem_max);
    if (sk->sk_omem_alloc + kKeyBytes > limit) return -ENOMEM;
    key = NewKey(sk->sk_net);
    if (key == nullptr) return -ENOMEM;
    sk->sk_omem_alloc += kKeyBytes;
    key->addr = command.addr;
    key->prefixlen = command.prefixlen;
    key->flags = command.flags;
    info->keys.PushFront(key);
  }
  std::memcpy(key->key, command.key.data(), command.key.size());
  key->keylen = static_cast<uint8_t>(command.key.size());
  return 0;
}

void RemoveKey(sock* sk, tcp_md5sig_key* key) {
  key->Unlink();
  sk->sk_omem_alloc -= kKeyBytes;
  tcp_md5_key_free(sk->sk_net, key);
}

// The address of a setsockopt: of the socket's own family, IPv4 also as a mapped address. False
// where it is another.
bool ParseAddress(const sock* sk, const user_tcp_md5sig& sig, IpAddress* addr) {
  if (SockaddrFamily(sig.tcpm_addr) != sk->sk_family) return false;
  SockAddr sa;
  sa.Set(sig.tcpm_addr, sk->sk_family == kAfInet ? sizeof(sockaddr_in) : sizeof(sockaddr_in6));
  const std::optional<Endpoint> endpoint = sa.ToEndpoint();
  if (!endpoint.has_value()) return false;
  *addr = endpoint->address.Unmapped();
  return true;
}

void HashHeaders(Md5* md5, const IpAddress& saddr, const IpAddress& daddr,
                 const wire::TcpHeader& th, uint32_t segment_bytes) {
  if (saddr.is_v4()) {
    md5->Update(saddr.v4().bytes());
    md5->Update(daddr.v4().bytes());
    uint8_t rest[4] = {0, wire::kIpProtoTcp};
    StoreBe16(rest + 2, static_cast<uint16_t>(segment_bytes));
    md5->Update(rest);
  } else {
    md5->Update(saddr.v6().bytes());
    md5->Update(daddr.v6().bytes());
    uint8_t rest[8] = {};
    StoreBe32(rest, segment_bytes);
    rest[7] = wire::kIpProtoTcp;
    md5->Update(rest);
  }
  wire::TcpHeader header = th;
  header.check = uint16_t{0};
  uint8_t bytes[wire::kTcpHeaderBytes];
  std::memcpy(bytes, &header, sizeof(bytes));
  md5->Update(bytes);
}

void Finish(Md5* md5, const tcp_md5sig_key* key, uint8_t* digest) {
  md5->Update({key->key, key->keylen});
  md5->Final(std::span<uint8_t, kMd5Bytes>(digest, kMd5Bytes));
}

// Data behind the header, wherever they lie.
void HashData(Md5* md5, const sk_buff* skb, uint32_t offset) {
  uint8_t chunk[kMd5ChunkBytes];
  while (offset < skb->len) {
    const uint32_t n = std::min(kMd5ChunkBytes, skb->len - offset);
    CHECK_EQ(skb_copy_bits(skb, offset, chunk, n), 0);
    md5->Update({chunk, n});
    offset += n;
  }
}

}  // namespace

tcp_md5sig_key* __tcp_md5_do_lookup(const sock* sk, const IpAddress& peer) {
  const IpAddress address = peer.Unmapped();
  tcp_md5sig_key* best = nullptr;
  for (tcp_md5sig_key& key : tcp_sk(sk)->md5sig_info->keys) {
    if (!PrefixEqual(key.addr, address, key.prefixlen)) continue;
    if (best == nullptr || best->prefixlen < key.prefixlen) best = &key;
  }
  return best;
}

int tcp_md5_parse(sock* sk, int optname, const void* optval, uint32_t optlen) {
  user_tcp_md5sig sig;
  if (optlen < sizeof(sig)) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  std::memcpy(&sig, optval, sizeof(sig));

  KeyCommand command;
  if (!ParseAddress(sk, sig, &command.addr)) return -EINVAL;
  const bool ext = optname == kTcpMd5sigExt;
  const uint8_t all_bits = command.addr.is_v4() ? 32 : 128;
  command.prefixlen = all_bits;
  command.flags = sig.tcpm_flags & TCP_MD5SIG_FLAG_IFINDEX;
  if (ext && (sig.tcpm_flags & TCP_MD5SIG_FLAG_PREFIX) != 0) {
    if (sig.tcpm_prefixlen > all_bits) return -EINVAL;
    command.prefixlen = sig.tcpm_prefixlen;
  }
  // The device has to be a VRF's, of which there is none.
  if (ext && sig.tcpm_ifindex != 0 && command.flags != 0) return -EINVAL;

  if (sig.tcpm_keylen == 0) {
    tcp_md5sig_key* const key = LookupExact(sk, command);
    if (key == nullptr) return -ENOENT;
    RemoveKey(sk, key);
    return 0;
  }
  if (sig.tcpm_keylen > TCP_MD5SIG_MAXKEYLEN) return -EINVAL;
  command.key = {sig.tcpm_key, sig.tcpm_keylen};
  return AddKey(sk, command);
}

int tcp_md5_key_copy(sock* child, const IpAddress& peer, const tcp_md5sig_key* key) {
  const IpAddress address = peer.Unmapped();
  return AddKey(child, {.addr = address,
                        .prefixlen = address.is_v4() ? uint8_t{32} : uint8_t{128},
                        .flags = key->flags,
                        .key = {key->key, key->keylen}});
}

tcp_md5sig_key* tcp_md5_key_dup(net& net, const tcp_md5sig_key* key) {
  tcp_md5sig_key* const copy = NewKey(net);
  if (copy == nullptr) return nullptr;
  copy->addr = key->addr;
  copy->prefixlen = key->prefixlen;
  copy->flags = key->flags;
  copy->keylen = key->keylen;
  std::memcpy(copy->key, key->key, sizeof(copy->key));
  return copy;
}

void tcp_md5_key_free(net& net, tcp_md5sig_key* key) {
  if (key == nullptr) return;
  key->~tcp_md5sig_key();
  net.kernel.kmalloc().Free(key, sizeof(*key));
}

void tcp_md5_destruct_sock(sock* sk) {
  tcp_sock* const tp = tcp_sk(sk);
  tcp_md5sig_info* const info = tp->md5sig_info;
  if (info == nullptr) return;
  while (tcp_md5sig_key* const key = info->keys.front()) RemoveKey(sk, key);
  info->~tcp_md5sig_info();
  sk->sk_net.kernel.kmalloc().Free(info, sizeof(*info));
  tp->md5sig_info = nullptr;
}

void tcp_md5_hash_skb(uint8_t* digest, const tcp_md5sig_key* key, const IpAddress& saddr,
                      const IpAddress& daddr, const sk_buff* skb) {
  const wire::TcpHeader& th = *tcp_hdr(skb);
  Md5 md5;
  HashHeaders(&md5, saddr.Unmapped(), daddr.Unmapped(), th, skb->len);
  HashData(&md5, skb, static_cast<uint32_t>(th.header_bytes()));
  Finish(&md5, key, digest);
}

void tcp_md5_hash_hdr(uint8_t* digest, const tcp_md5sig_key* key, const IpAddress& saddr,
                      const IpAddress& daddr, const wire::TcpHeader& th) {
  Md5 md5;
  HashHeaders(&md5, saddr.Unmapped(), daddr.Unmapped(), th,
              static_cast<uint32_t>(th.header_bytes()));
  Finish(&md5, key, digest);
}

bool tcp_parse_auth_options(const wire::TcpHeader* th, const uint8_t** md5) {
  *md5 = nullptr;
  // Most segments have no options, or timestamps as everybody lays them out.
  constexpr uint8_t kTimestamps[] = {wire::kTcpOptNop, wire::kTcpOptNop, wire::kTcpOptTimestamps,
                                     TCPOLEN_TSTAMP_ALIGNED - 2};
  const auto* const options = reinterpret_cast<const uint8_t*>(th + 1);
  if (th->header_bytes() <= wire::kTcpHeaderBytes) return true;
  if (th->header_bytes() == wire::kTcpHeaderBytes + TCPOLEN_TSTAMP_ALIGNED &&
      std::memcmp(options, kTimestamps, sizeof(kTimestamps)) == 0) {
    return true;
  }
  const size_t options_bytes = th->header_bytes() - wire::kTcpHeaderBytes;
  wire::TcpOptionCursor cursor({options, options_bytes});
  // Where a digest has no room any more nothing is looked at, right or wrong.
  while (cursor.offset() + kMd5OptionBytes <= options_bytes) {
    const std::optional<wire::TcpOption> option = cursor.Next();
    if (!option.has_value()) return !cursor.malformed();
    if (option->kind != wire::kTcpOptMd5) continue;
    if (option->data.size() != kTcpMd5Bytes || *md5 != nullptr) return false;
    *md5 = option->data.data();
  }
  return true;
}

DropReason tcp_inbound_hash(const sock* sk, const sk_buff* skb, const IpAddress& saddr,
                            const IpAddress& daddr) {
  const uint8_t* md5 = nullptr;
  if (!tcp_parse_auth_options(tcp_hdr(skb), &md5)) return SKB_DROP_REASON_TCP_AUTH_HDR;
  const tcp_md5sig_key* const key = tcp_md5_do_lookup(sk, saddr);
  net& net = sk->sk_net;
  if (md5 == nullptr) {
    if (key == nullptr) return SKB_DROP_REASON_CONSUMED;
    NET_INC_STATS(net, TcpExtMib::kTCPMD5NotFound);
    return SKB_DROP_REASON_TCP_MD5NOTFOUND;
  }
  if (key == nullptr) {
    NET_INC_STATS(net, TcpExtMib::kTCPMD5Unexpected);
    return SKB_DROP_REASON_TCP_MD5UNEXPECTED;
  }
  uint8_t digest[kTcpMd5Bytes];
  tcp_md5_hash_skb(digest, key, saddr, daddr, skb);
  if (std::memcmp(digest, md5, sizeof(digest)) == 0) return SKB_DROP_REASON_CONSUMED;
  NET_INC_STATS(net, TcpExtMib::kTCPMD5Failure);
  return SKB_DROP_REASON_TCP_MD5FAILURE;
}

}  // namespace tapedeck
