#include "fuzz/state/state_map.h"

#include <algorithm>
#include <bit>
#include <cerrno>
#include <iterator>

#include "fuzz/state/step_event.h"
#include "replay/trace/event_text.h"
#include "stack/base/check.h"
#include "stack/base/drop_reason.h"
#include "stack/core/sock.h"
#include "stack/kernel/bus.h"
#include "stack/socket/system_call.h"

namespace tapedeck::fuzz {

namespace {

// --- Names of coordinates ---

using NameFunction = std::string (*)(size_t);

std::string NameIn(std::span<const char* const> names, size_t i) {
  return i < names.size() ? names[i] : "?";
}

// Of numbers with `bits` bits.
std::string RangeName(size_t bits) {
  if (bits <= 1) return std::to_string(bits);
  return std::to_string(uint64_t{1} << (bits - 1)) + "+";
}
std::string TcpName(size_t i) { return SockStateName(i); }
std::string EventName(size_t i) { return std::string(StepEventName(i)); }
std::string PendingName(size_t i) {
  static constexpr const char* kNames[] = {"none", "retransmit", "delayed-ack", "probe",
                                           "4",    "loss-probe", "reordering",  "7"};
  return NameIn(kNames, i);
}
std::string AlsoArmedName(size_t i) {
  static constexpr const char* kNames[] = {"-", "delayed-ack", "keepalive",
                                           "delayed-ack+keepalive"};
  return NameIn(kNames, i);
}
std::string RecoveryName(size_t i) {
  static constexpr const char* kNames[] = {"Open", "Disorder", "CWR", "Recovery", "Loss"};
  return NameIn(kNames, i);
}
std::string RetransmitName(size_t i) {
  static constexpr const char* kNames[] = {"timeout",    "fast",         "slow-start",
                                           "loss-probe", "window-probe", "keepalive"};
  return NameIn(kNames, i);
}
std::string QueueName(size_t i) {
  static constexpr const char* kNames[] = {"receive-bytes",
                                           "send-bytes",
                                           "retransmit-segments",
                                           "out-of-order-bytes",
                                           "accept",
                                           "cwnd",
                                           "backoff",
                                           "datagram-bytes",
                                           "sockets",
                                           "frames-out",
                                           "forwarded"};
  static_assert(std::size(kNames) == kStateQueues);
  return NameIn(kNames, i);
}
std::string DropName(size_t i) {
  return i < static_cast<size_t>(kDropReasons) ? DropReasonName(static_cast<DropReason>(i)) : "?";
}
std::string NudName(size_t i) {
  static constexpr const char* kNames[] = {"INCOMPLETE", "REACHABLE", "STALE",     "DELAY", "PROBE",
                                           "FAILED",     "NOARP",     "PERMANENT", "NONE"};
  return NameIn(kNames, i);
}
std::string FaultName(size_t i) {
  return i <= static_cast<size_t>(DmaFault::kDescriptor) ? DmaFaultName(static_cast<DmaFault>(i))
                                                         : "?";
}
std::string CompleteName(size_t i) { return i == 0 ? "more" : "complete"; }

// --- Calls ---

using enum SyscallNumber;
struct Call {
  SyscallNumber number;
  CallGroup group;
};
// By CallIndex(): append only, so that maps of two builds can be compared.
constexpr Call kCalls[] = {
    {kRead, CallGroup::kReceive},        {kWrite, CallGroup::kSend},
    {kOpen, CallGroup::kOther},          {kClose, CallGroup::kEnd},
    {kPoll, CallGroup::kReady},          {kIoctl, CallGroup::kOption},
    {kReadv, CallGroup::kReceive},       {kWritev, CallGroup::kSend},
    {kPipe, CallGroup::kOther},          {kSelect, CallGroup::kReady},
    {kDup, CallGroup::kOther},           {kDup2, CallGroup::kOther},
    {kSendfile, CallGroup::kSend},       {kSocket, CallGroup::kSocket},
    {kConnect, CallGroup::kConnect},     {kAccept, CallGroup::kAccept},
    {kSendto, CallGroup::kSend},         {kRecvfrom, CallGroup::kReceive},
    {kSendmsg, CallGroup::kSend},        {kRecvmsg, CallGroup::kReceive},
    {kShutdown, CallGroup::kEnd},        {kBind, CallGroup::kName},
    {kListen, CallGroup::kListen},       {kGetsockname, CallGroup::kName},
    {kGetpeername, CallGroup::kName},    {kSocketpair, CallGroup::kSocket},
    {kSetsockopt, CallGroup::kOption},   {kGetsockopt, CallGroup::kOption},
    {kFcntl, CallGroup::kOption},        {kEpollCreate, CallGroup::kSocket},
    {kEpollWait, CallGroup::kReady},     {kEpollCtl, CallGroup::kOther},
    {kSplice, CallGroup::kSend},         {kAccept4, CallGroup::kAccept},
    {kEpollCreate1, CallGroup::kSocket}, {kDup3, CallGroup::kOther},
    {kPipe2, CallGroup::kOther},         {kRecvmmsg, CallGroup::kReceive},
    {kSendmmsg, CallGroup::kSend},
};
constexpr size_t kCallsMax = 48;
static_assert(std::size(kCalls) < kCallsMax);

constexpr auto kCallIndices = [] {
  std::array<uint8_t, 312> indices;
  indices.fill(std::size(kCalls));
  for (size_t i = 0; i < std::size(kCalls); ++i) {
    indices[static_cast<size_t>(kCalls[i].number)] = static_cast<uint8_t>(i);
  }
  return indices;
}();

constexpr int kErrors[] = {EAGAIN,     EINPROGRESS,  EINVAL,  EBADF,    ECONNREFUSED,
                           ECONNRESET, ETIMEDOUT,    EPIPE,   ENOTCONN, EISCONN,
                           EADDRINUSE, EHOSTUNREACH, EMSGSIZE};
constexpr size_t kOutcomes = 2 + std::size(kErrors) + 1;

std::string CallName(size_t i) {
  return i < std::size(kCalls) ? SyscallNumberName(kCalls[i].number) : "?";
}
std::string OutcomeName(size_t i) {
  static constexpr const char* kNames[] = {
      "0",          "positive",     "EAGAIN",       "EINPROGRESS",
      "EINVAL",     "EBADF",        "ECONNREFUSED", "ECONNRESET",
      "ETIMEDOUT",  "EPIPE",        "ENOTCONN",     "EISCONN",
      "EADDRINUSE", "EHOSTUNREACH", "EMSGSIZE",     "another-error"};
  static_assert(std::size(kNames) == kOutcomes);
  return NameIn(kNames, i);
}
constexpr size_t kCallResults = static_cast<size_t>(CallResult::kError) + 1;
std::string PairName(size_t i) {
  static constexpr const char* kGroups[] = {"socket", "name",   "connect", "listen",
                                            "accept", "send",   "receive", "ready",
                                            "end",    "option", "other"};
  static_assert(std::size(kGroups) == kCallGroups);
  static constexpr const char* kResults[] = {"0", "positive", "EAGAIN", "error"};
  return NameIn(kGroups, i / kCallResults) + "=" + kResults[i % kCallResults];
}

// --- Layout ---

struct Coordinate {
  size_t size = 1;
  NameFunction name = nullptr;
};
struct Layout {
  StateFeature id;
  std::string_view name;
  std::array<Coordinate, 3> coordinates;

