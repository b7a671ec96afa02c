// Seeds on the command line.
#ifndef TAPEDECK_TOOLS_SEED_FLAG_H_
#define TAPEDECK_TOOLS_SEED_FLAG_H_

#include <charconv>
#include <cstdint>
#include <string>
#include <system_error>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace tapedeck::tools {

// Up to 16 hexadecimal digits, as all subcommands take and print them.
inline absl::StatusOr<uint64_t> ParseSeed(const std::string& text) {
  uint64_t seed = 0;
  const char* const end = text.data() + text.size();
  const auto [read, error] = std::from_chars(text.data(), end, seed, 16);
  if (error != std::errc() || read != end) {
    return absl::InvalidArgumentError(
        absl::StrCat("--seed ", text, ": expected up to 16 hexadecimal digits"));
  }
  return seed;
}

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_SEED_FLAG_H_
