// tapedeck convert, tapedeck merge: captures and scripts from one spelling to another.
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_format.h"
#include "replay/convert/convert.h"
#include "tools/commands.h"
#include "tools/seed_flag.h"
#include "tools/selection_flags.h"

namespace tapedeck::tools {

namespace {

struct ConvertFlags {
  std::vector<std::string> in;
  std::string out;
  std::string from_format;
  std::string to_format;
  SelectionFlags selection;
  bool anonymise = false;
  std::string seed = "5eed0001";
};

void TellOfConversion(const char* command, const std::string& line) {
  std::fprintf(stderr, "tapedeck %s: %s\n", command, line.c_str());
}

absl::StatusOr<ConvertOptions> MakeConvertOptions(const ConvertFlags& flags) {
  ConvertOptions options;
  // The parser has checked the names.
  if (!flags.from_format.empty()) options.from = SpellingByName(flags.from_format);
  if (!flags.to_format.empty()) options.to = SpellingByName(flags.to_format);
  auto selection = MakeSelection(flags.selection);
  if (!selection.ok()) return selection.status();
  options.selection = *std::move(selection);
  if (flags.anonymise) {
    const absl::StatusOr<uint64_t> seed = ParseSeed(flags.seed);
    if (!seed.ok()) return seed.status();
    options.anonymise_seed = *seed;
  }
  return options;
}

// Says what came of it; the exit code.
int ConcludeConversion(const char* command, const std::string& out,
                       const absl::StatusOr<ConvertReport>& report) {
  if (!report.ok()) {
    TellOfConversion(command, std::string(report.status().message()));
    return kExitUsage;
  }
  for (const std::string& line : report->warnings) TellOfConversion(command, "warning: " + line);
  for (const std::string& line : report->lost) TellOfConversion(command, "lost: " + line);
  const bool is_capture = report->to == Spelling::kPcap || report->to == Spelling::kPcapng;
  std::FILE* const to = out == "-" ? stderr : stdout;
  absl::FPrintF(to, "%s: %s, %d %s\n", out, SpellingName(report->to), report->items,
                is_capture ? "records" : "steps");
  return kExitHeld;
}

int RunConvert(const ConvertFlags& flags) {
  const absl::StatusOr<ConvertOptions> options = MakeConvertOptions(flags);
  if (!options.ok()) return ConcludeConversion("convert", flags.out, options.status());
  return ConcludeConversion("convert", flags.out, ConvertFile(flags.in[0], flags.out, *options));
}

int RunMerge(const ConvertFlags& flags) {
  const absl::StatusOr<ConvertOptions> options = MakeConvertOptions(flags);
  if (!options.ok()) return ConcludeConversion("merge", flags.out, options.status());
  return ConcludeConversion("merge", flags.out, MergeFiles(flags.in, flags.out, *options));
}

void AddCommonFlags(CLI::App& sub, ConvertFlags& flags) {
  AddSelectionFlags(sub, true, flags.selection);
  sub.add_flag("--anonymise", flags.anonymise,
               "Other addresses with the same prefixes, other payload of the same length");
  sub.add_option("--seed", flags.seed, "Key of --anonymise, hexadecimal; keep it to yourself")
      ->capture_default_str()
      ->type_name("HEX");
}

}  // namespace

Run AddConvertCommand(CLI::App& app, CLI::App** subcommand) {
  auto flags = std::make_shared<ConvertFlags>();
  CLI::App* const sub =
      app.add_subcommand("convert", "Captures and scripts from one spelling to another");
  *subcommand = sub;
  sub->footer(
      "Spellings: pcap, pcapng, text (a script, .pkt) and bytes (a fuzz input, .bytes), known by "
      "the "
      "end of the file's\n"
      "name. What the output cannot carry is told as \"lost\". A capture becomes the frames of a "
      "script; of a script its\n"
      "frames become a capture. pcapng keeps interfaces, directions, comments, losses and blocks "
      "without frames.\n"
      "\n"
      "--anonymise keeps what the traffic does: times, lengths, ports, sequence numbers, options, "
      "retransmissions;\n"
      "checksums are as right or wrong as before. The same seed gives the same addresses in every "
      "file; without the\n"
      "seed nobody gets back, so choose one of your own for captures of others.\n"
      "\n"
      "Examples:\n"
      "  tapedeck convert in.pcap.zst out.pcapng\n"
      "  tapedeck convert --filter 'tcp port 80' --from 10 --to 20 in.pcap out.pcap\n"
      "  tapedeck convert --anonymise --seed $(openssl rand -hex 8) in.pcapng out.pcapng\n"
      "  tapedeck convert --frames 1-20 in.pcap case.pkt\n"
      "\n"
      "Exit codes: 0 written, 2 wrong flags or input, or the output could not be written; the old "
      "output is then untouched.");
  sub->add_option("in", flags->in.emplace_back(), "What is read; \"-\" is standard input")
      ->required()
      ->type_name("IN");
  sub->add_option("out", flags->out, "What is written; \"-\" is standard output")
      ->required()
      ->type_name("OUT");
  const CLI::IsMember formats({"pcap", "pcapng", "text", "bytes"});
  sub->add_option("--from-format", flags->from_format, "Spelling of the input [by its name]")
      ->check(formats);
  sub->add_option("--to-format", flags->to_format, "Spelling of the output [by its name]")
      ->check(formats);
  AddCommonFlags(*sub, *flags);
  return [flags] { return RunConvert(*flags); };
}

Run AddMergeCommand(CLI::App& app, CLI::App** subcommand) {
  auto flags = std::make_shared<ConvertFlags>();
  CLI::App* const sub = app.add_subcommand("merge", "Several captures into one, by time");
  *subcommand = sub;
  sub->footer(
      "Records of equal times come in the order of the inputs. A pcapng output keeps the "
      "interfaces "
      "of each input apart;\n"
      "a pcap output takes one link type, and makes others Ethernet where the first is.\n"
      "\n"
      "Example:\n"
      "  tapedeck merge both.pcapng client.pcap server.pcapng\n"
      "\n"
      "Exit codes: 0 written, 2 wrong flags or input, or the output could not be written.");
  sub->add_option("out", flags->out, "What is written; \"-\" is standard output")
      ->required()
      ->type_name("OUT");
  sub->add_option("in", flags->in, "Captures")->required()->type_name("IN");
  sub->add_option("--to-format", flags->to_format, "pcap or pcapng [by the output's name, pcapng]")
      ->check(CLI::IsMember({"pcap", "pcapng"}));
  AddCommonFlags(*sub, *flags);
  return [flags] { return RunMerge(*flags); };
}

}  // namespace tapedeck::tools
