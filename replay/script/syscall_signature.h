// What each system call takes: the kind of each argument decides what may stand there, by which
// names numbers are printed, and how the bytes spelling says it.
#ifndef TAPEDECK_REPLAY_SCRIPT_SYSCALL_SIGNATURE_H_
#define TAPEDECK_REPLAY_SCRIPT_SYSCALL_SIGNATURE_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "replay/script/expression.h"
#include "replay/script/symbols.h"
#include "replay/script/syscall_step.h"

namespace tapedeck {

enum class ArgumentKind : uint8_t {
  kFd,          // a number in -1..1023
  kDomain,      // an int, or ...
  kSocketType,  // ints
  kProtocol,
  kMessageFlags,
  kInt,
  kTimeout,
  kLevel,
  kOptionName,
  kOptionLength,
  kLength,         // of a buffer: up to kTransferBytesMax
  kBuffer,         // ..., or NULL, or a string
  kAddress,        // {sa_family=...}, or ..., or a number: NULL, or a family alone
  kAddressLength,  // an int, or ..., or [n]
  kPollEntries,    // [{fd=3, events=POLLIN}], or NULL
  kPollCount,      // a number
  kMessage,        // {msg_name(...)=...}, or NULL
  kMessages,       // [{msg_hdr={msg_name(...)=...}, msg_len=100}], or NULL
  kPieces,         // [{..., 100}], or NULL
  kFdPair,         // [3, 4]
  kPath,           // a string
  kFdSet,          // {fds=[3, 4], ready=[3]}: asked about, and found; or NULL
  kTimeval,        // {tv_sec=1, tv_usec=500000}, or NULL
  kTimespec,       // {tv_sec=1, tv_nsec=500000000}, or NULL
  kOther,          // anything: what it may be depends on the arguments before it
};

// The kinds of all its arguments; of the last one also where it may be left out.
std::span<const ArgumentKind> SignatureOf(SyscallName name);

// Names of the numbers of such an argument; null if they have none.
const SymbolTable* SymbolsOf(ArgumentKind kind);

// A number there is an int of C: what is written from 2^31 to 2^32 - 1 means one below zero.
bool IsIntKind(ArgumentKind kind);

// What an argument of this kind has to be if `argument` is not: "a descriptor in -1..1023".
std::optional<std::string> WhatIsExpected(ArgumentKind kind, const Expression& argument);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_SYSCALL_SIGNATURE_H_
