#include "replay/case/case.h"

#include <array>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "replay/lab/script_playback.h"
#include "replay/lab/script_run.h"
#include "replay/recording/recording_replay.h"
#include "replay/script/bytes.h"
#include "replay/standin/stand_in.h"
#include "replay/standin/standin_playback.h"

namespace tapedeck {

namespace {

class CaptureCase final : public Case {
 public:
  CaptureCase(std::string path, const CaseOptions& options)
      : path_(std::move(path)), options_(options.capture) {
    options_.lab.seed = options.seed;
    if (options_.lab.hosts.empty()) options_.lab.hosts.emplace_back();
  }
  const std::string& name() const override { return path_; }
  CaseKind kind() const override { return CaseKind::kCapture; }
  absl::StatusOr<std::unique_ptr<Playback>> Play(const PlayHooks& hooks,
                                                 Arena* arena) const override {
    RawReplayOptions options = options_;
    options.lab.observer = hooks.observer;
    options.lab.edits = hooks.edits;
    return RawPlayback::Open(path_, options, arena);
  }

 private:
  std::string path_;
  RawReplayOptions options_;
};

class ScriptCase final : public Case {
 public:
  ScriptCase(std::string path, CaseKind kind, Script script, const CaseOptions& options)
      : path_(std::move(path)), kind_(kind), script_(std::move(script)) {
    options_.name = path_;
    options_.tolerance = options.tolerance;
    options_.ip_version = options.script.ip_version;
    options_.seed = options.seed;
    options_.costs = options.script_costs;
    options_.check_leftovers = options.check_leftovers;
    options_.nics = kind == CaseKind::kBytes;
    options_.judged = kind != CaseKind::kBytes;
    if (kind == CaseKind::kBytes) options_.work_max = kInputWorkMax;
  }
  const std::string& name() const override { return path_; }
  CaseKind kind() const override { return kind_; }
  absl::StatusOr<std::unique_ptr<Playback>> Play(const PlayHooks& hooks,
                                                 Arena* arena) const override {
    ScriptPlaybackOptions options = options_;
    options.hooks = hooks;
    return OpenScriptPlayback(script_, options, arena);
  }

 private:
  std::string path_;
  CaseKind kind_;
  Script script_;
  ScriptPlaybackOptions options_;
};

class RecordingCase final : public Case {
 public:
  explicit RecordingCase(std::string path) : path_(std::move(path)) {}
  const std::string& name() const override { return path_; }
  CaseKind kind() const override { return CaseKind::kRecording; }
  absl::StatusOr<std::unique_ptr<Playback>> Play(const PlayHooks& hooks,
                                                 Arena* arena) const override {
    LiveRunOptions options;
    options.observer = hooks.observer;
    options.edits = hooks.edits;
    return RecordingReplay::Open(path_, options, arena);
  }

 private:
  std::string path_;
};

class StandInCase final : public Case {
 public:
  StandInCase(std::string path, standin::Plan plan, const CaseOptions& options)
      : path_(std::move(path)), plan_(std::move(plan)) {
    options_.lab = options.capture.lab;
    options_.lab.seed = options.seed;
    if (options_.lab.hosts.empty()) options_.lab.hosts.emplace_back();
    // A captured time is when the host saw a packet: what its NIC did before is in it already.
    options_.lab.hosts[0].driver.eitr = 0;
    options_.settle = options.capture.settle;
  }
  const std::string& name() const override { return path_; }
  CaseKind kind() const override { return CaseKind::kStandIn; }
  absl::StatusOr<std::unique_ptr<Playback>> Play(const PlayHooks& hooks,
                                                 Arena* arena) const override {
    standin::StandInOptions options = options_;
    options.lab.observer = hooks.observer;
    options.lab.edits = hooks.edits;
    return std::make_unique<standin::StandInPlayback>(plan_, options, standin::TimeTolerance{},
                                                      arena);
  }

