// /proc/net and the table of sockets: in the layout of the machine that runs this, and true.
#include "stack/socket/proc_net.h"

#include <gtest/gtest.h>

#include <algorithm>
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
  for (const char* const name : {"arp", "route", "tcp", "tcp6", "udp", "udp6", "dev"}) {
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
