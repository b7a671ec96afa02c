// TCP and UDP segmentation by the NIC model. What leaves is compared with segments cut by hand.
#include "nic_harness.h"

namespace tapedeck::nic {
namespace {

constexpr uint32_t kMss = 1448;

// A TCP segment 10.0.0.1:80 > 10.0.0.2:999 with 12 bytes of options, checksums right.
Bytes TcpSegment(uint16_t ip_id, uint32_t seq, uint8_t flags, const Bytes& payload) {
  Bytes frame(14 + 20 + 32 + payload.size());
  std::memcpy(&frame[0], kPeerMac.data(), 6);
  std::memcpy(&frame[6], NicConfig{}.mac.data(), 6);
  StoreBe16(&frame[12], 0x0800);
  uint8_t* const ip = &frame[14];
  ip[0] = 0x45;
  StoreBe16(ip + 2, static_cast<uint16_t>(52 + payload.size()));
  StoreBe16(ip + 4, ip_id);
  ip[8] = 64;
  ip[9] = 6;
  StoreBe32(ip + 12, 0x0a000001);
  StoreBe32(ip + 16, 0x0a000002);
  StoreBe16(ip + 10, ip_fast_csum(ip, 5));
  uint8_t* const tcp = ip + 20;
  StoreBe16(tcp, 80);
  StoreBe16(tcp + 2, 999);
  StoreBe32(tcp + 4, seq);
  StoreBe32(tcp + 8, 5555);
  tcp[12] = 0x80;
  tcp[13] = flags;
  StoreBe16(tcp + 14, 4096);
  for (uint8_t i = 20; i < 32; ++i) tcp[i] = i;
  std::copy(payload.begin(), payload.end(), frame.begin() + 66);
  const std::span<const uint8_t> l4(&frame[34], frame.size() - 34);
  StoreBe16(&frame[50],
            csum_tcpudp_magic(be32(0x0a000001), be32(0x0a000002), static_cast<uint32_t>(l4.size()),
                              6, csum_partial(l4, 0)));
  return frame;
}

// The packet as software hands it over: one large segment, the pseudo-header's sum without the
// length in its checksum.
Bytes LargePacket(uint16_t ip_id, uint32_t seq, uint8_t flags, const Bytes& payload) {
  Bytes frame = TcpSegment(ip_id, seq, flags, payload);
  StoreBe16(&frame[16], 0);
  StoreBe16(&frame[24], 0);
  StoreBe16(&frame[50],
            static_cast<uint16_t>(csum_tcpudp_nofold(be32(0x0a000001), be32(0x0a000002), 0, 6, 0)));
  return frame;
}

Bytes Payload(size_t n) {
  Bytes payload(n);
  for (size_t i = 0; i < n; ++i) payload[i] = static_cast<uint8_t>(i * 7 + i / 256);
  return payload;
}

class NicTso : public testing::TestWithParam<size_t> {
 protected:
  static constexpr uint8_t kFlags = 0x1 | 0x8 | 0x10 | 0x80;  // FIN, PSH, ACK, CWR

  std::vector<Bytes> Expected(const Bytes& payload) {
    std::vector<Bytes> segments;
    for (size_t at = 0; at == 0 || at < payload.size(); at += kMss) {
      const size_t end = std::min(payload.size(), at + kMss);
      uint8_t flags = kFlags;
      if (at != 0) flags &= 0x7f;                // CWR: first only
      if (end != payload.size()) flags &= 0xf6;  // FIN, PSH: last only
      segments.push_back(TcpSegment(static_cast<uint16_t>(0xfffe + at / kMss),
                                    static_cast<uint32_t>(0xfffffe00 + at), flags,
                                    Bytes(payload.begin() + static_cast<ptrdiff_t>(at),
                                          payload.begin() + static_cast<ptrdiff_t>(end))));
    }
    return segments;
  }
  void QueueTcpContext() {
    h.QueueContext(20 | 14U << 9, 1U << 10 | 1U << 11 | uint64_t{32} << 40 | uint64_t{kMss} << 48);
  }
  void Check(const std::vector<Bytes>& expected) {
    ASSERT_EQ(h.sent.size(), expected.size());
    for (size_t i = 0; i < expected.size(); ++i) EXPECT_EQ(h.sent[i].bytes, expected[i]) << i;
    EXPECT_EQ(h.bus.faults(), 0U);
  }
  NicHarness h;
};

TEST_P(NicTso, SegmentsEqualThoseCutByHand) {
  // Flags by the datasheet's defaults would let CWR and FIN through where the kernel's masks do
  // not: set these.
  const Bytes payload = Payload(GetParam());
  QueueTcpContext();
  const uint32_t index =
      h.QueueTx(LargePacket(0xfffe, 0xfffffe00, kFlags, payload), kTxEop | kTxIfcs | kTxRs | kTxTse,
                3, static_cast<uint32_t>(payload.size()));
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(200));
  Check(Expected(payload));
  EXPECT_TRUE(h.TxDone(index));
}
INSTANTIATE_TEST_SUITE_P(PayloadBytes, NicTso,
                         testing::Values(1, 100, kMss - 1, kMss, kMss + 1, 3 * kMss, 20'000,
                                         60'000));

TEST_F(NicTso, HeadersAndPayloadInSeveralDescriptors) {
  const Bytes payload = Payload(10'000);
  const Bytes packet = LargePacket(0xfffe, 0xfffffe00, kFlags, payload);
  QueueTcpContext();
  const size_t cuts[] = {0, 10, 66, 70, 4166, 8262, packet.size()};
  for (size_t i = 0; i + 1 < std::size(cuts); ++i) {
    const uint32_t command = kTxIfcs | kTxTse | (i + 2 == std::size(cuts) ? kTxEop | kTxRs : 0U);
    h.QueueTx(Bytes(packet.begin() + static_cast<ptrdiff_t>(cuts[i]),
                    packet.begin() + static_cast<ptrdiff_t>(cuts[i + 1])),
              command, 3, static_cast<uint32_t>(payload.size()));
  }
  h.RingDoorbell();
  h.Advance(Duration::Microseconds(200));
  Check(Expected(payload));
}

}  // namespace
}  // namespace tapedeck::nic
