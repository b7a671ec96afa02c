// However a capture is made, its replay takes no more than four times the file and 64 MiB. Here are
// the shapes that take most: packets as short as they can be, flows and hosts as many as there are
// packets.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>

#include "../unit/traffic.h"
#include "child_program.h"
#include "stack/kernel/arena.h"

namespace tapedeck {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::Not;
using traffic::Capture;
using traffic::Connection;
using traffic::Datagram;
using traffic::kClient;
using traffic::kServer;
using traffic::kUs;
using traffic::Text;

constexpr uint32_t kPackets = 60'000;
constexpr Ipv4Address kHost(10, 0, 0, 2);

// As many ends as one likes: 200 ports of a host, or each of another host.
Endpoint PeerOf(uint32_t i) {
  return {Ipv4Address(0x0a010000 + i / 200), static_cast<uint16_t>(1024 + i % 200)};
}
Endpoint Stranger(uint32_t i) { return {Ipv4Address(0x0b000000 + 7 * i), 1024}; }
Connection ConnectionOf(Endpoint peer) { return Connection(peer, {kHost, 80}); }

class StandInMemory : public ::testing::Test {
 protected:
  void SetUp() override {
    if (kAsanBuild) GTEST_SKIP() << "skipped: AddressSanitizer's own memory is many times that";
    directory_ = fs::temp_directory_path() / ("standin_memory." + std::to_string(getpid()));
    fs::create_directory(directory_);
  }
  void TearDown() override { fs::remove_all(directory_); }

  // Replays `capture`; what the program said stays in messages_.
  void ExpectBounded(const Capture& capture) {
    const std::string file = directory_ / "in.pcap";
    const std::string messages = directory_ / "messages";
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(capture.bytes().data()),
               static_cast<std::streamsize>(capture.bytes().size()));
    const Child child({"replay", "--mode", "stand-in", "--host", kHost.ToString(), "--json", file},
                      messages, [] {});
    const auto [status, kib] = child.WaitAndMeasure();
    std::ifstream stream(messages);
    messages_.assign(std::istreambuf_iterator<char>(stream), {});
    EXPECT_EQ(status, 0) << messages_.substr(0, 500);
    const auto bound_kib = static_cast<int64_t>((4 * fs::file_size(file) + (64 << 20)) >> 10);
    EXPECT_LE(kib, bound_kib);
  }

  fs::path directory_;
  std::string messages_;
};

// A capture that begins in the middle of very many connections, of each of which it has a byte.
TEST_F(StandInMemory, OfFlowsOfOneSegment) {
  Capture capture;
  for (uint32_t i = 0; i < kPackets; ++i) {
    capture.Add(ConnectionOf(PeerOf(i)).Data(kClient, Text(1)), 10 * kUs);
  }
  ExpectBounded(capture);
  EXPECT_THAT(messages_, HasSubstr("that the size of the capture pays for"));
}

TEST_F(StandInMemory, OfAFloodFromAsManyHosts) {
  Capture capture;
  for (uint32_t i = 0; i < kPackets; ++i) {
    capture.Add(ConnectionOf(Stranger(i)).Data(kClient, Text(1)), 10 * kUs);
  }
  ExpectBounded(capture);
}

// Each has its socket, which stays open.
TEST_F(StandInMemory, OfDatagramsToAsManyPorts) {
  Capture capture;
  for (uint32_t i = 0; i < kPackets; ++i) {
    Datagram datagram;
    datagram.ip.source = Stranger(i).address;
    datagram.ip.destination = kHost;
    datagram.source_port = 1024;
    datagram.destination_port = static_cast<uint16_t>(1 + i % 60'000);
    capture.Add(datagram, 10 * kUs);
  }
  ExpectBounded(capture);
}

// Connections that both sides leave open.
TEST_F(StandInMemory, OfConnectionsThatStayOpen) {
  Capture capture;
  for (uint32_t i = 0; i < kPackets / 5; ++i) {
    Connection tcp = ConnectionOf(PeerOf(i));
    capture.Add(tcp.Syn(), 10 * kUs).Add(tcp.SynAck(), 10 * kUs).Add(tcp.Ack(kClient), 10 * kUs);
    capture.Add(tcp.Data(kClient, Text(1)), 10 * kUs).Add(tcp.Data(kServer, Text(1)), 10 * kUs);
  }
  ExpectBounded(capture);
}

// One connection of a byte each way after the other: no flow is left out.
TEST_F(StandInMemory, OfSegmentsOfOneByte) {
  Capture capture;
  Connection tcp = ConnectionOf(PeerOf(0));
  capture.Add(tcp.Syn()).Add(tcp.SynAck(), 20 * kUs).Add(tcp.Ack(kClient));
  for (uint32_t i = 0; i < kPackets / 2; ++i) {
    capture.Add(tcp.Data(kClient, Text(1)), 50 * kUs).Add(tcp.Data(kServer, Text(1)), 50 * kUs);
  }
  ExpectBounded(capture);
  EXPECT_THAT(messages_, Not(HasSubstr("that the size of the capture pays for")));
}

}  // namespace
}  // namespace tapedeck
