#include "replay/differential/own_fd.h"

#include <unistd.h>

namespace tapedeck::differential {

OwnFd::~OwnFd() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace tapedeck::differential
