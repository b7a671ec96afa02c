// Inputs and other small files of a campaign: read, written, listed, named.
#ifndef TAPEDECK_FUZZ_CAMPAIGN_FILES_H_
#define TAPEDECK_FUZZ_CAMPAIGN_FILES_H_

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace tapedeck::fuzz {

// The name of an input in a corpus: the SHA-1 of its bytes in 40 hexadecimal digits, as libFuzzer
// has it.
std::string InputName(std::span<const uint8_t> bytes);

// The whole file; an error is one line that begins with the path.
absl::StatusOr<std::vector<uint8_t>> ReadBytes(const std::string& path);
absl::StatusOr<std::string> ReadText(const std::string& path);
// It has its name only when it is whole; folders above it are made.
absl::Status WriteBytes(const std::string& path, std::span<const uint8_t> bytes);
absl::Status WriteText(const std::string& path, std::string_view text);
absl::Status MakeFolder(const std::string& path);

// The inputs in a folder, sorted: its files but texts (*.txt, *.md, *.toml) and hidden ones. None
// where there is no such folder.
std::vector<std::string> ListInputs(const std::string& folder);
// The same of several files and folders, in the order given. NotFound names what is neither.
absl::StatusOr<std::vector<std::string>> ListAllInputs(const std::vector<std::string>& paths);

// The last part of a path.
std::string BaseName(const std::string& path);

}  // namespace tapedeck::fuzz

#endif  // TAPEDECK_FUZZ_CAMPAIGN_FILES_H_
