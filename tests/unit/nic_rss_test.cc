// Receive side scaling: the published verification vectors (82599 datasheet 7.1.2.8.3, Microsoft's
// RSS documentation), and what reaches the descriptor and the queues.
#include "nic_harness.h"
#include "nicmodel/rss.h"
#include "stack/base/ip_address.h"

namespace tapedeck::nic {
namespace {

constexpr uint8_t kKey[40] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67,
                              0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
                              0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30,
                              0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

struct V4Vector {
  uint8_t dst[4];
  uint16_t dst_port;
  uint8_t src[4];
  uint16_t src_port;
  uint32_t addresses_only;
  uint32_t with_ports;
};
constexpr V4Vector kV4[] = {
    {{161, 142, 100, 80}, 1766, {66, 9, 149, 187}, 2794, 0x323e8fc2, 0x51ccc178},
    {{65, 69, 140, 83}, 4739, {199, 92, 111, 2}, 14230, 0xd718262a, 0xc626b0ea},
    {{12, 22, 207, 184}, 38024, {24, 19, 198, 95}, 12898, 0xd2d0a5de, 0x5c2b394a},
    {{209, 142, 163, 6}, 2217, {38, 27, 205, 30}, 48228, 0x82989176, 0xafc7327f},
    {{202, 188, 127, 2}, 1303, {153, 39, 163, 191}, 44251, 0x5d1809c5, 0x10e828a2},
};

struct V6Vector {
  const char* dst;
  uint16_t dst_port;
  const char* src;
  uint16_t src_port;
  uint32_t addresses_only;
  uint32_t with_ports;
};
constexpr V6Vector kV6[] = {
    {"3ffe:2501:200:3::1", 1766, "3ffe:2501:200:1fff::7", 2794, 0x2cc18cd5, 0x40207d3d},
    {"ff02::1", 4739, "3ffe:501:8::260:97ff:fe40:efab", 14230, 0x0f0c461c, 0xdde51bbf},
    {"fe80::200:f8ff:fe21:67cf", 38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf", 44251, 0x4b61e985,
     0x02d1feef},
};

void SetKey(Rss& rss) {
  for (uint32_t i = 0; i < 10; ++i) rss.Write(kRssrk + 4 * i, LoadLe32(kKey + 4 * i));
  rss.Write(kMrqc, 1);
}

TEST(Rss, PublishedIpv4Hashes) {
  Arena arena;
  Rss rss(arena);
  SetKey(rss);
  for (const V4Vector& v : kV4) {
    uint8_t input[12];
    std::memcpy(input, v.src, 4);
    std::memcpy(input + 4, v.dst, 4);
    StoreBe16(input + 8, v.src_port);
    StoreBe16(input + 10, v.dst_port);
    EXPECT_EQ(rss.Hash({input, 8}), v.addresses_only);
    EXPECT_EQ(rss.Hash({input, 12}), v.with_ports);
  }
}

Bytes AddressBytes(const char* text) {
  const auto address = Ipv6Address::Parse(text);
  EXPECT_TRUE(address.has_value()) << text;
  const auto& bytes = address->bytes();
  return Bytes(bytes.begin(), bytes.end());
}

TEST(Rss, PublishedIpv6Hashes) {
  Arena arena;
  Rss rss(arena);
  SetKey(rss);
  for (const V6Vector& v : kV6) {
    Bytes input = AddressBytes(v.src);
    const Bytes dst = AddressBytes(v.dst);
    input.insert(input.end(), dst.begin(), dst.end());
    input.resize(36);
    StoreBe16(&input[32], v.src_port);
    StoreBe16(&input[34], v.dst_port);
    EXPECT_EQ(rss.Hash({input.data(), 32}), v.addresses_only) << v.dst;
    EXPECT_EQ(rss.Hash(input), v.with_ports) << v.dst;
  }
}

class NicRss : public testing::Test {
 protected:
  void SetUp() override {
    for (uint32_t i = 0; i < 10; ++i) h.Write(kRssrk + 4 * i, LoadLe32(kKey + 4 * i));
    h.Write(kMrqc, 1 | 1U << 16 | 1U << 17 | 1U << 22);  // TCP/IPv4, IPv4, UDP/IPv4
    h.Settle();
  }
  // A UDP frame with the first vector's addresses and ports.
  static Bytes VectorFrame() {
    Bytes frame = UdpFrame(18);
    std::memcpy(&frame[26], kV4[0].src, 4);
    std::memcpy(&frame[30], kV4[0].dst, 4);
    StoreBe16(&frame[34], kV4[0].src_port);
    StoreBe16(&frame[36], kV4[0].dst_port);
    return frame;
  }
  NicHarness::Received ReceiveOne(const Bytes& frame, uint32_t queue = 0) {
    h.Inject(h.now(), frame);
    h.Advance(Duration::Microseconds(5));
    auto received = h.Poll(queue);
    EXPECT_EQ(received.size(), 1U);
    return received.empty() ? NicHarness::Received{} : received[0];
  }
  NicHarness h{NicConfig{.rx_queues = 4}};
};

TEST_F(NicRss, HashAndTypeReachTheDescriptor) {
  Bytes frame = VectorFrame();
  auto r = ReceiveOne(frame);
  EXPECT_EQ(r.type & 0xf, static_cast<uint32_t>(RssType::kUdpIpv4));
  EXPECT_EQ(r.hash, kV4[0].with_ports);
  frame[23] = 6;
  r = ReceiveOne(frame);
  EXPECT_EQ(r.type & 0xf, static_cast<uint32_t>(RssType::kTcpIpv4));
  EXPECT_EQ(r.hash, kV4[0].with_ports);
  // A fragment never hashes with ports.
  frame = VectorFrame();
  StoreBe16(&frame[20], 0x2000);
  r = ReceiveOne(frame);
  EXPECT_EQ(r.type & 0xf, static_cast<uint32_t>(RssType::kIpv4));
  EXPECT_EQ(r.hash, kV4[0].addresses_only);
  // Without PCSD the field is the fragment checksum's.
  h.Write(kRxCsum, 0);
  h.Settle();
  r = ReceiveOne(VectorFrame());
  EXPECT_EQ(r.type & 0xf, 0U);
  EXPECT_EQ(r.hash, 0U);
}

TEST_F(NicRss, RetaChoosesTheQueue) {
  for (uint32_t q = 1; q < 4; ++q) h.SetUpRx(q, 64);
  const uint32_t entry = kV4[0].with_ports & 0x7f;
  h.Write(kReta + (entry & ~3U), 3U << (entry % 4 * 8));
  h.Settle();
  ReceiveOne(VectorFrame(), 3);
  // A queue that is not there takes nothing.
  h.Write(kReta + (entry & ~3U), 9U << (entry % 4 * 8));
  h.Settle();
  h.Inject(h.now(), VectorFrame());
  h.Advance(Duration::Microseconds(5));
  EXPECT_EQ(h.Stat("rx_disabled"), 1U);
}

}  // namespace
}  // namespace tapedeck::nic
