// tapedeck lab: hosts, links and applications from a file, in virtual time.
#include <chrono>
#include <cstdio>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "replay/lab_file/lab_run.h"
#include "tools/commands.h"
#include "tools/run_outputs.h"

namespace tapedeck::tools {

namespace {

struct LabFlags {
  std::vector<std::string> files;
  bool json = false;
  OutputFlags outputs;
};

void ComplainOfLab(const absl::Status& status) {
  std::fprintf(stderr, "tapedeck lab: %s\n", std::string(status.message()).c_str());
}

double Seconds(Duration time) { return static_cast<double>(time.ns()) * 1e-9; }

std::string RouteText(const LabFile& file, const LabFileClient& client) {
  const LabFileServer& server = file.servers[client.server];
  return absl::StrCat(file.hosts[client.host].name, " > ", file.hosts[server.host].name, ":",
                      server.port);
}

void PrintLinks(const LabFile& file, const LabRunResult& run) {
  for (size_t i = 0; i < 2; ++i) {
    const std::string way = absl::StrCat(file.hosts[i].name, " > ", file.hosts[1 - i].name);
    const Link::Counts& counts = run.links[i];
    if (run.plain[i]) {
      absl::PrintF("link %s: a cable\n", way);
    } else {
      absl::PrintF("link %s: frames %d  lost %d  no room %d  twice %d  late %d  corrupted %d\n",
                   way, counts.frames, counts.lost, counts.overflowed, counts.duplicated,
                   counts.reordered, counts.corrupted);
    }
  }
}

std::string DropText(const LabRunResult& run) {
  return absl::StrJoin(run.dropped, ", ", [](std::string* out, const auto& entry) {
    absl::StrAppend(out, entry.first, " ", entry.second);
  });
}

void PrintLab(const LabFile& file, const LabRunResult& run, double wall_s) {
  for (size_t i = 0; i < file.clients.size(); ++i) {
    const AppCounts& counts = run.clients[i];
    absl::PrintF(
        "%s (%s): connections %d  answers %d  sent %d B  received %d B  in %.6f s  %.3f "
        "Mbit/s\n",
        file.clients[i].name, RouteText(file, file.clients[i]), counts.connections, counts.requests,
        counts.bytes_sent, counts.bytes_received, Seconds(counts.last_byte_at - run.start),
        static_cast<double>(Goodput(run, counts)) * 1e-6);
  }
  PrintLinks(file, run);
  absl::PrintF("frames received %d  delivered %d  queued %d  dropped%s\n", run.frames_in,
               run.delivered, run.queued,
               run.dropped.empty() ? " 0" : absl::StrCat(": ", DropText(run)));
  absl::PrintF("virtual %.6f s  wall %.3f s  events %d\n", Seconds(run.virtual_time), wall_s,
               run.events);
  for (const std::string& violation : run.violations) absl::PrintF("violated: %s\n", violation);
  absl::PrintF("%s  digest %s\n", run.violations.empty() ? "HELD" : "FAILED", run.digest);
}

void PrintLabJson(const LabFile& file, const LabRunResult& run) {
  nlohmann::ordered_json json;
  json["file"] = file.path;
  for (size_t i = 0; i < file.clients.size(); ++i) {
    const AppCounts& counts = run.clients[i];
    json["clients"].push_back({{"name", file.clients[i].name},
                               {"connections", counts.connections},
                               {"requests", counts.requests},
                               {"bytes_sent", counts.bytes_sent},
                               {"bytes_received", counts.bytes_received},
                               {"ns", (counts.last_byte_at - run.start).ns()},
                               {"goodput_bits_per_second", Goodput(run, counts)}});
  }
  for (size_t i = 0; i < 2; ++i) {
    const Link::Counts& counts = run.links[i];
    json["links"].push_back({{"from", file.hosts[i].name},
                             {"frames", counts.frames},
                             {"lost", counts.lost},
                             {"overflowed", counts.overflowed},
                             {"duplicated", counts.duplicated},
                             {"reordered", counts.reordered},
                             {"corrupted", counts.corrupted}});
  }
  json["frames_in"] = run.frames_in;
  json["dropped"] = run.dropped;
  json["virtual_ns"] = run.virtual_time.ns();
  json["events"] = run.events;
  json["digest"] = run.digest;
  json["violations"] = run.violations;
  absl::PrintF("%s\n", json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace));
}

report::ReportInput LabReport(const LabFile& file, const LabRunResult& run) {
  report::ReportInput input;
  input.title = FileName(file.path);
  input.held = run.violations.empty();
  input.verdict = input.held ? "every client got what it asked for" : "the run broke a promise";
  input.digest = run.digest;
  input.command = absl::StrCat("tapedeck lab ", input.title);
  for (size_t i = 0; i < file.clients.size(); ++i) {
    input.figures.push_back(
        {file.clients[i].name,
         absl::StrFormat("%.3f Mbit/s", static_cast<double>(Goodput(run, run.clients[i])) * 1e-6)});
  }
  input.violations = run.violations;
  return input;
}

int RunLabOf(const LabFlags& flags, const std::string& path) {
  absl::StatusOr<LabFile> file = ReadLabFile(path);
  if (!file.ok()) {
    ComplainOfLab(file.status());
    return kExitUsage;
  }
  RunOutputs outputs(flags.outputs);
  CaptureOutput::Options capture;
  capture.comments = {absl::StrFormat("lab %s  seed %x", FileName(path), file->seed)};
  capture.hosts = 2;
  const auto start = std::chrono::steady_clock::now();
  const absl::StatusOr<LabRunResult> run =
      RunLabFile(*file, [&](Recorder& recorder) { return outputs.Start(recorder, capture); });
  const double wall_s =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  absl::Status status = run.status();
  if (status.ok()) status = outputs.Finish(LabReport(*file, *run));
  if (!status.ok()) {
    ComplainOfLab(status);
    return kExitUsage;
  }
  if (flags.json) {
    PrintLabJson(*file, *run);
  } else {
    absl::PrintF("%s  seed %x  costs %s\n", path, file->seed, file->costs);
    PrintLab(*file, *run, wall_s);
  }
  return run->violations.empty() ? kExitHeld : kExitFailed;
}

int RunLabs(const LabFlags& flags) {
  if (flags.outputs.any() && flags.files.size() > 1) {
    ComplainOfLab(absl::InvalidArgumentError(
        "files are written of the run of one lab, and several were given"));
    return kExitUsage;
  }
  int exit_code = kExitHeld;
  for (const std::string& file : flags.files) {
    const int code = RunLabOf(flags, file);
    if (code > exit_code) exit_code = code;
  }
  return exit_code;
}

}  // namespace

Run AddLabCommand(CLI::App& app, CLI::App** subcommand) {
  const auto flags = std::make_shared<LabFlags>();
  CLI::App* const sub =
      app.add_subcommand("lab", "Play a lab file: hosts, a path between them, applications");
  *subcommand = sub;
  sub->footer(
      "A lab file is TOML: two [[host]], a [link] with delay, rate, queue, loss, duplicate, "
      "reorder "
      "and corrupt (for both\n"
      "ways, or [link.there] and [link.back]), [[server]] and [[client]]. It is played in virtual "
      "time until all clients are\n"
      "through; what each has got, what the path did, what hosts dropped, and the digest are "
      "printed. replay/lab_file/README.md\n"
      "has all keys; corpus/labs has examples.\n"
      "\n"
      "Exit codes: 0 all held, 1 a client was not served, a byte came wrong or something leaked, 2 "
      "the file is wrong.");
  sub->add_option("files", flags->files, "Lab files")->required()->type_name("FILE");
  sub->add_flag("--json", flags->json, "One JSON object a file instead of text");
  AddOutputFlags(sub, &flags->outputs);
  return [flags] { return RunLabs(*flags); };
}

}  // namespace tapedeck::tools
