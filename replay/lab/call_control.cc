#include "replay/lab/call_control.h"

#include <cstddef>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/lab/call_arguments.h"
#include "stack/core/sockaddr.h"

namespace tapedeck {

namespace {

constexpr int32_t kSolIp = 0;
constexpr int32_t kSolSocket = 1;
constexpr int32_t kScmTimestamping = 37;
constexpr size_t kAlignBytes = 8;  // CMSG_ALIGN

// struct cmsghdr.
struct CmsgHeader {
  uint64_t cmsg_len;
  int32_t cmsg_level;
  int32_t cmsg_type;
};
static_assert(sizeof(CmsgHeader) == 16);

// struct sock_extended_err (linux/errqueue.h).
struct ExtendedError {
  uint32_t ee_errno = 0;
  uint8_t ee_origin = 0;
  uint8_t ee_type = 0;
  uint8_t ee_code = 0;
  uint8_t ee_pad = 0;
  uint32_t ee_info = 0;
  uint32_t ee_data = 0;
};
static_assert(sizeof(ExtendedError) == 16);

// struct timespec.
struct TimeSpec {
  int64_t sec = 0;
  int64_t nsec = 0;
};
constexpr size_t kTimestamps = 3;  // struct scm_timestamping: software, (unused), hardware

struct Message {
  int32_t level = 0;
  int32_t type = 0;
  std::vector<uint8_t> data;
};

template <typename T>
void Append(std::vector<uint8_t>& bytes, const T& value) {
  const auto* const first = reinterpret_cast<const uint8_t*>(&value);
  bytes.insert(bytes.end(), first, first + sizeof(value));
}

int64_t IntegerField(const Expression& structure, const char* name) {
  const Expression* const value = structure.FindValue(name);
  return value != nullptr && value->is_integer() ? value->value : 0;
}

// An IP_RECVERR's data: the error, and room for the address of who reported it.
void AppendExtendedError(const Expression& structure, int32_t level, std::vector<uint8_t>& data) {
  ExtendedError error;
  error.ee_errno = static_cast<uint32_t>(IntegerField(structure, "ee_errno"));
  error.ee_origin = static_cast<uint8_t>(IntegerField(structure, "ee_origin"));
  error.ee_type = static_cast<uint8_t>(IntegerField(structure, "ee_type"));
  error.ee_code = static_cast<uint8_t>(IntegerField(structure, "ee_code"));
  error.ee_info = static_cast<uint32_t>(IntegerField(structure, "ee_info"));
  error.ee_data = static_cast<uint32_t>(IntegerField(structure, "ee_data"));
  Append(data, error);
  const size_t address_bytes = level == kSolIp ? sizeof(sockaddr_in) : sizeof(sockaddr_in6);
  data.resize(data.size() + address_bytes);
}

absl::StatusOr<Message> ToMessage(const Expression& cmsg) {
  const Expression* const data = cmsg.is_struct() ? cmsg.FindValue("cmsg_data") : nullptr;
  if (data == nullptr) {
    return absl::InvalidArgumentError(
        "a control message wants cmsg_level, cmsg_type and cmsg_data");
  }
  Message message;
  message.level = static_cast<int32_t>(IntegerField(cmsg, "cmsg_level"));
  message.type = static_cast<int32_t>(IntegerField(cmsg, "cmsg_type"));
  if (data->is_integer()) {
    Append(message.data, static_cast<int32_t>(data->value));
  } else if (data->is_struct() && data->FindValue("scm_nsec") != nullptr) {
    Append(message.data, TimeSpec{IntegerField(*data, "scm_sec"), IntegerField(*data, "scm_nsec")});
    message.data.resize(kTimestamps * sizeof(TimeSpec));
  } else if (data->is_struct() && data->FindValue("ee_errno") != nullptr) {
    AppendExtendedError(*data, message.level, message.data);
  } else if (std::optional<std::vector<uint8_t>> bytes = ToOptionBytes(*data); bytes.has_value()) {
    message.data = *std::move(bytes);
  } else {
    return absl::InvalidArgumentError(
        "cmsg_data: expected a number, {scm_sec, scm_nsec}, {ee_errno, ...} or an option's value");
  }
  return message;
}

// The message at the front of `control`, which is taken off; false where there is none.
bool TakeMessage(std::span<const uint8_t>& control, Message* message) {
  CmsgHeader header;
  if (control.size() < sizeof(header)) return false;
  std::memcpy(&header, control.data(), sizeof(header));
  if (header.cmsg_len < sizeof(header) || header.cmsg_len > control.size()) return false;
  const auto len = static_cast<size_t>(header.cmsg_len);
  message->level = header.cmsg_level;
  message->type = header.cmsg_type;
  message->data.assign(control.begin() + sizeof(header),
                       control.begin() + static_cast<ptrdiff_t>(len));
  const size_t aligned = (len + kAlignBytes - 1) / kAlignBytes * kAlignBytes;
  control = control.subspan(std::min(aligned, control.size()));
  return true;
}

std::string CompareTimestamps(const Message& expected, const Message& found,
                              const ScriptClock& clock) {
  for (size_t i = 0; i < kTimestamps; ++i) {
    TimeSpec wanted;
    TimeSpec seen;
    std::memcpy(&wanted, expected.data.data() + i * sizeof(wanted), sizeof(wanted));
    std::memcpy(&seen, found.data.data() + i * sizeof(seen), sizeof(seen));
    if (wanted.sec == 0 && wanted.nsec == 0) continue;
    constexpr int64_t kNsPerSecond = 1'000'000'000;
    const int64_t wanted_ns = wanted.sec * kNsPerSecond + wanted.nsec;
    const int64_t seen_ns =
        seen.sec * kNsPerSecond + seen.nsec - static_cast<int64_t>(clock.start.ns());
    const int64_t off_ns = wanted_ns < seen_ns ? seen_ns - wanted_ns : wanted_ns - seen_ns;
    // Scripts think in microseconds.
    if (off_ns / 1000 <= static_cast<int64_t>(clock.tolerance.us())) continue;
    return absl::StrFormat("timestamp %d: expected %.6f s, found %.6f s", i,
                           static_cast<double>(wanted_ns) * 1e-9,
                           static_cast<double>(seen_ns) * 1e-9);
  }
  return "";
}

std::string CompareErrors(const Message& expected, const Message& found) {
  ExtendedError wanted;
  ExtendedError seen;
  std::memcpy(&wanted, expected.data.data(), sizeof(wanted));
  std::memcpy(&seen, found.data.data(), sizeof(seen));
  if (std::memcmp(&wanted, &seen, sizeof(wanted)) == 0) return "";
  const auto text = [](const ExtendedError& e) {
    return absl::StrFormat(
        "{ee_errno=%d, ee_origin=%d, ee_type=%d, ee_code=%d, ee_info=%d, ee_data=%d}", e.ee_errno,
        e.ee_origin, e.ee_type, e.ee_code, e.ee_info, e.ee_data);
  };
  return absl::StrCat("cmsg_data: expected ", text(wanted), ", found ", text(seen));
}

std::string CompareMessages(const Message& expected, const Message& found,
                            const ScriptClock& clock) {
  if (expected.level != found.level || expected.type != found.type) {
    return absl::StrFormat("expected level %d, type %d, found level %d, type %d", expected.level,
                           expected.type, found.level, found.type);
  }
  if (expected.data.size() != found.data.size()) {
    return absl::StrFormat("expected %d bytes of data, found %d", expected.data.size(),
                           found.data.size());
  }
  if (expected.level == kSolSocket && expected.type == kScmTimestamping) {
    return CompareTimestamps(expected, found, clock);
  }
  constexpr size_t kNumberBytes = 4;
  if (expected.data.size() != kNumberBytes) return CompareErrors(expected, found);
  int32_t wanted = 0;
  int32_t seen = 0;
  std::memcpy(&wanted, expected.data.data(), sizeof(wanted));
  std::memcpy(&seen, found.data.data(), sizeof(seen));
  return wanted == seen ? "" : absl::StrFormat("cmsg_data: expected %d, found %d", wanted, seen);
}

}  // namespace

absl::StatusOr<std::vector<uint8_t>> EncodeControl(const Expression& list) {
  std::vector<uint8_t> control;
  for (const Expression& cmsg : list.items) {
    const absl::StatusOr<Message> message = ToMessage(cmsg);
    if (!message.ok()) return message.status();
    Append(control,
           CmsgHeader{sizeof(CmsgHeader) + message->data.size(), message->level, message->type});
    control.insert(control.end(), message->data.begin(), message->data.end());
    control.resize((control.size() + kAlignBytes - 1) / kAlignBytes * kAlignBytes);
  }
  return control;
}

std::string CompareControl(const Expression& list, std::span<const uint8_t> control,
                           const ScriptClock& clock) {
  Message found;
  for (size_t i = 0; i < list.items.size(); ++i) {
    const absl::StatusOr<Message> expected = ToMessage(list.items[i]);
    if (!expected.ok()) return std::string(expected.status().message());
    if (!TakeMessage(control, &found)) {
      return absl::StrFormat("expected %d control messages, found %d", list.items.size(), i);
    }
    const std::string difference = CompareMessages(*expected, found, clock);
    if (!difference.empty()) return absl::StrFormat("control message %d: %s", i, difference);
  }
  return TakeMessage(control, &found)
             ? absl::StrFormat("found more than the %d control messages expected",
                               list.items.size())
             : "";
}

}  // namespace tapedeck
