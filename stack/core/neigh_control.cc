// `ip neigh`: what an administrator says about neighbours, as structures (neigh_add, neigh_delete
// of net/core/neighbour.c) and as the text that ip(8) takes and prints.
#include <cerrno>
#include <cstring>
#include <iterator>
#include <optional>
#include <string>
#include <string_view>

#include "stack/core/neigh_internal.h"
#include "stack/core/neighbour.h"
#include "stack/core/net.h"

namespace tapedeck {

namespace {

struct StateName {
  const char* text;
  uint8_t state;
};
constexpr StateName kStateNames[] = {
    {"INCOMPLETE", NUD_INCOMPLETE}, {"REACHABLE", NUD_REACHABLE}, {"STALE", NUD_STALE},
    {"DELAY", NUD_DELAY},           {"PROBE", NUD_PROBE},         {"FAILED", NUD_FAILED},
    {"NOARP", NUD_NOARP},           {"PERMANENT", NUD_PERMANENT}, {"NONE", NUD_NONE},
};

bool EqualsIgnoringCase(std::string_view a, std::string_view b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    const char upper = a[i] >= 'a' && a[i] <= 'z' ? static_cast<char>(a[i] - 'a' + 'A') : a[i];
    if (upper != b[i]) return false;
  }
  return true;
}

std::optional<uint8_t> ParseState(std::string_view text) {
  for (const StateName& name : kStateNames) {
    if (EqualsIgnoringCase(text, name.text)) return name.state;
  }
  return std::nullopt;
}

// The words of a command, one after the other.
class Words {
 public:
  explicit Words(std::string_view text) : rest_(text) {}
  // Empty at the end.
  std::string_view Next() {
    const size_t begin = rest_.find_first_not_of(" \t\n");
    if (begin == std::string_view::npos) return {};
    rest_.remove_prefix(begin);
    const std::string_view word = rest_.substr(0, rest_.find_first_of(" \t\n"));
    rest_.remove_prefix(word.size());
    return word;
  }

 private:
  std::string_view rest_;
};

// A command that was read: a request and the table it is for.
struct Command {
  neigh_table* tbl = nullptr;
  neigh_request request;
  MacAddress lladdr;
  bool has_address = false;
};

int SetAddress(net& net, std::string_view word, Command* command) {
  const auto address = IpAddress::Parse(word);
  if (!address.has_value() || command->has_address) return -EINVAL;
  command->has_address = true;
  command->tbl = address->is_v4() ? net.arp_tbl : net.nd_tbl;
  if (command->tbl == nullptr) return -EAFNOSUPPORT;
  if (address->is_v4()) {
    std::memcpy(command->request.key, address->v4().bytes().data(), sizeof(Ipv4Address));
  } else {
    std::memcpy(command->request.key, address->v6().bytes().data(), sizeof(Ipv6Address));
  }
  return 0;
}

int SetDevice(net& net, std::string_view name, Command* command) {
  command->request.dev = dev_get_by_name(net, name);
  return command->request.dev == nullptr ? -ENODEV : 0;
}

int SetLinkAddress(std::string_view word, Command* command) {
  const auto mac = MacAddress::Parse(word);
  if (!mac.has_value()) return -EINVAL;
  command->lladdr = *mac;
  command->request.lladdr = command->lladdr.bytes().data();
  return 0;
}

int SetState(std::string_view word, Command* command) {
  const auto state = ParseState(word);
  if (!state.has_value()) return -EINVAL;
  command->request.state = *state;
  return 0;
}

// What follows the verb.
int ParseArguments(net& net, Words words, Command* command) {
  for (std::string_view word = words.Next(); !word.empty(); word = words.Next()) {
    int err = 0;
    if (word == "dev") {
      err = SetDevice(net, words.Next(), command);
    } else if (word == "lladdr") {
      err = SetLinkAddress(words.Next(), command);
    } else if (word == "nud") {
      err = SetState(words.Next(), command);
    } else if (word == "proxy") {
      command->request.flags |= NTF_PROXY;
    } else if (word == "router") {
      command->request.flags |= NTF_ROUTER;
    } else if (word == "use") {
      command->request.flags |= NTF_USE;
    } else if (word == "extern_learn") {
      command->request.flags |= NTF_EXT_LEARNED;
    } else {
      err = SetAddress(net, word, command);
    }
    if (err != 0) return err;
  }
  return 0;
}

std::string KeyText(const neigh_table* tbl, const uint8_t* key) {
  if (tbl->key_len == sizeof(Ipv4Address)) return Ipv4Address(LoadBe32(key)).ToString();
  return Ipv6Address(std::span<const uint8_t, 16>(key, 16)).ToString();
}

void ShowEntry(const neighbour* n, std::string* out) {
  *out += KeyText(n->tbl, n->primary_key) + " dev " + n->dev->name + " ";
  if ((n->nud_state & NUD_VALID) != 0 && n->dev->addr_len == sizeof(MacAddress)) {
    *out += "lladdr " + MacAddress(std::span<const uint8_t, 6>(n->ha, 6)).ToString() + " ";
  }
  if ((n->flags & NTF_ROUTER) != 0) *out += "router ";
  if ((n->flags & NTF_EXT_LEARNED) != 0) *out += "extern_learn ";
  for (const StateName& name : kStateNames) {
    if (n->nud_state == name.state) *out += std::string(name.text) + " ";
  }
  *out += "\n";
}

void ShowTable(neigh_table* tbl, const neigh_request& filter, std::string* out) {
  if ((filter.flags & NTF_PROXY) != 0) {
    for (const pneigh_entry* bucket : tbl->phash_buckets) {
      for (const pneigh_entry* p = bucket; p != nullptr; p = p->next) {
        if (filter.dev != nullptr && p->dev != filter.dev) continue;
        *out += KeyText(tbl, p->key) + " ";
        if (p->dev != nullptr) *out += std::string("dev ") + p->dev->name + " ";
        *out += " proxy \n";
      }
    }
    return;
  }
  neigh_for_each(tbl, [&filter, out](const neighbour* n) {
    // As ip does: what needs no address is not worth showing.
    if (n->nud_state == NUD_NOARP || (filter.dev != nullptr && n->dev != filter.dev)) return;
    ShowEntry(n, out);
  });
}

// `ip neigh flush`: entries that may be learnt again.
void Flush(neigh_table* tbl, const net_device* dev) {
  neigh_for_each(tbl, [tbl, dev](const neighbour* n) {
    if (n->dev != dev || (n->nud_state & (NUD_PERMANENT | NUD_NOARP)) != 0) return;
    neigh_request request;
    std::memcpy(request.key, n->primary_key, tbl->key_len);
    request.dev = n->dev;
    neigh_delete(tbl, request);
  });
}

int Change(std::string_view verb, Command* command) {
  neigh_request& request = command->request;
  request.create = verb == "add" || verb == "replace";
  request.excl = verb == "add";
  request.replace = verb == "change" || verb == "replace";
  if (!command->has_address) return -EINVAL;
  return neigh_add(command->tbl, request);
}

}  // namespace

