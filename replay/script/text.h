// The text spelling of a Script: packetdrill's language for the steps that exist, and a few
// statements of our own for what it lacks. README.md beside this file is its reference.
//
//   0    socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP) = 3
//   +0   bind(3, ..., ...) = 0
//   +0...0.2 recvfrom(3, ..., 100, 0, ..., ...) = 20       // blocks for 0.2 s
//   +0.2 frame repair { 020000000001 020000000002 0800 ... }
//   +0   host 1: close(3) = -1 EBADF (Bad file descriptor)
//   +1   pause
//
// Times as in packetdrill: "+t" counts from the step before, "t" from the start of the script.
#ifndef TAPEDECK_REPLAY_SCRIPT_TEXT_H_
#define TAPEDECK_REPLAY_SCRIPT_TEXT_H_

#include <functional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "replay/script/script.h"

namespace tapedeck {

struct ParseOptions {
  // What a command line says: taken over what the script says. Its defines are what words stand
  // for.
  ScriptOptions options;
  // Reads a file that a command line of the script runs (defaults.sh), by its path from the folder
  // that `name` is in. Without it such commands are refused.
  std::function<absl::StatusOr<std::string>(const std::string& path)> read_file;
  // The text is a part of a script: what comes before it is not known, so that times from the start
  // stay as they are.
  bool is_part = false;
};

// Reads files from the disk: a value for ParseOptions::read_file.
absl::StatusOr<std::string> ReadScriptFile(const std::string& path);

// The script that `text` spells. An error is one line for the first mistake:
// "name:line:column: expected what, found what".
absl::StatusOr<Script> ParseScript(std::string_view text, std::string_view name,
                                   const ParseOptions& options = {});

struct PrintOptions {
  // A comment before each frame that says what it is, as tcpdump would.
  bool describe_frames = false;
};

// The canonical text: one step after another, times relative, numbers by name where they have one.
// ParseScript() gives `script` back. REQUIRES: ValidateScript(script).ok().
std::string PrintScript(const Script& script, const PrintOptions& options = {});
// One step, as it stands there, without a line end.
std::string PrintStep(const Step& step);
// A packet without its time: "> P. 1:1001(1000) ack 1 win 256 <nop,nop,TS val 100 ecr 200>". For a
// packet that was seen, made into a PacketStep, as for one that a script has.
std::string PrintPacket(const PacketStep& packet);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_TEXT_H_
