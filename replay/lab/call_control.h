// Control messages of sendmsg and recvmsg, between a script's notation and memory:
//
//   [{cmsg_level=SOL_SOCKET, cmsg_type=SCM_TIMESTAMPING, cmsg_data={scm_sec=0,scm_nsec=20000000}},
//    {cmsg_level=SOL_IP, cmsg_type=IP_RECVERR, cmsg_data={ee_errno=ENOMSG, ee_origin=..., ...}},
//    {cmsg_level=SOL_TCP, cmsg_type=TCP_CM_INQ, cmsg_data=8000}]
#ifndef TAPEDECK_REPLAY_LAB_CALL_CONTROL_H_
#define TAPEDECK_REPLAY_LAB_CALL_CONTROL_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/script/expression.h"
#include "stack/base/time.h"

namespace tapedeck {

// The clock of timestamps in a script.
struct ScriptClock {
  SimTime start;       // when the script's time is zero
  Duration tolerance;  // by how much a timestamp may be off
};

// The messages that `list` names, laid out as x86-64 Linux wants them. InvalidArgument where one is
// not understood.
absl::StatusOr<std::vector<uint8_t>> EncodeControl(const Expression& list);

// Empty where `control`, which recvmsg has written, holds the messages that `list` names; else the
// first difference. A time of zero matches any.
std::string CompareControl(const Expression& list, std::span<const uint8_t> control,
                           const ScriptClock& clock);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_CALL_CONTROL_H_
