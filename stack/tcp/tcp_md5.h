// TCP MD5 signatures (RFC 2385; TCP_MD5SIG): each segment of a connection carries a digest of
// itself and a key that both ends know by the peer's address. Old and weak, but BGP routers live on
// it.
#ifndef TAPEDECK_STACK_TCP_TCP_MD5_H_
#define TAPEDECK_STACK_TCP_TCP_MD5_H_

#include <cstdint>

#include "stack/base/drop_reason.h"
#include "stack/base/ip_address.h"
#include "stack/base/list.h"
#include "stack/tcp/tcp_sock.h"

namespace tapedeck {

inline constexpr uint32_t TCP_MD5SIG_MAXKEYLEN = 80;
inline constexpr uint32_t kTcpMd5Bytes = 16;
enum : uint8_t { TCP_MD5SIG_FLAG_PREFIX = 1, TCP_MD5SIG_FLAG_IFINDEX = 2 };

// A key and the peers it is for. From Kmalloc.
struct tcp_md5sig_key : ListNode<> {
  uint8_t keylen = 0;
  uint8_t prefixlen = 0;
  uint8_t flags = 0;  // TCP_MD5SIG_FLAG_IFINDEX
  IpAddress addr;
  uint8_t key[TCP_MD5SIG_MAXKEYLEN] = {};
};
// A socket's keys. From Kmalloc.
struct tcp_md5sig_info {
  List<tcp_md5sig_key> keys;
};

// The key for `peer`, the most specific one; nullptr: none.
tcp_md5sig_key* __tcp_md5_do_lookup(const sock* sk, const IpAddress& peer);
inline tcp_md5sig_key* tcp_md5_do_lookup(const sock* sk, const IpAddress& peer) {
  return tcp_sk(sk)->md5sig_info == nullptr ? nullptr : __tcp_md5_do_lookup(sk, peer);
}
// That of a connection, by its peer.
inline tcp_md5sig_key* tcp_md5_lookup(const sock* sk) {
  return tcp_md5_do_lookup(sk, inet_sk(sk)->inet_daddr);
}

// setsockopt TCP_MD5SIG or TCP_MD5SIG_EXT (kTcpMd5sig...) with a struct tcp_md5sig. 0, -EINVAL,
// -EFAULT, -ENOENT (a key that is to be removed is not there), -ENOMEM.
int tcp_md5_parse(sock* sk, int optname, const void* optval, uint32_t optlen);
// A child's key from its listener's. 0 or -ENOMEM.
int tcp_md5_key_copy(sock* child, const IpAddress& peer, const tcp_md5sig_key* key);
// Copies for a time-wait socket; nullptr: no memory. And their end; nothing on nullptr.
tcp_md5sig_key* tcp_md5_key_dup(net& net, const tcp_md5sig_key* key);
void tcp_md5_key_free(net& net, tcp_md5sig_key* key);
// Forgets all keys of a socket.
void tcp_md5_destruct_sock(sock* sk);

// The digest of a segment from `saddr` to `daddr`, whose transport header is set and data begin at
// it: pseudo-header, header without options and checksum, data, key.
void tcp_md5_hash_skb(uint8_t* digest, const tcp_md5sig_key* key, const IpAddress& saddr,
                      const IpAddress& daddr, const sk_buff* skb);
// That of a segment without data: `th` alone, whose doff counts its options.
void tcp_md5_hash_hdr(uint8_t* digest, const tcp_md5sig_key* key, const IpAddress& saddr,
                      const IpAddress& daddr, const wire::TcpHeader& th);

// Finds the digest among the options of `th`: *md5 or nullptr. False where it is there twice, or
// where it or what stands before it is malformed: such a segment is dropped, whoever sent it.
bool tcp_parse_auth_options(const wire::TcpHeader* th, const uint8_t** md5);
// Whether a segment may come in: signed by the key that `sk` has for its sender, or unsigned
// without one. CONSUMED: it may.
DropReason tcp_inbound_hash(const sock* sk, const sk_buff* skb, const IpAddress& saddr,
                            const IpAddress& daddr);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_TCP_TCP_MD5_H_
