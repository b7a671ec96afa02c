#include "replay/differential/extension_headers.h"

#include "stack/base/byteorder.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv6.h"

namespace tapedeck::differential {

namespace {

constexpr uint8_t kOptPadN = 1;
constexpr uint8_t kOptTunnelLimit = 4;
constexpr uint8_t kOptRouterAlert = 5;
constexpr uint8_t kOptJumbo = 0xc2;
constexpr uint8_t kOptHomeAddress = 0xc9;

// Options of other features of a kernel, which it may have or not: CALIPSO, IOAM.
bool IsOptional(uint8_t type) { return type == 0x07 || type == 0x31; }

void AppendOption(CaseBuilder& builder, std::vector<uint8_t>* bytes) {
  switch (builder.Below(9)) {
    case 0:
      bytes->push_back(0);  // Pad1
      return;
    case 1: {
      const auto length = static_cast<uint8_t>(builder.Below(builder.OneIn(4) ? 12 : 6));
      bytes->insert(bytes->end(), {kOptPadN, length});
      bytes->insert(bytes->end(), length, builder.OneIn(12) ? uint8_t{1} : uint8_t{0});
      return;
    }
    case 2:
      bytes->insert(bytes->end(), {kOptRouterAlert, builder.OneIn(12) ? uint8_t{3} : uint8_t{2}, 0,
                                   builder.OneIn(2) ? uint8_t{0} : builder.Byte()});
      return;
    case 3: {
      const size_t at = bytes->size();
      bytes->insert(bytes->end(), {kOptJumbo, builder.OneIn(8) ? uint8_t{3} : uint8_t{4}});
      bytes->resize(at + 6);
      StoreBe32(bytes->data() + at + 2, builder.Pick<uint32_t>({0, 100, 65'535, 65'536, 100'000}));
      return;
    }
    case 4:
      bytes->insert(bytes->end(), {kOptTunnelLimit, 1, builder.Byte()});
      return;
    case 5: {
      bytes->insert(bytes->end(), {kOptHomeAddress, builder.OneIn(6) ? uint8_t{15} : uint8_t{16}});
      const IpAddress home = builder.OneIn(2) ? builder.OddAddress() : builder.Peer(0, 2).address;
      bytes->insert(bytes->end(), home.v6().bytes().begin(), home.v6().bytes().end());
      return;
    }
    default: {
      const uint8_t type = builder.Byte();
      const auto length = static_cast<uint8_t>(builder.Below(6));
      bytes->insert(bytes->end(), {IsOptional(type) ? uint8_t{0x3e} : type,
                                   builder.OneIn(12) ? builder.Byte() : length});
      const std::vector<uint8_t> rest = builder.Bytes(length);
      bytes->insert(bytes->end(), rest.begin(), rest.end());
      return;
    }
  }
}

// Fills up to a multiple of 8 bytes, and says so in the header's length.
void Close(CaseBuilder& builder, std::vector<uint8_t>* bytes) {
  const size_t missing = (8 - bytes->size() % 8) % 8;
  if (missing == 1) bytes->push_back(0);
  if (missing > 1) {
    bytes->insert(bytes->end(), {kOptPadN, static_cast<uint8_t>(missing - 2)});
    bytes->insert(bytes->end(), missing - 2, 0);
  }
  (*bytes)[1] = static_cast<uint8_t>(bytes->size() / 8 - 1);
  if (builder.OneIn(16)) (*bytes)[1] = builder.Byte();
}

std::vector<uint8_t> Options(CaseBuilder& builder) {
  std::vector<uint8_t> bytes = {0, 0};
  const uint32_t count = builder.Below(builder.OneIn(6) ? 14 : 4);
  for (uint32_t i = 0; i < count; ++i) AppendOption(builder, &bytes);
  Close(builder, &bytes);
  return bytes;
}

std::vector<uint8_t> Routing(CaseBuilder& builder) {
  const uint8_t type = builder.Pick<uint8_t>({0, 1, 2, 2, 4, 253, builder.Byte()});
  const uint32_t addresses = builder.Below(4);
  std::vector<uint8_t> bytes = {0,    static_cast<uint8_t>(2 * addresses),
                                type, builder.Pick<uint8_t>({0, 0, 1, 1, 2, builder.Byte()}),
                                0,    0,
                                0,    0};
  for (uint32_t i = 0; i < addresses; ++i) {
    const IpAddress address = builder.OneIn(2) ? builder.OddAddress() : builder.Us(0).address;
    bytes.insert(bytes.end(), address.v6().bytes().begin(), address.v6().bytes().end());
  }
  if (builder.OneIn(16)) bytes[1] = builder.Byte();
  return bytes;
}

std::vector<uint8_t> Fragment(CaseBuilder& builder) {
  std::vector<uint8_t> bytes(8);
  // Mostly the only one of its datagram (RFC 6946).
  if (builder.OneIn(4)) bytes[1] = builder.Byte();
  if (builder.OneIn(4)) bytes[3] = builder.Pick<uint8_t>({1, 8, 9, 6});
  StoreBe32(bytes.data() + 4, builder.Long());
  return bytes;
}

ExtensionSpec Extension(CaseBuilder& builder, uint8_t type) {
  switch (type) {
    case wire::kIpProtoRouting:
      return {type, Routing(builder)};
    case wire::kIpProtoFragment:
      return {type, Fragment(builder)};
    default:
      return {type, Options(builder)};
  }
}

}  // namespace

void AppendExtensions(CaseBuilder& builder, IpSpec* spec) {
  constexpr uint8_t kInOrder[] = {wire::kIpProtoHopByHop, wire::kIpProtoDestOptions,
                                  wire::kIpProtoRouting, wire::kIpProtoFragment,
                                  wire::kIpProtoDestOptions};
  if (builder.OneIn(4)) {
    const uint32_t count = 1 + builder.Below(builder.OneIn(8) ? 13 : 4);
    for (uint32_t i = 0; i < count; ++i) {
      spec->extensions.push_back(Extension(builder, kInOrder[builder.Below(5)]));
    }
    return;
  }
  for (const uint8_t type : kInOrder) {
    if (builder.OneIn(3)) spec->extensions.push_back(Extension(builder, type));
  }
}

}  // namespace tapedeck::differential
