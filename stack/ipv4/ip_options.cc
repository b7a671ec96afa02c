#include "stack/ipv4/ip_options.h"

#include <cerrno>
#include <cstring>

#include "stack/core/net.h"
#include "stack/ipv4/icmp.h"
#include "stack/ipv4/ip.h"
#include "stack/ipv4/netns_ipv4.h"
#include "stack/ipv4/route.h"
#include "stack/wire/ipv4.h"
#include "stack/wire/ipv4_options.h"

namespace tapedeck {

namespace {

constexpr uint8_t kTimestampFlagMask = 0x0f;
constexpr uint8_t kCipsoBytesMin = 8;  // type, length, domain, one tag
constexpr uint64_t kMsPerDay = 24 * 3600 * 1000;

// Pointers in options count from 1, from the option's type byte: `pointer` 4 is its fourth byte.
uint8_t* AtPointer(uint8_t* option, unsigned pointer) { return option + pointer - 1; }

void PutAddress(uint8_t* at, Ipv4Address addr) { std::memcpy(at, addr.bytes().data(), 4); }
Ipv4Address GetAddress(const uint8_t* at) { return Ipv4Address(LoadBe32(at)); }

// One pass over the options at `header` + 20, which it may write to.
class Compiler {
 public:
  // `skb` is the received packet, nullptr for options that a user gives.
  Compiler(net& net, uint8_t* header, const sk_buff* skb, ip_options* opt)
      : net_(net), header_(header), skb_(skb), opt_(opt) {}

  // 0, or -EINVAL; then wrong() is the offset of what is.
  int Run() {
    uint8_t* at = header_ + wire::kIpv4HeaderBytes;
    unsigned left = opt_->optlen;
    while (left > 0) {
      if (at[0] == wire::kIpv4OptEnd) {
        ClearPadding(at + 1, left - 1);
        return 0;
      }
      if (at[0] == wire::kIpv4OptNop) {
        ++at;
        --left;
        continue;
      }
      if (left < 2 || at[1] < 2 || at[1] > left) return Wrong(at);
      const uint8_t length = at[1];
      const int err = Take(at, length);
      if (err != 0) return err;
      at += length;
      left -= length;
    }
    return 0;
  }

  uint8_t wrong() const { return wrong_; }

 private:
  int Wrong(const uint8_t* at) {
    wrong_ = static_cast<uint8_t>(at - header_);
    return -EINVAL;
  }
  uint8_t OffsetOf(const uint8_t* option) const { return static_cast<uint8_t>(option - header_); }
  bool has_route() const { return skb_ != nullptr && skb_->dst != nullptr; }

  // Bytes behind an end-of-list must be zero.
  void ClearPadding(uint8_t* at, unsigned bytes) {
    for (unsigned i = 0; i < bytes; ++i) {
      if (at[i] == wire::kIpv4OptEnd) continue;
      at[i] = wire::kIpv4OptEnd;
      opt_->is_changed = true;
    }
  }

  int Take(uint8_t* option, uint8_t length) {
    switch (option[0]) {
      case wire::kIpv4OptStrictSourceRoute:
      case wire::kIpv4OptLooseSourceRoute:
        return TakeSourceRoute(option, length);
      case wire::kIpv4OptRecordRoute:
        return TakeRecordRoute(option, length);
      case wire::kIpv4OptTimestamp:
        return TakeTimestamp(option, length);
      case wire::kIpv4OptRouterAlert:
        if (length < 4) return Wrong(option + 1);
        if (option[2] == 0 && option[3] == 0) opt_->router_alert = OffsetOf(option);
        return 0;
      case wire::kIpv4OptCipso:
        if (opt_->cipso != 0) return Wrong(option);
        opt_->cipso = OffsetOf(option);
        // cipso_v4_validate: no domain of interpretation is known here, so no label makes sense.
        return Wrong(option + (length < kCipsoBytesMin ? 1 : 2));
      default:
        return 0;  // RFC 1122 3.2.1.8: options not understood are ignored
    }
  }

