// The neighbour state machine against a clock: what is asked when, what becomes of packets that
// wait, and how entries leave. HZ is 1000; timers of 1 s are 8 to 64 jiffies coarse, as in Linux.
#include "stack/core/neighbour.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cerrno>
#include <string>

#include "core_host.h"
#include "stack/core/dst.h"
#include "stack/core/qdisc.h"
#include "stack/core/uapi.h"

namespace tapedeck {
namespace {

constexpr uint8_t kMac[6] = {2, 0, 0, 0, 0, 9};
constexpr uint8_t kOtherMac[6] = {2, 0, 0, 0, 0, 10};
constexpr uint8_t kKey[4] = {10, 0, 0, 9};

class NeighbourTest : public testing::Test {
 protected:
  NeighbourTest()
      : device_(host_),
        table_(*host_.arena.New<neigh_table>(host_.n, "arp_cache", kAfInet, uint16_t{0x0806},
                                             uint8_t{4}, "net/ipv4/neigh", host_.kernel.prng())) {
    test_ = this;
    table_.protocol = 0x0800;
    table_.constructor = [](neighbour* neigh) {
      if (neigh->primary_key[0] == 0) return -EINVAL;
      neigh->ops = &ops_;
      neigh->output = ops_.output;
      return 0;
    };
    device_.Up();
    parms_ = neigh_parms_alloc(device_.dev(), &table_);
    device_->arp_parms = parms_;
  }
  ~NeighbourTest() override {
    neigh_table_clear(&table_);
    EXPECT_EQ(table_.cache.cache().live_objects(), 0U);
    EXPECT_EQ(table_.entries, 0U);
    EXPECT_EQ(table_.gc_entries, 0U);
    device_.FreeSent();
    EXPECT_EQ(host_.LivePackets(), 0U);
    EXPECT_EQ(host_.kernel.cpu(0).timers().pending(), 0U);
    neigh_parms_release(&table_, parms_);
    EXPECT_EQ(device_->refcount, 1U);
  }

  sk_buff* Packet(uint8_t mark = 0) {
    sk_buff* const skb = MakePacket(host_.n, Pattern(20, mark));
    skb_reset_network_header(skb);
    skb->protocol = 0x0800;
    skb->dev = device_.dev();
    skb->mark = mark;
    return skb;
  }
  neighbour* Entry(const uint8_t (&key)[4] = kKey) {
    return neigh_create_noref(&table_, key, device_.dev());
  }
  int Send(neighbour* neigh, uint8_t mark = 0) {
    return neigh_output(neigh, Packet(mark), /*skip_cache=*/false);
  }
  uint64_t Ms() const { return host_.world.now().ns() / 1'000'000; }
  void RunTo(uint64_t ms) { host_.world.RunUntil(AtMs(ms)); }
  // The states an entry went through.
  std::vector<int> States() const {
    std::vector<int> states;
    for (const TraceEvent& event : host_.sink.Of(TraceKind::kNeighState)) {
      states.push_back(static_cast<int>(event.args[2]));
    }
    return states;
  }

  struct Question {
    uint64_t ms;
    uint32_t probes;
    bool has_packet;
  };

  static NeighbourTest* test_;
  static const neigh_ops ops_;
  CoreHost host_;
  TestDevice device_;
  neigh_table& table_;
  neigh_parms* parms_;
  std::vector<Question> questions_;
  std::vector<uint64_t> errors_ms_;
};

NeighbourTest* NeighbourTest::test_;
const neigh_ops NeighbourTest::ops_ = {
    .family = kAfInet,
    .solicit =
        [](neighbour* neigh, sk_buff* skb) {
          test_->questions_.push_back({test_->Ms(), neigh->probes, skb != nullptr});
        },
    .error_report =
        [](neighbour*, sk_buff* skb) {
          test_->errors_ms_.push_back(test_->Ms());
          kfree_skb_reason(skb, SKB_DROP_REASON_NEIGH_FAILED);
        },
    .output = neigh_resolve_output,
    .connected_output = neigh_connected_output,
};

// Three broadcasts a second apart, then failure for every packet that waited.
TEST_F(NeighbourTest, NobodyAnswers) {
  neighbour* const neigh = Entry();
  for (int i = 0; i < 5; ++i) EXPECT_EQ(Send(neigh), 0);
  EXPECT_EQ(neigh->nud_state, NUD_INCOMPLETE);
  EXPECT_EQ(skb_queue_len(&neigh->arp_queue), 5U);
  EXPECT_EQ(neigh->arp_queue_len_bytes, 5U * 896);
  RunTo(10'000);
  ASSERT_EQ(questions_.size(), 3U);
  EXPECT_EQ(questions_[0].ms, 0U);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(questions_[i].probes, 3 + i);
    EXPECT_TRUE(questions_[i].has_packet);
    // 1 s, up to one bucket of 64 jiffies late each time.
    EXPECT_GE(questions_[i].ms, 1000 * i);
    EXPECT_LE(questions_[i].ms, (1000 + 64) * i);
  }
  ASSERT_EQ(errors_ms_.size(), 5U);
  for (const uint64_t ms : errors_ms_) {
    EXPECT_GE(ms, 3000U);
    EXPECT_LE(ms, 3000U + 3 * 64);
  }
  EXPECT_EQ(neigh->nud_state, NUD_FAILED);
  EXPECT_EQ(neigh->arp_queue_len_bytes, 0U);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_NEIGH_FAILED), 5U);
  EXPECT_EQ(table_.stats.res_failed, 1U);
  EXPECT_EQ(States(), (std::vector<int>{NUD_INCOMPLETE, NUD_FAILED}));

