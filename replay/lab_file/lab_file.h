// A lab file: two hosts, the path between them and their applications, as TOML. README.md says what
// it may hold.
#ifndef TAPEDECK_REPLAY_LAB_FILE_LAB_FILE_H_
#define TAPEDECK_REPLAY_LAB_FILE_LAB_FILE_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/lab/lab.h"
#include "replay/lab/link.h"
#include "replay/lab/tcp_apps.h"
#include "stack/base/time.h"

namespace tapedeck {

struct LabFileHost {
  std::string name;
  Ipv4Address address;  // kIpv4Any: none
  uint8_t prefix_bits = 24;
  std::optional<Ipv6Address> address6;
  uint8_t prefix6_bits = 64;
  bool gro = false;  // merges what a poll finds of a connection
};

struct LabFileServer {
  size_t host = 0;  // into LabFile::hosts
  uint16_t port = 0;
  bool is_udp = false;
};

struct LabFileClient {
  std::string name;
  size_t host = 0;
  size_t server = 0;  // into LabFile::servers
  bool over_ipv6 = false;
  AppPlan plan;
};

struct LabFile {
  std::string path;
  uint64_t seed = 0x5eed0001;
  std::string costs = "free";
  // Clients that are not through by then are cut off, and the run does not hold.
  Duration limit = Duration::Seconds(600);
  std::vector<LabFileHost> hosts;  // two
  LinkOptions links[2];            // [0] from the first host to the second, [1] the way back
  std::vector<LabFileServer> servers;
  std::vector<LabFileClient> clients;
};

// An error is one line: file, line, column, what was expected and found.
absl::StatusOr<LabFile> ReadLabFile(const std::string& path);
// The same of a text; `path` is what messages call it.
absl::StatusOr<LabFile> ParseLabFile(const std::string& text, const std::string& path);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_FILE_LAB_FILE_H_
