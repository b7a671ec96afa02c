// What each system call does: one attempt of it, from its arguments to a result, or word that it
// has to wait and where. One file for each family of calls:
//
//   syscall_files.cc   close, dup, fcntl, ioctl, pipe, open, read, write and their kin
//   syscall_socket.cc  socket, bind, connect, listen, accept, names, options
//   syscall_data.cc    send and receive; syscall_mmsg.cc many messages at once
//   syscall_poll.cc    poll and select; syscall_epoll.cc epoll
//   syscall_splice.cc  splice and sendfile
#ifndef TAPEDECK_STACK_SOCKET_SYSCALL_BODY_H_
#define TAPEDECK_STACK_SOCKET_SYSCALL_BODY_H_

#include <cstdint>

#include "stack/core/msghdr.h"
#include "stack/core/sock.h"
#include "stack/socket/system_call.h"

namespace tapedeck {

struct pipe_inode_info;
struct socket;

// A stream's handshake is under way.
inline bool Connecting(const sock* sk) {
  return sk->sk_state == TCP_SYN_SENT || sk->sk_state == TCP_SYN_RECV;
}

class SyscallBody {
 public:
  // `last`: there is no more waiting, as for a non-blocking descriptor.
  SyscallBody(SystemCall& call, bool last);

  // The result; meaningless where the call has to wait (SystemCall::must_wait_).
  int64_t Run();
  // Gives up what a poll has registered.
  static void EndPoll(SystemCall& call);

 private:
  // Those that Run leaves to it.
  [[gnu::noinline]] int64_t RunOther();
  // Descriptors.
  int64_t Close();
  int64_t Dup();
  int64_t Dup2();
  int64_t Dup3();
  int64_t Fcntl();
  int64_t Ioctl();
  int64_t Open();
  int64_t Pipe(uint32_t flags);
  [[gnu::noinline]] int64_t Read();
  int64_t Readv();
  [[gnu::noinline]] int64_t Write();
  int64_t Writev();
  // Sockets.
  int64_t Socket();
  int64_t Socketpair();
  int64_t Bind();
  int64_t Connect();
  int64_t Listen();
  int64_t Accept4(uint32_t flags);
  int64_t Shutdown();
  int64_t Getname(bool peer);
  int64_t Setsockopt();
  int64_t Getsockopt();
  // Data.
  [[gnu::noinline]] int64_t Sendto();
  [[gnu::noinline]] int64_t Recvfrom();
  int64_t Sendmsg();
  int64_t Recvmsg();
  int64_t Sendmmsg();
  int64_t Recvmmsg();
  int64_t Splice();
  int64_t Sendfile();
  // Many descriptors.
  int64_t Poll();
  int64_t Select();
  int64_t EpollCreate(uint32_t flags);
  int64_t EpollCtl();
  int64_t EpollWait();

  // The file that the call's descriptor means, or nullptr and -EBADF in *err. A retry gets the same
  // one whatever became of the descriptor.
  file* File(int64_t* err);
  // The same for the call's second descriptor, `fd`.
  file* OtherFile(int fd, int64_t* err);
  // Its socket, or nullptr and -EBADF or -ENOTSOCK.
  socket* Sock(int64_t* err);
  // move_addr_to_user: as much of an address as there is room for, and its whole length. False
  // (-EINVAL) where the room makes no sense.
  static bool AddressToUser(const SockAddr& address, SockAddr* user);
  int64_t Install(file* file, bool close_on_exec, int from);
  // Two new descriptors at once into fds[2]; on failure none, and both files are put.
  int64_t InstallPair(file* first, file* second, bool close_on_exec, int* fds);

  // Connection-oriented waits.
  bool Lingers(const file* file) const;
  int64_t AcceptFrom(socket* sock, uint32_t flags, uint32_t file_flags);

  // One message, with the wait. `flags` are the user's.
  int64_t Send(socket* sock, msghdr* msg, uint32_t flags);
  int64_t Receive(socket* sock, msghdr* msg, uint32_t flags);
  [[gnu::noinline]] int64_t SendStream(socket* sock, msghdr* msg, bool nonblock);
  [[gnu::noinline]] int64_t ReceiveStream(socket* sock, msghdr* msg, uint32_t flags, bool nonblock);
  int64_t SendUserMessage(socket* sock, const user_msghdr* user, uint32_t flags);
  int64_t ReceiveUserMessage(socket* sock, user_msghdr* user, uint32_t flags);
  // Bytes moved so far, or `result` where there are none.
  int64_t Moved(int64_t result) const;
  // The next message of the same call is another one: nothing has been done for it.
  void NextMessage();

  int64_t ReadFile(file* file, iov_iter iter);
  int64_t WriteFile(file* file, iov_iter iter);

  int64_t SpliceFromSocket(file* in, pipe_inode_info* pipe, size_t bytes);
  int64_t SpliceToSocket(pipe_inode_info* pipe, file* out, size_t bytes);
  int64_t SplicePipes(pipe_inode_info* in, pipe_inode_info* out, size_t bytes);
  int64_t SpliceFromFile(file* in, pipe_inode_info* pipe, size_t bytes);
  int64_t WaitForPipeData(pipe_inode_info* pipe);
  int64_t WaitForPipeRoom(pipe_inode_info* pipe);

  int64_t RegisterPoll(const pollfd* fds, uint32_t count);

  // The call sleeps on `queue` (may be null) until one of `events`, at most `timeout`, a number of
  // ticks, since it first had to; the timer wheel ends that, a tick late or more. A signal ends it
  // with `if_interrupted`. -EAGAIN, which stands where the timeout is zero.
  [[gnu::noinline]] int64_t WaitFor(WaitQueue* queue, uint32_t events, bool exclusive,
                                    Duration timeout, int64_t if_interrupted);
  // The same for the call's own timeout, not zero, which is kept exactly; -EINTR by a signal.
  int64_t WaitExactly(WaitQueue* queue, uint32_t events, bool exclusive);
  void MustWait(WaitQueue* queue, uint32_t events, bool exclusive, int64_t if_interrupted);
  bool again() const { return call_.again_; }

  SystemCall& call_;
  Syscalls& sys_;
  const SyscallArgs& args_;
  bool last_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_SYSCALL_BODY_H_
