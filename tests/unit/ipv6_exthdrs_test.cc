// Extension headers: options and their limits, routing headers, the order of things, and what is
// pushed before packets that are sent.
#include "ipv6_host.h"
#include "stack/base/prng.h"
#include "stack/ipv6/ipv6.h"

namespace tapedeck {
namespace {

constexpr uint8_t kProtocol = 99;
constexpr size_t kQuotedAt = 14 + 40 + 8;  // of the quote in a frame with an ICMPv6 error
constexpr uint8_t kUnknownSkip = 0x1e;
constexpr uint8_t kUnknownDiscard = 0x5e;
constexpr uint8_t kUnknownTell = 0x9e;
constexpr uint8_t kUnknownTellUnicast = 0xde;

class ExthdrsTest : public Ipv6Test {
 protected:
  void SetUp() override {
    delivered = 0;
    static constexpr inet6_protocol kTaker = {.handler =
                                                  [](sk_buff* skb) {
                                                    ++delivered;
                                                    last = *IP6CB(skb);
                                                    last_bytes = BytesOf(skb);
                                                    consume_skb(skb);
                                                    return 0;
                                                  },
                                              .flags = INET6_PROTO_NOPOLICY | INET6_PROTO_FINAL};
    ASSERT_EQ(inet6_add_protocol(host.n, &kTaker, kProtocol), 0);
  }

  struct Header {
    uint8_t type;
    Bytes bytes;
  };
  // Options from `tlvs`, filled up to a multiple of eight with PadN.
  static Header Options(uint8_t type, Bytes tlvs) {
    Bytes bytes = {0, 0};
    bytes.insert(bytes.end(), tlvs.begin(), tlvs.end());
    const size_t over = bytes.size() % 8;
    if (over == 7) {
      bytes.push_back(wire::kIpv6OptPad1);
    } else if (over != 0) {
      bytes.push_back(wire::kIpv6OptPadN);
      bytes.push_back(static_cast<uint8_t>(6 - over));
      bytes.resize(bytes.size() + 6 - over);
    }
    bytes[1] = static_cast<uint8_t>(bytes.size() / 8 - 1);
    return {type, bytes};
  }
  static Header HopByHop(Bytes tlvs) { return Options(wire::kIpProtoHopByHop, std::move(tlvs)); }
  static Header DestOptions(Bytes tlvs) {
    return Options(wire::kIpProtoDestOptions, std::move(tlvs));
  }
  // A packet with these headers and 16 bytes for kProtocol.
  void ReceiveWith(const std::vector<Header>& headers, const Ipv6Address& daddr = kUs6) {
    wire::Ipv6Header header;
    header.nexthdr = kProtocol;
    header.hop_limit = 64;
    header.saddr = kPeer6;
    header.daddr = daddr;
    wire::FrameBuilder frame = NewFrame();
    frame.Ipv6(header, headers.empty() ? wire::kKeepProtocol : wire::kKeepNothing);
    for (size_t i = 0; i < headers.size(); ++i) {
      Bytes bytes = headers[i].bytes;
      bytes[0] = kProtocol;
      const bool is_last = i + 1 == headers.size();
      frame.Ipv6Extension(headers[i].type, bytes,
                          is_last ? wire::kKeepProtocol : wire::kKeepNothing);
    }
    Receive(frame.Payload(Pattern(16)).Build());
  }
  // Type, code and pointer of the ICMPv6 error that was sent; {0, 0, 0} where there was none.
  struct Error {
    uint8_t type = 0;
    uint8_t code = 0;
    uint32_t pointer = 0;
    friend bool operator==(const Error&, const Error&) = default;
  };
  Error SentError() {
    if (NextSent().empty() || last_sent.size() < kQuotedAt) return {};
    return {last_sent[kQuotedAt - 8], last_sent[kQuotedAt - 7],
            LoadBe32(&last_sent[kQuotedAt - 4])};
  }

