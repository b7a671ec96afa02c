#include "replay/lab_file/lab_file.h"

#include <algorithm>
#include <cstring>
#include <fstream>
#include <iterator>
#include <optional>

#define TOML_EXCEPTIONS 0
#include <toml++/toml.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "replay/lab/udp_apps.h"
#include "replay/lab_file/units.h"

namespace tapedeck {

namespace {

constexpr size_t kLabFileHosts = 2;

// Reads a file's tables into a LabFile. The first thing that is wrong stays in status_.
class LabFileReader {
 public:
  explicit LabFileReader(LabFile* file) : file_(*file) {}

  absl::Status Read(const toml::table& root) {
    // Hosts and servers first: others name them.
    ForEachTable(root, "host", [this](const toml::table& table) { ReadHost(table); });
    ForEachTable(root, "server", [this](const toml::table& table) { ReadServer(table); });
    ForEachTable(root, "client", [this](const toml::table& table) { ReadClient(table); });
    for (const auto& [key, value] : root) ReadTop(std::string(key.str()), value);
    if (file_.hosts.size() != kLabFileHosts) {
      Wrong(root, absl::StrCat("a lab has two [[host]], and here are ", file_.hosts.size()));
    }
    if (file_.clients.empty()) Wrong(root, "there is no [[client]], so nothing would happen");
    return status_;
  }

 private:
  void Wrong(const toml::node& node, const std::string& what) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(file_.path, ":", std::max<uint32_t>(node.source().begin.line, 1), ":",
                     std::max<uint32_t>(node.source().begin.column, 1), ": ", what));
  }

  template <typename Body>
  void ForEachTable(const toml::table& root, const char* name, Body body) {
    const toml::node* const node = root.get(name);
    if (node == nullptr) return;
    const toml::array* const tables = node->as_array();
    if (tables == nullptr) return Wrong(*node, absl::StrCat("write [[", name, "]]"));
    for (const toml::node& table : *tables) {
      if (table.as_table() == nullptr) return Wrong(table, absl::StrCat("write [[", name, "]]"));
      body(*table.as_table());
    }
  }

  void ReadTop(const std::string& key, const toml::node& value) {
    if (key == "host" || key == "server" || key == "client") return;
    if (key == "link") return ReadLinks(value);
    if (key == "costs") return Text(key, value, &file_.costs);
    if (key == "limit")
      return Take(key, value, &ParseLabDuration, "a time as \"10s\"", &file_.limit);
    if (key != "seed") {
      return Wrong(value, absl::StrCat("there is no key `", key,
                                       "`; there are seed, costs, limit, host, link, server and "
                                       "client"));
    }
    std::string seed;
    Text(key, value, &seed);
    if (!absl::SimpleHexAtoi(seed, &file_.seed)) Wrong(value, "`seed` is a hexadecimal number");
  }

  void ReadHost(const toml::table& table) {
    LabFileHost host;
    for (const auto& [name, value] : table) {
      const std::string key(name.str());
      if (key == "name") {
        Text(key, value, &host.name);
      } else if (key == "address") {
        ReadAddresses(value, &host);
      } else if (key == "gro") {
        const std::optional<bool> on = value.value_exact<bool>();
        if (!on.has_value()) Wrong(value, "`gro` is true or false");
        host.gro = on.value_or(false);
      } else {
        Wrong(value, absl::StrCat("a host has name, address and gro, and no `", key, "`"));
      }
    }
    const bool has_address = host.address != kIpv4Any || host.address6.has_value();
    if (host.name.empty() || !has_address) Wrong(table, "a host has name and address");
    file_.hosts.push_back(host);
  }

  void ReadAddress(const toml::node& value, LabFileHost* host) {
    std::string text;
    Text("address", value, &text);
    const size_t slash = text.find('/');
    const std::optional<IpAddress> address = IpAddress::Parse(text.substr(0, slash));
    const bool is_v4 = address.has_value() && address->is_v4();
    uint32_t bits = is_v4 ? 24 : 64;
    const bool good =
        address.has_value() && !address->IsAny() && !address->IsMulticast() &&
        (slash == std::string::npos || (absl::SimpleAtoi(text.substr(slash + 1), &bits) &&
                                        bits >= 1 && bits <= (is_v4 ? 31U : 127U)));
    if (!good) return Wrong(value, "`address` is one as \"10.0.0.1/24\" or \"2001:db8::1/64\"");
    const bool again = is_v4 ? host->address != kIpv4Any : host->address6.has_value();
    if (again) return Wrong(value, "a host has one address of IPv4 and one of IPv6");
    if (is_v4) {
      host->address = address->v4();
      host->prefix_bits = static_cast<uint8_t>(bits);
    } else {
      host->address6 = address->v6();
      host->prefix6_bits = static_cast<uint8_t>(bits);
    }
  }

