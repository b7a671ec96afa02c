// Settings, headers and marks of recordings as text and back.
#include "replay/recording/recording_format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tapedeck {
namespace {

using testing::HasSubstr;

LiveSettings OtherSettings() {
  LiveSettings settings;
  settings.seed = 0xabc;
  settings.costs = "xdp18";
  settings.hz = 250;
  settings.eitr = 0;
  settings.rx_ring = 64;
  settings.tx_ring = 4096;
  settings.mac = MacAddress(2, 1, 2, 3, 4, 5);
  settings.address = Ipv4Address(192, 0, 2, 7);
  settings.prefix_bits = 30;
  settings.address6 = std::nullopt;
  settings.gateway = Ipv4Address(192, 0, 2, 1);
  settings.services = {{ServiceKind::kHttp, 8080}, {ServiceKind::kIperf3, 5201}};
  return settings;
}

TEST(LiveSettingsTest, PrintedAndParsedTheyAreTheSame) {
  for (const LiveSettings& settings : {LiveSettings{}, OtherSettings()}) {
    const auto parsed = ParseLiveSettings(LiveSettingsText(settings));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, settings);
  }
}

TEST(LiveSettingsTest, SayWhatIsExpected) {
  LiveSettings settings;
  for (const auto& [name, value, what] :
       std::vector<std::tuple<const char*, const char*, const char*>>{
           {"seed", "xyz", "hexadecimal digits"},
           {"costs", "nix", "one of free"},
           {"hz", "300", "100, 250 or 1000"},
           {"eitr", "1000", "up to fff"},
           {"rx_ring", "65", "multiple of 8"},
           {"mac", "01:00:00:00:00:01", "address of a station"},
           {"address", "224.0.0.1/24", "IPv4 address"},
           {"address", "10.0.0.1/33", "IPv4 address"},
           {"address6", "10.0.0.1", "IPv6 address"},
           {"gateway", "fd00::1", "IPv4 address"},
           {"gateway6", "x", "IPv6 address"},
           {"serve", "ftp=21", "no application"},
           {"serve", "http=0", "port from 1 to 65535"},
           {"serve", "http=80,echo=80", "given to http and echo"},
           {"colour", "red", "no setting"}}) {
    const absl::Status status = SetLiveSetting(name, value, &settings);
    EXPECT_THAT(std::string(status.message()), HasSubstr(what)) << name << " " << value;
    EXPECT_EQ(settings, LiveSettings{}) << name << " " << value;
  }
}

TEST(RecordingFormatTest, AHeaderIsReadBack) {
  const RecordingHeader header{"abcd", 1'700'000'000'123'456'789, OtherSettings()};
  const std::string text = RecordingHeaderText(header);
  EXPECT_TRUE(IsRecordingHeader(text));
  const auto parsed = ParseRecordingHeader(text);
  ASSERT_TRUE(parsed.ok()) << parsed.status();
  EXPECT_EQ(parsed->build, header.build);
  EXPECT_EQ(parsed->epoch_ns, header.epoch_ns);
  EXPECT_EQ(parsed->settings, header.settings);
}

TEST(RecordingFormatTest, OtherVersionsAreNamed) {
  EXPECT_TRUE(IsRecordingHeader("tapedeck recording 99\nfuture"));
  EXPECT_THAT(std::string(ParseRecordingHeader("tapedeck recording 99\nfuture").status().message()),
              HasSubstr("version 1"));
  EXPECT_FALSE(IsRecordingHeader("seed 5eed0001"));
}

TEST(RecordingFormatTest, MarksAreReadBack) {
  for (const bool end : {false, true}) {
    const RecordingMark mark{end, 123'456'789, 42, "0123456789abcdef"};
    EXPECT_EQ(ParseRecordingMark(RecordingMarkText(mark)), mark);
  }
  EXPECT_EQ(ParseRecordingMark("tapedeck mark 1 2"), std::nullopt);
  EXPECT_EQ(ParseRecordingMark("a comment"), std::nullopt);
}

}  // namespace
}  // namespace tapedeck
