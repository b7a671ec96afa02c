// Bytes in the text spelling: words of hexadecimal digits, in pairs, up to a closing brace.
#ifndef TAPEDECK_REPLAY_SCRIPT_HEX_WORDS_H_
#define TAPEDECK_REPLAY_SCRIPT_HEX_WORDS_H_

#include <cstdint>
#include <vector>

#include "replay/script/text_parser.h"

namespace tapedeck {

// Appends what stands before the brace, and takes the brace.
void ParseHexWords(TextParser& parser, std::vector<uint8_t>& bytes);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_HEX_WORDS_H_
