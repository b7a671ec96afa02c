// Kinds of characters in texts, of the C locale, whatever the locale is.
#ifndef TAPEDECK_REPLAY_SCRIPT_CHARACTERS_H_
#define TAPEDECK_REPLAY_SCRIPT_CHARACTERS_H_

namespace tapedeck {

constexpr bool IsDigit(char c) { return c >= '0' && c <= '9'; }
constexpr bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
constexpr bool IsNamePart(char c) { return IsNameStart(c) || IsDigit(c); }

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_CHARACTERS_H_
