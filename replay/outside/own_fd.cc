#include "replay/outside/own_fd.h"

#include <unistd.h>

namespace tapedeck {

OwnFd::~OwnFd() {
  if (fd_ >= 0) close(fd_);
}

}  // namespace tapedeck
