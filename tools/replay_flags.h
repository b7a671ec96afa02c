// The command line of `tapedeck replay`.
#ifndef TAPEDECK_TOOLS_REPLAY_FLAGS_H_
#define TAPEDECK_TOOLS_REPLAY_FLAGS_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "stack/drivers/ixgbe.h"
#include "tools/run_outputs.h"
#include "tools/selection_flags.h"

namespace tapedeck::tools {

struct ReplayFlags {
  std::vector<std::string> files;
  std::string mode = "auto";
  std::string plan_out;
  std::string require_grade;
  std::string timing = "reactive";
  std::string host;
  std::vector<uint16_t> bind;
  bool no_sockets = false;
  bool no_arp_answers = false;
  std::string seed = "5eed0001";
  std::string costs = "free";
  std::optional<uint32_t> hz;
  uint32_t fill = 0;
  std::string arena;
  std::string chain;
  std::optional<uint32_t> eitr;
  uint16_t rx_ring = ixgbe::IxgbeOptions{}.rx_ring_entries;
  uint16_t tx_ring = ixgbe::IxgbeOptions{}.tx_ring_entries;
  bool drop_enable = false;
  uint64_t frames_max = UINT64_MAX;
  SelectionFlags selection;
  uint64_t restore_after = 0;
  double settle_s = 5;
  int verbose = 0;
  OutputFlags outputs;
  bool json = false;
};

}  // namespace tapedeck::tools

#endif  // TAPEDECK_TOOLS_REPLAY_FLAGS_H_
