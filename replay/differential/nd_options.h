// Messages of neighbour and router discovery, and their options, for the generators.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_ND_OPTIONS_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_ND_OPTIONS_H_

#include <cstdint>
#include <span>
#include <vector>

#include "replay/differential/case_builder.h"
#include "stack/wire/icmpv6.h"

namespace tapedeck::differential {

// The source's or target's link address.
void AppendLinkAddress(uint8_t type, const MacAddress& mac, std::vector<uint8_t>* options);
// One that has no business here, or is wrong: unknown, of length 0, too long, cut.
void AppendOddNdOption(CaseBuilder& builder, std::vector<uint8_t>* options);
// `body` behind `header` in a packet from `from`; now and then with a wrong checksum, cut or
// padded.
void SendNd(CaseBuilder& builder, const Station& from, const IpSpec& spec,
            wire::Icmpv6Header header, std::span<const uint8_t> body);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_ND_OPTIONS_H_
