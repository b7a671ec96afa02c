// Cost tables: what parses, what is said about what does not, and the presets.
#include <gtest/gtest.h>

#include <string>

#include "stack/kernel/cost_preset.h"

namespace tapedeck {
namespace {

uint32_t Cost(const CostTable& table, CostPoint point) {
  return table.cycles[static_cast<size_t>(point)];
}

TEST(CostTest, ParsesLinesCommentsAndSeparators) {
  CostTable table;
  std::string error;
  ASSERT_TRUE(ParseCostTable("test",
                             "# head\n\n cpu_hz = 3_600_000_000 # comment\r\nhardirq=1170\n"
                             "\tcopy_per_byte =\t64\ntimer = 0",
                             &table, &error))
      << error;
  EXPECT_STREQ(table.name, "test");
  EXPECT_EQ(table.cpu_hz, 3'600'000'000U);
  EXPECT_EQ(Cost(table, CostPoint::k_hardirq), 1170U);
  EXPECT_EQ(Cost(table, CostPoint::k_copy_per_byte), 64U);
  EXPECT_EQ(Cost(table, CostPoint::k_timer), 0U);
  EXPECT_EQ(Cost(table, CostPoint::k_syscall), 0U);
  EXPECT_FALSE(table.free);
}

TEST(CostTest, ErrorsNameTheLineAndChangeNothing) {
  struct Case {
    const char* text;
    const char* error;
  };
  for (const Case& c :
       {Case{"cpu_hz = 1\nhardirq 5\n", "line 2: expected `name = number`, found `hardirq 5`"},
        {"\n\nsoftirq_x = 5", "line 3: no cost point is called `softirq_x`"},
        {"hardirq = 5 # fine\nhardirq = 6", "line 2: `hardirq` is given twice"},
        {"cpu_hz = 5\n\ncpu_hz = 6", "line 3: `cpu_hz` is given twice"},
        {"hardirq = ", "line 1: hardirq: expected a whole number of cycles up to 10^9, found ``"},
        {"hardirq = -1",
         "line 1: hardirq: expected a whole number of cycles up to 10^9, found `-1`"},
        {"hardirq = 1.5",
         "line 1: hardirq: expected a whole number of cycles up to 10^9, found `1.5`"},
        {"hardirq = _", "line 1: hardirq: expected a whole number of cycles up to 10^9, found `_`"},
        {"hardirq = 1000000001",
         "line 1: hardirq: expected a whole number of cycles up to 10^9, found `1000000001`"},
        {"hardirq = 99999999999999999999999",
         "line 1: hardirq: expected a whole number of cycles up to 10^9, found "
         "`99999999999999999999999`"},
        {"cpu_hz = 0",
         "line 1: cpu_hz: expected a whole number of hertz from 1 to 10^12, found `0`"},
        {"cpu_hz = 1000000000001",
         "line 1: cpu_hz: expected a whole number of hertz from 1 to 10^12, found "
         "`1000000000001`"}}) {
    CostTable table;
    table.cpu_hz = 77;
    std::string error;
    EXPECT_FALSE(ParseCostTable("test", c.text, &table, &error)) << c.text;
    EXPECT_EQ(error, c.error);
    EXPECT_EQ(table.cpu_hz, 77U);
  }
}

TEST(CostTest, LongNamesAreCut) {
  CostTable table;
  std::string error;
  const std::string name(100, 'n');
  ASSERT_TRUE(ParseCostTable(name, "", &table, &error));
  EXPECT_EQ(std::string(table.name), std::string(sizeof(table.name) - 1, 'n'));
}

TEST(CostTest, EveryPresetParses) {
  std::string names;
  for (const CostPreset& preset : CostPresets()) {
    CostTable table;
    std::string error;
    EXPECT_TRUE(ParseCostTable(preset.name, preset.text, &table, &error))
        << preset.name << ": " << error;
    EXPECT_EQ(table.free, std::string(preset.name) == "free");
    names += std::string(preset.name) + " ";
  }
  EXPECT_EQ(names, "free xdp18 ");
  EXPECT_EQ(CostPresetNames(), "free, xdp18");
  EXPECT_FALSE(CostPresetNamed("xdp").has_value());
}

// 1.3 us at 3.6 GHz for interrupt, softirq and re-arm together (nicmodel's fit of the XDP paper),
// 208 ns a dropped packet.
TEST(CostTest, Xdp18AddsUpToWhatItWasFittedTo) {
  const CostTable table = *CostPresetNamed("xdp18");
  const uint32_t interrupt =
      Cost(table, CostPoint::k_hardirq) + Cost(table, CostPoint::k_napi_schedule) +
      Cost(table, CostPoint::k_softirq) + Cost(table, CostPoint::k_napi_complete) +
      Cost(table, CostPoint::k_irq_rearm);
  EXPECT_EQ(interrupt, 4680U);
  const uint32_t drop = Cost(table, CostPoint::k_driver_rx_packet) +
                        Cost(table, CostPoint::k_build_skb) + Cost(table, CostPoint::k_skb_alloc) +
                        Cost(table, CostPoint::k_skb_free) + Cost(table, CostPoint::k_gro_receive) +
                        Cost(table, CostPoint::k_netif_receive) + Cost(table, CostPoint::k_ip_rcv);
  EXPECT_EQ(drop, 750U);  // 208 ns
}

}  // namespace
}  // namespace tapedeck
