// tapedeck fuzz merge, dedupe, from-pcap, cover: many inputs.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "fuzz/campaign/coverage.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/seeds.h"
#include "fuzz/campaign/triage.h"
#include "replay/outside/child_process.h"
#include "tools/fuzz_commands.h"

namespace tapedeck::tools {

namespace {

// What commands over corpora share.
struct CorpusFlags {
  std::vector<std::string> paths;
  std::string target;
  std::string build;
  std::string root;
  std::string out;
};

void AddCorpusFlags(CLI::App* sub, CorpusFlags* flags, const char* paths_text) {
  sub->add_option("paths", flags->paths, paths_text)->required()->type_name("FILE|DIR");
  sub->add_option("--target", flags->target, "Whose inputs they are")
      ->required()
      ->type_name("TARGET");
  sub->add_option("--root", flags->root, "Where the sources are [above this folder]")
      ->type_name("DIR");
}

void AddReplayerFlag(CLI::App* sub, CorpusFlags* flags) {
  sub->add_option("--build", flags->build,
                  "The preset whose replayer runs them [what is there, else release]")
      ->type_name("PRESET");
}

absl::StatusOr<std::unique_ptr<fuzz::ReplayerJudge>> StartCorpusJudge(const CorpusFlags& flags) {
  const absl::StatusOr<fuzz::Workspace> workspace = fuzz::Workspace::Find(flags.root);
  if (!workspace.ok()) return workspace.status();
  const absl::StatusOr<std::string> replayer = workspace->Replayer(flags.target, flags.build);
  if (!replayer.ok()) return replayer.status();
  return fuzz::ReplayerJudge::Start(*replayer);
}

// --- merge ---

struct MergeFlags {
  CorpusFlags corpus;
  bool plain = false;
};

int RunFuzzMerge(const MergeFlags& flags) {
  const absl::StatusOr<fuzz::Workspace> workspace = fuzz::Workspace::Find(flags.corpus.root);
  if (!workspace.ok()) return FuzzUsage(workspace.status());
  const absl::StatusOr<std::string> program =
      workspace->LibFuzzerProgram(flags.corpus.target, flags.plain);
  if (!program.ok()) return FuzzUsage(program.status());
  if (absl::Status status = fuzz::MakeFolder(flags.corpus.out); !status.ok()) {
    return FuzzUsage(status);
  }
  const size_t before = fuzz::ListInputs(flags.corpus.out).size();
  const absl::StatusOr<size_t> considered =
      fuzz::MergeInto(*program, flags.corpus.out, flags.corpus.paths);
  if (!considered.ok()) return FuzzUsage(considered.status());
  const size_t after = fuzz::ListInputs(flags.corpus.out).size();
  std::printf("%zu inputs looked at, %zu added to %s, which has %zu\n", *considered, after - before,
              flags.corpus.out.c_str(), after);
  return kExitHeld;
}

FuzzSubcommand AddFuzzMerge(CLI::App& fuzz) {
  auto flags = std::make_shared<MergeFlags>();
  CLI::App* const sub = fuzz.add_subcommand("merge", "Keep the inputs that reach anything new");
  AddCorpusFlags(sub, &flags->corpus, "Inputs and folders of inputs");
  sub->add_option("-o,--out", flags->corpus.out, "The corpus that they are added to")
      ->required()
      ->type_name("DIR");
  sub->add_flag("--plain", flags->plain, "With the build without sanitizers, which is faster");
  sub->footer(
      "Adds to the corpus those inputs that reach code or states that nothing in it reaches, the "
      "smallest first. An input is\n"
      "called by the SHA-1 of its bytes. Into an empty folder, this makes the smallest corpus of "
      "the same reach.\n"
      "\n"
      "Example:\n"
      "  tapedeck fuzz merge --target stack -o corpus/fuzz/stack found/corpus\n"
      "\n"
      "Exit codes: 0 done, 2 wrong flags, input or builds.");
  return {sub, [flags] { return RunFuzzMerge(*flags); }};
}

// --- dedupe ---

int RunFuzzDedupe(const CorpusFlags& flags) {
  const absl::StatusOr<std::vector<std::string>> files = fuzz::ListAllInputs(flags.paths);
  if (!files.ok()) return FuzzUsage(files.status());
  const auto judge = StartCorpusJudge(flags);
  if (!judge.ok()) return FuzzUsage(judge.status());
  const absl::StatusOr<std::vector<fuzz::Bug>> bugs = fuzz::SortBugs(**judge, *files);
  if (!bugs.ok()) return FuzzUsage(bugs.status());
  size_t broken = 0;
  for (const fuzz::Bug& bug : *bugs) {
    broken += bug.files.size();
    std::printf("%6zu  %s\n        %s\n", bug.files.size(), bug.signature.c_str(),
                bug.files[0].c_str());
  }
  std::printf("%zu inputs: %zu hold, %zu break a promise, %zu bugs\n", files->size(),
              files->size() - broken, broken, bugs->size());
  if (!flags.out.empty()) {
    if (absl::Status status = fuzz::WriteBugs(flags.out, *bugs); !status.ok()) {
      return FuzzUsage(status);
    }
  }
  return bugs->empty() ? kExitHeld : kExitFailed;
}

FuzzSubcommand AddFuzzDedupe(CLI::App& fuzz) {
  auto flags = std::make_shared<CorpusFlags>();
  CLI::App* const sub = fuzz.add_subcommand("dedupe", "Sort crashes by what they break");
  AddCorpusFlags(sub, flags.get(), "Crashes and folders of crashes");
  AddReplayerFlag(sub, flags.get());
  sub->add_option("-o,--out", flags->out, "Write a folder a bug: input, others, signature.txt")
      ->type_name("DIR");
  sub->footer(
      "A bug is a signature: the promise that broke (ASSERTION FAILED ...), the condition of a "
      "CHECK, or what a sanitizer\n"
      "said and where; no line numbers, so that it stays the same from build to build. The "
      "smallest input stands for it.\n"
      "\n"
      "Exit codes: 0 all inputs hold, 1 there are bugs, 2 wrong flags, input or builds.");
  return {sub, [flags] { return RunFuzzDedupe(*flags); }};
}

// --- digests ---

struct DigestFlags {
  CorpusFlags corpus;
  std::vector<std::string> against;
};

absl::StatusOr<std::vector<fuzz::DigestTable>> ReadTables(const std::vector<std::string>& files) {
  std::vector<fuzz::DigestTable> tables;
  for (const std::string& file : files) {
    const absl::StatusOr<std::string> text = fuzz::ReadText(file);
    if (!text.ok()) return text.status();
    absl::StatusOr<fuzz::DigestTable> table = fuzz::ParseDigests(*text, file);
    if (!table.ok()) return table.status();
    tables.push_back(*std::move(table));
  }
  return tables;
}

int RunFuzzDigests(const DigestFlags& flags) {
  const absl::StatusOr<std::vector<std::string>> files = fuzz::ListAllInputs(flags.corpus.paths);
  absl::StatusOr<std::vector<fuzz::DigestTable>> tables = ReadTables(flags.against);
  for (const absl::Status& status : {files.status(), tables.status()}) {
    if (!status.ok()) return FuzzUsage(status);
  }
  const auto judge = StartCorpusJudge(flags.corpus);
  if (!judge.ok()) return FuzzUsage(judge.status());
  const absl::StatusOr<fuzz::DigestTable> own = fuzz::DigestsOf(**judge, *files);
  if (!own.ok()) return FuzzUsage(own.status());
  const std::string text = fuzz::DigestText(*own);
  if (flags.corpus.out.empty()) {
    std::fputs(text.c_str(), stdout);
  } else if (absl::Status status = fuzz::WriteText(flags.corpus.out, text); !status.ok()) {
    return FuzzUsage(status);
  }
  std::vector<std::string> names = flags.against;
  names.emplace_back("this run");
  tables->push_back(*own);
  const std::vector<std::string> alarms = fuzz::DigestAlarms(*tables, names);
  for (const std::string& alarm : alarms) std::printf("DETERMINISM: %s\n", alarm.c_str());
  return alarms.empty() ? kExitHeld : kExitFailed;
}

FuzzSubcommand AddFuzzDigests(CLI::App& fuzz) {
  auto flags = std::make_shared<DigestFlags>();
  CLI::App* const sub = fuzz.add_subcommand("digests", "Compare what machines came to");
  AddCorpusFlags(sub, &flags->corpus, "Inputs and folders of inputs");
  AddReplayerFlag(sub, &flags->corpus);
  sub->add_option("-o,--out", flags->corpus.out, "Write them here [standard output]")
      ->type_name("FILE");
  sub->add_option("--against", flags->against, "What this command wrote elsewhere")
      ->type_name("FILE");
  sub->footer(
      "Runs every input once and writes `SHA-1 DIGEST` lines. An input that comes to something "
      "else here than there is a\n"
      "bug of its own, and is told as DETERMINISM.\n"
      "\n"
      "Exit codes: 0 all agree, 1 some do not, 2 wrong flags, input or builds.");
  return {sub, [flags] { return RunFuzzDigests(*flags); }};
}

// --- from-pcap ---

int RunFuzzFromPcap(const CorpusFlags& flags) {
  size_t written = 0;
  for (const std::string& file : flags.paths) {
    const absl::StatusOr<std::vector<fuzz::Bytes>> seeds = fuzz::SeedsFromFile(file);
    if (!seeds.ok()) return FuzzUsage(seeds.status());
    for (const fuzz::Bytes& seed : *seeds) {
      const absl::Status status =
          fuzz::WriteBytes(absl::StrCat(flags.out, "/", fuzz::InputName(seed)), seed);
      if (!status.ok()) return FuzzUsage(status);
      ++written;
    }
  }
  std::printf("%zu inputs in %s\n", written, flags.out.c_str());
  return kExitHeld;
}

FuzzSubcommand AddFuzzFromPcap(CLI::App& fuzz) {
  auto flags = std::make_shared<CorpusFlags>();
  CLI::App* const sub = fuzz.add_subcommand("from-pcap", "Make inputs of captures and scripts");
  sub->add_option("paths", flags->paths, "Captures, and scripts (*.pkt)")
      ->required()
      ->type_name("FILE");
  sub->add_option("-o,--out", flags->out, "Where they go")->required()->type_name("DIR");
  sub->footer(
      "A capture gives up to four inputs of six frames each: those that its busiest IPv4 receiver "
      "got, which becomes the\n"
      "target's host, with the times between them. A script gives one; packets that "
      "reach the stack become\n"
      "segments relative to what it has said, over IPv4 in one input and over IPv6 in another. "
      "`merge` keeps what is of use.\n"
      "\n"
      "Exit codes: 0 done, 2 wrong flags or input.");
  return {sub, [flags] { return RunFuzzFromPcap(*flags); }};
}

// --- cover ---

int RunFuzzCover(CorpusFlags flags) {
  const absl::StatusOr<fuzz::Workspace> workspace = fuzz::Workspace::Find(flags.root);
  if (!workspace.ok()) return FuzzUsage(workspace.status());
  if (absl::Status status = workspace->CheckTarget(flags.target); !status.ok()) {
    return FuzzUsage(status);
  }
  if (flags.paths.empty()) flags.paths = workspace->CorpusFolders(flags.target);
  const absl::StatusOr<fuzz::CoverageSummary> summary =
      fuzz::WriteCoverage(*workspace, flags.target, flags.paths, flags.out);
  if (!summary.ok()) return FuzzUsage(summary.status());
  std::printf("%zu inputs: %s\n%zu states\n%s/index.html, %s/states.html\n", summary->inputs,
              summary->totals.c_str(), summary->states, flags.out.c_str(), flags.out.c_str());
  return kExitHeld;
}

FuzzSubcommand AddFuzzCover(CLI::App& fuzz) {
  auto flags = std::make_shared<CorpusFlags>();
  CLI::App* const sub = fuzz.add_subcommand("cover", "Show what a corpus reaches, line by line");
  AddCorpusFlags(sub, flags.get(), "Inputs and folders of inputs [the committed ones]");
  sub->get_option("paths")->required(false);
  sub->add_option("-o,--out", flags->out, "Where the pages go")->required()->type_name("DIR");
  sub->footer(
      "Builds the target with source coverage (build/coverage), runs every input, and writes the "
      "pages of llvm-cov, with\n"
      "the state map beside them: which states, transitions, drops and call results were seen.\n"
      "\n"
      "Exit codes: 0 done, 2 wrong flags, input or builds.");
  return {sub, [flags] { return RunFuzzCover(*flags); }};
}

}  // namespace

void AddFuzzCorpusCommands(CLI::App& fuzz, std::vector<FuzzSubcommand>* commands) {
  commands->push_back(AddFuzzMerge(fuzz));
  commands->push_back(AddFuzzDedupe(fuzz));
  commands->push_back(AddFuzzDigests(fuzz));
  commands->push_back(AddFuzzFromPcap(fuzz));
  commands->push_back(AddFuzzCover(fuzz));
}

}  // namespace tapedeck::tools