  int TakeSourceRoute(uint8_t* option, uint8_t length) {
    if (length < 3) return Wrong(option + 1);
    if (option[2] < 4) return Wrong(option + 2);
    if (opt_->srr != 0) return Wrong(option);  // RFC 1812 5.2.4.1: only one
    if (skb_ == nullptr) {
      if (option[2] != 4 || length < 7 || ((length - 3) & 3) != 0) return Wrong(option + 1);
      opt_->faddr = GetAddress(option + 3);
      std::memmove(option + 3, option + 7, length - 7U);
    }
    opt_->is_strictroute = option[0] == wire::kIpv4OptStrictSourceRoute;
    opt_->srr = OffsetOf(option);
    return 0;
  }

  int TakeRecordRoute(uint8_t* option, uint8_t length) {
    if (opt_->rr != 0) return Wrong(option);
    if (length < 3) return Wrong(option + 1);
    const unsigned pointer = option[2];
    if (pointer < 4) return Wrong(option + 2);
    if (pointer <= length) {
      if (pointer + 3 > length) return Wrong(option + 2);
      if (has_route()) {
        PutAddress(AtPointer(option, pointer), fib_compute_spec_dst(net_, skb_));
        opt_->is_changed = true;
      }
      option[2] = static_cast<uint8_t>(pointer + 4);
      opt_->rr_needaddr = true;
    }
    opt_->rr = OffsetOf(option);
    return 0;
  }

  int TakeTimestamp(uint8_t* option, uint8_t length) {
    if (opt_->ts != 0) return Wrong(option);
    if (length < 4) return Wrong(option + 1);
    if (option[2] < 5) return Wrong(option + 2);
    if (option[2] <= length) {
      const int err = FillTimestamp(option, length);
      if (err != 0) return err;
    } else if ((option[3] & kTimestampFlagMask) != wire::kIpv4TimestampPrespecified) {
      const unsigned overflow = option[3] >> 4;
      if (overflow == 15) return Wrong(option + 3);
      if (skb_ != nullptr) {
        option[3] = static_cast<uint8_t>((option[3] & kTimestampFlagMask) | (overflow + 1) << 4);
        opt_->is_changed = true;
      }
    }
    opt_->ts = OffsetOf(option);
    return 0;
  }

  // There is room: our time goes in, with our address where that is asked for.
  int FillTimestamp(uint8_t* option, uint8_t length) {
    const unsigned pointer = option[2];
    if (pointer + 3 > length) return Wrong(option + 2);
    uint8_t* time_at = nullptr;
    switch (option[3] & kTimestampFlagMask) {
      case wire::kIpv4TimestampOnly:
        if (skb_ != nullptr) time_at = AtPointer(option, pointer);
        opt_->ts_needtime = true;
        option[2] = static_cast<uint8_t>(pointer + 4);
        break;
      case wire::kIpv4TimestampAndAddress:
        if (pointer + 7 > length) return Wrong(option + 2);
        if (has_route()) {
          PutAddress(AtPointer(option, pointer), fib_compute_spec_dst(net_, skb_));
          time_at = AtPointer(option, pointer + 4);
        }
        opt_->ts_needaddr = true;
        opt_->ts_needtime = true;
        option[2] = static_cast<uint8_t>(pointer + 8);
        break;
      case wire::kIpv4TimestampPrespecified:
        if (pointer + 7 > length) return Wrong(option + 2);
        if (inet_addr_type(net_, GetAddress(AtPointer(option, pointer))) == RTN_UNICAST) {
          break;  // another host's turn
        }
        if (skb_ != nullptr) time_at = AtPointer(option, pointer + 4);
        opt_->ts_needtime = true;
        option[2] = static_cast<uint8_t>(pointer + 8);
        break;
      default:
        break;
    }
    if (time_at != nullptr) {
      StoreBe32(time_at, inet_current_timestamp(net_));
      opt_->is_changed = true;
    }
    return 0;
  }

