#include "replay/apps/http_server.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/lab/tcp_apps.h"
#include "stack/socket/sock_options.h"

namespace tapedeck {

namespace {

constexpr size_t kHeadBytesMax = 8192;
constexpr size_t kTextBytesMax = AppBytes::kBytesMax - 1024;
constexpr size_t kBodyChunkBytes = 32'768;
constexpr uint64_t kBodyStream = 80;
// A connection on which nothing is asked for so long is closed.
constexpr int64_t kIdleSeconds = 60;

// struct timeval of the user interface.
struct UserTimeval {
  int64_t tv_sec;
  int64_t tv_usec;
};

// A connection; lives in the coroutine that serves it.
struct HttpConnection {
  HttpConnection(Host& host_in, int fd_in, ServiceCounts* counts_in)
      : host(host_in), fd(fd_in), counts(counts_in) {}
  Host& host;
  int fd;
  ServiceCounts* counts;
  size_t have = 0;  // bytes of `buffer` that were read and not used
  uint8_t buffer[kHeadBytesMax];

  std::string_view text() const { return {reinterpret_cast<const char*>(buffer), have}; }
  void Use(size_t bytes) {
    have -= bytes;
    std::memmove(buffer, buffer + bytes, have);
  }
};

std::string ResponseHead(int status, const char* type, uint64_t body_bytes, bool keep_alive) {
  return absl::StrFormat(
      "HTTP/1.1 %s\r\nServer: tapedeck\r\nContent-Type: %s\r\nContent-Length: %d\r\n"
      "Connection: %s\r\n%s\r\n",
      HttpStatusText(status), type, body_bytes, keep_alive ? "keep-alive" : "close",
      status == 405 ? "Allow: GET, HEAD, POST, PUT\r\n" : "");
}

Task<bool> SendHttpBytes(Thread& thread, HttpConnection& c, std::span<const uint8_t> bytes) {
  const bool sent = co_await WriteAll(thread, c.host, c.fd, bytes);
  if (sent) c.counts->bytes_out += bytes.size();
  co_return sent;
}

Task<bool> SendBody(Thread& thread, HttpConnection& c, uint64_t bytes) {
  AppBytes chunk(c.host, kBodyChunkBytes);
  for (uint64_t at = 0; at < bytes;) {
    const auto piece =
        chunk.span().first(static_cast<size_t>(std::min<uint64_t>(bytes - at, kBodyChunkBytes)));
    FillAppBytes(kBodyStream, at, piece);
    if (!co_await SendHttpBytes(thread, c, piece)) co_return false;
    at += piece.size();
  }
  co_return true;
}

// Head and text of a page; *body_bytes of /bytes/N follow.
std::string PageText(HttpConnection& c, const HttpRequest& request, uint64_t* body_bytes) {
  HttpPage page = MakeHttpPage(c.host, request.path_view(), *c.counts);
  // A file as long as that is of no use to a browser either.
  if (page.text.size() > kTextBytesMax) page.text.resize(kTextBytesMax);
  std::string answer =
      ResponseHead(page.status, page.type, page.is_bytes ? page.body_bytes : page.text.size(),
                   request.keep_alive);
  const bool with_body = request.method == HttpRequest::Method::kGet;
  if (with_body) answer += page.text;
  *body_bytes = with_body && page.is_bytes ? page.body_bytes : 0;
  return answer;
}

Task<bool> AnswerPage(Thread& thread, HttpConnection& c, const HttpRequest& request) {
  uint64_t body_bytes = 0;
  AppBytes bytes(c.host, PageText(c, request, &body_bytes));
  if (!co_await SendHttpBytes(thread, c, bytes.span())) co_return false;
  co_return co_await SendBody(thread, c, body_bytes);
}

std::string StatusText(int status, bool keep_alive) {
  const std::string text = absl::StrCat(HttpStatusText(status), "\n");
  return ResponseHead(status, "text/plain", text.size(), keep_alive) + text;
}

std::string ReceiptText(const HttpRequest& request) {
  const std::string text = absl::StrFormat("%d bytes received\n", request.content_bytes);
  return ResponseHead(200, "text/plain", text.size(), request.keep_alive) + text;
}

Task<bool> AnswerStatus(Thread& thread, HttpConnection& c, int status, bool keep_alive) {
  AppBytes bytes(c.host, StatusText(status, keep_alive));
  co_return co_await SendHttpBytes(thread, c, bytes.span());
}

Task<bool> ReceiveBody(Thread& thread, HttpConnection& c, const HttpRequest& request) {
  if (request.expects_continue && c.have == 0) {
    constexpr std::string_view kContinue = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!co_await WriteAll(thread, c.host, c.fd, AsBytes(kContinue))) co_return false;
  }
  uint64_t left = request.content_bytes;
  AppBytes chunk(c.host, kBodyChunkBytes);
  while (left != 0) {
    if (c.have == 0) {
      const auto room =
          chunk.span().first(static_cast<size_t>(std::min<uint64_t>(left, kBodyChunkBytes)));
      const int64_t got = co_await c.host.syscalls().Read(thread, c.fd, room);
      if (got <= 0) co_return false;
      left -= static_cast<uint64_t>(got);
      c.counts->bytes_in += static_cast<uint64_t>(got);
    } else {
      const auto used = static_cast<size_t>(std::min<uint64_t>(left, c.have));
      c.Use(used);
      left -= used;
      c.counts->bytes_in += used;
    }
  }
  AppBytes answer(c.host, ReceiptText(request));
  co_return co_await SendHttpBytes(thread, c, answer.span());
}

// Reads until the buffer holds the head of a request; false where none comes, or a wrong one, which
// has been answered.
Task<bool> ReceiveHead(Thread& thread, HttpConnection& c, HttpRequest* request) {
  while (true) {
    const HttpParse parse = ParseHttpRequest(c.text(), request);
    if (parse.outcome == HttpParse::Outcome::kRequest) {
      c.Use(parse.head_bytes);
      co_return true;
    }
    int status = parse.status;
    if (parse.outcome == HttpParse::Outcome::kIncomplete) {
      if (c.have < sizeof(c.buffer)) {
        const auto room = std::span<uint8_t>(c.buffer).subspan(c.have);
        const int64_t got = co_await c.host.syscalls().Read(thread, c.fd, room);
        if (got <= 0) co_return false;
        c.have += static_cast<size_t>(got);
        continue;
      }
      status = 431;
    }
    co_await AnswerStatus(thread, c, status, /*keep_alive=*/false);
    co_return false;
  }
}

Task<bool> AnswerRequest(Thread& thread, HttpConnection& c, const HttpRequest& request) {
  bool answered = false;
  switch (request.method) {
    case HttpRequest::Method::kGet:
    case HttpRequest::Method::kHead:
      answered = co_await AnswerPage(thread, c, request);
      break;
    case HttpRequest::Method::kPost:
    case HttpRequest::Method::kPut:
      answered = co_await ReceiveBody(thread, c, request);
      break;
    case HttpRequest::Method::kOther:
      answered = co_await AnswerStatus(thread, c, 405, /*keep_alive=*/false);
      co_return false;
  }
  if (answered) ++c.counts->requests;
  co_return answered;
}

Task<> ServeHttp(Thread& thread, Host& host, int fd, ServiceCounts* counts) {
  const UserTimeval idle = {kIdleSeconds, 0};
  co_await host.syscalls().Setsockopt(thread, fd, kSolSocket, kSoRcvtimeo, &idle, sizeof(idle));
  HttpConnection c(host, fd, counts);
  HttpRequest request;
  while (co_await ReceiveHead(thread, c, &request)) {
    if (!co_await AnswerRequest(thread, c, request)) break;
    if (!request.keep_alive) break;
  }
  co_await host.syscalls().Close(thread, fd);
}

Task<> AcceptHttp(Thread& thread, Host& host, Endpoint end, ServiceCounts* counts) {
  const int fd = co_await OpenServerSocket(thread, host, end, SOCK_STREAM);
  if (fd < 0) co_return;
  while (true) {
    const int child = co_await AcceptConnection(thread, host, fd);
    if (child < 0) co_return;
    ++counts->connections;
    host.kernel().Spawn(
        0, [&host, child, counts](Thread& its) { return ServeHttp(its, host, child, counts); });
  }
}

}  // namespace

void StartHttpServer(Host& host, const Endpoint& end, ServiceCounts* counts) {
  host.kernel().Spawn(
      0, [&host, end, counts](Thread& thread) { return AcceptHttp(thread, host, end, counts); });
}

uint8_t HttpBodyByte(uint64_t position) { return AppByte(kBodyStream, position); }

}  // namespace tapedeck
