// The debugger's prompt without the terminal: commands in, text out. A person types them, a script
// pipes them in, a test calls Execute.
#ifndef TAPEDECK_REPLAY_DEBUG_DEBUGGER_H_
#define TAPEDECK_REPLAY_DEBUG_DEBUGGER_H_

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "replay/case/case.h"
#include "replay/case/case_run.h"
#include "replay/debug/condition.h"
#include "replay/debug/objects.h"
#include "replay/debug/time_travel.h"
#include "stack/kernel/arena.h"

namespace tapedeck {

class Debugger {
 public:
  // Starts the case; `what` must outlive the debugger. Errors: those of CaseRun::Start.
  static absl::StatusOr<std::unique_ptr<Debugger>> Start(const Case& what);
  Debugger(const Debugger&) = delete;
  Debugger& operator=(const Debugger&) = delete;

  // Executes one line and appends what it has to say to *out. An empty line does nothing; an
  // unknown or wrong command is InvalidArgument and changes nothing.
  absl::Status Execute(std::string_view line, std::string* out);
  // `quit` was given.
  bool quit() const { return quit_; }
  // What the word that begins at `start` of `line` could become.
  std::vector<std::string> Complete(std::string_view line, size_t start);

  // What the run is and where it begins, to be shown first.
  std::string Greeting();
  CaseRun& run() { return *run_; }
  TimeTravel& travel() { return *travel_; }

 private:
  struct Command;
  struct Watch {
    Condition condition;
    FieldValue value;
  };
  explicit Debugger(const Case& what) : case_(what) {}
  static std::span<const Command> Commands();
  absl::StatusOr<const Command*> FindCommand(std::string_view name) const;

  absl::Status Step(std::string_view arguments, std::string* out);
  absl::Status Back(std::string_view arguments, std::string* out);
  absl::Status GoTo(std::string_view arguments, std::string* out);
  absl::Status Continue(std::string_view arguments, std::string* out);
  absl::Status Until(std::string_view arguments, std::string* out);
  absl::Status AddWatch(std::string_view arguments, std::string* out);
  absl::Status RemoveWatch(std::string_view arguments, std::string* out);
  absl::Status LastChange(std::string_view arguments, std::string* out);
  absl::Status Print(std::string_view arguments, std::string* out);
  absl::Status ShowState(std::string_view arguments, std::string* out);
  absl::Status Diff(std::string_view arguments, std::string* out);
  absl::Status Where(std::string_view arguments, std::string* out);
  absl::Status Events(std::string_view arguments, std::string* out);
  absl::Status Verdict(std::string_view arguments, std::string* out);
  absl::Status WhatIf(std::string_view arguments, std::string* out);
  absl::Status Help(std::string_view arguments, std::string* out);
  absl::Status Quit(std::string_view arguments, std::string* out);

  // "17", "0x11", "start", "end", "1.5s".
  absl::Status GoToPlace(std::string_view place);
  // Goes back to where it stood.
  class Excursion;
  std::string PlaceLine();
  void RefreshWatches();

  const Case& case_;
  Arena arena_{Arena::Options{}};
  std::unique_ptr<CaseRun> run_;
  std::unique_ptr<TimeTravel> travel_;
  std::vector<Watch> watches_;
  bool quit_ = false;
};

// What differs between two states, object by object:
//   tcp(#5)
//     snd_cwnd                10 -> 11
std::string DiffText(const std::map<std::string, FieldValue>& before,
                     const std::map<std::string, FieldValue>& after);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_DEBUGGER_H_
