// Captures with state: how fast a stand-in is inferred and executed; and going back in a run of a
// million events.
#include <optional>
#include <string>
#include <vector>

#include "replay/case/case.h"
#include "replay/case/case_run.h"
#include "replay/debug/field_value.h"
#include "replay/debug/time_travel.h"
#include "replay/lab/raw_replay.h"
#include "replay/standin/stand_in.h"
#include "tests/bench/cases.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

// Of the project's own: an upload of some 50 segments, captured at the sender.
constexpr char kStandInCapture[] = "corpus/captures/iperf3-tcp-a.pcapng";

// A capture's packets of both sides, played with state. With `infer` from the file, without from
// its plan.
class StandInReplay : public Case {
 public:
  explicit StandInReplay(bool infer) : infer_(infer), plan_(Infer()) {
    LabHostOptions host;
    host.driver.eitr = 0;
    options_.lab.hosts = {host};
    Run();
  }

  // Counts frames in and out, which are about the capture's.
  uint64_t Run() override {
    if (infer_) plan_ = Infer();
    const absl::StatusOr<standin::StandInResult> run = standin::RunPlan(plan_, options_, {});
    CHECK(run.ok() && run->violations.empty());
    CHECK(run->WorstGrade() <= standin::Grade::kB);
    return run->frames_in + run->frames_out;
  }

 private:
  static standin::Plan Infer() {
    std::vector<std::string> warnings;
    absl::StatusOr<standin::Plan> plan = standin::PlanFromCapture(kStandInCapture, {}, &warnings);
    CHECK(plan.ok());
    return *std::move(plan);
  }

  bool infer_;
  standin::Plan plan_;
  standin::StandInOptions options_;
};

// A raw replay, stopped behind its millionth event.
class MillionEvents : public Case {
 public:
  MillionEvents() : file_(kSmallFrameBytes, kFrames) {
    CaseOptions options;
    options.capture.rewindable = true;
    options.capture.host = IpAddress(kHostAddress);
    what_ = OpenCase(file_.path(), options).value();
    run_ = CaseRun::Start(*what_, &arena_).value();
    travel_.emplace(*run_);
    CHECK(travel_->GoTo(kEvents));
  }

 protected:
  static constexpr uint64_t kEvents = 1'000'000;

  TimeTravel& travel() { return *travel_; }

 private:
  static constexpr uint64_t kFrames = 600'000;  // of about two events each

  CaptureFile file_;
  std::unique_ptr<tapedeck::Case> what_;
  Arena arena_;
  std::unique_ptr<CaseRun> run_;
  std::optional<TimeTravel> travel_;
};

// From the millionth event to the one before, and on again: two steps.
class StepBack : public MillionEvents {
 public:
  StepBack() { Run(); }

  uint64_t Run() override {
    CHECK(travel().GoTo(kEvents - 1));
    CHECK_EQ(travel().run().event(), kEvents - 1);
    CHECK(travel().GoTo(kEvents));
    return 1;
  }
};

// The worst of watches: a field that has not changed since the start.
class LastChange : public MillionEvents {
 public:
  uint64_t Run() override {
    CHECK(travel().GoTo(kEvents));
    const auto read = [](CaseRun& run) { return ValueOf(run.host(0).kernel().bus().faults()); };
    CHECK(!travel().LastChange(read).has_value());
    return 1;
  }
};

}  // namespace

void AddReplayCases(Suite& suite) {
  suite.Add("standin/plan", "frames", [] { return std::make_unique<StandInReplay>(false); });
  suite.Add("standin/capture", "frames", [] { return std::make_unique<StandInReplay>(true); });
  suite.Add("debug/step_back", "steps", [] { return std::make_unique<StepBack>(); });
  suite.Add("debug/last_change", "watches", [] { return std::make_unique<LastChange>(); });
}

}  // namespace tapedeck::bench
