// Descriptors: struct file and a process's table of them (fs/file.c).
#ifndef TAPEDECK_STACK_SOCKET_FILE_H_
#define TAPEDECK_STACK_SOCKET_FILE_H_

#include <cstdint>

#include "stack/base/list.h"
#include "stack/core/iov_iter.h"
#include "stack/kernel/kernel.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/wait.h"

namespace tapedeck {

struct file;
struct files_struct;

// Access modes and flags of an open file (fcntl.h, where each name is a macro).
inline constexpr uint32_t kORdonly = 00;
inline constexpr uint32_t kOWronly = 01;
inline constexpr uint32_t kORdwr = 02;
inline constexpr uint32_t kOAccmode = 03;
inline constexpr uint32_t kOCreat = 0100;
inline constexpr uint32_t kOAppend = 02000;
inline constexpr uint32_t kONonblock = 04000;
inline constexpr uint32_t kODirect = 040000;
inline constexpr uint32_t kOCloexec = 02000000;

// What can be done with a file of a kind.
struct file_operations {
  // The events that are true now, as poll(2)'s mask, and where changes are announced (nullptr:
  // there are none). Null `poll`: always readable and writable, and not for epoll (-EPERM).
  uint32_t (*poll)(file* file);
  WaitQueue* (*wait_queue)(file* file);
  // The last reference is gone.
  void (*release)(file* file);
  // Bytes moved, 0 at the end, or -errno; -EAGAIN: nothing to read, no room. They never wait. Null:
  // -EINVAL. (Sockets have their own way: SyscallBody::Send, Receive.)
  int64_t (*read_iter)(file* file, iov_iter* to) = nullptr;
  int64_t (*write_iter)(file* file, iov_iter* from) = nullptr;
  // 0 or -errno. Null: -ENOTTY.
  int (*ioctl)(file* file, uint32_t command, int* argument) = nullptr;
};

struct epitem;
struct EpitemOfFileTag;

// An open file: what descriptors (dup) and running calls refer to.
struct file {
  const file_operations* f_op = nullptr;
  void* private_data = nullptr;  // a socket
  files_struct* owner = nullptr;
  uint32_t f_count = 1;
  uint32_t f_flags = 0;                // O_RDWR, O_NONBLOCK
  int64_t f_pos = 0;                   // of files that have one
  List<epitem, EpitemOfFileTag> f_ep;  // the epolls that watch it
};

inline bool FileReadable(const file* file) { return (file->f_flags & kOAccmode) != kOWronly; }
inline bool FileWritable(const file* file) { return (file->f_flags & kOAccmode) != kORdonly; }
inline void get_file(file* file) { ++file->f_count; }
// Drops one reference; the last releases the file.
void fput(file* file);

// The table of one process. It grows by doubling up to rlimit_nofile.
struct files_struct {
  static constexpr int kFirstFd = 3;

  explicit files_struct(Kernel& its_kernel);
  files_struct(const files_struct&) = delete;
  files_struct& operator=(const files_struct&) = delete;

  // A new file with one reference, in no table; nullptr where memory failed.
  file* alloc_file(const file_operations* f_op, void* private_data, uint32_t flags);
  // Puts `file`, whose reference it takes over, at the lowest free descriptor from `from` on. A
  // descriptor; -EMFILE or -ENOMEM leave the reference with the caller.
  int fd_install(file* file, bool close_on_exec, int from = kFirstFd);
  // The file of a descriptor, without a reference; nullptr where it is closed.
  struct file* fcheck(int fd) const { return fd >= 0 && fd < max_fds ? table[fd].file : nullptr; }
  // Takes a descriptor out of the table; its file with its reference, or nullptr.
  struct file* file_close_fd(int fd);
  void close_all();
  // Whether fd_install would find one.
  bool has_free_fd() const;

  uint64_t live_files() const { return files.cache().live_objects(); }

  struct Slot {
    struct file* file;
    bool close_on_exec;
  };
  Kernel& kernel;
  SlabCache<struct file> files;
  Slot* table = nullptr;
  int max_fds = 0;
  int next_fd = kFirstFd;    // none below is free
  int rlimit_nofile = 1024;  // RLIMIT_NOFILE, the usual soft limit

 private:
  bool Grow(int fds);
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_FILE_H_