  // One, or a list of one for each family.
  void ReadAddresses(const toml::node& value, LabFileHost* host) {
    const toml::array* const list = value.as_array();
    if (list == nullptr) return ReadAddress(value, host);
    for (const toml::node& address : *list) ReadAddress(address, host);
  }

  void ReadServer(const toml::table& table) {
    LabFileServer server;
    for (const auto& [name, value] : table) {
      const std::string key(name.str());
      if (key == "host") {
        HostNamed(value, &server.host);
      } else if (key == "port") {
        server.port = static_cast<uint16_t>(Number(key, value, 1, 65'535));
      } else if (key == "protocol") {
        std::string protocol;
        Text(key, value, &protocol);
        server.is_udp = protocol == "udp";
        if (!server.is_udp && protocol != "tcp") Wrong(value, "`protocol` is \"tcp\" or \"udp\"");
      } else {
        Wrong(value, absl::StrCat("a server has host, port and protocol, and no `", key, "`"));
      }
    }
    if (server.port == 0) Wrong(table, "a server has a port");
    file_.servers.push_back(server);
  }

  void ReadClient(const toml::table& table) {
    LabFileClient client;
    client.name = absl::StrCat("client", file_.clients.size() + 1);
    client.plan.response_bytes = 1;
    bool has_server = false;
    std::string over;
    for (const auto& [name, value] : table) {
      const std::string key(name.str());
      if (key == "server") has_server = true;
      if (key == "over") {
        Text(key, value, &over);
        if (over != "IPv4" && over != "IPv6") Wrong(value, "`over` is \"IPv4\" or \"IPv6\"");
        continue;
      }
      ReadClientKey(key, value, &client);
    }
    if (!has_server) Wrong(table, "a client has a server, as \"name:port\" or \"name:port/udp\"");
    if (client.plan.response_bytes == 0) {
      Wrong(table, "`response` is a byte at least: by it a client knows that its request has come");
    }
    if (status_.ok()) ChooseFamily(table, over, &client);
    if (status_.ok()) CheckDatagrams(table, client);
    file_.clients.push_back(client);
  }

  void CheckDatagrams(const toml::table& table, const LabFileClient& client) {
    if (!file_.servers[client.server].is_udp) return;
    if (std::max(client.plan.request_bytes, client.plan.response_bytes) > kUdpAppBytesMax) {
      Wrong(table, absl::StrCat("a datagram's request and response have at most ", kUdpAppBytesMax,
                                " bytes"));
    }
    if (client.plan.congestion_control[0] != 0) Wrong(table, "UDP has no `congestion`");
  }

  // What was asked for; else IPv4 where both hosts have it.
  void ChooseFamily(const toml::table& table, const std::string& over, LabFileClient* client) {
    const LabFileHost& mine = file_.hosts[client->host];
    const LabFileHost& theirs = file_.hosts[file_.servers[client->server].host];
    const bool has4 = mine.address != kIpv4Any && theirs.address != kIpv4Any;
    const bool has6 = mine.address6.has_value() && theirs.address6.has_value();
    client->over_ipv6 = over.empty() ? !has4 : over == "IPv6";
    if (client->over_ipv6 ? has6 : has4) return;
    Wrong(table, absl::StrCat(mine.name, " and ", theirs.name, " have no addresses of ",
                              over.empty() ? "one family" : over));
  }

  void ReadClientKey(const std::string& key, const toml::node& value, LabFileClient* client) {
    AppPlan& plan = client->plan;
    constexpr const char* kBytes = "a number of bytes as \"64k\"";
    if (key == "name") return Text(key, value, &client->name);
    if (key == "host") return HostNamed(value, &client->host);
    if (key == "server") return ServerNamed(value, &client->server);
    if (key == "request") return Take(key, value, &ParseLabBytes, kBytes, &plan.request_bytes);
    if (key == "response") return Take(key, value, &ParseLabBytes, kBytes, &plan.response_bytes);
    if (key == "connections") {
      plan.connections = Number(key, value, 1, 1'000'000);
    } else if (key == "requests") {
      plan.requests_per_connection = Number(key, value, 1, 1'000'000);
    } else if (key == "congestion") {
      std::string name;
      Text(key, value, &name);
      if (name.size() >= sizeof(plan.congestion_control)) return Wrong(value, "no such algorithm");
      std::memcpy(plan.congestion_control, name.c_str(), name.size() + 1);
    } else {
      Wrong(value, absl::StrCat("a client has name, host, server, over, connections, requests, "
                                "request, response and congestion, and no `",
                                key, "`"));
    }
  }

  void ReadLinks(const toml::node& node) {
    const toml::table* const table = node.as_table();
    if (table == nullptr) return Wrong(node, "write [link]");
    LinkOptions both;
    for (const auto& [name, value] : *table) {
      if (value.as_table() == nullptr) ReadLinkKey(std::string(name.str()), value, &both);
    }
    file_.links[0] = file_.links[1] = both;
    for (const auto& [name, value] : *table) {
      const toml::table* const one = value.as_table();
      if (one == nullptr) continue;
      const std::string key(name.str());
      if (key != "there" && key != "back") {
        Wrong(value, absl::StrCat("there are [link.there] and [link.back], and no `", key, "`"));
      }
      LinkOptions* const link = &file_.links[key == "back" ? 1 : 0];
      for (const auto& [inner, setting] : *one)
        ReadLinkKey(std::string(inner.str()), setting, link);
    }
  }

  void ReadLinkKey(const std::string& key, const toml::node& value, LinkOptions* link) {
    constexpr const char* kTime = "a time as \"10ms\"";
    constexpr const char* kShare = "a share as \"1%\" or \"20ppm\"";
    if (key == "delay") return Take(key, value, &ParseLabDuration, kTime, &link->delay);
    if (key == "rate") {
      return Take(key, value, &ParseLabRate, "a rate as \"100Mbit\"", &link->rate_bits_per_second);
    }
    if (key == "loss") return Take(key, value, &ParseLabShare, kShare, &link->loss_ppm);
    if (key == "duplicate") return Take(key, value, &ParseLabShare, kShare, &link->duplicate_ppm);
    if (key == "reorder") return Take(key, value, &ParseLabShare, kShare, &link->reorder_ppm);
    if (key == "reorder_delay") {
      return Take(key, value, &ParseLabDuration, kTime, &link->reorder_delay);
    }
    if (key == "corrupt") return Take(key, value, &ParseLabShare, kShare, &link->corrupt_ppm);
    if (key == "queue") {
      link->queue_frames = Number(key, value, 1, 1'000'000);
      return;
    }
    Wrong(value, absl::StrCat("a link has delay, rate, queue, loss, duplicate, reorder, "
                              "reorder_delay and corrupt, and no `",
                              key, "`"));
  }

  void HostNamed(const toml::node& value, size_t* host) {
    std::string name;
    Text("host", value, &name);
    const auto found = std::find_if(file_.hosts.begin(), file_.hosts.end(),
                                    [&](const LabFileHost& known) { return known.name == name; });
    if (found == file_.hosts.end()) {
      return Wrong(value, absl::StrCat("there is no host `", name, "`"));
    }
    *host = static_cast<size_t>(found - file_.hosts.begin());
  }

  void ServerNamed(const toml::node& value, size_t* index) {
    std::string text;
    Text("server", value, &text);
    for (size_t i = 0; i < file_.servers.size(); ++i) {
      const LabFileServer& server = file_.servers[i];
      if (server.host < file_.hosts.size() &&
          text == absl::StrCat(file_.hosts[server.host].name, ":", server.port,
                               server.is_udp ? "/udp" : "")) {
        *index = i;
        return;
      }
    }
    Wrong(value, absl::StrCat("there is no [[server]] `", text, "`"));
  }

  void Text(const std::string& key, const toml::node& value, std::string* out) {
    const auto text = value.value_exact<std::string>();
    if (!text.has_value() || text->empty()) {
      return Wrong(value, absl::StrCat("`", key, "` is a text in quotes, and not an empty one"));
    }
    *out = *text;
  }

  // A text that `parse` understands.
  template <typename T>
  void Take(const std::string& key, const toml::node& value,
            std::optional<T> (*parse)(absl::string_view), const char* what, T* out) {
    const auto text = value.value_exact<std::string>();
    const std::optional<T> parsed = text.has_value() ? parse(*text) : std::nullopt;
    if (!parsed.has_value()) return Wrong(value, absl::StrCat("`", key, "` is ", what));
    *out = *parsed;
  }

  uint32_t Number(const std::string& key, const toml::node& value, int64_t min, int64_t max) {
    const int64_t number = value.value_exact<int64_t>().value_or(min - 1);
    if (number >= min && number <= max) return static_cast<uint32_t>(number);
    Wrong(value, absl::StrCat("`", key, "` is a number from ", min, " to ", max));
    return static_cast<uint32_t>(min);
  }

  LabFile& file_;
  absl::Status status_;
};

}  // namespace

absl::StatusOr<LabFile> ParseLabFile(const std::string& text, const std::string& path) {
  LabFile file;
  file.path = path;
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    const toml::source_position at = parsed.error().source().begin;
    return absl::InvalidArgumentError(absl::StrCat(path, ":", at.line, ":", at.column, ": ",
                                                   std::string(parsed.error().description())));
  }
  if (absl::Status read = LabFileReader(&file).Read(parsed.table()); !read.ok()) return read;
  return file;
}

absl::StatusOr<LabFile> ReadLabFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return absl::NotFoundError(absl::StrCat(path, ": cannot be read"));
  return ParseLabFile({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()},
                      path);
}

}  // namespace tapedeck
