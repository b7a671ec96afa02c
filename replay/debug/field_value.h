// The value of a named field of a host's state, as it is compared, printed and computed with.
#ifndef TAPEDECK_REPLAY_DEBUG_FIELD_VALUE_H_
#define TAPEDECK_REPLAY_DEBUG_FIELD_VALUE_H_

#include <concepts>
#include <cstdint>
#include <string>
#include <utility>

#include "stack/base/byteorder.h"
#include "stack/base/ip_address.h"
#include "stack/base/seqnum.h"
#include "stack/base/time.h"

namespace tapedeck {

struct FieldValue {
  enum class Kind : uint8_t {
    kNone,      // there is no such object, or the field has no value now
    kUnsigned,  // number
    kSigned,    // number, as int64_t
    kBool,
    kTime,  // number: picoseconds
    kText,  // words: "ESTABLISHED", "10.0.0.1"
  };
  Kind kind = Kind::kNone;
  uint64_t number = 0;
  std::string text;

  bool present() const { return kind != Kind::kNone; }
  int64_t as_signed() const { return static_cast<int64_t>(number); }
  std::string ToString() const;  // "-" where there is none
  friend bool operator==(const FieldValue&, const FieldValue&) = default;
};

// --- Values of what structures are made of. ---

inline FieldValue ValueOf(bool value) { return {FieldValue::Kind::kBool, value, ""}; }
template <std::unsigned_integral T>
FieldValue ValueOf(T value) {
  return {FieldValue::Kind::kUnsigned, value, ""};
}
template <std::signed_integral T>
FieldValue ValueOf(T value) {
  return {FieldValue::Kind::kSigned, static_cast<uint64_t>(int64_t{value}), ""};
}
inline FieldValue ValueOf(SeqNum value) { return ValueOf(value.value()); }
inline FieldValue ValueOf(be16 value) { return ValueOf(value.host()); }
inline FieldValue ValueOf(SimTime value) { return {FieldValue::Kind::kTime, value.ps, ""}; }
inline FieldValue ValueOf(Duration value) { return {FieldValue::Kind::kTime, value.ps, ""}; }
inline FieldValue ValueOf(std::string value) {
  return {FieldValue::Kind::kText, 0, std::move(value)};
}
inline FieldValue ValueOf(const char* value) { return ValueOf(std::string(value)); }
inline FieldValue ValueOf(const IpAddress& value) { return ValueOf(value.ToString()); }
inline FieldValue ValueOf(const MacAddress& value) { return ValueOf(value.ToString()); }

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_FIELD_VALUE_H_