  static inline int delivered = 0;
  static inline inet6_skb_parm last;
  static inline Bytes last_bytes;
};

TEST_F(ExthdrsTest, AllKindsInOrder) {
  ReceiveWith({HopByHop({}), DestOptions({}), {wire::kIpProtoRouting, Bytes(8)}, DestOptions({})});
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(last_bytes, Pattern(16));
  EXPECT_EQ(last.dst0, 48);
  EXPECT_EQ(last.srcrt, 56);
  EXPECT_EQ(last.dst1, 64);
  EXPECT_EQ(last.lastopt, 64);
  EXPECT_EQ(last.nhoff, 64);
  EXPECT_EQ(last.flags & IP6SKB_HOPBYHOP, IP6SKB_HOPBYHOP);
}

// RFC 8200 4.2: the two high bits of an unknown option's type.
TEST_F(ExthdrsTest, UnknownOptionsByTheirHighBits) {
  struct Case {
    uint8_t type;
    bool passes;
    bool tells;
  };
  const Case cases[] = {{kUnknownSkip, true, false},
                        {kUnknownDiscard, false, false},
                        {kUnknownTell, false, true},
                        {kUnknownTellUnicast, false, true}};
  for (const bool hop_by_hop : {true, false}) {
    for (const Case& c : cases) {
      delivered = 0;
      const uint64_t errors = Ip6Count(Ip6Mib::kInHdrErrors);
      const Bytes tlv = {c.type, 2, 1, 2};
      ReceiveWith({hop_by_hop ? HopByHop(tlv) : DestOptions(tlv)});
      EXPECT_EQ(delivered, c.passes ? 1 : 0) << int{c.type};
      EXPECT_EQ(Ip6Count(Ip6Mib::kInHdrErrors), errors + (c.passes ? 0 : 1)) << int{c.type};
      const Error expected = c.tells ? Error{wire::kIcmpv6ParameterProblem, 2, 42} : Error{};
      EXPECT_EQ(SentError(), expected) << int{c.type};
      host.RunFor(Duration::Seconds(10));  // past the rate limit
    }
  }
  EXPECT_EQ(Drops(SKB_DROP_REASON_UNHANDLED_PROTO), 6U);
}

// To a group, only the one that says so is told of.
TEST_F(ExthdrsTest, UnknownOptionsToAGroup) {
  ReceiveWith({HopByHop({kUnknownTellUnicast, 2, 1, 2})}, kIpv6AllNodes);
  EXPECT_EQ(SentError(), Error{});
  ReceiveWith({HopByHop({kUnknownTell, 2, 1, 2})}, kIpv6AllNodes);
  EXPECT_EQ(SentError(), (Error{wire::kIcmpv6ParameterProblem, 2, 42}));
}

TEST_F(ExthdrsTest, OptionsAreCounted) {
  const auto many = [](int count) {
    Bytes tlvs;
    for (int i = 0; i < count; ++i) tlvs.insert(tlvs.end(), {kUnknownSkip, 0});
    return tlvs;
  };
  ReceiveWith({HopByHop(many(8)), DestOptions(many(8))});
  EXPECT_EQ(delivered, 1);
  ReceiveWith({HopByHop(many(9))});
  ReceiveWith({DestOptions(many(9))});
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INHDR), 2U);
  // Negative: at most so many, and none that is not known.
  ASSERT_EQ(Sysctl("net/ipv6/max_dst_opts_number", -9), 0);
  ReceiveWith({DestOptions(many(1))});
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(Drops(SKB_DROP_REASON_UNHANDLED_PROTO), 1U);
  ReceiveWith({DestOptions({})});
  EXPECT_EQ(delivered, 2);
}

TEST_F(ExthdrsTest, HeadersOverTheLimitOfLengthAreDropped) {
  ASSERT_EQ(Sysctl("net/ipv6/max_hbh_length", 16), 0);
  ASSERT_EQ(Sysctl("net/ipv6/max_dst_opts_length", 16), 0);
  const Bytes fits(12, 0x1e),
      too_long = {kUnknownSkip, 18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0};
  const Bytes short_one = {kUnknownSkip, 8, 0, 0, 0, 0, 0, 0, 0, 0};
  ReceiveWith({HopByHop(short_one), DestOptions(short_one)});
  EXPECT_EQ(delivered, 1);
  ReceiveWith({HopByHop(too_long)});
  ReceiveWith({DestOptions(too_long)});
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(Drops(SKB_DROP_REASON_NOT_SPECIFIED), 2U);
}