  // The next packet starts again.
  Send(neigh);
  EXPECT_EQ(neigh->nud_state, NUD_INCOMPLETE);
  EXPECT_EQ(questions_.size(), 4U);
}

// The answer sends what waits, in order, and later packets at once with the cached header.
TEST_F(NeighbourTest, AnAnswerSendsWhatWaits) {
  neighbour* const neigh = Entry();
  for (uint8_t mark = 1; mark <= 3; ++mark) Send(neigh, mark);
  RunTo(5);
  EXPECT_EQ(neigh_update(neigh, kMac, NUD_REACHABLE, NEIGH_UPDATE_F_OVERRIDE), 0);
  EXPECT_EQ(neigh->nud_state, NUD_REACHABLE);
  ASSERT_EQ(device_.sent.size(), 3U);
  EXPECT_EQ(neigh->hh.hh_len, 0);
  Send(neigh, 4);
  // connected_output leaves the header's cache to neigh_resolve_output: it is filled after the
  // first use that verifies.
  for (size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(device_.sent[i]->mark, i + 1);
    EXPECT_EQ(BytesOf(device_.sent[i]), [&] {
      Bytes frame = EthernetFrame(MacAddress(2, 0, 0, 0, 0, 9), 0x0800,
                                  Pattern(20, static_cast<uint8_t>(i + 1)));
      frame[11] = 1;  // from us
      return frame;
    }());
  }
  EXPECT_EQ(questions_.size(), 1U);
}

