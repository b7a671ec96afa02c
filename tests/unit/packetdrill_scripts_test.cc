// Reads packetdrill scripts that others wrote: every one parses, prints to what reads the same, and
// has bytes that mean the same.
//
//   TAPEDECK_PACKETDRILL_DIR=DIR[:DIR...]     folders with .pkt files, at any depth
//
// Skipped where it is not set: such scripts are not part of this project.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>
#include <vector>

#include "replay/script/bytes.h"
#include "replay/script/text.h"

namespace tapedeck {
namespace {

namespace fs = std::filesystem;

std::vector<std::string> FindScripts(const std::string& folders) {
  std::vector<std::string> paths;
  std::istringstream list(folders);
  for (std::string folder; std::getline(list, folder, ':');) {
    for (const fs::directory_entry& entry : fs::recursive_directory_iterator(folder)) {
      if (entry.path().extension() == ".pkt") paths.push_back(entry.path().string());
    }
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// What the suites' own runners define; the values do not matter here.
ParseOptions RunnerOptions() {
  ParseOptions options;
  options.read_file = ReadScriptFile;
  options.options.defines = {{"TFO_COOKIE", "3021b9d889017eeb"},
                             {"TFO_COOKIE_ZERO", "b7c12350a90dc8f5"},
                             {"CODE", "host_unreachable"},
                             {"CMSG_LEVEL_IP", "SOL_IP"},
                             {"CMSG_TYPE_RECVERR", "IP_RECVERR"}};
  return options;
}

// PSP (security on the wire, 10 scripts of google's suite) is left out, and said so.
bool IsPsp(const std::string& text) {
  return text.find("--psp_udp_port") != std::string::npos ||
         text.find("psp_rx_assoc") != std::string::npos;
}

TEST(PacketdrillScripts, ParsePrintAndEncode) {
  const char* const folders = std::getenv("TAPEDECK_PACKETDRILL_DIR");
  if (folders == nullptr) GTEST_SKIP() << "TAPEDECK_PACKETDRILL_DIR names no scripts";
  const std::vector<std::string> paths = FindScripts(folders);
  ASSERT_FALSE(paths.empty()) << folders;
  for (const std::string& path : paths) {
    const absl::StatusOr<std::string> text = ReadScriptFile(path);
    ASSERT_TRUE(text.ok()) << text.status();
    const absl::StatusOr<Script> script = ParseScript(*text, path, RunnerOptions());
    if (IsPsp(*text)) {
      EXPECT_FALSE(script.ok()) << path;
      continue;
    }
    ASSERT_TRUE(script.ok()) << script.status();
    EXPECT_TRUE(ValidateScript(*script).ok()) << path;

    const std::string printed = PrintScript(*script);
    const absl::StatusOr<Script> again = ParseScript(printed, path, RunnerOptions());
    ASSERT_TRUE(again.ok()) << again.status() << "\n" << printed;
    EXPECT_EQ(*again, *script) << printed;
    EXPECT_EQ(PrintScript(*again), printed);

    const absl::StatusOr<std::vector<uint8_t>> bytes = EncodeScript(*script);
    ASSERT_TRUE(bytes.ok()) << path << ": " << bytes.status();
    EXPECT_EQ(DecodeScript(*bytes), *script) << printed;
  }
}

}  // namespace
}  // namespace tapedeck
