#include "replay/lab/script_call.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "replay/lab/call_arguments.h"
#include "replay/lab/call_outputs.h"
#include "stack/base/check.h"
#include "stack/core/uapi.h"
#include "stack/kernel/cpu.h"
#include "stack/wire/icmp.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {

namespace {

Duration TimeoutOf(int64_t ms) {
  return ms < 0 ? Duration::Max() : Duration::Milliseconds(static_cast<uint64_t>(ms));
}

// A timeval or a timespec; NULL is for ever.
Duration TimeOf(const Expression& time) {
  if (!time.is_struct()) return Duration::Max();
  const auto part = [&](const char* name) {
    const Expression* const value = time.FindValue(name);
    return value == nullptr ? 0 : static_cast<uint64_t>(std::max<int64_t>(value->value, 0));
  };
  return Duration::Seconds(part("tv_sec")) + Duration::Microseconds(part("tv_usec")) +
         Duration::Nanoseconds(part("tv_nsec"));
}

}  // namespace

// One function for each family of calls; each leaves what the call points to in `call_`.
class ScriptCall::Arguments {
 public:
  Arguments(ScriptCall& call, Syscalls& sys, const FdNames& names)
      : call_(call), sys_(sys), names_(names), args_(call.step_), thread_(call.thread_) {}

  // Null, and status(), where an argument is wrong.
  std::unique_ptr<SystemCall> Make();
  const absl::Status& status() const { return args_.status(); }

 private:
  using Made = std::unique_ptr<SystemCall>;

  int Fd(size_t index) {
    return names_.Real(call_.host_, static_cast<int32_t>(args_.Number(index)));
  }
  int Int(size_t index) { return static_cast<int>(args_.Number(index)); }
  uint32_t Flags(size_t index) { return static_cast<uint32_t>(args_.Number(index)); }
  // Data to send: the bytes of a string, else zeros.
  std::span<const uint8_t> Source(size_t index, int64_t length);
  std::span<uint8_t> Sink(size_t index, int64_t length);

  Made Sockets();
  Made Addresses();
  Made Sends();
  Made Receives();
  Made Messages();
  Made ManyMessages();
  Made Pieces();
  Made Options();
  Made Waits();
  Made Files();
  int64_t* Offset(size_t index, int which);
  void FillPieces(size_t index, const Expression& list, const Expression* count,
                  std::vector<iovec>* pieces);
  void FillMessage(const Expression& message, bool sends, MessageMemory* memory,
                   user_msghdr* header);
  void FillPollfds();
  fd_set_bits* FillSet(const Expression& set, fd_set_bits* bits);

  ScriptCall& call_;
  Syscalls& sys_;
  const FdNames& names_;
  ArgumentReader args_;
  Thread& thread_;
};

std::unique_ptr<SystemCall> ScriptCall::Arguments::Make() {
  switch (call_.step_.name) {
    case SyscallName::kSocket:
    case SyscallName::kClose:
    case SyscallName::kListen:
    case SyscallName::kShutdown:
    case SyscallName::kFcntl:
    case SyscallName::kIoctl:
    case SyscallName::kDup:
    case SyscallName::kSocketpair:
      return Sockets();
    case SyscallName::kBind:
    case SyscallName::kConnect:
    case SyscallName::kAccept:
    case SyscallName::kAccept4:
    case SyscallName::kGetsockname:
    case SyscallName::kGetpeername:
      return Addresses();
    case SyscallName::kWrite:
    case SyscallName::kSend:
    case SyscallName::kSendto:
      return Sends();
    case SyscallName::kRead:
    case SyscallName::kRecv:
    case SyscallName::kRecvfrom:
      return Receives();
    case SyscallName::kSendmsg:
    case SyscallName::kRecvmsg:
      return Messages();
    case SyscallName::kSendmmsg:
    case SyscallName::kRecvmmsg:
      return ManyMessages();
    case SyscallName::kReadv:
    case SyscallName::kWritev:
      return Pieces();
    case SyscallName::kGetsockopt:
    case SyscallName::kSetsockopt:
      return Options();
    case SyscallName::kPoll:
    case SyscallName::kSelect:
    case SyscallName::kEpollCreate:
    case SyscallName::kEpollCtl:
    case SyscallName::kEpollWait:
      return Waits();
    case SyscallName::kOpen:
    case SyscallName::kSendfile:
    case SyscallName::kPipe:
    case SyscallName::kSplice:
      return Files();
  }
  return nullptr;
}

