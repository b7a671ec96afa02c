#include "fuzz/mutate/dictionary.h"

#include <charconv>
#include <optional>
#include <string>

#include "absl/strings/str_cat.h"

namespace tapedeck::fuzz {

namespace {

std::string_view Trimmed(std::string_view line) {
  const size_t first = line.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return line.substr(first, line.find_last_not_of(" \t\r") - first + 1);
}

// The bytes that stand between the quotes: \\, \" and \xAB are escapes.
std::optional<std::vector<uint8_t>> Unescape(std::string_view word) {
  std::vector<uint8_t> bytes;
  for (size_t i = 0; i < word.size(); ++i) {
    if (word[i] != '\\') {
      bytes.push_back(static_cast<uint8_t>(word[i]));
    } else if (i + 1 < word.size() && (word[i + 1] == '\\' || word[i + 1] == '"')) {
      bytes.push_back(static_cast<uint8_t>(word[++i]));
    } else if (i + 3 < word.size() && word[i + 1] == 'x') {
      uint8_t byte = 0;
      const char* const digits = word.data() + i + 2;
      const auto [end, error] = std::from_chars(digits, digits + 2, byte, 16);
      if (error != std::errc() || end != digits + 2) return std::nullopt;
      bytes.push_back(byte);
      i += 3;
    } else {
      return std::nullopt;
    }
  }
  return bytes;
}

}  // namespace

absl::StatusOr<std::vector<std::vector<uint8_t>>> ParseDictionary(std::string_view text,
                                                                  std::string_view name) {
  std::vector<std::vector<uint8_t>> words;
  for (size_t number = 1; !text.empty(); ++number) {
    const size_t end = text.find('\n');
    const std::string_view line = Trimmed(text.substr(0, end));
    text = end == std::string_view::npos ? std::string_view() : text.substr(end + 1);
    if (line.empty() || line.front() == '#') continue;
    const size_t quote = line.find('"');
    std::optional<std::vector<uint8_t>> word;
    if (quote != std::string_view::npos && line.size() > quote + 1 && line.back() == '"') {
      word = Unescape(line.substr(quote + 1, line.size() - quote - 2));
    }
    if (!word.has_value() || word->empty()) {
      return absl::InvalidArgumentError(
          absl::StrCat(std::string(name), ":", number, ": expected a word in quotes"));
    }
    words.push_back(*std::move(word));
  }
  return words;
}

}  // namespace tapedeck::fuzz
