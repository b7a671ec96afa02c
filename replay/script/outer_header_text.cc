#include "replay/script/outer_header_text.h"

#include <optional>
#include <string_view>

#include "absl/strings/str_cat.h"

namespace tapedeck {
namespace {

// --- IP ---

struct EcnName {
  std::string_view name;
  uint8_t codepoint;  // RFC 3168 5
};
constexpr EcnName kEcnNames[] = {{"noecn", 0}, {"ect1", 1}, {"ect0", 2}, {"ce", 3}};

bool ParseEcn(TextParser& parser, IpFields& fields) {
  for (const EcnName& known : kEcnNames) {
    if (!parser.TakeIf(known.name)) continue;
    fields.tos_check = IpFields::TosCheck::kEcn;
    fields.tos = known.codepoint;
    return true;
  }
  return false;
}

void ParseField(TextParser& parser, bool inbound, IpFields& fields) {
  const Token next = parser.Peek();
  if (ParseEcn(parser, fields)) return;
  if (parser.TakeIf("ect01")) {
    if (inbound) parser.FailAt(next, "the ECN bits of a packet that is sent to the stack");
    fields.tos_check = IpFields::TosCheck::kEct01;
  } else if (parser.TakeIf("tos")) {
    fields.tos_check = IpFields::TosCheck::kTos;
    fields.tos = static_cast<uint8_t>(parser.Integer(0, UINT8_MAX, "a TOS"));
  } else if (parser.TakeIf("ttl")) {
    fields.ttl = static_cast<uint8_t>(parser.Integer(0, UINT8_MAX, "a TTL"));
  } else if (parser.TakeIf("flowlabel")) {
    fields.flow_label = static_cast<uint32_t>(parser.Integer(0, 0xfffff, "a flow label"));
  } else {
    parser.FailAt(next, "noecn, ect0, ect1, ect01, ce, tos, ttl or flowlabel");
  }
}

std::string EcnText(uint8_t codepoint) {
  for (const EcnName& known : kEcnNames) {
    if (known.codepoint == (codepoint & 3)) return std::string(known.name);
  }
  return {};
}

// One address of an outer header, and of the second one the colon behind it.
IpAddress ParseAddress(TextParser& parser, AddressFamily family, bool has_colon) {
  const Token token = parser.TakeRaw();
  std::string_view text = token.text;
  const bool ends_well = !has_colon || (!text.empty() && text.back() == ':');
  if (has_colon && ends_well) text.remove_suffix(1);
  const std::optional<IpAddress> address = IpAddress::Parse(text);
  if (!ends_well || !address.has_value() || address->family() != family) {
    parser.FailAt(token, absl::StrCat(family == AddressFamily::kIpv4 ? "an IPv4" : "an IPv6",
                                      " address", has_colon ? " and ':'" : ""));
  }
  return address.value_or(IpAddress());
}

OuterIp ParseOuterIp(TextParser& parser, bool inbound, AddressFamily family) {
  OuterIp ip;
  ip.fields = ParseIpFields(parser, inbound);
  ip.source = ParseAddress(parser, family, /*has_colon=*/false);
  parser.Expect(">");
  ip.dest = ParseAddress(parser, family, /*has_colon=*/true);
  return ip;
}

// --- GRE ---

constexpr uint16_t kGreChecksum = 0x8000;
constexpr uint16_t kGreKey = 0x2000;
constexpr uint16_t kGreSequence = 0x1000;

// "[checksum present, key present]", "[none]" or a number.
uint16_t ParseGreFlags(TextParser& parser) {
  if (!parser.TakeIf("[")) {
    return static_cast<uint16_t>(parser.Integer(0, UINT16_MAX, "GRE flags"));
  }
  uint16_t flags = 0;
  do {
    const Token name = parser.Take();
    if (name.Is("none")) continue;
    if (name.Is("checksum")) {
      flags |= kGreChecksum;
    } else if (name.Is("key")) {
      flags |= kGreKey;
    } else if (name.Is("sequence")) {
      flags |= kGreSequence;
    } else {
      parser.FailAt(name, "none, checksum, key or sequence");
    }
    parser.Expect("present");
  } while (parser.ok() && parser.TakeIf(","));
  parser.Expect("]");
  return flags;
}

// "flags 0x2000, sum 0, off 0, key 5, seq 0", of which any part and any comma may be missing.
OuterGre ParseGre(TextParser& parser) {
  OuterGre gre;
  while (parser.ok() && !parser.TakeIf(":")) {
    if (parser.TakeIf("flags")) {
      gre.flags = ParseGreFlags(parser);
    } else if (parser.TakeIf("sum")) {
      gre.checksum = static_cast<uint16_t>(parser.Integer(0, UINT16_MAX, "a checksum"));
    } else if (parser.TakeIf("off")) {
      gre.offset = static_cast<uint16_t>(parser.Integer(0, UINT16_MAX, "an offset"));
    } else if (parser.TakeIf("key")) {
      parser.TakeIf("=");
      gre.key = static_cast<uint32_t>(parser.Integer(0, UINT32_MAX, "a key"));
    } else if (parser.TakeIf("seq")) {
      gre.sequence = static_cast<uint32_t>(parser.Integer(0, UINT32_MAX, "a sequence number"));
    } else if (!parser.TakeIf(",")) {
      parser.FailAt(parser.Peek(), "flags, sum, off, key, seq or ':'");
    }
  }
  return gre;
}

// --- MPLS ---

MplsEntry ParseMplsEntry(TextParser& parser) {
  MplsEntry entry;
  parser.Expect("label");
  entry.label = static_cast<uint32_t>(parser.Integer(0, 0xfffff, "a label"));
  parser.Expect(",");
  parser.Expect("tc");
  entry.traffic_class = static_cast<uint8_t>(parser.Integer(0, 7, "a traffic class"));
  parser.Expect(",");
  entry.bottom = parser.TakeIf("[");
  if (entry.bottom) {
    parser.Expect("S");
    parser.Expect("]");
    parser.Expect(",");
  }
  parser.Expect("ttl");
  entry.ttl = static_cast<uint8_t>(parser.Integer(0, UINT8_MAX, "a TTL"));
  parser.Expect(")");
  return entry;
}

OuterMpls ParseMpls(TextParser& parser) {
  OuterMpls mpls;
  while (parser.ok() && parser.TakeIf("(")) mpls.entries.push_back(ParseMplsEntry(parser));
  if (!parser.TakeIf(":")) parser.FailAt(parser.Peek(), "'(' or ':'");
  return mpls;
}

// --- Printing ---

void Print(std::string& out, const OuterIp& ip) {
  out += ip.source.is_v4() ? "ipv4 " : "ipv6 ";
  PrintIpFields(out, ip.fields);
  absl::StrAppend(&out, ip.source.ToString(), " > ", ip.dest.ToString(), ": ");
}

void Print(std::string& out, const OuterGre& gre) {
  if (gre == OuterGre()) {
    out += "gre: ";
    return;
  }
  absl::StrAppend(&out, "gre flags 0x", absl::Hex(gre.flags), " sum 0x", absl::Hex(gre.checksum),
                  " off 0x", absl::Hex(gre.offset));
  absl::StrAppend(&out, " key 0x", absl::Hex(gre.key), " seq 0x", absl::Hex(gre.sequence), ": ");
}

void Print(std::string& out, const OuterMpls& mpls) {
  out += "mpls";
  for (const MplsEntry& entry : mpls.entries) {
    absl::StrAppend(&out, " (label ", entry.label, ", tc ", static_cast<int>(entry.traffic_class),
                    entry.bottom ? ", [S]" : "", ", ttl ", static_cast<int>(entry.ttl), ")");
  }
  out += ": ";
}

}  // namespace

IpFields ParseIpFields(TextParser& parser, bool inbound) {
  IpFields fields;
  const bool is_square = parser.TakeIf("[");
  if (!is_square && !parser.TakeIf("(")) return fields;
  do {
    ParseField(parser, inbound, fields);
  } while (parser.ok() && parser.TakeIf(","));
  parser.Expect(is_square ? "]" : ")");
  return fields;
}

void PrintIpFields(std::string& out, const IpFields& fields) {
  std::string inner;
  const auto add = [&inner](std::string_view text) {
    if (!inner.empty()) inner += ", ";
    inner += text;
  };
  switch (fields.tos_check) {
    case IpFields::TosCheck::kNone:
      break;
    case IpFields::TosCheck::kEcn:
      add(EcnText(fields.tos));
      break;
    case IpFields::TosCheck::kEct01:
      add("ect01");
      break;
    case IpFields::TosCheck::kTos:
      add(absl::StrCat("tos 0x", absl::Hex(fields.tos)));
      break;
  }
  if (fields.ttl.has_value()) add(absl::StrCat("ttl ", static_cast<int>(*fields.ttl)));
  if (fields.flow_label.has_value()) {
    add(absl::StrCat("flowlabel 0x", absl::Hex(*fields.flow_label)));
  }
  if (!inner.empty()) absl::StrAppend(&out, "[", inner, "] ");
}

std::vector<OuterHeader> ParseOuterHeaders(TextParser& parser, bool inbound) {
  std::vector<OuterHeader> headers;
  while (parser.ok()) {
    if (parser.TakeIf("ipv4")) {
      headers.emplace_back(ParseOuterIp(parser, inbound, AddressFamily::kIpv4));
    } else if (parser.TakeIf("ipv6")) {
      headers.emplace_back(ParseOuterIp(parser, inbound, AddressFamily::kIpv6));
    } else if (parser.TakeIf("gre") || parser.TakeIf("GREv0")) {
      headers.emplace_back(ParseGre(parser));
    } else if (parser.TakeIf("mpls")) {
      headers.emplace_back(ParseMpls(parser));
    } else {
      break;
    }
  }
  return headers;
}

void PrintOuterHeaders(std::string& out, const std::vector<OuterHeader>& headers) {
  for (const OuterHeader& header : headers) {
    std::visit([&out](const auto& which) { Print(out, which); }, header);
  }
}

}  // namespace tapedeck
