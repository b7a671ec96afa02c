// One case of the differential judge: what is done to two stacks, ours and this machine's kernel,
// which must then have done the same. A case is a list of frames, system calls and waits, made from
// a seed; everything in it is fixed but the numbers that a stack chooses itself (its initial
// sequence numbers, its timestamps), which are added where a patch says so.
#ifndef TAPEDECK_REPLAY_DIFFERENTIAL_CASE_H_
#define TAPEDECK_REPLAY_DIFFERENTIAL_CASE_H_

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "stack/base/ip_address.h"

namespace tapedeck::differential {

// The TCP connection whose numbers a patch is about, as its frames name it.
struct Flow {
  Endpoint local;  // of the stack under test
  Endpoint peer;

  friend auto operator<=>(const Flow&, const Flow&) = default;
};

// A number that only the run knows, added to 32 bits of a frame.
struct LivePatch {
  enum class What : uint8_t {
    kIsn,    // the stack's initial sequence number
    kTsval,  // the timestamp that it sent last
  };
  What what = What::kIsn;
  uint16_t offset = 0;       // of the 32 bits
  uint16_t checksum_at = 0;  // of the checksum that covers them, which stays as right or wrong
  Flow flow;

  friend bool operator==(const LivePatch&, const LivePatch&) = default;
};

// A frame that reaches the device of port `port`.
struct FrameStep {
  int port = 0;
  std::vector<uint8_t> bytes;
  std::vector<LivePatch> patches;
};

enum class CallName : uint8_t {
  kSocket,       // a domain, b type, c protocol
  kBind,         // address
  kConnect,      // address
  kListen,       // a backlog
  kAccept,       // a: slot of the new descriptor
  kSendto,       // data, a flags, address where it has bytes
  kRecvfrom,     // room, a flags
  kRecvError,    // room; recvmsg with MSG_ERRQUEUE
  kShutdown,     // a how
  kClose,        //
  kGetsockname,  // room
  kGetpeername,  // room
  kSetsockopt,   // a level, b name, data, room: the length that is said
  kGetsockopt,   // a level, b name, room
  kPoll,         // a events
  kIoctl,        // a command
};
inline constexpr int kCallNames = static_cast<int>(CallName::kIoctl) + 1;
// "sendto"
const char* NameOf(CallName name);

// A system call. Descriptors are slots of a small table, so that each stack has its own numbers;
// an empty slot is the descriptor -1. No call waits: sockets are made with SOCK_NONBLOCK.
struct CallStep {
  static constexpr int kSlots = 8;

  CallName name = CallName::kClose;
  int slot = 0;
  int a = 0;
  int b = 0;
  int c = 0;
  uint32_t room = 0;             // bytes that the caller says there are
  std::vector<uint8_t> address;  // struct sockaddr*, as bytes
  uint32_t address_length = 0;   // what the caller says
  std::vector<uint8_t> data;
};

// Time that passes, for timers.
struct WaitStep {
  int milliseconds = 0;
};

using Step = std::variant<FrameStep, CallStep, WaitStep>;

// A file below /proc/sys, and what is written to it before the first step.
struct Setting {
  std::string path;
  std::string value;
};

// Sets of neighbours and ports that a case can use (Case::place).
inline constexpr uint32_t kPlaces = 7'000;

struct Case {
  std::string kind;
  // Whether the stacks that play it speak IPv6 (and IPv4).
  AddressFamily family = AddressFamily::kIpv4;
  uint64_t seed = 0;
  uint64_t number = 0;
  // Which set of neighbours and ports it uses, so that it does not meet what others have left.
  uint32_t place = 0;
  // That the host has on its first port besides its own, of a /24 or a /64.
  std::vector<IpAddress> addresses;
  // It has the host learn addresses and routes, which have to be taken back.
  bool teaches_routes = false;
  std::vector<Setting> settings;
  std::vector<Step> steps;
};

// One line of a step, in the words of tcpdump and strace: "tap0 < ARP, Request who-has ...",
// "bind(0, 10.1.0.1:7, 16)".
std::string TextOf(const Step& step);
// An address argument: "10.1.0.1:7", or its bytes where it is none.
std::string AddressText(const std::vector<uint8_t>& address);
// "EINVAL"; a number where it has no name here.
std::string ErrorText(int64_t result);
std::string HexText(const std::vector<uint8_t>& bytes);

}  // namespace tapedeck::differential

#endif  // TAPEDECK_REPLAY_DIFFERENTIAL_CASE_H_
