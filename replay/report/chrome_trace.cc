#include "replay/report/chrome_trace.h"

#include <map>
#include <nlohmann/json.hpp>
#include <set>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/trace/event_text.h"
#include "stack/base/drop_reason.h"
#include "stack/kernel/cpu.h"
#include "stack/socket/system_call.h"

namespace tapedeck::report {

namespace {

// Track numbers within a host ("tid"). Those of CPUs and threads follow their base.
constexpr int kWireInTrack = 1;
constexpr int kWireOutTrack = 2;
constexpr int kSocketTrack = 3;
constexpr int kNeighbourTrack = 4;
constexpr int kDeviceTrack = 5;
constexpr int kDmaInTracks = 10;  // of transfers under way at once each has its own
constexpr int kDmaOutTracks = 50;
constexpr size_t kDmaTracksMax = 40;
constexpr int kInterruptTracks = 100;  // + CPU
constexpr int kSoftirqTracks = 200;    // + CPU
constexpr int kTimerTracks = 300;      // + CPU
constexpr int kCallTracks = 1000;      // + thread

std::string Microseconds(uint64_t ps) {
  return absl::StrFormat("%d.%06d", ps / 1'000'000, ps % 1'000'000);
}

std::string Quoted(const std::string& text) {
  return nlohmann::json(text).dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
}

std::string TrackName(int track) {
  switch (track) {
    case kWireInTrack:
      return "wire in";
    case kWireOutTrack:
      return "wire out";
    case kSocketTrack:
      return "sockets";
    case kNeighbourTrack:
      return "neighbours";
    case kDeviceTrack:
      return "device";
    default:
      break;
  }
  if (track >= kCallTracks) return absl::StrCat("system calls, thread ", track - kCallTracks);
  if (track >= kTimerTracks) return absl::StrCat("CPU ", track - kTimerTracks, " timers");
  if (track >= kSoftirqTracks) return absl::StrCat("CPU ", track - kSoftirqTracks, " softirq");
  if (track >= kInterruptTracks) return absl::StrCat("CPU ", track - kInterruptTracks, " hardirq");
  return track >= kDmaOutTracks ? "DMA from the host" : "DMA to the host";
}

// Collects the entries; metadata of the tracks that were used come at the end.
class TimelineWriter {
 public:
  // A bar. `args` is the inside of a JSON object.
  void Bar(uint8_t host, int track, SimTime from, SimTime to, const std::string& name,
           const std::string& args) {
    Add(host, track, "X", from, name,
        absl::StrCat(R"(,"dur":)", Microseconds(to.ps > from.ps ? to.ps - from.ps : 0),
                     R"(,"args":{)", args, "}"));
  }
  void Instant(uint8_t host, int track, SimTime time, const std::string& name,
               const std::string& args) {
    Add(host, track, "i", time, name, absl::StrCat(R"(,"s":"t","args":{)", args, "}"));
  }
  // An arrow from one bar (`phase` "s") to another ("f"), of one frame.
  void Arrow(uint8_t host, int track, const char* phase, SimTime time, uint32_t frame_id) {
    Add(host, track, phase, time, "frame",
        absl::StrFormat(R"(,"cat":"packet","id":"%d.%d"%s)", host, frame_id,
                        phase[0] == 'f' ? R"(,"bp":"e")" : ""));
  }
  void Counter(uint8_t host, SimTime time, const std::string& name, int64_t value) {
    Add(host, 0, "C", time, name, absl::StrFormat(R"(,"args":{"frames":%d})", value));
  }

  std::string Take() {
    std::set<int> hosts;
    for (const auto& [host, track] : tracks_) {
      if (hosts.insert(host).second) Name(host, 0, "process_name", absl::StrCat("host ", host));
      if (track == 0) continue;
      Name(host, track, "thread_name", TrackName(track));
      Append(absl::StrFormat(
          R"({"ph":"M","pid":%d,"tid":%d,"name":"thread_sort_index","args":{"sort_index":%d}})",
          host, track, track));
    }
    return absl::StrCat("{\"displayTimeUnit\":\"ns\",\"traceEvents\":[\n", entries_, "\n]}\n");
  }