// REACHABLE for 0.5 to 1.5 times 30 s; then STALE if unused, DELAY for 5 s if used lately; then
// three unicast questions, a second apart; then FAILED.
TEST_F(NeighbourTest, AnEntryAges) {
  neighbour* const neigh = Entry();
  neigh_update(neigh, kMac, NUD_REACHABLE, 0);
  const uint64_t reachable_ms = parms_->reachable_time;
  EXPECT_GE(reachable_ms, 15'000U);
  EXPECT_LE(reachable_ms, 45'000U);
  RunTo(reachable_ms - 1);
  EXPECT_EQ(neigh->nud_state, NUD_REACHABLE);
  RunTo(reachable_ms + 4096 + 64);
  EXPECT_EQ(neigh->nud_state, NUD_STALE);
  EXPECT_EQ(host_.kernel.cpu(0).timers().pending(), 0U);  // a stale entry costs nothing

  const uint64_t used_ms = Ms();
  EXPECT_EQ(Send(neigh), NET_XMIT_SUCCESS);  // goes out at once
  EXPECT_EQ(device_.sent.size(), 1U);
  EXPECT_EQ(neigh->nud_state, NUD_DELAY);
  RunTo(used_ms + 4999);
  EXPECT_EQ(neigh->nud_state, NUD_DELAY);
  EXPECT_TRUE(questions_.empty());
  RunTo(used_ms + 20'000);
  ASSERT_EQ(questions_.size(), 3U);
  EXPECT_GE(questions_[0].ms, used_ms + 5000);
  EXPECT_LE(questions_[0].ms, used_ms + 5000 + 512 + 64);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(questions_[i].probes, i);  // below ucast_probes: to the known address
    EXPECT_FALSE(questions_[i].has_packet);
    if (i == 0) continue;
    EXPECT_GE(questions_[i].ms - questions_[i - 1].ms, 1000U);
    EXPECT_LE(questions_[i].ms - questions_[i - 1].ms, 1064U);
  }
  EXPECT_EQ(States(),
            (std::vector<int>{NUD_REACHABLE, NUD_STALE, NUD_DELAY, NUD_PROBE, NUD_FAILED}));
}

TEST_F(NeighbourTest, AnEntryInUseIsVerifiedWithoutGoingStale) {
  neighbour* const neigh = Entry();
  neigh_update(neigh, kMac, NUD_REACHABLE, 0);
  const uint64_t reachable_ms = parms_->reachable_time;
  for (uint64_t ms = 0; ms < reachable_ms + 5000; ms += 500) {
    RunTo(ms);
    Send(neigh);
  }
  EXPECT_EQ(neigh->nud_state, NUD_DELAY);
  // A sign of life from above ends the delay without a question.
  neigh_confirm(neigh);
  RunTo(reachable_ms + 12'000);
  EXPECT_EQ(neigh->nud_state, NUD_REACHABLE);
  EXPECT_TRUE(questions_.empty());
}

TEST_F(NeighbourTest, AnAnswerToAProbeMakesItReachable) {
  neighbour* const neigh = Entry();
  neigh_update(neigh, kMac, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE);
  Send(neigh);
  EXPECT_NE(neigh->hh.hh_len, 0);
  RunTo(6000);
  EXPECT_EQ(neigh->nud_state, NUD_PROBE);
  EXPECT_EQ(neigh_update(neigh, kMac, NUD_REACHABLE, 0), 0);
  EXPECT_EQ(neigh->nud_state, NUD_REACHABLE);
  const size_t asked = questions_.size();
  RunTo(12'000);
  EXPECT_EQ(questions_.size(), asked);
  // The cached header is used and follows a new address.
  neigh_update(neigh, kOtherMac, NUD_REACHABLE, NEIGH_UPDATE_F_OVERRIDE);
  Send(neigh);
  EXPECT_EQ(BytesOf(device_.sent.back())[5], 10);
}

// Packets that wait are limited by truesize; the oldest give way.
TEST_F(NeighbourTest, TheQueueIsLimitedInBytes) {
  ASSERT_EQ(host_.kernel.sysctl().Write("net/ipv4/neigh/eth0/unres_qlen_bytes", "2700"), 0);
  neighbour* const neigh = Entry();
  for (uint8_t mark = 1; mark <= 5; ++mark) Send(neigh, mark);  // 896 bytes each: three fit
  EXPECT_EQ(skb_queue_len(&neigh->arp_queue), 3U);
  EXPECT_EQ(skb_peek(&neigh->arp_queue)->mark, 3U);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_NEIGH_QUEUEFULL), 2U);
  EXPECT_EQ(table_.stats.unres_discards, 2U);
  neigh_update(neigh, kMac, NUD_REACHABLE, 0);
}

// The rules of neigh_update about addresses that differ.
TEST_F(NeighbourTest, UpdatesOfAKnownAddress) {
  neighbour* const neigh = Entry();
  EXPECT_EQ(neigh_update(neigh, nullptr, NUD_REACHABLE, 0), -EINVAL);
  neigh_update(neigh, kMac, NUD_REACHABLE, 0);
  // Without OVERRIDE: ignored.
  EXPECT_EQ(neigh_update(neigh, kOtherMac, NUD_STALE, 0), 0);
  EXPECT_EQ(neigh->ha[5], 9);
  EXPECT_EQ(neigh->nud_state, NUD_REACHABLE);
  // WEAK_OVERRIDE: the address stays, but is to be verified.
  neigh_update(neigh, kOtherMac, NUD_STALE, NEIGH_UPDATE_F_WEAK_OVERRIDE);
  EXPECT_EQ(neigh->ha[5], 9);
  EXPECT_EQ(neigh->nud_state, NUD_STALE);
  // STALE news of the same address change nothing.
  neigh_update(neigh, kMac, NUD_REACHABLE, 0);
  neigh_update(neigh, kMac, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE);
  EXPECT_EQ(neigh->nud_state, NUD_REACHABLE);
  // OVERRIDE: replaced.
  neigh_update(neigh, kOtherMac, NUD_STALE, NEIGH_UPDATE_F_OVERRIDE);
  EXPECT_EQ(neigh->ha[5], 10);
  EXPECT_EQ(neigh->nud_state, NUD_STALE);
  // Flags of routers (IPv6).
  neigh_update(neigh, nullptr, NUD_REACHABLE,
               NEIGH_UPDATE_F_OVERRIDE_ISROUTER | NEIGH_UPDATE_F_ISROUTER);
  EXPECT_EQ(neigh->flags, NTF_ROUTER);
  neigh_update(neigh, nullptr, NUD_REACHABLE, NEIGH_UPDATE_F_OVERRIDE_ISROUTER);
  EXPECT_EQ(neigh->flags, 0);
}

TEST_F(NeighbourTest, APermanentEntryIsTheAdministrators) {
  neighbour* const neigh = Entry();
  neigh_update(neigh, kMac, NUD_PERMANENT, NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN);
  EXPECT_EQ(neigh_update(neigh, kOtherMac, NUD_REACHABLE, NEIGH_UPDATE_F_OVERRIDE), -EPERM);
  RunTo(200'000);
  EXPECT_EQ(neigh->nud_state, NUD_PERMANENT);
  neigh_carrier_down(&table_, device_.dev());
  EXPECT_EQ(neigh_lookup(&table_, kKey, device_.dev()), neigh);
  neigh_release(neigh);
  neigh_changeaddr(&table_, device_.dev());
  EXPECT_EQ(neigh_lookup(&table_, kKey, device_.dev()), nullptr);
}

TEST_F(NeighbourTest, WhatAnotherHostSaysOfItselfMakesAStaleEntry) {
  neighbour* const neigh = neigh_event_ns(&table_, kMac, kKey, device_.dev());
  ASSERT_NE(neigh, nullptr);
  EXPECT_EQ(neigh->nud_state, NUD_STALE);
  EXPECT_EQ(neigh->ha[5], 9);
  neigh_release(neigh);
  const uint8_t unknown[4] = {10, 0, 0, 77};
  EXPECT_EQ(neigh_event_ns(&table_, nullptr, unknown, device_.dev()), nullptr);
}

TEST_F(NeighbourTest, TheConstructorMayRefuse) {
  const uint8_t zero[4] = {};
  EXPECT_EQ(Entry(zero), nullptr);
  EXPECT_EQ(table_.entries, 0U);
}

// A device that goes down takes its entries; who still holds one sends into a hole.
TEST_F(NeighbourTest, AHeldEntryOutlivesItsDevice) {
  neighbour* const neigh = neigh_clone(Entry());
  Send(neigh);
  neigh_ifdown(&table_, device_.dev());
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_NEIGH_DEAD), 1U);
  EXPECT_TRUE(neigh->dead);
  EXPECT_EQ(Send(neigh), -ENETDOWN);
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_NEIGH_DEAD), 2U);
  EXPECT_EQ(neigh_update(neigh, kMac, NUD_REACHABLE, 0), -EPERM);
  neigh_release(neigh);
}

