// System calls in packetdrill's notation: "bind(3, ..., ...) = 0".
#ifndef TAPEDECK_REPLAY_SCRIPT_CALL_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_CALL_TEXT_H_

#include <string>

#include "replay/script/script.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

// From the call's name to its result. `call.returns_after` is the caller's.
void ParseCall(TextParser& parser, CallStep& call);

// Appends what ParseCall() reads back.
void PrintCall(std::string& out, const CallStep& call);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_CALL_TEXT_H_
