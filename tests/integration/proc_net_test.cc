// /proc/net and the table of sockets: in the layout of the machine that runs this, and true.
#include "stack/socket/proc_net.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "replay/lab/lab.h"
#include "stack/socket/sock_diag.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

constexpr uint16_t kPort = 7;

// A host with a TCP listener and a bound UDP socket.
class ProcNetTest : public testing::Test {
 protected:
  static LabOptions OneHost() {
    LabOptions options;
    LabHostOptions host;
    host.address = Ipv4Address(10, 0, 0, 1);
    options.hosts = {host};
    return options;
  }

  ProcNetTest() : lab_(OneHost()) {
    Host& host = lab_.host(0);
    host.kernel().Spawn(0, [&host](Thread& thread) { return Open(thread, host); });
    lab_.world().RunUntil(lab_.world().now() + Duration::Milliseconds(1));
  }

  static Task<> Open(Thread& thread, Host& host) {
    Syscalls& sys = host.syscalls();
    const Endpoint end{IpAddress(Ipv4Address(10, 0, 0, 1)), be16(kPort)};
    const auto tcp = static_cast<int>(co_await sys.Socket(thread, kAfInet, SOCK_STREAM, 0));
    co_await sys.Bind(thread, tcp, end);
    co_await sys.Listen(thread, tcp, 5);
    const auto udp = static_cast<int>(co_await sys.Socket(thread, kAfInet6, SOCK_DGRAM, 0));
    co_await sys.Bind(thread, udp, Endpoint{IpAddress(kIpv6Any), be16(kPort)});
  }

  std::string Read(const char* name) {
    std::string text;
    EXPECT_EQ(proc_net_read(lab_.host(0).network(), name, &text), 0) << name;
    return text;
  }

  Lab lab_;
};

std::vector<std::string> Lines(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream stream(text);
  for (std::string line; std::getline(stream, line);) lines.push_back(line);
  return lines;
}

std::vector<std::string> LinesOfThisMachine(const std::string& name) {
  std::ifstream file("/proc/net/" + name);
  std::ostringstream text;
  text << file.rdbuf();
  return Lines(text.str());
}

// Whether `line` has all words of `part` in their order: newer kernels have more counters.
bool HasWordsInOrder(const std::string& line, const std::string& part) {
  std::istringstream line_words(line);
  std::istringstream part_words(part);
  std::string word;
  for (std::string wanted; part_words >> wanted;) {
    do {
      if (!(line_words >> word)) return false;
    } while (word != wanted);
  }
  return true;
}

TEST_F(ProcNetTest, HeadingsAreThoseOfThisMachine) {
  for (const char* const name : {"arp", "route", "tcp", "tcp6", "udp", "udp6", "dev", "raw", "raw6",
                                 "icmp", "icmp6", "igmp", "mcfilter", "mcfilter6"}) {
    const std::vector<std::string> theirs = LinesOfThisMachine(name);
    if (theirs.empty()) GTEST_SKIP() << "no /proc/net/" << name << " here";
    const std::vector<std::string> ours = Lines(Read(name));
    ASSERT_FALSE(ours.empty()) << name;
    EXPECT_EQ(ours[0], theirs[0]) << name;
  }
  EXPECT_EQ(Lines(Read("dev"))[1], LinesOfThisMachine("dev")[1]);
}

TEST_F(ProcNetTest, CountersHaveTheNamesOfThisMachine) {
  const std::vector<std::string> theirs = LinesOfThisMachine("snmp");
  if (theirs.empty()) GTEST_SKIP() << "no /proc/net/snmp here";
  const std::vector<std::string> ours = Lines(Read("snmp"));
  for (const char* const group : {"Ip: F", "Icmp: I", "Tcp: R", "Udp: I"}) {
    const auto starts = [&](const std::string& line) { return line.rfind(group, 0) == 0; };
    const auto our = std::find_if(ours.begin(), ours.end(), starts);
    const auto their = std::find_if(theirs.begin(), theirs.end(), starts);
    ASSERT_NE(our, ours.end()) << group;
    ASSERT_NE(their, theirs.end()) << group;
    EXPECT_TRUE(HasWordsInOrder(*our, *their)) << *our << "\n" << *their;
  }
}

