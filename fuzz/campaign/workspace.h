// Where a campaign finds what it runs: the sources, their builds, the targets.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_WORKSPACE_H_
#define TAPEDECK_FUZZ_CAMPAIGN_WORKSPACE_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tapedeck::fuzz {

// What an input of a target is; it decides how one is taken apart.
enum class InputKind : uint8_t {
  kScript,   // the bytes spelling of a Script
  kCapture,  // a capture file
  kText,     // lines of text
};

// Names that a build of the presets has for a use.
inline constexpr char kReplayPreset[] = "release";            // replayers, gcc
inline constexpr char kSanitizedPreset[] = "asan";            // replayers, sanitizers
inline constexpr char kLibFuzzerPreset[] = "fuzz-libfuzzer";  // sanitizers
inline constexpr char kLibFuzzerPlainPreset[] = "fuzz-libfuzzer-plain";
inline constexpr char kAflPreset[] = "fuzz-afl";

class Workspace {
 public:
  // `root` of the sources; empty: the first folder above the working directory, or above this
  // program, that has fuzz/targets.txt.
  static absl::StatusOr<Workspace> Find(const std::string& root);

  const std::string& root() const { return root_; }
  // As fuzz/targets.txt has them.
  const std::vector<std::string>& targets() const { return targets_; }
  absl::Status CheckTarget(const std::string& target) const;
  // What `input` of `target` is: of most a Script; of those that read files a capture where it
  // begins like one, else text.
  static InputKind KindOf(const std::string& target, std::span<const uint8_t> input);

  // build/<preset>/bin/<program>, whether there or not.
  std::string ProgramPath(const std::string& preset, const std::string& program) const;
  // That program, built by the preset where it is missing or `renew` is set; its log is
  // build/logs/fuzz-<preset>.log. An error shows its end.
  absl::StatusOr<std::string> Build(const std::string& preset, const std::string& program,
                                    bool renew = false) const;

  // The replayer of `target`: that of `preset`; or, where none is named, that beside this program,
  // else the release build's. It is built where it is missing.
  absl::StatusOr<std::string> Replayer(const std::string& target, const std::string& preset) const;

  // The program of `target` for an engine, built where it is missing. For libFuzzer that is one
  // with sanitizers, of the presets fuzz-libfuzzer or asan, unless `plain`.
  absl::StatusOr<std::string> LibFuzzerProgram(const std::string& target, bool plain) const;
  absl::StatusOr<std::string> AflProgram(const std::string& target) const;
  // The shared object by which afl-fuzz mutates inputs of `target` as what they are, built where it
  // is missing; "" where they are bytes.
  absl::StatusOr<std::string> AflMutator(const std::string& target) const;

  // The committed inputs of `target`: corpus/fuzz/<target> and corpus/regress/<target>.
  std::vector<std::string> CorpusFolders(const std::string& target) const;
  // Where a campaign begins: those, and where `target` plays scripts, the seeds of `stack`, which
  // are most.
  std::vector<std::string> SeedFolders(const std::string& target) const;
  // fuzz/dictionaries/<target>.dict, or "".
  std::string Dictionary(const std::string& target) const;

 private:
  // build/<preset>/<file>, which is made by `program`'s build rule.
  absl::StatusOr<std::string> BuildFile(const std::string& preset, const std::string& file,
                                        const std::string& program, bool renew) const;

  std::string root_;
  std::vector<std::string> targets_;
};

// What names a build: the SHA-1 of the program's bytes, or "unknown".
std::string BuildIdOf(const std::string& program);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_WORKSPACE_H_
