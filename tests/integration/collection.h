// The collection of public captures that some tests read where it is there: a folder with
// INDEX.tsv, $TAPEDECK_SHARED/pcaps or else ../shared/pcaps beside the sources.
#ifndef TAPEDECK_TESTS_INTEGRATION_COLLECTION_H_
#define TAPEDECK_TESTS_INTEGRATION_COLLECTION_H_

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

namespace tapedeck {

// Where it is; nullopt: nowhere, and a test that needs it is skipped.
inline std::optional<std::filesystem::path> Collection() {
  const char* const shared = std::getenv("TAPEDECK_SHARED");
  const std::filesystem::path place =
      std::filesystem::path(shared != nullptr ? shared : "../shared") / "pcaps";
  if (!std::filesystem::exists(place / "INDEX.tsv")) return std::nullopt;
  return place;
}

// The rows of its INDEX.tsv, fields by the names of their columns.
inline std::vector<std::map<std::string, std::string>> CollectionIndex(
    const std::filesystem::path& place) {
  const auto fields = [](const std::string& line) {
    std::vector<std::string> words;
    std::istringstream stream(line);
    for (std::string word; std::getline(stream, word, '\t');) words.push_back(word);
    return words;
  };
  std::ifstream file(place / "INDEX.tsv");
  std::string line;
  std::getline(file, line);
  const std::vector<std::string> names = fields(line);
  std::vector<std::map<std::string, std::string>> rows;
  while (std::getline(file, line)) {
    const std::vector<std::string> words = fields(line);
    std::map<std::string, std::string>& row = rows.emplace_back();
    for (size_t i = 0; i < words.size() && i < names.size(); ++i) row[names[i]] = words[i];
  }
  return rows;
}

}  // namespace tapedeck

#endif  // TAPEDECK_TESTS_INTEGRATION_COLLECTION_H_