  net& net_;
  uint8_t* header_;
  const sk_buff* skb_;
  ip_options* opt_;
  uint8_t wrong_ = 0;
};

ip_options Fresh(uint8_t optlen) {
  ip_options opt{};
  opt.optlen = optlen;
  return opt;
}

// Appends pieces to the options of an answer.
class EchoBuilder {
 public:
  EchoBuilder(net& net, ip_options_data* to) : net_(net), to_(to) { *to = ip_options_data{}; }

  // Copies the option at `from`; returns the copy.
  uint8_t* Copy(const uint8_t* from, uint8_t* offset) {
    uint8_t* const at = to_->data + to_->opt.optlen;
    *offset = static_cast<uint8_t>(wire::kIpv4HeaderBytes + to_->opt.optlen);
    std::memcpy(at, from, from[1]);
    to_->opt.optlen = static_cast<uint8_t>(to_->opt.optlen + from[1]);
    return at;
  }

  int RecordRoute(const uint8_t* from, bool needs_address) {
    uint8_t* const at = Copy(from, &to_->opt.rr);
    const unsigned pointer = from[2];
    if (!needs_address || pointer > from[1]) return 0;
    if (pointer + 3 > from[1]) return -EINVAL;
    at[2] = static_cast<uint8_t>(pointer + 4);
    to_->opt.rr_needaddr = true;
    return 0;
  }

  int Timestamp(const uint8_t* from, const ip_options& received) {
    uint8_t* const at = Copy(from, &to_->opt.ts);
    const unsigned length = from[1];
    unsigned pointer = from[2];
    if (pointer > length) return 0;
    if (received.ts_needaddr) {
      if (pointer + 3 > length) return -EINVAL;
      to_->opt.ts_needaddr = true;
      pointer += 4;
    }
    if (received.ts_needtime) {
      if (pointer + 3 > length) return -EINVAL;
      if ((at[3] & kTimestampFlagMask) != wire::kIpv4TimestampPrespecified) {
        to_->opt.ts_needtime = true;
        pointer += 4;
      } else if (pointer + 7 <= length &&
                 inet_addr_type(net_, GetAddress(at + pointer - 1)) != RTN_UNICAST) {
        to_->opt.ts_needtime = true;
        pointer += 8;
      }
    }
    at[2] = static_cast<uint8_t>(pointer);
    return 0;
  }

  // The hops visited so far, in reverse: the last is the first hop of the answer, and the place of
  // the first is left for the destination (ip_options_build).
  void SourceRoute(const uint8_t* from, Ipv4Address sender, bool strict) {
    const unsigned end = from[2] > from[1] ? from[1] + 1U : from[2];
    const unsigned visited = (end - 4) / 4;
    if (visited == 0) return;
    // Hops are counted back from the pointer, whatever it points at.
    const unsigned first = 3 + (end & 3);
    const auto hop = [from, first](unsigned i) { return from + first + size_t{4} * i; };
    // RFC 1812 5.3.13.4: a route that names the sender itself first is put right.
    const unsigned slots = visited - (GetAddress(hop(0)) == sender ? 1U : 0U);
    if (slots == 0) return;
    uint8_t* const at = to_->data + to_->opt.optlen;
    for (unsigned i = 0; i + 1 < slots; ++i) std::memcpy(at + 3 + 4 * i, hop(visited - 2 - i), 4);
    at[0] = from[0];
    at[1] = static_cast<uint8_t>(3 + 4 * slots);
    at[2] = 4;
    to_->opt.faddr = GetAddress(hop(visited - 1));
    to_->opt.srr = static_cast<uint8_t>(wire::kIpv4HeaderBytes + to_->opt.optlen);
    to_->opt.is_strictroute = strict;
    to_->opt.optlen = static_cast<uint8_t>(to_->opt.optlen + at[1]);
  }

  void Pad() {
    while ((to_->opt.optlen & 3) != 0) to_->data[to_->opt.optlen++] = wire::kIpv4OptEnd;
  }

