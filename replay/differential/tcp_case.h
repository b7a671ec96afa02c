// One TCP connection of a case, as its peer makes it: segments whose acknowledgments and echoed
// timestamps follow the numbers that the stack under test chooses.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_TCP_CASE_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_TCP_CASE_H_

#include <cstdint>
#include <vector>

#include "replay/differential/case.h"
#include "replay/differential/case_builder.h"
#include "stack/wire/tcp.h"

namespace tapedeck::differential {

struct TcpSegment {
  uint16_t flags = wire::kTcpAck;
  uint32_t seq = 0;        // from the peer's initial number
  uint32_t ack = 0;        // from the stack's initial number
  bool fixed_ack = false;  // `ack` is what stands in the segment
  uint16_t window = 0x7000;
  uint16_t urgent = 0;
  std::vector<uint8_t> options;
  uint32_t payload_bytes = 0;
  bool timestamps = false;  // behind the options, the echo following the stack's clock
  uint32_t tsval = 1'000'000;
};

class TcpCase {
 public:
  static constexpr uint16_t kPeerPort = 1000;
  static constexpr uint32_t kPeerIsn = 0x40000000;

  // Frames from `peer`, who is made known to the host, to the host's `port`.
  TcpCase(CaseBuilder& builder, const Station& peer, uint16_t port);

  void Send(const TcpSegment& segment, wire::KeepFields keep = wire::kKeepNothing,
            uint16_t checksum = 0);

  // A listener in slot 0 (of CallStep), and the options that connections may have.
  void Listen(int backlog);
  // A handshake from the peer; the connection is in slot 1.
  void Open(bool timestamps);
  // A handshake from the host; the connection is in slot 1.
  void Connect(bool timestamps);

  const Flow& flow() const { return flow_; }
  CaseBuilder& builder() { return builder_; }

 private:
  CaseBuilder& builder_;
  Station peer_;
  Flow flow_;
};

// SYN options as most hosts send them: MSS 1460, SACK permitted, window scale 7.
std::vector<uint8_t> PlainSynOptions();
// Options, right and wrong, up to what a header holds.
std::vector<uint8_t> SomeTcpOptions(CaseBuilder& builder);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_TCP_CASE_H_
