// The parts of the differential judge that need no kernel.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "replay/differential/case.h"
#include "replay/differential/counters.h"
#include "replay/differential/field_name.h"
#include "replay/differential/generate.h"
#include "replay/differential/known_differences.h"
#include "replay/differential/listener_reports.h"
#include "stack/wire/frame_builder.h"

namespace tapedeck::differential {
namespace {

std::string TextOf(const Case& made) {
  std::string text;
  for (const Setting& setting : made.settings) text += setting.path + "=" + setting.value + "\n";
  for (const Step& step : made.steps) {
    text += TextOf(step) + "\n";
    if (const auto* frame = std::get_if<FrameStep>(&step)) text += HexText(frame->bytes) + "\n";
  }
  return text;
}

TEST(GenerateTest, TheSameNumberMakesTheSameCase) {
  for (const Kind& kind : Kinds()) {
    if (kind.needs_captures) continue;
    for (uint64_t number = 0; number < 50; ++number) {
      const Case made = Generate(kind, 7, number, 3);
      EXPECT_FALSE(made.steps.empty()) << kind.name;
      EXPECT_EQ(TextOf(made), TextOf(Generate(kind, 7, number, 3))) << kind.name;
      EXPECT_EQ(made.steps.size(), Generate(kind, 7, number, kPlaces - 1).steps.size());
    }
  }
}

TEST(KnownDifferencesTest, StarsStandForAnything) {
  EXPECT_TRUE(Matches("udp*", "udp"));
  EXPECT_TRUE(Matches("counter *: ours more", "counter Udp.InErrors: ours more"));
  EXPECT_TRUE(Matches("a*b*c", "axxbyyc"));
  EXPECT_FALSE(Matches("a*b*c", "axxcyyb"));
  EXPECT_FALSE(Matches("udp", "udp-lite"));
}

TEST(KnownDifferencesTest, ALineIsForItsKindAndKernel) {
  const std::string path = testing::TempDir() + "/known_differences.tsv";
  std::ofstream(path) << "# why\n\nudp\tcall poll: *\t6.18\ta reason\n";
  const auto known = KnownDifferences::Read(path, "6.18.44");
  ASSERT_TRUE(known.ok());
  EXPECT_TRUE(known->Explains("udp", "call poll: length", {}));
  EXPECT_FALSE(known->Explains("icmp", "call poll: length", {}));
  EXPECT_FALSE(KnownDifferences::Read(path, "7.2.13")->Explains("udp", "call poll: length", {}));
  std::ofstream(path) << "udp\tcall poll: *\t6.18\n";
  EXPECT_FALSE(KnownDifferences::Read(path, "6.18.44").ok());
  std::remove(path.c_str());
}

TEST(KnownDifferencesTest, AConsequenceNeedsItsCause) {
  const std::string path = testing::TempDir() + "/known_consequences.tsv";
  std::ofstream(path) << "tcp\tcounter Tcp*: * if reply tcp.*\t*\ta reason\n";
  const auto known = KnownDifferences::Read(path, "6.18.44");
  ASSERT_TRUE(known.ok());
  const std::string counter = "counter Tcp.InErrs: ours more";
  EXPECT_TRUE(known->Explains("tcp", counter, {counter, "reply tcp.window of tap0"}));
  EXPECT_FALSE(known->Explains("tcp", counter, {counter}));
  EXPECT_FALSE(known->Explains("tcp", "reply tcp.window", {counter, "reply tcp.window"}));
  std::remove(path.c_str());
}

TEST(CounterTextTest, GroupsAreFoundByTheirNames) {
  const CounterText counters("Ip: InReceives Nonsense\nIp: 0 0\nTcp: MaxConn InSegs\nTcp: -1 0\n");
  std::vector<uint64_t> values;
  counters.Read("Ip: x\nIp: 5 6\nIcmpMsg: InType3\nIcmpMsg: 9\nTcp: x\nTcp: -1 7\n", &values);
  const auto value = [&](const char* name) {
    for (size_t i = 0; i < values.size(); ++i) {
      if (CounterNames()[i] == name) return values[i];
    }
    return uint64_t{0};
  };
  EXPECT_EQ(value("Ip.InReceives"), 5U);
  EXPECT_EQ(value("Tcp.InSegs"), 7U);
}

TEST(CounterTextTest, BehindTheGroupsEachCounterOfIpv6IsALine) {
  const CounterText counters("Ip: InReceives\nIp: 0\nIp6InReceives   \t0\nUdpLite6NoPorts \t0\n");
  std::vector<uint64_t> values;
  counters.Read("Ip: x\nIp: 5\nIp6InReceives   \t6\nIcmp6InType128  \t7\n", &values);
  EXPECT_EQ(values[CounterIndex("Ip.InReceives")], 5U);
  EXPECT_EQ(values[CounterIndex("Ip6.InReceives")], 6U);
  EXPECT_EQ(values[CounterIndex("Icmp6.InType128")], 7U);
  EXPECT_TRUE(counters.has(CounterIndex("Icmp6.OutType3")));
  EXPECT_FALSE(counters.has(CounterIndex("Udp6.NoPorts")));
}

TEST(ListenerReportsTest, AReportIsTakenOutWithWhatItCounts) {
  std::vector<uint8_t> buffer(200);
  const std::vector<uint8_t> hop_by_hop = {0, 0, 5, 2, 0, 0, 1, 0};
  wire::FrameBuilder builder(buffer);
  wire::Ipv6Header ip;
  ip.daddr = kIpv6AllRouters;
  wire::Icmpv6Header icmp;
  icmp.type = wire::kIcmpv6ListenerReport2;
  builder.Ethernet(MacAddress(), MacAddress()).Ipv6(ip).Ipv6Extension(0, hop_by_hop).Icmpv6(icmp);
  const std::span<uint8_t> report = builder.Build();
  differential::Run run;
  run.counters.assign(CounterNames().size(), 0);
  run.counters[CounterIndex("Ip6.OutRequests")] = 2;
  run.counters[CounterIndex("Ip6.OutOctets")] = 100;
  run.counters[CounterIndex("Icmp6.OutType143")] = 1;
  run.steps.resize(1);
  run.steps[0].replies.push_back({0, {report.begin(), report.end()}});
  run.steps[0].replies.push_back({0, {1, 2, 3}});
  TakeOutListenerReports(&run);
  ASSERT_EQ(run.steps[0].replies.size(), 1U);
  EXPECT_EQ(run.steps[0].replies[0].bytes.size(), 3U);
  EXPECT_EQ(run.counters[CounterIndex("Ip6.OutRequests")], 1);
  EXPECT_EQ(run.counters[CounterIndex("Ip6.OutOctets")], 100 - 40 - 8 - 8);
  EXPECT_EQ(run.counters[CounterIndex("Icmp6.OutType143")], 0);
}

TEST(FieldNameTest, ShapesHaveNoNumbers) {
  EXPECT_EQ(Shape("tap0 > IP 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 1"),
            "tap0 > IP # > # ICMP echo reply, id #");
}

}  // namespace
}  // namespace tapedeck::differential
