// Stepping over extension headers without acting on them (net/ipv6/exthdrs_core.c).
#include "stack/core/skb_data.h"
#include "stack/ipv6/ip6_internal.h"
#include "stack/ipv6/ipv6.h"

namespace tapedeck {

namespace {

// The length of an extension header that begins with `bytes`; the authentication header counts
// words of four, two of them not.
uint32_t ExtensionBytes(uint8_t type, const uint8_t bytes[2]) {
  switch (type) {
    case wire::kIpProtoFragment:
      return sizeof(wire::Ipv6FragmentHeader);
    case wire::kIpProtoAh:
      return (uint32_t{bytes[1]} + 2) << 2;
    default:
      return ipv6_optlen(bytes);
  }
}

// skb_header_pointer for offsets before data too, which headers that were pulled have.
const uint8_t* BytesAt(const sk_buff* skb, int offset, uint32_t len, uint8_t* buffer) {
  if (offset < 0 && static_cast<uint32_t>(-offset) >= len) return skb->data + offset;
  if (offset < 0) return nullptr;
  return static_cast<const uint8_t*>(
      skb_header_pointer(skb, static_cast<uint32_t>(offset), len, buffer));
}

}  // namespace

// Errors quote packets that were cut short, and ask about packets nobody has checked: headers may
// reach past the end. A later fragment has no headers behind its fragment header, a first one has.
int ipv6_skip_exthdr(const sk_buff* skb, int start, uint8_t* nexthdrp, uint16_t* frag_off) {
  constexpr uint16_t kOffsetMask = 0xfff8;
  uint8_t nexthdr = *nexthdrp;
  *frag_off = 0;
  for (int headers = 0; ipv6_ext_hdr(nexthdr); ++headers) {
    if (nexthdr == wire::kIpProtoNoNext || headers >= IP6_MAX_EXT_HDRS_CNT) return -1;
    uint8_t copy[4];
    const bool is_fragment = nexthdr == wire::kIpProtoFragment;
    const uint8_t* const bytes = BytesAt(skb, start, is_fragment ? 4 : 2, copy);
    if (bytes == nullptr) return -1;
    if (is_fragment) {
      *frag_off = LoadBe16(bytes + 2);
      if ((*frag_off & kOffsetMask) != 0) break;
    }
    start += static_cast<int>(ExtensionBytes(nexthdr, bytes));
    nexthdr = bytes[0];
  }
  *nexthdrp = nexthdr;
  return start;
}

}  // namespace tapedeck
