#include "replay/differential/case.h"

#include <cstring>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "stack/core/sockaddr.h"
#include "stack/wire/describe.h"

namespace tapedeck::differential {

namespace {

std::string CallArguments(const CallStep& call) {
  const std::string to = call.address.empty() ? ""
                                              : absl::StrCat(", ", AddressText(call.address), ", ",
                                                             call.address_length);
  switch (call.name) {
    case CallName::kSocket:
      return absl::StrCat(call.a, ", ", call.b, ", ", call.c, ") = slot ", call.slot);
    case CallName::kBind:
    case CallName::kConnect:
      return absl::StrCat(call.slot, to, ")");
    case CallName::kSendto:
      return absl::StrCat(call.slot, ", ", call.data.size(), " B, flags ", call.a, to, ")");
    case CallName::kAccept:
      return absl::StrCat(call.slot, ") = slot ", call.a);
    case CallName::kSetsockopt:
      return absl::StrCat(call.slot, ", ", call.a, ", ", call.b, ", ", HexText(call.data), ", ",
                          call.room, ")");
    case CallName::kGetsockopt:
      return absl::StrCat(call.slot, ", ", call.a, ", ", call.b, ", [", call.room, "])");
    case CallName::kListen:
    case CallName::kShutdown:
    case CallName::kPoll:
    case CallName::kIoctl:
      return absl::StrCat(call.slot, ", ", call.a, ")");
    case CallName::kRecvfrom:
    case CallName::kRecvError:
      return absl::StrCat(call.slot, ", [", call.room, "], flags ", call.a, ")");
    case CallName::kClose:
    case CallName::kGetsockname:
    case CallName::kGetpeername:
      return absl::StrCat(call.slot, ")");
  }
  return "";
}

struct Printer {
  std::string operator()(const FrameStep& frame) const {
    std::string text = absl::StrCat("tap", frame.port, " < ", wire::DescribeFrame(frame.bytes));
    for (const LivePatch& patch : frame.patches) {
      absl::StrAppend(&text, patch.what == LivePatch::What::kIsn ? " +isn" : " +tsval", "@",
                      patch.offset);
    }
    return text;
  }
  std::string operator()(const CallStep& call) const {
    return absl::StrCat(NameOf(call.name), "(", CallArguments(call));
  }
  std::string operator()(const WaitStep& wait) const {
    return absl::StrCat("wait ", wait.milliseconds, " ms");
  }
};

}  // namespace

const char* NameOf(CallName name) {
  static constexpr const char* kNames[kCallNames] = {
      "socket",     "bind",       "connect",  "listen", "accept",      "sendto",
      "recvfrom",   "recverr",    "shutdown", "close",  "getsockname", "getpeername",
      "setsockopt", "getsockopt", "poll",     "ioctl",
  };
  return kNames[static_cast<int>(name)];
}

std::string HexText(const std::vector<uint8_t>& bytes) {
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
}

std::string AddressText(const std::vector<uint8_t>& address) {
  SockAddr sockaddr;
  sockaddr.Set(address.data(), static_cast<uint32_t>(address.size()));
  const std::optional<Endpoint> endpoint = sockaddr.ToEndpoint();
  return endpoint.has_value() ? endpoint->ToString() : absl::StrCat("{", HexText(address), "}");
}

std::string ErrorText(int64_t result) {
  if (result >= 0) return absl::StrCat(result);
  const char* const name = strerrorname_np(static_cast<int>(-result));
  return name != nullptr ? absl::StrCat("-1 ", name) : absl::StrCat(result);
}

std::string TextOf(const Step& step) { return std::visit(Printer{}, step); }

}  // namespace tapedeck::differential