TEST_F(ProcNetTest, SocketsAreShown) {
  EXPECT_NE(Read("tcp").find("0100000A:0007 00000000:0000 0A 00000000:00000000"), std::string::npos)
      << Read("tcp");
  EXPECT_NE(Read("udp6").find("00000000000000000000000000000000:0007"), std::string::npos)
      << Read("udp6");
  EXPECT_EQ(Lines(Read("udp")).size(), 1U);
}

TEST_F(ProcNetTest, DevicesAndAddressesAreShown) {
  EXPECT_EQ(Lines(Read("dev"))[2].rfind("    lo:", 0), 0U);
  EXPECT_NE(Read("if_inet6").find("00000000000000000000000000000001 01 80 10 80       lo"),
            std::string::npos);
  EXPECT_EQ(Lines(Read("softnet_stat")).size(), 1U);
}

// The lines below are those of a Linux machine whose sockets were set up in the same way, but for
// numbers of sockets, buckets of hashes and device names.
TEST_F(ProcNetTest, RawAndPingSocketsAreShown) {
  Host& host = lab_.host(0);
  ASSERT_EQ(host.kernel().sysctl().Write("net/ipv4/ping_group_range", "0 10"), 0);
  host.kernel().Spawn(0, [&host](Thread& thread) -> Task<> {
    Syscalls& sys = host.syscalls();
    co_await sys.Socket(thread, kAfInet, SOCK_RAW, 253);
    co_await sys.Socket(thread, kAfInet6, SOCK_RAW, 253);
    const auto ping = static_cast<int>(co_await sys.Socket(thread, kAfInet, SOCK_DGRAM, 1));
    co_await sys.Bind(thread, ping, Endpoint{IpAddress(Ipv4Address(10, 0, 0, 1)), be16(77)});
  });
  lab_.world().RunUntil(lab_.world().now() + Duration::Milliseconds(1));
  const std::vector<std::string> raw = Lines(Read("raw"));
  ASSERT_EQ(raw.size(), 2U);
  EXPECT_EQ(
      raw[1].substr(0, 89),
      "  29: 00000000:00FD 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        ");
  const std::vector<std::string> raw6 = Lines(Read("raw6"));
  ASSERT_EQ(raw6.size(), 2U);
  EXPECT_EQ(raw6[1].substr(0, 106),
            "   29: 00000000000000000000000000000000:00FD 00000000000000000000000000000000:0000 07 "
            "00000000:00000000 00");
  const std::vector<std::string> icmp = Lines(Read("icmp"));
  ASSERT_EQ(icmp.size(), 2U);
  EXPECT_EQ(icmp[1].size(), 127U);
  EXPECT_EQ(icmp[1].substr(5, 50), ": 0100000A:004D 00000000:0000 07 00000000:00000000");
  EXPECT_EQ(Lines(Read("icmp6")).size(), 1U);
}

TEST_F(ProcNetTest, GroupsAndTheirFiltersAreShown) {
  Host& host = lab_.host(0);
  host.kernel().Spawn(0, [&host](Thread& thread) -> Task<> {
    Syscalls& sys = host.syscalls();
    const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet, SOCK_DGRAM, 0));
    const uint8_t join[8] = {239, 1, 1, 1, 10, 0, 0, 1};
    co_await sys.Setsockopt(thread, fd, 0, 35, join, sizeof(join));  // IP_ADD_MEMBERSHIP
    const uint8_t source[12] = {239, 1, 1, 2, 10, 0, 0, 1, 10, 9, 0, 7};
    co_await sys.Setsockopt(thread, fd, 0, 39, source, sizeof(source));  // IP_ADD_SOURCE_...
  });
  lab_.world().RunUntil(lab_.world().now() + Duration::Seconds(10));
  const std::string device = lab_.device(0)->name;
  const std::string index = std::to_string(lab_.device(0)->ifindex);
  std::string line = index + "\t" + device;
  line.resize(line.size() + 10 - device.size(), ' ');
  EXPECT_NE(Read("igmp").find(line + ":     3      V3\n"
                                     "\t\t\t\t020101EF     1 0:00000000\t\t0\n"
                                     "\t\t\t\t010101EF     1 0:00000000\t\t0\n"
                                     "\t\t\t\t010000E0     1 0:00000000\t\t0\n"),
            std::string::npos)
      << Read("igmp");
  EXPECT_NE(Read("mcfilter").find(" 0xef010102 0x0a090007      1      0\n"), std::string::npos)
      << Read("mcfilter");
}

