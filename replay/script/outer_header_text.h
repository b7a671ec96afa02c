// The text spelling of what stands before the transport header of a packet: what is said about its
// IP header, and the headers around it.
#ifndef TAPEDECK_REPLAY_SCRIPT_OUTER_HEADER_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_OUTER_HEADER_TEXT_H_

#include <string>
#include <vector>

#include "replay/script/packet_step.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

// "[ect0]", "(tos 0x28)", "[ttl 64, flowlabel 0x123]" or nothing.
IpFields ParseIpFields(TextParser& parser, bool inbound);
// With a space behind, if it is anything.
void PrintIpFields(std::string& out, const IpFields& fields);

// "ipv4 10.0.0.1 > 10.0.0.2: gre: " and the like, or nothing.
std::vector<OuterHeader> ParseOuterHeaders(TextParser& parser, bool inbound);
void PrintOuterHeaders(std::string& out, const std::vector<OuterHeader>& headers);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_OUTER_HEADER_TEXT_H_
