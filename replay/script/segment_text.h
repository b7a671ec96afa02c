// Relative TCP segments in the text spelling: "segment 0 PSH|ACK len 100 ts 0 0".
#ifndef TAPEDECK_REPLAY_SCRIPT_SEGMENT_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_SEGMENT_TEXT_H_

#include <string>

#include "replay/script/segment_step.h"
#include "replay/script/text_parser.h"

namespace tapedeck {

//   segment   = "segment" flow flags { field }
//   field     = "v6" | "seq" N | "ack" N | "win" N | "len" N | "urg" N | "mss" N | "wscale" N |
//   "sackok"
//             | "ts" val ecr | "sack" left right | "options" "{" hex "}" | "wrong" what { "|" what
//             }
//   what      = "tcp_checksum" | "ip_checksum" | "data_offset" | "length"
//
// Fields stand in any order; of those that stand twice the last counts, but that SACK blocks add
// up.
void ParseSegment(TextParser& parser, SegmentStep& segment);

// Appends what ParseSegment() reads back: fields that have their default are left out.
void PrintSegment(std::string& out, const SegmentStep& segment);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SEGMENT_TEXT_H_
