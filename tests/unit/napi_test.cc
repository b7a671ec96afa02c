// NAPI's rules of turn: weights, budgets, the time limit, missed interrupts, batches (experiment
// A14).
#include <gtest/gtest.h>

#include <algorithm>

#include "core_host.h"

namespace tapedeck {
namespace {

// A receive queue with `waiting` packets. Each poll takes what it may; an empty queue completes.
struct Queue : napi_struct {
  static int Poll(napi_struct* napi, int budget) {
    auto* const self = static_cast<Queue*>(napi);
    Cpu& cpu = *self->cpu;
    const int work = std::min(budget, self->waiting);
    self->waiting -= work;
    self->order->push_back({self, work});
    cpu.Stall(self->per_poll);
    if (self->during_poll != nullptr) self->during_poll(self);
    if (work < budget) self->enabled = napi_complete_done(self, work);
    return work;
  }
  static void Irq(Cpu& cpu, void* context) {
    auto* const self = static_cast<Queue*>(context);
    ++self->interrupts;
    if (napi_schedule(cpu, self)) self->enabled = false;
  }
  struct Turn {
    Queue* queue;
    int work;
  };
  int waiting = 0;
  bool enabled = true;  // the interrupt
  int interrupts = 0;
  Duration per_poll;
  void (*during_poll)(Queue* self) = nullptr;
  std::vector<Turn>* order = nullptr;
};

class NapiTest : public testing::Test {
 protected:
  NapiTest() : device_(host_) {
    device_.Up();
    for (Queue& queue : queues_) {
      queue.order = &order_;
      netif_napi_add(device_.dev(), &queue, Queue::Poll);
      napi_enable(&queue);
    }
  }
  ~NapiTest() override {
    for (Queue& queue : queues_) {
      napi_disable(&queue);
      netif_napi_del(&queue);
    }
  }
  void InterruptFor(Queue& queue, SimTime at = SimTime::Zero()) {
    host_.Interrupt(at, Queue::Irq, &queue);
  }
  softnet_data& sd() { return *host_.n.softnet[0]; }
  std::vector<int> Work() const {
    std::vector<int> work;
    for (const Queue::Turn& turn : order_) work.push_back(turn.work);
    return work;
  }

  CoreHost host_;
  TestDevice device_;
  std::vector<Queue::Turn> order_;
  Queue queues_[6];
};

TEST_F(NapiTest, APollThatEmptiesTheQueueCompletes) {
  queues_[0].waiting = 10;
  InterruptFor(queues_[0]);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  EXPECT_EQ(Work(), std::vector<int>{10});
  EXPECT_TRUE(queues_[0].enabled);
  EXPECT_EQ(sd().time_squeeze, 0U);
  const auto polls = host_.sink.Of(TraceKind::kNapiPoll);
  ASSERT_EQ(polls.size(), 1U);
  EXPECT_EQ(polls[0].args[1], 10U);
  EXPECT_EQ(polls[0].args[2], 64U);
  EXPECT_EQ(polls[0].args[3], 1U);
}

TEST_F(NapiTest, AWholeWeightOfWorkIsPolledAgain) {
  queues_[0].waiting = 128;
  InterruptFor(queues_[0]);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  EXPECT_EQ(Work(), (std::vector<int>{64, 64, 0}));
}

// Two busy queues take turns.
TEST_F(NapiTest, TwoQueuesAlternate) {
  queues_[0].waiting = queues_[1].waiting = 200;
  InterruptFor(queues_[0]);
  InterruptFor(queues_[1]);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  ASSERT_EQ(order_.size(), 8U);
  for (size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(order_[i].queue, &queues_[i % 2]);
    EXPECT_EQ(order_[i].work, 64);
  }
  EXPECT_EQ(sd().time_squeeze, 0U);
}

// The budget of 300 ends a run after 320 packets: five polls of 64. With less than five queues a
// run ends before, where all have had their turn (net_rx_action since Linux 3.19).
TEST_F(NapiTest, TheBudgetEndsARunAfter320Packets) {
  for (Queue& queue : queues_) {
    queue.waiting = 64;
    InterruptFor(queue);
  }
  while (sd().time_squeeze == 0) ASSERT_TRUE(host_.world.Step(AtMs(1)));
  int packets = 0;
  for (const Queue::Turn& turn : order_) packets += turn.work;
  EXPECT_EQ(packets, 320);
  EXPECT_EQ(order_.size(), 5U);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  EXPECT_EQ(order_[5].queue, &queues_[5]);  // who had no turn yet goes first
  EXPECT_EQ(sd().time_squeeze, 1U);
}

TEST_F(NapiTest, OneBusyQueueGets64PacketsARun) {
  queues_[0].waiting = 1000;
  InterruptFor(queues_[0]);
  const uint64_t before = host_.kernel.cpu(0).softirqs(NET_RX_SOFTIRQ);
  while (order_.size() < 5) ASSERT_TRUE(host_.world.Step(AtMs(1)));
  EXPECT_EQ(host_.kernel.cpu(0).softirqs(NET_RX_SOFTIRQ) - before, 5U);
  EXPECT_EQ(sd().time_squeeze, 0U);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
}

// A lower budget is met by one queue.
TEST_F(NapiTest, TheBudgetIsASetting) {
  ASSERT_EQ(host_.kernel.sysctl().Write("net/core/netdev_budget", "64"), 0);
  queues_[0].waiting = 64 * 3;
  InterruptFor(queues_[0]);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  EXPECT_EQ(sd().time_squeeze, 3U);
}

// Two jiffies, whatever the budget says.
TEST_F(NapiTest, TimeEndsARunToo) {
  std::string text;
  ASSERT_EQ(host_.kernel.sysctl().Read("net/core/netdev_budget_usecs", &text), 0);
  EXPECT_EQ(text, "2000\n");
  for (int i = 0; i < 3; ++i) {
    queues_[i].waiting = 10;
    queues_[i].per_poll = Duration::Microseconds(1500);
    InterruptFor(queues_[i]);
  }
  while (sd().time_squeeze == 0) ASSERT_TRUE(host_.world.Step(AtMs(100)));
  EXPECT_EQ(order_.size(), 2U);  // at 3 ms
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(100)));
  EXPECT_EQ(order_.size(), 3U);
  EXPECT_EQ(sd().time_squeeze, 1U);
}

