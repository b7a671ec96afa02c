// The WIRE oracle takes what is right and names what is wrong.
#include "fuzz/wire_oracle.h"

#include <gtest/gtest.h>

#include <array>
#include <functional>
#include <string>
#include <vector>

#include "stack/wire/frame_builder.h"
#include "stack/wire/tcp_options.h"

namespace tapedeck::fuzz {
namespace {

using Bytes = std::vector<uint8_t>;

constexpr MacAddress kHost{0x02, 0, 0, 0, 0, 1};
constexpr MacAddress kPeer{0x02, 0, 0, 0, 1, 1};

Bytes Finish(wire::FrameBuilder& builder) {
  const std::span<uint8_t> frame = builder.PadTo().Build();
  return {frame.begin(), frame.end()};
}

wire::Ipv4Header Ipv4() {
  wire::Ipv4Header ip;
  ip.ttl = 64;
  ip.saddr = Ipv4Address(192, 0, 2, 1);
  ip.daddr = Ipv4Address(192, 0, 2, 101);
  return ip;
}
wire::Ipv6Header Ipv6() {
  wire::Ipv6Header ip;
  ip.hop_limit = 64;
  ip.saddr = *Ipv6Address::Parse("2001:db8::1");
  ip.daddr = *Ipv6Address::Parse("2001:db8::65");
  return ip;
}
wire::TcpHeader Tcp(uint16_t flags) {
  wire::TcpHeader tcp;
  tcp.source = uint16_t{8080};
  tcp.dest = uint16_t{4000};
  tcp.set_flags(flags);
  return tcp;
}

Bytes TcpFrame(uint16_t flags, std::span<const uint8_t> options = {}, size_t payload = 0,
               bool ipv6 = false) {
  std::array<uint8_t, 2000> buffer;
  wire::FrameBuilder builder(buffer);
  builder.Ethernet(kPeer, kHost);
  if (ipv6) {
    builder.Ipv6(Ipv6());
  } else {
    builder.Ipv4(Ipv4());
  }
  builder.Tcp(Tcp(flags), options).CountingPayload(payload);
  return Finish(builder);
}

Bytes UdpFrame(size_t payload, bool ipv6 = false) {
  std::array<uint8_t, 2000> buffer;
  wire::FrameBuilder builder(buffer);
  builder.Ethernet(kPeer, kHost);
  if (ipv6) {
    builder.Ipv6(Ipv6());
  } else {
    builder.Ipv4(Ipv4());
  }
  builder.Udp({.source = uint16_t{53}, .dest = uint16_t{4000}, .len = {}, .check = {}})
      .CountingPayload(payload);
  return Finish(builder);
}

// "checksum:tcp"; "" for a frame that is right.
std::string FaultOf(const Bytes& frame) {
  const WireFault fault = CheckWire(frame);
  if (fault.rule == nullptr) return "";
  return std::string(fault.rule) + ":" + fault.object;
}

std::string Spoilt(Bytes frame, const std::function<void(Bytes&)>& spoil) {
  spoil(frame);
  return FaultOf(frame);
}

TEST(WireOracle, TakesWhatIsRight) {
  wire::TcpOptionWriter options;
  options.Mss(1460);
  options.SackPermitted();
  options.Timestamps({1, 2});
  options.Nop();
  options.WindowScale(7);
  for (const bool ipv6 : {false, true}) {
    EXPECT_EQ(FaultOf(TcpFrame(wire::kTcpSyn, options.bytes(), 0, ipv6)), "");
    EXPECT_EQ(FaultOf(TcpFrame(wire::kTcpPsh | wire::kTcpAck, {}, 1001, ipv6)), "");
    EXPECT_EQ(FaultOf(UdpFrame(0, ipv6)), "");
    EXPECT_EQ(FaultOf(UdpFrame(999, ipv6)), "");
  }
}

TEST(WireOracle, NamesWhatIsWrongBelowTransport) {
  const Bytes udp = UdpFrame(3);
  EXPECT_EQ(FaultOf(Bytes(udp.begin(), udp.begin() + 59)), "length:frame");
  EXPECT_EQ(Spoilt(udp, [](Bytes& f) { f[59] = 1; }), "uninitialised_padding:frame");
  EXPECT_EQ(Spoilt(udp, [](Bytes& f) { f.resize(70); }), "longer_than_packet:frame");
  EXPECT_EQ(Spoilt(udp, [](Bytes& f) { f[6] |= 1; }), "source_is_group:frame");
  EXPECT_EQ(Spoilt(udp, [](Bytes& f) { f[24] ^= 1; }), "checksum:ipv4");
  EXPECT_EQ(Spoilt(udp, [](Bytes& f) { f[14] = 0x55; }), "version:ipv4");
  EXPECT_EQ(Spoilt(udp, [](Bytes& f) { f[17] = 200; }), "length:ipv4");
  EXPECT_EQ(Spoilt(UdpFrame(3, true), [](Bytes& f) { f[14] = 0x55; }), "version:ipv6");
  EXPECT_EQ(Spoilt(UdpFrame(3, true), [](Bytes& f) { f[22] = 0xff; }), "source_is_group:ipv6");
}

TEST(WireOracle, NamesWhatIsWrongInTransport) {
  EXPECT_EQ(Spoilt(UdpFrame(30), [](Bytes& f) { f[50] ^= 1; }), "checksum:udp");
  EXPECT_EQ(Spoilt(UdpFrame(30), [](Bytes& f) { f[39] ^= 1; }), "length:udp");
  EXPECT_EQ(Spoilt(UdpFrame(30, true), [](Bytes& f) { f[60] = f[61] = 0; }),
            "checksum_missing:udp");
  EXPECT_EQ(Spoilt(TcpFrame(wire::kTcpAck, {}, 30), [](Bytes& f) { f.back() ^= 1; }),
            "checksum:tcp");
  EXPECT_EQ(Spoilt(TcpFrame(wire::kTcpAck, {}, 30), [](Bytes& f) { f[46] = 0x40; }),
            "data_offset:tcp");
  EXPECT_EQ(FaultOf(TcpFrame(wire::kTcpSyn | wire::kTcpFin)), "syn_and_fin:tcp");
  EXPECT_EQ(FaultOf(TcpFrame(wire::kTcpSyn | wire::kTcpRst)), "syn_and_rst:tcp");
  EXPECT_EQ(FaultOf(TcpFrame(wire::kTcpPsh)), "acknowledges:tcp");
  EXPECT_EQ(FaultOf(TcpFrame(wire::kTcpFin)), "fin_acknowledges:tcp");
  EXPECT_EQ(FaultOf(TcpFrame(wire::kTcpRst | wire::kTcpAck, {}, 1)), "no_data_in_rst:tcp");
}

TEST(WireOracle, JudgesOfWhatIsPassedOnOnlyWhatARouterMakes) {
  Bytes frame = UdpFrame(30);
  frame[50] ^= 1;  // the sender's business
  EXPECT_EQ(CheckPassedOn(frame).rule, nullptr);
  frame[24] ^= 1;
  EXPECT_STREQ(CheckPassedOn(frame).rule, "checksum");
  frame[22] = 0;
  EXPECT_STREQ(CheckPassedOn(frame).rule, "ttl_zero");
  Bytes frame6 = UdpFrame(30, true);
  EXPECT_EQ(CheckPassedOn(frame6).rule, nullptr);
  frame6[21] = 0;
  EXPECT_STREQ(CheckPassedOn(frame6).rule, "hop_limit_zero");
}

TEST(WireOracle, NamesWhatIsWrongInOptions) {
  const auto fault = [](uint16_t flags, const Bytes& options) {
    return FaultOf(TcpFrame(flags, options));
  };
  EXPECT_EQ(fault(wire::kTcpAck, {2, 4, 5, 180}), "only_in_syn:tcp_option");
  EXPECT_EQ(fault(wire::kTcpSyn, {3, 3, 15, 1}), "at_most_14:window_scale");
  EXPECT_EQ(fault(wire::kTcpAck, {8, 4, 0, 0}), "length:tcp_option");
  EXPECT_EQ(fault(wire::kTcpAck, {1, 1, 1, 8}), "length:tcp_option");
  EXPECT_EQ(fault(wire::kTcpAck, {0, 0, 0, 1}), "padding:tcp_options");
  EXPECT_EQ(fault(wire::kTcpAck, {5, 7, 0, 0, 0, 0, 0, 1}), "length:sack");
}

}  // namespace
}  // namespace tapedeck::fuzz
