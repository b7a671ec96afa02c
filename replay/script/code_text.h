// The text spelling of code between %{ and }%.
#ifndef TAPEDECK_REPLAY_SCRIPT_CODE_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_CODE_TEXT_H_

#include <string>

#include "replay/script/code.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

// Parses the code of `token`, a kCode of `parser`; errors are the parser's.
void ParseCode(TextParser& parser, const Token& token, CodeStep& code);
// "%{ assert tcpi_rtt == 5, tcpi_rtt }%", a line for each statement.
void PrintCode(std::string& out, const CodeStep& code);
void PrintCode(std::string& out, const CodeExpression& expression);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_CODE_TEXT_H_
