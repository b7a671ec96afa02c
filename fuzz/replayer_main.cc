// Replays inputs of a fuzz target without an engine: every file given, and every file of every
// directory given, except its texts (*.txt, *.md).
//
//   stack_replayer [--repeat N] [--state-map] [--fill BYTE] FILE|DIRECTORY...
//
// Prints "FILE: DIGEST" for each, in the order of their names, "cut short" behind it where the
// input made more work than a run may have; the name comes before the run, so that a crash shows
// whose it is. Each input runs twice, with the input before it in between, and the digests and
// state maps must be equal; and a third time with a detour in the middle: time goes on and is put
// back. --fill: what memory is filled with before it is written. With --state-map the facts follow
// that the map holds of its run, a line each. With --repeat each runs N times more, and the rate is
// printed at the end. Exit codes: 0 all held, 1 a digest or map differed, 2 wrong usage. A broken
// promise aborts.
//
//   stack_replayer --judge                              what judge_protocol.h says
//   stack_replayer --trace FILE                         one run, its events as text; exit code 3:
//                                                       it was cut short
//   stack_replayer --capture PCAPNG --until N FILE      one run up to event N, as a capture
#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "fuzz/judge_server.h"
#include "fuzz/observe.h"
#include "fuzz/state/state_map.h"
#include "fuzz/target.h"
#include "fuzz/variation.h"

namespace tapedeck::fuzz {
namespace {

// Bytes on the heap, with nothing behind them that a read beyond their end would hit.
struct Input {
  std::string name;
  std::unique_ptr<uint8_t[]> bytes;
  size_t size = 0;

  RunResult Run() const { return RunInput({bytes.get(), size}); }
};

struct Arguments {
  std::vector<std::string> paths;
  uint64_t repeat = 0;
  uint64_t fill = 0;
  bool state_map = false;
  bool judge = false;
  bool trace = false;
  std::string capture;
  uint64_t until = 0;
};

bool ParseNumber(std::string_view text, uint64_t* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

std::optional<Arguments> ParseArguments(int argc, char** argv) {
  Arguments arguments;
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--repeat" || argument == "--until" || argument == "--fill") {
      uint64_t* const number = argument == "--repeat"  ? &arguments.repeat
                               : argument == "--until" ? &arguments.until
                                                       : &arguments.fill;
      if (++i == argc || !ParseNumber(argv[i], number)) return std::nullopt;
    } else if (argument == "--capture") {
      if (++i == argc) return std::nullopt;
      arguments.capture = argv[i];
    } else if (argument == "--state-map") {
      arguments.state_map = true;
    } else if (argument == "--judge") {
      arguments.judge = true;
    } else if (argument == "--trace") {
      arguments.trace = true;
    } else if (argument.starts_with("-")) {
      return std::nullopt;
    } else {
      arguments.paths.emplace_back(argument);
    }
  }
  const bool once = arguments.trace || !arguments.capture.empty();
  const bool paths_fit = arguments.judge ? arguments.paths.empty()
                         : once          ? arguments.paths.size() == 1
                                         : !arguments.paths.empty();
  if (!paths_fit || arguments.fill > 0xff || (!arguments.capture.empty() && arguments.until == 0))
    return std::nullopt;
  return arguments;
}

bool IsText(const std::filesystem::path& path) {
  return path.extension() == ".txt" || path.extension() == ".md";
}

// The files that `path` names, sorted; false where there is no such thing.
bool ListFiles(const std::string& path, std::vector<std::string>* files) {
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    files->push_back(path);
    return std::filesystem::is_regular_file(path, error);
  }
  const size_t before = files->size();
  for (const auto& entry : std::filesystem::directory_iterator(path, error)) {
    if (entry.is_regular_file(error) && !IsText(entry.path())) {
      files->push_back(entry.path().string());
    }
  }
  std::sort(files->begin() + static_cast<std::ptrdiff_t>(before), files->end());
  return !error;
}

std::optional<Input> ReadInput(const std::string& name) {
  std::ifstream file(name, std::ios::binary | std::ios::ate);
  if (!file) return std::nullopt;
  Input input;
  input.name = name;
  input.size = static_cast<size_t>(file.tellg());
  input.bytes = std::make_unique<uint8_t[]>(input.size);
  file.seekg(0);
  file.read(reinterpret_cast<char*>(input.bytes.get()), static_cast<std::streamsize>(input.size));
  return file ? std::optional(std::move(input)) : std::nullopt;
}

std::vector<uint8_t> StateCells() {
  const auto cells = EngineStateMap().cells();
  return {cells.begin(), cells.end()};
}

std::string Text(const RunResult& result) {
  if (!result.ran()) return "out of bounds";
  std::array<char, 17> digest;
  std::snprintf(digest.data(), digest.size(), "%016" PRIx64, result.digest);
  return result.keeps() ? digest.data() : std::string(digest.data()) + " cut short";
}

