// Frames that a stack sent, without what two right stacks may choose differently. What is chosen is
// replaced by its relation to other frames, not blotted out:
//
//   IPv4 identification   numbered in the order in which values are first seen; 0 stays 0
//   IPv6's of fragments, and flow labels that no frame of the case had: the same
//   TCP sequence          counted from the connection's initial number
//   TCP timestamp value   there or not
//   checksums             right or wrong
//   ICMP timestamp reply  the two times: equal to each other or not
//   IP timestamp option   each time there or not
//   local ports           of the ephemeral range: one of it
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_CANONICAL_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_CANONICAL_H_

#include <cstdint>
#include <map>
#include <set>
#include <span>
#include <vector>

#include "replay/differential/case.h"
#include "replay/differential/live_numbers.h"
#include "replay/differential/run.h"

namespace tapedeck::differential {

class Canonical {
 public:
  explicit Canonical(const Case& played);

  // Of the run's next frame: to be given all of them in their order.
  std::vector<uint8_t> Of(const Reply& reply);
  // Of an address that a call gave.
  static std::vector<uint8_t> OfAddress(std::vector<uint8_t> address);

 private:
  void Ipv4(std::span<uint8_t> packet);
  void Ipv6(std::span<uint8_t> packet);
  void Icmp(std::span<uint8_t> message);
  // The options of a header that is being sent, and of one that is quoted.
  static void OptionTimes(std::span<uint8_t> header);
  static void QuotedTimes(std::span<uint8_t> quote);
  void Tcp(std::span<uint8_t> frame, const TcpPlace& place);
  uint32_t Sequence(uint32_t seq, const Flow& flow) const;
  uint16_t IdLabel(uint16_t id);
  // The number of `value` in the order in which values are first seen.
  static uint32_t Label(uint32_t value, std::map<uint32_t, uint32_t>* labels);

  LiveNumbers live_;
  std::map<uint16_t, uint16_t> ids_;
  std::map<uint32_t, uint32_t> ids6_;
  std::map<uint32_t, uint32_t> flow_labels_;
  std::set<uint32_t> given_labels_;  // that frames of the case have: answers may repeat them
  // Numbers that frames of the case acknowledge as they are: a reset that answers one repeats it.
  // And 0, which it has in answer to a segment that acknowledges nothing.
  std::set<uint32_t> fixed_acks_;
};

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_CANONICAL_H_
