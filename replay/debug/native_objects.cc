// This file has full debug information in every build (CMakeLists.txt), so that debuggers know the
// types it names where all others only have lines.
#include "replay/debug/native_objects.h"

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "replay/debug/objects.h"
#include "stack/core/neighbour.h"
#include "stack/core/net_device.h"
#include "stack/core/skbuff.h"
#include "stack/drivers/ixgbe_adapter.h"
#include "stack/kernel/cpu.h"
#include "stack/tcp/tcp_sock.h"
#include "stack/udp/udp.h"

namespace tapedeck {

namespace {

// What tools/gdb/tapedeck.py has printers for, or gives objects as.
struct TypesShown {
  sk_buff* skb;
  tcp_sock* tcp;
  udp_sock* udp;
  inet_sock* inet;
  neighbour* neigh;
  net_device* dev;
  ixgbe::RxRing* rx_ring;
  ixgbe::TxRing* tx_ring;
  Cpu* cpu;
};
[[gnu::used]] constinit TypesShown types_shown = {};

constinit CaseRun* run_shown = nullptr;

}  // namespace

void ShowToNativeDebugger(CaseRun* run) { run_shown = run; }

}  // namespace tapedeck

extern "C" [[gnu::used]] const void* tapedeck_object(const char* name) {
  using namespace tapedeck;
  if (run_shown == nullptr) return nullptr;
  // An object is found as one of its fields is; any will do.
  for (int kind = 0; kind < kObjectKinds; ++kind) {
    const std::string field =
        std::string(name) + "." + FieldsOf(static_cast<ObjectKind>(kind))[0].name;
    const absl::StatusOr<FieldName> found = FieldName::Parse(field, *run_shown);
    if (found.ok() && found->Object(*run_shown) != nullptr) return found->Object(*run_shown);
  }
  return nullptr;
}
