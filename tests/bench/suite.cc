#include "tests/bench/suite.h"

#include <benchmark/benchmark.h>
#include <time.h>

#include <cstdio>
#include <iostream>
#include <sstream>
#include <string_view>

namespace tapedeck::bench {

namespace {

class FunctionCase : public Case {
 public:
  explicit FunctionCase(std::function<uint64_t()> run) : run_(std::move(run)) {}
  uint64_t Run() override { return run_(); }

 private:
  std::function<uint64_t()> run_;
};

// This thread's CPU time: a busy machine then costs noise but no bias.
int64_t CpuNanoseconds() {
  timespec now;
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

}  // namespace

// A name that a profiler can be told.
__attribute__((noinline)) uint64_t MeasuredPortion(Case& measured) { return measured.Run(); }

void Suite::AddFunction(std::string name, std::string unit, std::function<uint64_t()> run) {
  Add(std::move(name), std::move(unit),
      [run = std::move(run)] { return std::make_unique<FunctionCase>(run); });
}

int Suite::Main(int argc, char** argv) {
  const std::string_view first = argc > 1 ? argv[1] : "";
  if (first == "--list") {
    List();
    return 0;
  }
  if (first == "--smoke") return Smoke();
  if (first == "--portion" && argc == 3) return Portion(argv[2]);
  return first == "--serve" ? Serve() : RunGoogleBenchmark(argc, argv);
}

void Suite::List() const {
  for (const Entry& entry : cases_) {
    std::printf("case %s %s\n", entry.name.c_str(), entry.unit.c_str());
  }
  for (const Figure& figure : figures_) {
    std::printf("figure %s %s\n", figure.name.c_str(), figure.unit.c_str());
  }
}

int Suite::Serve() {
  std::string line;
  while (std::getline(std::cin, line)) {
    if (Answer(line)) continue;
    std::fprintf(stderr, "unknown request: %s\n", line.c_str());
    return 2;
  }
  return 0;
}

int Suite::Smoke() {
  for (const Entry& entry : cases_) {
    std::printf("%s\n", entry.name.c_str());
    std::fflush(stdout);  // the last name is the one that failed
    entry.make();
  }
  for (const Figure& figure : figures_) {
    std::printf("%s %g %s\n", figure.name.c_str(), figure.measure(), figure.unit.c_str());
  }
  return 0;
}

int Suite::Portion(const std::string& name) {
  for (const Entry& entry : cases_) {
    if (entry.name != name) continue;
    const std::unique_ptr<Case> made = entry.make();
    std::printf("%llu\n", static_cast<unsigned long long>(MeasuredPortion(*made)));
    return 0;
  }
  std::fprintf(stderr, "no case is called %s\n", name.c_str());
  return 2;
}

bool Suite::Answer(const std::string& line) {
  std::istringstream words(line);
  std::string verb;
  std::string name;
  double seconds = 0;
  words >> verb >> name;
  if (verb == "figure") {
    for (const Figure& figure : figures_) {
      if (figure.name != name) continue;
      std::cout << figure.measure() << std::endl;
      return true;
    }
    return false;
  }
  if (verb != "run" || !(words >> seconds)) return false;
  for (Entry& entry : cases_) {
    if (entry.name != name) continue;
    if (entry.made == nullptr) entry.made = entry.make();
    const int64_t start = CpuNanoseconds();
    const int64_t end = start + static_cast<int64_t>(seconds * 1e9);
    uint64_t operations = 0;
    int64_t now = start;
    do {
      operations += entry.made->Run();
      now = CpuNanoseconds();
    } while (now < end);
    std::cout << operations << ' ' << now - start << std::endl;
    return true;
  }
  return false;
}

int Suite::RunGoogleBenchmark(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  for (Entry& entry : cases_) {
    benchmark::RegisterBenchmark(entry.name.c_str(), [&entry](benchmark::State& state) {
      if (entry.made == nullptr) entry.made = entry.make();
      uint64_t operations = 0;
      for (auto _ : state) operations += entry.made->Run();
      state.SetItemsProcessed(static_cast<int64_t>(operations));
      state.SetLabel(entry.unit);
    });
  }
  for (const Figure& figure : figures_) {
    benchmark::RegisterBenchmark(figure.name.c_str(), [&figure](benchmark::State& state) {
      double value = 0;
      for (auto _ : state) value = figure.measure();
      state.counters["value"] = value;
      state.SetLabel(figure.unit);
    })->Iterations(1);
  }
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}

}  // namespace tapedeck::bench
