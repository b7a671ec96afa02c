// Every link type on its way to Ethernet, and every reason for which a record stays behind.
#include "replay/capture/link_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "capture_bytes.h"  // beside this file

namespace tapedeck::capture {
namespace {

using std::endian;
using ::testing::ElementsAre;

// The smallest packets that have addresses: 10.0.0.1 to 10.0.0.2, and fe80::1 to fe80::2.
Bytes Ipv4Packet(uint32_t destination = 0x0a000002) {
  return Bytes(endian::big).U32(0x45000014).U32(0).U32(0x40110000).U32(0x0a000001).U32(destination);
}
Bytes Ipv6Packet(uint64_t destination_high = 0xfe80000000000000) {
  return Bytes(endian::big)
      .U32(0x60000000)
      .U32(0x00003b40)
      .U64(0xfe80000000000000)
      .U64(1)
      .U64(destination_high)
      .U64(2);
}
Bytes ArpPacket(uint16_t operation) {
  return Bytes(endian::big)
      .U16(1)
      .U16(0x0800)
      .U8(6)
      .U8(4)
      .U16(operation)
      .U16(0xaaaa)
      .U32(0xaaaaaaaa)
      .U32(0x0a000001)
      .U16(0xbbbb)
      .U32(0xbbbbbbbb)
      .U32(0x0a000002);
}

Bytes Sll(uint16_t packet_type, uint16_t protocol, const Bytes& packet, uint16_t arphrd = 1) {
  return Bytes(endian::big)
      .U16(packet_type)
      .U16(arphrd)
      .U16(6)
      .U64(0x0011223344550000)
      .U16(protocol)
      .Raw(packet.get());
}
Bytes Sll2(uint8_t packet_type, uint16_t protocol, const Bytes& packet) {
  return Bytes(endian::big)
      .U16(protocol)
      .U16(0)
      .U32(7)
      .U16(1)
      .U8(packet_type)
      .U8(6)
      .U64(0x0011223344550000)
      .Raw(packet.get());
}

class LinkLayer : public ::testing::Test {
 protected:
  // Converts a whole frame of `link_type`.
  SkipReason Convert(LinkType link_type, const Bytes& bytes) {
    bytes_ = bytes.get();
    record_ = Record();
    record_.link_type = link_type;
    record_.data = bytes_;
    record_.original_length_bytes = static_cast<uint32_t>(bytes_.size());
    return Convert();
  }
  // The same record again, after the test has changed it.
  SkipReason Convert() {
    const SkipReason reason = ToEthernet(record_, frame_);
    if (reason != SkipReason::kNone) return reason;
    copy_.assign(frame_.size_bytes(), 0);
    frame_.CopyTo(copy_);
    return reason;
  }
  MacAddress Destination() const { return Mac(0); }
  MacAddress Source() const { return Mac(6); }
  uint16_t Ethertype() const { return LoadBe16(copy_.data() + 12); }
  std::vector<uint8_t> Payload() const { return {copy_.begin() + 14, copy_.end()}; }

  std::vector<uint8_t> bytes_;
  Record record_;
  EthernetFrame frame_;
  std::vector<uint8_t> copy_;

