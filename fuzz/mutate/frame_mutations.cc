// Mutations of frames. Their lengths stay right, and their checksums are repaired when they are
// sent, except where a mutation is there to make one wrong.
#include <algorithm>
#include <array>
#include <utility>

#include "fuzz/mutate/choose.h"
#include "fuzz/mutate/frame_edit.h"
#include "fuzz/mutate/mutation.h"
#include "replay/script/frame_bytes.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/repair_checksums.h"
#include "stack/wire/tcp.h"

namespace tapedeck::fuzz {

namespace {

using Context = MutationContext;

// --- Frames that a few operands describe ---

constexpr int32_t kPayloadLengths[] = {0,    1,    8,    18,   19,   100, 512,
                                       1471, 1472, 1473, 4096, 8972, 9000};

Ipv4Address SomeAddress(Prng& random, uint8_t host) {
  const AddressChoices choices = AddressChoicesOf(host);
  return Ipv4Address(static_cast<uint32_t>(Pick(random, choices)));
}

void ChangeAddress(Prng& random, uint8_t host, Ipv4Address& saddr, Ipv4Address& daddr) {
  (OneIn(random, 2) ? saddr : daddr) = SomeAddress(random, host);
}

void ChangePayload(Prng& random, uint32_t& bytes, uint8_t& first) {
  if (OneIn(random, 3)) {
    first = static_cast<uint8_t>(random.Below(256));
  } else {
    bytes = static_cast<uint32_t>(OtherNumber(random, bytes, kPayloadLengths, 0, 9000));
  }
}

bool ChangeField(Prng&, uint8_t, RawFrame&) { return false; }

bool ChangeField(Prng& random, uint8_t host, UdpTemplate& udp) {
  switch (random.Below(4)) {
    case 0:
      ChangeAddress(random, host, udp.saddr, udp.daddr);
      return true;
    case 1:
      udp.source = OtherUnsigned(random, udp.source, kPortChoices);
      return true;
    case 2:
      udp.dest = OtherUnsigned(random, udp.dest, kPortChoices);
      return true;
    default:
      ChangePayload(random, udp.payload_bytes, udp.first);
      return true;
  }
}

bool ChangeField(Prng& random, uint8_t host, ArpTemplate& arp) {
  if (OneIn(random, 3)) {
    arp.operation = static_cast<uint16_t>(random.Below(4));
  } else {
    ChangeAddress(random, host, arp.sender, arp.target);
  }
  return true;
}

bool ChangeField(Prng& random, uint8_t host, IcmpTemplate& icmp) {
  static constexpr uint8_t kTypes[] = {0, 3, 4, 5, 8, 11, 12, 13, 14, 17, 18, 42, 255};
  switch (random.Below(5)) {
    case 0:
      ChangeAddress(random, host, icmp.saddr, icmp.daddr);
      return true;
    case 1:
      icmp.type = Pick(random, kTypes);
      return true;
    case 2:
      icmp.code = static_cast<uint8_t>(random.Below(16));
      return true;
    case 3:
      (OneIn(random, 2) ? icmp.id : icmp.sequence) = static_cast<uint16_t>(random.Below(65536));
      return true;
    default:
      ChangePayload(random, icmp.payload_bytes, icmp.first);
      return true;
  }
}

bool ChangeField(Prng& random, uint8_t host, Ipv4Template& ipv4) {
  static constexpr uint8_t kProtocols[] = {0, 1, 2, 4, 6, 17, 41, 47, 50, 51, 255};
  if (OneIn(random, 2)) {
    ChangeAddress(random, host, ipv4.saddr, ipv4.daddr);
  } else {
    ipv4.protocol = Pick(random, kProtocols);
  }
  return true;
}

bool ChangeVariation(Prng&, RawFrame&) { return false; }
template <typename Template>
bool ChangeVariation(Prng& random, Template& frame) {
  frame.variation ^= static_cast<uint8_t>(1U << random.Below(5));
  return true;
}

// Changes the operands of a frame that has any. What they make has right checksums, or those that
// they ask for: nothing is repaired.
template <typename Edit>
bool EditPlan(Context& context, Script& script, Edit edit) {
  return EditOne<FrameStep>(context, script, [&](FrameStep& frame, Step& step) {
    std::vector<uint8_t> before = frame.bytes;
    if (frame.repair_checksums) wire::RepairChecksums(before);
    FramePlan plan = PlanFrame(before, step.host);
    if (!std::visit([&](auto& its) { return edit(step.host, its); }, plan)) return false;
    std::vector<uint8_t> bytes = BuildFrame(plan, step.host);
    if (bytes == before || bytes.size() > kFrameBytesMax) return false;
    frame.bytes = std::move(bytes);
    frame.repair_checksums = false;
    return true;
  });
}

bool FrameField(Context& context, Script& script) {
  return EditPlan(context, script, [&](uint8_t host, auto& plan) {
    return ChangeField(context.random, host, plan);
  });
}

bool FrameVariation(Context& context, Script& script) {
  return EditPlan(context, script,
                  [&](uint8_t, auto& plan) { return ChangeVariation(context.random, plan); });
}

// --- Frames as bytes ---

uint8_t SomeByte(Prng& random) {
  static constexpr uint8_t kBytes[] = {0, 1, 0x7f, 0x80, 0xff, 0x40, 0x10, 0xfe};
  return OneIn(random, 2) ? Pick(random, kBytes) : static_cast<uint8_t>(random.Below(256));
}

// Changes a frame that holds an IP packet; its checksums will be right again.
template <typename Edit>
bool EditIp(Context& context, Script& script, Edit edit) {
  return EditOne<FrameStep>(context, script, [&](FrameStep& frame, Step&) {
    const std::optional<IpFrame> ip = FindIp(frame.bytes);
    if (!ip.has_value()) return false;
    std::vector<uint8_t> bytes = frame.bytes;
    if (!edit(bytes, *ip) || bytes == frame.bytes) return false;
    frame.bytes = std::move(bytes);
    frame.repair_checksums = true;
    return true;
  });
}

bool FrameHeader(Context& context, Script& script) {
  return EditIp(context, script, [&](std::vector<uint8_t>& bytes, const IpFrame& ip) {
    const size_t headers = PayloadOf(bytes, ip) - ip.network;
    if (headers == 0) return false;
    uint8_t& byte = bytes[ip.network + BelowSize(context.random, headers)];
    byte = OneIn(context.random, 2) ? static_cast<uint8_t>(byte ^ 1U << context.random.Below(8))
                                    : SomeByte(context.random);
    return true;
  });
}

bool FramePayload(Context& context, Script& script) {
  return EditIp(context, script, [&](std::vector<uint8_t>& bytes, const IpFrame& ip) {
    Prng& random = context.random;
    const size_t payload = PayloadOf(bytes, ip);
    const size_t at = payload + BelowSize(random, ip.end - payload + 1);
    const size_t left = ip.end - at;
    std::vector<uint8_t> word;
    if (!context.dictionary.empty() && OneIn(random, 2)) {
      word = Pick(random, context.dictionary);
    } else {
      word.resize(FewUpTo(random, 8));
      for (uint8_t& byte : word) byte = SomeByte(random);
    }
    // In place of what is there, before it, or it goes.
    const size_t erased = OneIn(random, 3) ? 0 : std::min(left, word.size());
    if (erased != 0 && OneIn(random, 3)) word.clear();
    return ReplaceInIp(bytes, ip, at, erased, word);
  });
}

std::vector<uint8_t> SomeIpOptions(Prng& random) {
  // End, no operation, record route, timestamp, loose and strict source route, router alert,
  // stream id, and what none is.
  static constexpr uint8_t kKinds[] = {0, 1, 7, 68, 131, 137, 148, 136, 130, 255};
  std::vector<uint8_t> options;
  for (size_t count = FewUpTo(random, 4); count != 0; --count) {
    const uint8_t kind = Pick(random, kKinds);
    options.push_back(kind);
    if (kind <= 1) continue;
    const auto bytes = static_cast<uint8_t>(3 + 4 * random.Below(4));
    options.push_back(OneIn(random, 6) ? SomeByte(random) : bytes);
    options.push_back(OneIn(random, 4) ? SomeByte(random) : uint8_t{4});  // its pointer
    for (size_t i = 3; i < bytes; ++i) options.push_back(OneIn(random, 2) ? 0 : SomeByte(random));
  }
  options.resize(std::min(options.size(), wire::kTcpOptionsMax));
  return options;
}

// An extension header of IPv6: options, some of them many times, or a routing or fragment header.
bool AddExtHeader(Prng& random, std::vector<uint8_t>& frame, const IpFrame& ip) {
  static constexpr uint8_t kHeaders[] = {wire::kIpProtoHopByHop, wire::kIpProtoDestOptions,
                                         wire::kIpProtoRouting, wire::kIpProtoFragment};
  // Padding, tunnel limit, router alert, home address, jumbo payload, and what none is.
  static constexpr uint8_t kOptions[] = {0, 1, 4, 5, 0xc9, 0xc2, 0x1e, 0x7e, 0xbe, 0xfe};
  static constexpr uint8_t kLengths[] = {0, 0, 1, 2, 4, 16, 250, 255};
  const uint8_t header = Pick(random, kHeaders);
  std::vector<uint8_t> bytes;
  if (header == wire::kIpProtoRouting || header == wire::kIpProtoFragment) {
    for (size_t left = 6 + 8 * random.Below(3); left != 0; --left) {
      bytes.push_back(OneIn(random, 2) ? 0 : SomeByte(random));
    }
    return InsertExtHeader(frame, ip, header, std::move(bytes));
  }
  for (size_t count = FewUpTo(random, 4); count != 0; --count) {
    std::vector<uint8_t> option = {Pick(random, kOptions)};
    if (option[0] != 0) {
      option.push_back(Pick(random, kLengths));
      option.resize(2 + std::min<size_t>(option[1], 16));
    }
    for (size_t times = OneIn(random, 3) ? 1 + BelowSize(random, 12) : 1; times != 0; --times) {
      bytes.insert(bytes.end(), option.begin(), option.end());
    }
  }
  return InsertExtHeader(frame, ip, header, std::move(bytes));
}

bool FrameIpOptions(Context& context, Script& script) {
  return EditIp(context, script, [&](std::vector<uint8_t>& bytes, const IpFrame& ip) {
    if (!ip.v4) return AddExtHeader(context.random, bytes, ip);
    std::vector<uint8_t> options;
    if (!OneIn(context.random, 6)) options = SomeIpOptions(context.random);
    return SetIpv4Options(bytes, ip, std::move(options));
  });
}

bool FrameTcpOptions(Context& context, Script& script) {
  return EditIp(context, script, [&](std::vector<uint8_t>& bytes, const IpFrame& ip) {
    static constexpr std::array<uint8_t, 6> kOptions[] = {
        {2, 4, 5, 180},      {4, 2}, {3, 3, 7},    {8, 10, 0, 0, 0, 1},
        {5, 10, 0, 0, 0, 1}, {2, 0}, {30, 4, 1, 1}};
    if (ip.protocol != wire::kIpProtoTcp) return false;
    Prng& random = context.random;
    std::vector<uint8_t> options = TcpOptionsOf(bytes, ip);
    if (!options.empty() && OneIn(random, 2)) {
      Pick(random, options) = SomeByte(random);
    } else {
      const std::array<uint8_t, 6>& option = Pick(random, kOptions);
      const auto at = static_cast<std::ptrdiff_t>(BelowSize(random, options.size() + 1));
      options.insert(options.begin() + at, option.begin(),
                     option.begin() + std::clamp<std::ptrdiff_t>(option[1], 2, std::ssize(option)));
      options.resize(std::min(options.size(), wire::kTcpOptionsMax));
    }
    return SetTcpOptions(bytes, ip, std::move(options));
  });
}

// One packet comes as two fragments, in either order, perhaps overlapping.
bool FrameFragments(Context& context, Script& script) {
  const size_t i = PickStep<FrameStep>(context.random, script);
  if (i == script.steps.size() || script.steps.size() >= context.steps_max) return false;
  FrameStep& frame = std::get<FrameStep>(script.steps[i].what);
  const std::optional<IpFrame> ip = FindIp(frame.bytes);
  if (!ip.has_value() || !ip->v4 || ip->end - ip->transport <= 8) return false;
  Prng& random = context.random;
  const size_t units = (ip->end - ip->transport - 1) / 8;
  const size_t first = 1 + BelowSize(random, units);
  const size_t overlap = OneIn(random, 3) ? BelowSize(random, first) : 0;
  // What their upper checksum covers is in neither of them.
  if (frame.repair_checksums) wire::RepairChecksums(frame.bytes);
  auto [one, two] = FragmentIpv4(frame.bytes, *ip, first * 8, overlap * 8);
  if (OneIn(random, 2)) std::swap(one, two);
  frame.bytes = std::move(one);
  frame.repair_checksums = true;
  Step step = script.steps[i];
  step.delay = Duration();
  std::get<FrameStep>(step.what).bytes = std::move(two);
  script.steps.insert(script.steps.begin() + static_cast<std::ptrdiff_t>(i + 1), std::move(step));
  return true;
}

// The frame is cut or has more behind it; its lengths say what they said.
bool FrameLength(Context& context, Script& script) {
  return EditOne<FrameStep>(context, script, [&](FrameStep& frame, Step&) {
    static constexpr int32_t kSizes[] = {0,  13, 14,   15,   33,   34,   42,   59,
                                         60, 61, 1514, 1515, 1518, 9018, 15872};
    const auto size = static_cast<int64_t>(frame.bytes.size());
    const int64_t next = OtherNumber(context.random, size, kSizes, 0, kFrameBytesMax);
    frame.bytes.resize(static_cast<size_t>(next));
    return next != size;
  });
}

bool FrameBytes(Context& context, Script& script) {
  return EditOne<FrameStep>(context, script, [&](FrameStep& frame, Step&) {
    if (frame.bytes.empty()) return false;
    const std::vector<uint8_t> before = frame.bytes;
    if (context.mutate_bytes != nullptr) {
      const size_t room = std::min<size_t>(frame.bytes.size() + 64, kFrameBytesMax);
      const size_t size = frame.bytes.size();
      frame.bytes.resize(room);
      frame.bytes.resize(std::min(room, context.mutate_bytes(frame.bytes.data(), size, room)));
    } else {
      Pick(context.random, frame.bytes) = SomeByte(context.random);
    }
    return frame.bytes != before;
  });
}

bool FrameVlan(Context& context, Script& script) {
  return EditOne<FrameStep>(context, script, [&](FrameStep& frame, Step&) {
    constexpr size_t kAddresses = 12;
    if (frame.bytes.size() < kAddresses || frame.bytes.size() + 4 > kFrameBytesMax) return false;
    const uint8_t tag[] = {0x81, 0x00, SomeByte(context.random), SomeByte(context.random)};
    frame.bytes.insert(frame.bytes.begin() + kAddresses, std::begin(tag), std::end(tag));
    return true;
  });
}

// Whether checksums are made right, or left as they are.
bool FrameRepair(Context& context, Script& script) {
  return EditOne<FrameStep>(context, script, [](FrameStep& frame, Step&) {
    frame.repair_checksums = !frame.repair_checksums;
    return true;
  });
}

bool FrameFcs(Context& context, Script& script) {
  return EditOne<FrameStep>(context, script, [](FrameStep& frame, Step&) {
    frame.bad_fcs = !frame.bad_fcs;
    return true;
  });
}

constexpr Mutation kFrameMutations[] = {
    {"frame-field", 8, FrameField},          {"frame-variation", 3, FrameVariation},
    {"frame-header", 6, FrameHeader},        {"frame-payload", 4, FramePayload},
    {"frame-ip-options", 3, FrameIpOptions}, {"frame-tcp-options", 2, FrameTcpOptions},
    {"frame-fragments", 3, FrameFragments},  {"frame-length", 2, FrameLength},
    {"frame-bytes", 2, FrameBytes},          {"frame-vlan", 1, FrameVlan},
    {"frame-repair", 2, FrameRepair},        {"frame-fcs", 1, FrameFcs},
};

}  // namespace

std::span<const Mutation> FrameMutations() { return kFrameMutations; }

}  // namespace tapedeck::fuzz