TEST(ProcNet6Test, RoutesGroupsAndAnycastAddressesAreShown) {
  LabOptions options;
  LabHostOptions host_options;
  host_options.address6 = Ipv6Address(std::array<uint16_t, 8>{0x2001, 0xdb8, 0, 0, 0, 0, 0, 5});
  options.hosts = {host_options};
  Lab lab(options);
  Host& host = lab.host(0);
  host.kernel().Spawn(0, [&host](Thread& thread) -> Task<> {
    Syscalls& sys = host.syscalls();
    const auto fd = static_cast<int>(co_await sys.Socket(thread, kAfInet6, SOCK_DGRAM, 0));
    uint8_t anycast[20] = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x77};
    anycast[16] = 2;                                                        // the first NIC
    co_await sys.Setsockopt(thread, fd, 41, 27, anycast, sizeof(anycast));  // IPV6_JOIN_ANYCAST
  });
  lab.world().RunUntil(lab.world().now() + Duration::Seconds(10));
  const auto read = [&](const char* name) {
    std::string text;
    EXPECT_EQ(proc_net_read(host.network(), name, &text), 0) << name;
    return text;
  };
  const std::string device = lab.device(0)->name;
  std::string right(8 - device.size(), ' ');
  right += device;
  EXPECT_NE(read("ipv6_route")
                .find("20010db8000000000000000000000000 40 00000000000000000000000000000000 00 "
                      "00000000000000000000000000000000 00000100 00000001 00000000 00000001 " +
                      right + "\n"),
            std::string::npos)
      << read("ipv6_route");
  EXPECT_NE(read("ipv6_route")
                .find("00000000000000000000000000000000 00 00000000000000000000000000000000 00 "
                      "00000000000000000000000000000000 ffffffff 00000001 00000000 00200200       "
                      "lo\n"),
            std::string::npos)
      << read("ipv6_route");
  std::string left = "2    " + device;
  left.resize(5 + 15, ' ');
  EXPECT_NE(read("igmp6").find(left + " ff0200000000000000000001ff000005     1 00000004 0\n"),
            std::string::npos)
      << read("igmp6");
  EXPECT_NE(read("igmp6").find(left + " ff020000000000000000000000000001     1 0000000C 0\n"),
            std::string::npos);
  EXPECT_EQ(read("anycast6"), left + " 20010db8000000000000000000000077     1\n");
}

TEST_F(ProcNetTest, AFileThatIsNotThereIsRefused) {
  std::string text;
  EXPECT_EQ(proc_net_read(lab_.host(0).network(), "/proc/net/nothing", &text), -ENOENT);
  EXPECT_EQ(proc_net_read(lab_.host(0).network(), "/proc/net/snmp", &text), 0);
}

TEST_F(ProcNetTest, TheWalkOfSocketsFindsThem) {
  struct Seen {
    int listeners = 0;
    int datagram = 0;
  } seen;
  sock_diag_for_each(
      lab_.host(0).network(),
      [](const sock_diag_entry& entry, void* context) {
        auto* const counts = static_cast<Seen*>(context);
        if (entry.local.port != be16(kPort)) return;
        if (entry.protocol == wire::kIpProtoUdp) ++counts->datagram;
        if (entry.protocol == wire::kIpProtoTcp && entry.state == TCP_LISTEN) {
          ++counts->listeners;
          EXPECT_EQ(entry.wqueue, 5U);
        }
      },
      &seen);
  EXPECT_EQ(seen.listeners, 1);
  EXPECT_EQ(seen.datagram, 1);
}

}  // namespace
}  // namespace tapedeck
