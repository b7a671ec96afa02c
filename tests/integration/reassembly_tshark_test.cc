// Datagrams that our stack puts together are, byte for byte, those that tshark puts together.
#include <gtest/gtest.h>
#include <stdio.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "collection.h"
#include "replay/lab/raw_replay.h"
#include "stack/socket/syscalls.h"
#include "stack/wire/ip_protocol.h"

namespace tapedeck {
namespace {

namespace fs = std::filesystem;
using Datagrams = std::vector<std::string>;  // what follows the IP headers, in hexadecimal

struct PipeCloser {
  void operator()(FILE* pipe) const { pclose(pipe); }
};

// The lines that a shell command prints.
std::vector<std::string> Lines(const std::string& command) {
  const std::unique_ptr<FILE, PipeCloser> pipe(popen(command.c_str(), "r"));
  std::vector<std::string> lines;
  std::string line;
  for (int c = std::fgetc(pipe.get()); c != EOF; c = std::fgetc(pipe.get())) {
    if (c == '\n') {
      lines.push_back(std::exchange(line, ""));
    } else {
      line += static_cast<char>(c);
    }
  }
  return lines;
}

// What tshark puts together of a capture, by destination. Left out are those to groups, which
// nobody has joined, and those whose pieces overlap, which Linux refuses (ip_frag_queue, RFC 5722).
std::map<std::string, Datagrams> ByTshark(const std::string& file) {
  std::map<std::string, Datagrams> all;
  for (const char* const family : {"ip", "ipv6"}) {
    const std::string field = std::string(family) + ".reassembled.data";
    const std::string fragment = std::string(family) + ".fragment.";
    for (const std::string& line :
         Lines("tshark -n -r '" + file + "' -Y '" + field + " && !" + fragment + "overlap && !" +
               fragment + "toolongfragment' -T fields -e " + family + ".dst -e " + field +
               " 2>/dev/null")) {
      const size_t tab = line.find('\t');
      const std::string daddr = line.substr(0, line.find_first_of(",\t"));
      const std::optional<IpAddress> address = IpAddress::Parse(daddr);
      if (tab == std::string::npos || !address.has_value() || address->IsMulticast()) continue;
      all[daddr].push_back(line.substr(tab + 1));
    }
  }
  return all;
}

std::string Hex(std::span<const uint8_t> bytes) {
  static constexpr char kDigits[] = "0123456789abcdef";
  std::string text;
  for (const uint8_t byte : bytes) {
    text += kDigits[byte >> 4];
    text += kDigits[byte & 15];
  }
  return text;
}

// Reads every datagram of `protocol` that reaches the host.
Task<> ReadRaw(Thread& thread, Host& host, bool v6, int protocol, Datagrams* read) {
  Syscalls& sys = host.syscalls();
  const auto fd =
      static_cast<int>(co_await sys.Socket(thread, v6 ? kAfInet6 : kAfInet, SOCK_RAW, protocol));
  if (fd < 0) co_return;
  std::vector<uint8_t> buffer(70'000);
  while (true) {
    const int64_t bytes = co_await sys.Recvfrom(thread, fd, buffer, 0);
    if (bytes == -EINTR || bytes == -EBADF) co_return;
    if (bytes < 0) continue;
    const size_t header = v6 ? 0 : size_t{buffer[0] & 15U} * 4;
    read->push_back(Hex(std::span(buffer).subspan(header, static_cast<size_t>(bytes) - header)));
  }
}

// What our stack gives to raw sockets, as the host with address `daddr`.
Datagrams ByUs(const std::string& file, const std::string& daddr) {
  Datagrams read;
  RawReplayOptions options;
  options.host = IpAddress::Parse(daddr);
  RawReplayHooks hooks;
  hooks.host_made = [&](Host& host) {
    const bool v6 = options.host->is_v6();
    const int icmp = v6 ? wire::kIpProtoIcmpv6 : wire::kIpProtoIcmp;
    for (const int protocol : {icmp, int{wire::kIpProtoUdp}, int{wire::kIpProtoTcp}}) {
      host.kernel().Spawn(/*cpu=*/0, [&host, v6, protocol, &read](Thread& thread) {
        return ReadRaw(thread, host, v6, protocol, &read);
      });
    }
  };
  const auto result = RawReplay(file, options, hooks);
  EXPECT_TRUE(result.ok()) << result.status();
  return read;
}

// Returns how many datagrams were compared.
size_t CompareFile(const std::string& file) {
  size_t compared = 0;
  for (const auto& [daddr, theirs] : ByTshark(file)) {
    const Datagrams ours = ByUs(file, daddr);
    for (const std::string& datagram : theirs) {
      EXPECT_EQ(std::count(ours.begin(), ours.end(), datagram),
                std::count(theirs.begin(), theirs.end(), datagram))
          << file << " to " << daddr << ": " << datagram.size() / 2 << " bytes "
          << datagram.substr(0, 80);
      ++compared;
    }
  }
  return compared;
}

TEST(ReassemblyAndTshark, OwnCaptures) {
  if (Lines("command -v tshark").empty()) GTEST_SKIP() << "skipped: tshark is not installed";
  size_t compared = 0;
  for (const char* const name : {"frag4-a.pcapng", "frag4-b.pcap", "frag-loss-a.pcapng",
                                 "frag-loss-b.pcap", "frag6-a.pcapng"}) {
    compared += CompareFile(std::string("corpus/captures/") + name);
  }
  EXPECT_EQ(compared, 42U);
}

TEST(ReassemblyAndTshark, PublicCaptures) {
  if (Lines("command -v tshark").empty()) GTEST_SKIP() << "skipped: tshark is not installed";
  const std::optional<fs::path> place = Collection();
  if (!place.has_value()) GTEST_SKIP() << "skipped: no collection of captures in ../shared/pcaps";
  size_t compared = 0;
  for (const fs::directory_entry& entry : fs::directory_iterator(*place / "frag")) {
    if (entry.path().extension().string().starts_with(".pcap"))
      compared += CompareFile(entry.path());
  }
  EXPECT_GT(compared, 80U);
}

}  // namespace
}  // namespace tapedeck
