// Read-only files in the host's memory, so that there is something to open, send and splice: a flat
// table of paths, filled before or while the host runs.
#ifndef TAPEDECK_STACK_SOCKET_RAM_FILE_H_
#define TAPEDECK_STACK_SOCKET_RAM_FILE_H_

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "stack/socket/file.h"

namespace tapedeck {

struct ram_inode {
  static constexpr size_t kPathBytes = 96;
  char path[kPathBytes] = {};  // empty: unused
  uint8_t* data = nullptr;     // from Kmalloc
  size_t size_bytes = 0;
};

class RamFiles {
 public:
  static constexpr int kFilesMax = 8;
  static constexpr size_t kFileBytesMax = size_t{1} << 21;

  explicit RamFiles(Kernel& kernel) : kernel_(kernel) {}
  RamFiles(const RamFiles&) = delete;
  RamFiles& operator=(const RamFiles&) = delete;

  // A new file. 0, -EEXIST, -ENAMETOOLONG, -ENOSPC (too many), -EFBIG, -ENOMEM.
  int Put(std::string_view path, std::span<const uint8_t> content);
  // nullptr where there is none of that name.
  ram_inode* Find(std::string_view path);
  // Forgets all. REQUIRES: none is open.
  void Clear();

 private:
  Kernel& kernel_;
  ram_inode inodes_[kFilesMax];
};

// open(2). nullptr and *err: -ENOENT, -EROFS (not for reading only), -ENFILE.
file* ram_file_open(files_struct& files, RamFiles& inodes, std::string_view path, uint32_t flags,
                    int64_t* err);
bool is_ram_file(const file* file);
// The bytes of an open file from `offset` on. REQUIRES: is_ram_file(file).
std::span<const uint8_t> ram_file_bytes(const file* file, int64_t offset);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_RAM_FILE_H_