 private:
  void Add(uint8_t host, int track, const char* phase, SimTime time, const std::string& name,
           const std::string& rest) {
    tracks_.insert({host, track});
    Append(absl::StrFormat(R"({"ph":"%s","pid":%d,"tid":%d,"ts":%s,"name":%s%s})", phase, host,
                           track, Microseconds(time.ps), Quoted(name), rest));
  }
  void Name(int host, int track, const char* what, const std::string& name) {
    Append(absl::StrFormat(R"({"ph":"M","pid":%d,"tid":%d,"name":"%s","args":{"name":%s}})", host,
                           track, what, Quoted(name)));
  }
  void Append(const std::string& entry) {
    absl::StrAppend(&entries_, entries_.empty() ? "" : ",\n", entry);
  }

  std::set<std::pair<int, int>> tracks_;
  std::string entries_;
};

std::string EventArgs(uint64_t event) { return absl::StrCat(R"("event":)", event); }

void AddFrameBar(const LoggedFrame& frame, TimelineWriter* out) {
  std::string args = absl::StrFormat(R"(%s,"frame":%d,"bytes":%d)", EventArgs(frame.event),
                                     frame.frame_id, frame.bytes);
  if (frame.received && frame.fate == FrameLedger::Fate::kDropped) {
    absl::StrAppend(&args, R"(,"drop":)", Quoted(DropReasonName(frame.reason)));
  }
  const int track = frame.received ? kWireInTrack : kWireOutTrack;
  out->Bar(frame.host, track, frame.first_bit, frame.time, frame.text, args);
  const bool ends = frame.received && frame.fate != FrameLedger::Fate::kQueued;
  if (ends) out->Arrow(frame.host, track, "s", frame.first_bit, frame.frame_id);
}

// Valid as long as `logged`.
TraceEvent ToTraceEvent(const LoggedEvent& logged) {
  TraceEvent event;
  event.time = logged.time;
  event.kind = logged.kind;
  event.host = logged.host;
  event.cpu = logged.cpu;
  for (size_t i = 0; i < logged.args.size(); ++i) event.args[i] = logged.args[i];
  if (logged.has_address) event.bytes = logged.address;
  return event;
}

int TrackOf(const LoggedEvent& event) {
  switch (event.kind) {
    case TraceKind::kInterrupt:
      return kInterruptTracks + event.cpu;
    case TraceKind::kSockState:
    case TraceKind::kTcpRetransmit:
      return kSocketTrack;
    case TraceKind::kNeighState:
      return kNeighbourTrack;
    case TraceKind::kLink:
    case TraceKind::kDeviceFault:
    case TraceKind::kNicDrop:
      return kDeviceTrack;
    default:
      return kSoftirqTracks + event.cpu;
  }
}

// Pairs of enter and exit become bars.
class CallBars {
 public:
  explicit CallBars(TimelineWriter* out) : out_(out) {}
  void Add(const LoggedEvent& event) {
    const std::pair<uint8_t, uint64_t> thread{event.host, event.args[3]};
    if (event.kind == TraceKind::kSyscallEnter) {
      open_[thread] = event;
      return;
    }
    const auto begun = open_.find(thread);
    const SimTime from = begun == open_.end() ? event.time : begun->second.time;
    Write(event, from, event.time);
    if (begun != open_.end()) open_.erase(begun);
  }
  // Calls that have not returned last to the end.
  void Finish(SimTime end) {
    for (const auto& [thread, event] : open_) Write(event, event.time, end);
  }

 private:
  void Write(const LoggedEvent& event, SimTime from, SimTime to) {
    out_->Bar(event.host, kCallTracks + static_cast<int>(event.args[3]), from, to,
              EventText(ToTraceEvent(event)), EventArgs(event.event));
  }

