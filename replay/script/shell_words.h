// The words of one command, taken one after another.
#ifndef TAPEDECK_REPLAY_SCRIPT_SHELL_WORDS_H_
#define TAPEDECK_REPLAY_SCRIPT_SHELL_WORDS_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "replay/script/absl_view.h"

namespace tapedeck {

class ShellWords {
 public:
  // `words` must outlive it, and has the command's name first.
  explicit ShellWords(std::span<const std::string> words) : words_(words) {}

  // What the program is called, without its folder.
  std::string_view name() const {
    const std::string_view path = words_[0];
    return path.substr(path.rfind('/') + 1);
  }
  bool at_end() const { return next_ == words_.size(); }
  // The next word; nothing at the end.
  std::string_view Peek() const { return at_end() ? std::string_view() : words_[next_]; }
  std::string Take() { return at_end() ? std::string() : words_[next_++]; }
  bool TakeIf(std::string_view word) {
    if (Peek() != word) return false;
    Take();
    return true;
  }
  absl::Status Expect(std::string_view word) {
    if (TakeIf(word)) return absl::OkStatus();
    return Error(absl::StrCat("expected '", std::string(word), "', found ", Found()));
  }
  absl::Status ExpectEnd() const {
    return at_end() ? absl::OkStatus() : Error(absl::StrCat("expected its end, found ", Found()));
  }
  absl::StatusOr<uint32_t> TakeNumber() {
    uint32_t number = 0;
    if (absl::SimpleAtoi(Absl(Peek()), &number)) {
      Take();
      return number;
    }
    return Error(absl::StrCat("expected a number, found ", Found()));
  }

  // "tc: message"
  absl::Status Error(const std::string& message) const {
    return absl::InvalidArgumentError(absl::StrCat(std::string(name()), ": ", message));
  }

 private:
  std::string Found() const {
    return at_end() ? "nothing" : absl::StrCat("'", std::string(Peek()), "'");
  }

  std::span<const std::string> words_;
  size_t next_ = 1;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SHELL_WORDS_H_
