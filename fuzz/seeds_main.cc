// Makes inputs of the fuzz target `stack` from scripts and captures.
//
//   fuzz_seeds DIRECTORY FILE...
//
// Inputs are named after their file and number; the corpus keeps those that a merge finds useful,
// under their hash (tools/fuzz-seeds).
#include <cstdio>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/seeds.h"

namespace tapedeck::fuzz {
namespace {

absl::Status MakeSeeds(const std::string& directory, const std::string& file) {
  const absl::StatusOr<std::vector<Bytes>> seeds = SeedsFromFile(file);
  if (!seeds.ok()) return seeds.status();
  absl::Status status;
  for (size_t i = 0; i < seeds->size(); ++i) {
    status.Update(WriteBytes(absl::StrCat(directory, "/", BaseName(file), "-", i), (*seeds)[i]));
  }
  return status;
}

int Main(int argc, char** argv) {
  if (argc < 3) {
    std::fprintf(stderr, "usage: %s DIRECTORY FILE...\n", argv[0]);
    return 2;
  }
  for (int i = 2; i < argc; ++i) {
    const absl::Status status = MakeSeeds(argv[1], argv[i]);
    if (status.ok()) continue;
    std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
    return 2;
  }
  return 0;
}

}  // namespace
}  // namespace tapedeck::fuzz

int main(int argc, char** argv) { return tapedeck::fuzz::Main(argc, argv); }
