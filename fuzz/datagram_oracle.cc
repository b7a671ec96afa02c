#include "fuzz/datagram_oracle.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "fuzz/frame_words.h"
#include "fuzz/oracles.h"
#include "fuzz/skb_queue.h"
#include "stack/core/skb_data.h"
#include "stack/ipv4/fib.h"
#include "stack/udp/udp.h"
#include "stack/wire/ethernet.h"

namespace tapedeck::fuzz {

namespace {

constexpr uint32_t kUdpHeaderBytes = 8;

[[noreturn, gnu::noinline]] void DatagramNotSent(uint32_t source, uint32_t id) {
  ReportBroken("DGRAM", "sent_whole", "udp_sock");
  std::fprintf(stderr, "from %08" PRIx32 ", number %" PRIu32 "\n", source, id);
  std::abort();
}

[[noreturn, gnu::noinline]] void WrongChecksumHeld(uint32_t source) {
  ReportBroken("DGRAM", "checksum", "udp_sock");
  std::fprintf(stderr, "from %08" PRIx32 "\n", source);
  std::abort();
}

// The datagram with its header; empty where it is not IPv4 or several in one.
std::vector<uint8_t> BytesOf(const sk_buff* skb) {
  if (skb->protocol != wire::kEtherTypeIpv4 || skb_is_gso(skb)) return {};
  const uint8_t* const header = skb_transport_header(skb);
  std::vector<uint8_t> bytes(header, header + kUdpHeaderBytes);
  bytes.resize(kUdpHeaderBytes + skb->len);
  if (skb_copy_bits(skb, 0, bytes.data() + kUdpHeaderBytes, skb->len) != 0) return {};
  return bytes;
}

}  // namespace

void DatagramOracle::Observe(uint64_t, const TraceEvent& event, const FrameLedger&) {
  if (event.kind != TraceKind::kWireRx || (event.args[3] & kWireFlagIp) != 0) return;
  const PaddedFrame padded(event.bytes);
  const FrameBytes frame = padded.bytes();
  // A tag may hide a fragment.
  if (Word16(frame, 12) == 0x8100 || Word16(frame, 12) == 0x88a8) hidden_ = true;
  if (Word16(frame, 12) != kTypeIpv4) return;
  const FrameBytes ip = frame.subspan(kEthernetBytes);
  const size_t header = size_t{ip[0]} % 16 * 4;
  const size_t total = Word16(ip, 2);
  if (header < kIpv4Bytes || total < header || total > ip.size() || ip[9] != kProtocolUdp) return;
  const uint32_t source = Word32(ip, 12);
  if (sources_.size() < kSourcesMax &&
      std::find(sources_.begin(), sources_.end(), source) == sources_.end()) {
    sources_.push_back(source);
  }
  if (fragments_.size() == kFragmentsMax) return;
  Fragment fragment = {.host = event.host,
                       .source = source,
                       .destination = Word32(ip, 16),
                       .id = static_cast<uint16_t>(Word16(ip, 4)),
                       .offset = (Word16(ip, 6) & 0x1fff) * 8,
                       .whole = !IsFragment(ip),
                       .bytes = {}};
  if (!fragment.whole) {
    fragmented_ = true;
    const FrameBytes payload = ip.subspan(header, total - header);
    fragment.bytes.assign(payload.begin(), payload.end());
  }
  fragments_.push_back(std::move(fragment));
}

bool DatagramOracle::WasSent(uint8_t host, FrameBytes ip, std::span<const uint8_t> datagram) const {
  std::vector<bool> sent(datagram.size(), false);
  bool fragmented = false;
  for (const Fragment& fragment : fragments_) {
    if (fragment.host != host || fragment.source != Word32(ip, 12) ||
        fragment.destination != Word32(ip, 16) || fragment.id != Word16(ip, 4)) {
      continue;
    }
    if (fragment.whole) return true;  // it may be this one
    fragmented = true;
    for (size_t i = 0; i < fragment.bytes.size(); ++i) {
      const size_t at = fragment.offset + i;
      if (at < datagram.size() && datagram[at] == fragment.bytes[i]) sent[at] = true;
    }
  }
  if (!fragmented) return true;  // it came in one
  for (const bool byte : sent) {
    if (!byte) return false;
  }
  return true;
}

void DatagramOracle::CheckSum(const sk_buff* skb) const {
  // What a socket of the same host sent has no checksum.
  if (skb == nullptr || !skb_csum_unnecessary(skb) || skb->skb_iif == kLoopbackIfindex) return;
  const std::vector<uint8_t> datagram = BytesOf(skb);
  if (datagram.empty() || Word16(datagram, 6) == 0) return;
  const FrameBytes ip = {skb_network_header(skb), kIpv4Bytes};
  const uint32_t source = Word32(ip, 12);
  if (std::find(sources_.begin(), sources_.end(), source) == sources_.end()) return;
  // RFC 768: the pseudo-header, and the datagram padded with a zero.
  uint64_t sum = kProtocolUdp + datagram.size();
  for (size_t at = 12; at < 20; at += 2) sum += Word16(ip, at);
  for (size_t at = 0; at + 1 < datagram.size(); at += 2) sum += Word16(datagram, at);
  if (datagram.size() % 2 != 0) sum += uint32_t{datagram.back()} << 8;
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  if (sum != 0xffff) WrongChecksumHeld(source);
}

void DatagramOracle::Check(uint8_t host, const sock* sk) const {
  // Each datagram is last when it comes, and first when it is read.
  if (honest_) {
    CheckSum(skb_peek_tail(&sk->sk_receive_queue));
    CheckSum(skb_peek(&udp_sk(sk)->reader_queue));
  }
  // Beyond that not all fragments are known.
  if (!fragmented_ || hidden_ || fragments_.size() == kFragmentsMax) return;
  const auto judge = [this, host](const sk_buff* skb) {
    const std::vector<uint8_t> datagram = BytesOf(skb);
    const FrameBytes ip = {skb_network_header(skb), kIpv4Bytes};
    if (!datagram.empty() && !WasSent(host, ip, datagram)) {
      DatagramNotSent(Word32(ip, 12), Word16(ip, 4));
    }
  };
  ForEachSkb(&sk->sk_receive_queue, judge);
  ForEachSkb(&udp_sk(sk)->reader_queue, judge);
}

}  // namespace tapedeck::fuzz
