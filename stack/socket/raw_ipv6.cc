// Raw sockets of IPv6 (net/ipv6/raw.c; RFC 3542).
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/core/datagram.h"
#include "stack/core/neighbour.h"
#include "stack/core/skb_data.h"
#include "stack/core/sock_cmsg.h"
#include "stack/core/sockaddr.h"
#include "stack/ipv4/inet_datagram.h"
#include "stack/ipv6/addrconf.h"
#include "stack/ipv6/datagram.h"
#include "stack/ipv6/icmpv6.h"
#include "stack/ipv6/ip6_addr.h"
#include "stack/ipv6/ipv6.h"
#include "stack/ipv6/mcast.h"
#include "stack/ipv6/netns_ipv6.h"
#include "stack/socket/raw_impl.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr size_t kRawv6LengthMax = INT32_MAX;
constexpr int kIpv6Hdrincl = 36;
constexpr uint32_t kIcmpv6FilterBytes = 4;  // of a message that the filter looks at
constexpr uint32_t kIcmpv6ChecksumOffset = 2;
constexpr uint32_t kMobilityChecksumOffset = 4;  // RFC 6275 6.1.1

// --- Input. ---

// Whether the socket wants what `raddr` sends to `laddr` (raw_v6_match).
bool raw_v6_match(const raw_sock* sk, uint8_t nexthdr, const Ipv6Address& raddr,
                  const Ipv6Address& laddr, int dif) {
  if (sk->inet_num != nexthdr) return false;
  if (!sk->inet_daddr.IsAny() && sk->inet_daddr != IpAddress(raddr)) return false;
  if (!raw_bound_dev_eq(sk, dif)) return false;
  if (sk->inet_rcv_saddr.IsAny() || sk->inet_rcv_saddr == IpAddress(laddr)) return true;
  return ipv6_addr_is_multicast(laddr) && inet6_mc_check(sk, laddr, raddr);
}

// Whether ICMPV6_FILTER keeps this message from the socket.
bool Icmpv6IsFiltered(const raw_sock* sk, sk_buff* skb) {
  if (sk->inet_num != wire::kIpProtoIcmpv6) return false;
  if (!pskb_may_pull(skb, kIcmpv6FilterBytes)) return true;
  const uint8_t type = skb->data[0];
  return (sk->icmp6_filter[type / 32] >> (type % 32) & 1) != 0;
}

wsum Rawv6PseudoSum(const sk_buff* skb, uint16_t nexthdr) {
  const wire::Ipv6Header& iph = *ipv6_hdr(skb);
  return csum_ipv6_nofold(iph.saddr.bytes(), iph.daddr.bytes(), skb->len,
                          static_cast<uint8_t>(nexthdr), 0);
}

// The packet is the socket's, from behind its extension headers on. A checksum is looked at where
// the socket says that there is one.
void rawv6_rcv(raw_sock* sk, sk_buff* skb) {
  TRACE_FUNCTION(*skb->owner, skb, rawv6_rcv, sk, skb);
  bool wrong = false;
  if (!sk->checksum) {
    skb->ip_summed = CHECKSUM_UNNECESSARY;
  } else {
    wrong = skb_checksum_validate(skb, true, false, 1, Rawv6PseudoSum(skb, sk->inet_num)) != 0;
  }
  if (wrong) {
    ++sk->sk_drops;
    kfree_skb_reason(skb, SKB_DROP_REASON_SKB_CSUM);
    return;
  }
  skb_dst_drop(skb);
  raw_queue(sk, skb);
}

bool raw6_local_deliver(sk_buff* skb, uint8_t nexthdr) {
  net& net = *skb->owner;
  bool delivered = false;
  for (raw_sock& sk : net_raw(net).slot6(nexthdr)) {
    const wire::Ipv6Header& iph = *ipv6_hdr(skb);
    if (!raw_v6_match(&sk, nexthdr, iph.saddr, iph.daddr, inet6_iif(skb)) || !raw_has_room(&sk)) {
      continue;
    }
    delivered = true;
    if (Icmpv6IsFiltered(&sk, skb)) continue;
    sk_buff* const clone = skb_clone(skb);
    if (clone != nullptr) rawv6_rcv(&sk, clone);
  }
  return delivered;
}

