// DGRAM:sent_whole:udp_sock. Every byte of a datagram that was put together of fragments was sent
// by one sender in fragments of that datagram: same addresses, same number, same protocol, at its
// place (RFC 791 3.2).
// DGRAM:checksum:udp_sock. A datagram that the stack holds for verified has the right checksum.
#ifndef TAPEDECK_FUZZ_DATAGRAM_ORACLE_H_
#define TAPEDECK_FUZZ_DATAGRAM_ORACLE_H_

#include <cstdint>
#include <span>
#include <vector>

#include "replay/trace/recorder.h"
#include "stack/core/sock.h"

namespace tapedeck::fuzz {

class DatagramOracle : public TraceObserver {
 public:
  DatagramOracle() {
    fragments_.reserve(kFragmentsMax);
    sources_.reserve(kSourcesMax);
  }

  // Another input begins. A NIC that is not `honest` may say of any checksum that it is right.
  void Begin(bool honest) {
    honest_ = honest;
    fragments_.clear();
    fragmented_ = hidden_ = false;
    sources_.clear();
  }
  // Nothing is running: looks at what lies in the queues of a UDP socket of host `host`.
  void Check(uint8_t host, const sock* sk) const;

  void Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) override;

 private:
  static constexpr size_t kFragmentsMax = 512;

  // A fragment of UDP over IPv4, or a datagram that came in one, of which the bytes are not kept.
  struct Fragment {
    uint8_t host = 0;
    uint32_t source = 0;
    uint32_t destination = 0;
    uint16_t id = 0;
    uint32_t offset = 0;
    bool whole = false;
    std::vector<uint8_t> bytes;
  };

  bool WasSent(uint8_t host, std::span<const uint8_t> ip, std::span<const uint8_t> datagram) const;

  static constexpr size_t kSourcesMax = 64;

  void CheckSum(const sk_buff* skb) const;

  bool honest_ = true;
  std::vector<Fragment> fragments_;
  bool fragmented_ = false;        // any of them is a fragment
  bool hidden_ = false;            // others may have come
  std::vector<uint32_t> sources_;  // that datagrams came from: the wire, and not this host
};

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_DATAGRAM_ORACLE_H_
