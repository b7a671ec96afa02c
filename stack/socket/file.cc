#include "stack/socket/file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "stack/socket/eventpoll.h"

namespace tapedeck {
namespace {

constexpr int kFirstTableFds = 64;  // NR_OPEN_DEFAULT

}  // namespace

void fput(file* file) {
  CHECK_GT(file->f_count, 0U);
  if (--file->f_count != 0) return;
  eventpoll_release_file(file);
  file->f_op->release(file);
  file->owner->files.Delete(file);
}

files_struct::files_struct(Kernel& its_kernel)
    : kernel(its_kernel), files(its_kernel.world().arena(), "filp") {
  CHECK(Grow(kFirstTableFds));
}

bool files_struct::Grow(int fds) {
  auto* const grown =
      static_cast<Slot*>(kernel.kmalloc().Alloc(static_cast<size_t>(fds) * sizeof(Slot)));
  if (grown == nullptr) return false;
  std::fill(grown, grown + fds, Slot{nullptr, false});
  if (table != nullptr) {
    std::copy(table, table + max_fds, grown);
    kernel.kmalloc().Free(table, static_cast<size_t>(max_fds) * sizeof(Slot));
  }
  table = grown;
  max_fds = fds;
  return true;
}

file* files_struct::alloc_file(const file_operations* f_op, void* private_data, uint32_t flags) {
  struct file* const made = files.New();
  if (made == nullptr) return nullptr;
  made->f_op = f_op;
  made->private_data = private_data;
  made->owner = this;
  made->f_flags = flags;
  return made;
}

int files_struct::fd_install(struct file* file, bool close_on_exec, int from) {
  int fd = std::max(from, next_fd);
  while (fd < max_fds && table[fd].file != nullptr) ++fd;
  if (fd >= rlimit_nofile) return -EMFILE;
  while (fd >= max_fds) {
    if (!Grow(2 * max_fds)) return -ENOMEM;
  }
  table[fd] = {file, close_on_exec};
  if (from <= next_fd) next_fd = fd + 1;
  return fd;
}

bool files_struct::has_free_fd() const {
  int fd = next_fd;
  while (fd < max_fds && table[fd].file != nullptr) ++fd;
  return fd < rlimit_nofile;
}

struct file* files_struct::file_close_fd(int fd) {
  struct file* const closed = fcheck(fd);
  if (closed == nullptr) return nullptr;
  table[fd] = {nullptr, false};
  next_fd = std::min(next_fd, fd);
  return closed;
}

void files_struct::close_all() {
  for (int fd = 0; fd < max_fds; ++fd) {
    if (struct file* const closed = file_close_fd(fd)) fput(closed);
  }
}

}  // namespace tapedeck
