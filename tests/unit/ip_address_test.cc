#include "stack/base/ip_address.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "stack/base/prng.h"

namespace tapedeck {
namespace {

Ipv6Address V6(std::string_view text) {
  const auto address = Ipv6Address::Parse(text);
  EXPECT_TRUE(address.has_value()) << text;
  return address.value_or(Ipv6Address());
}

TEST(Ipv4AddressText, RoundTrips) {
  for (const char* text : {"0.0.0.0", "10.0.0.1", "192.168.255.199", "255.255.255.255"}) {
    const auto address = Ipv4Address::Parse(text);
    ASSERT_TRUE(address.has_value()) << text;
    EXPECT_EQ(address->ToString(), text);
  }
  EXPECT_EQ(Ipv4Address::Parse("10.0.0.1")->host(), 0x0a000001U);
  EXPECT_EQ(Ipv4Address(10, 0, 0, 1).wire(), be32(0x0a000001));
}

TEST(Ipv4AddressText, RefusesAnythingElse) {
  for (const char* text : {"", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "1.2.3.4.5", ".1.2.3", "1..2.3",
                           "256.0.0.1", "01.2.3.4", "1.2.3.00", "1.2.3.4 ", " 1.2.3.4", "1.2.3.-4",
                           "1.2.3.0x4", "1.2.3.99999999999", "a.b.c.d", "+1.2.3.4"}) {
    EXPECT_FALSE(Ipv4Address::Parse(text).has_value()) << text;
  }
}

TEST(Ipv4AddressKind, Predicates) {
  EXPECT_TRUE(ipv4_is_loopback({127, 255, 0, 1}));
  EXPECT_FALSE(ipv4_is_loopback({128, 0, 0, 1}));
  EXPECT_TRUE(ipv4_is_multicast({224, 0, 0, 0}));
  EXPECT_TRUE(ipv4_is_multicast({239, 255, 255, 255}));
  EXPECT_FALSE(ipv4_is_multicast({240, 0, 0, 0}));
  EXPECT_TRUE(ipv4_is_local_multicast({224, 0, 0, 251}));
  EXPECT_FALSE(ipv4_is_local_multicast({224, 0, 1, 0}));
  EXPECT_TRUE(ipv4_is_lbcast(kIpv4Broadcast));
  EXPECT_FALSE(ipv4_is_lbcast({255, 255, 255, 254}));
  EXPECT_TRUE(ipv4_is_zeronet(kIpv4Any));
  EXPECT_FALSE(ipv4_is_zeronet({0, 0, 0, 1}));
  EXPECT_TRUE(ipv4_is_private_10({10, 9, 8, 7}));
  EXPECT_TRUE(ipv4_is_private_172({172, 31, 255, 255}));
  EXPECT_FALSE(ipv4_is_private_172({172, 32, 0, 0}));
  EXPECT_TRUE(ipv4_is_private_192({192, 168, 1, 1}));
  EXPECT_TRUE(ipv4_is_linklocal_169({169, 254, 1, 1}));
}

TEST(Ipv6AddressText, CanonicalFormOfRfc5952) {
  const struct {
    const char* text;
    const char* canonical;
  } cases[] = {
      {"::", "::"},
      {"::1", "::1"},
      {"1::", "1::"},
      {"0:0:0:0:0:0:0:0", "::"},
      {"2001:0DB8:0:0:0:0:0:0001", "2001:db8::1"},
      {"2001:db8::1:1:1:1:1", "2001:db8:0:1:1:1:1:1"},  // 4.2.2: one group is written out
      {"2001:0:0:1:0:0:0:1", "2001:0:0:1::1"},          // 4.2.3: the longest run
      {"2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"},    // 4.2.3: the first of equal runs
      {"fe80::a00:27ff:fe4e:66a1", "fe80::a00:27ff:fe4e:66a1"},
      {"1:2:3:4:5:6:7:8", "1:2:3:4:5:6:7:8"},
      {"1:2:3:4:5:6:7::", "1:2:3:4:5:6:7:0"},
      {"::2:3:4:5:6:7:8", "0:2:3:4:5:6:7:8"},
      {"::ffff:192.0.2.1", "::ffff:192.0.2.1"},  // section 5: a known IPv4 part
      {"::FFFF:c000:0201", "::ffff:192.0.2.1"},
      {"64:ff9b::192.0.2.33", "64:ff9b::c000:221"},
      {"1:2:3:4:5:6:1.2.3.4", "1:2:3:4:5:6:102:304"},
  };
  for (const auto& c : cases) EXPECT_EQ(V6(c.text).ToString(), c.canonical) << c.text;
}

TEST(Ipv6AddressText, RefusesAnythingElse) {
  for (const char* text : {"",
                           ":",
                           ":::",
                           "1",
                           "1:2:3:4:5:6:7",
                           "1:2:3:4:5:6:7:8:9",
                           "1::2::3",
                           ":1:2:3:4:5:6:7:8",
                           "1:2:3:4:5:6:7:8:",
                           "1:2:3:4:5:6:7:",
                           "12345::",
                           "g::",
                           "::1.2.3",
                           "::1.2.3.4.5",
                           "1.2.3.4::",
                           "::1.2.3.4:5",
                           "1:2:3:4:5:6:7:1.2.3.4",
                           "1:2:3:4:5:6:7:8::",
                           "::1 ",
                           "fe80::1%lo",
                           "1:2:3:4::5:6:7:8",
                           "[::1]"}) {
    EXPECT_FALSE(Ipv6Address::Parse(text).has_value()) << text;
  }
}

// The C library agrees about random addresses in both directions (its text differs only for
// ::a.b.c.d).
TEST(Ipv6AddressText, AgreesWithTheCLibrary) {
  Prng prng(7, 1);
  for (int i = 0; i < 5000; ++i) {
    std::array<uint16_t, 8> groups;
    for (uint16_t& g : groups) g = static_cast<uint16_t>(prng.Below(2) ? 0 : prng.Below(65536));
    const Ipv6Address address(groups);
    const bool compat = (ipv6_addr_type(address) & IPV6_ADDR_COMPATv4) != 0;
    char text[INET6_ADDRSTRLEN];
    ASSERT_NE(inet_ntop(AF_INET6, address.bytes().data(), text, sizeof text), nullptr);
    EXPECT_EQ(V6(text), address);
    if (!compat) {
      EXPECT_EQ(address.ToString(), text);
    }
    uint8_t parsed[16];
    ASSERT_EQ(inet_pton(AF_INET6, address.ToString().c_str(), parsed), 1);
    EXPECT_EQ(Ipv6Address(parsed), address);
  }
}

// Whatever the bytes, our parsers accept exactly what inet_pton accepts.
TEST(AddressText, AcceptsWhatTheCLibraryAccepts) {
  Prng prng(8, 1);
  constexpr std::string_view kAlphabet = "0125f:.:.";
  for (int i = 0; i < 200000; ++i) {
    std::string text;
    for (uint32_t n = prng.Below(14); n > 0; --n) {
      text += kAlphabet[prng.Below(static_cast<uint32_t>(kAlphabet.size()))];
    }
    uint8_t bytes[16];
    EXPECT_EQ(Ipv4Address::Parse(text).has_value(), inet_pton(AF_INET, text.c_str(), bytes) == 1)
        << text;
    EXPECT_EQ(Ipv6Address::Parse(text).has_value(), inet_pton(AF_INET6, text.c_str(), bytes) == 1)
        << text;
  }
}

TEST(Ipv6AddressKind, TypesAsInTheKernel) {
  const struct {
    const char* text;
    uint32_t type;
  } cases[] = {
      {"::", IPV6_ADDR_ANY},
      {"::1", IPV6_ADDR_LOOPBACK | IPV6_ADDR_UNICAST},
      {"::2", IPV6_ADDR_COMPATv4 | IPV6_ADDR_UNICAST},
      {"::ffff:10.0.0.1", IPV6_ADDR_MAPPED},
      {"::1:0:0", IPV6_ADDR_UNICAST},
      {"2001:db8::1", IPV6_ADDR_UNICAST},
      {"fc00::1", IPV6_ADDR_UNICAST},
      {"fe80::1", IPV6_ADDR_LINKLOCAL | IPV6_ADDR_UNICAST},
      {"febf::1", IPV6_ADDR_LINKLOCAL | IPV6_ADDR_UNICAST},
      {"fec0::1", IPV6_ADDR_SITELOCAL | IPV6_ADDR_UNICAST},
      {"ff01::1", IPV6_ADDR_LOOPBACK | IPV6_ADDR_MULTICAST},
      {"ff02::1", IPV6_ADDR_LINKLOCAL | IPV6_ADDR_MULTICAST},
      {"ff05::1", IPV6_ADDR_SITELOCAL | IPV6_ADDR_MULTICAST},
      {"ff0e::1", IPV6_ADDR_MULTICAST},
      {"ff12::1", IPV6_ADDR_LINKLOCAL | IPV6_ADDR_MULTICAST},
  };
  for (const auto& c : cases) EXPECT_EQ(ipv6_addr_type(V6(c.text)), c.type) << c.text;
  EXPECT_EQ(addrconf_addr_solict_mult(V6("fe80::2aa:ff:fe28:9c5a")), V6("ff02::1:ff28:9c5a"));
}

TEST(IpAddressBoth, KeepsTheFamilyApart) {
  const IpAddress v4 = Ipv4Address(10, 0, 0, 1);
  const IpAddress mapped = V6("::ffff:10.0.0.1");
  EXPECT_NE(v4, mapped);
  EXPECT_EQ(v4.v6(), mapped.v6());
  EXPECT_EQ(mapped.Unmapped(), v4);
  EXPECT_EQ(v4.Unmapped(), v4);
  EXPECT_EQ(v4.v4(), Ipv4Address(10, 0, 0, 1));
  EXPECT_EQ(*IpAddress::Parse("10.0.0.1"), v4);
  EXPECT_EQ(*IpAddress::Parse("::1"), IpAddress(kIpv6Loopback));
  EXPECT_FALSE(IpAddress::Parse("localhost").has_value());
  EXPECT_EQ(v4.ToString(), "10.0.0.1");
  EXPECT_EQ(IpAddress().ToString(), "none");
  EXPECT_TRUE(IpAddress(kIpv4Any).IsAny());
  EXPECT_TRUE(IpAddress(kIpv6Any).IsAny());
  EXPECT_TRUE(IpAddress(kIpv6AllNodes).IsMulticast());
  EXPECT_TRUE(IpAddress(kIpv4AllHosts).IsMulticast());
  EXPECT_TRUE(IpAddress(kIpv4Loopback).IsLoopback());
}

TEST(MacAddressText, RoundTripsAndKinds) {
  const auto mac = MacAddress::Parse("02:00:5e:aB:0C:ff");
  ASSERT_TRUE(mac.has_value());
  EXPECT_EQ(mac->ToString(), "02:00:5e:ab:0c:ff");
  EXPECT_EQ(MacAddress::Parse("02-00-5e-ab-0c-ff"), mac);
  for (const char* text :
       {"", "02:00:5e:ab:0c", "02:00:5e:ab:0c:f", "02:00:5e:ab:0c:fff", "02:00-5e:ab:0c:ff",
        "02:00:5e:ab:0c:fg", "2:00:5e:ab:0c:ff1", "02005eab0cff"}) {
    EXPECT_FALSE(MacAddress::Parse(text).has_value()) << text;
  }
  EXPECT_TRUE(mac->IsLocal() && mac->IsValidStation() && !mac->IsMulticast());
  EXPECT_TRUE(kMacBroadcast.IsBroadcast() && kMacBroadcast.IsMulticast());
  EXPECT_TRUE(MacAddress().IsZero() && !MacAddress().IsValidStation());
  EXPECT_EQ(MacAddress::ForMulticast(Ipv4Address(239, 129, 2, 3)).ToString(), "01:00:5e:01:02:03");
  EXPECT_EQ(MacAddress::ForMulticast(V6("ff02::1:ff28:9c5a")).ToString(), "33:33:ff:28:9c:5a");
}

TEST(EndpointText, RoundTrips) {
  for (const char* text : {"10.0.0.1:80", "0.0.0.0:0", "[2001:db8::1]:65535", "[::]:1"}) {
    const auto endpoint = Endpoint::Parse(text);
    ASSERT_TRUE(endpoint.has_value()) << text;
    EXPECT_EQ(endpoint->ToString(), text);
  }
  for (const char* text : {"", ":80", "10.0.0.1", "10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:080",
                           "::1:80", "[::1]", "[::1:80", "[10.0.0.1]:80", "10.0.0.1:8 "}) {
    EXPECT_FALSE(Endpoint::Parse(text).has_value()) << text;
  }
}

TEST(Ipv4PrefixTest, ContainsAndPrints) {
  const Ipv4Prefix net({192, 168, 7, 9}, 20);
  EXPECT_EQ(net.ToString(), "192.168.0.0/20");
  EXPECT_EQ(net.last(), Ipv4Address(192, 168, 15, 255));
  EXPECT_TRUE(net.Contains({192, 168, 15, 255}));
  EXPECT_FALSE(net.Contains({192, 168, 16, 0}));
  EXPECT_TRUE(Ipv4Prefix().Contains(kIpv4Broadcast));
  EXPECT_TRUE(Ipv4Prefix({1, 2, 3, 4}, 32).Contains({1, 2, 3, 4}));
  EXPECT_FALSE(Ipv4Prefix({1, 2, 3, 4}, 32).Contains({1, 2, 3, 5}));
  EXPECT_EQ(Ipv4Prefix::Parse("192.168.0.0/20"), net);
  EXPECT_EQ(Ipv4Prefix::Parse("0.0.0.0/0"), Ipv4Prefix());
  for (const char* text :
       {"", "10.0.0.0", "10.0.0.0/", "10.0.0.0/33", "10.0.0.1/8", "10.0.0.0/08", "/8"}) {
    EXPECT_FALSE(Ipv4Prefix::Parse(text).has_value()) << text;
  }
  EXPECT_EQ(inet_make_mask(0), 0U);
  EXPECT_EQ(inet_make_mask(1), 0x80000000U);
  EXPECT_EQ(inet_make_mask(32), 0xffffffffU);
}

}  // namespace
}  // namespace tapedeck