// RFC 4942 2.1.9.5, as Linux has it: at most seven bytes of padding, all zero.
TEST_F(ExthdrsTest, PaddingIsShortAndZero) {
  ReceiveWith({{wire::kIpProtoDestOptions, {0, 0, 1, 4, 0, 0, 0, 0}}});
  EXPECT_EQ(delivered, 1);
  ReceiveWith({{wire::kIpProtoDestOptions, {0, 0, 1, 4, 0, 0, 9, 0}}});
  ReceiveWith({{wire::kIpProtoDestOptions,
                {0, 1, 1, 6, 0, 0, 0, 0, 0, 0, kUnknownSkip, 2, 0, 0, 1, 0}}});  // 8 bytes
  ReceiveWith({{wire::kIpProtoDestOptions, {0, 0, 0, 0, 0, 0, 0, 1}}});          // cut short
  ReceiveWith({{wire::kIpProtoDestOptions, {0, 0, 1, 5, 0, 0, 0, 0}}});          // too long
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INHDR), 4U);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInHdrErrors), 4U);
}

TEST_F(ExthdrsTest, RouterAlert) {
  ReceiveWith({HopByHop({wire::kIpv6OptRouterAlert, 2, 0x12, 0x34})});
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(last.flags & IP6SKB_ROUTERALERT, IP6SKB_ROUTERALERT);
  EXPECT_EQ(last.ra, 0x1234);
  ReceiveWith({HopByHop({wire::kIpv6OptRouterAlert, 1, 0})});
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INHDR), 1U);
}

// RFC 2675: a jumbo payload option is for packets that need it.
TEST_F(ExthdrsTest, JumboOption) {
  ReceiveWith({HopByHop({wire::kIpv6OptJumbo, 4, 0, 0, 0, 16})});  // not large
  EXPECT_EQ(SentError(), (Error{wire::kIcmpv6ParameterProblem, 0, 44}));
  host.RunFor(Duration::Seconds(10));
  ReceiveWith({HopByHop({wire::kIpv6OptJumbo, 4, 0, 1, 0, 16})});  // with a payload length
  EXPECT_EQ(SentError(), (Error{wire::kIcmpv6ParameterProblem, 0, 42}));
  ReceiveWith({HopByHop({0, wire::kIpv6OptJumbo, 4, 0, 1, 0, 16})});  // out of place
  EXPECT_EQ(delivered, 0);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInHdrErrors), 3U);
}

TEST_F(ExthdrsTest, CalipsoIsRefused) {
  ReceiveWith({HopByHop({7, 8, 0, 0, 0, 1, 0, 0, 0, 0})});
  EXPECT_EQ(delivered, 0);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IP_INHDR), 1U);
}

// A hop-by-hop header anywhere but first is a header nobody knows.
TEST_F(ExthdrsTest, HopByHopComesFirst) {
  ReceiveWith({DestOptions({}), HopByHop({})});
  EXPECT_EQ(delivered, 0);
  EXPECT_EQ(SentError(), (Error{wire::kIcmpv6ParameterProblem, 1, 40}));
  EXPECT_EQ(Ip6Count(Ip6Mib::kInUnknownProtos), 1U);
}

TEST_F(ExthdrsTest, RoutingHeaders) {
  Bytes header(24);
  header[1] = 2;
  for (const uint8_t type : std::initializer_list<uint8_t>{0, 2, 77}) {
    delivered = 0;
    header[2] = type;
    header[3] = 0;
    ReceiveWith({{wire::kIpProtoRouting, header}});
    EXPECT_EQ(delivered, 1) << int{type};
    header[3] = 1;
    ReceiveWith({{wire::kIpProtoRouting, header}});
    EXPECT_EQ(delivered, 1) << int{type};
    EXPECT_EQ(SentError(), (Error{wire::kIcmpv6ParameterProblem, 0, 42})) << int{type};
    host.RunFor(Duration::Seconds(10));
  }
  EXPECT_EQ(Ip6Count(Ip6Mib::kInHdrErrors), 3U);
  // Segment routing is off: silently dropped, whatever is left of its way.
  header[2] = wire::kIpv6RoutingSegments;
  header[3] = 0;
  ReceiveWith({{wire::kIpProtoRouting, header}});
  EXPECT_EQ(SentError(), Error{});
  EXPECT_EQ(delivered, 1);
}

