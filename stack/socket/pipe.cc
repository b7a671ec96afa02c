#include "stack/socket/pipe.h"

#include <algorithm>
#include <cerrno>

#include "stack/core/uapi.h"

namespace tapedeck {
namespace {

pipe_inode_info* PipeOf(const file* file) {
  return static_cast<pipe_inode_info*>(file->private_data);
}

void WakeReaders(pipe_inode_info* pipe) { pipe->rd_wait.WakeUp(EPOLLIN | EPOLLRDNORM); }
void WakeWriters(pipe_inode_info* pipe) { pipe->wr_wait.WakeUp(EPOLLOUT | EPOLLWRNORM); }

void DropTail(pipe_inode_info* pipe) {
  pipe_buffer* const buf = pipe_buf(pipe, pipe->tail++);
  put_page(buf->page);
  *buf = pipe_buffer{};
}

// A fresh page at the head with what fits of `from`: bytes, -ENOMEM, -EFAULT.
int64_t AddPage(pipe_inode_info* pipe, iov_iter* from, size_t bytes) {
  page* const p = alloc_page(*pipe->owner, kPipePageBytes);
  if (p == nullptr) return -ENOMEM;
  const size_t wanted = std::min<size_t>({bytes, kPipePageBytes, iov_iter_count(from)});
  const size_t copied = copy_from_iter(page_address(p), wanted, from);
  if (copied == 0) {
    put_page(p);
    return -EFAULT;
  }
  *pipe_buf(pipe, pipe->head++) = {p, 0, static_cast<uint32_t>(copied)};
  return static_cast<int64_t>(copied);
}

// Fills the rest of the last page, where it is only the pipe's: bytes.
size_t MergeIntoLast(pipe_inode_info* pipe, iov_iter* from, size_t bytes) {
  if (pipe_empty(pipe)) return 0;
  pipe_buffer* const last = pipe_buf(pipe, pipe->head - 1);
  const uint32_t end = last->offset + last->len;
  if (last->page->refcount != 1 || end + bytes > kPipePageBytes) return 0;
  const size_t copied = copy_from_iter(page_address(last->page) + end, bytes, from);
  last->len += static_cast<uint32_t>(copied);
  return copied;
}

// --- The read end. ---

uint32_t ReadEndPoll(file* file) {
  const pipe_inode_info* const pipe = PipeOf(file);
  uint32_t mask = 0;
  if (!pipe_empty(pipe)) mask |= EPOLLIN | EPOLLRDNORM;
  if (pipe->writers == 0) mask |= EPOLLHUP;
  return mask;
}
WaitQueue* ReadEndQueue(file* file) { return &PipeOf(file)->rd_wait; }

int64_t PipeRead(file* file, iov_iter* to) {
  pipe_inode_info* const pipe = PipeOf(file);
  if (iov_iter_count(to) == 0) return 0;
  if (pipe_empty(pipe)) return pipe->writers == 0 ? 0 : -EAGAIN;
  size_t done = 0;
  while (iov_iter_count(to) > 0 && !pipe_empty(pipe)) {
    pipe_buffer* const buf = pipe_buf(pipe, pipe->tail);
    const size_t copied = copy_to_iter(page_address(buf->page) + buf->offset, buf->len, to);
    if (copied == 0) break;
    done += copied;
    buf->offset += static_cast<uint32_t>(copied);
    buf->len -= static_cast<uint32_t>(copied);
    if (buf->len == 0) DropTail(pipe);
  }
  if (done == 0) return -EFAULT;
  WakeWriters(pipe);
  return static_cast<int64_t>(done);
}

// --- The write end. ---

uint32_t WriteEndPoll(file* file) {
  const pipe_inode_info* const pipe = PipeOf(file);
  uint32_t mask = 0;
  if (!pipe_full(pipe)) mask |= EPOLLOUT | EPOLLWRNORM;
  if (pipe->readers == 0) mask |= EPOLLERR;
  return mask;
}
WaitQueue* WriteEndQueue(file* file) { return &PipeOf(file)->wr_wait; }

int64_t PipeWrite(file* file, iov_iter* from) {
  pipe_inode_info* const pipe = PipeOf(file);
  if (iov_iter_count(from) == 0) return 0;
  if (pipe->readers == 0) return -EPIPE;
  // What does not fill a page goes behind what is there, if it fits.
  size_t done = 0;
  const size_t odd = iov_iter_count(from) % kPipePageBytes;
  if (odd != 0) done = MergeIntoLast(pipe, from, odd);
  const size_t rest = iov_iter_count(from);
  if (rest == 0) {
    WakeReaders(pipe);
    return static_cast<int64_t>(done);
  }
  const int64_t filled = pipe_fill(pipe, from, rest);
  if (done == 0) return filled;
  if (filled < 0) WakeReaders(pipe);
  return static_cast<int64_t>(done) + std::max<int64_t>(filled, 0);
}

// --- Both. ---

int PipeIoctl(file* file, uint32_t command, int* argument) {
  if (command != kSiocinq) return -ENOTTY;
  pipe_inode_info* const pipe = PipeOf(file);
  uint32_t bytes = 0;
  for (uint32_t slot = pipe->tail; slot != pipe->head; ++slot) bytes += pipe_buf(pipe, slot)->len;
  *argument = static_cast<int>(bytes);
  return 0;
}

void FreeWhenUnused(pipe_inode_info* pipe) {
  if (pipe->readers != 0 || pipe->writers != 0) {
    // The other end learns that it is alone.
    pipe->rd_wait.WakeUp(EPOLLIN | EPOLLRDNORM | EPOLLERR | EPOLLHUP, 1 << 30);
    pipe->wr_wait.WakeUp(EPOLLOUT | EPOLLWRNORM | EPOLLERR | EPOLLHUP, 1 << 30);
    return;
  }
  while (!pipe_empty(pipe)) DropTail(pipe);
  pipe->cache->Delete(pipe);
}
void ReadEndRelease(file* file) {
  pipe_inode_info* const pipe = PipeOf(file);
  pipe->readers = 0;
  FreeWhenUnused(pipe);
}
void WriteEndRelease(file* file) {
  pipe_inode_info* const pipe = PipeOf(file);
  pipe->writers = 0;
  FreeWhenUnused(pipe);
}

constexpr file_operations kReadEndOps = {.poll = ReadEndPoll,
                                         .wait_queue = ReadEndQueue,
                                         .release = ReadEndRelease,
                                         .read_iter = PipeRead,
                                         .write_iter = nullptr,
                                         .ioctl = PipeIoctl};
constexpr file_operations kWriteEndOps = {.poll = WriteEndPoll,
                                          .wait_queue = WriteEndQueue,
                                          .release = WriteEndRelease,
                                          .read_iter = nullptr,
                                          .write_iter = PipeWrite,
                                          .ioctl = PipeIoctl};

}  // namespace

int create_pipe_files(net& net, files_struct& files, SlabCache<pipe_inode_info>& pipes,
                      uint32_t flags, file* ends[2]) {
  pipe_inode_info* const pipe = pipes.New();
  if (pipe == nullptr) return -ENFILE;
  pipe->owner = &net;
  pipe->cache = &pipes;
  ends[0] = files.alloc_file(&kReadEndOps, pipe, kORdonly | flags);
  if (ends[0] == nullptr) {
    pipes.Delete(pipe);
    return -ENFILE;
  }
  ends[1] = files.alloc_file(&kWriteEndOps, pipe, kOWronly | flags);
  if (ends[1] == nullptr) {
    pipe->writers = 0;
    fput(ends[0]);
    return -ENFILE;
  }
  return 0;
}

pipe_inode_info* pipe_of_file(const file* file) {
  const bool is_pipe = file->f_op == &kReadEndOps || file->f_op == &kWriteEndOps;
  return is_pipe ? PipeOf(file) : nullptr;
}

int64_t pipe_fill(pipe_inode_info* pipe, iov_iter* from, size_t bytes) {
  if (pipe->readers == 0) return -EPIPE;
  size_t done = 0;
  int64_t err = -EAGAIN;
  while (done < bytes && !pipe_full(pipe)) {
    err = AddPage(pipe, from, bytes - done);
    if (err < 0) break;
    done += static_cast<size_t>(err);
  }
  if (done == 0) return err;
  WakeReaders(pipe);
  return static_cast<int64_t>(done);
}

void pipe_add_page(pipe_inode_info* pipe, page* p, uint32_t bytes) {
  CHECK(!pipe_full(pipe));
  *pipe_buf(pipe, pipe->head++) = {p, 0, bytes};
  WakeReaders(pipe);
}

void pipe_consume(pipe_inode_info* pipe, size_t bytes) {
  while (bytes > 0) {
    pipe_buffer* const buf = pipe_buf(pipe, pipe->tail);
    const auto step = static_cast<uint32_t>(std::min<size_t>(bytes, buf->len));
    buf->offset += step;
    buf->len -= step;
    bytes -= step;
    if (buf->len == 0) DropTail(pipe);
  }
  WakeWriters(pipe);
}

int64_t pipe_move(pipe_inode_info* from, pipe_inode_info* to, size_t bytes) {
  size_t done = 0;
  while (done < bytes && !pipe_empty(from) && !pipe_full(to)) {
    pipe_buffer* const buf = pipe_buf(from, from->tail);
    const auto step = static_cast<uint32_t>(std::min<size_t>(bytes - done, buf->len));
    get_page(buf->page);
    *pipe_buf(to, to->head++) = {buf->page, buf->offset, step};
    pipe_consume(from, step);
    done += step;
  }
  if (done > 0) WakeReaders(to);
  return static_cast<int64_t>(done);
}

uint32_t pipe_pieces(pipe_inode_info* pipe, size_t bytes, iovec pieces[kPipeSlots]) {
  uint32_t count = 0;
  for (uint32_t slot = pipe->tail; slot != pipe->head && bytes > 0; ++slot) {
    const pipe_buffer* const buf = pipe_buf(pipe, slot);
    const size_t step = std::min<size_t>(bytes, buf->len);
    pieces[count++] = {page_address(buf->page) + buf->offset, step};
    bytes -= step;
  }
  return count;
}

}  // namespace tapedeck
