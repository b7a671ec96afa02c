#include "replay/trace/capture_output.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "stack/base/drop_reason.h"

namespace tapedeck {

absl::StatusOr<CaptureOutput> CaptureOutput::Create(const std::string& path,
                                                    const Options& options) {
  absl::StatusOr<capture::OutputFile> file = capture::OutputFile::Create(path);
  if (!file.ok()) return file.status();
  capture::SectionHeader section;
  section.application = "Tapedeck";
  section.comments = options.comments;
  absl::StatusOr<capture::PcapngWriter> writer =
      capture::PcapngWriter::Create(*std::move(file), section);
  if (!writer.ok()) return writer.status();
  for (int host = 0; host < options.hosts; ++host) {
    const absl::StatusOr<uint32_t> interface = writer->AddInterface(
        {.link_type = options.bare_ip ? capture::LinkType::kRaw : capture::LinkType::kEthernet,
         .name = absl::StrFormat("host%d", host),
         .description = options.bare_ip ? "tun, user's side" : "82599, wire side"});
    if (!interface.ok()) return interface.status();
  }
  return CaptureOutput(*std::move(writer), options);
}

void CaptureOutput::Observe(uint64_t number, const TraceEvent& event, const FrameLedger& ledger) {
  switch (event.kind) {
    case TraceKind::kWireRx:
    case TraceKind::kWireTx:
      AddFrame(number, event);
      break;
    case TraceKind::kDeliver:
    case TraceKind::kForward:
    case TraceKind::kDrop:
    case TraceKind::kNicDrop:
      Settle(static_cast<uint32_t>(event.args[0]), ledger);
      break;
    default:
      return;
  }
  Flush(/*all=*/false);
}

void CaptureOutput::AddFrame(uint64_t number, const TraceEvent& event) {
  Waiting frame;
  frame.event = number;
  frame.time_ns = epoch_ns_ + static_cast<int64_t>(event.time.ns());
  frame.frame_id = static_cast<uint32_t>(event.args[0]);
  frame.host = event.host;
  frame.received = event.kind == TraceKind::kWireRx;
  frame.bytes.assign(event.bytes.begin(), event.bytes.end());
  const auto place =
      std::upper_bound(waiting_.begin(), waiting_.end(), frame.time_ns,
                       [](int64_t time_ns, const Waiting& w) { return time_ns < w.time_ns; });
  waiting_.insert(place, std::move(frame));
}

void CaptureOutput::Settle(uint32_t frame_id, const FrameLedger& ledger) {
  const FrameLedger::Frame* const known = ledger.Find(frame_id);
  if (known == nullptr) return;
  for (Waiting& frame : waiting_) {
    if (!frame.received || frame.frame_id != frame_id) continue;
    frame.fate = known->fate;
    frame.reason = known->reason;
    return;
  }
}

void CaptureOutput::Flush(bool all) {
  while (!waiting_.empty()) {
    const Waiting& first = waiting_.front();
    const bool settled = !first.received || first.fate != FrameLedger::Fate::kQueued;
    const bool ready = settled && waiting_.size() > kReorderWindow;
    if (!all && !ready && waiting_.size() <= kWaitingMax) return;
    status_.Update(WriteFrame(first));
    waiting_.pop_front();
  }
}

absl::Status CaptureOutput::WriteFrame(const Waiting& frame) {
  capture::OutputPacket packet;
  packet.interface_index = frame.host;
  packet.time_ns = frame.time_ns;
  packet.data = frame.bytes;
  packet.original_length_bytes = static_cast<uint32_t>(frame.bytes.size());
  packet.direction = frame.received ? capture::Direction::kInbound : capture::Direction::kOutbound;
  packet.packet_id = frame.event;
  std::string comment;
  if (frame.received && frame.fate == FrameLedger::Fate::kDropped) {
    comment = absl::StrCat("drop ", DropReasonName(frame.reason), ": ",
                           DropReasonText(frame.reason), ", ");
    packet.xdp_verdict = capture::kXdpDrop;
  } else if (frame.received) {
    comment = frame.fate == FrameLedger::Fate::kDelivered ? "delivered, " : "queued, ";
  }
  absl::StrAppend(&comment, "frame ", frame.frame_id, ", event ", frame.event);
  const std::string_view comments[] = {comment};
  packet.comments = comments;
  return writer_.Write(packet);
}

absl::Status CaptureOutput::Close() {
  Flush(/*all=*/true);
  if (!status_.ok()) return status_;
  return writer_.Close();
}

}  // namespace tapedeck
