#include "fuzz/campaign/packet_seeds.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <utility>
#include <variant>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_format.h"
#include "replay/script/addresses.h"
#include "replay/script/command.h"
#include "replay/script/packet_step.h"
#include "replay/script/segment_step.h"
#include "replay/script/symbols.h"
#include "replay/script/syscall_step.h"
#include "replay/script/text.h"
#include "stack/base/check.h"
#include "stack/base/time.h"

namespace tapedeck::fuzz {
namespace {

// Descriptors that the target `stack` has open on the script's port.
constexpr int64_t kTargetsUdpSocket = 3;
constexpr int64_t kTargetsListener = 5;

// How far the two sides of a connection are, in the script's numbers: from either's ISN.
struct Conversation {
  uint8_t flow = 0;
  uint32_t acknowledged = 0;  // by the host: what it expects next
  uint32_t sent_end = 0;      // behind all that the host has sent

  void Sent(const TcpPacket& packet) {
    if (packet.has_ack) acknowledged = packet.ack;
    const uint32_t controls =
        (packet.flags & kTcpSyn) / kTcpSyn + (packet.flags & kTcpFin) / kTcpFin;
    const uint32_t end = packet.sequence + packet.payload_bytes + controls;
    if (static_cast<int32_t>(end - sent_end) > 0) sent_end = end;
  }
};

// Options that have fields of their own are given those; with any other, the bytes are as they are.
void GiveOptions(const std::vector<TcpOption>& options, uint32_t ack, SegmentStep& segment) {
  constexpr auto kHasField = [](const TcpOption& option) {
    constexpr std::array kKinds = {kTcpOptionNop,    kTcpOptionMss,  kTcpOptionWscale,
                                   kTcpOptionSackOk, kTcpOptionSack, kTcpOptionTimestamps};
    return std::find(kKinds.begin(), kKinds.end(), option.kind) != kKinds.end();
  };
  std::vector<TcpOption> others;
  for (const TcpOption& option : options) {
    if (!kHasField(option)) others.push_back(option);
    if (option.kind == kTcpOptionMss && option.data.size() == 2) {
      segment.mss_bytes = static_cast<uint16_t>(option.data[0] << 8 | option.data[1]);
    }
    if (option.kind == kTcpOptionWscale && option.data.size() == 1) {
      segment.window_shift = option.data[0];
    }
    if (option.kind == kTcpOptionSackOk) segment.sack_permitted = true;
    if (option.kind == kTcpOptionTimestamps) segment.timestamps.emplace();
    if (option.kind != kTcpOptionSack) continue;
    for (size_t at = 0; at + 8 <= option.data.size(); at += 8) {
      if (segment.sack.size() == wire::kTcpSackBlocksMax) break;
      segment.sack.push_back({.left = static_cast<int32_t>(option.U32(at) - ack),
                              .right = static_cast<int32_t>(option.U32(at + 4) - ack)});
    }
  }
  segment.raw_options = TcpOptionBytes(others);
}

SegmentStep RelativeTo(const Conversation& conversation, const TcpPacket& packet) {
  SegmentStep segment;
  segment.flow = conversation.flow;
  segment.flags = packet.flags;
  segment.seq = static_cast<int32_t>(packet.sequence - conversation.acknowledged);
  if (packet.has_ack) segment.ack = static_cast<int32_t>(packet.ack - conversation.sent_end);
  segment.window = packet.window.value_or(segment.window);
  segment.payload_bytes = std::min<uint32_t>(packet.payload_bytes, kSegmentPayloadMax);
  segment.urgent = packet.urgent;
  if (packet.options.has_value()) GiveOptions(*packet.options, packet.ack, segment);
  return segment;
}

// Where a call leaves a family or an address open, IPv6's; what players take there is IPv4's.
void SayIpv6(SyscallStep& call) {
  static const auto kAddresses = [] {
    const absl::StatusOr<Script> script =
        ParseScript(absl::StrFormat(R"(
      +0 bind(3, {sa_family=AF_INET6, sin_port=htons(%1$d), sin_addr=inet6_addr("%2$s")}, 28) = 0
      +0 bind(3, {sa_family=AF_INET6, sin_port=htons(%1$d), sin_addr=inet6_addr("%3$s")}, 28) = 0
)",
                                    kScriptPort, HostIpv6(0).ToString(), PeerIpv6(0).ToString()),
                    "addresses");
    CHECK(script.ok());
    const auto arguments = [&](size_t step) {
      return std::get<SyscallStep>(script->steps[step].what).arguments;
    };
    return std::array{arguments(0), arguments(1)};
  }();
  const auto say = [&](size_t argument, const std::vector<Expression>& from) {
    if (!call.arguments[argument].is_ellipsis()) return;
    call.arguments[argument] = from[1];
    call.arguments[argument + 1] = from[2];
  };
  switch (call.name) {
    case SyscallName::kSocket:
      if (call.arguments[0].is_ellipsis()) call.arguments[0] = Expression::Integer(kDomainInet6);
      break;
    case SyscallName::kBind:
      say(1, kAddresses[0]);
      break;
    case SyscallName::kConnect:
      say(1, kAddresses[1]);
      break;
    case SyscallName::kSendto:
      say(4, kAddresses[1]);
      break;
    default:
      break;
  }
}

class Converter {
 public:
  explicit Converter(bool ipv6) : ipv6_(ipv6) {}

