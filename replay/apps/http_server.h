// A small web server for demonstrations: a page that tells of the host it runs on, files of
// /proc/net, and bodies of any size whose bytes a client can check.
//
//   GET /              the page
//   GET /bytes/N       N bytes (64k, 10M, 1G too): HttpBodyByte(0), HttpBodyByte(1), ...
//   GET /proc/net/F    the host's own file, as it reads at that moment
//   PUT or POST /...   reads the body and answers with its length
#ifndef TAPEDECK_REPLAY_APPS_HTTP_SERVER_H_
#define TAPEDECK_REPLAY_APPS_HTTP_SERVER_H_

#include <cstdint>
#include <string>
#include <string_view>

#include "replay/apps/app_io.h"
#include "replay/apps/http_request.h"

namespace tapedeck {

// Serves `end` until the host is shut down; `counts` is in the arena.
void StartHttpServer(Host& host, const Endpoint& end, ServiceCounts* counts);

// Byte `position` of every body of /bytes/N.
uint8_t HttpBodyByte(uint64_t position);

// What a GET is answered with.
struct HttpPage {
  int status = 404;
  const char* type = "text/plain";
  std::string text;         // the body, unless body_bytes is not 0
  uint64_t body_bytes = 0;  // of HttpBodyByte
  bool is_bytes = false;
};
// The page at `path` (without its query) as the host has it now.
HttpPage MakeHttpPage(Host& host, std::string_view path, const ServiceCounts& counts);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_APPS_HTTP_SERVER_H_
