// How the packetdrill program was called: the library is not told its addresses, so it reads them
// where that program does, from the command line and from the head of the script.
#ifndef TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_INVOCATION_H_
#define TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_INVOCATION_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/lab/play_settings.h"

namespace tapedeck::adapter {

// The arguments of this process.
std::vector<std::string> ProcessArguments();

// What `arguments` (without the program's name) and the script that they name say. NotFound where
// they name none; InvalidArgument for an option whose value is wrong. Options that only concern the
// program itself do not matter.
absl::StatusOr<PlaySettings> ReadInvocation(const std::vector<std::string>& arguments);

}  // namespace tapedeck::adapter

#endif  // TAPEDECK_TOOLS_PACKETDRILL_ADAPTER_INVOCATION_H_