int neigh_add(neigh_table* tbl, const neigh_request& request) {
  if ((request.flags & NTF_PROXY) != 0) {
    return pneigh_create(tbl, request.key, request.dev, request.flags,
                         (request.state & NUD_PERMANENT) != 0);
  }
  if (request.dev == nullptr) return -EINVAL;
  if (tbl->allow_add != nullptr && !tbl->allow_add(request.dev)) return -EINVAL;
  uint32_t flags =
      NEIGH_UPDATE_F_ADMIN | NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE_ISROUTER;
  neighbour* neigh = neigh_lookup(tbl, request.key, request.dev);
  if (neigh == nullptr) {
    if (!request.create) return -ENOENT;
    const bool exempt =
        (request.state & NUD_PERMANENT) != 0 || (request.flags & NTF_EXT_LEARNED) != 0;
    neigh = neigh_clone(neigh_internal::___neigh_create(tbl, request.key, request.dev,
                                                        request.flags & NTF_EXT_LEARNED, exempt));
    if (neigh == nullptr) return -ENOBUFS;
  } else if (request.excl) {
    neigh_release(neigh);
    return -EEXIST;
  } else if (!request.replace) {
    flags &= ~uint32_t{NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_OVERRIDE_ISROUTER};
  }
  if ((request.flags & NTF_EXT_LEARNED) != 0) flags |= NEIGH_UPDATE_F_EXT_LEARNED;
  if ((request.flags & NTF_ROUTER) != 0) flags |= NEIGH_UPDATE_F_ISROUTER;
  if ((request.flags & NTF_USE) != 0) flags |= NEIGH_UPDATE_F_USE;
  const int err = neigh_update(neigh, request.lladdr, request.state, flags);
  if (err == 0 && (request.flags & NTF_USE) != 0) neigh_event_send(neigh, nullptr);
  neigh_release(neigh);
  return err;
}

int neigh_delete(neigh_table* tbl, const neigh_request& request) {
  if ((request.flags & NTF_PROXY) != 0) return pneigh_delete(tbl, request.key, request.dev);
  if (request.dev == nullptr) return -EINVAL;
  neighbour* const neigh = neigh_lookup(tbl, request.key, request.dev);
  if (neigh == nullptr) return -ENOENT;
  const int err =
      neigh_update(neigh, nullptr, NUD_FAILED, NEIGH_UPDATE_F_OVERRIDE | NEIGH_UPDATE_F_ADMIN);
  const bool linked = !neigh->dead;
  neigh_release(neigh);
  if (linked) neigh_remove_one(neigh);
  return err;
}

int neigh_command(net& net, std::string_view text, std::string* out) {
  Words words(text);
  const std::string_view verb = words.Next();
  Command command;
  if (const int err = ParseArguments(net, words, &command); err != 0) return err;
  if (verb == "add" || verb == "change" || verb == "replace") return Change(verb, &command);
  if (verb == "del") {
    return command.has_address ? neigh_delete(command.tbl, command.request) : -EINVAL;
  }
  if (verb == "flush") {
    if (command.request.dev == nullptr) return -EINVAL;
    for (neigh_table* tbl : {net.arp_tbl, net.nd_tbl}) {
      if (tbl != nullptr) Flush(tbl, command.request.dev);
    }
    return 0;
  }
  if (verb != "show") return -EINVAL;
  for (neigh_table* tbl : {net.arp_tbl, net.nd_tbl}) {
    if (tbl != nullptr) ShowTable(tbl, command.request, out);
  }
  return 0;
}

}  // namespace tapedeck
