// IGMP versions 1, 2 and 3 (RFC 1112 appendix I, RFC 2236, RFC 3376).
#ifndef TAPEDECK_STACK_WIRE_IGMP_H_
#define TAPEDECK_STACK_WIRE_IGMP_H_

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/wire/parse.h"

namespace tapedeck::wire {

inline constexpr uint8_t kIgmpQuery = 0x11;
inline constexpr uint8_t kIgmpV1Report = 0x12;
inline constexpr uint8_t kIgmpV2Report = 0x16;
inline constexpr uint8_t kIgmpV2Leave = 0x17;
inline constexpr uint8_t kIgmpV3Report = 0x22;

// Group record types of a version 3 report (RFC 3376 4.2.12).
inline constexpr uint8_t kIgmpModeIsInclude = 1;
inline constexpr uint8_t kIgmpModeIsExclude = 2;
inline constexpr uint8_t kIgmpChangeToInclude = 3;
inline constexpr uint8_t kIgmpChangeToExclude = 4;
inline constexpr uint8_t kIgmpAllowNewSources = 5;
inline constexpr uint8_t kIgmpBlockOldSources = 6;

// The first eight bytes of every message; all of it in versions 1 and 2.
struct IgmpHeader {
  uint8_t type = 0;
  uint8_t max_response =
      0;  // query: tenths of a second, or the code of IgmpV3Time(); zero in version 1
  be16 csum{};
  Ipv4Address
      group{};  // version 3 report: reserved, and the number of records in the last two bytes

  constexpr uint16_t record_count() const { return static_cast<uint16_t>(group.host() & 0xffff); }
};
static_assert(sizeof(IgmpHeader) == 8 && alignof(IgmpHeader) == 1);

// What a version 3 query adds, followed by the sources.
struct IgmpV3Query {
  uint8_t flags = 0;  // suppress router-side processing (bit 3), robustness (bits 0-2)
  uint8_t qqic = 0;   // query interval: seconds, in the code of IgmpV3Time()
  be16 source_count{};

  constexpr bool suppress() const { return (flags & 0x08) != 0; }
  constexpr uint8_t robustness() const { return flags & 0x07; }
};
static_assert(sizeof(IgmpV3Query) == 4 && alignof(IgmpV3Query) == 1);

// The head of a group record in a version 3 report, followed by sources and auxiliary words.
struct IgmpGroupRecord {
  uint8_t type = 0;
  uint8_t auxiliary_words = 0;
  be16 source_count{};
  Ipv4Address group{};
};
static_assert(sizeof(IgmpGroupRecord) == 8 && alignof(IgmpGroupRecord) == 1);

struct IgmpRecordView {
  const IgmpGroupRecord* record = nullptr;
  std::span<const Ipv4Address> sources{};
};

struct IgmpView {
  const IgmpHeader* header = nullptr;
  const IgmpV3Query* v3_query = nullptr;   // of a query of 12 bytes or more
  std::span<const Ipv4Address> sources{};  // of a version 3 query
  std::span<const uint8_t>
      records;  // of a version 3 report: whole records, walk with IgmpRecordCursor
};

// Errors: kTruncated, kRecordBeyondData. Any type is accepted.
Parsed<IgmpView> ParseIgmp(std::span<const uint8_t> message);

// Walks the records of a report that ParseIgmp has accepted.
class IgmpRecordCursor {
 public:
  explicit IgmpRecordCursor(const IgmpView& report) : rest_(report.records) {}
  std::optional<IgmpRecordView> Next();

 private:
  std::span<const uint8_t> rest_;
};

// The time that a max_response or qqic byte stands for, in its unit: values from 128 are floating
// point (RFC 3376 4.1.1).
constexpr uint32_t IgmpV3Time(uint8_t code) {
  if (code < 128) return code;
  return uint32_t{(code & 0xfU) | 0x10U} << ((code >> 4 & 7) + 3);
}

// Over the whole message. FillIgmpChecksum REQUIRES: message.size() >= 8.
bool IgmpChecksumOk(std::span<const uint8_t> message);
void FillIgmpChecksum(std::span<uint8_t> message);

// Writes header and, where given, what a version 3 query adds. Returns the bytes written, 0 where
// there is no room.
size_t EmitIgmp(std::span<uint8_t> out, const IgmpHeader& header);
size_t EmitIgmpV3Query(std::span<uint8_t> out, const IgmpHeader& header, IgmpV3Query query,
                       std::span<const Ipv4Address> sources);
// One record; source_count is set from `sources`.
size_t EmitIgmpRecord(std::span<uint8_t> out, IgmpGroupRecord record,
                      std::span<const Ipv4Address> sources);

// "igmp query v2 [max resp time 100] gaddr 224.0.0.251", "igmp v3 report, 1 group record(s) [gaddr
// 224.0.0.251 to_ex { }]"
std::string ToString(const IgmpView& view);

}  // namespace tapedeck::wire

#endif  // TAPEDECK_STACK_WIRE_IGMP_H_
