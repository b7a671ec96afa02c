#include "stack/socket/ram_file.h"

#include <algorithm>
#include <cerrno>

namespace tapedeck {
namespace {

WaitQueue* NoQueue(file* /*file*/) { return nullptr; }
void ReleaseNothing(file* /*file*/) {}

int64_t ReadIter(file* file, iov_iter* to) {
  const std::span<const uint8_t> left = ram_file_bytes(file, file->f_pos);
  const size_t wanted = std::min(left.size(), iov_iter_count(to));
  const size_t copied = copy_to_iter(left.data(), wanted, to);
  if (copied == 0 && wanted != 0) return -EFAULT;
  file->f_pos += static_cast<int64_t>(copied);
  return static_cast<int64_t>(copied);
}

constexpr file_operations kRamFileOps = {
    .poll = nullptr, .wait_queue = NoQueue, .release = ReleaseNothing, .read_iter = ReadIter};

}  // namespace

ram_inode* RamFiles::Find(std::string_view path) {
  for (ram_inode& inode : inodes_) {
    if (inode.path[0] != '\0' && path == inode.path) return &inode;
  }
  return nullptr;
}

int RamFiles::Put(std::string_view path, std::span<const uint8_t> content) {
  if (Find(path) != nullptr) return -EEXIST;
  if (path.empty() || path.size() >= ram_inode::kPathBytes) return -ENAMETOOLONG;
  if (content.size() > kFileBytesMax) return -EFBIG;
  ram_inode* const unused = std::find_if(std::begin(inodes_), std::end(inodes_),
                                         [](const ram_inode& i) { return i.path[0] == '\0'; });
  if (unused == std::end(inodes_)) return -ENOSPC;
  if (!content.empty()) {
    unused->data = static_cast<uint8_t*>(kernel_.kmalloc().Alloc(content.size()));
    if (unused->data == nullptr) return -ENOMEM;
    std::copy(content.begin(), content.end(), unused->data);
  }
  unused->size_bytes = content.size();
  std::copy(path.begin(), path.end(), unused->path);
  return 0;
}

void RamFiles::Clear() {
  for (ram_inode& inode : inodes_) {
    if (inode.data != nullptr) kernel_.kmalloc().Free(inode.data, inode.size_bytes);
    inode = ram_inode{};
  }
}

file* ram_file_open(files_struct& files, RamFiles& inodes, std::string_view path, uint32_t flags,
                    int64_t* err) {
  ram_inode* const inode = inodes.Find(path);
  const bool reads_only = (flags & kOAccmode) == kORdonly;
  *err = inode == nullptr && (flags & kOCreat) == 0 ? -ENOENT : -EROFS;
  if (inode == nullptr || !reads_only) return nullptr;
  *err = -ENFILE;
  return files.alloc_file(&kRamFileOps, inode, flags & kONonblock);
}

bool is_ram_file(const file* file) { return file->f_op == &kRamFileOps; }

std::span<const uint8_t> ram_file_bytes(const file* file, int64_t offset) {
  const auto* const inode = static_cast<const ram_inode*>(file->private_data);
  const auto at = std::min(static_cast<size_t>(std::max<int64_t>(offset, 0)), inode->size_bytes);
  if (inode->data == nullptr) return {};
  return {inode->data + at, inode->size_bytes - at};
}

}  // namespace tapedeck
