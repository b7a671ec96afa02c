// Numbers that must not be guessed (net/core/secure_seq.c; RFC 6528, RFC 6056, RFC 7323 5.4).
#include "stack/base/hash.h"
#include "stack/tcp/netns_tcp.h"
#include "stack/tcp/tcp_clock.h"
#include "stack/tcp/tcp_ipv4.h"
#include "stack/tcp/tcp_segment.h"

namespace tapedeck {
namespace {

constexpr uint64_t kPortShufflePeriodS = 10;  // EPHEMERAL_PORT_SHUFFLE_PERIOD

SipHashKey DrawKey(Prng& prng) {
  SipHashKey key;
  key.k0 = prng.Next64();
  key.k1 = prng.Next64();
  return key;
}

// The ISN moves on with a clock of 64 ns (seq_scale).
uint32_t SeqScale(net& net, uint32_t seq) {
  return seq + static_cast<uint32_t>(tcp_clock_ns(net) >> 6);
}

}  // namespace

uint64_t tcp_secure_hash(const SipHashKey& key, const IpAddress& saddr, const IpAddress& daddr,
                         uint32_t a, uint32_t b) {
  if (saddr.is_v4()) {
    const uint32_t words[] = {saddr.v4().host(), daddr.v4().host(), a, b};
    return SipHash24(words, key);
  }
  const Ipv6Address& s = saddr.v6();
  const Ipv6Address& d = daddr.v6();
  const uint32_t words[] = {s.word(0), s.word(1), s.word(2), s.word(3), d.word(0),
                            d.word(1), d.word(2), d.word(3), a,         b};
  return SipHash24(words, key);
}

void tcp_secrets_init(netns_tcp& ns) {
  ns.net_secret = DrawKey(ns.prng);
  for (SipHashKey& key : ns.syncookie_secret) key = DrawKey(ns.prng);
}

tcp_seq_and_ts_off secure_tcp_seq_and_ts_off(net& net, const IpAddress& saddr,
                                             const IpAddress& daddr, be16 sport, be16 dport) {
  const netns_tcp& ns = net_tcp(net);
  const uint32_t ports = uint32_t{sport.host()} << 16 | dport.host();
  const uint64_t hash = tcp_secure_hash(ns.net_secret, saddr, daddr, ports, 0);
  const auto ts_off = static_cast<uint32_t>(hash >> 32);
  return {.seq = SeqScale(net, static_cast<uint32_t>(hash)),
          .ts_off = ns.settings.timestamps == 1 ? ts_off : 0};
}

tcp_seq_and_ts_off tcp_init_seq_and_ts_off(const sk_buff* skb) {
  const wire::TcpHeader* const th = tcp_hdr(skb);
  return secure_tcp_seq_and_ts_off(*skb->owner, tcp_daddr(skb), tcp_saddr(skb), th->dest,
                                   th->source);
}

uint64_t secure_port_ephemeral(net& net, const IpAddress& saddr, const IpAddress& daddr,
                               be16 dport) {
  const netns_tcp& ns = net_tcp(net);
  const auto period = static_cast<uint32_t>(net.jiffies() / (kPortShufflePeriodS * ns.ticks.hz));
  return tcp_secure_hash(ns.net_secret, saddr, daddr, dport.host(), period + 1);
}

}  // namespace tapedeck