std::unique_ptr<SystemCall> ScriptCall::Arguments::Sockets() {
  switch (call_.step_.name) {
    case SyscallName::kSocket: {
      const auto domain =
          static_cast<int>(args_.NumberOrEllipsis(0).value_or(call_.defaults_.domain));
      return Made(new SystemCall(sys_.Socket(thread_, domain, Int(1), Int(2))));
    }
    case SyscallName::kListen:
      return Made(new SystemCall(sys_.Listen(thread_, Fd(0), Int(1))));
    case SyscallName::kShutdown:
      return Made(new SystemCall(sys_.Shutdown(thread_, Fd(0), Int(1))));
    case SyscallName::kFcntl: {
      const int argument = args_.count() > 2 ? Int(2) : 0;
      return Made(new SystemCall(sys_.Fcntl(thread_, Fd(0), Int(1), argument)));
    }
    case SyscallName::kIoctl: {
      const Expression& argument = args_.at(2);
      if (argument.is_list() && !argument.items.empty() && argument.items[0].is_integer()) {
        call_.number_out_ = static_cast<int>(argument.items[0].value);
      }
      return Made(new SystemCall(sys_.Ioctl(thread_, Fd(0), Flags(1), &call_.number_out_)));
    }
    case SyscallName::kDup:
      return Made(new SystemCall(sys_.Dup(thread_, Fd(0))));
    case SyscallName::kSocketpair: {
      const auto domain = static_cast<int>(args_.NumberOrEllipsis(0).value_or(kAfUnix));
      return Made(new SystemCall(sys_.Socketpair(thread_, domain, Int(1), Int(2), call_.fd_pair_)));
    }
    default:
      return Made(new SystemCall(sys_.Close(thread_, Fd(0))));
  }
}

std::unique_ptr<SystemCall> ScriptCall::Arguments::Addresses() {
  SockAddr& address = call_.memory_.address;
  switch (call_.step_.name) {
    case SyscallName::kBind:
      address = args_.Address(1, call_.defaults_.own);
      return Made(new SystemCall(sys_.Bind(thread_, Fd(0), address)));
    case SyscallName::kConnect:
      address = args_.Address(1, call_.defaults_.peer);
      return Made(new SystemCall(sys_.Connect(thread_, Fd(0), address)));
    case SyscallName::kGetsockname:
      return Made(new SystemCall(sys_.Getsockname(thread_, Fd(0), &address)));
    case SyscallName::kGetpeername:
      return Made(new SystemCall(sys_.Getpeername(thread_, Fd(0), &address)));
    case SyscallName::kAccept4:
      return Made(new SystemCall(sys_.Accept4(thread_, Fd(0), &address, Int(3))));
    default:
      return Made(new SystemCall(sys_.Accept(thread_, Fd(0), &address)));
  }
}

std::span<const uint8_t> ScriptCall::Arguments::Source(size_t index, int64_t length) {
  const auto bytes = static_cast<size_t>(std::max<int64_t>(length, 0));
  if (args_.IsNullBuffer(index)) return {static_cast<const uint8_t*>(nullptr), bytes};
  uint8_t* const buffer = call_.NewBuffer(bytes, /*zero=*/true);
  const std::string& text = args_.at(index).text;
  std::copy_n(text.begin(), std::min(bytes, text.size()), buffer);
  if (call_.defaults_.ping && bytes > 0 && text.empty()) {
    const bool v4 = call_.defaults_.domain == kAfInet;
    buffer[0] = v4 ? wire::kIcmpEcho : wire::kIcmpv6EchoRequest;
  }
  return {buffer, bytes};
}

