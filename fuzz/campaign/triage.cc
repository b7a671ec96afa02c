#include "fuzz/campaign/triage.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <sstream>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "fuzz/campaign/files.h"
#include "fuzz/campaign/signature.h"

namespace tapedeck::fuzz {
namespace {

// A file and its size, in the order of Bug::files.
using SizedFile = std::pair<size_t, std::string>;

// What a table of digests has of a run.
std::string WordsOf(const Judgement& judgement) {
  if (!judgement.held()) return judgement.signature;
  if (!judgement.digest.has_value()) return "out of bounds";
  return absl::StrFormat("%016x%s", *judgement.digest, judgement.cut_short ? " cut short" : "");
}

absl::Status WriteOthers(const std::string& folder, const Bug& bug) {
  for (size_t i = 1; i < bug.files.size(); ++i) {
    const absl::StatusOr<std::vector<uint8_t>> bytes = ReadBytes(bug.files[i]);
    if (!bytes.ok()) return bytes.status();
    const absl::Status written =
        WriteBytes(absl::StrCat(folder, "/others/", InputName(*bytes)), *bytes);
    if (!written.ok()) return written;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::vector<Bug>> SortBugs(Judge& judge, const std::vector<std::string>& files) {
  std::map<std::string, std::vector<SizedFile>> by_signature;
  for (const std::string& file : files) {
    const absl::StatusOr<std::vector<uint8_t>> bytes = ReadBytes(file);
    if (!bytes.ok()) return bytes.status();
    const absl::StatusOr<Judgement> judgement = judge.Run(*bytes);
    if (!judgement.ok()) return judgement.status();
    if (!judgement->held()) by_signature[judgement->signature].emplace_back(bytes->size(), file);
  }
  std::vector<Bug> bugs;
  for (auto& [signature, sized] : by_signature) {
    std::sort(sized.begin(), sized.end());
    Bug bug;
    bug.signature = signature;
    for (SizedFile& file : sized) bug.files.push_back(std::move(file.second));
    bugs.push_back(std::move(bug));
  }
  return bugs;
}

absl::Status WriteBugs(const std::string& out, const std::vector<Bug>& bugs) {
  for (const Bug& bug : bugs) {
    const std::string folder = absl::StrCat(out, "/", SignatureSlug(bug.signature));
    const absl::StatusOr<std::vector<uint8_t>> smallest = ReadBytes(bug.files[0]);
    if (!smallest.ok()) return smallest.status();
    absl::Status status = WriteBytes(folder + "/input", *smallest);
    status.Update(WriteText(folder + "/signature.txt", bug.signature + "\n"));
    status.Update(WriteOthers(folder, bug));
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<DigestTable> DigestsOf(Judge& judge, const std::vector<std::string>& files) {
  DigestTable table;
  for (const std::string& file : files) {
    const absl::StatusOr<std::vector<uint8_t>> bytes = ReadBytes(file);
    if (!bytes.ok()) return bytes.status();
    const absl::StatusOr<Judgement> judgement = judge.Run(*bytes);
    if (!judgement.ok()) return judgement.status();
    table[InputName(*bytes)] = WordsOf(*judgement);
  }
  return table;
}

std::string DigestText(const DigestTable& table) {
  std::string text;
  for (const auto& [name, what] : table) absl::StrAppend(&text, name, " ", what, "\n");
  return text;
}

absl::StatusOr<DigestTable> ParseDigests(const std::string& text, const std::string& name) {
  DigestTable table;
  std::istringstream lines(text);
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    const size_t space = line.find(' ');
    if (space == std::string::npos || space == 0 || space + 1 == line.size()) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ":", number, ": expected `INPUT DIGEST`, found `", line, "`"));
    }
    table[line.substr(0, space)] = line.substr(space + 1);
  }
  return table;
}

std::vector<std::string> DigestAlarms(const std::vector<DigestTable>& tables,
                                      const std::vector<std::string>& names) {
  std::map<std::string, std::pair<size_t, std::string>> first;  // who said what first
  std::vector<std::string> alarms;
  for (size_t i = 0; i < tables.size(); ++i) {
    for (const auto& [input, what] : tables[i]) {
      const auto [known, is_new] = first.try_emplace(input, i, what);
      if (is_new || known->second.second == what) continue;
      alarms.push_back(absl::StrCat(input, ": ", known->second.second, " in ",
                                    names[known->second.first], ", ", what, " in ", names[i]));
    }
  }
  std::sort(alarms.begin(), alarms.end());
  return alarms;
}

}  // namespace tapedeck::fuzz
