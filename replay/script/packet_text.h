// The text spelling of packets.
#ifndef TAPEDECK_REPLAY_SCRIPT_PACKET_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_PACKET_TEXT_H_

#include <string>

#include "replay/script/packet_step.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

// "< S 0:0(0) win 1000", from the direction on.
void ParsePacket(TextParser& parser, PacketStep& packet);
void PrintPacket(std::string& out, const PacketStep& packet);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_PACKET_TEXT_H_
