#include "replay/differential/nd_options.h"

#include "stack/wire/ndisc.h"

namespace tapedeck::differential {

void AppendLinkAddress(uint8_t type, const MacAddress& mac, std::vector<uint8_t>* options) {
  options->push_back(type);
  options->push_back(1);
  options->insert(options->end(), mac.bytes().begin(), mac.bytes().end());
}

void AppendOddNdOption(CaseBuilder& builder, std::vector<uint8_t>* options) {
  const uint8_t type =
      builder.OneIn(3) ? builder.Byte()
                       : builder.Pick<uint8_t>({wire::kNdOptSourceLinkAddress,
                                                wire::kNdOptTargetLinkAddress, wire::kNdOptNonce,
                                                wire::kNdOptMtu, wire::kNdOptRedirectedHeader});
  const uint8_t length = builder.Pick<uint8_t>({0, 1, 1, 1, 2, 3, 255});
  options->push_back(type);
  options->push_back(length);
  const size_t bytes =
      builder.OneIn(6) ? builder.Below(12) : std::max<size_t>(length % 32, 1) * 8 - 2;
  const std::vector<uint8_t> rest = builder.Bytes(bytes);
  options->insert(options->end(), rest.begin(), rest.end());
}

void SendNd(CaseBuilder& builder, const Station& from, const IpSpec& spec,
            wire::Icmpv6Header header, std::span<const uint8_t> body) {
  const bool wrong_sum = builder.OneIn(24);
  header.checksum = wrong_sum ? builder.Word() : uint16_t{0};
  const MacAddress to =
      builder.OneIn(12) ? builder.Pick({kMacBroadcast, from.mac}) : builder.MacOf(from, spec.dst);
  wire::FrameBuilder frame = builder.Ethernet(from, to);
  CaseBuilder::Ip(frame, spec)
      .Icmpv6(header, wrong_sum ? wire::kKeepChecksum : wire::kKeepNothing)
      .Payload(body);
  if (builder.OneIn(12)) frame.PadTo(100);
  std::span<const uint8_t> bytes = frame.Build();
  if (builder.OneIn(24)) bytes = bytes.first(builder.Below(static_cast<uint32_t>(bytes.size())));
  builder.Frame(from.port, bytes);
}

}  // namespace tapedeck::differential
