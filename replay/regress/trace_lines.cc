#include "replay/regress/trace_lines.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/trace/event_text.h"
#include "stack/base/drop_reason.h"

namespace tapedeck::regress {

namespace {

std::string DropText(const TraceEvent& event) {
  return absl::StrCat("drop ", DropReasonName(static_cast<DropReason>(event.args[1])));
}

std::string OwnDropText(const TraceEvent& event) {
  return absl::StrCat(DropText(event), " of an own packet, ", event.args[2], " B");
}

// EventText names frames by the Lab's numbers, which count answers to ARP as well.
std::string WithoutFrame(std::string text) {
  const size_t frame = text.find(" (frame ");
  return frame == std::string::npos ? text : text.substr(0, frame);
}

// EventText's words but for the sequence number and the socket: the segment that follows tells.
std::string RetransmitText(const TraceEvent& event) {
  const std::string text = EventText(event);
  return absl::StrCat(text.substr(0, text.find(':')), ", ", event.args[2], " B");
}

}  // namespace

void TraceLines::Observe(uint64_t, const TraceEvent& event, const FrameLedger&) {
  switch (event.kind) {
    case TraceKind::kWireRx:
      return AddInput(event);
    case TraceKind::kWireTx: {
      const bool bare_ip = (event.args[3] & kWireFlagIp) != 0;
      Add(event, "> " + words_.Describe(event.bytes, bare_ip, /*sent=*/true));
      return;
    }
    case TraceKind::kDrop:
    case TraceKind::kNicDrop:
      if (!AddFate(event, DropText(event))) Add(event, OwnDropText(event));
      return;
    case TraceKind::kForward:
    case TraceKind::kDeliver: {
      const std::string text = WithoutFrame(EventText(event));
      if (!AddFate(event, text)) {
        Add(event, absl::StrCat(GetTraceKindInfo(event.kind).where, " ", text));
      }
      return;
    }
    case TraceKind::kSockState:
      Add(event, SocketText(event));
      return;
    case TraceKind::kTcpRetransmit:
      Add(event, "retransmit " + RetransmitText(event));
      return;
    case TraceKind::kNeighState:
    case TraceKind::kSyscallExit:
    case TraceKind::kDeviceFault:
    case TraceKind::kLink:
      Add(event, absl::StrCat(GetTraceKindInfo(event.kind).where, " ", EventText(event)));
      return;
    case TraceKind::kInterrupt:
    case TraceKind::kNapiPoll:
    case TraceKind::kSoftirq:
    case TraceKind::kSyscallEnter:
    case TraceKind::kTimer:
    case TraceKind::kStateDigest:
    case TraceKind::kCount:
      return;
  }
}

TraceLines::Line* TraceLines::Add(const TraceEvent& event, std::string text) {
  if (event.host != 0) text = absl::StrCat("host ", event.host, " ", text);
  return &lines_.emplace_back(Line{event.time, lines_.size(), false, std::move(text)});
}

void TraceLines::AddInput(const TraceEvent& event) {
  const bool answer = (event.args[3] & kWireFlagAnswer) != 0;
  const bool bare_ip = (event.args[3] & kWireFlagIp) != 0;
  const std::string number = answer ? "*" : absl::StrCat(++inputs_);
  Line* const line = Add(
      event, absl::StrCat("<", number, " ", words_.Describe(event.bytes, bare_ip, /*sent=*/false)));
  line->input = true;
  frames_[static_cast<uint32_t>(event.args[0])] = lines_.size() - 1;
}

bool TraceLines::AddFate(const TraceEvent& event, const std::string& fate) {
  const auto id = static_cast<uint32_t>(event.args[0]);
  const auto found = id == 0 ? frames_.end() : frames_.find(id);
  if (found == frames_.end()) return false;
  Line& line = lines_[found->second];
  absl::StrAppend(&line.text, " -> ", fate);
  const uint64_t took_ns = event.time.ns() - std::min(line.time.ns(), event.time.ns());
  if (took_ns != 0) absl::StrAppend(&line.text, " +", took_ns, "ns");
  return true;
}

std::string TraceLines::SocketText(const TraceEvent& event) {
  const uint64_t number = sockets_.emplace(event.args[0], sockets_.size() + 1).first->second;
  return absl::StrCat("sock ", number, " ", SockStateName(event.args[1]), " -> ",
                      SockStateName(event.args[2]));
}

std::vector<std::string> TraceLines::Take() {
  std::sort(lines_.begin(), lines_.end(), [](const Line& a, const Line& b) {
    return a.time != b.time ? a.time < b.time : a.order < b.order;
  });
  std::vector<std::string> out;
  out.reserve(lines_.size());
  SimTime last_input;
  for (Line& line : lines_) {
    if (line.input) last_input = line.time;
    const std::string seconds =
        TimeText(line.input ? line.time : SimTime::At(line.time - last_input));
    const std::string at =
        absl::StrCat(line.input ? "" : "+", absl::StripLeadingAsciiWhitespace(seconds));
    out.push_back(absl::StrFormat("%17s %s", at, line.text));
  }
  return out;
}

}  // namespace tapedeck::regress
