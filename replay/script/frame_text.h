// Raw frames in the text spelling: "frame bad_fcs { 020000000001 020000000002 0806 ... }".
#ifndef TAPEDECK_REPLAY_SCRIPT_FRAME_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_FRAME_TEXT_H_

#include <string>

#include "replay/script/script.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

// From the word "frame" to the closing brace.
void ParseFrame(TextParser& parser, FrameStep& frame);

// Appends what ParseFrame() reads back: addresses and type on the first line, then 20 bytes a line,
// so that an IPv4 header without options is one.
void PrintFrame(std::string& out, const FrameStep& frame);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_FRAME_TEXT_H_
