#include "replay/script/call_bytes.h"

#include <algorithm>

#include "replay/script/argument_bytes.h"
#include "replay/script/script.h"
#include "replay/script/syscall_signature.h"

namespace tapedeck {
namespace {

// As with the tables of frame_bytes.cc: append only.

constexpr int32_t kResultList[] = {0, 1, 2, 8, 18, 100, 512, 1472};
// EAGAIN, EINVAL, EBADF, ENOTSOCK, EAFNOSUPPORT, EDESTADDRREQ, EMSGSIZE, EADDRINUSE, EADDRNOTAVAIL,
// ENETUNREACH, ECONNREFUSED, EHOSTUNREACH, EACCES, EISCONN, ENOTCONN, EFAULT, EINTR, ENOBUFS.
constexpr int32_t kErrnoList[] = {11,  22,  9,   88, 97,  89,  90, 98, 99,
                                  101, 111, 113, 13, 106, 107, 14, 4,  105};

// The byte before a result: which one, and whether the call blocks for a time that follows it.
constexpr uint8_t kResultAny = 0;
constexpr uint8_t kResultValue = 1;
constexpr uint8_t kResultError = 2;
constexpr uint8_t kResultMask = 0x03;
constexpr uint8_t kResultBlocks = 0x04;

void ReadResult(RecordReader& reader, SyscallStep& call) {
  const uint8_t first = reader.U8();
  if ((first & kResultMask) == kResultValue) {
    call.expected = ReturnsFd(call.name) ? call.fd : std::max(reader.Choice(kResultList), kFdNone);
  } else if ((first & kResultMask) == kResultError) {
    call.fd = kFdNone;
    call.expected = -1;
    call.expected_errno = reader.Choice(kErrnoList) & kErrnoMax;
  }
  if ((first & kResultBlocks) != 0) {
    call.returns_after = std::min(reader.Delay(), kScriptDurationMax);
  }
}

bool WriteResult(RecordWriter& writer, const SyscallStep& call) {
  const uint8_t blocks = call.returns_after.has_value() ? kResultBlocks : uint8_t{0};
  if (!call.expected.has_value()) {
    writer.U8(kResultAny | blocks);
  } else if (call.expected == -1) {
    writer.U8(kResultError | blocks);
    writer.Choice(call.expected_errno, kErrnoList);
  } else if (*call.expected > INT32_MAX) {
    return false;
  } else {
    writer.U8(kResultValue | blocks);
    if (!ReturnsFd(call.name)) writer.Choice(static_cast<int32_t>(*call.expected), kResultList);
  }
  if (call.returns_after.has_value()) writer.Delay(*call.returns_after);
  return true;
}

}  // namespace

bool ReadCall(RecordReader& reader, uint8_t op, uint8_t host, SyscallStep& call) {
  if (op < kCallOpBase || op >= kCallOpBase + kSyscallNames) return false;
  call.name = static_cast<SyscallName>(op - kCallOpBase);
  const std::span<const ArgumentKind> signature = SignatureOf(call.name);
  if (!HasOperands(signature)) return false;
  if (ReturnsFd(call.name)) call.fd = ReadFd(reader);
  ReadArguments(reader, host, signature, call.arguments);
  ReadResult(reader, call);
  return true;
}

uint8_t OpOf(const SyscallStep& call) {
  return static_cast<uint8_t>(kCallOpBase + static_cast<uint8_t>(call.name));
}

bool WriteCall(RecordWriter& writer, uint8_t host, const SyscallStep& call) {
  const std::span<const ArgumentKind> signature = SignatureOf(call.name);
  if (!HasOperands(signature)) return false;
  if (ReturnsFd(call.name)) WriteFd(writer, call.fd);
  return WriteArguments(writer, host, signature, call.arguments) && WriteResult(writer, call);
}

}  // namespace tapedeck
