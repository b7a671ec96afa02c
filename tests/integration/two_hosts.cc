#include "two_hosts.h"

#include <algorithm>
#include <span>

namespace tapedeck {

namespace {

uint16_t FamilyOf(const IpAddress& address) { return address.is_v4() ? kAfInet : kAfInet6; }

Task<> Echo(Thread& thread, Host& host, IpAddress any) {
  Syscalls& sys = host.syscalls();
  const auto fd = static_cast<int>(co_await sys.Socket(thread, FamilyOf(any), SOCK_DGRAM, 0));
  co_await sys.Bind(thread, fd, Endpoint{any, kEchoPort});
  uint8_t buffer[kEchoBytesMax];
  while (true) {
    SockAddr from;
    const int64_t bytes = co_await sys.Recvfrom(thread, fd, buffer, 0, &from);
    if (bytes < 0) co_return;
    co_await sys.Sendto(
        thread, fd, std::span<const uint8_t>(buffer).first(static_cast<size_t>(bytes)), 0, from);
  }
}

Task<> AskAndCompare(Thread& thread, Host& host, IpAddress server, int rounds, size_t max_bytes,
                     EchoResult* result) {
  Syscalls& sys = host.syscalls();
  const auto fd = static_cast<int>(co_await sys.Socket(thread, FamilyOf(server), SOCK_DGRAM, 0));
  result->last_error = co_await sys.Connect(thread, fd, Endpoint{server, kEchoPort});
  uint8_t question[kEchoBytesMax];
  uint8_t answer[kEchoBytesMax];
  for (int round = 0; round < rounds; ++round) {
    const size_t bytes = 1 + static_cast<size_t>(round) * 37 % max_bytes;
    for (size_t i = 0; i < bytes; ++i) {
      question[i] = static_cast<uint8_t>(i + static_cast<size_t>(round));
    }
    const int64_t sent =
        co_await sys.Sendto(thread, fd, std::span<const uint8_t>(question).first(bytes), 0);
    if (sent < 0) result->last_error = sent;
    ++result->sent;
    const int64_t got = co_await sys.Recvfrom(thread, fd, answer, 0);
    if (got < 0) {
      result->last_error = got;
      break;
    }
    ++result->echoed;
    if (static_cast<size_t>(got) != bytes || !std::equal(question, question + bytes, answer)) {
      ++result->wrong;
    }
  }
  co_await sys.Close(thread, fd);
}

}  // namespace

LabOptions TwoHosts() {
  LabOptions options;
  options.back_to_back = true;
  LabHostOptions client;
  client.address = kClient;
  client.address6 = kClient6;
  LabHostOptions server;
  server.address = kServer;
  server.address6 = kServer6;
  server.mac = kServerMac;
  options.hosts = {client, server};
  return options;
}

void SpawnEchoServer(Lab& lab, const IpAddress& server) {
  Host& host = lab.host(1);
  const IpAddress any = server.is_v4() ? IpAddress(kIpv4Any) : IpAddress(kIpv6Any);
  host.kernel().Spawn(0, [&host, any](Thread& thread) { return Echo(thread, host, any); });
}

EchoResult* SpawnEchoClient(Lab& lab, const IpAddress& server, int rounds, size_t max_bytes) {
  Host& host = lab.host(0);
  auto* const result = lab.arena().New<EchoResult>();
  host.kernel().Spawn(0, [&host, server, rounds, max_bytes, result](Thread& thread) {
    return AskAndCompare(thread, host, server, rounds, max_bytes, result);
  });
  return result;
}

}  // namespace tapedeck