std::span<uint8_t> ScriptCall::Arguments::Sink(size_t index, int64_t length) {
  const auto bytes = static_cast<size_t>(std::max<int64_t>(length, 0));
  if (args_.IsNullBuffer(index)) return {static_cast<uint8_t*>(nullptr), bytes};
  return {call_.NewBuffer(bytes, /*zero=*/false), bytes};
}

std::unique_ptr<SystemCall> ScriptCall::Arguments::Sends() {
  const std::span<const uint8_t> data = Source(1, args_.Number(2));
  switch (call_.step_.name) {
    case SyscallName::kWrite:
      return Made(new SystemCall(sys_.Write(thread_, Fd(0), data)));
    case SyscallName::kSend:
      return Made(new SystemCall(sys_.Sendto(thread_, Fd(0), data, Flags(3))));
    default: {
      const Expression& to = args_.at(4);
      if (to.is_null() && to.text != "AF_UNSPEC") {
        return Made(new SystemCall(sys_.Sendto(thread_, Fd(0), data, Flags(3))));
      }
      call_.memory_.address = args_.Address(4, call_.defaults_.peer);
      return Made(
          new SystemCall(sys_.Sendto(thread_, Fd(0), data, Flags(3), call_.memory_.address)));
    }
  }
}

std::unique_ptr<SystemCall> ScriptCall::Arguments::Receives() {
  const std::span<uint8_t> data = Sink(1, args_.Number(2));
  switch (call_.step_.name) {
    case SyscallName::kRead:
      return Made(new SystemCall(sys_.Read(thread_, Fd(0), data)));
    case SyscallName::kRecv:
      return Made(new SystemCall(sys_.Recvfrom(thread_, Fd(0), data, Flags(3), nullptr)));
    default: {
      const bool wants_address = !args_.at(4).is_null();
      if (const auto length = args_.NumberOrEllipsis(5); length.has_value() && wants_address) {
        call_.memory_.address.length = static_cast<uint32_t>(*length);
      }
      return Made(new SystemCall(sys_.Recvfrom(thread_, Fd(0), data, Flags(3),
                                               wants_address ? &call_.memory_.address : nullptr)));
    }
  }
}

void ScriptCall::Arguments::FillPieces(size_t index, const Expression& list,
                                       const Expression* count, std::vector<iovec>* pieces) {
  for (const Expression& piece : list.items) {
    if (!piece.is_struct() || piece.items.size() != 2 || !piece.items[1].is_integer()) {
      return args_.Expected(index, "a list of {..., length}");
    }
    const auto bytes = static_cast<size_t>(std::max<int64_t>(piece.items[1].value, 0));
    uint8_t* const base =
        piece.items[0].is_null() ? nullptr : call_.NewBuffer(bytes, /*zero=*/true);
    pieces->push_back({base, bytes});
  }
  if (count != nullptr && count->is_integer() &&
      count->value != static_cast<int64_t>(pieces->size())) {
    args_.Expected(index, "as many pieces as it counts");
  }
}

void ScriptCall::Arguments::FillMessage(const Expression& message, bool sends,
                                        MessageMemory* memory, user_msghdr* header) {
  for (const Expression& field : message.items) {
    if (field.kind != Expression::Kind::kField) continue;
    const Expression& value = field.items[0];
    const Expression* const count = field.items.size() > 1 ? &field.items[1] : nullptr;
    if (field.text == "msg_name" && !value.is_null()) {
      memory->address = value.is_struct() ? SockAddr(ToEndpoint(value).value_or(Endpoint()))
                                          : SockAddr(call_.defaults_.peer);
      if (!sends) memory->address.length = SockAddr::kBytes;
      header->msg_name = &memory->address;
    } else if (field.text == "msg_iov") {
      FillPieces(1, value, count, &memory->pieces);
      header->msg_iov = memory->pieces;
    } else if (field.text == "msg_control" && value.is_list()) {
      absl::StatusOr<std::vector<uint8_t>> control = EncodeControl(value);
      args_.Refuse(control.status());
      if (!control.ok()) return;
      memory->control = *std::move(control);
      header->msg_control = memory->control.data();
      header->msg_controllen = memory->control.size();
    } else if (field.text == "msg_flags" && sends && !value.is_null()) {
      args_.Expected(1, "no msg_flags, which sending does not look at");
    }
  }
}