// `ip neigh`: what an administrator says stands, and is not collected while it is permanent.
TEST_F(NeighbourTest, AnAdministratorAddsChangesAndDeletes) {
  host_.n.arp_tbl = &table_;
  const auto ip_neigh = [this](const char* command) {
    std::string none;
    return neigh_command(host_.n, command, &none);
  };
  EXPECT_EQ(ip_neigh("add 10.0.0.9 lladdr 02:00:00:00:00:09 dev eth0"), 0);
  EXPECT_EQ(Entry()->nud_state, NUD_PERMANENT);
  EXPECT_EQ(table_.gc_entries, 0U);
  EXPECT_EQ(neigh_update(Entry(), kMac, NUD_REACHABLE, NEIGH_UPDATE_F_OVERRIDE), -EPERM);
  EXPECT_EQ(ip_neigh("add 10.0.0.9 lladdr 02:00:00:00:00:0a dev eth0"), -EEXIST);
  EXPECT_EQ(ip_neigh("change 10.0.0.9 lladdr 02:00:00:00:00:0a nud stale router dev eth0"), 0);
  EXPECT_EQ(table_.gc_entries, 1U);
  std::string shown;
  EXPECT_EQ(neigh_command(host_.n, "show dev eth0", &shown), 0);
  EXPECT_EQ(shown, "10.0.0.9 dev eth0 lladdr 02:00:00:00:00:0a router STALE \n");
  EXPECT_EQ(ip_neigh("del 10.0.0.9 dev eth0"), 0);
  EXPECT_EQ(ip_neigh("del 10.0.0.9 dev eth0"), -ENOENT);
  EXPECT_EQ(ip_neigh("change 10.0.0.9 lladdr 02:00:00:00:00:0a dev eth0"), -ENOENT);
  EXPECT_EQ(ip_neigh("replace 10.0.0.9 lladdr 02:00:00:00:00:0a nud reachable dev eth0"), 0);
  EXPECT_EQ(ip_neigh("flush dev eth0"), 0);
  EXPECT_EQ(table_.entries, 0U);
  for (const char* wrong : {"add 10.0.0.8 lladdr x dev eth0", "add 10.0.0.8", "add dev eth0",
                            "add 10.0.0.8 nud sleepy dev eth0", "sing"}) {
    EXPECT_EQ(ip_neigh(wrong), -EINVAL) << wrong;
  }
  EXPECT_EQ(ip_neigh("add 10.0.0.8 lladdr 02:00:00:00:00:0a dev eth9"), -ENODEV);
  host_.n.arp_tbl = nullptr;
}

