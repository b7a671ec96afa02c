// What each system call does: one attempt of it, from its arguments to a result, or word that it
// has to wait and where.
#ifndef TAPEDECK_STACK_SOCKET_SYSCALL_BODY_H_
#define TAPEDECK_STACK_SOCKET_SYSCALL_BODY_H_

#include <cstdint>

#include "stack/socket/system_call.h"

namespace tapedeck {

struct socket;

class SyscallBody {
 public:
  // `last`: there is no more waiting, as for a non-blocking descriptor.
  SyscallBody(SystemCall& call, bool last);

  // The result; meaningless where the call has to wait (SystemCall::must_wait_).
  int64_t Run();
  // Gives up what a poll has registered.
  static void EndPoll(SystemCall& call);

 private:
  // Descriptors.
  int64_t Close();
  int64_t Dup();
  int64_t Dup2();
  int64_t Fcntl();
  int64_t Ioctl();
  // Sockets.
  int64_t Socket();
  int64_t Bind();
  int64_t Connect();
  int64_t Listen();
  int64_t Accept4();
  int64_t Shutdown();
  int64_t Getname(bool peer);
  int64_t Setsockopt();
  int64_t Getsockopt();
  // Data.
  int64_t Read();
  int64_t Write();
  int64_t Sendto();
  int64_t Recvfrom();
  int64_t Sendmsg();
  int64_t Recvmsg();
  // Many descriptors.
  int64_t Poll();

  // The file of the call's descriptor, or nullptr and -EBADF in *err. A retry gets the same one
  // whatever became of the descriptor.
  file* File(int64_t* err);
  // Its socket, or nullptr and -EBADF or -ENOTSOCK.
  socket* Sock(int64_t* err);
  // move_addr_to_user: as much of an address as there is room for, and its whole length. False
  // (-EINVAL) where the room makes no sense.
  static bool AddressToUser(const SockAddr& address, SockAddr* user);
  int64_t Install(file* file, bool close_on_exec, int from);
  // sock_sendmsg and sock_recvmsg, with the wait.
  int64_t Send(socket* sock, struct msghdr* msg, uint32_t flags);
  int64_t Receive(socket* sock, struct msghdr* msg, uint32_t flags);
  // The call sleeps on `queue` until one of `events`, at most `timeout` since it first had to.
  // -EAGAIN, which stands where the timeout is zero.
  int64_t WaitFor(WaitQueue* queue, uint32_t events, bool exclusive, Duration timeout);
  int64_t RegisterPoll();

  SystemCall& call_;
  Syscalls& sys_;
  const SyscallArgs& args_;
  bool last_;
};

}  // namespace tapedeck

#endif  // TAPEDECK_STACK_SOCKET_SYSCALL_BODY_H_