// A packet that is forwarded and has router alert `value`: every socket that waits for this value
// gets it. True where one has taken it.
bool Rawv6RouterAlert(sk_buff* skb, int value) {
  raw_sock* last = nullptr;
  for (raw_sock* sk = net_raw(*skb->owner).ra_chain6; sk != nullptr; sk = sk->ra_next) {
    if (sk->ra_sel != value || !raw_bound_dev_eq(sk, skb->dev->ifindex)) continue;
    if (last != nullptr) {
      sk_buff* const clone = skb_clone(skb);
      if (clone != nullptr) rawv6_rcv(last, clone);
    }
    last = sk;
  }
  if (last == nullptr) return false;
  rawv6_rcv(last, skb);
  return true;
}

void rawv6_err(raw_sock* sk, sk_buff* skb, uint8_t type, uint8_t code, int offset, uint32_t info) {
  const ipv6_pinfo* const np = inet6_sk(sk);
  // Without a peer an error says nothing to who has not asked for it.
  if (!np->recverr && sk->sk_state != TCP_ESTABLISHED) return;
  int err = 0;
  bool hard = icmpv6_err_convert(type, code, &err);
  if (type == wire::kIcmpv6PacketTooBig) {
    ip6_sk_update_pmtu(skb, sk, info);
    hard = np->pmtudisc == kIpPmtudiscDo;
  }
  if (type == wire::kIcmpv6Redirect) {
    ip6_sk_redirect(skb, sk);
    return;
  }
  if (np->recverr) {
    ipv6_icmp_error(sk, skb, err, be16{}, info, sk->hdrincl ? 0U : static_cast<uint32_t>(offset));
  }
  if (!np->recverr && !hard) return;
  sk->sk_err = err;
  sk_error_report(sk);
}

void raw6_icmp_error(sk_buff* skb, uint8_t nexthdr, uint8_t type, uint8_t code, int inner_offset,
                     uint32_t info) {
  // The quoted packet is ours: its source is our address.
  const auto& iph = *reinterpret_cast<const wire::Ipv6Header*>(skb->data);
  for (raw_sock& sk : net_raw(*skb->owner).slot6(nexthdr)) {
    if (raw_v6_match(&sk, nexthdr, iph.daddr, iph.saddr, inet6_iif(skb))) {
      rawv6_err(&sk, skb, type, code, inner_offset, info);
    }
  }
}

// --- Sending. ---

// Where to, and of which protocol: the port of the address names it.
int Rawv6GetDestination(const raw_sock* sk, const msghdr* msg, sockaddr_in6* to, uint8_t* proto) {
  *proto = static_cast<uint8_t>(sk->inet_num);
  if (msg->msg_name == nullptr) return sk->sk_state == TCP_ESTABLISHED ? 0 : -EDESTADDRREQ;
  if (msg->msg_namelen < kSin6LenRfc2133) return -EINVAL;
  *to = CopySockaddrIn6(msg->msg_name, msg->msg_namelen);
  if (to->sin6_family != kAfUnspec && to->sin6_family != kAfInet6) return -EAFNOSUPPORT;
  const uint16_t port = to->sin6_port.host();
  if (port == 0) return 0;
  if (port != sk->inet_num && sk->inet_num != wire::kIpProtoRaw) return -EINVAL;
  if (port > 255) return -EINVAL;
  *proto = static_cast<uint8_t>(port);
  return 0;
}

// The piece of the datagram that holds the checksum at *offset, which becomes counted from its
// data; nullptr where none does.
sk_buff* PieceWithChecksum(sock* sk, uint32_t* offset) {
  for (sk_buff* skb = skb_peek(&sk->sk_write_queue); skb != nullptr;
       skb = skb_peek_next(skb, &sk->sk_write_queue)) {
    const auto header = static_cast<uint32_t>(skb_transport_offset(skb));
    const uint32_t bytes = skb->len - header;
    if (*offset < bytes) {
      *offset += header;
      return skb;
    }
    *offset -= bytes;
  }
  return nullptr;
}

