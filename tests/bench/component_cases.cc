#include <array>
#include <cstring>
#include <vector>

#include "replay/trace/recorder.h"
#include "stack/base/check.h"
#include "stack/base/checksum.h"
#include "stack/kernel/event_queue.h"
#include "stack/kernel/world.h"
#include "tests/bench/cases.h"
#include "tests/bench/traffic.h"

namespace tapedeck::bench {

namespace {

constexpr uint64_t kTurns = 10'000;

// Keeps the compiler from leaving out what computes `value`.
template <typename T>
void Keep(const T& value) {
  asm volatile("" ::"r"(&value) : "memory");
}

// The sum of the payload of a full TCP segment, and the same while copying it.
uint64_t SumSegment(bool copy) {
  constexpr size_t kSegmentBytes = 1460;
  static const std::vector<uint8_t> from(kSegmentBytes, 0x5a);
  static std::vector<uint8_t> to(kSegmentBytes);
  for (uint64_t i = 0; i < kTurns; ++i) {
    Keep(from);
    Keep(copy ? csum_and_copy(to.data(), from.data(), kSegmentBytes) : csum_partial(from, 0));
  }
  return kTurns;
}

// What a received frame adds to digest and ledger: the event of the wire, with its bytes, and that
// of its delivery.
class TraceFrame : public Case {
 public:
  explicit TraceFrame(size_t frame_bytes) : frame_(UdpFrame(frame_bytes, kSinkPort)) {}

  uint64_t Run() override {
    for (uint64_t i = 0; i < kTurns; ++i) {
      ++frame_id_;
      recorder_.Emit({.time = {},
                      .kind = TraceKind::kWireRx,
                      .args = {frame_id_, frame_.size()},
                      .bytes = frame_});
      recorder_.Emit({.time = {}, .kind = TraceKind::kDeliver, .args = {frame_id_, frame_.size()}});
    }
    CHECK_EQ(recorder_.ledger().queued(), 0U);
    return kTurns;
  }

 private:
  std::vector<uint8_t> frame_;
  Recorder recorder_;
  uint64_t frame_id_ = 0;
};

// A queue of `kPending` events; the first runs and queues itself again behind the last.
class EventTurns : public Case {
 public:
  EventTurns() {
    for (uint64_t i = 0; i < kPending; ++i) {
      auto* const event = arena_.New<Turn>(EventKind::kTimer, uint16_t{1}, &Turn::OnTime);
      event->queue = &world_.cpu_events();
      event->queue->Schedule(event, SimTime::At(Duration::Nanoseconds(i * 37 % kPending)));
    }
  }

  uint64_t Run() override {
    for (uint64_t i = 0; i < kTurns; ++i) world_.cpu_events().RunNext();
    CHECK_EQ(world_.cpu_events().size(), kPending);
    return kTurns;
  }

 private:
  static constexpr uint64_t kPending = 64;
  struct Turn : Event {
    using Event::Event;
    static void OnTime(Event* event, SimTime now) {
      static_cast<Turn*>(event)->queue->Schedule(event, now + Duration::Nanoseconds(kPending));
    }
    EventQueue* queue = nullptr;
  };
  Arena arena_;
  World& world_ = *arena_.New<World>(arena_, 1U, nullptr);
};

// Objects of 256 B (an sk_buff's size) and packet buffers of 2 KiB, 64 in use.
class SlabTurns : public Case {
 public:
  SlabTurns() {
    for (void*& object : objects_) object = cache_.Alloc();
  }

  uint64_t Run() override {
    for (uint64_t i = 0; i < kTurns; ++i) {
      void*& object = objects_[i % objects_.size()];
      cache_.Free(object);
      object = cache_.Alloc();
    }
    return kTurns;
  }

 private:
  Arena arena_;
  KmemCache& cache_ = *arena_.New<KmemCache>(arena_, "objects", size_t{256});
  std::array<void*, 64> objects_ = {};
};

class PacketPoolTurns : public Case {
 public:
  PacketPoolTurns() {
    for (PacketBuffer& buffer : buffers_) buffer = world_.packets().Alloc(kBytes);
  }

  uint64_t Run() override {
    for (uint64_t i = 0; i < kTurns; ++i) {
      PacketBuffer& buffer = buffers_[i % buffers_.size()];
      world_.packets().Free(buffer);
      buffer = world_.packets().Alloc(kBytes);
    }
    return kTurns;
  }

 private:
  static constexpr uint32_t kBytes = 2048;
  Arena arena_;
  World& world_ = *arena_.New<World>(arena_, 1U, nullptr);
  std::array<PacketBuffer, 64> buffers_ = {};
};

// The least that a reset can cost: 16 pages spread over 1 MiB are dirtied and copied back from a
// list kept by hand.
class RestorePages : public Case {
 public:
  uint64_t Run() override {
    constexpr uint64_t kResets = 1000;
    for (uint64_t i = 0; i < kResets; ++i) {
      for (size_t page = 0; page < kDirtyPages; ++page) state_[page * kSpacing] = 1;
      asm volatile("" ::"r"(state_.data()) : "memory");
      for (size_t page = 0; page < kDirtyPages; ++page) {
        std::memcpy(&state_[page * kSpacing], &saved_[page * kSpacing], kPageBytes);
      }
      asm volatile("" ::"r"(state_.data()) : "memory");
    }
    CHECK_EQ(state_[0], 0);
    return kResets;
  }

 private:
  static constexpr size_t kPageBytes = 4096;
  static constexpr size_t kDirtyPages = 16;
  static constexpr size_t kStateBytes = size_t{1} << 20;
  static constexpr size_t kSpacing = kStateBytes / kDirtyPages;
  std::vector<uint8_t> state_ = std::vector<uint8_t>(kStateBytes);
  std::vector<uint8_t> saved_ = std::vector<uint8_t>(kStateBytes);
};

}  // namespace

void AddComponentCases(Suite& suite) {
  suite.AddFunction("component/csum_partial_1460", "segments", [] { return SumSegment(false); });
  suite.AddFunction("component/csum_and_copy_1460", "segments", [] { return SumSegment(true); });
  suite.Add("component/trace_frame_64", "frames",
            [] { return std::make_unique<TraceFrame>(kSmallFrameBytes); });
  suite.Add("component/trace_frame_1514", "frames",
            [] { return std::make_unique<TraceFrame>(kLargeFrameBytes); });
  suite.Add("component/event_queue", "events", [] { return std::make_unique<EventTurns>(); });
  suite.Add("component/slab", "objects", [] { return std::make_unique<SlabTurns>(); });
  suite.Add("limit/restore_16_pages", "resets", [] { return std::make_unique<RestorePages>(); });
  suite.Add("component/packet_pool", "buffers", [] { return std::make_unique<PacketPoolTurns>(); });
}

}  // namespace tapedeck::bench