TEST_F(ExthdrsTest, RoutingHeaderToAGroupIsAnAddressError) {
  ReceiveWith({{wire::kIpProtoRouting, Bytes(8)}}, kIpv6AllNodes);
  EXPECT_EQ(delivered, 0);
  EXPECT_EQ(Ip6Count(Ip6Mib::kInAddrErrors), 1U);
}

TEST_F(ExthdrsTest, AtMostTwelveHeaders) {
  std::vector<Header> headers(12, DestOptions({}));
  ReceiveWith(headers);
  EXPECT_EQ(delivered, 1);
  headers.push_back(DestOptions({}));
  ReceiveWith(headers);
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IPV6_TOO_MANY_EXTHDRS), 1U);
  // A hop-by-hop header counts.
  headers.front() = HopByHop({});
  ReceiveWith(headers);
  EXPECT_EQ(delivered, 1);
  EXPECT_EQ(Drops(SKB_DROP_REASON_IPV6_TOO_MANY_EXTHDRS), 2U);
}

TEST_F(ExthdrsTest, NoNextHeaderEndsInSilence) {
  wire::Ipv6Header header;
  header.nexthdr = wire::kIpProtoNoNext;
  header.hop_limit = 64;
  header.saddr = kPeer6;
  header.daddr = kUs6;
  Receive(NewFrame().Ipv6(header, wire::kKeepProtocol).Payload(Pattern(9)).Build());
  EXPECT_EQ(SentError(), Error{});
  EXPECT_EQ(Ip6Count(Ip6Mib::kInUnknownProtos), 0U);
}

TEST_F(ExthdrsTest, CutShort) {
  wire::Ipv6Header header;
  header.nexthdr = wire::kIpProtoDestOptions;
  header.hop_limit = 64;
  header.saddr = kPeer6;
  header.daddr = kUs6;
  const uint8_t options[8] = {kProtocol, 1, 1, 4};  // says 16 bytes
  Receive(NewFrame().Ipv6(header, wire::kKeepProtocol).Payload(options).Build());
  EXPECT_EQ(Ip6Count(Ip6Mib::kInHdrErrors), 1U);
  header.nexthdr = wire::kIpProtoHopByHop;
  Receive(NewFrame().Ipv6(header, wire::kKeepProtocol).Payload(options).Build());
  EXPECT_EQ(Ip6Count(Ip6Mib::kInHdrErrors), 2U);
  EXPECT_EQ(delivered, 0);
}

