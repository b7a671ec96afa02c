#include "replay/lab/cable.h"

#include <cstring>

#include "stack/wire/arp.h"
#include "stack/wire/ethernet.h"
#include "stack/wire/frame_builder.h"
#include "stack/wire/icmpv6.h"
#include "stack/wire/ip_protocol.h"
#include "stack/wire/ipv6.h"
#include "stack/wire/ndisc.h"

namespace tapedeck {

void Cable::Transmit(SimTime first_bit, SimTime, const nic::WireFrame& frame) {
  to_.WireRx(first_bit + delay_, frame);
}

nic::WireFrame MakeWireFrame(World& world, uint32_t frame_id, std::span<const uint8_t> bytes,
                             bool stable, uint8_t flags) {
  if (stable) return StableWireFrame(frame_id, bytes, flags);
  const PacketBuffer buffer = world.packets().Alloc(static_cast<uint32_t>(bytes.size()));
  CHECK(buffer.data != nullptr);
  if (!bytes.empty()) std::memcpy(buffer.data, bytes.data(), bytes.size());
  nic::WireFrame frame = StableWireFrame(frame_id, {buffer.data, bytes.size()}, flags);
  frame.buffer = buffer;
  return frame;
}

CapturePort::CapturePort(World& world, nic::Nic82599& nic, const FrameEdits* edits)
    : world_(world),
      nic_(nic),
      edits_(edits),
      replies_(world.arena(), "arp-reply"),
      delayed_(world.arena(), "delayed-frame"),
      event_source_(world.NewEventSource()) {}

uint32_t CapturePort::InjectAnyhow(SimTime first_bit, std::span<const uint8_t> bytes, bool stable,
                                   uint8_t flags) {
  const uint32_t frame_id = world_.NewFrameId();
  if (const FrameEdit* const edit = FindEdit(edits_, frame_id)) {
    InjectEdited(*edit, frame_id, first_bit, bytes, stable, flags);
  } else {
    nic_.WireRx(first_bit, MakeWireFrame(world_, frame_id, bytes, stable, flags));
  }
  return frame_id;
}

void CapturePort::InjectEdited(const FrameEdit& edit, uint32_t frame_id, SimTime first_bit,
                               std::span<const uint8_t> bytes, bool stable, uint8_t flags) {
  if (edit.kind == FrameEdit::Kind::kDrop) return;
  const nic::WireFrame frame = MakeWireFrame(world_, frame_id, bytes, stable, flags);
  if (edit.kind == FrameEdit::Kind::kDelay) {
    auto* const delayed = delayed_.New(EventKind::kWire, event_source_, &CapturePort::OnDelayed);
    CHECK(delayed != nullptr);
    delayed->port = this;
    delayed->frame = frame;
    world_.device_events().Schedule(delayed, first_bit + edit.delay);
    return;
  }
  nic_.WireRx(first_bit, frame);  // twice
  nic_.WireRx(first_bit, MakeWireFrame(world_, world_.NewFrameId(), bytes, stable, flags));
}

void CapturePort::OnDelayed(Event* event, SimTime now) {
  auto* const delayed = static_cast<Delayed*>(event);
  CapturePort& port = *delayed->port;
  port.nic_.WireRx(now, delayed->frame);
  port.delayed_.Delete(delayed);
}

void CapturePort::Transmit(SimTime first_bit, SimTime last_bit, const nic::WireFrame& frame) {
  ++frames_out_;
  const FrameEdit* const edit = FindEdit(edits_, frame.frame_id);
  const bool lost = edit != nullptr && edit->kind == FrameEdit::Kind::kDrop;
  const Duration late = edit == nullptr ? Duration() : edit->delay;
  if (listener_ != nullptr && !lost) listener_->OnFrame(host_, first_bit, frame.bytes);
  if (neighbours_ != nullptr && !lost) MaybeAnswer(last_bit + arp_delay_ + late, frame.bytes);
  if (frame.buffer.data != nullptr) world_.packets().Free(frame.buffer);
}

void CapturePort::MaybeAnswer(SimTime at, std::span<const uint8_t> frame) {
  const auto ethernet = wire::ParseEthernet(frame);
  if (!ethernet || !ethernet->tags.empty()) return;
  if (ethernet->proto == wire::kEtherTypeArp) MaybeAnswerArp(at, *ethernet);
  if (ethernet->proto == wire::kEtherTypeIpv6) MaybeAnswerSolicitation(at, *ethernet);
}

void CapturePort::MaybeAnswerArp(SimTime at, const wire::EthernetView& ethernet) {
  const auto request = wire::ParseArp(ethernet.payload);
  if (!request || (*request)->ar_op != wire::kArpRequest) return;
  MacAddress mac;
  if (!neighbours_->Find((*request)->ar_tip, &mac)) return;
  wire::EthernetHeader header{ethernet.header->source, mac, wire::kEtherTypeArp};
  wire::ArpPacket answer = **request;
  answer.ar_op = wire::kArpReply;
  answer.ar_tha = (*request)->ar_sha;
  answer.ar_tip = (*request)->ar_sip;
  answer.ar_sha = mac;
  answer.ar_sip = (*request)->ar_tip;
  uint8_t bytes[sizeof(header) + sizeof(answer)];
  std::memcpy(bytes, &header, sizeof(header));
  std::memcpy(bytes + sizeof(header), &answer, sizeof(answer));
  SendReply(at, bytes);
}

// RFC 4861 7.2.4. A host that asks for its own address first (DAD, from ::) gets no answer: the
// capture shows the address because the host has it.
void CapturePort::MaybeAnswerSolicitation(SimTime at, const wire::EthernetView& ethernet) {
  const auto ip = wire::ParseIpv6(ethernet.payload);
  if (!ip || ip->header->nexthdr != wire::kIpProtoIcmpv6 ||
      ip->payload.size() < sizeof(wire::NdMessage) || ip->header->saddr == kIpv6Any) {
    return;
  }
  const auto& asked = *reinterpret_cast<const wire::NdMessage*>(ip->payload.data());
  MacAddress mac;
  if (asked.header.type != wire::kIcmpv6NeighbourSolicitation ||
      !neighbours_->Find(asked.target, &mac)) {
    return;
  }
  wire::Ipv6Header header;
  header.hop_limit = 255;
  header.saddr = asked.target;
  header.daddr = ip->header->saddr;
  wire::Icmpv6Header advertisement;
  advertisement.type = wire::kIcmpv6NeighbourAdvertisement;
  advertisement.rest = {0x60};  // solicited, override
  uint8_t body[sizeof(Ipv6Address) + sizeof(wire::NdOption) + sizeof(MacAddress)];
  const wire::NdOption option{.type = wire::kNdOptTargetLinkAddress, .length = 1};
  std::memcpy(body, &asked.target, sizeof(asked.target));
  std::memcpy(body + sizeof(asked.target), &option, sizeof(option));
  std::memcpy(body + sizeof(asked.target) + sizeof(option), &mac, sizeof(mac));
  uint8_t bytes[sizeof(Reply::bytes)];
  SendReply(at, wire::FrameBuilder(bytes)
                    .Ethernet(ethernet.header->source, mac)
                    .Ipv6(header)
                    .Icmpv6(advertisement)
                    .Payload(body)
                    .Build());
}

void CapturePort::SendReply(SimTime at, std::span<const uint8_t> bytes) {
  Reply* const reply = replies_.New(EventKind::kWire, event_source_, &CapturePort::OnReply);
  CHECK(reply != nullptr);
  CHECK_LE(bytes.size(), sizeof(reply->bytes));
  reply->port = this;
  reply->size = bytes.size();
  std::memcpy(reply->bytes, bytes.data(), bytes.size());
  world_.device_events().Schedule(reply, at);
}

void CapturePort::OnReply(Event* event, SimTime now) {
  auto* const reply = static_cast<Reply*>(event);
  CapturePort* const port = reply->port;
  port->Inject(now, {reply->bytes, reply->size}, /*stable=*/false, kWireFlagAnswer);
  port->replies_.Delete(reply);
}

}  // namespace tapedeck