  Script Convert(const Script& script) {
    CloseWhatIsInTheWay(script);
    if (script.init.has_value()) Settings(*script.init);
    for (const Step& step : script.steps) {
      Advance(step);
      if (const auto* const packet = std::get_if<PacketStep>(&step.what)) {
        Packet(*packet);
      } else if (const auto* const command = std::get_if<CommandStep>(&step.what)) {
        Settings(*command);
      } else if (!std::holds_alternative<CodeStep>(step.what)) {
        Step kept = step;
        kept.base = TimeBase::kStepBefore;
        auto* const call = std::get_if<SyscallStep>(&kept.what);
        if (ipv6_ && call != nullptr) SayIpv6(*call);
        Add(std::move(kept));
      }
    }
    return std::move(out_);
  }

 private:
  void Advance(const Step& step) {
    if (step.base == TimeBase::kStepBefore) now_ = now_ + step.delay;
    if (step.base == TimeBase::kStart) now_ = std::max(now_, step.delay);
  }

  void Add(Step step) {
    step.delay = now_ - std::exchange(last_, now_);
    out_.steps.push_back(std::move(step));
  }

  void CloseWhatIsInTheWay(const Script& script) {
    bool streams = false;
    bool datagrams = false;
    for (const Step& step : script.steps) {
      const auto* const call = std::get_if<SyscallStep>(&step.what);
      if (call == nullptr || call->name != SyscallName::kSocket) continue;
      const int64_t type = call->arguments[1].value & kSockTypeMask;
      streams = streams || type == kSockStream;
      datagrams = datagrams || type == kSockDgram;
    }
    if (streams) Close(kTargetsListener);
    if (datagrams) Close(kTargetsUdpSocket);
  }

  void Close(int64_t fd) {
    SyscallStep call;
    call.name = SyscallName::kClose;
    call.arguments = {Expression::Integer(fd)};
    Add({.delay = {}, .what = std::move(call)});
  }

  void Packet(const PacketStep& packet) {
    const auto* const tcp = std::get_if<TcpPacket>(&packet.what);
    if (tcp == nullptr || !packet.outer.empty()) return;
    const std::optional<uint16_t>& port = packet.inbound() ? tcp->source_port : tcp->dest_port;
    const auto [found, is_new] = conversations_.try_emplace(
        port, Conversation{.flow = static_cast<uint8_t>(conversations_.size() % kSegmentFlowsMax)});
    if (packet.inbound()) {
      SegmentStep segment = RelativeTo(found->second, *tcp);
      segment.ipv6 = ipv6_;
      Add({.delay = {}, .what = std::move(segment)});
    } else {
      found->second.Sent(*tcp);
    }
  }

  void Settings(const CommandStep& step) {
    for (const Command& command : step.commands) {
      const std::vector<SysctlSetting>* settings = nullptr;
      if (const auto* const set = std::get_if<SetSysctls>(&command.action)) {
        settings = &set->settings;
      } else if (const auto* const saved = std::get_if<SaveAndSetSysctls>(&command.action)) {
        settings = &saved->settings;
      }
      if (settings == nullptr) continue;
      for (const SysctlSetting& setting : *settings) {
        Add({.delay = {}, .what = SysctlStep{.path = setting.path, .value = setting.value}});
      }
    }
  }

  bool ipv6_;
  Script out_;
  Duration now_;   // of the script
  Duration last_;  // when the last step that was kept begins
  std::map<std::optional<uint16_t>, Conversation> conversations_;  // by the peer's port
};

}  // namespace

Script WithRelativeSegments(const Script& script, bool ipv6) {
  return Converter(ipv6).Convert(script);
}

}  // namespace tapedeck::fuzz
