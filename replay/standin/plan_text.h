// Plans as text: what `tapedeck replay --plan-out` writes and `tapedeck replay FILE.plan` executes.
// One line a fact, in the order: what runs where, guesses (`guess`), flows with what L's
// application does (`do`) and what L sent (`expect`), then P's packets (`in`) in order of time.
// Words are separated by blanks, `#` begins a comment, times are seconds with nine digits.
//
//   tapedeck-plan 1
//   source "web.pcap" 1767225600.000000000
//   host 02:00:00:00:02:00 mtu 1500 address 192.0.2.2
//   neighbour 192.0.2.1 02:00:00:00:01:00
//   listen tcp 192.0.2.2:80 at 0.000000000
//   guess L is 192.0.2.2: it answered faster in 3 of 3 handshakes
//   flow 1 tcp passive 192.0.2.2:80 192.0.2.1:40000 isn 17 4711 open 0.000000000 mss 1460 wscale 7
//     read 79 of hash 8f1c2d3e4f5a6b7c
//     do cap#6 write after 79 delay 0.000123000 { 48545450 }
//     expect cap#2 0.000041000 S. 0 0 ack 1 win 65160 mss 1460 wscale 7 sackok ts
//   in cap#1 flow 1 at 0.000000000 start gap 0.000000000 { 4500... }
//   in cap#3 flow 1 at 0.010000000 sent 1 nth 1 gap 0.010000000 echo 0 { 4500... }
//
// A packet that came in fragments ends in a list of them: where in its data they begin, how long
// they are, how long before the last they came, and their headers.
//
//   in cap#8 flow 1 at ... { 4500... } cut cap#8 0 1480 before 0.000004000 { 4500... } cut ...
//
// Printing what was parsed gives the same text, byte for byte.
#ifndef TAPEDECK_REPLAY_STANDIN_PLAN_TEXT_H_
#define TAPEDECK_REPLAY_STANDIN_PLAN_TEXT_H_

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "replay/standin/plan.h"

namespace tapedeck::standin {

std::string PrintPlan(const Plan& plan);
// The same text piece by piece: it is some times as long as the capture.
void PrintPlan(const Plan& plan, const std::function<void(std::string_view piece)>& print);

// `name` is what errors call the text: "x.plan:12: expected a time, found 'soon'".
absl::StatusOr<Plan> ParsePlan(std::string_view text, const std::string& name);

// "tcp 192.0.2.2:80 < 192.0.2.1:40000": L's end first, > where L connected.
std::string FlowName(const PlanFlow& flow);

// XXH3 of the text: part of what identifies a run.
uint64_t PlanHash(const Plan& plan);

// Whether a file that begins so is a plan.
bool LooksLikePlan(std::string_view beginning);

// "cap#41", "split 3/8 of cap#41", "synth".
std::string ProvenanceText(const Provenance& from);

}  // namespace tapedeck::standin

#endif  // TAPEDECK_REPLAY_STANDIN_PLAN_TEXT_H_
