// What is measured, and how. A case does one portion of work after another; the same case runs
// under Google Benchmark (for people and profilers) and in slices on demand (for tools/bench, which
// lets two programs take turns on one CPU).
#ifndef TAPEDECK_TESTS_BENCH_SUITE_H_
#define TAPEDECK_TESTS_BENCH_SUITE_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

namespace tapedeck::bench {

// Something that can be done again and again. Its constructor does whatever shall not be measured,
// and the first portion.
class Case {
 public:
  virtual ~Case() = default;
  // Does one portion, a tenth of a second at most, and returns how many operations it was. CHECKs
  // that it did the work.
  virtual uint64_t Run() = 0;
};

// The cases and figures of one program.
class Suite {
 public:
  // A case: `unit` is what Case::Run counts ("frames"). It is made when it is first run.
  void Add(std::string name, std::string unit, std::function<std::unique_ptr<Case>()> make) {
    cases_.push_back({std::move(name), std::move(unit), std::move(make), nullptr});
  }
  // A case from a function that does one portion.
  void AddFunction(std::string name, std::string unit, std::function<uint64_t()> run);
  // A figure that is no rate, such as a size.
  void AddFigure(std::string name, std::string unit, std::function<double()> measure) {
    figures_.push_back({std::move(name), std::move(unit), std::move(measure)});
  }

  // The program: --list prints `case NAME UNIT` and `figure NAME UNIT` lines; --serve answers each
  // line `run NAME SECONDS` on stdin with `OPERATIONS CPU_NANOSECONDS` on stdout, and `figure NAME`
  // with its value, until stdin ends; --smoke does everything once, for a test; --portion NAME does
  // one portion after the first in MeasuredPortion(), for a profiler that counts what happens
  // there, and prints how many operations it was; anything else is Google Benchmark's. Returns the
  // exit code.
  int Main(int argc, char** argv);

 private:
  struct Entry {
    std::string name;
    std::string unit;
    std::function<std::unique_ptr<Case>()> make;
    std::unique_ptr<Case> made;
  };
  struct Figure {
    std::string name;
    std::string unit;
    std::function<double()> measure;
  };

  void List() const;
  int Serve();
  // Makes each case, which does a portion, and drops it; a case's CHECKs are what can fail.
  int Smoke();
  int Portion(const std::string& name);
  // Answers one line; false where it makes no sense.
  bool Answer(const std::string& line);
  int RunGoogleBenchmark(int argc, char** argv);

  std::vector<Entry> cases_;
  std::vector<Figure> figures_;
};

}  // namespace tapedeck::bench

#endif  // TAPEDECK_TESTS_BENCH_SUITE_H_
