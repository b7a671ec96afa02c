#include "replay/debug/objects.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <tuple>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "replay/debug/socket_lookup.h"
#include "replay/lab/command_runner.h"
#include "replay/lab/mib_groups.h"
#include "replay/script/absl_view.h"
#include "replay/trace/event_text.h"
#include "stack/core/neighbour.h"
#include "stack/core/net_device.h"
#include "stack/drivers/ixgbe_adapter.h"
#include "stack/kernel/cpu.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/udp/udp.h"

namespace tapedeck {

namespace {

IpAddress NeighAddress(const neighbour& neigh) {
  if (neigh.tbl->key_len == 4) {
    return Ipv4Address(neigh.primary_key[0], neigh.primary_key[1], neigh.primary_key[2],
                       neigh.primary_key[3]);
  }
  std::array<uint8_t, 16> bytes;
  std::copy(std::begin(neigh.primary_key), std::end(neigh.primary_key), bytes.begin());
  return Ipv6Address(bytes);
}

// The tables read each kind through its own structure.
const void* AsObject(const sock* sk, ObjectKind kind) {
  switch (kind) {
    case ObjectKind::kTcp:
      return tcp_sk(sk);
    case ObjectKind::kUdp:
      return udp_sk(sk);
    default:
      return inet_sk(sk);
  }
}

std::string EndsText(const sock* sk) {
  const Endpoint remote = RemoteEnd(sk);
  const std::string local = LocalEnd(sk).ToString();
  return remote.port.host() == 0 ? local : absl::StrCat(local, "-", remote.ToString());
}

void AddSocks(Host& host, ObjectKind kind, std::vector<StateObject>* objects) {
  for (const FoundSock& found : AllSocks(host)) {
    if (KindOf(found.sk) != kind) continue;
    StateObject object;
    object.name = absl::StrFormat("%s(#%d)", ObjectKindName(kind), found.sk->sk_id);
    object.label = absl::StrCat(found.fd < 0 ? "" : absl::StrCat("fd ", found.fd, "  "),
                                EndsText(found.sk), "  ", SockStateName(found.sk->sk_state));
    object.object = AsObject(found.sk, kind);
    objects->push_back(std::move(object));
  }
}

void AddNeighbours(neigh_table* table, std::vector<StateObject>* objects) {
  if (table == nullptr) return;
  neigh_for_each(table, [&](neighbour* neigh) {
    StateObject object;
    object.name = absl::StrFormat("neigh(%s)", NeighAddress(*neigh).ToString());
    object.label = absl::StrCat("dev ", neigh->dev->name);
    object.object = neigh;
    objects->push_back(std::move(object));
  });
}

// What `kind` is of `dev`; nullptr where that has none.
const void* PartOfDevice(const net_device& dev, ObjectKind kind) {
  if (kind == ObjectKind::kDev) return &dev;
  const ixgbe::Adapter* const adapter = ixgbe::ixgbe_adapter_of(&dev);
  if (adapter == nullptr) return nullptr;
  return kind == ObjectKind::kRxRing ? static_cast<const void*>(&adapter->rx) : &adapter->tx;
}

void AddDevices(Host& host, ObjectKind kind, std::vector<StateObject>* objects) {
  for (const net_device& dev : host.network().devices) {
    const void* const part = PartOfDevice(dev, kind);
    if (part == nullptr) continue;
    StateObject object;
    object.name = absl::StrFormat("%s(%s)", ObjectKindName(kind), dev.name);
    object.object = part;
    objects->push_back(std::move(object));
  }
}

void AddCpus(Host& host, std::vector<StateObject>* objects) {
  for (int i = 0; i < host.kernel().cpus(); ++i) {
    StateObject object;
    object.name = absl::StrFormat("cpu(%d)", i);
    object.object = &host.kernel().cpu(i);
    objects->push_back(std::move(object));
  }
}

const neighbour* FindNeighbour(neigh_table* table, const IpAddress& address) {
  const neighbour* found = nullptr;
  if (table == nullptr) return found;
  neigh_for_each(table, [&](neighbour* neigh) {
    if (NeighAddress(*neigh) == address) found = neigh;
  });
  return found;
}

std::optional<ObjectKind> KindByName(std::string_view name) {
  for (int i = 0; i < kObjectKinds; ++i) {
    if (name == ObjectKindName(static_cast<ObjectKind>(i))) return static_cast<ObjectKind>(i);
  }
  return std::nullopt;
}

std::string FieldList(ObjectKind kind) {
  std::string names;
  for (const Field& field : FieldsOf(kind)) absl::StrAppend(&names, " ", field.name);
  return names;
}

// What a name without parentheses may mean: of connections, those that are no listeners.
std::vector<StateObject> Candidates(Host& host, ObjectKind kind) {
  std::vector<StateObject> objects = ObjectsOf(host, kind);
  if (kind != ObjectKind::kTcp || objects.size() < 2) return objects;
  std::erase_if(objects, [](const StateObject& object) {
    return static_cast<const tcp_sock*>(object.object)->sk_state == TCP_LISTEN;
  });
  return objects;
}

// "name(inside)rest" or "name.rest".
struct NamePiece {
  std::string_view name;
  std::string_view inside;
  std::string_view rest;  // without its dot
};
std::optional<NamePiece> CutPiece(std::string_view text) {
  const size_t end = text.find_first_of("(.");
  if (end == std::string_view::npos) return NamePiece{text, "", ""};
  NamePiece piece{text.substr(0, end), "", ""};
  if (text[end] == '(') {
    const size_t close = text.find(')', end);
    if (close == std::string_view::npos) return std::nullopt;
    piece.inside = text.substr(end + 1, close - end - 1);
    text.remove_prefix(close + 1);
  } else {
    text.remove_prefix(end);
  }
  if (!text.empty() && text[0] != '.') return std::nullopt;
  piece.rest = text.empty() ? text : text.substr(1);
  return piece;
}

}  // namespace

std::vector<StateObject> ObjectsOf(Host& host, ObjectKind kind) {
  std::vector<StateObject> objects;
  switch (kind) {
    case ObjectKind::kTcp:
    case ObjectKind::kUdp:
    case ObjectKind::kSock:
      AddSocks(host, kind, &objects);
      break;
    case ObjectKind::kNeigh:
      AddNeighbours(host.network().arp_tbl, &objects);
      AddNeighbours(host.network().nd_tbl, &objects);
      std::sort(objects.begin(), objects.end(), [](const StateObject& a, const StateObject& b) {
        return std::tie(a.name, a.label) < std::tie(b.name, b.label);
      });
      break;
    case ObjectKind::kDev:
    case ObjectKind::kRxRing:
    case ObjectKind::kTxRing:
      AddDevices(host, kind, &objects);
      break;
    case ObjectKind::kCpu:
      AddCpus(host, &objects);
      break;
  }
  for (StateObject& object : objects) {
    object.kind = kind;
    object.host = host.kernel().host();
    if (object.host != 0) object.name = absl::StrFormat("host(%d).%s", object.host, object.name);
  }
  return objects;
}

// --- Names. ---

absl::Status FieldName::Wrong(std::string_view why) const {
  return absl::InvalidArgumentError(absl::StrCat(text_, ": ", Absl(why)));
}

absl::StatusOr<FieldName> FieldName::Parse(std::string_view text, CaseRun& run) {
  FieldName name;
  name.text_ = std::string(text);
  std::optional<NamePiece> piece = CutPiece(text);
  if (piece.has_value() && piece->name == "host") {
    if (!absl::SimpleAtoi(Absl(piece->inside), &name.host_) || name.host_ < 0 ||
        name.host_ >= run.hosts()) {
      return name.Wrong(absl::StrCat("there are hosts 0 to ", run.hosts() - 1));
    }
    piece = CutPiece(piece->rest);
  }
  if (!piece.has_value()) return name.Wrong("expected something like tcp(3).snd_cwnd");
  if (absl::Status status = name.ParseSource(piece->name, piece->inside, run); !status.ok()) {
    return status;
  }
  if (name.source_ != Source::kObject) return name;
  name.field_ = FindField(name.kind_, piece->rest);
  if (name.field_ == nullptr) {
    return name.Wrong(absl::StrCat(piece->rest.empty() ? "which field? There are" : "there are",
                                   FieldList(name.kind_)));
  }
  return name;
}

absl::Status FieldName::ParseSource(std::string_view kind, std::string_view selector,
                                    CaseRun& run) {
  Host& host = run.host(host_);
  if (kind == "sysctl") {
    source_ = Source::kSysctl;
    key_ = std::string(selector);
    std::replace(key_.begin(), key_.end(), '.', '/');
    std::string value;
    return host.kernel().sysctl().Read(key_, &value) == 0 ? absl::OkStatus()
                                                          : Wrong("no such setting");
  }
  if (kind == "counter") {
    source_ = Source::kCounter;
    int group = 0;
    bool found = false;
    ForEachMib(host.network(), [&]<typename Item>(const char* name, const Mib<Item>&) {
      for (size_t i = 0; i < Mib<Item>::kItems; ++i) {
        if (absl::StrCat(name, MibName(static_cast<Item>(i))) == Absl(selector)) {
          mib_group_ = group;
          mib_item_ = i;
          found = true;
        }
      }
      ++group;
    });
    return found ? absl::OkStatus() : Wrong("no such counter; they are named as nstat does");
  }
  const std::optional<ObjectKind> object_kind = KindByName(kind);
  if (!object_kind.has_value()) {
    return Wrong(
        "expected tcp, udp, sock, neigh, dev, rx_ring, tx_ring, cpu, sysctl or counter first");
  }
  kind_ = *object_kind;
  return ParseSelector(selector, run);
}

absl::Status FieldName::ParseSelector(std::string_view selector, CaseRun& run) {
  if (selector.empty()) return SelectTheOnlyOne(run);
  switch (kind_) {
    case ObjectKind::kNeigh: {
      const std::optional<IpAddress> address = IpAddress::Parse(selector);
      if (!address.has_value()) return Wrong("expected an address in the parentheses");
      address_ = *address;
      return absl::OkStatus();
    }
    case ObjectKind::kDev:
    case ObjectKind::kRxRing:
    case ObjectKind::kTxRing:
      key_ = std::string(selector);
      return absl::OkStatus();
    case ObjectKind::kCpu:
      return absl::SimpleAtoi(Absl(selector), &number_) ? absl::OkStatus()
                                                        : Wrong("expected a CPU's number");
    case ObjectKind::kTcp:
    case ObjectKind::kUdp:
    case ObjectKind::kSock:
      break;
  }
  if (selector[0] == '#') {
    uint32_t id = 0;
    if (!absl::SimpleAtoi(Absl(selector.substr(1)), &id)) return Wrong("expected #NUMBER");
    id_ = id;
    return absl::OkStatus();
  }
  if (absl::SimpleAtoi(Absl(selector), &number_)) return absl::OkStatus();
  const size_t dash = selector.find('-');
  const std::optional<Endpoint> local = Endpoint::Parse(selector.substr(0, dash));
  const std::optional<Endpoint> remote =
      dash == std::string_view::npos ? Endpoint{} : Endpoint::Parse(selector.substr(dash + 1));
  if (!local.has_value() || !remote.has_value()) {
    return Wrong("expected a descriptor, #NUMBER, or ADDRESS:PORT-ADDRESS:PORT");
  }
  local_ = *local;
  remote_ = *remote;
  return absl::OkStatus();
}

// Sockets that come and go are looked for each time; one that is there now is named for good.
absl::Status FieldName::SelectTheOnlyOne(CaseRun& run) {
  const std::vector<StateObject> objects = Candidates(run.host(host_), kind_);
  if (objects.size() > 1) {
    std::string names;
    for (const StateObject& object : objects) absl::StrAppend(&names, " ", object.name);
    return Wrong(absl::StrCat("which one? There are", names));
  }
  if (objects.empty()) {
    only_one_ = true;
    return absl::OkStatus();
  }
  const size_t open = objects[0].name.rfind('(');
  return ParseSelector(
      std::string_view(objects[0].name).substr(open + 1, objects[0].name.size() - open - 2), run);
}

// --- Values. ---

const sock* FieldName::FindSock(Host& host) const {
  if (number_ >= 0) return SockOfFd(host, number_);
  if (!id_.has_value() && remote_.port.host() != 0) return FindConnection(host, local_, remote_);
  for (const FoundSock& found : AllSocks(host)) {
    if (id_.has_value() ? found.sk->sk_id == *id_
                        : KindOf(found.sk) == kind_ && LocalEnd(found.sk) == local_) {
      return found.sk;
    }
  }
  return nullptr;
}

const void* FieldName::Find(Host& host) const {
  if (only_one_) {
    const std::vector<StateObject> objects = Candidates(host, kind_);
    return objects.size() == 1 ? objects[0].object : nullptr;
  }
  switch (kind_) {
    case ObjectKind::kTcp:
    case ObjectKind::kUdp:
    case ObjectKind::kSock: {
      const sock* const sk = FindSock(host);
      const bool right = sk != nullptr && (kind_ == ObjectKind::kSock || KindOf(sk) == kind_);
      return right ? AsObject(sk, kind_) : nullptr;
    }
    case ObjectKind::kNeigh:
      return FindNeighbour(address_.is_v4() ? host.network().arp_tbl : host.network().nd_tbl,
                           address_);
    case ObjectKind::kDev:
    case ObjectKind::kRxRing:
    case ObjectKind::kTxRing:
      for (const net_device& dev : host.network().devices) {
        if (key_ == dev.name) return PartOfDevice(dev, kind_);
      }
      return nullptr;
    case ObjectKind::kCpu:
      return number_ < host.kernel().cpus() ? &host.kernel().cpu(number_) : nullptr;
  }
  return nullptr;
}

const void* FieldName::Object(CaseRun& run) const {
  return source_ == Source::kObject ? Find(run.host(host_)) : nullptr;
}

FieldValue FieldName::Read(CaseRun& run) const {
  Host& host = run.host(host_);
  if (source_ == Source::kSysctl) {
    std::string value;
    if (host.kernel().sysctl().Read(key_, &value) != 0) return {};
    if (!value.empty() && value.back() == '\n') value.pop_back();
    int64_t number = 0;
    return absl::SimpleAtoi(value, &number) ? ValueOf(number) : ValueOf(std::move(value));
  }
  if (source_ == Source::kCounter) {
    int group = 0;
    uint64_t value = 0;
    ForEachMib(host.network(), [&]<typename Item>(const char*, const Mib<Item>& mib) {
      if (group++ == mib_group_) value = mib.Get(static_cast<Item>(mib_item_));
    });
    return ValueOf(value);
  }
  const void* const object = Find(host);
  return object == nullptr ? FieldValue{} : field_->read(object);
}

// --- All of it. ---

namespace {

void AddSettings(Host& host, const std::string& prefix, std::map<std::string, FieldValue>* all) {
  const SysctlTree& tree = host.kernel().sysctl();
  for (std::string& name : tree.Paths()) {
    std::string value;
    if (tree.Read(name, &value) != 0) continue;
    if (!value.empty() && value.back() == '\n') value.pop_back();
    std::replace(name.begin(), name.end(), '/', '.');
    (*all)[absl::StrFormat("%ssysctl(%s)", prefix, name)] = ValueOf(std::move(value));
  }
}

void AddCounterFields(Host& host, const std::string& prefix,
                      std::map<std::string, FieldValue>* all) {
  for (const auto& [name, value] : CountersOf(host.network())) {
    (*all)[absl::StrFormat("%scounter(%s)", prefix, name)] = ValueOf(value);
  }
}

}  // namespace

std::map<std::string, FieldValue> AllFields(CaseRun& run) {
  std::map<std::string, FieldValue> all;
  for (int i = 0; i < run.hosts(); ++i) {
    Host& host = run.host(i);
    const std::string prefix = i == 0 ? "" : absl::StrFormat("host(%d).", i);
    for (int kind = 0; kind < kObjectKinds; ++kind) {
      for (const StateObject& object : ObjectsOf(host, static_cast<ObjectKind>(kind))) {
        for (const Field& field : FieldsOf(object.kind)) {
          all[absl::StrCat(object.name, ".", field.name)] = field.read(object.object);
        }
      }
    }
    AddSettings(host, prefix, &all);
    AddCounterFields(host, prefix, &all);
  }
  return all;
}

std::vector<std::string> CompleteFieldName(std::string_view start, CaseRun& run) {
  std::vector<std::string> names;
  for (auto& [name, value] : AllFields(run)) {
    if (name.compare(0, start.size(), start) == 0) names.push_back(name);
  }
  return names;
}

}  // namespace tapedeck