 private:
  std::string path_;
  standin::Plan plan_;
  standin::StandInOptions options_;
};

absl::StatusOr<std::vector<uint8_t>> ReadCaseBytes(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  return std::vector<uint8_t>(std::istreambuf_iterator<char>(file), {});
}

// Captures of every byte order and resolution, and those that are compressed.
bool BeginsLikeACapture(const std::string& path) {
  constexpr std::array<std::array<uint8_t, 4>, 7> kMagics = {{{0xd4, 0xc3, 0xb2, 0xa1},
                                                              {0xa1, 0xb2, 0xc3, 0xd4},
                                                              {0x4d, 0x3c, 0xb2, 0xa1},
                                                              {0xa1, 0xb2, 0x3c, 0x4d},
                                                              {0x34, 0xcd, 0xb2, 0xa1},
                                                              {0xa1, 0xb2, 0xcd, 0x34},
                                                              {0x0a, 0x0d, 0x0d, 0x0a}}};
  constexpr std::array<uint8_t, 2> kGzip = {0x1f, 0x8b};
  std::array<char, 4> start{};
  std::ifstream file(path, std::ios::binary);
  if (!file.read(start.data(), start.size())) return false;
  for (const std::array<uint8_t, 4>& magic : kMagics) {
    if (std::memcmp(start.data(), magic.data(), magic.size()) == 0) return true;
  }
  return std::memcmp(start.data(), kGzip.data(), kGzip.size()) == 0;
}

CaseKind KindByName(const std::string& path) {
  const std::filesystem::path name(path);
  if (name.extension() == ".pkt") return CaseKind::kScript;
  if (name.extension() == ".plan") return CaseKind::kStandIn;
  std::error_code unknown;
  if (path != "-" && !name.has_extension() && std::filesystem::is_regular_file(name, unknown) &&
      !BeginsLikeACapture(path)) {
    return CaseKind::kBytes;
  }
  return IsRecording(path) ? CaseKind::kRecording : CaseKind::kCapture;
}

absl::StatusOr<std::unique_ptr<Case>> OpenScriptCase(const std::string& path,
                                                     const CaseOptions& options) {
  absl::StatusOr<Script> script = ReadScript(path, options.script);
  if (!script.ok()) return script.status();
  return std::make_unique<ScriptCase>(path, CaseKind::kScript, *std::move(script), options);
}

absl::StatusOr<std::unique_ptr<Case>> OpenBytesCase(const std::string& path,
                                                    const CaseOptions& options) {
  const absl::StatusOr<std::vector<uint8_t>> bytes = ReadCaseBytes(path);
  if (!bytes.ok()) return bytes.status();
  return std::make_unique<ScriptCase>(path, CaseKind::kBytes, DecodeScript(*bytes), options);
}

absl::StatusOr<std::unique_ptr<Case>> OpenStandInCase(const std::string& path,
                                                      const CaseOptions& options) {
  standin::InferOptions inference;
  inference.host = options.capture.host;
  inference.filter = options.capture.filter;
  std::vector<std::string> warnings;
  const bool is_plan = std::filesystem::path(path).extension() == ".plan";
  absl::StatusOr<standin::Plan> plan =
      is_plan ? standin::ReadPlan(path) : standin::PlanFromCapture(path, inference, &warnings);
  if (!plan.ok()) return plan.status();
  if (!standin::HasUsableFlows(*plan)) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": no flow of TCP or UDP whose packets could drive a host"));
  }
  return std::make_unique<StandInCase>(path, *std::move(plan), options);
}

constexpr std::array<const char*, 6> kKindNames = {"",      "capture",   "script",
                                                   "bytes", "recording", "stand-in"};

}  // namespace

absl::StatusOr<CaseKind> ParseCaseKind(const std::string& name) {
  for (size_t i = 1; i < kKindNames.size(); ++i) {
    if (name == kKindNames[i]) return static_cast<CaseKind>(i);
  }
  return absl::InvalidArgumentError(absl::StrCat(
      name, ": expected what kind of case it is: capture, script, bytes, recording or stand-in"));
}

const char* CaseKindName(CaseKind kind) { return kKindNames[static_cast<size_t>(kind)]; }

absl::StatusOr<std::unique_ptr<Case>> OpenCase(const std::string& path,
                                               const CaseOptions& options) {
  switch (options.kind == CaseKind::kByName ? KindByName(path) : options.kind) {
    case CaseKind::kScript:
      return OpenScriptCase(path, options);
    case CaseKind::kBytes:
      return OpenBytesCase(path, options);
    case CaseKind::kRecording:
      return std::make_unique<RecordingCase>(path);
    case CaseKind::kStandIn:
      return OpenStandInCase(path, options);
    case CaseKind::kByName:
    case CaseKind::kCapture:
      break;
  }
  return std::make_unique<CaptureCase>(path, options);
}

}  // namespace tapedeck
