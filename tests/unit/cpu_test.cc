// The order of things on virtual CPUs: interrupts before softirqs before tasks, the limits of the
// softirq loop, ksoftirqd, what code costs, and which of several CPUs goes next.
#include "stack/kernel/cpu.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <initializer_list>
#include <memory>
#include <string>
#include <vector>

#include "test_host.h"

namespace tapedeck {
namespace {

// A host whose softirq actions, interrupt handlers and threads are functions of the test.
class Bench {
 public:
  explicit Bench(int cpus = 1, const CostTable& costs = FreeCostTable(), uint32_t hz = 1000)
      : host_(KernelOptions{.cpus = cpus, .hz = hz}, costs) {
    kernel().set_network(this);
    kernel().open_softirq(NET_RX_SOFTIRQ, [](Cpu& cpu) {
      return Of(cpu).rx ? Of(cpu).rx(cpu) : SoftirqSlice::kDone;
    });
    kernel().open_softirq(NET_TX_SOFTIRQ, [](Cpu& cpu) {
      return Of(cpu).tx ? Of(cpu).tx(cpu) : SoftirqSlice::kDone;
    });
  }
  World& world() { return host_.world; }
  Kernel& kernel() { return host_.kernel; }
  Cpu& cpu(int id = 0) { return host_.kernel.cpu(id); }

  // An interrupt line of CPU `id`; returns its vector, for Interrupt.
  int AddIrq(int id, std::function<void(Cpu&)> handler) {
    handlers_.push_back(std::make_unique<std::function<void(Cpu&)>>(std::move(handler)));
    const int vector = static_cast<int>(handlers_.size());
    kernel().request_irq(
        /*slot=*/0, vector, id,
        [](Cpu& cpu, void* context) { (*static_cast<std::function<void(Cpu&)>*>(context))(cpu); },
        handlers_.back().get());
    return vector;
  }
  void Interrupt(int vector, SimTime at) { kernel().DeliverMsix(/*slot=*/0, vector, at); }

  // A thread that does `step` once whenever it is woken.
  struct Stepper : Sleeper {
    Stepper(Thread* thread_in, std::function<void(Cpu&)> step_in)
        : Sleeper([](Sleeper* sleeper, WakeReason) {
            auto* const self = static_cast<Stepper*>(sleeper);
            self->Sleep();
            self->step(self->thread->cpu());
            return false;
          }),
          thread(thread_in),
          step(std::move(step_in)) {
      Sleep();
    }
    void Sleep() { thread->Sleep(this, nullptr, 0, SimTime::Never()); }
    void Wake() { thread->Wake(WakeReason::kDone); }
    Thread* thread;
    std::function<void(Cpu&)> step;
  };
  std::unique_ptr<Stepper> NewStepper(int id, std::function<void(Cpu&)> step) {
    return std::make_unique<Stepper>(kernel().NewThread(id), std::move(step));
  }

  void Run() { EXPECT_TRUE(world().RunUntilIdle(SimTime::Never())); }

  std::function<SoftirqSlice(Cpu&)> rx;
  std::function<SoftirqSlice(Cpu&)> tx;