  constexpr size_t cells() const {
    return coordinates[0].size * coordinates[1].size * coordinates[2].size;
  }
};

constexpr Coordinate kTcp = {TCP_MAX_STATES, TcpName};
constexpr Coordinate kPending = {8, PendingName};
constexpr Coordinate kNud = {9, NudName};
constexpr Coordinate kPair = {kCallGroups * kCallResults, PairName};
constexpr Layout kLayouts[] = {
    {StateFeature::kTcpEvent, "tcp-event", {kTcp, {kStepEvents, EventName}}},
    {StateFeature::kTcpPath, "tcp-path", {kTcp, kTcp, kTcp}},
    {StateFeature::kTcpTimers, "tcp-timers", {kTcp, kPending, Coordinate{4, AlsoArmedName}}},
    {StateFeature::kTcpRecovery, "tcp-recovery", {Coordinate{5, RecoveryName}, kPending}},
    {StateFeature::kTcpRetransmit, "tcp-retransmit", {kTcp, {6, RetransmitName}}},
    {StateFeature::kMaximum, "maximum", {Coordinate{kStateQueues, QueueName}, {33, RangeName}}},
    {StateFeature::kDrop, "drop", {Coordinate{160, DropName}}},
    {StateFeature::kNeighbour, "neighbour", {kNud, kNud}},
    {StateFeature::kCall, "call", {Coordinate{kCallsMax, CallName}, {kOutcomes, OutcomeName}}},
    {StateFeature::kCallPair, "calls", {kPair, kPair}},
    {StateFeature::kPoll, "napi-poll", {Coordinate{9, RangeName}, {2, CompleteName}}},
    {StateFeature::kDeviceFault, "device-fault", {Coordinate{16, FaultName}}},
};
static_assert(kDropReasons <= 160);

constexpr bool LayoutsAreByNumber() {
  for (size_t i = 0; i < std::size(kLayouts); ++i) {
    if (static_cast<size_t>(kLayouts[i].id) != i) return false;
  }
  return std::size(kLayouts) == kStateFeatures;
}
static_assert(LayoutsAreByNumber());

// Of each feature, and behind the last one.
constexpr auto kFirstCells = [] {
  std::array<size_t, kStateFeatures + 1> first = {};
  for (size_t i = 0; i < kStateFeatures; ++i) first[i + 1] = first[i] + kLayouts[i].cells();
  return first;
}();
static_assert(kFirstCells.back() <= kStateCells);

const Layout& LayoutOf(StateFeature feature) { return kLayouts[static_cast<size_t>(feature)]; }

}  // namespace

void StateMap::Clear() { std::fill(cells_.begin(), cells_.end(), uint8_t{0}); }

size_t StateMap::Index(StateFeature feature, size_t a, size_t b, size_t c) {
  const auto& coordinates = LayoutOf(feature).coordinates;
  size_t index = std::min(a, coordinates[0].size - 1);
  index = index * coordinates[1].size + std::min(b, coordinates[1].size - 1);
  index = index * coordinates[2].size + std::min(c, coordinates[2].size - 1);
  return FirstCell(feature) + index;
}

std::string StateMap::Describe(size_t index) {
  CHECK_LT(index, kStateCells);
  for (const Layout& layout : kLayouts) {
    if (index >= layout.cells()) {
      index -= layout.cells();
      continue;
    }
    const size_t tail = layout.coordinates[1].size * layout.coordinates[2].size;
    const size_t values[] = {index / tail, index % tail / layout.coordinates[2].size,
                             index % layout.coordinates[2].size};
    std::string text(layout.name);
    for (size_t i = 0; i < std::size(values); ++i) {
      if (layout.coordinates[i].name != nullptr)
        text += " " + layout.coordinates[i].name(values[i]);
    }
    return text;
  }
  return "";
}

std::string_view StateMap::NameOf(StateFeature feature) { return LayoutOf(feature).name; }
size_t StateMap::FirstCell(StateFeature feature) {
  return kFirstCells[static_cast<size_t>(feature)];
}
size_t StateMap::Cells(StateFeature feature) { return LayoutOf(feature).cells(); }

size_t CallIndex(uint64_t syscall_number) {
  return syscall_number < kCallIndices.size() ? kCallIndices[syscall_number] : std::size(kCalls);
}

CallResult CallResultOf(int64_t result) {
  if (result == -EAGAIN) return CallResult::kAgain;
  if (result < 0) return CallResult::kError;
  return result == 0 ? CallResult::kZero : CallResult::kPositive;
}

size_t CallOutcome(int64_t result) {
  if (result >= 0) return result == 0 ? 0 : 1;
  const auto* const found = std::find(std::begin(kErrors), std::end(kErrors), -result);
  return 2 + static_cast<size_t>(found - std::begin(kErrors));
}

CallGroup CallGroupOf(uint64_t syscall_number) {
  const size_t index = CallIndex(syscall_number);
  return index < std::size(kCalls) ? kCalls[index].group : CallGroup::kOther;
}

size_t BitsOf(uint64_t value) { return static_cast<size_t>(std::bit_width(value)); }

}  // namespace tapedeck::fuzz