std::unique_ptr<SystemCall> ScriptCall::Arguments::Messages() {
  const Expression& message = args_.at(1);
  const bool sends = call_.step_.name == SyscallName::kSendmsg;
  user_msghdr* header = nullptr;
  if (message.is_struct()) {
    FillMessage(message, sends, &call_.memory_, &call_.message_);
    header = &call_.message_;
  } else if (!message.is_null()) {
    args_.Expected(1, "a struct msghdr");
  }
  if (sends) return Made(new SystemCall(sys_.Sendmsg(thread_, Fd(0), header, Flags(2))));
  return Made(new SystemCall(sys_.Recvmsg(thread_, Fd(0), header, Flags(2))));
}

std::unique_ptr<SystemCall> ScriptCall::Arguments::ManyMessages() {
  const std::vector<Expression>& messages = args_.at(1).items;
  const bool sends = call_.step_.name == SyscallName::kSendmmsg;
  call_.messages_.resize(messages.size());
  call_.memories_.resize(messages.size());
  for (size_t i = 0; i < messages.size(); ++i) {
    FillMessage(*messages[i].FindValue("msg_hdr"), sends, &call_.memories_[i],
                &call_.messages_[i].msg_hdr);
  }
  std::span<mmsghdr> all = call_.messages_;
  if (args_.at(1).is_null()) {
    all = {static_cast<mmsghdr*>(nullptr), Flags(2)};
  } else if (args_.Number(2) != static_cast<int64_t>(all.size())) {
    args_.Expected(2, "the number of messages");
  }
  if (sends) return Made(new SystemCall(sys_.Sendmmsg(thread_, Fd(0), all, Flags(3))));
  return Made(new SystemCall(sys_.Recvmmsg(thread_, Fd(0), all, Flags(3), TimeOf(args_.at(4)))));
}

// Offsets: NULL, 0 or [offset].
int64_t* ScriptCall::Arguments::Offset(size_t index, int which) {
  const Expression& offset = args_.at(index);
  if (offset.is_integer() && offset.value == 0) return nullptr;
  call_.offsets_[which] = args_.Pointee(index);
  return &call_.offsets_[which];
}

std::unique_ptr<SystemCall> ScriptCall::Arguments::Files() {
  switch (call_.step_.name) {
    case SyscallName::kOpen: {
      const Expression& path = args_.at(0);
      if (path.kind != Expression::Kind::kString) args_.Expected(0, "a path");
      return Made(new SystemCall(sys_.Open(thread_, path.text.c_str(), Flags(1))));
    }
    case SyscallName::kSendfile:
      return Made(new SystemCall(sys_.Sendfile(thread_, Fd(0), Fd(1), Offset(2, 0),
                                               static_cast<size_t>(args_.Number(3)))));
    case SyscallName::kPipe:
      return Made(new SystemCall(sys_.Pipe(thread_, call_.fd_pair_)));
    default: {
      int64_t* const from = Offset(1, 0);
      int64_t* const to = Offset(3, 1);
      return Made(new SystemCall(sys_.Splice(thread_, Fd(0), from, Fd(2), to,
                                             static_cast<size_t>(args_.Number(4)), Flags(5))));
    }
  }
}

std::unique_ptr<SystemCall> ScriptCall::Arguments::Pieces() {
  FillPieces(1, args_.at(1), &args_.at(2), &call_.memory_.pieces);
  const bool writes = call_.step_.name == SyscallName::kWritev;
  if (writes) return Made(new SystemCall(sys_.Writev(thread_, Fd(0), call_.memory_.pieces)));
  return Made(new SystemCall(sys_.Readv(thread_, Fd(0), call_.memory_.pieces)));
}

