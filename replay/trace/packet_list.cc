#include "replay/trace/packet_list.h"

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/trace/event_text.h"
#include "stack/base/drop_reason.h"

namespace tapedeck {

void PacketList::Observe(uint64_t, const TraceEvent& event, const FrameLedger&) {
  const auto id = static_cast<uint32_t>(event.args[0]);
  switch (event.kind) {
    case TraceKind::kWireRx:
    case TraceKind::kWireTx: {
      Packet packet;
      const auto named = frame_of_.find(id);
      if (named != frame_of_.end()) {
        packet.frame = named->second;
        frame_of_.erase(named);
      }
      packet.id = id;
      packet.host = event.host;
      packet.time = event.time;
      packet.text = EventText(event);
      if (event.kind == TraceKind::kWireRx) {
        packet.fate = "queued";
        waiting_[{event.host, id}] = packets_.size();
      }
      packets_.push_back(std::move(packet));
      return;
    }
    case TraceKind::kDeliver:
    case TraceKind::kForward:
    case TraceKind::kDrop:
    case TraceKind::kNicDrop: {
      const auto waiting = waiting_.find({event.host, id});
      if (waiting == waiting_.end()) return;
      const bool delivered = event.kind == TraceKind::kDeliver;
      packets_[waiting->second].fate =
          delivered ? "delivered"
          : event.kind == TraceKind::kForward
              ? "forwarded"
              : absl::StrCat("dropped: ", DropReasonName(static_cast<DropReason>(event.args[1])));
      // A copy may be dropped first and another delivered, but not the other way round.
      if (delivered) waiting_.erase(waiting);
      return;
    }
    default:
      return;
  }
}

std::string PacketList::ToText() const {
  std::string text = absl::StrFormat("%8s %8s %16s  %4s  %-22s %s\n", "frame", "id", "seconds",
                                     "host", "fate", "packet");
  for (const Packet& packet : packets_) {
    const std::string frame = packet.frame == 0 ? "-" : absl::StrCat(packet.frame);
    absl::StrAppendFormat(&text, "%8s %8d %s  %4d  %-22s %s\n", frame, packet.id,
                          TimeText(packet.time), packet.host, packet.fate, packet.text);
  }
  return text;
}

std::string PacketList::ToJson() const {
  std::string text = "[";
  for (const Packet& packet : packets_) {
    nlohmann::json json = {{"host", packet.host},
                           {"id", packet.id},
                           {"text", packet.text},
                           {"time_ps", packet.time.ps}};
    if (packet.frame != 0) json["frame"] = packet.frame;
    if (!packet.fate.empty()) json["fate"] = packet.fate;
    absl::StrAppend(&text, text.size() == 1 ? "\n" : ",\n", json.dump());
  }
  return text + "\n]";
}

}  // namespace tapedeck
