// A capture made anonymous: nobody's addresses and bytes are left, and everything still fits
// together.
#include "replay/convert/anonymise.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "normalise_fixture.h"  // beside this file
#include "replay/normalise/fragments.h"
#include "stack/base/prng.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/repair_checksums.h"
#include "traffic.h"  // beside this file

namespace tapedeck {
namespace {

using traffic::Connection;
using traffic::Datagram;
using traffic::FrameBytes;
using traffic::kClient;
using traffic::kServer;
using traffic::Segment;
using traffic::Sum;
using traffic::Text;

constexpr uint64_t kSeed = 0xfeedface;

unsigned SharedBits(std::span<const uint8_t> a, std::span<const uint8_t> b) {
  for (unsigned i = 0; i < 8 * a.size(); ++i) {
    if (((a[i / 8] ^ b[i / 8]) & (0x80 >> (i % 8))) != 0) return i;
  }
  return static_cast<unsigned>(8 * a.size());
}

TEST(AddressMap, KeepsPrefixesOfIpv4Exactly) {
  const AddressMap map(kSeed);
  Prng prng(1, 1);
  for (int i = 0; i < 2'000; ++i) {
    const uint32_t a = 0x08000000 | (prng.Next32() & 0xffffff);
    const uint32_t b = a ^ (1U << prng.Below(24)) ^ prng.Below(2);
    const Ipv4Address to_a = map.Map(Ipv4Address(a));
    const Ipv4Address to_b = map.Map(Ipv4Address(b));
    EXPECT_EQ(SharedBits(Ipv4Address(a).bytes(), Ipv4Address(b).bytes()),
              SharedBits(to_a.bytes(), to_b.bytes()));
  }
}

TEST(AddressMap, KeepsPrefixesOfIpv6Exactly) {
  const AddressMap map(kSeed);
  Prng prng(2, 1);
  for (int i = 0; i < 500; ++i) {
    std::array<uint8_t, 16> a = {0x20, 0x01};
    for (size_t k = 2; k < 16; ++k) a[k] = static_cast<uint8_t>(prng.Next32());
    std::array<uint8_t, 16> b = a;
    const uint32_t bit = 16 + prng.Below(112);
    b[bit / 8] ^= static_cast<uint8_t>(0x80 >> (bit % 8));
    if ((a[11] == 0xff && a[12] == 0xfe) || (b[11] == 0xff && b[12] == 0xfe)) continue;
    EXPECT_EQ(SharedBits(map.Map(Ipv6Address(a)).bytes(), map.Map(Ipv6Address(b)).bytes()), bit);
  }
}

TEST(AddressMap, SpecialNetworksStayAndNobodyComesIn) {
  const AddressMap map(kSeed);
  for (const char* text : {"0.0.0.0", "255.255.255.255", "127.0.0.1", "224.0.0.251",
                           "239.255.255.250", "::", "::1", "ff02::1", "ff02::16"}) {
    const IpAddress address = *IpAddress::Parse(text);
    const IpAddress to =
        address.is_v4() ? IpAddress(map.Map(address.v4())) : IpAddress(map.Map(address.v6()));
    EXPECT_EQ(to, address);
  }
  Prng prng(3, 1);
  for (int i = 0; i < 20'000; ++i) {
    const Ipv4Address from(prng.Next32());
    const Ipv4Address to = map.Map(from);
    EXPECT_EQ(ipv4_is_multicast(from), ipv4_is_multicast(to));
    EXPECT_EQ(ipv4_is_loopback(from), ipv4_is_loopback(to));
    EXPECT_EQ(ipv4_is_private_10(from), ipv4_is_private_10(to));
    EXPECT_EQ(ipv4_is_private_172(from), ipv4_is_private_172(to));
    EXPECT_EQ(ipv4_is_private_192(from), ipv4_is_private_192(to));
    EXPECT_EQ(from.host() >> 24 == 0, to.host() >> 24 == 0);
  }
}

TEST(AddressMap, NoTwoAddressesBecomeOne) {
  const AddressMap map(kSeed);
  std::set<uint32_t> seen;
  for (uint32_t i = 0; i < 65'536; ++i) {
    EXPECT_TRUE(seen.insert(map.Map(Ipv4Address(0x08080000 + i)).host()).second);
  }
}

TEST(AddressMap, IdentifiersAndGroupsFollowTheirAddresses) {
  const AddressMap map(kSeed);
  const MacAddress mac = *MacAddress::Parse("00:1b:21:0a:0b:0c");
  const MacAddress to = map.Map(mac);
  EXPECT_NE(to, mac);
  const Ipv6Address own = map.Map(*Ipv6Address::Parse("fe80::21b:21ff:fe0a:b0c"));
  EXPECT_EQ(own.group(0), 0xfe80);
  EXPECT_EQ(own.group(3), 0);
  EXPECT_EQ(own.bytes()[8], to.bytes()[0] ^ 2);
  EXPECT_EQ(own.bytes()[15], to.bytes()[5]);
  const Ipv6Address some = *Ipv6Address::Parse("2001:db8::aa:bbcc");
  EXPECT_EQ(map.Map(addrconf_addr_solict_mult(some)), addrconf_addr_solict_mult(map.Map(some)));
  EXPECT_EQ(map.Map(MacAddress::ForMulticast(addrconf_addr_solict_mult(some))),
            MacAddress::ForMulticast(addrconf_addr_solict_mult(map.Map(some))));
}

TEST(AddressMap, DependsOnTheSeedAlone) {
  const Ipv4Address address(8, 8, 8, 8);
  EXPECT_EQ(AddressMap(1).Map(address), AddressMap(1).Map(address));
  EXPECT_NE(AddressMap(1).Map(address), AddressMap(2).Map(address));
}

class Anonymise : public ::testing::Test {
 protected:
  FrameBytes Rewrite(FrameBytes frame) const {
    anonymiser_.RewriteFrame(frame, frame.size());
    return frame;
  }
  static bool ChecksumsRight(const FrameBytes& frame) {
    FrameBytes repaired = frame;
    wire::RepairChecksums(repaired);
    return repaired == frame;
  }
  // The bytes of `needle` are nowhere in `frame`.
  static bool Lacks(const FrameBytes& frame, std::span<const uint8_t> needle) {
    return std::search(frame.begin(), frame.end(), needle.begin(), needle.end()) == frame.end();
  }

