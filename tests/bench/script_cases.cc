// A script from its text to its verdict: read, parsed, a Lab built, played, taken down, judged.
#include "replay/lab/script_run.h"
#include "stack/base/check.h"
#include "tests/bench/cases.h"

namespace tapedeck::bench {

namespace {

// The program runs in the root of the sources.
constexpr char kScript[] = "tests/bench/handshake_data_close.pkt";

class RunScript : public Case {
 public:
  RunScript() { Run(); }

  uint64_t Run() override {
    constexpr uint64_t kScripts = 10;
    for (uint64_t i = 0; i < kScripts; ++i) {
      const absl::StatusOr<ScriptRunResult> result = RunScriptFile(kScript, options_, &arena_);
      CHECK(result.ok() && result->outcome == ScriptRunResult::Outcome::kPassed);
      CHECK_GE(result->steps, 18U);
    }
    return kScripts;
  }

 private:
  ScriptRunOptions options_;
  Arena arena_;
};

}  // namespace

void AddScriptCases(Suite& suite) {
  suite.Add("script/handshake_data_close", "scripts", [] { return std::make_unique<RunScript>(); });
}

}  // namespace tapedeck::bench