 private:
  MacAddress Mac(size_t offset) const {
    MacAddress mac;
    std::copy_n(copy_.begin() + static_cast<std::ptrdiff_t>(offset), mac.size(), mac.begin());
    return mac;
  }
};

constexpr MacAddress kHost1 = {2, 0, 10, 0, 0, 1};
constexpr MacAddress kHost2 = {2, 0, 10, 0, 0, 2};
constexpr MacAddress kEveryone = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

TEST_F(LinkLayer, EthernetGoesThroughUntouched) {
  const Bytes bytes = Bytes().Raw("destinsource8.tagged or whatever");
  ASSERT_EQ(Convert(LinkType::kEthernet, bytes), SkipReason::kNone);
  EXPECT_EQ(copy_, bytes.get());
  EXPECT_EQ(frame_.payload.data(), bytes_.data()) << "not copied";
  EXPECT_FALSE(frame_.synthesised);
  EXPECT_FALSE(frame_.truncated());
}

TEST_F(LinkLayer, RawIpTellsItsVersionItself) {
  for (const LinkType link_type : {LinkType::kRaw, LinkType::kRaw12, LinkType::kRaw14}) {
    ASSERT_EQ(Convert(link_type, Ipv4Packet()), SkipReason::kNone);
    EXPECT_EQ(Ethertype(), 0x0800);
    EXPECT_EQ(Destination(), kHost2);
    EXPECT_EQ(Source(), kHost1);
    EXPECT_EQ(Payload(), Ipv4Packet().get());
    EXPECT_TRUE(frame_.synthesised);
    EXPECT_EQ(frame_.original_length_bytes, 34u);
    ASSERT_EQ(Convert(link_type, Ipv6Packet()), SkipReason::kNone);
    EXPECT_EQ(Ethertype(), 0x86dd);
    EXPECT_EQ(Convert(link_type, Bytes().Raw("plain text, no IP packet")), SkipReason::kNotIp);
  }
}

TEST_F(LinkLayer, Ipv4AndIpv6LinkTypes) {
  ASSERT_EQ(Convert(LinkType::kIpv4, Ipv4Packet()), SkipReason::kNone);
  EXPECT_EQ(Ethertype(), 0x0800);
  ASSERT_EQ(Convert(LinkType::kIpv6, Ipv6Packet()), SkipReason::kNone);
  EXPECT_EQ(Ethertype(), 0x86dd);
  EXPECT_EQ(Payload(), Ipv6Packet().get());
}

TEST_F(LinkLayer, MulticastAndBroadcastGetTheirAddresses) {
  ASSERT_EQ(Convert(LinkType::kIpv4, Ipv4Packet(0xe08001fb)), SkipReason::kNone);
  EXPECT_THAT(Destination(), ElementsAre(1, 0, 0x5e, 0, 1, 0xfb)) << "RFC 1112: 23 bits";
  ASSERT_EQ(Convert(LinkType::kIpv4, Ipv4Packet(0xffffffff)), SkipReason::kNone);
  EXPECT_EQ(Destination(), kEveryone);
  ASSERT_EQ(Convert(LinkType::kIpv6, Ipv6Packet(0xff02000000000000)), SkipReason::kNone);
  EXPECT_THAT(Destination(), ElementsAre(0x33, 0x33, 0, 0, 0, 2));
}

TEST_F(LinkLayer, EachIpv6HostHasItsOwnAddress) {
  std::set<MacAddress> seen;
  for (uint8_t prefix = 0; prefix < 200; ++prefix) {
    std::array<uint8_t, 16> address = {0x20, 0x01, prefix};
    address[15] = 1;
    const MacAddress mac = MacFromIpv6(address.data());
    EXPECT_EQ(mac[0], 2) << "local and unicast";
    seen.insert(mac);
  }
  EXPECT_EQ(seen.size(), 200u);
}

TEST_F(LinkLayer, NullHasItsFamilyInEitherByteOrder) {
  for (const endian order : {endian::little, endian::big}) {
    ASSERT_EQ(Convert(LinkType::kNull, Bytes(order).U32(2).Raw(Ipv4Packet().get())),
              SkipReason::kNone);
    EXPECT_EQ(Ethertype(), 0x0800);
    EXPECT_EQ(Payload(), Ipv4Packet().get());
    EXPECT_EQ(frame_.original_length_bytes, 34u);
    for (const uint32_t family : {10u, 23u, 24u, 28u, 30u}) {
      ASSERT_EQ(Convert(LinkType::kNull, Bytes(order).U32(family).Raw(Ipv6Packet().get())),
                SkipReason::kNone);
      EXPECT_EQ(Ethertype(), 0x86dd);
    }
    EXPECT_EQ(Convert(LinkType::kNull, Bytes(order).U32(7).Raw(Ipv4Packet().get())),
              SkipReason::kNotIp);
  }
}

TEST_F(LinkLayer, LoopHasItsFamilyInNetworkOrder) {
  ASSERT_EQ(Convert(LinkType::kLoop, Bytes(endian::big).U32(24).Raw(Ipv6Packet().get())),
            SkipReason::kNone);
  EXPECT_EQ(Ethertype(), 0x86dd);
}

TEST_F(LinkLayer, CookedIpGetsBothAddressesFromIp) {
  ASSERT_EQ(Convert(LinkType::kLinuxSll, Sll(0, 0x0800, Ipv4Packet())), SkipReason::kNone);
  EXPECT_EQ(Destination(), kHost2);
  EXPECT_EQ(Source(), kHost1) << "not the captured one: the other way round nobody would know it";
  EXPECT_EQ(Payload(), Ipv4Packet().get());
  EXPECT_EQ(frame_.original_length_bytes, 34u);
  ASSERT_EQ(Convert(LinkType::kLinuxSll2, Sll2(0, 0x86dd, Ipv6Packet())), SkipReason::kNone);
  EXPECT_EQ(Ethertype(), 0x86dd);
  EXPECT_EQ(frame_.system_interface_index, 7u);
}

TEST_F(LinkLayer, CookedPacketTypeTellsTheDirection) {
  constexpr Direction kExpected[] = {Direction::kInbound,  Direction::kInbound,
                                     Direction::kInbound,  Direction::kUnknown,
                                     Direction::kOutbound, Direction::kUnknown};
  for (uint8_t packet_type = 0; packet_type < std::size(kExpected); ++packet_type) {
    Convert(LinkType::kLinuxSll, Sll(packet_type, 0x0800, Ipv4Packet()));
    EXPECT_EQ(frame_.direction, kExpected[packet_type]) << int{packet_type};
    Convert(LinkType::kLinuxSll2, Sll2(packet_type, 0x0800, Ipv4Packet()));
    EXPECT_EQ(frame_.direction, kExpected[packet_type]) << int{packet_type};
  }
}

TEST_F(LinkLayer, DirectionOfTheRecordGoesFirst) {
  Convert(LinkType::kLinuxSll, Sll(4, 0x0800, Ipv4Packet()));
  record_.direction = Direction::kInbound;
  Convert();
  EXPECT_EQ(frame_.direction, Direction::kInbound);
}

TEST_F(LinkLayer, CookedBroadcastGoesToEveryone) {
  ASSERT_EQ(Convert(LinkType::kLinuxSll, Sll(1, 0x0800, Ipv4Packet(0x0a0000ff))),
            SkipReason::kNone);
  EXPECT_EQ(Destination(), kEveryone);
}

TEST_F(LinkLayer, CookedArpGoesWhereArpGoes) {
  ASSERT_EQ(Convert(LinkType::kLinuxSll, Sll(0, 0x0806, ArpPacket(1))), SkipReason::kNone);
  EXPECT_EQ(Destination(), kEveryone);
  EXPECT_EQ(Source(), kHost1);
  ASSERT_EQ(Convert(LinkType::kLinuxSll, Sll(0, 0x0806, ArpPacket(2))), SkipReason::kNone);
  EXPECT_EQ(Destination(), kHost2);
}

TEST_F(LinkLayer, OtherCookedProtocolsGoToEveryone) {
  ASSERT_EQ(Convert(LinkType::kLinuxSll, Sll(0, 0x88cc, Bytes().Raw("lldp"))), SkipReason::kNone);
  EXPECT_EQ(Ethertype(), 0x88cc);
  EXPECT_EQ(Destination(), kEveryone);
}

TEST_F(LinkLayer, CookedFramesWithoutAnEthertypeStayBehind) {
  EXPECT_EQ(Convert(LinkType::kLinuxSll, Sll(0, 4, Bytes().Raw("802.2"))),
            SkipReason::kNoEthertype);
  EXPECT_EQ(Convert(LinkType::kLinuxSll, Sll(0, 0x0800, Ipv4Packet(), 824)),
            SkipReason::kNoEthertype)
      << "netlink";
  EXPECT_EQ(Convert(LinkType::kLinuxSll2, Sll2(0, 1, Bytes().Raw("802.3"))),
            SkipReason::kNoEthertype);
}

TEST_F(LinkLayer, OtherLinkTypesStayBehind) {
  for (const int link_type : {242, 252, 4711}) {
    EXPECT_EQ(Convert(static_cast<LinkType>(link_type), Ipv4Packet()),
              SkipReason::kLinkTypeUnsupported);
  }
}

TEST_F(LinkLayer, WirelessFramesAreRefusedAsSuch) {
  EXPECT_EQ(Convert(LinkType::kIeee80211, Ipv4Packet()), SkipReason::kWireless);
  EXPECT_EQ(Convert(LinkType::kIeee80211Radiotap, Ipv4Packet()), SkipReason::kWireless);
}

TEST_F(LinkLayer, PppCarriesBothFamiliesWithAndWithoutAddressAndCompressed) {
  const Bytes ipv4 = Ipv4Packet();
  for (const std::string_view header :
       {std::string_view("\xff\x03\x00\x21", 4), std::string_view("\x00\x21", 2),
        std::string_view("\x21")}) {
    ASSERT_EQ(Convert(LinkType::kPpp, Bytes().Raw(header).Raw(ipv4.get())), SkipReason::kNone);
    EXPECT_EQ(Ethertype(), 0x0800);
    EXPECT_EQ(Payload(), ipv4.get());
    EXPECT_EQ(frame_.original_length_bytes, 14 + ipv4.size());
  }
  ASSERT_EQ(Convert(LinkType::kPppHdlc, Bytes(endian::big).U32(0xff030057).Raw(Ipv6Packet().get())),
            SkipReason::kNone);
  EXPECT_EQ(Ethertype(), 0x86dd);
  EXPECT_EQ(Convert(LinkType::kPpp, Bytes(endian::big).U32(0xff03c021).U32(0x01010004)),
            SkipReason::kPppControl);
  EXPECT_EQ(Convert(LinkType::kPpp, Bytes(endian::big).U16(0xff03)),
            SkipReason::kTruncatedLinkHeader);
}

TEST_F(LinkLayer, PppdTellsTheDirection) {
  ASSERT_EQ(Convert(LinkType::kPppPppd,
                    Bytes(endian::big).U8(0).U8(0xff).U8(3).U16(0x0021).Raw(Ipv4Packet().get())),
            SkipReason::kNone);
  EXPECT_EQ(frame_.direction, Direction::kInbound);
  ASSERT_EQ(Convert(LinkType::kPppPppd, Bytes(endian::big).U8(1).U8(0x21).Raw(Ipv4Packet().get())),
            SkipReason::kNone);
  EXPECT_EQ(frame_.direction, Direction::kOutbound);
}

TEST_F(LinkLayer, PppoeSessionsCarryPpp) {
  const Bytes session =
      Bytes(endian::big).U16(0x1100).U16(7).U16(22).U16(0x0021).Raw(Ipv4Packet().get());
  ASSERT_EQ(Convert(LinkType::kPppEther, session), SkipReason::kNone);
  EXPECT_EQ(Payload(), Ipv4Packet().get());
}

TEST_F(LinkLayer, NflogHidesThePacketAmongAttributesInEitherByteOrder) {
  const Bytes ipv4 = Ipv4Packet();
  for (const endian order : {endian::little, endian::big}) {
    Bytes log(order);
    log.U8(2).U8(0).U16(0);
    log.U16(9).U16(10).Raw("input").Pad();  // NFULA_PREFIX, padded
    log.U16(static_cast<uint16_t>(4 + ipv4.size())).U16(9).Raw(ipv4.get());
    log.U16(8).U16(3).U32(0);  // NFULA_MARK behind the packet
    ASSERT_EQ(Convert(LinkType::kNflog, log), SkipReason::kNone);
    EXPECT_EQ(Payload(), ipv4.get());
    EXPECT_EQ(frame_.original_length_bytes, 14 + ipv4.size());
    EXPECT_FALSE(frame_.truncated());
  }
  EXPECT_EQ(Convert(LinkType::kNflog, Bytes().U8(2).U8(0).U16(0)), SkipReason::kNoPayload);
  EXPECT_EQ(Convert(LinkType::kNflog, Bytes().U8(7).U8(0).U16(0)), SkipReason::kNotIp);
}

TEST_F(LinkLayer, EmptyRecordsStayBehind) {
  EXPECT_EQ(Convert(LinkType::kEthernet, Bytes()), SkipReason::kEmpty);
  EXPECT_EQ(Convert(LinkType::kRaw, Bytes()), SkipReason::kEmpty);
  EXPECT_EQ(Convert(LinkType::kLinuxSll, Sll(0, 0x0800, Bytes())), SkipReason::kEmpty);
}

// Every cut of every kind of frame is either too short for a reason or a frame flagged as cut.
TEST_F(LinkLayer, CutFramesSayWhy) {
  struct Case {
    LinkType link_type;
    Bytes bytes;
    size_t link_header_bytes;
    size_t needed_bytes;
    SkipReason between;
  };
  const Case cases[] = {
      {LinkType::kEthernet, Bytes().Raw("destinsource8.data"), 14, 14, SkipReason::kNone},
      {LinkType::kNull, Bytes().U32(2).Raw(Ipv4Packet().get()).Raw("data"), 4, 24,
       SkipReason::kTruncatedIpHeader},
      {LinkType::kLinuxSll, Sll(0, 0x86dd, Ipv6Packet()).Raw("data"), 16, 56,
       SkipReason::kTruncatedIpHeader},
      {LinkType::kLinuxSll2, Sll2(0, 0x0800, Ipv4Packet()).Raw("data"), 20, 40,
       SkipReason::kTruncatedIpHeader},
      {LinkType::kIpv4, Ipv4Packet().Raw("data"), 0, 20, SkipReason::kTruncatedIpHeader},
  };
  for (const Case& c : cases) {
    Convert(c.link_type, c.bytes);
    for (size_t size = 1; size < bytes_.size(); ++size) {
      SCOPED_TRACE(LinkTypeName(c.link_type) + " cut to " + std::to_string(size));
      record_.data = std::span(bytes_).first(size);
      const SkipReason reason = Convert();
      if (size < c.link_header_bytes) {
        EXPECT_EQ(reason, SkipReason::kTruncatedLinkHeader);
      } else if (size >= c.needed_bytes) {
        EXPECT_EQ(reason, SkipReason::kNone);
        EXPECT_TRUE(frame_.truncated());
      } else {
        EXPECT_EQ(reason, size == c.link_header_bytes ? SkipReason::kEmpty : c.between);
      }
    }
  }
}

TEST_F(LinkLayer, FcsIsStripped) {
  Convert(LinkType::kEthernet, Bytes().Raw("destinsource8.dataFCS!"));
  record_.fcs_bytes = 4;
  ASSERT_EQ(Convert(), SkipReason::kNone);
  EXPECT_EQ(Payload(), Bytes().Raw("data").get());
  EXPECT_EQ(frame_.fcs_stripped_bytes, 4);
  EXPECT_FALSE(frame_.truncated());
}

TEST_F(LinkLayer, OnlyTheCapturedPartOfTheFcsIsStripped) {
  Convert(LinkType::kEthernet, Bytes().Raw("destinsource8.dataFCS!"));
  record_.fcs_bytes = 4;
  record_.data = std::span(bytes_).first(19);  // one byte of the FCS
  ASSERT_EQ(Convert(), SkipReason::kNone);
  EXPECT_EQ(Payload(), Bytes().Raw("data").get());
  EXPECT_EQ(frame_.fcs_stripped_bytes, 1);
  EXPECT_FALSE(frame_.truncated());
  record_.data = std::span(bytes_).first(17);
  ASSERT_EQ(Convert(), SkipReason::kNone);
  EXPECT_EQ(frame_.fcs_stripped_bytes, 0);
  EXPECT_TRUE(frame_.truncated());
}

TEST_F(LinkLayer, NothingButFcsIsEmpty) {
  Convert(LinkType::kEthernet, Bytes().Raw("FCS"));
  record_.fcs_bytes = 4;
  EXPECT_EQ(Convert(), SkipReason::kEmpty);
}

TEST(SkipReason, EachHasAName) {
  std::set<std::string> names;
  for (size_t i = 0; i < static_cast<size_t>(SkipReason::kCount); ++i) {
    names.insert(SkipReasonName(static_cast<SkipReason>(i)));
    EXPECT_STRNE(SkipReasonText(static_cast<SkipReason>(i)), "unknown");
  }
  EXPECT_EQ(names.size(), static_cast<size_t>(SkipReason::kCount));
  EXPECT_EQ(names.count("unknown"), 0u);
}

}  // namespace
}  // namespace tapedeck::capture
