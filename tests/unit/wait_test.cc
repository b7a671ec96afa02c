// Threads, wait queues and coroutines: what wakes whom, what ends a wait, and that all of it is
// state of the arena.
#include "stack/kernel/wait.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "test_host.h"

namespace tapedeck {
namespace {

// A toy file: bytes arrive, readers take them. It lives in the arena, as sockets do.
struct Pipe {
  WaitQueue readers;
  int bytes = 0;
  void Write(int n) {
    bytes += n;
    readers.WakeUp(/*events=*/1);
  }
};

// read(2) on it.
struct ReadOp {
  Pipe& pipe;
  int want = 1;
  SimTime until = SimTime::Never();
  bool alone = false;  // sleeps exclusively
  int result = 0;
  int tries = 0;

  bool Try() {
    ++tries;
    if (pipe.bytes == 0) return false;
    result = pipe.bytes < want ? pipe.bytes : want;
    pipe.bytes -= result;
    return true;
  }
  WaitQueue& queue() { return pipe.readers; }
  uint32_t events() const { return 1; }
  SimTime deadline() const { return until; }
  bool exclusive() const { return alone; }
  void GiveUp(WakeReason reason) { result = reason == WakeReason::kTimeout ? -11 : -4; }
};

// What the threads of a test say, in the arena too: a snapshot brings it back.
struct Log {
  int entries[64] = {};
  uint64_t times_ns[64] = {};
  int count = 0;
  void Add(Thread& thread, int entry) {
    entries[count] = entry;
    times_ns[count++] = thread.kernel().now().ns();
  }
  std::vector<int> Entries() const { return {entries, entries + count}; }
  std::vector<uint64_t> TimesNs() const { return {times_ns, times_ns + count}; }
};

class WaitTest : public testing::Test {
 protected:
  void Run() { EXPECT_TRUE(host_.world.RunUntilIdle(SimTime::Never())); }
  void RunTo(SimTime time) { host_.world.RunUntil(time); }