std::unique_ptr<SystemCall> ScriptCall::Arguments::Options() {
  if (call_.step_.name == SyscallName::kSetsockopt) {
    const bool null = args_.at(3).is_null();
    if (!null) call_.option_ = args_.OptionValue(3);
    const auto length = static_cast<uint32_t>(args_.Number(4));
    // What the call is told to read must be there.
    if (!null)
      call_.option_.resize(std::max<size_t>(call_.option_.size(), std::min(length, 4096U)));
    return Made(new SystemCall(sys_.Setsockopt(thread_, Fd(0), Int(1), Int(2),
                                               null ? nullptr : call_.option_.data(), length)));
  }
  call_.option_length_ = static_cast<uint32_t>(args_.Pointee(4));
  // A script may name any length; no option has more to say.
  constexpr uint32_t kOptionBytesMax = 64 * 1024;
  call_.option_.assign(std::min(call_.option_length_, kOptionBytesMax), 0);
  return Made(new SystemCall(sys_.Getsockopt(thread_, Fd(0), Int(1), Int(2), call_.option_.data(),
                                             &call_.option_length_)));
}

void ScriptCall::Arguments::FillPollfds() {
  const Expression& list = args_.at(0);
  for (const Expression& entry : list.items) {
    const Expression* const fd = entry.is_struct() ? entry.FindValue("fd") : nullptr;
    const Expression* const events = entry.is_struct() ? entry.FindValue("events") : nullptr;
    if (fd == nullptr || events == nullptr || !fd->is_integer() || !events->is_integer()) {
      return args_.Expected(0, "a list of {fd, events, revents}");
    }
    pollfd waited;
    waited.fd = names_.Real(call_.host_, static_cast<int32_t>(fd->value));
    waited.events = static_cast<int16_t>(events->value);
    call_.fds_.push_back(waited);
  }
  if (args_.Number(1) != static_cast<int64_t>(call_.fds_.size())) {
    args_.Expected(1, "the number of entries");
  }
}

// Null where the script has no such set.
fd_set_bits* ScriptCall::Arguments::FillSet(const Expression& set, fd_set_bits* bits) {
  const Expression* const fds = set.is_struct() ? set.FindValue("fds") : nullptr;
  if (fds == nullptr) return nullptr;
  for (const Expression& fd : fds->items) {
    const auto name = static_cast<int32_t>(fd.value);
    // One that is not open has no other number than the script's.
    const int32_t known = names_.Real(call_.host_, name);
    const int real = known >= 0 ? known : name;
    bits->Set(real);
    call_.set_members_[bits - call_.sets_].push_back({name, real});
  }
  return bits;
}

std::unique_ptr<SystemCall> ScriptCall::Arguments::Waits() {
  switch (call_.step_.name) {
    case SyscallName::kEpollCreate:
      return Made(new SystemCall(sys_.EpollCreate(thread_, Int(0))));
    case SyscallName::kEpollCtl: {
      const Expression& event = args_.at(3);
      const Expression* const events = event.is_struct() ? event.FindValue("events") : nullptr;
      call_.events_.resize(1);
      if (events != nullptr) call_.events_[0].events = static_cast<uint32_t>(events->value);
      call_.events_[0].data = EpollData(event);
      epoll_event* const pointer = event.is_null() ? nullptr : call_.events_.data();
      return Made(new SystemCall(sys_.EpollCtl(thread_, Fd(0), Int(1), Fd(2), pointer)));
    }
    case SyscallName::kEpollWait: {
      const int64_t max = args_.Number(2);
      constexpr int64_t kEventsMax = 4096;
      call_.events_.resize(static_cast<size_t>(std::clamp<int64_t>(max, 1, kEventsMax)));
      const std::span<epoll_event> room(
          call_.events_.data(), static_cast<size_t>(std::clamp<int64_t>(max, 0, kEventsMax)));
      return Made(new SystemCall(sys_.EpollWait(thread_, Fd(0), room, TimeoutOf(args_.Number(3)))));
    }
    case SyscallName::kSelect: {
      fd_set_bits* sets[3] = {};
      for (size_t i = 0; i < 3; ++i) sets[i] = FillSet(args_.at(i + 1), &call_.sets_[i]);
      return Made(new SystemCall(
          sys_.Select(thread_, Int(0), sets[0], sets[1], sets[2], TimeOf(args_.at(4)))));
    }
    default:
      FillPollfds();
      return Made(new SystemCall(sys_.Poll(thread_, call_.fds_, TimeoutOf(args_.Number(2)))));
  }
}

