// The shell command lines of packetdrill scripts as statements on the Lab. No shell is ever run:
// what is not listed here is refused when the script is read, with the command's name.
//
// A command line may span lines and join statements by newline, `;`, `&&` and `||`; words may be
// quoted; $((...)) is worked out; redirections to /dev/null are dropped; other ones only as `echo
// value > /proc/sys/...`. `../common/defaults.sh` stands for the statements of that file, which is
// read from its place beside the script.
#ifndef TAPEDECK_REPLAY_SCRIPT_COMMAND_H_
#define TAPEDECK_REPLAY_SCRIPT_COMMAND_H_

#include <cstdint>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "stack/base/ip_address.h"
#include "stack/base/time.h"

namespace tapedeck {

struct SysctlSetting {
  std::string path;   // below /proc/sys: "net/ipv4/tcp_ecn"
  std::string value;  // "4096 540000 15728640"

  friend bool operator==(const SysctlSetting&, const SysctlSetting&) = default;
};

// sysctl -q net.ipv4.tcp_ecn=1 net.ipv4.tcp_sack=0;  echo 1 > /proc/sys/net/ipv4/tcp_ecn
// Fails if one of them fails, after trying all.
struct SetSysctls {
  std::vector<SysctlSetting> settings;
  bool ignore_unknown = false;  // -e: a path that does not exist is no failure

  friend bool operator==(const SetSysctls&, const SetSysctls&) = default;
};

// ../common/set_sysctls.py /proc/sys/net/ipv4/tcp_timestamps=0
// Notes the present values, forgetting those that an earlier one noted, and sets new ones.
struct SaveAndSetSysctls {
  std::vector<SysctlSetting> settings;

  friend bool operator==(const SaveAndSetSysctls&, const SaveAndSetSysctls&) = default;
};

// /tmp/sysctl_restore_${PPID}.sh
// Writes back what the last SaveAndSetSysctls noted.
struct RestoreSysctls {
  friend bool operator==(const RestoreSysctls&, const RestoreSysctls&) = default;
};

// echo 3 > /sys/module/tcp_cubic/parameters/hystart_detect
struct SetModuleParameter {
  std::string module;     // "tcp_cubic"
  std::string parameter;  // "hystart_detect"
  std::string value;

  friend bool operator==(const SetModuleParameter&, const SetModuleParameter&) = default;
};

// ip tcp_metrics flush all: forgets what is known of peers, Fast Open cookies above all.
struct FlushTcpMetrics {
  friend bool operator==(const FlushTcpMetrics&, const FlushTcpMetrics&) = default;
};

// tc qdisc replace dev tun0 root pfifo limit 0
struct ChangeQdisc {
  enum class Action : uint8_t { kAdd, kReplace, kDelete };
  Action action = Action::kReplace;
  std::string device;
  std::string kind;               // "pfifo", "fq"; empty for kDelete
  std::optional<uint32_t> limit;  // packets

  friend bool operator==(const ChangeQdisc&, const ChangeQdisc&) = default;
};

// ip route change 192.0.2.1 via 192.168.0.2 dev tun0 advmss 600 mtu lock 640 initcwnd 11
// ip -6 route ...
struct ChangeRoute {
  enum class Action : uint8_t { kAdd, kChange, kReplace, kDelete };
  Action action = Action::kChange;
  IpAddress dest;
  uint8_t prefix_bits = 0;  // /32 and /128 where none is written; 0 of "default"
  std::optional<IpAddress> gateway;
  std::string device;  // empty: none
  std::optional<uint32_t> advmss;
  std::optional<uint32_t> mtu;
  bool mtu_locked = false;
  std::optional<uint32_t> initcwnd;
  std::optional<uint32_t> initrwnd;
  std::optional<uint32_t> rto_min_ms;
  std::string congestion_control;          // "congctl reno"; empty: none
  bool congestion_control_locked = false;  // "congctl lock reno"
  bool ecn = false;                        // "features ecn"

  friend bool operator==(const ChangeRoute&, const ChangeRoute&) = default;
};

// ip link set dev tun0 mtu 9000
struct ChangeLink {
  std::string device;
  std::optional<uint32_t> mtu_bytes;
  std::optional<bool> up;

  friend bool operator==(const ChangeLink&, const ChangeLink&) = default;
};

// ethtool -K tun0 tso off gso off
struct ChangeOffloads {
  std::string device;
  std::optional<bool> tso;
  std::optional<bool> gso;
  std::optional<bool> gro;
  std::optional<bool> udp_gro_forwarding;
  std::optional<bool> tx_checksum;
  std::optional<bool> rx_checksum;

  friend bool operator==(const ChangeOffloads&, const ChangeOffloads&) = default;
};

// sleep 0.5
struct Sleep {
  Duration duration;

  friend bool operator==(const Sleep&, const Sleep&) = default;
};

// nstat -n;  nstat > /dev/null: counters are looked at from here on.
struct NoteCounters {
  friend bool operator==(const NoteCounters&, const NoteCounters&) = default;
};

// nstat -s | grep TcpExtTCPRcvQDrop | grep -q " 1 "
// By how much a counter has grown since it was last noted: `value`, or at all where there is none.
struct ExpectCounter {
  std::string name;  // "TcpExtTCPRcvQDrop", a MIB's name and its own
  std::optional<uint64_t> value;
  bool notes = true;  // without -s, counters are noted anew

  friend bool operator==(const ExpectCounter&, const ExpectCounter&) = default;
};

// grep " 0A " /proc/net/tcp /proc/net/tcp6 | grep ":1F90": a TCP socket listens on this port.
struct ExpectListener {
  uint16_t port = 0;

  friend bool operator==(const ExpectListener&, const ExpectListener&) = default;
};

// /bin/dd bs=1 count=5 if=/dev/zero of=/tmp/testfile: a file for open() and sendfile().
struct CreateFile {
  std::string path;
  uint64_t bytes = 0;  // all zero

  friend bool operator==(const CreateFile&, const CreateFile&) = default;
};

// rm -f /tmp/testfile
struct RemoveFile {
  std::string path;

  friend bool operator==(const RemoveFile&, const RemoveFile&) = default;
};

// true; exit 0: nothing.
struct NoOperation {
  friend bool operator==(const NoOperation&, const NoOperation&) = default;
};

using CommandAction =
    std::variant<NoOperation, SetSysctls, SaveAndSetSysctls, RestoreSysctls, SetModuleParameter,
                 FlushTcpMetrics, ChangeQdisc, ChangeRoute, ChangeLink, ChangeOffloads, Sleep,
                 NoteCounters, ExpectCounter, ExpectListener, CreateFile, RemoveFile>;

struct Command {
  // Whether it runs depends on the one that ran last before it.
  enum class Condition : uint8_t {
    kAlways,    // newline or ;
    kIfHeld,    // &&
    kIfFailed,  // ||
  };
  Condition condition = Condition::kAlways;
  CommandAction action;
  std::string text;  // as it is written, for messages; not content

  friend bool operator==(const Command& a, const Command& b) {
    return a.condition == b.condition && a.action == b.action;
  }
};

// As with system(): the step holds if the last command that ran did.
struct CommandStep {
  std::string text;  // what stands between the backticks; not content
  std::vector<Command> commands;

  friend bool operator==(const CommandStep& a, const CommandStep& b) {
    return a.commands == b.commands;
  }
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_SCRIPT_COMMAND_H_
