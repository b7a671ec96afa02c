// Pipes (fs/pipe.c): a ring of slots, each a piece of a page. Writing fills up the last page before
// it takes another.
#ifndef TAPEDECK_STACK_SOCKET_PIPE_H_
#define TAPEDECK_STACK_SOCKET_PIPE_H_

#include <cstddef>
#include <cstdint>

#include "stack/core/net.h"
#include "stack/core/skbuff.h"
#include "stack/kernel/slab.h"
#include "stack/kernel/wait.h"
#include "stack/socket/file.h"

namespace tapedeck {

inline constexpr uint32_t kPipeSlots = 16;  // PIPE_DEF_BUFFERS
inline constexpr uint32_t kPipePageBytes = 4096;
inline constexpr uint32_t kPipeBytes = kPipeSlots * kPipePageBytes;

struct pipe_buffer {
  struct page* page = nullptr;  // a reference
  uint32_t offset = 0;
  uint32_t len = 0;
};

struct pipe_inode_info {
  net* owner = nullptr;
  SlabCache<pipe_inode_info>* cache = nullptr;
  WaitQueue rd_wait;
  WaitQueue wr_wait;
  uint32_t readers = 1;  // open read ends: 0 or 1
  uint32_t writers = 1;
  uint32_t head = 0;  // slots ever filled, and ever emptied
  uint32_t tail = 0;
  pipe_buffer bufs[kPipeSlots];
};

inline bool pipe_empty(const pipe_inode_info* pipe) { return pipe->head == pipe->tail; }
inline bool pipe_full(const pipe_inode_info* pipe) { return pipe->head - pipe->tail == kPipeSlots; }
inline pipe_buffer* pipe_buf(pipe_inode_info* pipe, uint32_t slot) {
  return &pipe->bufs[slot % kPipeSlots];
}

// The two ends of a new pipe: ends[0] is read, ends[1] written. 0 or -ENFILE.
int create_pipe_files(net& net, files_struct& files, SlabCache<pipe_inode_info>& pipes,
                      uint32_t flags, file* ends[2]);
// The pipe of a file; nullptr where it is none.
pipe_inode_info* pipe_of_file(const file* file);

// --- For splice. ---

// Takes up to `bytes` from `from` into fresh pages, a slot each, and wakes readers. Bytes; -EAGAIN
// where no slot is free, -EFAULT, -ENOMEM, -EPIPE.
int64_t pipe_fill(pipe_inode_info* pipe, iov_iter* from, size_t bytes);
// Puts a page with `bytes` at its start at the head, and wakes readers; its reference is the
// pipe's. REQUIRES: a slot is free.
void pipe_add_page(pipe_inode_info* pipe, page* p, uint32_t bytes);
// Forgets `bytes` at the tail, which have gone elsewhere, and wakes writers.
void pipe_consume(pipe_inode_info* pipe, size_t bytes);
// Moves up to `bytes` from one to the other, page by page. Bytes.
int64_t pipe_move(pipe_inode_info* from, pipe_inode_info* to, size_t bytes);
// The pieces of the next `bytes` at the tail: up to kPipeSlots of them; their number.
uint32_t pipe_pieces(pipe_inode_info* pipe, size_t bytes, iovec pieces[kPipeSlots]);

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_PIPE_H_
