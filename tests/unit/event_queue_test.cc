// The event queue's total order: (time, kind, source, order of scheduling).
#include "stack/kernel/event_queue.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <tuple>
#include <vector>

#include "stack/base/prng.h"

namespace tapedeck {
namespace {

// An event that says in `log` that it ran.
struct Logged : Event {
  Logged(EventKind kind_in, uint16_t source_in, int id_in, std::vector<int>* log_in)
      : Event(kind_in, source_in, &Logged::Run), id(id_in), log(log_in) {}
  static void Run(Event* event, SimTime now) {
    auto* const self = static_cast<Logged*>(event);
    self->log->push_back(self->id);
    self->ran_at = now;
  }
  int id;
  std::vector<int>* log;
  SimTime ran_at;
};

class EventQueueTest : public testing::Test {
 protected:
  Arena arena_;
  Kmalloc& kmalloc_ = *arena_.New<Kmalloc>(arena_);
  EventQueue& queue_ = *arena_.New<EventQueue>(kmalloc_);
  std::vector<int> log_;
};

// The model: what is scheduled, in the order in which it was (re)scheduled last. What comes first
// is the first of the least by time, kind and source.
struct Pending {
  SimTime time;
  int id;
};

TEST_F(EventQueueTest, AgreesWithAModel) {
  constexpr int kEvents = 300;
  std::deque<Logged> events;
  Prng prng(3, 0);
  for (int id = 0; id < kEvents; ++id) {
    events.emplace_back(static_cast<EventKind>(prng.Below(5)), static_cast<uint16_t>(prng.Below(4)),
                        id, &log_);
  }
  std::vector<Pending> model;
  const auto forget = [&](int id) {
    std::erase_if(model, [id](const Pending& pending) { return pending.id == id; });
  };
  const auto before = [&](const Pending& a, const Pending& b) {
    const Logged& x = events[static_cast<size_t>(a.id)];
    const Logged& y = events[static_cast<size_t>(b.id)];
    return std::tuple(a.time, x.kind, x.source) < std::tuple(b.time, y.kind, y.source);
  };
  for (int step = 0; step < 20'000; ++step) {
    const int id = static_cast<int>(prng.Below(kEvents));
    Logged& event = events[static_cast<size_t>(id)];
    switch (prng.Below(8)) {
      case 0:
        queue_.Cancel(&event);
        forget(id);
        break;
      case 1:
        queue_.Schedule(&event, SimTime::Never());
        forget(id);
        break;
      case 2:
      case 3: {
        if (model.empty()) break;
        const Pending first = *std::min_element(model.begin(), model.end(), before);
        ASSERT_EQ(queue_.next_time(), first.time);
        ASSERT_EQ(queue_.next_kind(), events[static_cast<size_t>(first.id)].kind);
        queue_.RunNext();
        ASSERT_EQ(log_.back(), first.id);
        ASSERT_EQ(events[static_cast<size_t>(first.id)].ran_at, first.time);
        forget(first.id);
        break;
      }
      default: {
        // Few different times, so that ties are common.
        const SimTime time = {prng.Below(50)};
        queue_.Schedule(&event, time);
        forget(id);
        model.push_back({time, id});
        ASSERT_EQ(queue_.TimeOf(&event), time);
      }
    }
    ASSERT_EQ(queue_.size(), model.size());
    ASSERT_EQ(event.queued(), std::any_of(model.begin(), model.end(), [id](const Pending& pending) {
                return pending.id == id;
              }));
  }
  for (Logged& event : events) queue_.Cancel(&event);
  EXPECT_TRUE(queue_.empty());
  EXPECT_EQ(queue_.next_time(), SimTime::Never());
}

// A wire before a device before an interrupt before a timer before the script.
TEST_F(EventQueueTest, KindsBreakTiesInTheirOrder) {
  std::deque<Logged> events;
  for (const EventKind kind : {EventKind::kScript, EventKind::kTimer, EventKind::kInterrupt,
                               EventKind::kDevice, EventKind::kWire}) {
    events.emplace_back(kind, uint16_t{0}, static_cast<int>(kind), &log_);
    queue_.Schedule(&events.back(), SimTime{5});
  }
  while (!queue_.empty()) queue_.RunNext();
  EXPECT_EQ(log_, (std::vector<int>{0, 1, 2, 3, 4}));
}

TEST_F(EventQueueTest, SourcesThenSequenceBreakTheRest) {
  Logged a(EventKind::kTimer, 4095, 0, &log_);
  Logged b(EventKind::kTimer, 1, 1, &log_);
  Logged c(EventKind::kTimer, 1, 2, &log_);
  Logged d(EventKind::kTimer, 0, 3, &log_);
  for (Logged* event : {&a, &b, &c, &d}) queue_.Schedule(event, SimTime{5});
  queue_.Schedule(&b, SimTime{5});  // moved to where it was: behind its equals
  while (!queue_.empty()) queue_.RunNext();
  EXPECT_EQ(log_, (std::vector<int>{3, 2, 1, 0}));
}

// An event may schedule itself and others, and cancel others, while it runs.
TEST_F(EventQueueTest, EventsMayChangeTheQueueWhileTheyRun) {
  struct Chain : Event {
    explicit Chain(EventQueue* queue_in)
        : Event(EventKind::kTimer, 0, &Chain::Run), queue(queue_in) {}
    static void Run(Event* event, SimTime now) {
      auto* const self = static_cast<Chain*>(event);
      EXPECT_FALSE(self->queued());
      self->queue->Cancel(self->victim);
      if (++self->runs < 5) self->queue->Schedule(self, now);
    }
    EventQueue* queue;
    Event* victim = nullptr;
    int runs = 0;
  };
  Chain chain(&queue_);
  Logged victim(EventKind::kTimer, 1, 1, &log_);
  chain.victim = &victim;
  queue_.Schedule(&chain, SimTime{1});
  queue_.Schedule(&victim, SimTime{1});
  while (!queue_.empty()) queue_.RunNext();
  EXPECT_EQ(chain.runs, 5);
  EXPECT_TRUE(log_.empty());
}

TEST_F(EventQueueTest, GrowsAndGivesItsOldMemoryBack) {
  constexpr int kEvents = 10'000;
  std::deque<Logged> events;
  for (int id = 0; id < kEvents; ++id) {
    events.emplace_back(EventKind::kTimer, uint16_t{0}, id, &log_);
    queue_.Schedule(&events.back(), SimTime{static_cast<uint64_t>(kEvents - id)});
  }
  EXPECT_EQ(kmalloc_.live_objects(), 1U);
  while (!queue_.empty()) queue_.RunNext();
  ASSERT_EQ(log_.size(), size_t{kEvents});
  EXPECT_TRUE(std::is_sorted(log_.rbegin(), log_.rend()));
}

TEST_F(EventQueueTest, AQueuedEventMayNotDie) {
  EXPECT_DEATH(
      {
        Logged event(EventKind::kTimer, 0, 1, &log_);
        queue_.Schedule(&event, SimTime{1});
      },
      "CHECK failed: !queued()");
}

}  // namespace
}  // namespace tapedeck
