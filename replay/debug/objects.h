// Finds the objects of a run that have named fields, and reads their fields by name:
//
//   tcp(3).snd_cwnd                               by descriptor
//   tcp(#5).snd_cwnd                              by the number that it has in traces
//   tcp(10.0.0.1:80-10.0.0.2:4000).srtt_us        by its ends, its own first
//   tcp.snd_cwnd                                  the only connection there is
//   neigh(10.0.0.2).nud_state  dev(eth0).mtu  rx_ring(eth0).next_to_clean  cpu(0).context
//   sysctl(net.ipv4.tcp_sack)  counter(TcpRetransSegs)
//   host(1).tcp(3).snd_una                        on another host than the first
#ifndef TAPEDECK_REPLAY_DEBUG_OBJECTS_H_
#define TAPEDECK_REPLAY_DEBUG_OBJECTS_H_

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/case/case_run.h"
#include "replay/debug/field_value.h"
#include "replay/debug/fields.h"
#include "stack/base/ip_address.h"
#include "stack/core/sock.h"
#include "stack/host.h"

namespace tapedeck {

struct StateObject {
  ObjectKind kind = ObjectKind::kTcp;
  int host = 0;
  std::string name;   // what names it for good: "tcp(#5)"
  std::string label;  // beside that, for people: "fd 3  10.0.0.1:80-10.0.0.2:4000"
  const void* object = nullptr;
};
// All of `kind` on `host`, in an order that depends on the state alone.
std::vector<StateObject> ObjectsOf(Host& host, ObjectKind kind);

// A field named as above. It is looked for anew each time, as objects come and go.
class FieldName {
 public:
  // InvalidArgument: what is wrong, with the names there are. `run` is asked where the name means
  // the only object of its kind.
  static absl::StatusOr<FieldName> Parse(std::string_view text, CaseRun& run);

  // Its present value; none where there is no such object.
  FieldValue Read(CaseRun& run) const;
  // What it is a field of; null where there is no such object, and of settings and counters.
  const void* Object(CaseRun& run) const;
  const std::string& text() const { return text_; }

 private:
  enum class Source : uint8_t { kObject, kSysctl, kCounter };
  absl::Status ParseSource(std::string_view kind, std::string_view selector, CaseRun& run);
  absl::Status ParseSelector(std::string_view selector, CaseRun& run);
  absl::Status SelectTheOnlyOne(CaseRun& run);
  const void* Find(Host& host) const;
  const sock* FindSock(Host& host) const;
  absl::Status Wrong(std::string_view why) const;

  std::string text_;
  Source source_ = Source::kObject;
  ObjectKind kind_ = ObjectKind::kTcp;
  int host_ = 0;
  std::string key_;  // a device's name, or a setting's
  int number_ = -1;  // a descriptor, or a CPU
  int mib_group_ = 0;
  size_t mib_item_ = 0;
  IpAddress address_;
  std::optional<uint32_t> id_;
  bool only_one_ = false;  // whichever is the only one of its kind
  Endpoint local_;
  Endpoint remote_;
  const Field* field_ = nullptr;
};

// Everything that has a name, of all hosts: objects with their fields, settings, counters.
// Comparing two of them tells what happened between.
std::map<std::string, FieldValue> AllFields(CaseRun& run);

// Names that begin with `start`, for completion.
std::vector<std::string> CompleteFieldName(std::string_view start, CaseRun& run);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_DEBUG_OBJECTS_H_
