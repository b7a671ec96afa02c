#include "tools/case_flags.h"

#include "absl/strings/str_cat.h"
#include "stack/base/ip_address.h"
#include "tools/seed_flag.h"

namespace tapedeck::tools {

void AddCaseFlags(CLI::App* sub, CaseFlags* flags) {
  sub->add_option("--as", flags->kind,
                  "What FILE is: capture, stand-in, script, bytes, recording [by its name]")
      ->type_name("KIND");
  sub->add_option("--host", flags->host,
                  "Address of the host under test in a capture [the busiest receiver]");
  sub->add_option("--frames", flags->frames_max, "Only so many frames of a capture [all]");
  sub->add_option("--mode", flags->mode, "IP version of a script: ipv4, ipv6, ipv4-mapped-ipv6");
  sub->add_flag("--tolerance", flags->tolerance, "Judge a script's times as packetdrill does");
  sub->add_option("--seed", flags->seed, "Seed of all random numbers, hexadecimal [5eed0001]")
      ->type_name("HEX");
}

std::vector<std::string> CaseArguments(const CaseFlags& flags) {
  std::vector<std::string> arguments;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) arguments.insert(arguments.end(), {name, value});
  };
  add("--as", flags.kind);
  add("--host", flags.host);
  add("--mode", flags.mode);
  add("--seed", flags.seed);
  if (flags.frames_max != UINT64_MAX) add("--frames", std::to_string(flags.frames_max));
  if (flags.tolerance) arguments.emplace_back("--tolerance");
  return arguments;
}

absl::StatusOr<CaseOptions> MakeCaseOptions(const CaseFlags& flags) {
  CaseOptions options;
  options.tolerance = flags.tolerance ? TolerancePolicy::kKernel : TolerancePolicy::kExact;
  options.check_leftovers = false;
  options.capture.frames_max = flags.frames_max;
  if (!flags.seed.empty()) {
    const absl::StatusOr<uint64_t> seed = ParseSeed(flags.seed);
    if (!seed.ok()) return seed.status();
    options.seed = *seed;
  }
  if (!flags.kind.empty()) {
    const absl::StatusOr<CaseKind> kind = ParseCaseKind(flags.kind);
    if (!kind.ok()) return kind.status();
    options.kind = *kind;
  }
  if (!flags.mode.empty()) {
    const absl::Status set = options.script.Set("ip_version", flags.mode);
    if (!set.ok()) return set;
  }
  if (!flags.host.empty()) {
    options.capture.host = IpAddress::Parse(flags.host);
    if (!options.capture.host.has_value()) {
      return absl::InvalidArgumentError("--host " + flags.host +
                                        ": expected an IPv4 or IPv6 address");
    }
  }
  return options;
}

absl::StatusOr<std::unique_ptr<Case>> OpenCaseOf(const CaseFlags& flags) {
  absl::StatusOr<CaseOptions> options = MakeCaseOptions(flags);
  if (!options.ok()) return options.status();
  options->capture.rewindable = true;
  return OpenCase(flags.file, *options);
}

}  // namespace tapedeck::tools