// Fills the checksum of the datagram that is put together in. 0 or -EINVAL.
int FillChecksum(raw_sock* sk, const flowi6& fl6) {
  uint32_t total = sk->cork.base.length;
  if (const ipv6_txoptions* const opt = sk->cork.base6.opt) total -= opt->opt_flen;
  uint32_t offset = sk->checksum_offset;
  if (offset + 1 >= total) return -EINVAL;
  wsum sum = 0;
  for (const sk_buff* skb = skb_peek(&sk->sk_write_queue); skb != nullptr;
       skb = skb_peek_next(skb, &sk->sk_write_queue)) {
    sum = csum_add(sum, skb->csum);
  }
  sk_buff* const skb = PieceWithChecksum(sk, &offset);
  uint8_t field[2];
  if (skb == nullptr || skb_copy_bits(skb, offset, field, sizeof(field)) != 0) return -EINVAL;
  // What the user left there does not count.
  sum = csum_sub(sum, LoadBe16(field));
  uint16_t checksum = csum_ipv6_magic(fl6.saddr.bytes(), fl6.daddr.bytes(), total, fl6.proto, sum);
  if (checksum == 0 && fl6.proto == wire::kIpProtoUdp) checksum = kCsumMangled0;
  StoreBe16(field, checksum);
  return skb_store_own_bits(skb, offset, field, sizeof(field));
}

int rawv6_push_pending_frames(raw_sock* sk, const flowi6& fl6) {
  if (skb_queue_empty(&sk->sk_write_queue)) return 0;
  if (sk->checksum) {
    if (const int err = FillChecksum(sk, fl6); err != 0) {
      ip6_flush_pending_frames(sk);
      return err;
    }
  }
  return ip6_push_pending_frames(sk);
}

int rawv6_send_hdrinc(raw_sock* sk, msghdr* msg, uint32_t length, const flowi6& fl6,
                      dst_entry** dstp) {
  net& net = sk->sk_net;
  const uint32_t mtu = (*dstp)->dev->mtu;
  if (length > mtu) {
    ipv6_local_error(sk, EMSGSIZE, &fl6, mtu);
    return -EMSGSIZE;
  }
  if (length < sizeof(wire::Ipv6Header)) return -EINVAL;
  if ((msg->msg_flags & MSG_PROBE) != 0) return 0;
  int err = 0;
  sk_buff* const skb = raw_alloc_hdrinc(sk, msg, length, LL_RESERVED_SPACE((*dstp)->dev), &err);
  if (skb != nullptr) {
    skb->protocol = wire::kEtherTypeIpv6;
    skb_dst_set(skb, *dstp);
    *dstp = nullptr;
    net.ip6_mib.Inc(Ip6Mib::kOutRequests);
    err = dst_output(net, sk, skb);
    if (err > 0) err = net_xmit_errno(err);
  }
  if (err != 0) net.ip6_mib.Inc(Ip6Mib::kOutDiscards);
  return err == -ENOBUFS && !inet6_sk(sk)->recverr ? 0 : err;
}

int Rawv6SendAppended(raw_sock* sk, msghdr* msg, uint32_t length, ip6_datagram_call* call,
                      raw_frag_vec* rfv, dst_entry* dst) {
  lock_sock(sk);
  int err = ip6_append_data(sk, raw_getfrag, rfv, length, 0, &call->ipc6, &call->fl6,
                            dst_rt6_info(dst), msg->msg_flags);
  if (err != 0) {
    ip6_flush_pending_frames(sk);
  } else if ((msg->msg_flags & MSG_MORE) == 0) {
    err = rawv6_push_pending_frames(sk, call->fl6);
  }
  release_sock(sk);
  return err;
}

// The flow's protocol, and of ICMPv6 what it selects on.
int Rawv6CompleteFlow(raw_sock* sk, uint8_t proto, ip6_datagram_call* call, raw_frag_vec* rfv) {
  call->fl6.proto = proto;
  call->connected = false;  // the cached route is for sockets with ports
  if (sk->hdrincl) {
    call->fl6.flags |= FLOWI_FLAG_KNOWN_NH;
    return 0;
  }
  if (proto != wire::kIpProtoIcmpv6) return 0;
  if (const int err = raw_probe_head(rfv); err != 0) return err;
  call->fl6.icmp_type = rfv->head[0];
  call->fl6.icmp_code = rfv->head[1];
  return 0;
}

