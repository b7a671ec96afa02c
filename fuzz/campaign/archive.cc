#include "fuzz/campaign/archive.h"

#include <cstddef>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/to_test.h"

namespace tapedeck::fuzz {
namespace {

std::string RunJson(const CrashInput& input, const ObservedRun& run, const CrashOrigin& origin,
                    const std::string& folder) {
  nlohmann::ordered_json json;
  json["target"] = input.target;
  json["signature"] = run.signature;
  json["input"] = InputName(input.bytes);
  json["input_bytes"] = input.bytes.size();
  json["events"] = run.events.size();
  json["trace_digest"] = run.trace_digest;
  json["build"] = BuildIdOf(origin.replayer);
  if (!origin.engine.empty()) json["engine"] = origin.engine;
  if (!origin.seed.empty()) json["seed"] = origin.seed;
  if (!origin.flags.empty()) json["flags"] = origin.flags;
  json["command"] = absl::StrCat("tapedeck repro ", folder);
  return json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n";
}

absl::Status WriteRing(const std::string& path, const std::vector<std::string>& files) {
  for (size_t i = 0; i < files.size(); ++i) {
    const absl::StatusOr<std::vector<uint8_t>> bytes = ReadBytes(files[i]);
    if (!bytes.ok()) return bytes.status();
    const absl::Status written = WriteBytes(absl::StrFormat("%s/ring/%02d", path, i), *bytes);
    if (!written.ok()) return written;
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status WriteArchive(const std::string& path, const CrashInput& input, const ObservedRun& run,
                          const CrashOrigin& origin) {
  absl::Status status = WriteBytes(absl::StrCat(path, "/", kArchiveInputFile), input.bytes);
  status.Update(WriteText(absl::StrCat(path, "/", kArchiveRunFile),
                          RunJson(input, run, origin, BaseName(path))));
  status.Update(WriteText(absl::StrCat(path, "/errors.txt"), run.errors));
  if (input.kind() == InputKind::kScript) {
    status.Update(WriteText(absl::StrCat(path, "/input.pkt"), ScriptText(input, run)));
  }
  if (!run.events.empty()) {
    status.Update(
        WriteText(absl::StrCat(path, "/trace.txt"), absl::StrJoin(run.events, "\n") + "\n"));
    status.Update(
        WriteCaptureOfRun(origin.replayer, input.bytes, run, absl::StrCat(path, "/run.pcapng")));
  }
  status.Update(WriteRing(path, origin.ring));
  return status;
}

}  // namespace tapedeck::fuzz
