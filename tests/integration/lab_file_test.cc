// Lab files: what they may hold, what is wrong with others, and what comes of those in corpus/labs.
#include "replay/lab_file/lab_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "replay/lab_file/lab_run.h"
#include "replay/lab_file/units.h"

namespace tapedeck {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

constexpr char kHosts[] =
    "[[host]]\nname = \"a\"\naddress = \"10.0.0.1/24\"\n"
    "[[host]]\nname = \"b\"\naddress = \"10.0.0.2/24\"\n";
constexpr char kApps[] =
    "[[server]]\nhost = \"b\"\nport = 80\n"
    "[[client]]\nhost = \"a\"\nserver = \"b:80\"\nresponse = \"64k\"\n";

TEST(LabUnitsTest, AreExact) {
  EXPECT_EQ(ParseLabDuration("1.5ms"), Duration::Microseconds(1500));
  EXPECT_EQ(ParseLabDuration("0.001ns"), Duration::Picoseconds(1));
  EXPECT_EQ(ParseLabDuration("0.0001ns"), std::nullopt);
  EXPECT_EQ(ParseLabRate("100Mbit"), 100'000'000U);
  EXPECT_EQ(ParseLabShare("0.05%"), 500U);
  EXPECT_EQ(ParseLabShare("100%"), 1'000'000U);
  EXPECT_EQ(ParseLabShare("101%"), std::nullopt);
  EXPECT_EQ(ParseLabBytes("1.5k"), 1536U);
  for (const char* const wrong : {"", "ms", "1", "1 ms", ".5ms", "5.ms", "1h", "-1ms", "1e3ms"}) {
    EXPECT_EQ(ParseLabDuration(wrong), std::nullopt) << wrong;
  }
}

TEST(LabFileTest, WhatHoldsForBothWaysMayBeOtherwiseForOne) {
  const auto file = ParseLabFile(
      std::string(kHosts) + "[link]\ndelay = \"5ms\"\nloss = \"1%\"\n[link.back]\nloss = \"2%\"\n" +
          kApps,
      "x.toml");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_EQ(file->links[0].delay, Duration::Milliseconds(5));
  EXPECT_EQ(file->links[1].delay, Duration::Milliseconds(5));
  EXPECT_EQ(file->links[0].loss_ppm, 10'000U);
  EXPECT_EQ(file->links[1].loss_ppm, 20'000U);
  EXPECT_EQ(file->clients[0].plan.response_bytes, 65'536U);
}

TEST(LabFileTest, ErrorsNameTheLineAndWhatIsExpected) {
  const std::string hosts = kHosts;
  const std::string all = hosts + kApps;
  const std::vector<std::pair<std::string, std::string>> wrong = {
      {"x = ", "x.toml:1:"},
      {all + "[link]\nloss = \"200%\"\n", "`loss` is a share"},
      {all + "[link]\ncolour = 1\n", "no `colour`"},
      {all + "[link.up]\ndelay = \"1ms\"\n", "no `up`"},
      {"[[host]]\nname = \"a\"\naddress = \"10.0.0.300\"\n", "x.toml:3:11: `address` is one as"},
      {hosts, "there is no [[client]]"},
      {kApps, "there is no host `b`"},
      {hosts + "[[client]]\nhost = \"a\"\nserver = \"b:80\"\n",
       "x.toml:9:10: there is no [[server]]"},
      {"[[host]]\nname = \"a\"\naddress = [\"10.0.0.1\", \"10.0.0.2\"]\n",
       "x.toml:3:24: a host has one address of IPv4 and one of IPv6"},
      {hosts + "[[server]]\nhost = \"b\"\nport = 7\nprotocol = \"udp\"\n"
               "[[client]]\nhost = \"a\"\nserver = \"b:7/udp\"\nresponse = \"64k\"\n",
       "have at most 16000 bytes"},
      {hosts + "[[server]]\nhost = \"b\"\nport = 7\nprotocol = \"sctp\"\n",
       "`protocol` is \"tcp\" or \"udp\""},
      {all + "over = \"IPX\"\n", "`over` is \"IPv4\" or \"IPv6\""},
      {all + "over = \"IPv6\"\n", "have no addresses of IPv6"},
      {"seed = 5\n" + all, "`seed` is a text in quotes"},
      {"speed = \"5\"\n" + all, "there is no key `speed`"},
      {hosts + hosts + kApps, "a lab has two [[host]], and here are 4"},
      {hosts + "[[server]]\nhost = \"b\"\nport = 0\n", "`port` is a number from 1 to 65535"},
  };
  for (const auto& [text, message] : wrong) {
    EXPECT_THAT(std::string(ParseLabFile(text, "x.toml").status().message()), HasSubstr(message));
  }
}

LabRunResult Played(const LabFile& file);

// Two clients of one server, each over its own family.
TEST(LabFileTest, HostsSpeakBothFamilies) {
  std::string text;
  for (const std::string name : {"a", "b"}) {
    const std::string number = name == "a" ? "1" : "2";
    text += "[[host]]\nname = \"" + name + "\"\naddress = [\"10.0.0." + number +
            "/24\", \"2001:db8::" + number + "/64\"]\n";
  }
  text += "[[server]]\nhost = \"b\"\nport = 80\n";
  for (const std::string over : {"IPv4", "IPv6"}) {
    text += "[[client]]\nhost = \"a\"\nserver = \"b:80\"\nover = \"" + over +
            "\"\nresponse = \"100k\"\n";
  }
  const absl::StatusOr<LabFile> file = ParseLabFile(text, "x.toml");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_FALSE(file->clients[0].over_ipv6);
  EXPECT_TRUE(file->clients[1].over_ipv6);
  const LabRunResult run = Played(*file);
  EXPECT_THAT(run.violations, testing::IsEmpty());
  for (const AppCounts& client : run.clients) EXPECT_EQ(client.bytes_received, 102'400U);
  EXPECT_EQ(run.servers[0].connections, 2U);
}

// Requests and answers in datagrams, some of several fragments, over a path that loses frames.
TEST(LabFileTest, DatagramsThatAreLostAreAskedForAgain) {
  const absl::StatusOr<LabFile> file = ParseLabFile(
      std::string(kHosts) +
          "[link]\ndelay = \"5ms\"\nloss = \"5%\"\n"
          "[[server]]\nhost = \"b\"\nport = 53\nprotocol = \"udp\"\n"
          "[[client]]\nhost = \"a\"\nserver = \"b:53/udp\"\nconnections = 2\nrequests = 20\n"
          "request = \"100\"\nresponse = \"4k\"\n",
      "x.toml");
  ASSERT_TRUE(file.ok()) << file.status();
  const LabRunResult run = Played(*file);
  EXPECT_THAT(run.violations, testing::IsEmpty());
  EXPECT_EQ(run.clients[0].requests, 40U);
  EXPECT_EQ(run.clients[0].bytes_received, 40 * 4'096U);
  EXPECT_GT(run.links[0].lost + run.links[1].lost, 0U);
  EXPECT_GT(run.servers[0].requests, 40U) << "some were asked again";
  EXPECT_EQ(Played(*file).digest, run.digest);
}

// The same download, with segments merged and without: one host sends as much in fewer frames, as
// the other one has less to acknowledge.
TEST(LabFileTest, AHostMayMergeSegments) {
  uint64_t frames[2] = {};
  for (const bool merge : {false, true}) {
    std::string hosts = kHosts;
    if (merge) hosts.insert(hosts.find("[[host]]", 1), "gro = true\n");
    const absl::StatusOr<LabFile> file =
        ParseLabFile(hosts + "[link]\ndelay = \"1ms\"\n" +
                         "[[server]]\nhost = \"b\"\nport = 80\n"
                         "[[client]]\nhost = \"a\"\nserver = \"b:80\"\nresponse = \"2M\"\n",
                     "x.toml");
    ASSERT_TRUE(file.ok()) << file.status();
    EXPECT_EQ(file->hosts[0].gro, merge);
    EXPECT_FALSE(file->hosts[1].gro);
    const LabRunResult run = Played(*file);
    EXPECT_THAT(run.violations, testing::IsEmpty());
    EXPECT_EQ(run.queued, 0U);
    EXPECT_EQ(run.clients[0].bytes_received, 2U << 20);
    frames[merge] = run.frames_in;
  }
  EXPECT_LT(frames[1], frames[0]);
}

// Where there is no other, IPv6 is what is meant.
TEST(LabFileTest, HostsWithoutIpv4UseIpv6) {
  const absl::StatusOr<LabFile> file = ParseLabFile(
      "[[host]]\nname = \"a\"\naddress = \"2001:db8::1/64\"\n"
      "[[host]]\nname = \"b\"\naddress = \"2001:db8::2/64\"\n"
      "[[server]]\nhost = \"b\"\nport = 80\n"
      "[[client]]\nhost = \"a\"\nserver = \"b:80\"\nresponse = \"10k\"\n",
      "x.toml");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_TRUE(file->clients[0].over_ipv6);
  const LabRunResult run = Played(*file);
  EXPECT_THAT(run.violations, testing::IsEmpty());
  EXPECT_EQ(run.clients[0].bytes_received, 10'240U);
}

LabRunResult Played(const LabFile& file) {
  const auto run = RunLabFile(file, nullptr);
  EXPECT_TRUE(run.ok()) << run.status();
  return run.ok() ? *run : LabRunResult{};
}

class LabCorpusTest : public testing::TestWithParam<const char*> {};

TEST_P(LabCorpusTest, EveryClientIsServedAndARunIsMadeTwice) {
  const auto file = ReadLabFile(std::string("corpus/labs/") + GetParam() + ".toml");
  ASSERT_TRUE(file.ok()) << file.status();
  const LabRunResult run = Played(*file);
  EXPECT_THAT(run.violations, IsEmpty());
  EXPECT_EQ(Played(*file).digest, run.digest);
  for (size_t i = 0; i < file->clients.size(); ++i) {
    const AppPlan& plan = file->clients[i].plan;
    const uint64_t requests = uint64_t{plan.connections} * plan.requests_per_connection;
    EXPECT_EQ(run.clients[i].requests, requests);
    EXPECT_EQ(run.clients[i].bytes_received, requests * plan.response_bytes);
    EXPECT_GT(Goodput(run, run.clients[i]), 0U);
  }
}

INSTANTIATE_TEST_SUITE_P(Labs, LabCorpusTest,
                         testing::Values("lossy", "two-flows", "disorder", "families", "merging"),
                         [](const auto& param) {
                           std::string name = param.param;
                           for (char& c : name) c = c == '-' ? '_' : c;
                           return name;
                         });

TEST(LabFileTest, APathThatLosesEverythingIsToldOf) {
  const auto file = ParseLabFile(
      std::string("limit = \"5s\"\n") + kHosts + "[link]\nloss = \"100%\"\n" + kApps, "x.toml");
  ASSERT_TRUE(file.ok()) << file.status();
  // EHOSTUNREACH: nobody answers ARP.
  EXPECT_THAT(Played(*file).violations,
              testing::Contains("client1: 1 calls failed, the first with -113"));
}

TEST(LabFileTest, AClientThatIsNotThroughInTimeIsToldOf) {
  const auto file = ParseLabFile(
      std::string("limit = \"1s\"\n") + kHosts + "[link]\nrate = \"100kbit\"\n" + kApps, "x.toml");
  ASSERT_TRUE(file.ok()) << file.status();
  EXPECT_THAT(Played(*file).violations,
              testing::Contains("client1 is not through when the limit is reached"));
}

}  // namespace
}  // namespace tapedeck
