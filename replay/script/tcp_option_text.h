// The text spelling of TCP options.
#ifndef TAPEDECK_REPLAY_SCRIPT_TCP_OPTION_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_TCP_OPTION_TEXT_H_

#include <string>
#include <vector>

#include "replay/script/packet_step.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

// "mss 1460,sackOK,TS val 100 ecr 0,nop,wscale 7>": from the first option to the '>', which is
// taken. In all at most 40 bytes, a multiple of 4.
std::vector<TcpOption> ParseTcpOptionList(TextParser& parser);
// Without the angle brackets.
void PrintTcpOptions(std::string& out, const std::vector<TcpOption>& options);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_TCP_OPTION_TEXT_H_