// The same digest, where the target runs a Lab.
RunResult RunWithDetour(const Input& input) {
  if (VaryRuns == nullptr) return input.Run();
  VaryRuns({.fill = RunVariation().fill, .detour = true});
  const RunResult result = input.Run();
  VaryRuns({.fill = RunVariation().fill, .detour = false});
  return result;
}

// Runs `input` twice, `between` in the middle. False where the digests or state maps differ.
bool Replay(const Input& input, const Input& between) {
  std::printf("%s: ", input.name.c_str());
  std::fflush(stdout);
  const RunResult result = input.Run();
  const std::vector<uint8_t> cells = StateCells();
  between.Run();
  const RunResult again = input.Run();
  if (result != again) {
    std::fprintf(stderr, "ASSERTION FAILED: DET:repeats:digest\n");
    std::printf("%s, but the second time %s\n", Text(result).c_str(), Text(again).c_str());
    return false;
  }
  if (result.ran() && cells != StateCells()) {
    std::printf("%s, but the second time another state map\n", Text(result).c_str());
    return false;
  }
  const RunResult detour = RunWithDetour(input);
  if (result != detour) {
    std::fprintf(stderr, "ASSERTION FAILED: DET:restores:digest\n");
    std::printf("%s, but with a detour %s\n", Text(result).c_str(), Text(detour).c_str());
    return false;
  }
  std::printf("%s\n", Text(result).c_str());
  return true;
}

// The facts of the run that was just made, by name.
void PrintStateMap() {
  const auto cells = EngineStateMap().cells();
  for (size_t i = 0; i < cells.size(); ++i) {
    if (cells[i] != 0) std::printf("  %s\n", StateMap::Describe(i).c_str());
  }
}

void Measure(const std::vector<Input>& inputs, uint64_t repeat) {
  const auto start = std::chrono::steady_clock::now();
  for (uint64_t i = 0; i < repeat; ++i) {
    for (const Input& input : inputs) input.Run();
  }
  const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
  const double runs = static_cast<double>(repeat) * static_cast<double>(inputs.size());
  std::printf("%.0f runs in %.2f s: %.0f a second\n", runs, seconds.count(),
              runs / seconds.count());
}

// One run, looked at.
int Observe(const Arguments& arguments) {
  const std::optional<Input> input = ReadInput(arguments.paths[0]);
  if (!input.has_value()) {
    std::fprintf(stderr, "%s: cannot be read\n", arguments.paths[0].c_str());
    return 2;
  }
  if (ObserveRuns == nullptr) {
    std::fprintf(stderr, "this target runs no Lab: it has no events\n");
    return 2;
  }
  Observation observation;
  if (arguments.trace) observation.trace = stdout;
  if (!arguments.capture.empty()) observation.capture = arguments.capture.c_str();
  observation.last_event = arguments.until;
  ObserveRuns(observation);
  return input->Run().end == RunResult::End::kCutShort ? kCutShortExit : 0;
}

int Main(int argc, char** argv) {
  const std::optional<Arguments> arguments = ParseArguments(argc, argv);
  if (!arguments.has_value()) {
    std::fprintf(stderr,
                 "usage: %s [--repeat N] [--state-map] [--fill BYTE] FILE|DIRECTORY...\n"
                 "       %s --judge\n"
                 "       %s --trace FILE\n"
                 "       %s --capture PCAPNG --until N FILE\n",
                 argv[0], argv[0], argv[0], argv[0]);
    return 2;
  }
  if (arguments->judge) return ServeJudge();
  if (arguments->trace || !arguments->capture.empty()) return Observe(*arguments);
  std::vector<std::string> names;
  std::vector<Input> inputs;
  for (const std::string& path : arguments->paths) {
    if (ListFiles(path, &names)) continue;
    std::fprintf(stderr, "%s: no such file or directory\n", path.c_str());
    return 2;
  }
  for (const std::string& name : names) {
    std::optional<Input> input = ReadInput(name);
    if (!input.has_value()) {
      std::fprintf(stderr, "%s: cannot be read\n", name.c_str());
      return 2;
    }
    inputs.push_back(std::move(*input));
  }
  if (VaryRuns != nullptr) VaryRuns({.fill = static_cast<uint8_t>(arguments->fill)});
  bool held = true;
  for (size_t i = 0; i < inputs.size(); ++i) {
    held &= Replay(inputs[i], inputs[i == 0 ? inputs.size() - 1 : i - 1]);
    if (arguments->state_map) PrintStateMap();
  }
  if (arguments->repeat != 0) Measure(inputs, arguments->repeat);
  return held ? 0 : 1;
}

}  // namespace
}  // namespace tapedeck::fuzz

int main(int argc, char** argv) { return tapedeck::fuzz::Main(argc, argv); }
