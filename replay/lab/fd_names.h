// What a Script calls its descriptors, and what they really are.
#ifndef TAPEDECK_REPLAY_LAB_FD_NAMES_H_
#define TAPEDECK_REPLAY_LAB_FD_NAMES_H_

#include <algorithm>
#include <cstdint>
#include <vector>

#include "replay/script/script.h"

namespace tapedeck {

class FdNames {
 public:
  // The descriptor that `host`'s script calls `name`; kFdNone where it calls none so.
  int32_t Real(uint8_t host, int32_t name) const {
    const auto found = Find(host, name);
    return found == entries_.end() ? kFdNone : found->real;
  }
  // From now on `name` is `real`.
  void Set(uint8_t host, int32_t name, int32_t real) {
    Forget(host, name);
    entries_.push_back({host, name, real});
  }
  void Forget(uint8_t host, int32_t name) {
    const auto found = Find(host, name);
    if (found != entries_.end()) entries_.erase(found);
  }

 private:
  struct Entry {
    uint8_t host;
    int32_t name;
    int32_t real;
  };
  std::vector<Entry>::const_iterator Find(uint8_t host, int32_t name) const {
    return std::find_if(entries_.begin(), entries_.end(), [&](const Entry& entry) {
      return entry.host == host && entry.name == name;
    });
  }

  // A handful: a script has few descriptors open at a time.
  std::vector<Entry> entries_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_REPLAY_LAB_FD_NAMES_H_
