#include <algorithm>
#include <cerrno>
#include <cstring>

#include "replay/apps/iperf3_test.h"
#include "replay/lab/tcp_apps.h"

namespace tapedeck {

namespace {

// How long a sender waits for room before it looks whether the test is over.
constexpr Duration kSendPause = Duration::Milliseconds(50);
constexpr Duration kPacePause = Duration::Milliseconds(1);  // iperf3's pacing timer
constexpr uint64_t kNsPerSecond = 1'000'000'000;

// Whether `stream` may send more by now, at the rate that its client asked for.
bool MaySend(const Iperf3Server& server, const Iperf3Stream& stream) {
  const uint64_t rate = server.parameters.bits_per_second;
  if (rate == 0) return true;
  const uint64_t elapsed_ns = (server.host.kernel().now() - server.started).ns();
  const auto allowed_bits = static_cast<uint128>(rate) * elapsed_ns / kNsPerSecond;
  return static_cast<uint128>(stream.bytes) * 8 <= allowed_bits;
}

Task<> ReceiveStreamBytes(Thread& thread, Iperf3Server& server, Iperf3Stream& stream) {
  Host& host = server.host;
  {
    AppBytes buffer(host, server.parameters.block_bytes);
    while (true) {
      const int64_t got = co_await host.syscalls().Read(thread, stream.fd, buffer.span());
      if (got <= 0) break;
      stream.bytes += static_cast<uint64_t>(got);
      server.counts->bytes_in += static_cast<uint64_t>(got);
    }
  }
  --server.live_threads;
}

Task<> SendStreamBytes(Thread& thread, Iperf3Server& server, Iperf3Stream& stream) {
  Host& host = server.host;
  Syscalls& sys = host.syscalls();
  {
    AppBytes block(host, server.parameters.block_bytes);
    FillAppBytes(static_cast<uint64_t>(stream.id), 0, block.span());
    while (!server.Over()) {
      if (!MaySend(server, stream)) {
        co_await SleepFor(thread, kPacePause);
        continue;
      }
      const int64_t sent =
          co_await sys.Sendto(thread, stream.fd, block.span(), MSG_DONTWAIT | MSG_NOSIGNAL);
      if (sent > 0) {
        stream.bytes += static_cast<uint64_t>(sent);
        server.counts->bytes_out += static_cast<uint64_t>(sent);
      } else if (sent == -EAGAIN) {
        pollfd room = {stream.fd, static_cast<int16_t>(EPOLLOUT), 0};
        co_await sys.Poll(thread, std::span<pollfd>(&room, 1), kSendPause);
      } else {
        break;
      }
    }
  }
  --server.live_threads;
}

void FillDatagramHeader(const Iperf3Server& server, uint64_t count, std::span<uint8_t> datagram) {
  const uint64_t now_us = server.host.kernel().now().us();
  Iperf3Datagram header;
  header.seconds = static_cast<uint32_t>(now_us / 1'000'000);
  header.microseconds = static_cast<uint32_t>(now_us % 1'000'000);
  const bool wide = server.parameters.counters_64bit;
  header.count = static_cast<uint32_t>(wide ? count >> 32 : count);
  header.count_low = static_cast<uint32_t>(wide ? count : 0);
  std::memcpy(datagram.data(), &header, sizeof(header));
}

Task<> SendDatagrams(Thread& thread, Iperf3Server& server, Iperf3Stream& stream) {
  Host& host = server.host;
  Syscalls& sys = host.syscalls();
  {
    AppBytes datagram(host, server.parameters.block_bytes);
    FillAppBytes(static_cast<uint64_t>(stream.id), 0, datagram.span());
    while (!server.Over()) {
      if (!MaySend(server, stream)) {
        co_await SleepFor(thread, kPacePause);
        continue;
      }
      FillDatagramHeader(server, stream.packets + 1, datagram.span());
      const int64_t sent =
          co_await sys.Sendto(thread, server.udp_fd, datagram.span(), 0, stream.peer);
      if (sent == -EBADF || sent == -EINTR) break;
      if (sent < 0) {  // an ICMP error, or no room
        co_await SleepFor(thread, kPacePause);
        continue;
      }
      ++stream.packets;
      stream.bytes += static_cast<uint64_t>(sent);
      server.counts->bytes_out += static_cast<uint64_t>(sent);
    }
  }
  --server.live_threads;
}

Iperf3Stream* FindStream(Iperf3Server& server, const SockAddr& peer) {
  const std::optional<Endpoint> end = peer.ToEndpoint();
  for (int i = 0; i < server.stream_count; ++i) {
    if (server.streams[i].peer.ToEndpoint() == end) return &server.streams[i];
  }
  return nullptr;
}

// RFC 1889 A.8: the mean deviation of the time that datagrams take, a sixteenth at a time.
void NoteTransit(Iperf3Server& server, Iperf3Stream& stream, const Iperf3Datagram& header) {
  const uint64_t sent_ns =
      uint64_t{header.seconds.host()} * kNsPerSecond + uint64_t{header.microseconds.host()} * 1000;
  const auto transit_ns = static_cast<int64_t>(server.host.kernel().now().ns() - sent_ns);
  if (stream.packets != 0) {
    const uint64_t change =
        static_cast<uint64_t>(transit_ns > stream.transit_ns ? transit_ns - stream.transit_ns
                                                             : stream.transit_ns - transit_ns);
    stream.jitter_ns = stream.jitter_ns - stream.jitter_ns / 16 + change / 16;
  }
  stream.transit_ns = transit_ns;
}

// A datagram of a test that runs.
void AccountDatagram(Iperf3Server& server, Iperf3Stream& stream, std::span<const uint8_t> bytes) {
  if (bytes.size() < sizeof(Iperf3Datagram)) return;
  stream.bytes += bytes.size();
  server.counts->bytes_in += bytes.size();
  Iperf3Datagram header;
  std::memcpy(&header, bytes.data(), sizeof(header));
  const uint64_t count = server.parameters.counters_64bit
                             ? uint64_t{header.count.host()} << 32 | header.count_low.host()
                             : header.count.host();
  NoteTransit(server, stream, header);
  if (count > stream.packets) {
    stream.lost += count - stream.packets - 1;
    stream.packets = count;
  } else if (stream.lost != 0) {
    --stream.lost;  // it was late, not lost
  }
}

// Takes a new stream in; false where none is wanted.
bool WelcomeStream(Iperf3Server& server, const SockAddr& peer) {
  if (server.phase != Iperf3Server::Phase::kStreams || !server.parameters.udp) return false;
  if (FindStream(server, peer) != nullptr) return true;  // asks again
  Iperf3Stream* const stream = server.AddStream();
  if (stream == nullptr) return false;
  stream->peer = peer;
  return true;
}

}  // namespace

void StartIperf3Stream(Iperf3Server& server, Iperf3Stream& stream) {
  Kernel& kernel = server.host.kernel();
  const bool udp = server.parameters.udp;
  if (udp && !stream.sends) return;  // ReceiveIperf3Datagrams does it for all
  ++server.live_threads;
  kernel.Spawn(0, [&server, &stream, udp](Thread& thread) {
    if (udp) return SendDatagrams(thread, server, stream);
    return stream.sends ? SendStreamBytes(thread, server, stream)
                        : ReceiveStreamBytes(thread, server, stream);
  });
}

Task<> ReceiveIperf3Datagrams(Thread& thread, Iperf3Server& server) {
  Host& host = server.host;
  Syscalls& sys = host.syscalls();
  server.udp_fd = co_await OpenServerSocket(thread, host, server.end, SOCK_DGRAM);
  if (server.udp_fd < 0) co_return;
  AppBytes buffer(host, kIperf3DatagramBytesMax);
  SockAddr from;
  while (true) {
    from = SockAddr{};
    const int64_t got = co_await sys.Recvfrom(thread, server.udp_fd, buffer.span(), 0, &from);
    if (got == -EINTR || got == -EBADF) co_return;
    if (got < 0) continue;  // an ICMP error to a datagram of ours
    const std::span<const uint8_t> bytes = buffer.span().first(static_cast<size_t>(got));
    if (got == sizeof(kIperf3UdpHello)) {
      if (!WelcomeStream(server, from)) continue;
      const bool old = std::memcmp(bytes.data(), kIperf3UdpHello, sizeof(kIperf3UdpHello)) != 0;
      co_await sys.Sendto(thread, server.udp_fd, old ? kIperf3UdpOldReply : kIperf3UdpReply, 0,
                          from);
      continue;
    }
    Iperf3Stream* const stream = FindStream(server, from);
    if (stream != nullptr && !stream->sends && !server.Over()) {
      AccountDatagram(server, *stream, bytes);
    }
  }
}

}  // namespace tapedeck
