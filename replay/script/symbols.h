// Names of the integers that system calls take and return, with Linux's values on x86-64 and arm64
// (include/linux/socket.h, include/uapi/asm-generic/). Not the running system's headers: a script
// means the same everywhere.
#ifndef TAPEDECK_REPLAY_SCRIPT_SYMBOLS_H_
#define TAPEDECK_REPLAY_SCRIPT_SYMBOLS_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace tapedeck {

struct Symbol {
  std::string_view name;
  int32_t value;
};

inline constexpr int32_t kDomainUnspec = 0;
inline constexpr int32_t kDomainInet = 2;
inline constexpr int32_t kDomainInet6 = 10;
inline constexpr int32_t kSockStream = 1;
inline constexpr int32_t kSockDgram = 2;
inline constexpr int32_t kSockRaw = 3;
inline constexpr int32_t kSockTypeMask = 0xf;  // what is above are flags
inline constexpr int32_t kSockNonblock = 0x800;
inline constexpr int32_t kSockCloexec = 0x80000;

// A set of names for one argument. A value is one of the enumerators, those under `enum_mask`,
// or'ed with flags.
struct SymbolTable {
  std::string_view what;  // "a socket type", for messages
  int32_t enum_mask;      // all ones where nothing is or'ed, 0 where all are flags
  std::span<const Symbol> symbols;

  std::optional<int32_t> Find(std::string_view name) const;
  // "SOCK_DGRAM|SOCK_NONBLOCK"; what has no name as a number: in decimal where it is an enumerator,
  // in hexadecimal where it is a rest of flags. Find() and `|` give the value back.
  std::string Print(int32_t value) const;
};

extern const SymbolTable kDomainSymbols;
extern const SymbolTable kSocketTypeSymbols;
extern const SymbolTable kProtocolSymbols;
extern const SymbolTable kMessageFlagSymbols;
extern const SymbolTable kPollEventSymbols;
extern const SymbolTable kErrnoSymbols;

// The value of any name that may stand in an argument, "SO_REUSEADDR", "EPOLLET", "ECONNRESET",
// "NULL", whichever argument that is.
std::optional<int64_t> FindSymbol(std::string_view name);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SYMBOLS_H_