// Chains of all kinds of headers, right and wrong: each packet ends somewhere, nothing is left, and
// the host still answers.
TEST_F(ExthdrsTest, RandomChainsEnd) {
  static constexpr uint8_t kKinds[] = {
      wire::kIpProtoHopByHop,    wire::kIpProtoRouting, wire::kIpProtoFragment,
      wire::kIpProtoDestOptions, wire::kIpProtoAh,      wire::kIpProtoNoNext,
      wire::kIpProtoIcmpv6,      wire::kIpProtoUdp,     kProtocol};
  Prng prng(1, 0);
  const auto kind = [&] { return kKinds[prng.Below(std::size(kKinds))]; };
  for (int round = 0; round < 3000; ++round) {
    Bytes bytes(8 * (1 + prng.Below(60)) - (prng.Below(8) == 0 ? prng.Below(8) : 0));
    for (uint8_t& byte : bytes) byte = prng.Below(3) == 0 ? static_cast<uint8_t>(prng.Next32()) : 0;
    for (size_t at = 0; at + 2 <= bytes.size();) {
      bytes[at] = kind();
      bytes[at + 1] = static_cast<uint8_t>(prng.Below(10) == 0 ? prng.Below(256) : prng.Below(3));
      at += (bytes[at + 1] + 1U) * 8;
    }
    wire::Ipv6Header header;
    header.nexthdr = kind();
    header.hop_limit = static_cast<uint8_t>(prng.Next32());
    header.saddr = kPeer6;
    header.daddr = prng.Below(4) == 0 ? kIpv6AllNodes : kUs6;
    Receive(NewFrame().Ipv6(header, wire::kKeepProtocol).Payload(bytes).Build());
    eth.FreeSent();
  }
  EXPECT_EQ(Ip6Count(Ip6Mib::kInReceives), 3000U);
  wire::Ipv6Header header;
  header.hop_limit = 64;
  header.saddr = kPeer6;
  header.daddr = kUs6;
  wire::Icmpv6Header echo;
  echo.type = wire::kIcmpv6EchoRequest;
  Receive(NewFrame().Ipv6(header).Icmpv6(echo).Payload(Pattern(16)).Build());
  ASSERT_NE(NextSent(), "");
  EXPECT_EQ(last_sent[kQuotedAt - 8], wire::kIcmpv6EchoReply);
  host.RunFor(Duration::Seconds(70));  // past reassembly timers
}

// --- Walking and pushing. ---

TEST_F(ExthdrsTest, SkipStopsWhereHeadersEnd) {
  const auto skip = [&](const Bytes& bytes, uint8_t first, uint16_t* frag_off, uint8_t* nexthdr) {
    sk_buff* const skb = MakePacket(host.n, bytes);
    *nexthdr = first;
    const int offset = ipv6_skip_exthdr(skb, 0, nexthdr, frag_off);
    consume_skb(skb);
    return offset;
  };
  uint16_t frag_off = 1;
  uint8_t nexthdr = 0;
  Bytes bytes(40);
  bytes[0] = wire::kIpProtoAh;        // destination options, then
  bytes[8] = wire::kIpProtoFragment;  // authentication of (4 + 2) * 4 bytes, then
  bytes[9] = 4;
  bytes[32] = wire::kIpProtoUdp;  // a first fragment
  bytes[35] = 1;
  EXPECT_EQ(skip(bytes, wire::kIpProtoDestOptions, &frag_off, &nexthdr), 40);
  EXPECT_EQ(nexthdr, wire::kIpProtoUdp);
  EXPECT_EQ(frag_off, 1);
  bytes[35] = 9;  // a later one
  EXPECT_EQ(skip(bytes, wire::kIpProtoDestOptions, &frag_off, &nexthdr), 32);
  EXPECT_EQ(nexthdr, wire::kIpProtoFragment);
  EXPECT_EQ(frag_off, 9);
  EXPECT_EQ(skip(Bytes(1), wire::kIpProtoDestOptions, &frag_off, &nexthdr), -1);
  EXPECT_EQ(skip(bytes, wire::kIpProtoNoNext, &frag_off, &nexthdr), -1);
  EXPECT_EQ(skip({}, wire::kIpProtoTcp, &frag_off, &nexthdr), 0);
  // Twelve at most.
  Bytes chain(13 * 8);
  for (size_t i = 0; i < chain.size(); i += 8) chain[i] = wire::kIpProtoDestOptions;
  EXPECT_EQ(skip(chain, wire::kIpProtoDestOptions, &frag_off, &nexthdr), -1);
}