int SendCall(raw_sock* sk, msghdr* msg, uint32_t length, const sockaddr_in6* to, uint8_t proto,
             ip6_datagram_call* call) {
  int err = ip6_datagram_send_begin(sk, msg, to, call);
  if (err != 0) return err;
  raw_frag_vec rfv;
  rfv.msg = msg;
  err = Rawv6CompleteFlow(sk, proto, call, &rfv);
  if (err != 0) return err;
  dst_entry* dst = ip6_datagram_send_route(sk, call, &err);
  if (dst == nullptr) return err;
  err = sk->hdrincl ? rawv6_send_hdrinc(sk, msg, length, call->fl6, &dst)
                    : Rawv6SendAppended(sk, msg, length, call, &rfv, dst);
  dst_release(dst);
  return err;
}

int64_t rawv6_sendmsg(sock* sk, msghdr* msg, size_t len) {
  TRACE_FUNCTION(sk->sk_net, nullptr, rawv6_sendmsg, sk, msg, len);
  if (len > kRawv6LengthMax) return -EMSGSIZE;
  if ((msg->msg_flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  raw_sock* const raw = raw_sk(sk);
  sockaddr_in6 to;
  uint8_t proto = 0;
  int err = Rawv6GetDestination(raw, msg, &to, &proto);
  if (err != 0) return err;
  ip6_datagram_call call;
  err = SendCall(raw, msg, static_cast<uint32_t>(len), msg->msg_name != nullptr ? &to : nullptr,
                 proto, &call);
  ip6_datagram_send_end(raw, &call);
  return err < 0 ? err : static_cast<int64_t>(len);
}

// --- Receiving. ---

// The payload, its checksum verified on the way. 0, -EFAULT, -EINVAL (wrong checksum).
int Rawv6CopyPayload(sk_buff* skb, msghdr* msg, uint32_t copied) {
  if (!skb_csum_unnecessary(skb)) {
    if (copied == skb->len) return skb_copy_and_csum_datagram_iter(skb, 0, &msg->msg_iter);
    if (__skb_checksum_complete(skb) != 0) return -EINVAL;
  }
  return skb_copy_datagram_iter(skb, 0, &msg->msg_iter, copied);
}

void Rawv6Tell(sock* sk, msghdr* msg, sk_buff* skb) {
  if (msg->msg_name != nullptr) {
    sockaddr_in6 sin6;
    sin6.sin6_addr = ipv6_hdr(skb)->saddr;
    sin6.sin6_scope_id = ipv6_iface_scope_id(sin6.sin6_addr, inet6_iif(skb));
    std::memcpy(msg->msg_name, &sin6, sizeof(sin6));
    msg->msg_namelen = sizeof(sin6);
  }
  sock_recv_cmsgs(msg, sk, skb);
  if (inet6_sk(sk)->rxopt.any()) ip6_datagram_recv_ctl(sk, msg, skb);
}

int64_t rawv6_recvmsg(sock* sk, msghdr* msg, size_t len, uint32_t flags) {
  TRACE_FUNCTION(sk->sk_net, nullptr, rawv6_recvmsg, sk, msg, len, flags);
  if ((flags & MSG_OOB) != 0) return -EOPNOTSUPP;
  if ((flags & MSG_ERRQUEUE) != 0) return ipv6_recv_error(sk, msg, len);
  const ipv6_pinfo* const np = inet6_sk(sk);
  if (np->rxopt.rxpmtu && np->rxpmtu != nullptr) return ipv6_recv_rxpmtu(sk, msg, len);
  int off = 0;
  int err = 0;
  sk_buff* const skb = skb_recv_datagram(sk, flags, &off, &err);
  if (skb == nullptr) return err;
  const uint32_t whole = skb->len;
  if (whole > len) msg->msg_flags |= MSG_TRUNC;
  const auto copied = static_cast<uint32_t>(std::min<size_t>(whole, len));
  err = Rawv6CopyPayload(skb, msg, copied);
  if (err == -EINVAL) {
    skb_kill_datagram(sk, skb, flags, SKB_DROP_REASON_SKB_CSUM);
    // Made to look like something that happens.
    return (flags & MSG_DONTWAIT) != 0 ? -EAGAIN : -EHOSTUNREACH;
  }
  if (err == 0) Rawv6Tell(sk, msg, skb);
  skb_free_datagram(sk, skb);
  if (err != 0) return err;
  return (flags & MSG_TRUNC) != 0 ? whole : copied;
}

// --- Life and calls. ---

sock* Rawv6Alloc(net& net, uint16_t family) {
  return net_raw(net).sockets.New(net, family, &rawv6_prot);
}

int Rawv6Init(sock* sk) {
  raw_sock* const raw = raw_sk(sk);
  const uint16_t protocol = raw->inet_num;
  raw->checksum = protocol == wire::kIpProtoIcmpv6 || protocol == wire::kIpProtoMobility;
  raw->checksum_offset =
      protocol == wire::kIpProtoMobility ? kMobilityChecksumOffset : kIcmpv6ChecksumOffset;
  return 0;
}
int Rawv6Hash(sock* sk) {
  raw_register_ipv6(sk->sk_net);
  net_raw(sk->sk_net).slot6(sk->sk_protocol).PushFront(raw_sk(sk));
  return 0;
}
void Rawv6Destroy(sock* sk) { ip6_flush_pending_frames(sk); }
void Rawv6Close(sock* sk, SimTime /*linger_until*/) {
  raw_ra_leave(&net_raw(sk->sk_net).ra_chain6, raw_sk(sk));
  sk_common_release(sk);
}

// The device of a bind to `sin6`: of its scope, or what the socket is bound to. 0 or -errno.
int Rawv6BindDevice(inet_sock* sk, const sockaddr_in6& sin6, uint32_t addr_len,
                    const net_device** dev) {
  if (__ipv6_addr_needs_scope_id(ipv6_addr_type(sin6.sin6_addr))) {
    if (addr_len >= sizeof(sin6) && sin6.sin6_scope_id != 0) {
      sk->sk_bound_dev_if = static_cast<int32_t>(sin6.sin6_scope_id);
    }
    if (sk->sk_bound_dev_if == 0) return -EINVAL;
  }
  *dev = nullptr;
  if (sk->sk_bound_dev_if == 0) return 0;
  *dev = dev_get_by_index(sk->sk_net, sk->sk_bound_dev_if);
  return *dev != nullptr ? 0 : -ENODEV;
}

int Rawv6Bind(sock* sk, const void* addr, uint32_t addr_len) {
  inet_sock* const inet = inet_sk(sk);
  if (addr_len < kSin6LenRfc2133) return -EINVAL;
  const sockaddr_in6 sin6 = CopySockaddrIn6(addr, addr_len);
  if (sin6.sin6_family != kAfInet6) return -EINVAL;
  // Raw sockets are of IPv6 only.
  if (ipv6_addr_v4mapped(sin6.sin6_addr)) return -EADDRNOTAVAIL;
  if (sk->sk_state != TCP_CLOSE) return -EINVAL;
  const bool group = ipv6_addr_is_multicast(sin6.sin6_addr);
  if (!ipv6_addr_any(sin6.sin6_addr)) {
    const net_device* dev = nullptr;
    if (const int err = Rawv6BindDevice(inet, sin6, addr_len, &dev); err != 0) return err;
    if (!group && !ipv6_can_nonlocal_bind(sk->sk_net, inet) &&
        !ipv6_chk_addr(sk->sk_net, sin6.sin6_addr, dev, false)) {
      return -EADDRNOTAVAIL;
    }
  }
  inet->inet_rcv_saddr = sin6.sin6_addr;
  if (!group) inet->inet_saddr = sin6.sin6_addr;
  return 0;
}

int Rawv6Connect(sock* sk, const void* addr, uint32_t addr_len) {
  if (SockaddrFamily(addr) != kAfInet6) return -EAFNOSUPPORT;
  return __ip6_datagram_connect(inet_sk(sk), addr, addr_len);
}
int Rawv6Disconnect(sock* sk, uint32_t /*flags*/) {
  __ip4_datagram_disconnect(inet_sk(sk));
  return 0;
}

bool IsRawOption(int level, int optname) {
  return level == kSolRaw ||
         (level == kSolIpv6 && (optname == kIpv6Checksum || optname == kIpv6Hdrincl));
}

int SetRawOption(raw_sock* sk, int level, int optname, const void* optval, uint32_t optlen) {
  int value = 0;
  if (optlen < sizeof(value)) return -EINVAL;
  if (optval == nullptr) return -EFAULT;
  std::memcpy(&value, optval, sizeof(value));
  if (optname == kIpv6Hdrincl) {
    sk->hdrincl = value != 0;
    return 0;
  }
  if (optname != kIpv6Checksum) return -ENOPROTOOPT;
  // RFC 3542 3.1: ICMPv6's is not the user's to say, but by a level of Linux's own.
  if (sk->inet_num == wire::kIpProtoIcmpv6 && level == kSolIpv6) return -EINVAL;
  if (value > 0 && (value & 1) != 0) return -EINVAL;
  sk->checksum = value >= 0;
  if (value >= 0) sk->checksum_offset = static_cast<uint32_t>(value);
  return 0;
}

// IPV6_ROUTER_ALERT is for sockets of IPPROTO_RAW.
int SetRouterAlert(raw_sock* sk, const void* optval, uint32_t optlen) {
  int value = 0;
  if (optlen < sizeof(value)) return -EINVAL;
  if (optval != nullptr) std::memcpy(&value, optval, sizeof(value));
  if (sk->inet_num != wire::kIpProtoRaw) return -ENOPROTOOPT;
  return raw_ra_control(&net_raw(sk->sk_net).ra_chain6, sk, value);
}

int Rawv6Setsockopt(sock* sk, int level, int optname, const void* optval, uint32_t optlen) {
  raw_sock* const raw = raw_sk(sk);
  if (IsRawOption(level, optname)) return SetRawOption(raw, level, optname, optval, optlen);
  if (level == kSolIpv6 && optname == kIpv6RouterAlert) return SetRouterAlert(raw, optval, optlen);
  if (level != kSolIcmpv6) return ipv6_setsockopt(sk, level, optname, optval, optlen);
  if (raw->inet_num != wire::kIpProtoIcmpv6) return -EOPNOTSUPP;
  if (optname != kIcmpFilterOption) return -ENOPROTOOPT;
  return raw_set_filter(raw->icmp6_filter, sizeof(raw->icmp6_filter), optval, optlen);
}

int Rawv6Getsockopt(sock* sk, int level, int optname, void* optval, uint32_t* optlen) {
  const raw_sock* const raw = raw_sk(sk);
  int32_t value = 0;
  if (level == kSolIcmpv6) {
    if (raw->inet_num != wire::kIpProtoIcmpv6) return -EOPNOTSUPP;
    if (optname != kIcmpFilterOption) return -ENOPROTOOPT;
    return raw_get_filter(raw->icmp6_filter, sizeof(raw->icmp6_filter), optval, optlen);
  }
  if (level == kSolIpv6 && optname == kIpv6RouterAlert) {
    value = raw->ra_sel > 0 ? 1 : 0;  // as the kernel: for alert 0 it says no
  } else if (!IsRawOption(level, optname)) {
    return ipv6_getsockopt(sk, level, optname, optval, optlen);
  } else if (optname == kIpv6Hdrincl) {
    value = raw->hdrincl ? 1 : 0;
  } else if (optname == kIpv6Checksum) {
    value = raw->checksum ? static_cast<int32_t>(raw->checksum_offset) : -1;
  } else {
    return -ENOPROTOOPT;
  }
  *optlen = std::min<uint32_t>(*optlen, sizeof(value));
  return raw_get_filter(&value, sizeof(value), optval, optlen);
}

constexpr proto Rawv6Prot() {
  proto prot{};
  prot.name = "RAWv6";
  prot.alloc = Rawv6Alloc;
  prot.free = raw_free;
  prot.init = Rawv6Init;
  prot.destroy = Rawv6Destroy;
  prot.close = Rawv6Close;
  prot.connect = Rawv6Connect;
  prot.disconnect = Rawv6Disconnect;
  prot.ioctl = raw_ioctl;
  prot.setsockopt = Rawv6Setsockopt;
  prot.getsockopt = Rawv6Getsockopt;
  prot.sendmsg = rawv6_sendmsg;
  prot.recvmsg = rawv6_recvmsg;
  prot.bind = Rawv6Bind;
  prot.poll = raw_poll;
  prot.release_cb = ip6_datagram_release_cb;
  prot.hash = Rawv6Hash;
  prot.unhash = raw_unhash_sk;
  return prot;
}

}  // namespace

const proto rawv6_prot = Rawv6Prot();

void raw_register_ipv6(net& net) {
  inet6_set_raw_hooks(net, {.local_deliver = raw6_local_deliver,
                            .router_alert = Rawv6RouterAlert,
                            .icmp_error = raw6_icmp_error});
}

}  // namespace tapedeck