 private:
  static Bench& Of(Cpu& cpu) { return *static_cast<Bench*>(cpu.kernel().network()); }
  TestHost host_;
  std::vector<std::unique_ptr<std::function<void(Cpu&)>>> handlers_;
};

TEST(CpuTest, InterruptsThenSoftirqsByVectorThenTasks) {
  Bench bench;
  std::string order;
  const auto thread = bench.NewStepper(0, [&](Cpu& cpu) {
    EXPECT_EQ(cpu.context(), Context::kTask);
    order += "task ";
  });
  TimerList timer([](TimerList*) {});
  mod_timer(bench.cpu(), &timer, bench.kernel().jiffies() + 1);
  bench.rx = [&](Cpu& cpu) {
    EXPECT_EQ(cpu.context(), Context::kSoftirq);
    order += timer.pending() ? "rx-before-timer " : "rx ";
    return SoftirqSlice::kDone;
  };
  bench.tx = [&](Cpu&) {
    order += "tx ";
    return SoftirqSlice::kDone;
  };
  const int first = bench.AddIrq(0, [&](Cpu& cpu) {
    EXPECT_EQ(cpu.context(), Context::kHardirq);
    order += "irq1 ";
    cpu.raise_softirq(NET_RX_SOFTIRQ);
    thread->Wake();
  });
  const int second = bench.AddIrq(0, [&](Cpu& cpu) {
    order += "irq2 ";
    cpu.raise_softirq(NET_TX_SOFTIRQ);
  });
  // The timer's tick at 2 ms (jiffy 2), and both messages at the same time; lower lines are taken
  // first.
  bench.Interrupt(second, AtMs(2));
  bench.Interrupt(first, AtMs(2));
  bench.Run();
  EXPECT_EQ(order, "irq1 irq2 tx rx task ");
  EXPECT_EQ(bench.cpu().softirqs(TIMER_SOFTIRQ), 1U);
  EXPECT_EQ(bench.cpu().softirqs(NET_RX_SOFTIRQ), 1U);
  EXPECT_EQ(bench.cpu().interrupts(), 3U);
  EXPECT_EQ(bench.cpu().context(), Context::kIdle);
  EXPECT_EQ(bench.world().now(), AtMs(2));
}

// MAX_SOFTIRQ_RESTART: ten rounds in a row, then ksoftirqd, which alternates with tasks.
TEST(CpuTest, KsoftirqdAlternatesWithTasksAfterTenRounds) {
  Bench bench;
  std::string order;
  int rounds_left = 25;
  bench.rx = [&](Cpu& cpu) {
    order += "s";
    if (--rounds_left > 0) cpu.raise_softirq(NET_RX_SOFTIRQ);
    return SoftirqSlice::kDone;
  };
  int steps_left = 6;
  std::unique_ptr<Bench::Stepper> task;
  task = bench.NewStepper(0, [&](Cpu&) {
    order += "T";
    if (--steps_left > 0) task->Wake();
  });
  const int irq = bench.AddIrq(0, [&](Cpu& cpu) {
    cpu.raise_softirq(NET_RX_SOFTIRQ);
    task->Wake();
  });
  bench.Interrupt(irq, AtNs(1));
  bench.Run();
  EXPECT_EQ(order, "ssssssssssTssssssssssTsssssTTTT");
  EXPECT_EQ(bench.cpu().softirqs(NET_RX_SOFTIRQ), 25U);
}

// While ksoftirqd has the softirqs, an interrupt raises them but does not run them before the task
// has had its turn.
TEST(CpuTest, InterruptsLeaveSoftirqsToKsoftirqdOnceItIsWoken) {
  Bench bench(1, OneCost(CostPoint::k_napi_poll, 1000, 1'000'000'000));  // 1 us
  std::string order;
  int rounds_left = 12;
  bench.rx = [&](Cpu& cpu) {
    cpu.Charge(CostPoint::k_napi_poll);
    order += "s";
    if (--rounds_left > 0) cpu.raise_softirq(NET_RX_SOFTIRQ);
    return SoftirqSlice::kDone;
  };
  const auto task = bench.NewStepper(0, [&](Cpu& cpu) {
    cpu.Charge(CostPoint::k_napi_poll);
    order += "T";
  });
  const int start = bench.AddIrq(0, [&](Cpu& cpu) {
    cpu.raise_softirq(NET_RX_SOFTIRQ);
    task->Wake();
  });
  const int during = bench.AddIrq(0, [&](Cpu& cpu) {
    cpu.raise_softirq(NET_TX_SOFTIRQ);
    order += "i";
  });
  bench.tx = [&](Cpu&) {
    order += "t";
    return SoftirqSlice::kDone;
  };
  bench.Interrupt(start, SimTime::Zero());
  bench.Interrupt(during, AtNs(10'500));  // while the task runs
  bench.Run();
  EXPECT_EQ(order, "ssssssssssTitss");
}

// MAX_SOFTIRQ_TIME is 2 ms counted in whole jiffies: at HZ=1000 rounds of 0.6 ms stop when jiffies
// has moved by 2, at HZ=100 when it has moved by 1.
TEST(CpuTest, SoftirqTimeIsLimitedInJiffies) {
  struct Case {
    uint32_t hz;
    int rounds;
  };
  for (const Case c : {Case{1000, 4}, Case{100, 10}}) {
    Bench bench(1, OneCost(CostPoint::k_napi_poll, 600'000, 1'000'000'000), c.hz);  // 0.6 ms
    int rounds = 0;
    int rounds_before_task = 0;
    bench.rx = [&](Cpu& cpu) {
      cpu.Charge(CostPoint::k_napi_poll);
      if (++rounds < 40) cpu.raise_softirq(NET_RX_SOFTIRQ);
      return SoftirqSlice::kDone;
    };
    const auto task = bench.NewStepper(0, [&](Cpu&) { rounds_before_task = rounds; });
    const int irq = bench.AddIrq(0, [&](Cpu& cpu) {
      cpu.raise_softirq(NET_RX_SOFTIRQ);
      task->Wake();
    });
    bench.Interrupt(irq, SimTime::Zero());
    bench.Run();
    EXPECT_EQ(rounds_before_task, c.rounds) << "HZ " << c.hz;
    EXPECT_EQ(rounds, 40);
  }
}

// A slice that yields is not a round: interrupts are taken between slices, tasks are not.
TEST(CpuTest, InterruptsAreTakenBetweenSlices) {
  Bench bench(1, OneCost(CostPoint::k_napi_poll, 1000, 1'000'000'000));  // 1 us
  std::string order;
  int slices_left = 20;
  bench.rx = [&](Cpu& cpu) {
    cpu.Charge(CostPoint::k_napi_poll);
    order += "s";
    return --slices_left > 0 ? SoftirqSlice::kYield : SoftirqSlice::kDone;
  };
  const auto task = bench.NewStepper(0, [&](Cpu&) { order += "T"; });
  const int start = bench.AddIrq(0, [&](Cpu& cpu) {
    cpu.raise_softirq(NET_RX_SOFTIRQ);
    task->Wake();
  });
  const int during = bench.AddIrq(0, [&](Cpu& cpu) {
    order += "i";
    EXPECT_GE(cpu.now(), AtNs(2'500));
    cpu.raise_softirq(NET_TX_SOFTIRQ);
  });
  bench.tx = [&](Cpu&) {
    order += "t";
    return SoftirqSlice::kDone;
  };
  bench.Interrupt(start, SimTime::Zero());
  bench.Interrupt(during, AtNs(2'500));
  bench.Run();
  // What the interrupt raised waits for the next round.
  EXPECT_EQ(order,
            "sssisssssssssssssssss"
            "tT");
  EXPECT_EQ(bench.cpu().softirqs(NET_RX_SOFTIRQ), 1U);
}

// 3.6 GHz: a cycle is 277.7... ps. Nothing is lost over any way of charging the same cycles.
TEST(CpuTest, FractionsOfPicosecondsAreCarried) {
  Bench bench(1, OneCost(CostPoint::k_napi_poll, 1, 3'600'000'000));
  Duration one_by_one;
  Duration in_lumps;
  const int irq = bench.AddIrq(0, [&](Cpu& cpu) {
    SimTime start = cpu.now();
    for (int i = 0; i < 3'600; ++i) cpu.Charge(CostPoint::k_napi_poll);
    one_by_one = cpu.now() - start;
    start = cpu.now();
    cpu.Charge(CostPoint::k_napi_poll, 7);
    cpu.Charge(CostPoint::k_napi_poll, 3'593);
    in_lumps = cpu.now() - start;
  });
  bench.Interrupt(irq, SimTime::Zero());
  bench.Run();
  EXPECT_EQ(one_by_one, Duration::Microseconds(1));
  EXPECT_EQ(in_lumps, Duration::Microseconds(1));
}

TEST(CpuTest, BytesCostFractionsOfCycles) {
  Bench bench(1, OneCost(CostPoint::k_copy_per_byte, 64,
                         1'000'000'000));  // a quarter of a nanosecond a byte
  Duration cost;
  const int irq = bench.AddIrq(0, [&](Cpu& cpu) {
    const SimTime start = cpu.now();
    cpu.ChargeBytes(CostPoint::k_copy_per_byte, 1000);
    cost = cpu.now() - start;
  });
  bench.Interrupt(irq, SimTime::Zero());
  bench.Run();
  EXPECT_EQ(cost, Duration::Nanoseconds(250));
}

// The CPU that is furthest behind goes next; at equal times the lower number.
TEST(CpuTest, TheCpuFurthestBehindGoesNext) {
  Bench bench(4, OneCost(CostPoint::k_napi_poll, 1, 1'000'000'000));
  constexpr uint64_t kSliceNs[4] = {30, 20, 20, 50};
  std::vector<std::pair<SimTime, int>> slices;
  bench.rx = [&](Cpu& cpu) {
    slices.emplace_back(cpu.now(), cpu.id());
    cpu.Charge(CostPoint::k_napi_poll, kSliceNs[cpu.id()]);
    return cpu.now() < AtNs(600) ? SoftirqSlice::kYield : SoftirqSlice::kDone;
  };
  for (int id = 3; id >= 0; --id) {
    bench.Interrupt(bench.AddIrq(id, [](Cpu& cpu) { cpu.raise_softirq(NET_RX_SOFTIRQ); }),
                    SimTime::Zero());
  }
  bench.Run();
  ASSERT_EQ(slices.size(), 20U + 30U + 30U + 12U);
  EXPECT_TRUE(std::is_sorted(slices.begin(), slices.end()));
}

// A busy CPU takes an event when its local time has reached it, never before.
TEST(CpuTest, EventsWaitForABusyCpuAndCpusForEvents) {
  Bench bench(1, OneCost(CostPoint::k_napi_poll, 1000, 1'000'000'000));  // 1 us
  std::vector<uint64_t> irq_ns;
  bench.rx = [&](Cpu& cpu) {
    cpu.Charge(CostPoint::k_napi_poll);
    return cpu.now() < AtUs(10) ? SoftirqSlice::kYield : SoftirqSlice::kDone;
  };
  const int start = bench.AddIrq(0, [](Cpu& cpu) { cpu.raise_softirq(NET_RX_SOFTIRQ); });
  const int other = bench.AddIrq(0, [&](Cpu& cpu) { irq_ns.push_back(cpu.now().ns()); });
  bench.Interrupt(start, SimTime::Zero());
  for (const uint64_t at : std::initializer_list<uint64_t>{1'500, 5'000, 20'500}) {
    bench.Interrupt(other, AtNs(at));
    bench.world().RunUntil(AtNs(at));
  }
  bench.Run();
  EXPECT_EQ(irq_ns, (std::vector<uint64_t>{2'000, 5'000, 20'500}));
}

// A thread that CPU 0 wakes at its local time 100 us does not run on idle CPU 1 before that, and
// interrupts of CPU 1 that come meanwhile are taken at their time.
TEST(CpuTest, AThreadNeverRunsBeforeItWasWoken) {
  Bench bench(2, OneCost(CostPoint::k_napi_poll, 100'000, 1'000'000'000));  // 100 us
  std::vector<uint64_t> woken_us;
  std::vector<uint64_t> irq_us;
  const auto late = bench.NewStepper(1, [&](Cpu& cpu) { woken_us.push_back(cpu.now().us()); });
  const auto early = bench.NewStepper(1, [&](Cpu& cpu) { woken_us.push_back(cpu.now().us()); });
  const int on_0 = bench.AddIrq(0, [&](Cpu& cpu) {
    cpu.Charge(CostPoint::k_napi_poll);
    late->Wake();
  });
  const int on_1 = bench.AddIrq(1, [&](Cpu& cpu) {
    irq_us.push_back(cpu.now().us());
    early->Wake();
  });
  bench.Interrupt(on_0, SimTime::Zero());
  bench.Interrupt(on_1, AtUs(70));
  bench.Run();
  EXPECT_EQ(irq_us, std::vector<uint64_t>{70});
  EXPECT_EQ(woken_us, (std::vector<uint64_t>{70, 100}));
}

// Waking from outside (the script) takes effect at the world's time, on a CPU whose own clock
// stands still since long ago.
TEST(CpuTest, AnIdleCpuWakesAtTheWorldsTime) {
  Bench bench;
  std::vector<uint64_t> times_us;
  const auto thread = bench.NewStepper(0, [&](Cpu& cpu) { times_us.push_back(cpu.now().us()); });
  bench.rx = [&](Cpu& cpu) {
    times_us.push_back(cpu.now().us());
    return SoftirqSlice::kDone;
  };
  bench.world().RunUntil(AtUs(10));
  thread->Wake();
  bench.world().RunUntil(AtUs(20));
  bench.cpu().raise_softirq(NET_RX_SOFTIRQ);
  bench.Run();
  EXPECT_EQ(times_us, (std::vector<uint64_t>{10, 20}));
}

// The last act of a task that had bottom halves off; nothing in other contexts.
TEST(CpuTest, LocalBhEnableRunsSoftirqsAtOnce) {
  Bench bench;
  std::string order;
  bench.rx = [&](Cpu& cpu) {
    EXPECT_EQ(cpu.context(), Context::kSoftirq);
    cpu.local_bh_enable();
    order += "s";
    return order.size() < 4 ? SoftirqSlice::kYield : SoftirqSlice::kDone;
  };
  const auto task = bench.NewStepper(0, [&](Cpu& cpu) {
    order += "T";
    cpu.local_bh_enable();
    cpu.raise_softirq(NET_RX_SOFTIRQ);
    cpu.local_bh_enable();
    EXPECT_EQ(cpu.context(), Context::kTask);
    EXPECT_FALSE(cpu.softirq_pending());
    order += "t";
  });
  task->Wake();
  bench.Run();
  EXPECT_EQ(order, "Tssst");
  order.clear();
  const int irq = bench.AddIrq(0, [&](Cpu& cpu) {
    cpu.raise_softirq(NET_RX_SOFTIRQ);
    cpu.local_bh_enable();
    EXPECT_TRUE(cpu.softirq_pending());
    order += "i";
  });
  bench.Interrupt(irq, bench.world().now());
  bench.Run();
  EXPECT_EQ(order, "isss");
}

// A line that is freed forgets a message on its way and one that has arrived; the next user gets
// neither.
TEST(CpuTest, AFreedLineIsSilent) {
  Bench bench(1, OneCost(CostPoint::k_napi_poll, 1000, 1'000'000'000));
  int calls = 0;
  const IrqHandler count = [](Cpu&, void* context) { ++*static_cast<int*>(context); };
  Kernel& kernel = bench.kernel();
  int irq = kernel.request_irq(/*slot=*/1, /*vector=*/9, /*cpu=*/0, count, &calls);
  kernel.DeliverMsix(1, 9, AtNs(100));
  kernel.free_irq(irq);
  kernel.DeliverMsix(1, 9, AtNs(100));
  bench.Run();
  EXPECT_EQ(calls, 0);
  // Freed by a handler that runs while the message of the other line has arrived already.
  const int lower = bench.AddIrq(0, [&](Cpu&) {
    kernel.free_irq(irq);
    EXPECT_EQ(kernel.request_irq(1, 9, 0, count, &calls), irq);
  });
  irq = kernel.request_irq(1, 9, 0, count, &calls);
  bench.Interrupt(lower, AtNs(200));
  kernel.DeliverMsix(1, 9, AtNs(200));
  bench.Run();
  EXPECT_EQ(calls, 0);
  kernel.DeliverMsix(1, 9, AtNs(300));
  bench.Run();
  EXPECT_EQ(calls, 1);
}

}  // namespace
}  // namespace tapedeck