  Anonymiser anonymiser_{kSeed};
};

// A real-looking connection outside of private networks.
Connection PublicConnection() {
  return Connection({Ipv4Address(81, 2, 3, 4), uint16_t{40000}},
                    {Ipv4Address(151, 5, 6, 7), uint16_t{443}});
}

TEST_F(Anonymise, AddressesAndPayloadGoAndTheRestStays) {
  const Segment segment = PublicConnection().Data(kClient, "user=alice password=secret");
  const FrameBytes before = TcpFrame(segment);
  const FrameBytes after = Rewrite(before);
  ASSERT_EQ(after.size(), before.size());
  EXPECT_TRUE(ChecksumsRight(after));
  EXPECT_TRUE(Lacks(after, std::span(before).subspan(26, 4)));
  EXPECT_TRUE(Lacks(after, std::span(before).subspan(30, 4)));
  EXPECT_TRUE(Lacks(after, std::span(before).first(6)));
  EXPECT_TRUE(Lacks(after, std::span(before).subspan(54, 5)));
  EXPECT_TRUE(std::equal(before.begin() + 34, before.begin() + 50, after.begin() + 34))
      << "ports, sequence numbers, flags, window";
  EXPECT_TRUE(std::equal(before.begin() + 12, before.begin() + 24, after.begin() + 12));
}

TEST_F(Anonymise, RetransmissionsRepeatTheirBytesHoweverTheyAreCut) {
  Connection tcp = PublicConnection();
  const uint32_t start = tcp.next(kClient);
  const FrameBytes whole = Rewrite(TcpFrame(tcp.Data(kClient, Text(100))));
  tcp.next(kClient) = start + 37;
  const FrameBytes part = Rewrite(TcpFrame(tcp.Data(kClient, Text(63, 37))));
  EXPECT_TRUE(std::equal(part.begin() + 54, part.end(), whole.begin() + 54 + 37));
}

TEST_F(Anonymise, SequenceNumbersMayWrap) {
  Connection tcp = PublicConnection();
  tcp.next(kClient) = 0xffffffff - 9;
  const FrameBytes whole = Rewrite(TcpFrame(tcp.Data(kClient, Text(40))));
  tcp.next(kClient) = 3;
  const FrameBytes part = Rewrite(TcpFrame(tcp.Data(kClient, Text(10))));
  EXPECT_TRUE(std::equal(part.begin() + 54, part.end(), whole.begin() + 54 + 13));
}

TEST_F(Anonymise, ChecksumsStayAsRightOrWrongAsTheyWere) {
  Segment segment = PublicConnection().Data(kClient, Text(50));
  segment.sum = Sum::kBad;
  EXPECT_FALSE(ChecksumsRight(Rewrite(TcpFrame(segment))));
  segment.sum = Sum::kZero;
  const FrameBytes zero = Rewrite(TcpFrame(segment));
  EXPECT_EQ(LoadBe16(zero.data() + 50), 0);
  segment.sum = Sum::kPartial;
  const FrameBytes partial = Rewrite(TcpFrame(segment));
  const wire::PseudoHeader pseudo(Ipv4Address(LoadBe32(partial.data() + 26)),
                                  Ipv4Address(LoadBe32(partial.data() + 30)));
  EXPECT_EQ(LoadBe16(partial.data() + 50), pseudo.PartialChecksum(wire::kIpProtoTcp, 70));
  Datagram datagram;
  datagram.ip.source = Ipv4Address(81, 2, 3, 4);
  datagram.payload = "hello";
  datagram.sum = Sum::kZero;
  EXPECT_EQ(LoadBe16(Rewrite(UdpFrame(datagram)).data() + 40), 0);
}

TEST_F(Anonymise, FragmentsStillAddUp) {
  const FrameBytes whole = TcpFrame(PublicConnection().Data(kClient, Text(100)));
  FrameBytes together(whole.begin(), whole.begin() + 34);
  for (const auto& [from, to] : {std::pair(0, 64), std::pair(64, 120)}) {
    FrameBytes frame(whole.begin(), whole.begin() + 34);
    frame.insert(frame.end(), whole.begin() + 34 + from, whole.begin() + 34 + to);
    auto* const ip = wire::OverlayMutable<wire::Ipv4Header>(std::span(frame).subspan(14));
    ip->tot_len = static_cast<uint16_t>(frame.size() - 14);
    ip->frag_off = static_cast<uint16_t>(from / 8 | (to < 120 ? wire::kIpv4MoreFragments : 0));
    wire::FillIpv4Checksum(ip);
    const FrameBytes after = Rewrite(frame);
    EXPECT_TRUE(wire::Ipv4ChecksumOk(
        wire::Overlay<wire::Ipv4Header>(std::span<const uint8_t>(after).subspan(14))));
    if (from == 0) std::copy_n(after.begin(), 34, together.begin());
    together.insert(together.end(), after.begin() + 34, after.end());
  }
  auto* const ip = wire::OverlayMutable<wire::Ipv4Header>(std::span(together).subspan(14));
  ip->tot_len = static_cast<uint16_t>(together.size() - 14);
  ip->frag_off = uint16_t{0};
  wire::FillIpv4Checksum(ip);
  EXPECT_TRUE(ChecksumsRight(together)) << "the TCP checksum holds over both fragments";
  EXPECT_FALSE(std::equal(together.begin() + 60, together.end(), whole.begin() + 60));
}

TEST_F(Anonymise, QuotesInIcmpErrorsNameTheSameConnection) {
  const FrameBytes segment = TcpFrame(PublicConnection().Data(kClient, Text(30)));
  std::vector<uint8_t> buffer(256);
  wire::Ipv4Header ip;
  ip.ttl = 64;
  ip.saddr = Ipv4Address(99, 9, 9, 9);
  ip.daddr = Ipv4Address(81, 2, 3, 4);
  wire::IcmpHeader icmp;
  icmp.type = wire::kIcmpDestUnreachable;
  icmp.code = wire::kIcmpFragmentationNeeded;
  const std::span<uint8_t> built =
      wire::FrameBuilder(buffer)
          .Ethernet(MacAddress{2, 0, 0, 0, 0, 1}, MacAddress{2, 0, 0, 0, 0, 2})
          .Ipv4(ip)
          .Icmp(icmp)
          .Payload(std::span(segment).subspan(14, 28))
          .Build();
  const FrameBytes error = Rewrite({built.begin(), built.end()});
  const FrameBytes original = Rewrite(segment);
  EXPECT_TRUE(ChecksumsRight(error));
  EXPECT_TRUE(std::equal(error.begin() + 42, error.end(), original.begin() + 14))
      << "IP header with its checksum, ports and sequence number";
}

TEST_F(Anonymise, ArpAndNeighbourDiscoverySpeakOfTheSameHosts) {
  const AddressMap map(kSeed);
  std::vector<uint8_t> buffer(256);
  wire::ArpPacket arp;
  arp.ar_op = uint16_t{1};
  arp.ar_sha = MacAddress{0, 0x1b, 0x21, 1, 2, 3};
  arp.ar_sip = Ipv4Address(81, 2, 3, 4);
  arp.ar_tip = Ipv4Address(81, 2, 3, 5);
  const std::span<uint8_t> built =
      wire::FrameBuilder(buffer).Ethernet(kMacBroadcast, arp.ar_sha).Arp(arp).PadTo().Build();
  FrameBytes before(built.begin(), built.end());
  before.back() = 0x77;  // something left in the padding
  const FrameBytes after = Rewrite(before);
  const auto& to = *wire::Overlay<wire::ArpPacket>(std::span<const uint8_t>(after).subspan(14));
  EXPECT_EQ(to.ar_sha, map.Map(arp.ar_sha));
  EXPECT_EQ(to.ar_sip, map.Map(arp.ar_sip));
  EXPECT_EQ(to.ar_tip, map.Map(arp.ar_tip));
  EXPECT_TRUE(to.ar_tha.IsZero());
  EXPECT_EQ(after.back(), 0);
  EXPECT_TRUE(std::all_of(after.begin(), after.begin() + 6, [](uint8_t b) { return b == 0xff; }));

  const Ipv6Address target = *Ipv6Address::Parse("2001:db8::aa:bbcc");
  std::vector<uint8_t> body(24);
  std::copy(target.bytes().begin(), target.bytes().end(), body.begin());
  body[16] = 1;
  body[17] = 1;
  std::copy(arp.ar_sha.bytes().begin(), arp.ar_sha.bytes().end(), body.begin() + 18);
  wire::Ipv6Header ip6;
  ip6.hop_limit = 255;
  ip6.saddr = *Ipv6Address::Parse("2001:db8::1");
  ip6.daddr = addrconf_addr_solict_mult(target);
  wire::Icmpv6Header icmp6;
  icmp6.type = wire::kIcmpv6NeighbourSolicitation;
  const std::span<uint8_t> solicitation =
      wire::FrameBuilder(buffer)
          .Ethernet(MacAddress::ForMulticast(ip6.daddr), arp.ar_sha)
          .Ipv6(ip6)
          .Icmpv6(icmp6)
          .Payload(body)
          .Build();
  const FrameBytes nd = Rewrite({solicitation.begin(), solicitation.end()});
  EXPECT_TRUE(ChecksumsRight(nd));
  const Ipv6Address new_target(std::span<const uint8_t, 16>(&nd[62], 16));
  EXPECT_EQ(new_target, map.Map(target));
  EXPECT_EQ(Ipv6Address(std::span<const uint8_t, 16>(&nd[38], 16)),
            addrconf_addr_solict_mult(new_target));
  EXPECT_EQ(MacAddress(std::span<const uint8_t, 6>(&nd[80], 6)), map.Map(arp.ar_sha));
}

TEST_F(Anonymise, CutFramesAreRewrittenAsFarAsTheyGo) {
  const FrameBytes whole = TcpFrame(PublicConnection().Data(kClient, Text(100)));
  for (size_t size = 0; size < whole.size(); ++size) {
    FrameBytes cut(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size));
    anonymiser_.RewriteFrame(cut, whole.size());
    EXPECT_EQ(cut.size(), size);
    EXPECT_TRUE(size < 34 || Lacks(cut, std::span(whole).subspan(26, 4))) << size;
  }
}

TEST_F(Anonymise, AnyBytesAreTaken) {
  Prng prng(4, 1);
  const FrameBytes seed = TcpFrame(PublicConnection().Data(kClient, Text(60)));
  for (int i = 0; i < 6'000; ++i) {
    FrameBytes frame = seed;
    for (int k = 0; k < 4; ++k) {
      frame[12 + prng.Below(60)] = static_cast<uint8_t>(prng.Next32());
    }
    frame.resize(prng.Below(static_cast<uint32_t>(frame.size())) + 1);
    anonymiser_.RewriteFrame(frame, frame.size());
  }
}

TEST_F(Anonymise, CookedRecordsKeepTheirLinkHeaderWithAnotherSender) {
  FrameBytes cooked = {0, 0, 0, 1, 0, 6, 0, 0x1b, 0x21, 1, 2, 3, 0, 0, 8, 0};
  const FrameBytes frame = TcpFrame(PublicConnection().Ack(kServer));
  cooked.insert(cooked.end(), frame.begin() + 14, frame.end());
  capture::Record record;
  record.link_type = capture::LinkType::kLinuxSll;
  record.data = cooked;
  record.original_length_bytes = static_cast<uint32_t>(cooked.size());
  const std::vector<uint8_t> after = anonymiser_.Rewrite(record);
  ASSERT_EQ(after.size(), cooked.size());
  EXPECT_EQ(MacAddress(std::span<const uint8_t, 6>(&after[6], 6)),
            AddressMap(kSeed).Map(MacAddress{0, 0x1b, 0x21, 1, 2, 3}));
  EXPECT_EQ(LoadBe16(&after[14]), 0x0800);
  record.link_type = capture::LinkType::kIeee80211;
  EXPECT_TRUE(anonymiser_.Rewrite(record).empty()) << "nobody knows where its addresses are";
}

}  // namespace
}  // namespace tapedeck
