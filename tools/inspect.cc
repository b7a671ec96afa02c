#include "tools/inspect.h"

#include <algorithm>
#include <cstdio>

#include "replay/lab/raw_replay.h"
#include "replay/lab/script_run.h"
#include "tools/commands.h"

namespace tapedeck::tools {

namespace {

void ComplainOfInspection(const std::string& command, const std::string& line) {
  std::fprintf(stderr, "tapedeck %s: %s\n", command.c_str(), line.c_str());
}

int InspectScript(const std::string& command, const std::string& file, const InspectFlags& flags,
                  const Inspection& inspection) {
  ScriptRunOptions options;
  options.tolerance = flags.tolerance ? TolerancePolicy::kKernel : TolerancePolicy::kExact;
  options.check_leftovers = false;
  options.host_made = inspection.host_made;
  options.ended = inspection.ended;
  if (!flags.mode.empty()) {
    const absl::Status set = options.script.Set("ip_version", flags.mode);
    if (!set.ok()) {
      ComplainOfInspection(command, std::string(set.message()));
      return kExitUsage;
    }
  }
  Arena arena{Arena::Options{}};
  const absl::StatusOr<ScriptRunResult> result = RunScriptFile(file, options, &arena);
  if (!result.ok()) {
    ComplainOfInspection(command, std::string(result.status().message()));
    return kExitUsage;
  }
  if (result->outcome == ScriptRunResult::Outcome::kPassed) return kExitHeld;
  ComplainOfInspection(command, result->message);
  return kExitFailed;
}

int InspectCapture(const std::string& command, const std::string& file, const InspectFlags& flags,
                   const Inspection& inspection) {
  RawReplayOptions options;
  options.lab.hosts = {LabHostOptions{}};
  options.frames_max = flags.frames_max;
  if (!flags.host.empty()) {
    options.host = IpAddress::Parse(flags.host);
    if (!options.host.has_value()) {
      ComplainOfInspection(command, "--host " + flags.host + ": expected an IPv4 or IPv6 address");
      return kExitUsage;
    }
  }
  RawReplayHooks hooks;
  hooks.host_made = inspection.host_made;
  hooks.ended = inspection.ended;
  const absl::StatusOr<RawReplayResult> result = RawReplay(file, options, hooks);
  if (!result.ok()) {
    ComplainOfInspection(command, std::string(result.status().message()));
    return kExitUsage;
  }
  for (const std::string& warning : result->warnings) ComplainOfInspection(command, warning);
  for (const std::string& violation : result->violations) ComplainOfInspection(command, violation);
  return result->violations.empty() ? kExitHeld : kExitFailed;
}

int InspectFile(const std::string& command, const std::string& file, const InspectFlags& flags,
                const Inspection& inspection) {
  const bool script = file.size() > 4 && file.compare(file.size() - 4, 4, ".pkt") == 0;
  return (script ? InspectScript : InspectCapture)(command, file, flags, inspection);
}

}  // namespace

void AddInspectFlags(CLI::App* sub, InspectFlags* flags) {
  sub->add_option("FILE", flags->files, "Captures, and scripts whose names end in .pkt")
      ->required();
  sub->add_option("--host", flags->host,
                  "Address of the host under test in a capture [the busiest receiver]");
  sub->add_option("--frames", flags->frames_max, "Look after so many frames of a capture [all]");
  sub->add_option("--mode", flags->mode, "IP version of a script: ipv4, ipv6, ipv4-mapped-ipv6");
  sub->add_flag("--tolerance", flags->tolerance, "Judge a script's times as packetdrill does");
}

int InspectFiles(const std::string& command, const InspectFlags& flags,
                 const Inspection& inspection) {
  int exit_code = kExitHeld;
  for (const std::string& file : flags.files) {
    if (flags.files.size() > 1) std::printf("==> %s <==\n", file.c_str());
    exit_code = std::max(exit_code, InspectFile(command, file, flags, inspection));
  }
  return exit_code;
}

}  // namespace tapedeck::tools
