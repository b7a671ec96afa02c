#include "replay/lab/link.h"

#include <algorithm>
#include <cstring>
#include <optional>

#include "stack/base/byteorder.h"
#include "stack/base/drop_reason.h"
#include "stack/base/trace_event.h"

namespace tapedeck {
namespace {

constexpr uint32_t kMillion = 1'000'000;
constexpr size_t kEthernetHeaderBytes = 14;
// What a frame costs on a wire beside its bytes: preamble, FCS and gap (IEEE 802.3 4.4.2).
constexpr uint64_t kOverheadBytes = 24;
// No network keeps a packet for longer (MSL, RFC 9293 3.4.2).
constexpr Duration kHeldUpMax = Duration::Seconds(120);

}  // namespace

bool LinkOptions::IsPlain() const {
  return rate_bits_per_second == 0 && loss_ppm == 0 && loss_pattern == 0 && duplicate_ppm == 0 &&
         reorder_ppm == 0 && corrupt_ppm == 0 && !plantable;
}

Link::Link(World& world, nic::Nic82599& to, const LinkOptions& options)
    : world_(world),
      to_(to),
      options_(options),
      in_flight_(world.arena(), "link"),
      prng_(world.NewPrng()),
      event_source_(world.NewEventSource()) {}

bool Link::Draw(uint32_t share_ppm) { return share_ppm != 0 && prng_.Below(kMillion) < share_ppm; }

bool Link::Lose() {
  const bool by_pattern = (options_.loss_pattern >> counts_.frames % 64 & 1) != 0;
  return Draw(options_.loss_ppm) || by_pattern;
}

void Link::Drop(SimTime at, const nic::WireFrame& frame) {
  world_.Trace({.time = at,
                .kind = TraceKind::kNicDrop,
                .args = {frame.frame_id, static_cast<uint64_t>(SKB_DROP_REASON_WIRE_LOSS),
                         frame.bytes.size(), 0}});
  if (frame.buffer.data != nullptr) world_.packets().Free(frame.buffer);
}

nic::WireFrame Link::Copy(const nic::WireFrame& frame) {
  nic::WireFrame copy = frame;
  copy.buffer = world_.packets().Alloc(static_cast<uint32_t>(frame.bytes.size()));
  CHECK(copy.buffer.data != nullptr);
  std::memcpy(copy.buffer.data, frame.bytes.data(), frame.bytes.size());
  copy.bytes = {copy.buffer.data, frame.bytes.size()};
  return copy;
}

void Link::MakeOwn(nic::WireFrame* frame) {
  const nic::WireFrame copy = Copy(*frame);
  if (frame->buffer.data != nullptr) world_.packets().Free(frame->buffer);
  *frame = copy;
}

void Link::Corrupt(nic::WireFrame* frame) {
  if (frame->bytes.size() <= kEthernetHeaderBytes) return;
  MakeOwn(frame);
  const size_t bits = 8 * (frame->bytes.size() - kEthernetHeaderBytes);
  const size_t bit = 8 * kEthernetHeaderBytes + prng_.Below(static_cast<uint32_t>(bits));
  frame->buffer.data[bit / 8] ^= static_cast<uint8_t>(1U << bit % 8);
  ++counts_.corrupted;
}

// A word beyond the frame is one of it, counted on from its front.
void Link::Change(nic::WireFrame* frame, const nic::Fault& fault) {
  const size_t words = frame->bytes.size() / sizeof(uint32_t);
  if (words == 0) return;
  MakeOwn(frame);
  uint8_t* const word = frame->buffer.data + fault.word % words * sizeof(uint32_t);
  StoreBe32(word, LoadBe32(word) ^ fault.flip);
  ++counts_.corrupted;
}

void Link::SendTwin(SimTime at, const nic::WireFrame& frame) {
  nic::WireFrame twin = Copy(frame);
  twin.frame_id = world_.NewFrameId();
  ++counts_.duplicated;
  Send(at, twin);
}

void Link::Transmit(SimTime first_bit, SimTime last_bit, const nic::WireFrame& frame) {
  const std::optional<nic::Fault> fault = faults_.Happens(nic::FaultPoint::kWire);
  const bool lost = Lose() || (fault.has_value() && fault->kind == nic::FaultKind::kLose);
  ++counts_.frames;
  if (lost) {
    ++counts_.lost;
    Drop(first_bit, frame);
    return;
  }
  nic::WireFrame sent = frame;
  SimTime at = last_bit;
  if (Draw(options_.corrupt_ppm)) Corrupt(&sent);
  if (Draw(options_.duplicate_ppm)) SendTwin(at, sent);
  if (fault.has_value()) {
    if (fault->kind == nic::FaultKind::kChange) Change(&sent, *fault);
    const Duration delay = std::min(fault->delay, kHeldUpMax);
    if (fault->kind == nic::FaultKind::kRepeat) SendTwin(at + delay, sent);
    if (fault->kind == nic::FaultKind::kDelay) at = at + delay;
  }
  Send(at, sent);
}

void Link::Send(SimTime at, const nic::WireFrame& frame) {
  SimTime due = at;
  if (options_.rate_bits_per_second != 0) {
    if (waiting_ >= options_.queue_frames) {
      ++counts_.overflowed;
      Drop(at, frame);
      return;
    }
    const uint64_t bits = 8 * (frame.bytes.size() + kOverheadBytes);
    constexpr uint64_t kPsPerSecond = 1'000'000'000'000;
    const auto on_wire = Duration::Picoseconds(bits * kPsPerSecond / options_.rate_bits_per_second);
    free_at_ = Later(free_at_, at) + on_wire;
    due = free_at_;
  }
  InFlight* const event = in_flight_.New(EventKind::kWire, event_source_, &Link::OnDue);
  CHECK(event != nullptr);
  event->link = this;
  event->frame = frame;
  event->after_bottleneck = options_.delay;
  if (Draw(options_.reorder_ppm)) {
    event->after_bottleneck = event->after_bottleneck + options_.reorder_delay;
    ++counts_.reordered;
  }
  if (options_.rate_bits_per_second != 0) {
    event->queued_here = true;
    ++waiting_;
  } else {
    due = due + event->after_bottleneck;
  }
  world_.device_events().Schedule(event, due);
}

void Link::OnDue(Event* event, SimTime now) {
  auto* const frame = static_cast<InFlight*>(event);
  Link* const link = frame->link;
  if (frame->queued_here) {
    frame->queued_here = false;
    --link->waiting_;
    link->world_.device_events().Schedule(frame, now + frame->after_bottleneck);
    return;
  }
  link->to_.WireRx(now, frame->frame);
  link->in_flight_.Delete(frame);
}

}  // namespace tapedeck