// Each setting has its unit; two files of one setting show the same.
TEST_F(NeighbourTest, SettingsHaveTheirUnits) {
  SysctlTree& tree = host_.kernel.sysctl();
  const auto read = [&tree](const char* name) {
    std::string text;
    EXPECT_EQ(tree.Read(std::string("net/ipv4/neigh/default/") + name, &text), 0) << name;
    return text;
  };
  EXPECT_EQ(read("retrans_time"), "100\n");  // hundredths
  EXPECT_EQ(read("retrans_time_ms"), "1000\n");
  EXPECT_EQ(read("proxy_delay"), "80\n");
  EXPECT_EQ(read("locktime"), "100\n");
  EXPECT_EQ(read("unres_qlen"), "101\n");  // frames
  EXPECT_EQ(read("unres_qlen_bytes"), "212992\n");
  EXPECT_EQ(tree.Write("net/ipv4/neigh/default/unres_qlen", "3"), 0);
  EXPECT_EQ(read("unres_qlen_bytes"), "6270\n");
  EXPECT_EQ(tree.Write("net/ipv4/neigh/default/retrans_time", "-1"), -EINVAL);
}

TEST_F(NeighbourTest, ManyEntriesAreFoundAgain) {
  ASSERT_EQ(host_.kernel.sysctl().Write("net/ipv4/neigh/default/gc_thresh3", "5000"), 0);
  for (uint32_t i = 1; i <= 3000; ++i) {
    uint8_t key[4];
    StoreBe32(key, 0x0a000000 + i);
    neigh_update(Entry(key), kMac, NUD_STALE, 0);
  }
  EXPECT_EQ(table_.entries, 3000U);
  EXPECT_GT(table_.stats.hash_grows, 5U);
  for (uint32_t i = 1; i <= 3000; ++i) {
    uint8_t key[4];
    StoreBe32(key, 0x0a000000 + i);
    const neighbour* const found = __neigh_lookup_noref(&table_, key, device_.dev());
    ASSERT_NE(found, nullptr);
    ASSERT_EQ(LoadBe32(found->primary_key), 0x0a000000 + i);
  }
  uint32_t seen = 0;
  neigh_for_each(&table_, [&seen](neighbour*) { ++seen; });
  EXPECT_EQ(seen, 3000U);
}