  TimelineWriter* out_;
  std::map<std::pair<uint8_t, uint64_t>, LoggedEvent> open_;
};

// Whether a timer that ran out is behind a transmission.
bool IsByTimer(TcpRetransmitWhy why) {
  return why == TcpRetransmitWhy::kTimeout || why == TcpRetransmitWhy::kLossProbe ||
         why == TcpRetransmitWhy::kWindowProbe || why == TcpRetransmitWhy::kKeepalive;
}

// What timers do, beside the track that it belongs to: their softirqs, and what TCP's sent.
void AddToTimers(const LoggedEvent& event, TimelineWriter* out) {
  constexpr uint64_t kTimerSoftirqs = (1U << TIMER_SOFTIRQ) | (1U << HRTIMER_SOFTIRQ);
  const bool runs = event.kind == TraceKind::kSoftirq && (event.args[0] & kTimerSoftirqs) != 0;
  const bool sends = event.kind == TraceKind::kTcpRetransmit &&
                     IsByTimer(static_cast<TcpRetransmitWhy>(event.args[3]));
  if (!runs && !sends) return;
  out->Instant(event.host, kTimerTracks + event.cpu, event.time,
               runs ? "timers run" : EventText(ToTraceEvent(event)), EventArgs(event.event));
}

void AddEvents(const RunLog& log, TimelineWriter* out) {
  CallBars calls(out);
  for (const LoggedEvent& event : log.events()) {
    AddToTimers(event, out);
    switch (event.kind) {
      case TraceKind::kSyscallEnter:
      case TraceKind::kSyscallExit:
        calls.Add(event);
        break;
      case TraceKind::kDeliver:
      case TraceKind::kForward:
      case TraceKind::kDrop:
      case TraceKind::kNicDrop: {
        const auto frame_id = static_cast<uint32_t>(event.args[0]);
        const int track = TrackOf(event);
        out->Bar(event.host, track, event.time, event.time, EventText(ToTraceEvent(event)),
                 EventArgs(event.event));
        if (frame_id != 0) out->Arrow(event.host, track, "f", event.time, frame_id);
        break;
      }
      default:
        out->Instant(event.host, TrackOf(event), event.time, EventText(ToTraceEvent(event)),
                     EventArgs(event.event));
    }
  }
  calls.Finish(log.end());
}

const char* DmaName(DmaKind kind) {
  switch (kind) {
    case DmaKind::kRxFetch:
      return "fetch receive descriptors";
    case DmaKind::kRxWrite:
      return "write frame and descriptor";
    case DmaKind::kTxFetch:
      return "fetch transmit descriptors";
    case DmaKind::kTxRead:
      return "read frame";
    case DmaKind::kTxWriteBack:
      return "write back";
    case DmaKind::kMessage:
      return "message";
  }
  return "";
}

bool IsToHost(DmaKind kind) {
  return kind == DmaKind::kRxWrite || kind == DmaKind::kTxWriteBack || kind == DmaKind::kMessage;
}

// The tracks of one direction of a host's DMA: a bar lies on the first one that is free.
class DmaTracks {
 public:
  size_t Take(SimTime from, SimTime to) {
    size_t at = 0;
    while (at < free_.size() && free_[at] > from) ++at;
    if (at == kDmaTracksMax) --at;
    if (at == free_.size()) free_.emplace_back();
    free_[at] = Later(free_[at], to);
    return at;
  }

 private:
  std::vector<SimTime> free_;
};

void AddTransfers(const RunLog& log, TimelineWriter* out) {
  std::map<std::pair<uint8_t, bool>, DmaTracks> tracks;
  for (const DmaTransfer& transfer : log.transfers()) {
    const bool to_host = IsToHost(transfer.kind);
    const size_t lane = tracks[{transfer.host, to_host}].Take(transfer.from, transfer.to);
    const int track = (to_host ? kDmaInTracks : kDmaOutTracks) + static_cast<int>(lane);
    std::string args = absl::StrFormat(R"("%s":%d,"bytes":%d)",
                                       transfer.kind == DmaKind::kMessage ? "vector" : "queue",
                                       transfer.queue, transfer.bytes);
    if (transfer.frame_id != 0) absl::StrAppendFormat(&args, R"(,"frame":%d)", transfer.frame_id);
    out->Bar(transfer.host, track, transfer.from, transfer.to, DmaName(transfer.kind), args);
  }
}

}  // namespace

std::string ChromeTraceJson(const RunLog& log) {
  TimelineWriter out;
  for (const LoggedFrame& frame : log.frames()) AddFrameBar(frame, &out);
  AddTransfers(log, &out);
  AddEvents(log, &out);
  for (int host = 0; host < log.hosts(); ++host) {
    const auto id = static_cast<uint8_t>(host);
    for (const QueuedStep& step : QueuedFrames(log, id)) {
      out.Counter(id, step.time, "queued", step.frames);
    }
  }
  return out.Take();
}

}  // namespace tapedeck::report
