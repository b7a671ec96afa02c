// Plays a lab file in virtual time.
#ifndef TAPEDECK_REPLAY_LAB_FILE_LAB_RUN_H_
#define TAPEDECK_REPLAY_LAB_FILE_LAB_RUN_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "replay/lab/link.h"
#include "replay/lab/tcp_apps.h"
#include "replay/lab_file/lab_file.h"
#include "replay/trace/recorder.h"
#include "stack/base/time.h"

namespace tapedeck {

struct LabRunResult {
  std::vector<AppCounts> clients;  // as the file has them
  std::vector<AppCounts> servers;
  Link::Counts links[2];  // zeros for a plain cable
  bool plain[2] = {};
  uint64_t frames_in = 0;  // received by hosts
  uint64_t delivered = 0;
  std::map<std::string, uint64_t> dropped;  // of them, by reason
  uint64_t queued = 0;
  uint64_t events = 0;
  SimTime start;
  Duration virtual_time;  // until the last client was through
  std::string digest;
  // Why the run does not hold: a client that is not through, a byte that came wrong, a call that
  // failed, something left behind.
  std::vector<std::string> violations;
};

// Bits a second of payload, both ways, from the start to a client's last byte; 0 where none came.
uint64_t Goodput(const LabRunResult& run, const AppCounts& client);

// `started` is told of the recorder before the first application begins; may be null. An error: the
// file asks for costs that there are not.
absl::StatusOr<LabRunResult> RunLabFile(
    const LabFile& file, const std::function<absl::Status(Recorder& recorder)>& started);

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_FILE_LAB_RUN_H_
