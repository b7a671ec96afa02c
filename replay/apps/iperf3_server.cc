#include "replay/apps/iperf3_server.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "replay/apps/iperf3_test.h"
#include "stack/socket/sock_options.h"
#include "stack/tcp/tcp_uapi.h"

namespace tapedeck {

namespace {

constexpr int kSolTcpLevel = 6;
constexpr int kTcpNodelayOption = 1;
constexpr int kTcpInfoOption = 11;
// How long a client may take between the parts of its setting up.
constexpr Duration kSetupTimeout = Duration::Seconds(10);
constexpr Duration kSetupPause = Duration::Milliseconds(1);
// Streams that have brought nothing new for so long at the end of a test are through.
constexpr Duration kDrainPause = Duration::Milliseconds(5);
constexpr int kDrainRoundsMax = 200;

// A client's control connection.
struct Iperf3Control {
  Iperf3Server& server;
  Host& host;
  int fd;
};

Task<bool> SendState(Thread& thread, const Iperf3Control& c, Iperf3State state) {
  const auto byte = static_cast<uint8_t>(state);
  co_return co_await WriteAll(thread, c.host, c.fd, std::span<const uint8_t>(&byte, 1));
}

// kServerError and why.
Task<> SendError(Thread& thread, const Iperf3Control& c, Iperf3Error error) {
  struct {
    be32 error;
    be32 system_errno;
  } why;
  why.error = static_cast<uint32_t>(error);
  if (!co_await SendState(thread, c, Iperf3State::kServerError)) co_return;
  co_await WriteAll(thread, c.host, c.fd,
                    std::span<const uint8_t>(reinterpret_cast<const uint8_t*>(&why), sizeof(why)));
}

// What the client says next; kClientTerminate at the end of the connection.
Task<Iperf3State> ReceiveState(Thread& thread, const Iperf3Control& c) {
  uint8_t byte = 0;
  if (!co_await ReadAll(thread, c.host, c.fd, std::span<uint8_t>(&byte, 1))) {
    co_return Iperf3State::kClientTerminate;
  }
  co_return static_cast<Iperf3State>(byte);
}

// The length in front of a JSON text; 0 where the connection failed or it is too long.
Task<uint32_t> ReceiveJsonLength(Thread& thread, const Iperf3Control& c) {
  be32 length;
  if (!co_await ReadAll(thread, c.host, c.fd,
                        std::span<uint8_t>(reinterpret_cast<uint8_t*>(&length), sizeof(length)))) {
    co_return 0;
  }
  co_return length.host() > kIperf3JsonBytesMax ? 0 : length.host();
}

Task<bool> ReceiveParameters(Thread& thread, const Iperf3Control& c) {
  const uint32_t length = co_await ReceiveJsonLength(thread, c);
  if (length == 0) co_return false;
  AppBytes json(c.host, length);
  if (!co_await ReadAll(thread, c.host, c.fd, json.span())) co_return false;
  const std::string_view text(reinterpret_cast<const char*>(json.span().data()), length);
  co_return ParseIperf3Parameters(text, &c.server.parameters);
}

// Waits until all streams of the client have connected.
Task<bool> AwaitStreams(Thread& thread, const Iperf3Control& c) {
  const SimTime give_up = c.host.kernel().now() + kSetupTimeout;
  while (!c.server.AllConnected()) {
    if (c.host.kernel().now() > give_up) co_return false;
    co_await SleepFor(thread, kSetupPause);
  }
  co_return true;
}

uint64_t BytesReceived(const Iperf3Server& server) {
  uint64_t bytes = 0;
  for (int i = 0; i < server.stream_count; ++i) {
    if (!server.streams[i].sends) bytes += server.streams[i].bytes;
  }
  return bytes;
}

// The last bytes may come behind the word that the test is over.
Task<> DrainStreams(Thread& thread, const Iperf3Control& c) {
  uint64_t before = 0;
  int rounds = 0;
  do {
    before = BytesReceived(c.server);
    co_await SleepFor(thread, kDrainPause);
  } while (BytesReceived(c.server) != before && ++rounds < kDrainRoundsMax);
}

Task<> NoteRetransmits(Thread& thread, const Iperf3Control& c) {
  for (int i = 0; i < c.server.stream_count; ++i) {
    Iperf3Stream& stream = c.server.streams[i];
    if (!stream.sends || stream.fd < 0) continue;
    tcp_info info = {};
    uint32_t length = sizeof(info);
    const int64_t result = co_await c.host.syscalls().Getsockopt(thread, stream.fd, kSolTcpLevel,
                                                                 kTcpInfoOption, &info, &length);
    if (result == 0) stream.retransmits = info.tcpi_total_retrans;
  }
}

// The report behind its length.
std::string ResultsMessage(const Iperf3Server& server, uint64_t duration_us) {
  Iperf3StreamResult results[kIperf3StreamsMax];
  for (int i = 0; i < server.stream_count; ++i) {
    const Iperf3Stream& stream = server.streams[i];
    results[i] = {stream.id,        stream.bytes,   stream.retransmits,
                  stream.jitter_ns, stream.packets, stream.lost};
  }
  const std::string json = Iperf3ResultsJson(
      std::span<const Iperf3StreamResult>(results).first(static_cast<size_t>(server.stream_count)),
      server.parameters.sending() != 0, duration_us);
  const be32 length(static_cast<uint32_t>(json.size()));
  return std::string(reinterpret_cast<const char*>(&length), sizeof(length)) + json;
}

Task<bool> ExchangeResults(Thread& thread, const Iperf3Control& c, uint64_t duration_us) {
  if (!co_await SendState(thread, c, Iperf3State::kExchangeResults)) co_return false;
  const uint32_t length = co_await ReceiveJsonLength(thread, c);
  if (length == 0) co_return false;
  {
    AppBytes theirs(c.host, length);
    if (!co_await ReadAll(thread, c.host, c.fd, theirs.span())) co_return false;
  }
  AppBytes ours(c.host, ResultsMessage(c.server, duration_us));
  co_return co_await WriteAll(thread, c.host, c.fd, ours.span());
}

// Ends the threads of the streams and their connections; what they have counted stays.
Task<> CloseStreams(Thread& thread, const Iperf3Control& c) {
  Iperf3Server& server = c.server;
  for (int i = 0; i < server.stream_count; ++i) {
    if (server.streams[i].fd < 0) continue;
    co_await c.host.syscalls().Shutdown(thread, server.streams[i].fd, kShutBoth);
  }
  while (server.live_threads != 0) co_await SleepFor(thread, kSetupPause);
  for (int i = 0; i < server.stream_count; ++i) {
    if (server.streams[i].fd < 0) continue;
    co_await c.host.syscalls().Close(thread, server.streams[i].fd);
    server.streams[i].fd = -1;
  }
}

// From the client's parameters to its goodbye; false where it went wrong on the way.
Task<bool> RunTest(Thread& thread, const Iperf3Control& c) {
  Iperf3Server& server = c.server;
  if (!co_await SendState(thread, c, Iperf3State::kParamExchange)) co_return false;
  if (!co_await ReceiveParameters(thread, c)) {
    co_await SendError(thread, c, Iperf3Error::kParameters);
    co_return false;
  }
  server.phase = Iperf3Server::Phase::kStreams;
  if (!co_await SendState(thread, c, Iperf3State::kCreateStreams)) co_return false;
  if (!co_await AwaitStreams(thread, c)) {
    co_await SendError(thread, c, Iperf3Error::kAccept);
    co_return false;
  }
  if (!co_await SendState(thread, c, Iperf3State::kTestStart)) co_return false;
  server.phase = Iperf3Server::Phase::kRunning;
  server.started = c.host.kernel().now();
  for (int i = 0; i < server.stream_count; ++i) StartIperf3Stream(server, server.streams[i]);
  if (!co_await SendState(thread, c, Iperf3State::kTestRunning)) co_return false;
  if (co_await ReceiveState(thread, c) != Iperf3State::kTestEnd) co_return false;
  const uint64_t duration_us = (c.host.kernel().now() - server.started).us();
  co_await DrainStreams(thread, c);
  server.phase = Iperf3Server::Phase::kResults;
  co_await NoteRetransmits(thread, c);
  // A client that receives reads whole blocks: only the end of the connection ends its last one.
  co_await CloseStreams(thread, c);
  if (!co_await ExchangeResults(thread, c, duration_us)) co_return false;
  if (!co_await SendState(thread, c, Iperf3State::kDisplayResults)) co_return false;
  co_return co_await ReceiveState(thread, c) == Iperf3State::kIperfDone;
}

// Makes the server ready for the next test.
Task<> EndTest(Thread& thread, const Iperf3Control& c) {
  c.server.phase = Iperf3Server::Phase::kResults;
  co_await CloseStreams(thread, c);
  co_await c.host.syscalls().Close(thread, c.fd);
  c.server.stream_count = 0;
  c.server.phase = Iperf3Server::Phase::kIdle;
}

Task<> ServeClient(Thread& thread, Iperf3Server& server, int fd) {
  const Iperf3Control c{server, server.host, fd};
  ++server.counts->connections;
  if (co_await RunTest(thread, c)) ++server.counts->requests;
  co_await EndTest(thread, c);
}

// A further connection of the client that is there.
Task<bool> TakeStream(Thread& thread, Iperf3Server& server, int fd, const char* cookie) {
  if (server.phase != Iperf3Server::Phase::kStreams || server.parameters.udp ||
      std::memcmp(server.cookie, cookie, kIperf3CookieBytes) != 0) {
    co_return false;
  }
  Iperf3Stream* const stream = server.AddStream();
  if (stream == nullptr) co_return false;
  stream->fd = fd;
  if (server.parameters.no_delay) {
    const int one = 1;
    co_await server.host.syscalls().Setsockopt(thread, fd, kSolTcpLevel, kTcpNodelayOption, &one,
                                               sizeof(one));
  }
  co_return true;
}

// Finds out what a connection is for.
Task<> GreetConnection(Thread& thread, Iperf3Server& server, int fd) {
  const Iperf3Control c{server, server.host, fd};
  char cookie[kIperf3CookieBytes];
  const std::span<uint8_t> bytes(reinterpret_cast<uint8_t*>(cookie), sizeof(cookie));
  if (!co_await ReadAll(thread, server.host, fd, bytes)) {
    co_await server.host.syscalls().Close(thread, fd);
    co_return;
  }
  if (server.phase == Iperf3Server::Phase::kIdle) {
    server.phase = Iperf3Server::Phase::kParameters;
    std::memcpy(server.cookie, cookie, sizeof(cookie));
    co_await ServeClient(thread, server, fd);
    co_return;
  }
  if (co_await TakeStream(thread, server, fd, cookie)) co_return;
  co_await SendState(thread, c, Iperf3State::kAccessDenied);
  co_await server.host.syscalls().Close(thread, fd);
}

Task<> AcceptIperf3(Thread& thread, Iperf3Server& server) {
  const int fd = co_await OpenServerSocket(thread, server.host, server.end, SOCK_STREAM);
  if (fd < 0) co_return;
  while (true) {
    const int child = co_await AcceptConnection(thread, server.host, fd);
    if (child < 0) co_return;
    server.host.kernel().Spawn(
        0, [&server, child](Thread& its) { return GreetConnection(its, server, child); });
  }
}

}  // namespace

Iperf3Stream* Iperf3Server::AddStream() {
  if (AllConnected()) return nullptr;
  Iperf3Stream& stream = streams[stream_count];
  stream = {};
  // As iperf3 numbers them: 1, 3, 4, 5, ...
  stream.id = stream_count == 0 ? 1 : stream_count + 2;
  stream.sends = stream_count >= parameters.receiving();
  ++stream_count;
  return &stream;
}

void StartIperf3Server(Host& host, const Endpoint& end, ServiceCounts* counts) {
  Iperf3Server& server = *host.kernel().world().arena().New<Iperf3Server>(host, end, counts);
  host.kernel().Spawn(0, [&server](Thread& thread) { return AcceptIperf3(thread, server); });
  host.kernel().Spawn(0,
                      [&server](Thread& thread) { return ReceiveIperf3Datagrams(thread, server); });
}

}  // namespace tapedeck
