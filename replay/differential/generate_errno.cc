// System calls in any order, with arguments that make sense and such that do not: what they return.
#include <string_view>

#include "replay/differential/generate.h"

namespace tapedeck::differential {

namespace {

constexpr int kSlots = 3;

void OpenSocket(CaseBuilder& builder, int slot) {
  const int domain = builder.OneIn(10) ? static_cast<int>(builder.Below(50)) : builder.domain();
  int type = builder.Pick<int>({SOCK_STREAM, SOCK_STREAM, SOCK_DGRAM, SOCK_DGRAM});
  int protocol = 0;
  if (builder.OneIn(6)) protocol = builder.Pick<int>({6, 17, -1, 256, 300});
  if (builder.OneIn(10)) type = static_cast<int>(builder.Below(16));
  // Other families and raw sockets are other kinds' matter.
  const bool ours = domain == builder.domain() && type != SOCK_RAW && type != SOCK_PACKET;
  builder.Call(CallName::kSocket, slot, ours ? domain : builder.domain(),
               ours ? type : int{SOCK_DGRAM}, protocol);
}

Endpoint SomeEndpoint(CaseBuilder& builder) {
  Endpoint endpoint;
  switch (builder.Below(6)) {
    case 0:
      endpoint.address = builder.Any();
      break;
    case 1:
      endpoint.address = builder.OddAddress();
      break;
    case 2:
      endpoint.address = builder.Peer().address;
      break;
    case 3:
      endpoint.address = builder.is_v4() ? IpAddress(kIpv4Loopback) : IpAddress(kIpv6Loopback);
      break;
    default:
      endpoint.address = builder.Us().address;
      break;
  }
  endpoint.port =
      builder.OneIn(6) ? uint16_t{0} : builder.OwnPort(static_cast<int>(builder.Below(2)));
  return endpoint;
}

void SpoilAddress(CaseBuilder& builder, CallStep* call) {
  if (builder.OneIn(8)) call->address_length = builder.Below(130);
  if (builder.OneIn(16)) call->address[0] = static_cast<uint8_t>(builder.Below(12));
}

struct OptionRange {
  int level;
  int first;
  int last;
};
constexpr OptionRange kOptions[] = {{1, 1, 16},  {1, 18, 22}, {1, 27, 38}, {1, 43, 47},
                                    {0, 1, 15},  {0, 18, 26}, {0, 32, 39}, {0, 49, 51},
                                    {6, 1, 10},  {6, 12, 12}, {6, 15, 18}, {6, 22, 25},
                                    {6, 27, 27}, {6, 36, 37}, {17, 1, 2},  {17, 100, 104}};

void PickOption(CaseBuilder& builder, CallStep* call) {
  const OptionRange& range = kOptions[builder.Below(static_cast<uint32_t>(std::size(kOptions)))];
  call->a = range.level;
  call->b = range.first +
            static_cast<int>(builder.Below(static_cast<uint32_t>(range.last - range.first + 1)));
}

void SetSomething(CaseBuilder& builder, int slot) {
  const int32_t value =
      builder.Pick<int32_t>({0, 1, 1, 1, -1, 2, 3, 100, 255, 256, 1000, 65535, 65536, 1 << 20,
                             static_cast<int32_t>(builder.Long())});
  CallStep& call = builder.SetOption(slot, 0, 0, value);
  PickOption(builder, &call);
  constexpr int kSoLingerName = 13;
  // Closing must not wait.
  if (call.a == 1 && call.b == kSoLingerName) call.b = 2;
  call.data.resize(16);
  call.room = builder.Pick<uint32_t>({4, 4, 4, 4, 1, 8, 16, 0, 3});
}

void GetSomething(CaseBuilder& builder, int slot) {
  CallStep& call = builder.Call(CallName::kGetsockopt, slot);
  PickOption(builder, &call);
  call.room = builder.Pick<uint32_t>({4, 4, 4, 1, 8, 0, 16});
}

void SendSomething(CaseBuilder& builder, int slot) {
  const int flags = builder.OneIn(3) ? builder.Pick<int>({MSG_OOB, MSG_DONTROUTE, MSG_EOR, MSG_MORE,
                                                          MSG_CONFIRM, MSG_ERRQUEUE})
                                     : 0;
  if (builder.OneIn(3)) {
    builder.Call(CallName::kSendto, slot, flags).data = builder.Bytes(builder.Below(100));
    return;
  }
  CallStep& call = builder.CallWith(CallName::kSendto, slot, SomeEndpoint(builder), flags);
  SpoilAddress(builder, &call);
  call.data = builder.Bytes(builder.OneIn(8) ? 65'508 + builder.Below(100) : builder.Below(100));
}

void CallSomething(CaseBuilder& builder, int slot) {
  switch (builder.Below(13)) {
    case 0:
    case 1: {
      CallStep& call = builder.CallWith(CallName::kBind, slot, SomeEndpoint(builder));
      return SpoilAddress(builder, &call);
    }
    case 2: {
      CallStep& call = builder.CallWith(CallName::kConnect, slot, SomeEndpoint(builder));
      return SpoilAddress(builder, &call);
    }
    case 3:
      builder.Call(CallName::kListen, slot, builder.Pick<int>({0, 1, -1, 100}));
      return;
    case 4:
      builder.Call(CallName::kAccept, slot, kSlots);
      return;
    case 5:
      return SendSomething(builder, slot);
    case 6:
      builder
          .Call(CallName::kRecvfrom, slot,
                builder.Pick<int>({0, MSG_OOB, MSG_PEEK, MSG_TRUNC, MSG_ERRQUEUE, MSG_WAITALL}))
          .room = builder.Pick<uint32_t>({0, 1, 200});
      return;
    case 7:
      builder.Call(CallName::kShutdown, slot, static_cast<int>(builder.Below(4)));
      return;
    case 8:
      builder.Call(builder.OneIn(3) ? CallName::kClose : CallName::kPoll, slot, 0x7fff);
      return;
    case 9:
      builder.Call(builder.OneIn(2) ? CallName::kGetsockname : CallName::kGetpeername, slot).room =
          builder.Pick<uint32_t>({28, 16, 4, 0});
      return;
    case 10:
      return SetSomething(builder, slot);
    case 11:
      return GetSomething(builder, slot);
    default:
      builder.Call(CallName::kIoctl, slot, builder.Pick<int>({0x541b, 0x5411, 0x894b, 0x8905}));
      return;
  }
}

}  // namespace

void GenerateErrno(CaseBuilder& builder) {
  if (builder.OneIn(2)) builder.Introduce(builder.Peer());
  const uint32_t calls = 2 + builder.Below(10);
  for (int slot = 0; slot < kSlots; ++slot) OpenSocket(builder, slot);
  for (uint32_t i = 0; i < calls; ++i) {
    CallSomething(builder, static_cast<int>(builder.Below(builder.OneIn(8) ? kSlots + 1 : kSlots)));
  }
}

}  // namespace tapedeck::differential
