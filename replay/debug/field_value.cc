#include "replay/debug/field_value.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace tapedeck {

std::string FieldValue::ToString() const {
  switch (kind) {
    case Kind::kNone:
      return "-";
    case Kind::kUnsigned:
      return absl::StrCat(number);
    case Kind::kSigned:
      return absl::StrCat(as_signed());
    case Kind::kBool:
      return number != 0 ? "true" : "false";
    case Kind::kTime:
      return number == UINT64_MAX ? "never"
                                  : absl::StrFormat("%d.%09ds", number / 1'000'000'000'000,
                                                    number / 1'000 % 1'000'000'000);
    case Kind::kText:
      return text;
  }
  return "";
}

}  // namespace tapedeck
