// Applications by name: "http=80,echo=7,discard=9,iperf3=5201".
#ifndef TAPEDECK_REPLAY_APPS_SERVICES_H_
#define TAPEDECK_REPLAY_APPS_SERVICES_H_

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "replay/apps/app_io.h"

namespace tapedeck {

enum class ServiceKind : uint8_t { kHttp, kEcho, kDiscard, kIperf3 };

struct Service {
  ServiceKind kind = ServiceKind::kHttp;
  uint16_t port = 0;
  friend bool operator==(const Service&, const Service&) = default;
};

const char* ServiceName(ServiceKind kind);
// A list separated by commas, each NAME=PORT, or NAME for its usual port; "" is none. The error
// says what is wrong with which.
absl::StatusOr<std::vector<Service>> ParseServices(absl::string_view text);
// The same list back; "-" where there is none.
std::string ServicesText(std::span<const Service> services);

// Starts `service` on every address of `host`, of both families where `ipv6`; it runs until the
// host is shut down. What it has done is in the arena.
const ServiceCounts* StartService(Host& host, const Service& service, bool ipv6);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_APPS_SERVICES_H_
