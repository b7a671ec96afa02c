#include "replay/lab/cable.h"

#include <cstring>

#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"

namespace tapedeck {

void Cable::Transmit(SimTime first_bit, SimTime, const nic::WireFrame& frame) {
  to_.WireRx(first_bit + delay_, frame);
}

CapturePort::CapturePort(World& world, nic::Nic82599& nic)
    : world_(world),
      nic_(nic),
      replies_(world.arena(), "arp-reply"),
      event_source_(world.NewEventSource()) {}

uint32_t CapturePort::Inject(SimTime first_bit, std::span<const uint8_t> bytes, bool stable,
                             uint8_t flags) {
  nic::WireFrame frame;
  frame.flags = static_cast<uint8_t>(flags | nic::kWirePad);
  frame.frame_id = world_.NewFrameId();
  if (stable) {
    frame.bytes = bytes;
  } else {
    frame.buffer = world_.packets().Alloc(static_cast<uint32_t>(bytes.size()));
    CHECK(frame.buffer.data != nullptr);
    if (!bytes.empty()) std::memcpy(frame.buffer.data, bytes.data(), bytes.size());
    frame.bytes = {frame.buffer.data, bytes.size()};
  }
  nic_.WireRx(first_bit, frame);
  return frame.frame_id;
}

void CapturePort::Transmit(SimTime, SimTime last_bit, const nic::WireFrame& frame) {
  ++frames_out_;
  if (neighbours_ != nullptr) MaybeAnswerArp(last_bit + arp_delay_, frame.bytes);
  if (frame.buffer.data != nullptr) world_.packets().Free(frame.buffer);
}

void CapturePort::MaybeAnswerArp(SimTime at, std::span<const uint8_t> frame) {
  const auto ethernet = wire::ParseEthernet(frame);
  if (!ethernet || ethernet->proto != wire::kEtherTypeArp || !ethernet->tags.empty()) return;
  const auto request = wire::ParseArp(ethernet->payload);
  if (!request || (*request)->ar_op != wire::kArpRequest) return;
  MacAddress mac;
  if (!neighbours_->Find((*request)->ar_tip, &mac)) return;
  Reply* const reply = replies_.New(EventKind::kWire, event_source_, &CapturePort::OnReply);
  CHECK(reply != nullptr);
  reply->port = this;
  wire::EthernetHeader header{ethernet->header->source, mac, wire::kEtherTypeArp};
  wire::ArpPacket answer = **request;
  answer.ar_op = wire::kArpReply;
  answer.ar_tha = (*request)->ar_sha;
  answer.ar_tip = (*request)->ar_sip;
  answer.ar_sha = mac;
  answer.ar_sip = (*request)->ar_tip;
  static_assert(sizeof(header) + sizeof(answer) == sizeof(reply->bytes));
  std::memcpy(reply->bytes, &header, sizeof(header));
  std::memcpy(reply->bytes + sizeof(header), &answer, sizeof(answer));
  world_.device_events().Schedule(reply, at);
}

void CapturePort::OnReply(Event* event, SimTime now) {
  auto* const reply = static_cast<Reply*>(event);
  CapturePort* const port = reply->port;
  port->Inject(now, reply->bytes, /*stable=*/false, kWireFlagAnswer);
  port->replies_.Delete(reply);
}

}  // namespace tapedeck