absl::Status ScriptCall::Start(Syscalls& sys, const FdNames& names, SimTime now) {
  CHECK(call_ == nullptr);
  made_at_ = now;
  Arguments arguments(*this, sys, names);
  std::unique_ptr<SystemCall> call = arguments.Make();
  if (!arguments.status().ok()) return arguments.status();
  call_ = std::move(call);
  call_->Start(&ScriptCall::OnDone, this);
  return absl::OkStatus();
}

void ScriptCall::OnDone(SystemCall*, void* script_call) {
  auto* const self = static_cast<ScriptCall*>(script_call);
  self->ended_at_ = self->thread_.cpu().now();
}

uint8_t* ScriptCall::NewBuffer(size_t bytes, bool zero) {
  buffers_.emplace_back(zero ? new uint8_t[bytes]() : new uint8_t[bytes]);
  return buffers_.back().get();
}

Endpoint ScriptCall::address() const {
  const SockAddr* const named = first_message().msg_name;
  return (named != nullptr ? *named : memory_.address).ToEndpoint().value_or(Endpoint());
}

uint8_t ScriptCall::socket_protocol() const {
  const SyscallArgs& args = call_->args();
  if (args.c != 0) return static_cast<uint8_t>(args.c);
  constexpr int kTypeMask = 0xf;
  return (args.b & kTypeMask) == SOCK_STREAM ? wire::kIpProtoTcp : wire::kIpProtoUdp;
}

CallOutputs ScriptCall::View() const {
  CallOutputs outputs = {.address = memory_.address,
                         .fds = fds_,
                         .message = message_,
                         .messages = messages_,
                         .option = option_,
                         .option_length = option_length_,
                         .number = number_out_,
                         .events = events_,
                         .ready = {},
                         .result = call_->result(),
                         .clock = defaults_.clock};
  for (size_t i = 0; i < 3; ++i) {
    for (const SetMember& member : set_members_[i]) {
      if (sets_[i].IsSet(member.real)) outputs.ready[i].push_back(member.name);
    }
    std::sort(outputs.ready[i].begin(), outputs.ready[i].end());
  }
  return outputs;
}

std::string ScriptCall::Difference() const {
  const int64_t result = call_->result();
  if (step_.expected.has_value()) {
    const bool failed = result < 0;
    const bool should_fail = *step_.expected == -1;
    bool same = result == *step_.expected;
    if (should_fail) {
      same = failed && (step_.expected_errno == 0 || result == -step_.expected_errno);
    } else if (ReturnsFd(step_.name)) {
      same = !failed;  // what it must return is only a name
    }
    if (!same) return "the result differs";
  }
  if (result < 0) return "";
  return CompareOutputs(step_, View());
}

SyscallStep ScriptCall::Actual() const {
  SyscallStep actual = step_;
  const int64_t result = call_->result();
  actual.expected = result < 0 ? -1 : result;
  actual.expected_text.clear();
  actual.expected_errno = result < 0 ? static_cast<int32_t>(-result) : 0;
  if (ReturnsFd(step_.name) && result >= 0 && step_.fd != kFdNone) actual.expected = step_.fd;
  if (result >= 0) SetOutputs(View(), &actual);
  return actual;
}

}  // namespace tapedeck
