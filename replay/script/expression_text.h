// The text spelling of the expressions that system calls take.
#ifndef TAPEDECK_REPLAY_SCRIPT_EXPRESSION_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_EXPRESSION_TEXT_H_

#include <string>

#include "replay/script/expression.h"
#include "replay/script/symbols.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

// One expression. Structures must have the fields that their first one announces, in this order:
//
//   {sa_family=, sin_port=, sin_addr=}                       a socket address, of either family
//   {msg_name(...)=..., msg_iov(1)=[...], msg_flags=, msg_control=[...]}    the last may be missing
//   {cmsg_level=, cmsg_type=, cmsg_data=}
//   {ee_errno=, ee_origin=, ee_type=, ee_code=, ee_info=, ee_data=}
//   {scm_sec=, scm_nsec=}
//   {fd=, events=, revents=}                                 the last may be missing
//   {events=, fd=}   {events=, ptr=}   {events=, u32=}   {events=, u64=}
//   {onoff=, linger=}
//   {..., 100}   {TCP_NLA_BUSY=..., TCP_NLA_TTL=64}          anything else: values, names of
//   numbers
Expression ParseExpression(TextParser& parser);

// Appends it as it was written; a number that has no spelling by its name in `symbols`, if they are
// given, else in decimal.
void PrintExpression(std::string& out, const Expression& expression,
                     const SymbolTable* symbols = nullptr);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_EXPRESSION_TEXT_H_
