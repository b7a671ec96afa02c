#include "stack/wire/igmp.h"

#include "stack/base/checksum.h"
#include "stack/wire/text.h"

namespace tapedeck::wire {
namespace {

// `count` addresses at the start of `bytes`. REQUIRES: 4 * count <= bytes.size().
std::span<const Ipv4Address> AddressesAt(std::span<const uint8_t> bytes, size_t count) {
  return {reinterpret_cast<const Ipv4Address*>(bytes.data()), count};
}

size_t RecordBytes(const IgmpGroupRecord& record) {
  return sizeof record + size_t{4} * record.source_count.host() +
         size_t{4} * record.auxiliary_words;
}

Parsed<IgmpView> ParseQuery(const IgmpHeader* header, std::span<const uint8_t> rest) {
  IgmpView view{header, Overlay<IgmpV3Query>(rest), {}, {}};
  if (view.v3_query == nullptr) return view;
  const std::span<const uint8_t> tail = rest.subspan(sizeof(IgmpV3Query));
  const size_t count = view.v3_query->source_count.host();
  if (4 * count > tail.size()) return ParseError::kRecordBeyondData;
  view.sources = AddressesAt(tail, count);
  return view;
}

Parsed<IgmpView> ParseReport(const IgmpHeader* header, std::span<const uint8_t> rest) {
  size_t at = 0;
  for (uint16_t i = 0; i < header->record_count(); ++i) {
    const auto* record = Overlay<IgmpGroupRecord>(rest.subspan(at));
    if (record == nullptr) return ParseError::kRecordBeyondData;
    const size_t bytes = RecordBytes(*record);
    if (bytes > rest.size() - at) return ParseError::kRecordBeyondData;
    at += bytes;
  }
  return IgmpView{header, nullptr, {}, rest.first(at)};
}

size_t EmitAddresses(std::span<uint8_t> out, std::span<const Ipv4Address> addresses) {
  size_t at = 0;
  for (const Ipv4Address& address : addresses) at += EmitHeader(out.subspan(at), address);
  return at;
}

std::string AddressList(std::span<const Ipv4Address> addresses) {
  std::string out = "{ ";
  for (const Ipv4Address& address : addresses) out += address.ToString() + " ";
  return out + "}";
}

std::string RecordTypeName(uint8_t type) {
  switch (type) {
    case kIgmpModeIsInclude:
      return "is_in";
    case kIgmpModeIsExclude:
      return "is_ex";
    case kIgmpChangeToInclude:
      return "to_in";
    case kIgmpChangeToExclude:
      return "to_ex";
    case kIgmpAllowNewSources:
      return "allow";
    case kIgmpBlockOldSources:
      return "block";
    default:
      return "type " + std::to_string(type);
  }
}

std::string QueryText(const IgmpView& view) {
  const IgmpHeader& h = *view.header;
  const char* version = view.v3_query != nullptr ? "v3" : h.max_response == 0 ? "v1" : "v2";
  std::string out = std::string("query ") + version;
  if (h.max_response != 0) {
    const uint32_t tenths =
        view.v3_query != nullptr ? IgmpV3Time(h.max_response) : uint32_t{h.max_response};
    out += " [max resp time " + std::to_string(tenths) + "]";
  }
  if (h.group != kIpv4Any) out += " [gaddr " + h.group.ToString() + "]";
  if (!view.sources.empty()) out += " " + AddressList(view.sources);
  return out;
}

std::string ReportText(const IgmpView& view) {
  std::string out =
      "v3 report, " + std::to_string(view.header->record_count()) + " group record(s)";
  IgmpRecordCursor cursor(view);
  while (const auto record = cursor.Next()) {
    out += " [gaddr " + record->record->group.ToString() + " " +
           RecordTypeName(record->record->type) + " " + AddressList(record->sources) + "]";
  }
  return out;
}

}  // namespace

Parsed<IgmpView> ParseIgmp(std::span<const uint8_t> message) {
  const auto* header = Overlay<IgmpHeader>(message);
  if (header == nullptr) return ParseError::kTruncated;
  const std::span<const uint8_t> rest = message.subspan(sizeof(IgmpHeader));
  if (header->type == kIgmpQuery) return ParseQuery(header, rest);
  if (header->type == kIgmpV3Report) return ParseReport(header, rest);
  return IgmpView{header, nullptr, {}, {}};
}

std::optional<IgmpRecordView> IgmpRecordCursor::Next() {
  const auto* record = Overlay<IgmpGroupRecord>(rest_);
  if (record == nullptr) return std::nullopt;
  const auto sources = AddressesAt(rest_.subspan(sizeof *record), record->source_count.host());
  rest_ = rest_.subspan(RecordBytes(*record));
  return IgmpRecordView{record, sources};
}

bool IgmpChecksumOk(std::span<const uint8_t> message) { return ip_compute_csum(message) == 0; }

void FillIgmpChecksum(std::span<uint8_t> message) {
  auto* header = OverlayMutable<IgmpHeader>(message);
  header->csum = 0;
  header->csum = ip_compute_csum(message);
}

size_t EmitIgmp(std::span<uint8_t> out, const IgmpHeader& header) {
  return EmitHeader(out, header);
}

size_t EmitIgmpV3Query(std::span<uint8_t> out, const IgmpHeader& header, IgmpV3Query query,
                       std::span<const Ipv4Address> sources) {
  if (out.size() < sizeof header + sizeof query + sources.size_bytes()) return 0;
  query.source_count = static_cast<uint16_t>(sources.size());
  size_t at = EmitHeader(out, header);
  at += EmitHeader(out.subspan(at), query);
  return at + EmitAddresses(out.subspan(at), sources);
}

size_t EmitIgmpRecord(std::span<uint8_t> out, IgmpGroupRecord record,
                      std::span<const Ipv4Address> sources) {
  if (out.size() < sizeof record + sources.size_bytes()) return 0;
  record.source_count = static_cast<uint16_t>(sources.size());
  const size_t at = EmitHeader(out, record);
  return at + EmitAddresses(out.subspan(at), sources);
}

std::string ToString(const IgmpView& view) {
  const IgmpHeader& h = *view.header;
  switch (h.type) {
    case kIgmpQuery:
      return "igmp " + QueryText(view);
    case kIgmpV1Report:
      return "igmp v1 report " + h.group.ToString();
    case kIgmpV2Report:
      return "igmp v2 report " + h.group.ToString();
    case kIgmpV2Leave:
      return "igmp leave " + h.group.ToString();
    case kIgmpV3Report:
      return "igmp " + ReportText(view);
    default:
      return "igmp type " + Hex(h.type);
  }
}

}  // namespace tapedeck::wire
