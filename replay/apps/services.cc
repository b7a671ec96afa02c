#include "replay/apps/services.h"

#include <algorithm>
#include <iterator>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "replay/apps/echo.h"
#include "replay/apps/http_server.h"
#include "replay/apps/iperf3_server.h"

namespace tapedeck {

namespace {

struct ServiceEntry {
  const char* name;
  ServiceKind kind;
  uint16_t usual_port;
  void (*start)(Host& host, const Endpoint& end, ServiceCounts* counts);
};

constexpr ServiceEntry kServiceEntries[] = {
    {"http", ServiceKind::kHttp, 80, &StartHttpServer},
    {"echo", ServiceKind::kEcho, 7, &StartEchoServer},
    {"discard", ServiceKind::kDiscard, 9, &StartDiscardServer},
    {"iperf3", ServiceKind::kIperf3, 5201, &StartIperf3Server},
};

const ServiceEntry& EntryOf(ServiceKind kind) { return kServiceEntries[static_cast<size_t>(kind)]; }

absl::StatusOr<Service> ParseService(absl::string_view text) {
  const std::vector<std::string> parts = absl::StrSplit(text, absl::MaxSplits('=', 1));
  const auto* const entry =
      std::find_if(std::begin(kServiceEntries), std::end(kServiceEntries),
                   [&](const ServiceEntry& candidate) { return parts[0] == candidate.name; });
  if (entry == std::end(kServiceEntries)) {
    return absl::InvalidArgumentError(absl::StrCat(
        "no application is called \"", parts[0], "\", there are ",
        absl::StrJoin(kServiceEntries, ", ", [](std::string* out, const ServiceEntry& known) {
          absl::StrAppend(out, known.name);
        })));
  }
  int port = entry->usual_port;
  if (parts.size() == 2 && (!absl::SimpleAtoi(parts[1], &port) || port < 1 || port > 65535)) {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", text, "\": expected a port from 1 to 65535 behind the ="));
  }
  return Service{entry->kind, static_cast<uint16_t>(port)};
}

}  // namespace

const char* ServiceName(ServiceKind kind) { return EntryOf(kind).name; }

absl::StatusOr<std::vector<Service>> ParseServices(absl::string_view text) {
  std::vector<Service> services;
  if (text.empty() || text == "-") return services;
  for (const absl::string_view word : absl::StrSplit(text, ',')) {
    absl::StatusOr<Service> service = ParseService(word);
    if (!service.ok()) return service.status();
    for (const Service& other : services) {
      if (other.port == service->port) {
        return absl::InvalidArgumentError(absl::StrCat("port ", other.port, " is given to ",
                                                       ServiceName(other.kind), " and ",
                                                       ServiceName(service->kind)));
      }
    }
    services.push_back(*service);
  }
  return services;
}

std::string ServicesText(std::span<const Service> services) {
  if (services.empty()) return "-";
  return absl::StrJoin(services.begin(), services.end(), ",",
                       [](std::string* out, const Service& service) {
                         absl::StrAppend(out, ServiceName(service.kind), "=", service.port);
                       });
}

const ServiceCounts* StartService(Host& host, const Service& service, bool ipv6) {
  auto* const counts = host.kernel().world().arena().New<ServiceCounts>();
  const Endpoint end{ipv6 ? IpAddress(kIpv6Any) : IpAddress(kIpv4Any), service.port};
  EntryOf(service.kind).start(host, end, counts);
  return counts;
}

}  // namespace tapedeck
