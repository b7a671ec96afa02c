// Captures as a source of cases: their frames, and the host that most of them went to, in whose
// place the stacks are put.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_CAPTURES_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_CAPTURES_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "stack/base/ip_address.h"

namespace tapedeck::differential {

struct Capture {
  std::string name;
  MacAddress host_mac;
  std::vector<IpAddress> host;  // its addresses: one a family at most
  // In their order, with Ethernet headers. Those that were cut short are left out.
  std::vector<std::vector<uint8_t>> frames;
};

// The captures of a folder, by name, but for those without a host on an Ethernet. NotFound: there
// is no such folder, or nothing in it.
absl::StatusOr<std::vector<Capture>> ReadCaptures(const std::string& folder);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_CAPTURES_H_