// An interrupt that comes between two polls runs its handler there, and the same run polls what it
// scheduled.
TEST_F(NapiTest, InterruptsAreTakenBetweenPolls) {
  static const Queue* late;
  late = &queues_[1];
  queues_[0].waiting = 10;
  queues_[0].per_poll = Duration::Microseconds(10);
  queues_[1].waiting = 3;
  queues_[2].waiting = 1;
  queues_[2].during_poll = [](Queue*) { EXPECT_EQ(late->interrupts, 1); };
  InterruptFor(queues_[0]);
  InterruptFor(queues_[1], AtUs(5));
  InterruptFor(queues_[2]);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  ASSERT_EQ(order_.size(), 3U);
  EXPECT_EQ(order_[1].queue, &queues_[2]);
  EXPECT_EQ(order_[2].queue, &queues_[1]);
  EXPECT_EQ(host_.kernel.cpu(0).softirqs(NET_RX_SOFTIRQ), 1U);
}

// What was scheduled meanwhile goes before what has had its turn.
TEST_F(NapiTest, NewcomersGoBeforeThoseWhoHadTheirTurn) {
  queues_[0].waiting = 64 + 1;
  queues_[0].per_poll = Duration::Microseconds(10);
  queues_[1].waiting = 3;
  queues_[2].waiting = 1;
  InterruptFor(queues_[0]);
  InterruptFor(queues_[1], AtUs(5));
  InterruptFor(queues_[2]);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  std::vector<const Queue*> turns;
  for (const Queue::Turn& turn : order_) turns.push_back(turn.queue);
  EXPECT_EQ(turns, (std::vector<const Queue*>{&queues_[0], &queues_[2], &queues_[1], &queues_[0]}));
}

// An interrupt while the queue is polled is not lost: the poll is repeated.
TEST_F(NapiTest, AMissedInterruptRepeatsThePoll) {
  queues_[0].waiting = 3;
  queues_[0].during_poll = [](Queue* self) {
    if (self->order->size() > 1) return;
    self->waiting = 2;
    EXPECT_FALSE(napi_schedule(*self->cpu, self));
  };
  InterruptFor(queues_[0]);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  EXPECT_EQ(Work(), (std::vector<int>{3, 2}));
  EXPECT_TRUE(queues_[0].enabled);
}

TEST_F(NapiTest, ADisabledInstanceIsNeitherScheduledNorPolled) {
  napi_disable(&queues_[0]);
  queues_[0].waiting = 3;
  InterruptFor(queues_[0]);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  EXPECT_TRUE(order_.empty());
  napi_enable(&queues_[0]);
  InterruptFor(queues_[0], AtMs(2));
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(3)));
  EXPECT_EQ(Work(), std::vector<int>{3});
  // Disabled while it waits for its turn.
  queues_[0].waiting = 5;
  EXPECT_TRUE(napi_schedule(host_.kernel.cpu(0), &queues_[0]));
  napi_disable(&queues_[0]);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(4)));
  EXPECT_EQ(order_.size(), 1U);
  napi_enable(&queues_[0]);
}

struct Counter : packet_type {
  Counter() {
    type = 0x0800;
    func = [](sk_buff* skb, net_device*, packet_type*, net_device*) {
      consume_skb(skb);
      return int{NET_RX_SUCCESS};
    };
    list_func = [](sk_buff_head* list, packet_type* pt, net_device*) {
      static_cast<Counter*>(pt)->batches.push_back(skb_queue_len(list));
      skb_queue_purge(list);
    };
  }
  std::vector<uint32_t> batches;
};

// gro_normal_batch packets go up together; what is left goes at the end of the poll.
TEST_F(NapiTest, PacketsGoUpInBatchesOfEight) {
  static TestDevice* device;
  device = &device_;
  Counter counter;
  dev_add_pack(host_.n, &counter);
  queues_[0].waiting = 1;
  queues_[0].during_poll = [](Queue* self) {
    for (int i = 0; i < 20; ++i) {
      napi_gro_receive(
          self, ReceivedFrame(device->dev(), EthernetFrame((*device)->dev_addr, 0x0800, {1})));
    }
  };
  InterruptFor(queues_[0]);
  ASSERT_TRUE(host_.world.RunUntilIdle(AtMs(1)));
  EXPECT_EQ(counter.batches, (std::vector<uint32_t>{8, 8, 4}));
  EXPECT_EQ(host_.LivePackets(), 0U);
  dev_remove_pack(&counter);
}

}  // namespace
}  // namespace tapedeck