  TestHost host_{/*cpus=*/1, /*hz=*/1000};
  Kernel& kernel_ = host_.kernel;
  Pipe& pipe_ = *host_.arena.New<Pipe>();
  Log& log_ = *host_.arena.New<Log>();
  const uint64_t frames_before_ = host_.kernel.kmalloc().live_objects();
};

// After every test: no frame and no thread is left.
#define EXPECT_NOTHING_LEFT()                                  \
  EXPECT_EQ(kernel_.live_threads(), 0U);                       \
  EXPECT_EQ(kernel_.kmalloc().live_objects(), frames_before_); \
  EXPECT_TRUE(pipe_.readers.empty())

Task<> ReadOnce(Thread& thread, Pipe& pipe, Log& log) {
  ReadOp read{pipe};
  co_await Block(thread, read);
  log.Add(thread, read.result);
}

TEST_F(WaitTest, ACallThatNeedNotWaitDoesNot) {
  pipe_.bytes = 5;
  kernel_.Spawn(0, [this](Thread& thread) -> Task<> {
    ReadOp read{pipe_, 3};
    co_await Block(thread, read);
    log_.Add(thread, read.result);
    EXPECT_EQ(read.tries, 1);
    EXPECT_FALSE(thread.sleeping());
  });
  EXPECT_EQ(kernel_.live_threads(), 1U);
  Run();
  EXPECT_EQ(log_.Entries(), std::vector<int>{3});
  EXPECT_NOTHING_LEFT();
}

TEST_F(WaitTest, SleepsUntilThereIsSomething) {
  kernel_.Spawn(0, [this](Thread& thread) { return ReadOnce(thread, pipe_, log_); });
  RunTo(AtNs(100));
  EXPECT_FALSE(pipe_.readers.empty());
  pipe_.readers.WakeUp(/*events=*/2);  // not what it listens to
  RunTo(AtNs(200));
  EXPECT_EQ(log_.count, 0);
  pipe_.readers.WakeUp(/*events=*/1);  // nothing there: it tries and sleeps again
  RunTo(AtNs(300));
  EXPECT_EQ(log_.count, 0);
  EXPECT_FALSE(pipe_.readers.empty());
  pipe_.Write(1);
  Run();
  EXPECT_EQ(log_.Entries(), std::vector<int>{1});
  EXPECT_EQ(log_.TimesNs(), std::vector<uint64_t>{300});
  EXPECT_NOTHING_LEFT();
}

// The deadline counts from the call, however often the thread was woken for nothing.
TEST_F(WaitTest, ADeadlineEndsTheWait) {
  kernel_.Spawn(0, [this](Thread& thread) -> Task<> {
    ReadOp read{pipe_, 1, AtNs(250)};
    co_await Block(thread, read);
    log_.Add(thread, read.result);
    co_await Block(thread, read);  // has passed: at once
    log_.Add(thread, read.result);
  });
  RunTo(AtNs(100));
  pipe_.readers.WakeUp();
  RunTo(AtNs(200));
  pipe_.readers.WakeUp();
  Run();
  EXPECT_EQ(log_.Entries(), (std::vector<int>{-11, -11}));
  EXPECT_EQ(log_.TimesNs(), (std::vector<uint64_t>{250, 250}));
  EXPECT_NOTHING_LEFT();
}

TEST_F(WaitTest, ASignalEndsTheWait) {
  Thread* const thread = kernel_.Spawn(0, [this](Thread& t) { return ReadOnce(t, pipe_, log_); });
  RunTo(AtNs(100));
  thread->Interrupt();
  Run();
  EXPECT_EQ(log_.Entries(), std::vector<int>{-4});
  EXPECT_NOTHING_LEFT();
}

// Woken for nothing, and a signal before it runs: the signal counts. Woken for something: that
// counts.
TEST_F(WaitTest, ASignalIsNotLostOnAWokenThread) {
  for (const bool something : {false, true}) {
    Thread* const thread = kernel_.Spawn(0, [this](Thread& t) { return ReadOnce(t, pipe_, log_); });
    RunTo(host_.world.now() + Duration::Nanoseconds(100));
    if (something) {
      pipe_.Write(1);
    } else {
      pipe_.readers.WakeUp();
    }
    thread->Interrupt();
    Run();
  }
  EXPECT_EQ(log_.Entries(), (std::vector<int>{-4, 1}));
  EXPECT_NOTHING_LEFT();
}

// One wake-up: all who sleep together, newest first, and one who sleeps exclusively, oldest first.
TEST_F(WaitTest, ExclusiveSleepersAreWokenOneByOne) {
  for (int i = 0; i < 5; ++i) {
    kernel_.Spawn(0, [this, i](Thread& thread) -> Task<> {
      const bool alone = i % 2 == 0;  // 0, 2, 4
      ReadOp read{pipe_, 1, SimTime::Never(), alone};
      co_await Block(thread, read);
      log_.Add(thread, i);
    });
  }
  RunTo(AtNs(10));
  pipe_.Write(100);
  RunTo(AtNs(20));
  EXPECT_EQ(log_.Entries(), (std::vector<int>{3, 1, 0}));
  pipe_.readers.WakeUp(1, /*exclusive_max=*/1);
  RunTo(AtNs(30));
  EXPECT_EQ(log_.Entries(), (std::vector<int>{3, 1, 0, 2}));
  pipe_.readers.WakeUp(1, /*exclusive_max=*/0);  // all, as wake_up_all
  Run();
  EXPECT_EQ(log_.Entries(), (std::vector<int>{3, 1, 0, 2, 4}));
  EXPECT_NOTHING_LEFT();
}

Task<int> ReadSum(Thread& thread, Pipe& pipe, int depth) {
  if (depth == 0) {
    ReadOp read{pipe, 100};
    co_await Block(thread, read);
    co_return read.result;
  }
  const int a = co_await ReadSum(thread, pipe, depth - 1);
  const int b = co_await ReadSum(thread, pipe, depth - 1);
  co_return a + b;
}

TEST_F(WaitTest, TasksNest) {
  kernel_.Spawn(0, [this](Thread& thread) -> Task<> {
    const int sum = co_await ReadSum(thread, pipe_, 3);
    log_.Add(thread, sum);
  });
  for (int i = 1; i <= 8; ++i) {
    RunTo(host_.world.now() + Duration::Nanoseconds(10));
    EXPECT_EQ(log_.count, 0);
    pipe_.Write(i);
  }
  Run();
  EXPECT_EQ(log_.Entries(), std::vector<int>{36});
  EXPECT_NOTHING_LEFT();
}

struct Greeter {
  Log& log;
  int greeting;
  // A coroutine that is a member function.
  Task<> Greet(Thread& thread) {
    co_await SleepFor(thread, Duration::Nanoseconds(5));
    log.Add(thread, greeting);
  }
};

TEST_F(WaitTest, MemberFunctionsCanBeCoroutines) {
  Greeter& greeter = *host_.arena.New<Greeter>(log_, 42);
  kernel_.Spawn(0, [&greeter](Thread& thread) { return greeter.Greet(thread); });
  Run();
  EXPECT_EQ(log_.Entries(), std::vector<int>{42});
  EXPECT_NOTHING_LEFT();
}

// A lambda's captures belong to the lambda, which Spawn's caller no longer has.
TEST_F(WaitTest, CapturesLiveAsLongAsTheCoroutine) {
  for (int i = 0; i < 3; ++i) {
    struct Big {
      int numbers[20];
    } big{};
    for (int k = 0; k < 20; ++k) big.numbers[k] = 100 * i + k;
    kernel_.Spawn(0, [big, this](Thread& thread) -> Task<> {
      co_await SleepFor(thread, Duration::Nanoseconds(50));
      log_.Add(thread, big.numbers[19]);
    });
  }
  Run();
  EXPECT_EQ(log_.Entries(), (std::vector<int>{19, 119, 219}));
  EXPECT_NOTHING_LEFT();
}

TEST_F(WaitTest, SleepForSleepsExactlyAndSaysWhatEndedIt) {
  const auto body = [this](Thread& thread) -> Task<> {
    for (int i = 0; i < 3; ++i) {
      const bool slept = co_await SleepFor(thread, Duration::Nanoseconds(1001));
      log_.Add(thread, slept ? 1 : 0);
    }
  };
  Thread* const thread = kernel_.Spawn(0, body);
  RunTo(AtNs(1500));
  thread->Interrupt();
  Run();
  EXPECT_EQ(log_.Entries(), (std::vector<int>{1, 0, 1}));
  EXPECT_EQ(log_.TimesNs(), (std::vector<uint64_t>{1001, 1500, 2501}));
  EXPECT_NOTHING_LEFT();
}

// A thread can be ended wherever it sleeps, with all of its frames, or before it has run at all.
TEST_F(WaitTest, DeletingAThreadFreesItsFrames) {
  const auto body = [this](Thread& thread) -> Task<> {
    const int sum = co_await ReadSum(thread, pipe_, 5);
    log_.Add(thread, sum);
  };
  Thread* const blocked = kernel_.Spawn(0, body);
  RunTo(AtNs(10));
  EXPECT_GT(kernel_.kmalloc().live_objects(), frames_before_);
  kernel_.DeleteThread(blocked);
  kernel_.DeleteThread(kernel_.Spawn(0, body));
  pipe_.Write(1);
  Run();
  EXPECT_EQ(log_.count, 0);
  EXPECT_NOTHING_LEFT();
}

// The continuation of a blocked coroutine is state: from one snapshot it goes on twice in the same
// way, with its locals.
TEST_F(WaitTest, ASnapshotHoldsABlockedCoroutine) {
  kernel_.Spawn(0, [this](Thread& thread) -> Task<> {
    int total = 1000;
    for (int i = 0; i < 4; ++i) {
      ReadOp read{pipe_, 100, thread.kernel().now() + Duration::Nanoseconds(500)};
      co_await Block(thread, read);
      total += read.result;
      log_.Add(thread, total);
    }
    const int sum = co_await ReadSum(thread, pipe_, 1);
    log_.Add(thread, sum);
  });
  pipe_.Write(7);
  RunTo(AtNs(100));
  Snapshot snapshot;
  host_.arena.Take(&snapshot);
  const auto go_on = [&] {
    pipe_.Write(20);
    RunTo(AtNs(2000));
    pipe_.Write(30);
    RunTo(AtNs(2100));
    pipe_.Write(40);
    Run();
    EXPECT_NOTHING_LEFT();
    return std::pair(log_.Entries(), log_.TimesNs());
  };
  const auto first = go_on();
  EXPECT_EQ(first.first, (std::vector<int>{1007, 1027, 1016, 1005, 70}));
  EXPECT_EQ(first.second, (std::vector<uint64_t>{0, 100, 600, 1100, 2100}));
  for (int round = 0; round < 3; ++round) {
    host_.arena.Restore(snapshot);
    EXPECT_EQ(log_.Entries(), std::vector<int>{1007});
    EXPECT_EQ(kernel_.live_threads(), 1U);
    EXPECT_EQ(host_.world.now(), AtNs(100));
    EXPECT_EQ(go_on(), first);
  }
}

TEST_F(WaitTest, TwoThreadsTakeTurnsInOrderOfWaking) {
  for (int i = 0; i < 3; ++i) {
    kernel_.Spawn(0, [this, i](Thread& thread) -> Task<> {
      for (int k = 0; k < 2; ++k) {
        log_.Add(thread, i);
        co_await SleepFor(thread, Duration::Nanoseconds(10));
      }
    });
  }
  Run();
  EXPECT_EQ(log_.Entries(), (std::vector<int>{0, 1, 2, 0, 1, 2}));
  EXPECT_NOTHING_LEFT();
}

}  // namespace
}  // namespace tapedeck