 private:
  net& net_;
  ip_options_data* to_;
};

uint8_t* WritableHeader(sk_buff* skb) {
  return skb_writable(skb, skb_network_header(skb), ip_hdrlen(skb));
}

}  // namespace

int ip_options_compile(net& net, sk_buff* skb, ip_options* opt, uint8_t* pointer) {
  *opt = Fresh(opt->optlen);
  Compiler compiler(net, WritableHeader(skb), skb, opt);
  const int err = compiler.Run();
  *pointer = compiler.wrong();
  return err;
}

int ip_options_check(net& net, const sk_buff* skb, ip_options* opt, uint8_t* pointer) {
  uint8_t copy[wire::kIpv4HeaderMax];
  std::memcpy(copy, skb_network_header(skb), ip_hdrlen(skb));
  *opt = Fresh(opt->optlen);
  Compiler compiler(net, copy, skb, opt);
  const int err = compiler.Run();
  *pointer = compiler.wrong();
  return err;
}

int ip_options_get(net& net, ip_options_data* to, const uint8_t* bytes, uint32_t len) {
  if (len > wire::kIpv4OptionsMax) return -EINVAL;
  *to = ip_options_data{};
  uint8_t header[wire::kIpv4HeaderMax] = {};
  if (len != 0) std::memcpy(header + wire::kIpv4HeaderBytes, bytes, len);
  const uint32_t padded = (len + 3) & ~3U;  // with end-of-list
  ip_options opt = Fresh(static_cast<uint8_t>(padded));
  Compiler compiler(net, header, nullptr, &opt);
  const int err = compiler.Run();
  if (err != 0) return err;
  to->opt = opt;
  std::memcpy(to->data, header + wire::kIpv4HeaderBytes, padded);
  return 0;
}

void ip_options_build(sk_buff* skb, const ip_options_data& options, Ipv4Address daddr,
                      const rtable* rt) {
  net& net = *skb->owner;
  uint8_t* const header = WritableHeader(skb);
  const ip_options& opt = options.opt;
  IPCB(skb)->opt = opt;
  std::memcpy(header + wire::kIpv4HeaderBytes, options.data, opt.optlen);
  if (opt.srr != 0) {
    // The route ends at the destination, which the header names only at the last hop.
    uint8_t* const srr = header + opt.srr;
    PutAddress(srr + srr[1] - 4, daddr);
  }
  // What was reserved lies before the pointer: a slot of 4 bytes, or 8 with an address.
  if (opt.rr_needaddr) {
    uint8_t* const rr = header + opt.rr;
    PutAddress(rr + rr[2] - 5, ip_rt_get_source(skb, rt));
  }
  uint8_t* const ts = header + opt.ts;
  if (opt.ts_needaddr) PutAddress(ts + ts[2] - 9, ip_rt_get_source(skb, rt));
  if (opt.ts_needtime) StoreBe32(ts + ts[2] - 5, inet_current_timestamp(net));
}

int __ip_options_echo(net& net, ip_options_data* to, sk_buff* skb, const ip_options& from) {
  EchoBuilder echo(net, to);
  if (from.optlen == 0) return 0;
  const uint8_t* const header = skb_network_header(skb);
  if (from.rr != 0) {
    const int err = echo.RecordRoute(header + from.rr, from.rr_needaddr);
    if (err != 0) return err;
  }
  if (from.ts != 0) {
    const int err = echo.Timestamp(header + from.ts, from);
    if (err != 0) return err;
  }
  if (from.srr != 0) {
    echo.SourceRoute(header + from.srr, ip_hdr(skb)->saddr, from.is_strictroute);
  }
  if (from.cipso != 0) echo.Copy(header + from.cipso, &to->opt.cipso);
  echo.Pad();
  return 0;
}

void ip_options_fragment(sk_buff* skb) {
  uint8_t* at = WritableHeader(skb) + wire::kIpv4HeaderBytes;
  ip_options* const opt = &IPCB(skb)->opt;
  for (unsigned left = opt->optlen; left > 0;) {
    if (at[0] == wire::kIpv4OptEnd) break;
    if (at[0] == wire::kIpv4OptNop) {
      ++at;
      --left;
      continue;
    }
    if (left < 2 || at[1] < 2 || at[1] > left) break;
    const uint8_t length = at[1];
    if ((at[0] & wire::kIpv4OptCopiedBit) == 0) std::memset(at, wire::kIpv4OptNop, length);
    at += length;
    left -= length;
  }
  opt->ts = opt->rr = 0;
  opt->rr_needaddr = opt->ts_needaddr = opt->ts_needtime = false;
}

void ip_forward_options(sk_buff* skb) {
  ip_options* const opt = &IPCB(skb)->opt;
  const rtable* const rt = skb_rtable(skb);
  uint8_t* const header = WritableHeader(skb);
  if (opt->rr_needaddr) {
    uint8_t* const rr = header + opt->rr;
    PutAddress(rr + rr[2] - 5, ip_rt_get_source(skb, rt));
    opt->is_changed = true;
  }
  if (opt->srr_is_hit) {
    uint8_t* const srr = header + opt->srr;
    unsigned pointer = srr[2];
    while (pointer + 3U <= srr[1] && GetAddress(AtPointer(srr, pointer)) != opt->nexthop) {
      pointer += 4;
    }
    if (pointer + 3U <= srr[1]) {
      opt->is_changed = true;
      ip_hdr_writable(skb)->daddr = opt->nexthop;
      PutAddress(AtPointer(srr, pointer), ip_rt_get_source(skb, rt));
      srr[2] = static_cast<uint8_t>(pointer + 4);
    }
    if (opt->ts_needaddr) {
      uint8_t* const ts = header + opt->ts;
      PutAddress(ts + ts[2] - 9, ip_rt_get_source(skb, rt));
      opt->is_changed = true;
    }
  }
  if (opt->is_changed) {
    opt->is_changed = false;
    ip_send_check(ip_hdr_writable(skb));
  }
}

int ip_options_rcv_srr(sk_buff* skb, net_device* dev) {
  ip_options* const opt = &IPCB(skb)->opt;
  const rtable* const rt = skb_rtable(skb);
  if (opt->srr == 0 || rt == nullptr) return 0;
  if (skb->pkt_type != PACKET_HOST) return -EINVAL;
  if (rt->rt_type == RTN_UNICAST) {
    if (!opt->is_strictroute) return 0;
    // A strict route that is not at us does not lead here: offset 16 is the header's destination.
    icmp_send(skb, wire::kIcmpParameterProblem, 0, 16U << 24);
    return -EINVAL;
  }
  if (rt->rt_type != RTN_LOCAL) return -EINVAL;
  const uint8_t* const srr = skb_network_header(skb) + opt->srr;
  Ipv4Address nexthop;
  unsigned pointer = srr[2];
  for (; pointer <= srr[1]; pointer += 4) {
    if (pointer + 3U > srr[1]) {
      icmp_send(skb, wire::kIcmpParameterProblem, 0, (opt->srr + 2U) << 24);
      return -EINVAL;
    }
    nexthop = GetAddress(srr + pointer - 1);
    dst_entry* const old = skb->dst;
    skb->dst = nullptr;
    DropReason reason;
    const wire::Ipv4Header& iph = *ip_hdr(skb);
    const int err = ip_route_input(skb, nexthop, iph.saddr, iph.tos, dev, &reason);
    const uint8_t type = err == 0 ? skb_rtable(skb)->rt_type : uint8_t{RTN_UNSPEC};
    if (type != RTN_UNICAST && type != RTN_LOCAL) {
      skb_dst_drop(skb);
      skb->dst = old;
      return -EINVAL;
    }
    dst_release(old);
    if (type != RTN_LOCAL) break;
    // The next hop is us as well: on to the one behind.
    ip_hdr_writable(skb)->daddr = nexthop;
    opt->is_changed = true;
  }
  if (pointer <= srr[1]) {
    opt->srr_is_hit = true;
    opt->nexthop = nexthop;
    opt->is_changed = true;
  }
  return 0;
}

uint32_t inet_current_timestamp(net& net) {
  return static_cast<uint32_t>(net.kernel.now().ps / 1'000'000'000 % kMsPerDay);
}

}  // namespace tapedeck