// gc_thresh3 is never passed; above gc_thresh2 entries older than five seconds are collected by
// force.
TEST_F(NeighbourTest, TheTableIsLimited) {
  for (uint32_t i = 1; i <= 1024; ++i) {
    uint8_t key[4];
    StoreBe32(key, 0x0a000000 + i);
    ASSERT_NE(Entry(key), nullptr);
  }
  EXPECT_EQ(Entry(), Entry());  // is there already
  const uint8_t one_more[4] = {10, 1, 0, 0};
  EXPECT_EQ(Entry(one_more), nullptr);
  EXPECT_EQ(table_.stats.table_fulls, 1U);
  RunTo(5'001);
  EXPECT_NE(Entry(one_more), nullptr);
  EXPECT_EQ(table_.entries, 512U);
}

// From gc_thresh1 on what nobody has used for a minute goes; a small table keeps everything and has
// no timer.
TEST_F(NeighbourTest, OldEntriesAreCollected) {
  for (uint32_t i = 1; i <= 127; ++i) {
    uint8_t key[4];
    StoreBe32(key, 0x0a000000 + i);
    neigh_update(Entry(key), kMac, NUD_STALE, 0);
  }
  EXPECT_EQ(host_.kernel.cpu(0).timers().pending(), 0U);
  neighbour* const held = neigh_clone(Entry());
  const uint8_t one_more[4] = {10, 1, 0, 0};
  neigh_update(Entry(one_more), kMac, NUD_STALE, 0);
  EXPECT_EQ(host_.kernel.cpu(0).timers().pending(), 1U);
  RunTo(59'000);
  EXPECT_EQ(table_.entries, 128U);
  RunTo(90'000);
  EXPECT_EQ(table_.entries, 1U);
  EXPECT_EQ(Entry(), held);
  neigh_release(held);
  EXPECT_EQ(host_.kernel.cpu(0).timers().pending(), 0U);
}

TEST_F(NeighbourTest, DefaultsAreFollowedUntilADeviceHasItsOwn) {
  SysctlTree& tree = host_.kernel.sysctl();
  std::string text;
  const struct {
    const char* name;
    const char* text;
  } kDefaults[] = {{"mcast_solicit", "3\n"},
                   {"ucast_solicit", "3\n"},
                   {"app_solicit", "0\n"},
                   {"mcast_resolicit", "0\n"},
                   {"retrans_time_ms", "1000\n"},
                   {"base_reachable_time", "30\n"},
                   {"base_reachable_time_ms", "30000\n"},
                   {"delay_first_probe_time", "5\n"},
                   {"gc_stale_time", "60\n"},
                   {"unres_qlen_bytes", "212992\n"},
                   {"proxy_qlen", "64\n"}};
  for (const auto& d : kDefaults) {
    for (const char* dev : {"default", "eth0"}) {
      EXPECT_EQ(tree.Read(std::string("net/ipv4/neigh/") + dev + "/" + d.name, &text), 0);
      EXPECT_EQ(text, d.text) << d.name;
    }
  }
  ASSERT_EQ(tree.Write("net/ipv4/neigh/default/ucast_solicit", "7"), 0);
  EXPECT_EQ(parms_->ucast_probes, 7);
  ASSERT_EQ(tree.Write("net/ipv4/neigh/eth0/ucast_solicit", "2"), 0);
  ASSERT_EQ(tree.Write("net/ipv4/neigh/default/ucast_solicit", "9"), 0);
  EXPECT_EQ(parms_->ucast_probes, 2);
  ASSERT_EQ(tree.Write("net/ipv4/neigh/default/base_reachable_time_ms", "1000"), 0);
  EXPECT_GE(parms_->reachable_time, 500U);
  EXPECT_LE(parms_->reachable_time, 1500U);
  ASSERT_EQ(tree.Read("net/ipv4/neigh/default/gc_thresh3", &text), 0);
  EXPECT_EQ(text, "1024\n");
}

TEST_F(NeighbourTest, QuestionsForOthersAreAnsweredAfterADelay) {
  static std::vector<uint64_t> answers;
  answers.clear();
  table_.proxy_redo = [](sk_buff* skb) {
    answers.push_back(dev_net(skb->dev).kernel.now().ns() / 1'000'000);
    consume_skb(skb);
  };
  for (int i = 0; i < 70; ++i) pneigh_enqueue(&table_, parms_, Packet());
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_NEIGH_QUEUEFULL), 5U);  // Linux compares with >: 65 fit
  RunTo(2000);
  ASSERT_EQ(answers.size(), 65U);
  EXPECT_GT(answers.back(), answers.front());
  EXPECT_LE(answers.back(), 800U + 64);
  pneigh_enqueue(&table_, parms_, Packet());
  neigh_ifdown(&table_, device_.dev());
  EXPECT_EQ(host_.Drops(SKB_DROP_REASON_NEIGH_DEAD), 1U);
}

// A packet whose header others still read gets a header of its own.
TEST_F(NeighbourTest, SharedHeadersAreNotOverwritten) {
  neighbour* const neigh = Entry();
  neigh_update(neigh, kMac, NUD_STALE, 0);
  Send(neigh);  // fills the cached header
  neigh_update(neigh, kMac, NUD_REACHABLE, 0);
  sk_buff* const skb = Packet();
  const Bytes headroom(skb->head, skb->data);
  sk_buff* const clone = skb_clone(skb);
  EXPECT_EQ(neigh_output(neigh, skb, false), NET_XMIT_SUCCESS);
  EXPECT_EQ(Bytes(clone->head, clone->data), headroom);
  EXPECT_EQ(BytesOf(clone), Pattern(20));
  EXPECT_EQ(device_.sent.back()->len, 34U);
  consume_skb(clone);
}

}  // namespace
}  // namespace tapedeck
