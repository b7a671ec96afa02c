// The head of an HTTP/1.1 request (RFC 9112), as far as the demo server needs it.
#ifndef TAPEDECK_REPLAY_APPS_HTTP_REQUEST_H_
#define TAPEDECK_REPLAY_APPS_HTTP_REQUEST_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace tapedeck {

struct HttpRequest {
  enum class Method : uint8_t { kGet, kHead, kPost, kPut, kOther };
  Method method = Method::kOther;
  char path[256] = {};  // without the query; ends in a zero byte
  bool keep_alive = false;
  bool expects_continue = false;
  uint64_t content_bytes = 0;  // of the body

  std::string_view path_view() const { return path; }
};

// How far a request could be read.
struct HttpParse {
  enum class Outcome : uint8_t { kIncomplete, kRequest, kWrong };
  Outcome outcome = Outcome::kIncomplete;
  size_t head_bytes = 0;  // kRequest: what it takes, the empty line included
  int status = 0;         // kWrong: what to answer (400, 414, 501, 505)
};

// Reads the head of a request from the start of `text`, which may hold more or less than that.
HttpParse ParseHttpRequest(std::string_view text, HttpRequest* request);

// "404 Not Found" of 404.
const char* HttpStatusText(int status);

// A count of bytes as in "/bytes/64k": decimal digits and k, M or G for powers of 1024. Nullopt for
// anything else and above 2^40.
std::optional<uint64_t> ParseByteCount(std::string_view text);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_APPS_HTTP_REQUEST_H_
