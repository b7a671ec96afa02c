#include "replay/apps/http_request.h"

#include <algorithm>
#include <charconv>

namespace tapedeck {

namespace {

constexpr uint64_t kByteCountMax = uint64_t{1} << 40;

char AsciiLower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  return a.size() == b.size() && std::equal(a.begin(), a.end(), b.begin(), [](char x, char y) {
           return AsciiLower(x) == AsciiLower(y);
         });
}

std::string_view TrimBlanks(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && (text.back() == ' ' || text.back() == '\t')) text.remove_suffix(1);
  return text;
}

// Takes the next line off `text`, without its end (CR LF or LF). REQUIRES: there is one.
std::string_view TakeLine(std::string_view* text) {
  const size_t end = text->find('\n');
  std::string_view line = text->substr(0, end);
  text->remove_prefix(end + 1);
  if (!line.empty() && line.back() == '\r') line.remove_suffix(1);
  return line;
}

// How many bytes the head takes, the empty line included; 0 where that has not come yet.
size_t HeadBytes(std::string_view text) {
  size_t line_start = 0;
  while (true) {
    const size_t end = text.find('\n', line_start);
    if (end == std::string_view::npos) return 0;
    const size_t length = end - line_start;
    if (length == 0 || (length == 1 && text[line_start] == '\r')) return end + 1;
    line_start = end + 1;
  }
}

HttpRequest::Method MethodOf(std::string_view name) {
  if (name == "GET") return HttpRequest::Method::kGet;
  if (name == "HEAD") return HttpRequest::Method::kHead;
  if (name == "POST") return HttpRequest::Method::kPost;
  if (name == "PUT") return HttpRequest::Method::kPut;
  return HttpRequest::Method::kOther;
}

std::optional<uint64_t> ParseDecimal(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// "GET /path?query HTTP/1.1"; 0 where it is good, else the status.
int ParseRequestLine(std::string_view line, HttpRequest* request) {
  const size_t first = line.find(' ');
  const size_t last = line.rfind(' ');
  if (first == std::string_view::npos || first == last) return 400;
  request->method = MethodOf(line.substr(0, first));
  std::string_view target = line.substr(first + 1, last - first - 1);
  const std::string_view version = line.substr(last + 1);
  if (version != "HTTP/1.1" && version != "HTTP/1.0") return 505;
  request->keep_alive = version == "HTTP/1.1";
  target = target.substr(0, target.find('?'));
  if (target.empty() || target.front() != '/') return 400;
  if (target.size() >= sizeof(request->path)) return 414;
  *std::copy(target.begin(), target.end(), request->path) = '\0';
  return 0;
}

// "Name: value"; 0 where it is good, else the status.
int ParseHeaderLine(std::string_view line, HttpRequest* request) {
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return 400;
  const std::string_view name = line.substr(0, colon);
  const std::string_view value = TrimBlanks(line.substr(colon + 1));
  if (EqualsIgnoringCase(name, "Connection")) {
    if (EqualsIgnoringCase(value, "close")) request->keep_alive = false;
    if (EqualsIgnoringCase(value, "keep-alive")) request->keep_alive = true;
  } else if (EqualsIgnoringCase(name, "Content-Length")) {
    const std::optional<uint64_t> bytes = ParseDecimal(value);
    if (!bytes.has_value()) return 400;
    request->content_bytes = *bytes;
  } else if (EqualsIgnoringCase(name, "Expect")) {
    request->expects_continue = EqualsIgnoringCase(value, "100-continue");
  } else if (EqualsIgnoringCase(name, "Transfer-Encoding")) {
    return 501;
  }
  return 0;
}

}  // namespace

HttpParse ParseHttpRequest(std::string_view text, HttpRequest* request) {
  HttpParse parse;
  parse.head_bytes = HeadBytes(text);
  if (parse.head_bytes == 0) return parse;
  std::string_view rest = text.substr(0, parse.head_bytes);
  *request = {};
  parse.status = ParseRequestLine(TakeLine(&rest), request);
  while (parse.status == 0 && !rest.empty()) {
    const std::string_view line = TakeLine(&rest);
    if (!line.empty()) parse.status = ParseHeaderLine(line, request);
  }
  parse.outcome = parse.status == 0 ? HttpParse::Outcome::kRequest : HttpParse::Outcome::kWrong;
  return parse;
}

const char* HttpStatusText(int status) {
  switch (status) {
    case 200:
      return "200 OK";
    case 400:
      return "400 Bad Request";
    case 404:
      return "404 Not Found";
    case 405:
      return "405 Method Not Allowed";
    case 414:
      return "414 URI Too Long";
    case 431:
      return "431 Request Header Fields Too Large";
    case 501:
      return "501 Not Implemented";
    case 505:
      return "505 HTTP Version Not Supported";
    default:
      return "500 Internal Server Error";
  }
}

std::optional<uint64_t> ParseByteCount(std::string_view text) {
  unsigned shift = 0;
  if (!text.empty()) {
    switch (text.back()) {
      case 'k':
        shift = 10;
        break;
      case 'M':
        shift = 20;
        break;
      case 'G':
        shift = 30;
        break;
      default:
        break;
    }
  }
  if (shift != 0) text.remove_suffix(1);
  const std::optional<uint64_t> count = ParseDecimal(text);
  if (!count.has_value() || *count > kByteCountMax >> shift) return std::nullopt;
  return *count << shift;
}

}  // namespace tapedeck
