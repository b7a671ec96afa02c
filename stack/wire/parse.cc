#include "stack/wire/parse.h"

namespace tapedeck::wire {

std::string_view ToString(ParseError error) {
  switch (error) {
    case ParseError::kNone:
      return "none";
    case ParseError::kTruncated:
      return "truncated";
    case ParseError::kVersion:
      return "bad version";
    case ParseError::kHeaderLength:
      return "header length below minimum";
    case ParseError::kHeaderBeyondData:
      return "header length beyond data";
    case ParseError::kLength:
      return "total length below header length";
    case ParseError::kLengthBeyondData:
      return "total length beyond data";
    case ParseError::kHardwareType:
      return "hardware type not Ethernet";
    case ParseError::kProtocolType:
      return "protocol type not IPv4";
    case ParseError::kAddressLength:
      return "address lengths not 6 and 4";
    case ParseError::kExtensionHeader:
      return "extension header beyond data";
    case ParseError::kRecordBeyondData:
      return "record beyond data";
  }
  return "unknown";
}

}  // namespace tapedeck::wire
