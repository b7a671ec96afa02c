#include "replay/lab/call_outputs.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "replay/lab/call_arguments.h"

namespace tapedeck {

namespace {

// A number that the script may leave open.
std::string CompareNumber(const char* what, const Expression* expected, int64_t found) {
  if (expected == nullptr || !expected->is_integer() || expected->value == found) return "";
  return absl::StrFormat("%s: expected %d (0x%x), found %d (0x%x)", what, expected->value,
                         expected->value, found, found);
}

const Expression* FieldOf(const Expression& structure, const char* name) {
  return structure.is_struct() ? structure.FindValue(name) : nullptr;
}

std::string CompareAddress(const Expression& expected, const SockAddr& found) {
  if (!expected.is_struct()) return "";
  const std::optional<Endpoint> wanted = ToEndpoint(expected);
  const std::optional<Endpoint> seen = found.ToEndpoint();
  if (wanted.has_value() && seen.has_value() && *wanted == *seen) return "";
  return absl::StrCat("the address is ", seen.has_value() ? seen->ToString() : "none");
}

std::string CompareOption(const SyscallStep& step, const CallOutputs& outputs) {
  const Expression& length = step.arguments[4];
  if (length.is_list() && !length.items.empty()) {
    const std::string difference =
        CompareNumber("the option's length", length.items.data(), outputs.option_length);
    if (!difference.empty()) return difference;
  }
  const std::optional<std::vector<uint8_t>> wanted = ToOptionBytes(step.arguments[3]);
  if (!wanted.has_value()) return "";
  const size_t compared = std::min<size_t>(wanted->size(), outputs.option_length);
  const bool same = outputs.option.size() >= compared &&
                    std::equal(wanted->begin(), wanted->begin() + static_cast<ptrdiff_t>(compared),
                               outputs.option.begin());
  return same ? "" : "the option's value differs";
}

std::string ComparePoll(const SyscallStep& step, std::span<const pollfd> fds) {
  const std::vector<Expression>& entries = step.arguments[0].items;
  for (size_t i = 0; i < fds.size(); ++i) {
    const std::string difference = CompareNumber("revents", FieldOf(entries[i], "revents"),
                                                 static_cast<uint16_t>(fds[i].revents));
    if (!difference.empty()) return absl::StrCat(difference, " of entry ", i);
  }
  return "";
}

std::string CompareSets(const SyscallStep& step, const CallOutputs& outputs) {
  constexpr const char* kNames[3] = {"readable", "writable", "exceptional"};
  for (size_t i = 0; i < 3; ++i) {
    const Expression* const ready = FieldOf(step.arguments[i + 1], "ready");
    if (ready == nullptr) continue;
    std::vector<int64_t> wanted;
    for (const Expression& fd : ready->items) wanted.push_back(fd.value);
    std::sort(wanted.begin(), wanted.end());
    const std::span<const int32_t> found = outputs.ready[i];
    if (std::equal(wanted.begin(), wanted.end(), found.begin(), found.end())) continue;
    return absl::StrCat(kNames[i], ": found ", found.size(), " of ", wanted.size(), " expected: [",
                        absl::StrJoin(found, ", "), "]");
  }
  return "";
}

std::string CompareEpoll(const SyscallStep& step, const CallOutputs& outputs) {
  const Expression& expected = step.arguments[1];
  if (!expected.is_struct()) return "";
  // Without an event, it is all zero.
  const epoll_event found = outputs.result > 0 ? outputs.events[0] : epoll_event();
  std::string difference = CompareNumber("events", FieldOf(expected, "events"), found.events);
  if (difference.empty() && EpollData(expected) != found.data) {
    difference =
        absl::StrFormat("the event's data: expected %d, found %d", EpollData(expected), found.data);
  }
  return difference;
}

std::string CompareMessage(const Expression& message, const user_msghdr& found,
                           const ScriptClock& clock) {
  if (!message.is_struct()) return "";
  // What is not written must be zero, as with the real tool.
  const Expression zero = Expression::Integer(0);
  const Expression* const flags = FieldOf(message, "msg_flags");
  std::string difference =
      CompareNumber("msg_flags", flags != nullptr ? flags : &zero, found.msg_flags);
  if (!difference.empty()) return difference;
  if (const Expression* const name = FieldOf(message, "msg_name");
      name != nullptr && found.msg_name != nullptr) {
    difference = CompareAddress(*name, *found.msg_name);
    if (!difference.empty()) return difference;
  }
  const Expression* const control = FieldOf(message, "msg_control");
  if (control == nullptr || !control->is_list()) return "";
  return CompareControl(*control, {found.msg_control, found.msg_controllen}, clock);
}

// Those that the call says it has sent or received.
std::string CompareMessages(const SyscallStep& step, const CallOutputs& outputs) {
  for (size_t i = 0; i < static_cast<size_t>(outputs.result); ++i) {
    const Expression& expected = step.arguments[1].items[i];
    const mmsghdr& found = outputs.messages[i];
    std::string difference = CompareNumber("msg_len", FieldOf(expected, "msg_len"), found.msg_len);
    if (difference.empty() && step.name == SyscallName::kRecvmmsg) {
      difference = CompareMessage(*FieldOf(expected, "msg_hdr"), found.msg_hdr, outputs.clock);
    }
    if (!difference.empty()) return absl::StrCat(difference, " of message ", i);
  }
  return "";
}

// poll's events have names that the printer knows, and lengths are decimal; others are spelled in
// hexadecimal.
void SetField(Expression& structure, const char* name, int64_t value) {
  for (Expression& field : structure.items) {
    if (field.kind != Expression::Kind::kField || field.text != name) continue;
    if (field.items[0].is_integer() && field.items[0].value != value) {
      const bool plain = field.text == "revents" || field.text == "msg_len";
      field.items[0] =
          Expression::Integer(value, plain ? std::string() : absl::StrFormat("0x%x", value));
    }
  }
}

void SetMessages(const CallOutputs& outputs, SyscallStep* step) {
  for (size_t i = 0; i < static_cast<size_t>(outputs.result); ++i) {
    Expression& message = step->arguments[1].items[i];
    SetField(message, "msg_len", outputs.messages[i].msg_len);
    if (step->name != SyscallName::kRecvmmsg) continue;
    for (Expression& field : message.items) {
      if (field.text != "msg_hdr") continue;
      SetField(field.items[0], "msg_flags", outputs.messages[i].msg_hdr.msg_flags);
    }
  }
}

void SetReady(std::span<const int32_t> ready, Expression* set) {
  if (!set->is_struct()) return;
  for (Expression& field : set->items) {
    if (field.kind != Expression::Kind::kField || field.text != "ready") continue;
    std::vector<Expression> fds;
    for (const int32_t fd : ready) fds.push_back(Expression::Integer(fd));
    field.items[0] = Expression::List(std::move(fds));
  }
}

void SetAddress(const SockAddr& found, Expression* expected) {
  const std::optional<Endpoint> endpoint = found.ToEndpoint();
  if (expected->is_struct() && endpoint.has_value()) *expected = FromEndpoint(*endpoint);
}

void SetOption(const CallOutputs& outputs, SyscallStep* step) {
  step->arguments[4] = Expression::List({Expression::Integer(outputs.option_length)});
  Expression& value = step->arguments[3];
  const size_t length = std::min<size_t>(outputs.option.size(), outputs.option_length);
  if (value.kind == Expression::Kind::kString) {
    value = Expression::String({reinterpret_cast<const char*>(outputs.option.data()), length});
  } else if (value.is_list() && length >= sizeof(int32_t)) {
    int32_t number = 0;
    std::memcpy(&number, outputs.option.data(), sizeof(number));
    value = Expression::List({Expression::Integer(number)});
  }
}

}  // namespace

std::string CompareOutputs(const SyscallStep& step, const CallOutputs& outputs) {
  switch (step.name) {
    case SyscallName::kAccept:
    case SyscallName::kAccept4:
    case SyscallName::kGetsockname:
    case SyscallName::kGetpeername:
      return CompareAddress(step.arguments[1], outputs.address);
    case SyscallName::kRecvfrom:
      return CompareAddress(step.arguments[4], outputs.address);
    case SyscallName::kGetsockopt:
      return CompareOption(step, outputs);
    case SyscallName::kIoctl: {
      const bool given = step.arguments.size() > 2 && step.arguments[2].is_list() &&
                         !step.arguments[2].items.empty();
      return given ? CompareNumber("the value", step.arguments[2].items.data(), outputs.number)
                   : "";
    }
    case SyscallName::kPoll:
      return ComparePoll(step, outputs.fds);
    case SyscallName::kSelect:
      return CompareSets(step, outputs);
    case SyscallName::kEpollWait:
      return CompareEpoll(step, outputs);
    case SyscallName::kRecvmsg:
      return CompareMessage(step.arguments[1], outputs.message, outputs.clock);
    case SyscallName::kSendmmsg:
    case SyscallName::kRecvmmsg:
      return CompareMessages(step, outputs);
    default:
      return "";
  }
}

void SetOutputs(const CallOutputs& outputs, SyscallStep* step) {
  std::vector<Expression>& arguments = step->arguments;
  switch (step->name) {
    case SyscallName::kAccept:
    case SyscallName::kAccept4:
    case SyscallName::kGetsockname:
    case SyscallName::kGetpeername:
      return SetAddress(outputs.address, &arguments[1]);
    case SyscallName::kRecvfrom:
      return SetAddress(outputs.address, &arguments[4]);
    case SyscallName::kGetsockopt:
      return SetOption(outputs, step);
    case SyscallName::kIoctl:
      if (arguments.size() > 2 && arguments[2].is_list()) {
        arguments[2] = Expression::List({Expression::Integer(outputs.number)});
      }
      return;
    case SyscallName::kPoll:
      for (size_t i = 0; i < outputs.fds.size(); ++i) {
        SetField(arguments[0].items[i], "revents", static_cast<uint16_t>(outputs.fds[i].revents));
      }
      return;
    case SyscallName::kSelect:
      for (size_t i = 0; i < 3; ++i) SetReady(outputs.ready[i], &arguments[i + 1]);
      return;
    case SyscallName::kEpollWait:
      if (arguments[1].is_struct() && outputs.result > 0) {
        SetField(arguments[1], "events", outputs.events[0].events);
      }
      return;
    case SyscallName::kRecvmsg:
      if (arguments[1].is_struct()) SetField(arguments[1], "msg_flags", outputs.message.msg_flags);
      return;
    case SyscallName::kSendmmsg:
    case SyscallName::kRecvmmsg:
      return SetMessages(outputs, step);
    default:
      return;
  }
}

}  // namespace tapedeck