TEST_F(ExthdrsTest, PushedHeadersStandInOrder) {
  const Bytes hop = {0, 0, 1, 4, 0, 0, 0, 0};
  const Bytes dst0 = {0, 0, kUnknownSkip, 4, 1, 1, 1, 1};
  const Bytes dst1 = {0, 0, kUnknownSkip, 4, 2, 2, 2, 2};
  Bytes srcrt(8 + 32);
  srcrt[1] = 4;
  srcrt[3] = 2;
  const Ipv6Address first = Ip6("2001:db8::a"), second = Ip6("2001:db8::b");
  std::copy(first.bytes().begin(), first.bytes().end(), srcrt.begin() + 8);
  std::copy(second.bytes().begin(), second.bytes().end(), srcrt.begin() + 24);
  ipv6_txoptions* const opt = ipv6_build_options(host.n, {.hopopt = hop.data(),
                                                          .dst0opt = dst0.data(),
                                                          .srcrt = srcrt.data(),
                                                          .dst1opt = dst1.data()});
  ASSERT_NE(opt, nullptr);
  EXPECT_EQ(opt->opt_nflen, 8 + 8 + 40);
  EXPECT_EQ(opt->opt_flen, 8);
  sk_buff* const skb = MakePacket(host.n, Pattern(4), 128);
  uint8_t proto = kProtocol;
  Ipv6Address daddr = kPeer6;
  ipv6_push_frag_opts(skb, opt, &proto);
  ipv6_push_nfrag_opts(skb, opt, &proto, &daddr, &kUs6);
  EXPECT_EQ(proto, wire::kIpProtoHopByHop);
  EXPECT_EQ(daddr, first);
  const Bytes sent = BytesOf(skb);
  ASSERT_EQ(sent.size(), 8U + 8 + 40 + 8 + 4);
  EXPECT_EQ(sent[0], wire::kIpProtoDestOptions);
  EXPECT_EQ(sent[8], wire::kIpProtoRouting);
  EXPECT_EQ(sent[16], wire::kIpProtoDestOptions);
  EXPECT_EQ(sent[56], kProtocol);
  EXPECT_TRUE(std::equal(second.bytes().begin(), second.bytes().end(), sent.begin() + 24));
  EXPECT_TRUE(std::equal(kPeer6.bytes().begin(), kPeer6.bytes().end(), sent.begin() + 40));
  flowi6 flow;
  flow.daddr = kPeer6;
  Ipv6Address orig;
  EXPECT_EQ(fl6_update_dst(&flow, opt, &orig), &orig);
  EXPECT_EQ(flow.daddr, first);
  EXPECT_EQ(orig, kPeer6);
  consume_skb(skb);
  txopt_put(host.n, opt);
}

// RFC 3542 9.2: without a routing header the options before it are kept, but not sent.
TEST_F(ExthdrsTest, RenewedOptions) {
  inet_sock* const sk = inet_ctl_sock_create(host.n, kProtocol);
  const uint8_t dst0[8] = {0, 0, kUnknownSkip, 4, 1, 1, 1, 1};
  const uint8_t hop[16] = {0, 1, kUnknownSkip, 12};
  int err = 1;
  ipv6_txoptions* opt = ipv6_renew_options(sk, nullptr, kIpv6Rthdrdstopts, dst0, 8, &err);
  ASSERT_NE(opt, nullptr);
  EXPECT_EQ(err, 0);
  EXPECT_EQ(opt->opt_nflen, 0);
  ipv6_txoptions* const both = ipv6_renew_options(sk, opt, kIpv6Hopopts, hop, 16, &err);
  ASSERT_NE(both, nullptr);
  EXPECT_EQ(both->opt_nflen, 16);
  EXPECT_EQ(ipv6_headers_of(both).dst0opt[4], 1);
  EXPECT_EQ(sk->sk_omem_alloc, opt->tot_len + both->tot_len);
  EXPECT_EQ(ipv6_renew_options(sk, opt, kIpv6Hopopts, hop, 8, &err), nullptr);
  EXPECT_EQ(err, -EINVAL);
  EXPECT_EQ(ipv6_renew_options(sk, opt, kIpv6Rthdrdstopts, nullptr, 0, &err), nullptr);
  EXPECT_EQ(err, 0);
  host.n.core.optmem_max = 10;
  EXPECT_EQ(ipv6_renew_options(sk, opt, kIpv6Hopopts, hop, 16, &err), nullptr);
  EXPECT_EQ(err, -ENOBUFS);
  sk->sk_omem_alloc = 0;
  txopt_put(host.n, opt);
  txopt_put(host.n, both);
  inet_ctl_sock_destroy(sk);
}

}  // namespace
}  // namespace tapedeck
