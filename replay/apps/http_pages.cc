#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/apps/http_server.h"
#include "stack/socket/proc_net.h"

namespace tapedeck {

namespace {

constexpr std::string_view kBytesPrefix = "/bytes/";
constexpr std::string_view kProcPrefix = "/proc/net/";

constexpr char kFrontPage[] =
    R"(<!DOCTYPE html>
<html lang="en"><head><meta charset="utf-8"><title>Tapedeck</title>
<style>body{font:16px/1.5 sans-serif;max-width:44em;margin:2em auto;padding:0 1em;color-scheme:light dark}
code{font-family:monospace}td{padding-right:2em}</style></head>
<body><h1>This page came over a network stack in virtual time</h1>
<p>The host that serves it is one deterministic program: an Intel 82599 in software, its driver, NAPI, IP, TCP and sockets.
A driver outside maps the wall clock to its virtual time and carries frames between it and a TAP device. Everything that it
receives is an input with a time; a recording of them, played again, gives the same frames, the same bytes and the same digest.</p>
<table>
<tr><td>virtual time</td><td>%d.%09d s</td></tr>
<tr><td>seed</td><td><code>%x</code></td></tr>
<tr><td>connections so far</td><td>%d</td></tr>
<tr><td>requests answered</td><td>%d</td></tr>
<tr><td>bytes sent</td><td>%d</td></tr>
</table>
<p>Bodies whose bytes can be checked: <a href="/bytes/1k">/bytes/1k</a>, <a href="/bytes/64k">/bytes/64k</a>,
<a href="/bytes/10M">/bytes/10M</a>, or any <code>/bytes/N</code>. What is sent by PUT or POST is counted.</p>
<p>The host itself:%s</p>
</body></html>
)";

std::string FrontPage(Host& host, const ServiceCounts& counts) {
  std::string files;
  for (const proc_net_file& file : proc_net_files()) {
    absl::StrAppend(&files, " <a href=\"/proc/net/", file.name, "\">", file.name, "</a>");
  }
  const uint64_t now_ns = host.kernel().now().ns();
  return absl::StrFormat(kFrontPage, now_ns / 1'000'000'000, now_ns % 1'000'000'000,
                         host.kernel().world().seed(), counts.connections, counts.requests,
                         counts.bytes_out, files);
}

}  // namespace

HttpPage MakeHttpPage(Host& host, std::string_view path, const ServiceCounts& counts) {
  HttpPage page;
  if (path == "/" || path == "/index.html") {
    page.status = 200;
    page.type = "text/html; charset=utf-8";
    page.text = FrontPage(host, counts);
  } else if (path.substr(0, kBytesPrefix.size()) == kBytesPrefix) {
    const std::optional<uint64_t> bytes = ParseByteCount(path.substr(kBytesPrefix.size()));
    page.status = bytes.has_value() ? 200 : 404;
    page.type = "application/octet-stream";
    page.is_bytes = bytes.has_value();
    page.body_bytes = bytes.value_or(0);
  } else if (path.substr(0, kProcPrefix.size()) == kProcPrefix &&
             proc_net_read(host.network(), path, &page.text) == 0) {
    page.status = 200;
  }
  if (page.status == 404) page.text = "There is no such page; / tells what there is.\n";
  return page;
}

}  // namespace tapedeck
